//! `fondue up`: the four services on this machine until somebody stops them.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::services::{Cluster, ServiceArgs, Signals, logs};

const EXAMPLES: &str = "\
Examples:
  fondue up                                      ports 7400 (gateway) to 7403; Ctrl-C stops all four
  fondue up --free-ports --verbose               any free ports, logs in this terminal
  fondue up --restart                            bring back a service that dies
  fondue up --model big/model --index big/index --pass language=--weights=bf16

Then, in another terminal: `fondue chat`. Logs lie in DATA/logs, one file a service.

When it stops, running turns get 3 s to end (a service's --drain-seconds); whatever still
runs after 4 s is killed, so that a longer drain passed with --pass is cut off there.";

/// Options of `fondue up`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Take any free ports instead of 7400 to 7403.
    #[arg(long)]
    free_ports: bool,
    /// Start a service again that dies: after half a second, then twice as long each time, up to 30 s.
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    services: ServiceArgs,
}

/// Starts, watches and stops the services.
pub(crate) async fn run(args: Args) -> Result<()> {
    let mut signals = Signals::new()?;
    let mut cluster = Cluster::new(args.services.verbose, args.restart);
    let outcome = hold(&args, &mut cluster, &mut signals).await;
    cluster.stop().await;
    outcome
}

async fn hold(args: &Args, cluster: &mut Cluster, signals: &mut Signals) -> Result<()> {
    let start = Instant::now();
    eprintln!("Starting vision, language and retrieval, then the gateway …");
    tokio::select! {
        started = cluster.start(&args.services, args.free_ports) => started?,
        name = signals.next() => bail!("stopped by {name} while starting"),
    }
    println!("fondue is up ({:.1} s)", start.elapsed().as_secs_f32());
    for (name, address) in cluster.addresses() {
        println!("  {name:<10} http://{address}");
    }
    println!("  {:<10} {}", "logs", logs(&args.services).display());
    println!("Talk to it with `fondue chat --gateway {}`; Ctrl-C stops everything.", cluster.gateway()?);
    loop {
        tokio::select! {
            change = cluster.change() => eprintln!("{change}"),
            name = signals.next() => {
                eprintln!("{name}: stopping");
                return Ok(());
            }
        }
        if cluster.is_dead() {
            bail!("no service is left; their logs are in {}", logs(&args.services).display());
        }
    }
}
