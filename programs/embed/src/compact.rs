//! `fondue index compact`: the active generation and its changes become one new generation.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use fondue_index::IndexError;
use fondue_proto::retrieval::{CompactRequest, CompactResponse};
use fondue_terminal::{interrupt::Interrupt, output, progress};

use crate::{opened, remote};

const EXAMPLES: &str = "\
Examples:
  fondue index compact --index my-index
  fondue index compact --server 127.0.0.1:7403

A retrieval service compacts by itself when there are many changes. While it serves the index it alone may change it: \
--server asks it to compact now.";

/// Makes the active generation and its changes one new generation, and activates it.
#[derive(Debug, Parser)]
#[command(name = "compact", after_help = EXAMPLES)]
pub struct Args {
    /// Index folder.
    #[arg(long, value_name = "ROOT", default_value = ".fondue/index")]
    index: PathBuf,
    /// Pictures above which the index gets a graph for approximate search.
    #[arg(long, value_name = "N", default_value_t = 50_000, conflicts_with = "server")]
    graph_above: usize,
    /// Retrieval service to ask instead.
    #[arg(long, value_name = "ADDR", conflicts_with = "index")]
    server: Option<String>,
    #[command(flatten)]
    tls: remote::TlsArgs,
}

/// Compacts, whatever signals come.
///
/// # Errors
/// If the service or the index refuses; the active generation stays active then.
pub fn run(args: &Args) -> Result<()> {
    compact(args, &Interrupt::never())
}

pub(crate) fn compact(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let (generation, previous, rows) = match &args.server {
        Some(address) => ask(address, &args.tls, interrupt)?,
        None => here(args, interrupt)?,
    };
    if generation == previous {
        return Ok(output::print(&format!("{generation} has no changes; it stays as it is\n"))?);
    }
    Ok(output::print(&format!("{rows} pictures in generation {generation}, active instead of {previous}\n"))?)
}

fn ask(address: &str, tls: &remote::TlsArgs, interrupt: &Interrupt) -> Result<(String, String, u64)> {
    let mut client = remote::retrieval(address, tls)?;
    let spinner = progress::spinner("the service compacts");
    let CompactResponse { generation, previous, rows } =
        remote::runtime()?.block_on(remote::awaited(interrupt, async {
            let answer = client.compact(CompactRequest {}).await;
            Ok(answer.map_err(|status| remote::failed("retrieval", address, &status))?.into_inner())
        }))?;
    spinner.finish_and_clear();
    Ok((generation, previous, rows))
}

fn here(args: &Args, interrupt: &Interrupt) -> Result<(String, String, u64)> {
    let instead = "`fondue index compact --server ADDR` asks the service (its RPC Compact)";
    let index = opened::to_change(&args.index, args.graph_above, instead)?;
    interrupt.begin()?; // from here on there is something to clear up
    let bar = progress::bar(index.view("")?.len() as u64, "pictures");
    let compacted = index.compact(&mut |done, _| {
        bar.set_position(done as u64);
        interrupt.check().is_ok()
    });
    bar.finish_and_clear();
    match compacted {
        Ok(compacted) => Ok((compacted.generation, compacted.previous, compacted.rows as u64)),
        Err(IndexError::Stopped) => {
            Err(interrupt.check().err().map_or(IndexError::Stopped.into(), Into::into))
        }
        Err(error) => Err(error.into()),
    }
}
