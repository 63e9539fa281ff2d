//! A service that goes away: typed events and errors, and everything works again when it is back.

use anyhow::Result;
use fondue_harness::{Cluster, Flags};
use fondue_proto::dialogue::{
    ConverseRequest, ReplyRequest, TurnOptions, converse_request::Action, event::Kind,
    image_unavailable::Reason,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::said::{hear, image, long, pictures, reply, text, turn};

#[tokio::test]
async fn without_retrieval_the_text_is_whole() -> Result<()> {
    let mut cluster = Cluster::start(Flags::default()).await?;
    let whole = reply(&cluster, turn(vec![text("Show me a tree")], pictures(1))).await?;
    assert_eq!(whole.images.len(), 1);
    cluster.retrieval.stop().await?;
    let heard = reply(&cluster, turn(vec![text("Show me a tree")], pictures(1))).await?;
    assert_eq!(heard.text(), whole.text());
    assert_eq!(heard.unavailable[0].reason(), Reason::Unavailable, "{heard:?}");
    assert!(heard.images.is_empty());
    cluster.retrieval.restart().await?;
    assert_eq!(reply(&cluster, turn(vec![text("Show me a tree")], pictures(1))).await?.images.len(), 1);
    Ok(())
}

#[tokio::test]
async fn without_vision_a_turn_with_pictures_fails_before_any_text() -> Result<()> {
    let mut cluster = Cluster::start(Flags::default()).await?;
    cluster.vision.stop().await?;
    let parts = || vec![image(cluster.picture(0).unwrap()), text("What is this?")];
    let status = reply(&cluster, turn(parts(), TurnOptions::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("vision"), "{status}");
    // Without pictures nothing is missing.
    assert!(!reply(&cluster, turn(vec![text("Hello")], TurnOptions::default())).await?.text().is_empty());

    // In a conversation the turn fails, not the stream.
    let (say, said) = mpsc::channel(8);
    say.send(ConverseRequest { action: Some(Action::Turn(turn(parts(), TurnOptions::default()))) }).await?;
    let mut events = cluster.dialogue()?.converse(ReceiverStream::new(said)).await?.into_inner();
    let failed = hear(&mut events).await?.failed.expect("TurnFailed");
    assert_eq!((failed.code, failed.text.as_str()), (Code::Unavailable as i32, ""));
    let retry = parts();
    cluster.vision.restart().await?;
    say.send(ConverseRequest { action: Some(Action::Turn(turn(retry, TurnOptions::default()))) }).await?;
    assert!(!hear(&mut events).await?.text().is_empty());
    Ok(())
}

#[tokio::test]
async fn language_going_down_in_the_middle_is_told() -> Result<()> {
    let mut cluster = Cluster::start(Flags::default()).await?;
    let request = ReplyRequest { turn: Some(turn(vec![text("Hello")], long())), ..ReplyRequest::default() };
    let mut events = cluster.dialogue()?.reply(request).await?.into_inner();
    let mut text_before = String::new();
    while text_before.is_empty() {
        if let Some(Kind::Text(delta)) = events.message().await?.expect("more").kind {
            text_before = delta.text;
        }
    }
    let (stopped, last) = tokio::join!(cluster.language.stop(), async {
        let mut last = None;
        while let Some(event) = events.message().await? {
            last = event.kind;
        }
        Ok::<_, anyhow::Error>(last)
    });
    stopped?;
    // Within the drain the answer may have come to its end.
    match last?.expect("a last event") {
        Kind::Failed(failed) => {
            assert_eq!(failed.code, Code::Unavailable as i32, "{failed:?}");
            assert!(failed.text.starts_with(&text_before));
        }
        Kind::Done(done) => assert!(done.text.starts_with(&text_before)),
        other => panic!("{other:?}"),
    }
    let status = reply(&cluster, turn(vec![text("Hello")], TurnOptions::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    cluster.language.restart().await?;
    assert!(!reply(&cluster, turn(vec![text("Hello")], TurnOptions::default())).await?.text().is_empty());
    Ok(())
}
