//! Bodies that come slowly, and too many of them at once, by HTTP and by gRPC.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use fondue_domain::Fault;
use fondue_proto::{codec::Codec, dialogue::Event};
use fondue_serving::status::fault_of;
use futures::{Stream, StreamExt, stream};
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Status, Streaming, codec::Codec as _, transport::Channel};
use tower::ServiceExt;

use crate::scene::{HANGS, Scene, text, turn};

/// A chat by HTTP whose body is announced as `length` bytes; `sent` of them are there.
async fn post(scene: &Scene, length: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(scene.address.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let body = [b"{\"user\":\"".to_vec(), vec![b'x'; sent - 9]].concat();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream
}

/// The whole answer.
async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(HANGS, stream.read_to_end(&mut answer)).await.expect("the gateway hangs");
    assert!(read.is_ok() || !answer.is_empty(), "{read:?}");
    String::from_utf8(answer).unwrap()
}

/// Begins a message of `length` bytes to `method`; gives the status that the call ends with.
async fn call(
    scene: &Scene,
    method: &str,
    length: u32,
    sent: usize,
    then: impl Stream<Item = Bytes> + Send + 'static,
) -> Status {
    let head = [&[0][..], &length.to_be_bytes(), &vec![0x0a; sent]].concat();
    let chunks = stream::iter([Bytes::from(head)]).chain(then);
    let body = StreamBody::new(chunks.map(|data| Ok::<_, Infallible>(Frame::data(data))));
    let request = http::Request::post(format!("{}/fondue.dialogue.v1.Dialogue/{method}", scene.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(body))
        .unwrap();
    let channel = Channel::from_shared(scene.address.clone()).unwrap().connect().await.unwrap();
    let response =
        tokio::time::timeout(HANGS, channel.oneshot(request)).await.expect("the gateway hangs").unwrap();
    match Status::from_header_map(response.headers()) {
        Some(status) => status,
        None => {
            // In the trailers of a stream of events.
            let decoder = Codec::<Event, Event>::default().decoder();
            let mut events =
                Streaming::new_response(decoder, response.into_body(), StatusCode::OK, None, None);
            tokio::time::timeout(HANGS, events.message()).await.expect("the gateway hangs").unwrap_err()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let scene = Scene::with(&["--body-timeout-ms", "200"]).await;
    let slow = answer(post(&scene, 100_000, 50_000).await).await;
    assert!(slow.starts_with("HTTP/1.1 504 ") && slow.contains("body_timeout_ms"), "{slow}");
    for method in ["Reply", "Retrieve", "Score", "Converse"] {
        let status = call(&scene, method, 1000, 500, stream::pending()).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{method} {status:?}");
        assert!(status.message().contains("body_timeout_ms"), "{method} {status:?}");
    }
    // A byte now and then does not help.
    let trickle = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Bytes::from_static(b"\n"), ()))
    });
    let status = call(&scene, "Score", 1_000_000, 5, Box::pin(trickle)).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    // A conversation may be silent for longer.
    let mut talk = scene.converse().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(talk.turn(turn([text("hi")])).await.len() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_under_way_have_only_so_many_bytes_together() {
    let limits = ["--max-message-bytes", "1000000", "--max-bodies-bytes", "2000000"];
    let scene = Scene::with(&limits).await;
    // Three of 600 kB fit, by whatever way they come.
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(post(&scene, 1_000_000, 600_000).await);
    }
    let held_call = call(&scene, "Score", 1_000_000, 600_000, stream::pending());
    let mut held_call = std::pin::pin!(held_call);
    let waits = tokio::time::timeout(Duration::from_secs(2), &mut held_call).await;
    assert!(waits.is_err(), "{waits:?}");
    let refused = answer(post(&scene, 1_000_000, 600_000).await).await;
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("max_bodies_bytes"), "{refused}");
    let status = call(&scene, "Score", 1_000_000, 600_000, stream::pending()).await;
    assert_eq!(fault_of(&status), Fault::Busy { retry_after: Duration::from_secs(1) }, "{status:?}");
    // A question is small and gets in.
    assert!(scene.reply(turn([text("hi")])).await.is_ok());
    // Whoever leaves makes room.
    held.clear();
    for _ in 0..200 {
        let again = call(&scene, "Score", 1_000_000, 600_000, stream::pending());
        if tokio::time::timeout(Duration::from_secs(2), again).await.is_err() {
            return; // it waits for the rest
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the room never came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_held_comes_back_with_each_message() {
    let limits =
        ["--max-message-bytes", "1000000", "--max-bodies-bytes", "1000000", "--max-text-bytes", "900000"];
    let scene = Scene::with(&limits).await;
    let mut talk = scene.converse().await;
    for _ in 0..5 {
        talk.turn(turn([text(&"x".repeat(800_000))])).await;
        scene.reply(turn([text(&"x".repeat(800_000))])).await.unwrap().turn().await;
    }
}
