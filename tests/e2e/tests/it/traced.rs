//! Traces over four processes: one for each turn, whose spans say where the time went and not what was said.

mod collector;
mod processes;

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result};
use fondue_proto::{
    dialogue::{ConverseRequest, ReplyRequest, Turn, TurnOptions, converse_request::Action, event::Kind},
    vision::{EncodeRequest, Image},
};
use futures::StreamExt;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic_types::StatusExt;

use self::{
    collector::{Collector, Trace, hex, number, text},
    processes::Processes,
};
use crate::{
    said::{Heard, hear, image, pictures, text as words, turn},
    seen::metric_at,
};

/// The client's own span.
const CALLER: &str = "00f067aa0ba902b7";
/// A word that the prompt alone has.
const SECRET: &str = "zebrawood";

const REPLY: &str = "gateway fondue.dialogue.v1.Dialogue/Reply";
const CONVERSE: &str = "gateway fondue.dialogue.v1.Dialogue/Converse";
const ENCODE: &str = "vision fondue.vision.v1.Vision/Encode";
const GENERATE: &str = "language fondue.language.v1.Language/Generate";
const SEARCH: &str = "retrieval fondue.retrieval.v1.Retrieval/Search";

/// A trace's id, and how a caller tells it.
fn traceparent(n: u32, flags: &str) -> (String, String) {
    let id = format!("4bf92f3577b34da6a3ce9290{n:08x}");
    let header = format!("00-{id}-{CALLER}-{flags}");
    (id, header)
}

/// A turn with a picture, that finds others, in a trace of the client's.
async fn say(services: &Processes, header: &str, picture: usize) -> Result<(String, Heard)> {
    let parts = vec![image(services.picture(picture)?), words(&format!("Show me {SECRET}"))];
    reply(services, Some(header), turn(parts, pictures(2))).await
}

/// The trace's id as `TurnStarted` tells it, and what was heard.
async fn reply(services: &Processes, header: Option<&str>, turn: Turn) -> Result<(String, Heard)> {
    let mut request = Request::new(ReplyRequest { turn: Some(turn), ..ReplyRequest::default() });
    if let Some(header) = header {
        request.metadata_mut().insert("traceparent", header.parse()?);
    }
    let events = services.dialogue()?.reply(request).await?.into_inner();
    let mut id = String::new();
    let mut events = events.inspect(|event| {
        if let Ok(Some(Kind::Started(started))) = event.as_ref().map(|event| event.kind.as_ref()) {
            id.clone_from(&started.trace_id);
        }
    });
    let heard = hear(&mut events).await?;
    drop(events);
    Ok((id, heard))
}

fn events(span: &Span) -> Vec<&str> {
    span.events.iter().map(|event| event.name.as_str()).collect()
}

