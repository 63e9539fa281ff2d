//! `fondue index delete`: pictures that are not to be found any more.

use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use fondue_proto::retrieval::DeleteRequest;
use fondue_terminal::{interrupt::Interrupt, output};

use crate::{lines::numbered, opened, remote};

/// Ids in one request: the service's limit.
const BATCH: usize = 10_000;

const EXAMPLES: &str = "\
Examples:
  fondue index delete photos/cat photos/dog
  fondue index delete --ids gone.txt --retrieval 127.0.0.1:7403
  fondue index delete photos/cat --index my-index

A service that serves the index is asked; --index changes one that is not served. Ids that are not there are passed \
over. Until the index is compacted, the pictures stay on the disk.";

/// Removes pictures from the active generation; durable, and seen by the next search.
#[derive(Debug, Parser)]
#[command(name = "delete", after_help = EXAMPLES)]
pub struct Args {
    /// Names of pictures.
    #[arg(value_name = "ID", required_unless_present = "ids")]
    id: Vec<String>,
    /// File of names, one a line.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Retrieval service.
    #[arg(long, value_name = "ADDR", default_value = remote::RETRIEVAL)]
    retrieval: String,
    #[command(flatten)]
    tls: remote::TlsArgs,
    /// Index folder that no service serves, instead.
    #[arg(long, value_name = "ROOT", conflicts_with = "retrieval")]
    index: Option<PathBuf>,
}

/// Deletes, whatever signals come.
///
/// # Errors
/// If the service or the index refuses. What was deleted before stays deleted.
pub fn run(args: &Args) -> Result<()> {
    delete(args, &Interrupt::never())
}

pub(crate) fn delete(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let mut ids = args.id.clone();
    if let Some(path) = &args.ids {
        for line in numbered(path)? {
            let (line, text) = line?;
            let text = text.map_err(|reason| anyhow!("{}: line {line}: {reason}", path.display()))?;
            ids.extend(Some(text).filter(|text| !text.trim().is_empty()).map(|text| text.trim().to_owned()));
        }
    }
    ensure!(!ids.is_empty(), "no id is named");
    let n_ids = ids.len();
    let (deleted, generation) = match &args.index {
        Some(index) => {
            let instead = "without --index, `fondue index delete` asks the service";
            let done = opened::to_change(index, usize::MAX, instead)?.delete(ids)?;
            (done.deleted as u64, done.generation)
        }
        None => remote::runtime()?.block_on(remote::awaited(interrupt, ask(args, &ids)))?,
    };
    Ok(output::print(&format!("{deleted} of {n_ids} pictures deleted from {generation}\n"))?)
}

async fn ask(args: &Args, ids: &[String]) -> Result<(u64, String)> {
    let mut client = remote::retrieval(&args.retrieval, &args.tls)?;
    let (mut deleted, mut generation) = (0, String::new());
    for ids in ids.chunks(BATCH) {
        let answer = client.delete(DeleteRequest { ids: ids.to_vec() }).await;
        let answer = answer.map_err(|status| {
            remote::failed("retrieval", &args.retrieval, &status)
                .context(format!("{deleted} pictures were deleted before"))
        })?;
        let answer = answer.into_inner();
        deleted += answer.deleted;
        generation = answer.generation;
    }
    Ok((deleted, generation))
}
