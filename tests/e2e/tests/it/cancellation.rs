//! Leaving in the middle frees what was held; a full engine refuses.

use std::time::Duration;

use anyhow::Result;
use fondue_harness::{Cluster, Flags};
use fondue_proto::dialogue::{
    CancelTurn, ConverseRequest, FinishReason, ReplyRequest, TurnOptions, converse_request::Action,
    event::Kind,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_types::StatusExt;

use crate::said::{hear, long, reply, text, turn};

async fn begin(cluster: &Cluster) -> Result<tonic::Streaming<fondue_proto::dialogue::Event>> {
    let request = ReplyRequest { turn: Some(turn(vec![text("Hello")], long())), ..ReplyRequest::default() };
    let mut events = cluster.dialogue()?.reply(request).await?.into_inner();
    while !matches!(events.message().await?.expect("more").kind, Some(Kind::Text(_))) {}
    Ok(events)
}

#[tokio::test]
async fn dropping_the_stream_frees_the_engines_slot() -> Result<()> {
    let cluster = Cluster::start(Flags { language: &["--slots=1", "--queue=0"], ..Flags::default() }).await?;
    let events = begin(&cluster).await?;
    let refused = reply(&cluster, turn(vec![text("Me too")], TurnOptions::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.get_error_details().retry_info().is_some(), "with a delay: {refused:?}");
    drop(events);
    cluster.language_idle().await?;
    assert!(!reply(&cluster, turn(vec![text("And now?")], TurnOptions::default())).await?.text().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_cancelled_turn_says_so_and_the_conversation_goes_on() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let (say, said) = mpsc::channel(8);
    say.send(ConverseRequest { action: Some(Action::Turn(turn(vec![text("Hello")], long()))) }).await?;
    let mut events = cluster.dialogue()?.converse(ReceiverStream::new(said)).await?.into_inner();
    say.send(ConverseRequest { action: Some(Action::Cancel(CancelTurn {})) }).await?;
    let heard = tokio::time::timeout(Duration::from_secs(10), hear(&mut events)).await??;
    assert_eq!(heard.done().reason(), FinishReason::Cancelled, "{heard:?}");
    cluster.language_idle().await?;
    let next = turn(
        vec![text("Can you find a rocket?")],
        TurnOptions { max_images: Some(0), ..TurnOptions::default() },
    );
    say.send(ConverseRequest { action: Some(Action::Turn(next)) }).await?;
    assert_eq!(hear(&mut events).await?.done().reason(), FinishReason::Stop);
    Ok(())
}

#[tokio::test]
async fn a_turns_time_is_bounded() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let options = TurnOptions { timeout_ms: Some(60), ..long() };
    match reply(&cluster, turn(vec![text("Hello")], options)).await {
        Ok(heard) => assert_eq!(heard.failed.expect("TurnFailed").code, Code::DeadlineExceeded as i32),
        Err(status) => assert_eq!(status.code(), Code::DeadlineExceeded),
    }
    cluster.language_idle().await
}

#[tokio::test]
async fn turns_beyond_the_gateways_limit_are_refused() -> Result<()> {
    let cluster =
        Cluster::start(Flags { gateway: &["--max-concurrent-turns=2"], ..Flags::default() }).await?;
    let running = (begin(&cluster).await?, begin(&cluster).await?);
    let refused = reply(&cluster, turn(vec![text("Me too")], TurnOptions::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    drop(running);
    cluster.language_idle().await?;
    assert!(reply(&cluster, turn(vec![text("And now?")], TurnOptions::default())).await.is_ok());
    Ok(())
}