#[tokio::test]
async fn one_turn_is_one_trace_over_four_processes() -> Result<()> {
    let collector = Collector::start().await?;
    let services = Processes::start(&["--otlp-endpoint", &collector.endpoint], &[]).await?;
    let (unsampled, header) = traceparent(1, "00");
    let (told, heard) = say(&services, &header, 3).await?;
    assert_eq!((told.as_str(), heard.images.len()), (unsampled.as_str(), 2), "the id is told all the same");

    let (id, header) = traceparent(2, "01");
    let (told, heard) = say(&services, &header, 4).await?;
    assert_eq!((told.as_str(), heard.images.len()), (id.as_str(), 2), "{heard:?}");
    let trace = collector.trace(&id, &[REPLY, ENCODE, GENERATE, SEARCH, "language decode"]).await?;

    assert_eq!(hex(&trace.find(REPLY)?.parent_span_id), CALLER, "the client's span is the parent of all");
    trace.check_chain(&[
        REPLY,
        "gateway turn",
        "gateway see",
        "gateway vision Encode",
        ENCODE,
        "vision encode",
    ])?;
    for part in ["vision decode_queue", "vision decode", "vision tower_queue", "vision tower"] {
        trace.check_chain(&["vision encode", part])?;
    }
    trace.check_chain(&["gateway turn", "gateway speak", GENERATE, "language generate"])?;
    for part in ["tokenize", "queue", "prefix_lookup", "prefill", "decode"] {
        trace.check_chain(&["language generate", &format!("language {part}")])?;
    }
    trace.check_chain(&[
        "gateway turn",
        "gateway recall",
        "gateway retrieval Search",
        SEARCH,
        "retrieval search",
    ])?;
    for part in ["queue", "scan", "read_pictures"] {
        trace.check_chain(&["retrieval search", &format!("retrieval {part}")])?;
    }
    trace.check_chain(&[REPLY, "gateway admission"])?;
    check_parents(&trace);
    check_facts(&trace, &heard)?;
    check_processes(&trace);

    // A batch is of no turn alone: its own trace, linked from and to those who share it.
    let tower = trace.find("vision tower")?;
    let batch = collector.trace(&hex(&tower.links[0].trace_id), &["vision batch"]).await?;
    let batch = batch.find("vision batch")?;
    assert_eq!(batch.span_id, tower.links[0].span_id);
    assert_eq!(batch.links[0].span_id, trace.find("vision encode")?.span_id);

    let all = collector.all();
    let of = |id: &str| all.iter().filter(|told| hex(&told.span.trace_id) == id).count();
    assert_eq!(of(&unsampled), 0, "what its caller does not record is not recorded");
    let links = all.iter().flat_map(|told| &told.span.links);
    assert!(!links.map(|link| hex(&link.trace_id)).any(|id| id == unsampled), "nor its batches");
    let everything = format!("{all:?}");
    assert!(!everything.contains(SECRET) && !everything.contains(heard.text().trim()), "{everything}");
    for process in services.all() {
        let log = process.log();
        assert!(log.contains(&id) && log.contains(&unsampled), "{log}");
        assert!(!log.contains(SECRET), "{log}");
    }
    Ok(())
}

/// Each span but the first has its parent in the trace.
fn check_parents(trace: &Trace) {
    let ids: HashSet<_> = trace.0.iter().map(|told| &told.span.span_id).collect();
    for told in &trace.0 {
        let parent = &told.span.parent_span_id;
        assert!(ids.contains(parent) || hex(parent) == CALLER, "{} has no parent", told.span.name);
    }
    assert_eq!(ids.len(), trace.0.len(), "no span came twice");
}

/// What spans say beside their times.
fn check_facts(trace: &Trace, heard: &Heard) -> Result<()> {
    let usage = heard.done().usage.context("usage")?;
    let turn = &trace.find("gateway turn")?.attributes;
    assert_eq!(number(turn, "generated_tokens"), Some(i64::from(usage.generated_tokens)));
    assert_eq!((number(turn, "images_in"), number(turn, "images_found")), (Some(1), Some(2)));
    let generate = &trace.find("language generate")?.attributes;
    assert_eq!(number(generate, "prompt_tokens"), Some(i64::from(usage.prompt_tokens)));
    assert!(number(&trace.find("language prefix_lookup")?.attributes, "cached_tokens").is_some());
    assert_eq!(events(trace.find("language prefill")?)[0], "prompt rows run");
    let decode = trace.find("language decode")?;
    assert_eq!(events(decode)[0], "first token");
    assert!(events(decode).contains(&"[RET]"), "{decode:?}");
    assert_eq!(number(&decode.attributes, "tokens"), Some(i64::from(usage.generated_tokens)));
    assert!(trace.0.len() < 60, "no span for a token: {}", trace.0.len());
    assert_eq!(
        number(&trace.find("retrieval scan")?.attributes, "rows"),
        Some(fondue_harness::GALLERY as i64)
    );
    assert_eq!(text(&trace.find("retrieval search")?.attributes, "mode").as_deref(), Some("exact"));
    let (call, served) = (trace.find("gateway speak")?, trace.find(GENERATE)?);
    assert_eq!((call.kind, served.kind), (SpanKind::Client as i32, SpanKind::Server as i32));
    assert!(call.end_time_unix_nano >= decode.end_time_unix_nano, "it lasts as long as the stream");
    assert_eq!(text(&served.attributes, "rpc.grpc.status_code").as_deref(), Some("OK"));
    Ok(())
}

