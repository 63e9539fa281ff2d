//! What tracing costs: the same turns over the four services, with every span recorded and sent, and with none.
//!
//! Two sets of services stand side by side and take turns at being asked; the answers are greedy, so both do the same work. The
//! collector is this process: what it takes of the machine counts against the traces.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use fondue_proto::dialogue::{Part, ReplyRequest, Turn, dialogue_client::DialogueClient, event::Kind, part};
use futures::future::try_join_all;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Server},
};

use crate::{
    cli::at_least_one,
    process::{Process, service},
    statistics::median,
};

/// What traces may cost, as a share of the turns a second.
const BAR: f64 = 0.03;
/// Bytes of an answer with its pictures.
const MAX_MESSAGE: usize = 64 << 20;

/// What is asked of whom.
#[derive(Clone, Debug, Args)]
pub(crate) struct TracingArgs {
    /// Model folder: holds opt/, clip/ and fromage/.
    #[arg(long, value_name = "DIR", default_value = "assets/model")]
    model: PathBuf,
    /// Index of pictures, made by `fondue index`; `cargo xtask demo` makes this one.
    #[arg(long, value_name = "ROOT", default_value = ".fondue/index")]
    index: PathBuf,
    /// Clients, each of which asks anew when it has its answer.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    clients: usize,
    /// Seconds of one run.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    seconds: usize,
    /// Pairs of runs, whose ratios' median counts.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = at_least_one)]
    pairs: usize,
}

/// Measures, and prints what came of it.
///
/// # Errors
/// If a service does not start, a turn fails, or no span arrives.
pub(crate) async fn measure(args: &TracingArgs) -> Result<()> {
    let logs = tempfile::tempdir()?;
    let spans = Arc::new(AtomicU64::new(0));
    let collector = collect(Arc::clone(&spans)).await?;
    let (off_logs, on_logs) = (logs.path().join("off"), logs.path().join("on"));
    let off = Set::start(args, &[], &off_logs).await?;
    let on = Set::start(args, &[format!("--otlp-endpoint={collector}")], &on_logs).await?;
    let time = Duration::from_secs(args.seconds as u64);
    // What is slow at first: mapped files, caches of prompts.
    for set in [&off, &on] {
        set.turns(args.clients, Duration::from_secs(3)).await?;
    }
    let (mut ratios, mut rates) = (Vec::new(), [Vec::new(), Vec::new()]);
    println!("| pair | turns a second, off | on | cost |\n|---:|---:|---:|---:|");
    for pair in 0..args.pairs {
        // Each goes first in every other pair.
        let (without, with) = if pair % 2 == 0 {
            let without = off.turns(args.clients, time).await?;
            (without, on.turns(args.clients, time).await?)
        } else {
            let with = on.turns(args.clients, time).await?;
            (off.turns(args.clients, time).await?, with)
        };
        println!("| {} | {without:.2} | {with:.2} | {:.1} % |", pair + 1, 100.0 * (1.0 - with / without));
        ratios.push(with / without);
        rates[0].push(without);
        rates[1].push(with);
    }
    ensure!(spans.load(Relaxed) > 0, "no span arrived; the logs are in {}", logs.keep().display());
    let cost = 1.0 - median(&ratios);
    let told = if cost <= BAR { "met" } else { "missed" };
    println!(
        "\nTracing at 100 % costs {:.1} % (median of {} pairs; {:.2} and {:.2} turns a second; {} spans). Wanted: ≤ {:.0} %, {told}.",
        100.0 * cost,
        args.pairs,
        median(&rates[0]),
        median(&rates[1]),
        spans.load(Relaxed),
        100.0 * BAR
    );
    Ok(())
}

/// Four services.
struct Set {
    dialogue: DialogueClient<Channel>,
    _processes: [Process; 4],
}

impl Set {
    async fn start(args: &TracingArgs, flags: &[String], logs: &Path) -> Result<Self> {
        std::fs::create_dir_all(logs)?;
        let start = async |name, own: Vec<String>| service(name, &[own, flags.to_vec()].concat(), logs).await;
        let flag = |name: &str, value: &Path| vec![format!("--{name}={}", value.display())];
        let (vision, vision_at) = start("vision", flag("model", &args.model.join("clip"))).await?;
        let (language, language_at) = start("language", flag("model", &args.model)).await?;
        let (retrieval, retrieval_at) = start("retrieval", flag("index", &args.index)).await?;
        let upstreams = [("vision", vision_at), ("language", language_at), ("retrieval", retrieval_at)];
        let upstreams = upstreams.map(|(name, address)| format!("--{name}={address}"));
        let (gateway, gateway_at) = start("gateway", upstreams.to_vec()).await?;
        let dialogue = DialogueClient::connect(gateway_at).await?.max_decoding_message_size(MAX_MESSAGE);
        Ok(Self { dialogue, _processes: [vision, language, retrieval, gateway] })
    }

    /// Turns a second that `clients` get answered in `time`.
    async fn turns(&self, clients: usize, time: Duration) -> Result<f64> {
        let begun = Instant::now();
        let client = async |n: usize| -> Result<usize> {
            let mut dialogue = self.dialogue.clone();
            let mut turns = 0;
            while begun.elapsed() < time {
                let text = TEXTS[(n + turns) % TEXTS.len()];
                turn(&mut dialogue, text).await?;
                turns += 1;
            }
            Ok(turns)
        };
        let turns: usize = try_join_all((0..clients).map(client)).await?.into_iter().sum();
        Ok(turns as f64 / begun.elapsed().as_secs_f64())
    }
}

/// What is said: with pictures to be found, and without.
const TEXTS: [&str; 4] =
    ["Can you find a rocket?", "What is your name?", "Show me a red apple.", "Hello! Who are you?"];

async fn turn(dialogue: &mut DialogueClient<Channel>, text: &str) -> Result<()> {
    let part = Part { kind: Some(part::Kind::Text(text.to_owned())) };
    let turn = Turn { parts: vec![part], options: None };
    let request = ReplyRequest { turn: Some(turn), ..ReplyRequest::default() };
    let mut events = dialogue.reply(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        match event.kind {
            Some(Kind::Done(_)) => return Ok(()),
            Some(Kind::Failed(failed)) => bail!("a turn failed: {}", failed.message),
            _ => {}
        }
    }
    bail!("a turn broke off")
}

/// Counts spans, and looks at none.
struct Count(Arc<AtomicU64>);

#[tonic::async_trait]
impl TraceService for Count {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let processes = request.into_inner().resource_spans;
        let scopes = processes.iter().flat_map(|process| &process.scope_spans);
        self.0.fetch_add(scopes.map(|scope| scope.spans.len() as u64).sum(), Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Starts the collector; gives its URL.
async fn collect(spans: Arc<AtomicU64>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("the collector's port")?;
    let address = listener.local_addr()?;
    let service = TraceServiceServer::new(Count(spans));
    let serve = Server::builder().add_service(service);
    tokio::spawn(serve.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok(format!("http://{address}"))
}
