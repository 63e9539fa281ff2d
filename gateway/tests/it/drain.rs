//! The way out: SIGTERM to the gateway's own process, whatever its clients do.

use std::time::{Duration, Instant};

use fondue_proto::dialogue::{dialogue_client::DialogueClient, event::Kind};
use nix::sys::signal::Signal::{SIGINT, SIGTERM};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Code;

use crate::{
    fakes::{
        Fake,
        language::{
            LanguageFake,
            Step::{Text, Wait},
        },
        retrieval::RetrievalFake,
        vision::VisionFake,
    },
    process::Process,
    scene::{Events, HANGS, reply, text, turn},
};

type Client = DialogueClient<tonic::transport::Channel>;

/// A gateway's process among its fakes.
struct Stage {
    gateway: Process,
    language: LanguageFake,
    _servers: [Fake; 3],
}

impl Stage {
    fn new(drain_seconds: &str) -> Self {
        let language = LanguageFake::default();
        let servers = [
            Fake::serve(VisionFake::default().routes()),
            Fake::serve(language.routes()),
            Fake::serve(RetrievalFake::default().routes()),
        ];
        let [v, l, r] = servers.each_ref().map(|server| server.address.as_str());
        let flags = ["--vision", v, "--language", l, "--retrieval", r, "--drain-seconds", drain_seconds];
        Self { gateway: Process::start(&flags), language, _servers: servers }
    }

    async fn client(&self) -> Client {
        DialogueClient::connect(format!("http://{}", self.gateway.address)).await.unwrap()
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(&self.gateway.address).await.unwrap()
    }

    /// A turn that has begun to answer, and waits.
    async fn turn(&self, says: &'static str) -> Events {
        self.language.will([Text(says), Wait]);
        let mut events = reply(self.client().await, turn([text("hi")])).await.unwrap();
        events.text().await;
        events
    }

    /// An answer as it comes, by HTTP.
    async fn stream(&self, says: &'static str) -> TcpStream {
        self.language.will([Text(says), Wait]);
        let body =
            "{\"model\":\"fondue\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json";
        let mut socket = self.socket().await;
        let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        socket.write_all(request.as_bytes()).await.unwrap();
        heard(&mut socket, says).await;
        socket
    }

    /// Clients that have nothing under way: a conversation, and connections of all kinds.
    async fn idle(&self) -> Idle {
        let mut client = self.client().await;
        let talk = client.converse(tokio_stream::pending()).await.unwrap().into_inner();
        let mut http1 = self.socket().await;
        http1.write_all(b"GET /livez HTTP/1.1\r\nhost: gateway\r\n\r\n").await.unwrap();
        heard(&mut http1, "alive").await;
        self.language.will([Text("ok")]);
        let http2 = self.client().await;
        reply(http2.clone(), turn([text("hi")])).await.unwrap().turn().await;
        let silent = self.socket().await;
        let mut half = self.socket().await;
        half.write_all(b"POST /v1/chat/comp").await.unwrap();
        Idle { talk: Events(talk), http1, http2, silent, half }
    }
}

struct Idle {
    talk: Events,
    http1: TcpStream,
    http2: Client,
    silent: TcpStream,
    half: TcpStream,
}

/// Reads until `words` come.
async fn heard(socket: &mut TcpStream, words: &str) {
    let mut all = String::new();
    while !all.contains(words) {
        let mut piece = [0; 4096];
        let n =
            tokio::time::timeout(HANGS, socket.read(&mut piece)).await.expect("the gateway hangs").unwrap();
        assert_ne!(n, 0, "{all}");
        all += std::str::from_utf8(&piece[..n]).unwrap();
    }
}

/// What still comes until the connection is closed.
async fn rest(socket: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(HANGS, socket.read_to_end(&mut rest)).await;
    let _ = read.expect("the connection stays open"); // cut off or closed
    String::from_utf8(rest).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_finished_and_what_is_idle_does_not_hold_the_process() {
    let mut stage = Stage::new("60");
    let (mut running, mut streamed) = (stage.turn("a").await, stage.stream("b").await);
    let mut idle = stage.idle().await;
    stage.gateway.signal(SIGTERM);
    let status = idle.talk.next().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(rest(&mut idle.http1).await, "");
    let status = reply(idle.http2.clone(), turn([text("hi")])).await.err().unwrap();
    // Refused, or the connection was on its way out under it.
    let refused = [Code::Unavailable, Code::Cancelled, Code::Unknown];
    assert!(refused.contains(&status.code()), "no new turn: {status:?}");
    assert!(TcpStream::connect(&stage.gateway.address).await.is_err(), "nor a new connection");
    stage.language.go_on.add_permits(2);
    assert!(matches!(running.kind().await, Kind::Done(_)));
    let told = rest(&mut streamed).await;
    assert!(told.contains("[DONE]"), "{told}");
    let (status, took) = stage.gateway.ends().await;
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}, of 60 s");
    assert_eq!((rest(&mut idle.silent).await, rest(&mut idle.half).await), (String::new(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlasts_the_grace_is_told_and_the_process_ends_whatever_its_clients_do() {
    let mut stage = Stage::new("2");
    let piece: &'static str = Box::leak("x".repeat(4 << 10).into_boxed_str());
    // Readers that read nothing: more waits for them than is under way unread at all hops.
    stage.language.will(vec![Text(piece); 4000]);
    let _unread = reply(stage.client().await, turn([text("hi")])).await.unwrap();
    let (mut running, mut streamed) = (stage.turn("so far").await, stage.stream("so far").await);
    let _gone = stage.stream("and").await; // nobody reads it, and nobody closes it
    let _idle = stage.idle().await;
    let begun = Instant::now();
    stage.gateway.signal(SIGTERM);
    let Kind::Failed(failed) = running.kind().await else { panic!("not failed") };
    assert!(begun.elapsed() >= Duration::from_millis(1200), "it had its time: {:?}", begun.elapsed());
    assert_eq!((failed.code, failed.text.as_str()), (Code::Unavailable as i32, "so far"), "{failed:?}");
    assert_eq!(failed.usage.map(|usage| (usage.prompt_tokens, usage.cached_tokens)), Some((7, 4)));
    assert_eq!(failed.retry_delay_ms, 1000);
    let told = rest(&mut streamed).await;
    assert!(told.contains("\"code\":\"unavailable\"") && !told.contains("[DONE]"), "{told}");
    let (status, _) = stage.gateway.ends().await;
    let took = begun.elapsed();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}, of 2 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_process_at_once() {
    for (first, second, code) in [(SIGTERM, SIGTERM, 143), (SIGINT, SIGINT, 130), (SIGINT, SIGTERM, 143)] {
        let mut stage = Stage::new("60");
        let _running = stage.turn("a").await;
        let mut idle = stage.idle().await;
        stage.gateway.signal(first);
        idle.talk.next().await.unwrap_err(); // it has heard of it
        stage.gateway.signal(second);
        let (status, took) = stage.gateway.ends().await;
        assert_eq!(status.code(), Some(code));
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}