/// Four processes, each with a name and an id of its own.
fn check_processes(trace: &Trace) {
    let of = |key| trace.0.iter().filter_map(|told| text(&told.resource, key)).collect::<HashSet<_>>();
    assert_eq!((of("service.name").len(), of("service.instance.id").len()), (4, 4));
    assert_eq!((of("service.version").len(), of("host.name").len()), (1, 1));
}

#[tokio::test]
async fn calls_that_share_a_batch_are_all_linked_to_it() -> Result<()> {
    let collector = Collector::start().await?;
    let services = Processes::start(&["--otlp-endpoint", &collector.endpoint], &[]).await?;
    // Both wait for the tower until it has run a batch of many, and then they share the next one.
    let encode = async |header: Option<String>, numbers: std::ops::Range<usize>| -> Result<()> {
        let image = |n| anyhow::Ok(Image { data: services.picture(n)?.into(), ..Image::default() });
        let images = numbers.map(image).collect::<Result<_>>()?;
        let mut request = Request::new(EncodeRequest { images });
        if let Some(header) = header {
            request.metadata_mut().insert("traceparent", header.parse()?);
        }
        services.vision_client()?.encode(request).await?;
        Ok(())
    };
    let callers: Vec<_> = (1..=6).map(|n| traceparent(n, "01")).collect();
    let each = callers.iter().zip(4..).map(|((_, header), n)| encode(Some(header.clone()), n..n + 3));
    futures::future::try_join_all(each).await?;
    for (id, _) in &callers {
        let trace = collector.trace(id, &[ENCODE, "vision encode"]).await?;
        check_shared(&collector, trace.find("vision encode")?).await?;
    }
    Ok(())
}

