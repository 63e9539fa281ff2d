//! Conversations that grow too long, that go back, and that show pictures by URL.

use std::pin::Pin;

use anyhow::Result;
use fondue_harness::{Cluster, Flags};
use fondue_proto::dialogue::{
    BranchHistory, ConverseRequest, Event, Image, OpenDialogue, Part, Turn, TurnOptions, UndoTurns,
    converse_request::Action, event::Kind, part,
};
use futures::{Stream, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::said::{Heard, hear, image, pictures, reply, text, turn};

/// A conversation with real services.
struct Talk {
    say: mpsc::Sender<ConverseRequest>,
    events: Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>,
}

impl Talk {
    async fn begin(cluster: &Cluster, defaults: TurnOptions) -> Result<Self> {
        let (say, said) = mpsc::channel(8);
        let open = OpenDialogue { defaults: Some(defaults), ..OpenDialogue::default() };
        say.send(ConverseRequest { action: Some(Action::Open(open)) }).await?;
        let events = cluster.dialogue()?.converse(ReceiverStream::new(said)).await?.into_inner();
        Ok(Self { say, events: Box::pin(events) })
    }

    async fn act(&self, action: Action) -> Result<()> {
        Ok(self.say.send(ConverseRequest { action: Some(action) }).await?)
    }

    /// One turn, and how many turns its prompt left out.
    async fn turn(&mut self, turn: Turn) -> Result<(Heard, u32)> {
        self.act(Action::Turn(turn)).await?;
        let mut left_out = 0;
        let mut events = self.events.as_mut().inspect(|event| {
            if let Ok(Event { kind: Some(Kind::Started(started)), .. }) = event {
                left_out = started.history_cut.map_or(0, |cut| cut.turns_left_out);
            }
        });
        let heard = hear(&mut events).await?;
        Ok((heard, left_out))
    }

    /// The turns of the history after an edit.
    async fn edit(&mut self, action: Action) -> Result<Vec<u32>> {
        self.act(action).await?;
        let event = self.events.next().await.expect("an event")?;
        let Some(Kind::HistoryChanged(changed)) = event.kind else { panic!("{event:?}") };
        Ok(changed.turns)
    }
}

fn ask(question: &str) -> Turn {
    turn(vec![text(question)], TurnOptions::default())
}

#[tokio::test]
async fn a_conversation_goes_on_beyond_the_models_positions() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let options = TurnOptions { max_images: Some(0), max_new_tokens: Some(24), ..TurnOptions::default() };
    let mut talk = Talk::begin(&cluster, options.clone()).await?;
    let question = "Can you find a rocket for me, please, or else a red apple, or a dog on a beach?";
    let (mut before, mut n_cut) = (0, 0);
    for n in 0..40 {
        let mut parts = vec![text(question)];
        if n % 8 == 0 {
            parts.insert(0, image(cluster.picture(n / 8)?));
        }
        let (heard, left_out) = talk.turn(turn(parts, TurnOptions::default())).await?;
        assert!(heard.failed.is_none(), "turn {n}: {heard:?}");
        let prompt_tokens = heard.done().usage.unwrap().prompt_tokens;
        assert!(prompt_tokens + 24 <= 512, "turn {n}: {prompt_tokens}");
        assert!(left_out >= before && left_out <= n as u32, "turn {n}: {left_out} after {before}");
        n_cut += usize::from(left_out > 0);
        before = left_out;
    }
    assert!(n_cut > 5, "{n_cut}");
    // The conversation itself holds them all.
    let turns = talk.edit(Action::Undo(UndoTurns { turns: 38 })).await?;
    assert_eq!(turns, [1, 2]);
    let (heard, left_out) = talk.turn(ask(question)).await?;
    assert_eq!((left_out, heard.failed), (0, None));
    Ok(())
}

#[tokio::test]
async fn a_turn_that_is_taken_back_and_said_again_is_answered_alike() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let mut talk = Talk::begin(&cluster, pictures(2)).await?;
    let told = |(heard, _): (Heard, u32)| {
        let ids: Vec<_> = heard.images.iter().map(|image| image.id.clone()).collect();
        (heard.text(), heard.done().transcript.clone(), ids)
    };
    talk.turn(ask("Can you find a rocket?")).await?;
    let second = told(talk.turn(ask("Show me a red apple.")).await?);
    assert_eq!(second.2.len(), 2);
    assert_eq!(talk.edit(Action::Undo(UndoTurns::default())).await?, [1]);
    assert_eq!(told(talk.turn(ask("Show me a red apple.")).await?), second);
    // With what was shown there in the history it is another matter; the branch knows nothing of it.
    let third = told(talk.turn(ask("Show me a red apple.")).await?);
    assert!(third.2.iter().all(|id| !second.2.contains(id)), "{third:?} after {second:?}");
    assert_eq!(talk.edit(Action::Branch(BranchHistory { after_turn: 1 })).await?, [1]);
    assert_eq!(told(talk.turn(ask("Show me a red apple.")).await?), second);
    Ok(())
}

/// Serves one file at every path; tells its port.
async fn web(file: Vec<u8>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", file.len());
            let _ = stream.write_all(&[head.as_bytes(), &file].concat()).await;
        }
    });
    Ok(port)
}

#[tokio::test]
async fn a_picture_by_url_is_answered_like_its_bytes() -> Result<()> {
    let file = fondue_harness::pictures::png(30)?;
    let port = web(file.clone()).await?;
    let ports = port.to_string();
    let gateway = ["--image-host", "127.0.0.1", "--image-port", &ports, "--image-network", "127.0.0.0/8"];
    let cluster = Cluster::start(Flags { gateway: &gateway, ..Flags::default() }).await?;
    let link = Image { url: format!("http://127.0.0.1:{port}/picture.png"), ..Image::default() };
    let link = Part { kind: Some(part::Kind::Image(link)) };
    let question = || text("Another like this?");
    let by_url = reply(&cluster, turn(vec![link, question()], pictures(2))).await?;
    let by_bytes = reply(&cluster, turn(vec![image(file), question()], pictures(2))).await?;
    assert_eq!(by_url.text(), by_bytes.text());
    assert_eq!(by_url.images, by_bytes.images);
    assert_eq!(
        by_url.done().usage,
        by_bytes.done().usage.map(|usage| {
            let cached_tokens = by_url.done().usage.unwrap().cached_tokens; // the second one finds more
            fondue_proto::dialogue::Usage { cached_tokens, ..usage }
        })
    );
    let fetch_ms = |heard: &Heard| heard.done().timings.clone().unwrap().fetch_ms;
    assert!(fetch_ms(&by_url) > 0.0 && fetch_ms(&by_bytes) == 0.0);
    Ok(())
}
