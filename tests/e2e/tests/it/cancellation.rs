//! Leaving in the middle frees what was held; a full engine refuses.

use std::time::{Duration, Instant};

use anyhow::Result;
use fondue_harness::{Cluster, Flags};
use fondue_proto::{
    dialogue::{
        CancelTurn, ConverseRequest, FinishReason, ReplyRequest, TurnOptions, converse_request::Action,
        event::Kind,
    },
    language::DescribeRequest,
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

/// Tries of one measure, of which the best counts: what is late by design is late each time, what a busy machine delays is not.
const TRIES: usize = 4;

/// How long from now until the language service does nothing and nothing waits there, by its own account.
async fn idle_after(cluster: &Cluster) -> Result<Duration> {
    let mut client = cluster.language_client()?;
    let begun = Instant::now();
    loop {
        let facts = client.describe(DescribeRequest {}).await?.into_inner();
        if facts.active_slots == 0 && facts.queued == 0 {
            return Ok(begun.elapsed());
        }
        anyhow::ensure!(begun.elapsed() < Duration::from_secs(10), "the language service is still busy");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_cancelled_turn_frees_the_engine_within_a_step() -> Result<()> {
    let cluster = Cluster::start(Flags { language: &["--slots=1"], ..Flags::default() }).await?;
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let (say, said) = mpsc::channel(8);
        say.send(ConverseRequest { action: Some(Action::Turn(turn(vec![text("Hello")], long()))) }).await?;
        let mut events = cluster.dialogue()?.converse(ReceiverStream::new(said)).await?.into_inner();
        while !matches!(events.message().await?.expect("more").kind, Some(Kind::Text(_))) {}
        say.send(ConverseRequest { action: Some(Action::Cancel(CancelTurn {})) }).await?;
        best = best.min(idle_after(&cluster).await?);
    }
    eprintln!("the engine is free {best:?} after the client has cancelled");
    assert!(best <= Duration::from_millis(150), "{best:?}, a step included");
    Ok(())
}

#[tokio::test]
async fn neither_a_turn_that_runs_nor_one_that_waits_outlives_its_deadline_in_the_engine() -> Result<()> {
    let cluster = Cluster::start(Flags { language: &["--slots=1"], ..Flags::default() }).await?;
    let timeout = Duration::from_millis(80);
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let begun = Instant::now();
        let ask = async || {
            let options = TurnOptions { timeout_ms: Some(80), ..long() };
            match reply(&cluster, turn(vec![text("Hello")], options)).await {
                Ok(heard) => heard.failed.map_or(Code::Ok as i32, |failed| failed.code),
                Err(status) => status.code() as i32,
            }
        };
        // Of three one runs and two wait for its slot.
        let codes = tokio::join!(ask(), ask(), ask());
        let late = Code::DeadlineExceeded as i32;
        assert_eq!(codes, (late, late, late));
        idle_after(&cluster).await?;
        best = best.min(begun.elapsed().saturating_sub(timeout));
    }
    eprintln!("nothing of the turns is left {best:?} after their deadline");
    assert!(best <= Duration::from_millis(250), "{best:?}");
    Ok(())
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