/// A call's pictures overlap with others' calls: some batch is linked to it.
async fn check_shared(collector: &Collector, encode: &Span) -> Result<()> {
    for _ in 0..200 {
        let all = collector.all();
        let mut batches = all.iter().filter(|told| told.span.name == "batch");
        if batches.any(|told| told.span.links.iter().any(|link| link.span_id == encode.span_id)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("no batch is linked to {encode:?}")
}

#[tokio::test]
async fn each_turn_of_a_conversation_is_a_trace_unless_the_client_has_one() -> Result<()> {
    let collector = Collector::start().await?;
    let services = Processes::start(&["--otlp-endpoint", &collector.endpoint], &["--trace-content"]).await?;
    let (own, header) = traceparent(9, "01");
    for header in [None, Some(header)] {
        let options = TurnOptions { max_images: Some(0), ..TurnOptions::default() };
        let action = || Some(Action::Turn(turn(vec![words(&format!("What is {SECRET}?"))], options.clone())));
        let (say, said) = tokio::sync::mpsc::channel(4);
        for _ in 0..2 {
            say.send(ConverseRequest { action: action() }).await?;
        }
        drop(say);
        let mut request = Request::new(ReceiverStream::new(said));
        if let Some(header) = &header {
            request.metadata_mut().insert("traceparent", header.parse()?);
        }
        let mut events = services.dialogue()?.converse(request).await?.into_inner();
        let mut ids = Vec::new();
        while let Some(event) = events.message().await? {
            if let Some(Kind::Started(started)) = event.kind {
                ids.push(started.trace_id);
            }
        }
        if header.is_some() {
            assert_eq!(ids, [own.clone(), own.clone()]);
            continue;
        }
        assert_ne!(ids[0], ids[1]);
        for id in &ids {
            let trace = collector.trace(id, &["gateway turn", GENERATE]).await?;
            trace.check_chain(&["gateway turn", "gateway speak", GENERATE])?;
            let turn = trace.find("gateway turn")?;
            assert!(turn.parent_span_id.is_empty());
            let linked = hex(&turn.links[0].trace_id);
            let conversation = collector.trace(&linked, &[CONVERSE]).await?;
            assert_eq!(conversation.find(CONVERSE)?.span_id, turn.links[0].span_id);
            // What was said is there, as it was asked for, and in the traces alone.
            assert!(text(&turn.attributes, "fondue.prompt").context("no prompt")?.contains(SECRET));
            assert!(text(&turn.attributes, "fondue.answer").is_some());
        }
    }
    assert!(!services.gateway.log().contains(SECRET), "{}", services.gateway.log());
    Ok(())
}

#[tokio::test]
async fn a_dead_collector_holds_up_no_turn() -> Result<()> {
    let dropped = |reason| format!("fondue_trace_spans_dropped_total{{reason=\"{reason}\"}}");
    // One that takes connections and says nothing, one that is not there.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    for (endpoint, listener) in [(silent.local_addr()?, Some(&silent)), (gone, None)] {
        let endpoint = format!("http://{endpoint}");
        let mut services = Processes::start(&["--otlp-endpoint", &endpoint], &[]).await?;
        let (_, heard) = say(&services, &traceparent(1, "01").1, 4).await?;
        assert_eq!(heard.images.len(), 2);
        if let Some(listener) = listener {
            // It was asked, has not answered, and turns go on.
            let (mut held, _) = listener.accept().await?;
            assert!(held.read(&mut [0; 1]).await? > 0);
            let (_, heard) = say(&services, &traceparent(2, "01").1, 5).await?;
            assert_eq!(heard.images.len(), 2);
            let exported = metric_at(&services.gateway.address, "fondue_trace_spans_exported_total").await?;
            assert!(exported.abs() < f64::EPSILON, "it took none: {exported}");
        } else {
            let mut lost = 0.0;
            while lost == 0.0 {
                lost = metric_at(&services.gateway.address, &dropped("export_failed")).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(services.gateway.log().contains("the collector takes no spans"));
        }
        // Nor is the end: what cannot be sent is given up after a second.
        services.gateway.stop()?;
    }
    Ok(())
}

#[tokio::test]
async fn without_a_collector_ids_are_in_logs_and_errors() -> Result<()> {
    let services =
        Processes::start(&["--log-format", "json", "--log-filter", "warn,fondue_serving=info"], &[]).await?;
    let (id, header) = traceparent(5, "01");
    let (told, heard) = say(&services, &header, 4).await?;
    assert_eq!((told.as_str(), heard.images.len()), (id.as_str(), 2));
    for process in services.all() {
        // The line follows the answer's last byte.
        let mut line = None;
        for _ in 0..100 {
            let log = process.log();
            let ended = |line: &&str| line.contains("call ended") && line.contains(&id);
            line = log.lines().find(ended).map(str::to_owned);
            if line.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let line: serde_json::Value = serde_json::from_str(&line.with_context(|| process.log())?)?;
        assert_eq!(line["trace_id"], id.as_str(), "{line}");
    }
    // An error by gRPC: in its details and its headers.
    let mut request = Request::new(ReplyRequest {
        turn: Some(turn(vec![], TurnOptions::default())),
        ..ReplyRequest::default()
    });
    request.metadata_mut().insert("traceparent", header.parse()?);
    let status = services.dialogue()?.reply(request).await.unwrap_err();
    assert_eq!(status.get_details_request_info().context("no RequestInfo")?.request_id, id);
    assert_eq!(status.metadata().get("x-request-id").context("no header")?.to_str()?, id);
    // And by HTTP: in its header and its body, the same where the client has no trace.
    let mut stream = TcpStream::connect(&services.gateway.address).await?;
    stream.write_all(b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let header = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).context("no header")?;
    let body: serde_json::Value = serde_json::from_str(body.trim())?;
    assert_eq!(body["error"]["request_id"], header, "{answer}");
    assert_ne!(header, "0".repeat(32));
    Ok(())
}
