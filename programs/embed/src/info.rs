//! `fondue index info`: what a generation holds.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use fondue_index::{Generation, Root};
use fondue_terminal::output;
use indicatif::HumanBytes;
use serde_json::{Map, Value, json};

use crate::opened::{date, generation, to_read};

const EXAMPLES: &str = "\
Examples:
  fondue index info --index my-index
  fondue index info g0123456789abcdef --index my-index --json

Nothing is compared with its checksum here; `fondue index verify` does that.";

/// Tells what a generation holds.
#[derive(Debug, Parser)]
#[command(name = "info", after_help = EXAMPLES)]
pub struct Args {
    /// Which [default: the active one].
    generation: Option<String>,
    /// Index folder.
    #[arg(long, value_name = "ROOT", default_value = ".fondue/index")]
    index: PathBuf,
    /// Print an object of JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn info(args: &Args) -> Result<()> {
    let generation = generation(&args.index, args.generation.as_deref())?;
    // Changes are there to be read only if the index has an active generation to begin with.
    let active = Root::open(&args.index)?.active().ok();
    let changes = match active {
        Some(_) => {
            let view = to_read(&args.index)?.view(generation.id())?;
            Some((view.len(), view.added(), view.removed()))
        }
        None => None,
    };
    let is_active = active.as_deref() == Some(generation.id());
    let text = if args.json {
        format!("{:#}\n", object(&generation, is_active, changes))
    } else {
        lines(&generation, is_active, changes)
    };
    Ok(output::print(&text)?)
}

/// Pictures that searches see, that were added, and that were removed or replaced.
type Changes = Option<(usize, usize, usize)>;

fn lines(generation: &Generation, is_active: bool, changes: Changes) -> String {
    let known = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("not known").to_owned();
    let fields: Vec<String> =
        generation.fields().map(|(name, kind)| format!("{name} ({kind:?})").to_lowercase()).collect();
    let graph = generation.graph_facts().map_or("none; searches are exact".to_owned(), |graph| {
        format!("m {}, ef_construction {}", graph.m, graph.ef_construction)
    });
    let mut rows = vec![
        ("generation", format!("{}{}", generation.id(), if is_active { ", active" } else { "" })),
        ("pictures", generation.len().to_string()),
        ("vectors", format!("{} values, {}", generation.dim(), generation.precision())),
        ("graph", graph),
        ("fields", if fields.is_empty() { "none".to_owned() } else { fields.join(", ") }),
        ("created", date(generation.created())),
        ("parent", generation.parent().unwrap_or("none; it was built").to_owned()),
        ("language", known(Some(generation.fingerprint()))),
        ("vision", known(generation.vision_fingerprint())),
    ];
    if let Some((seen, added, removed)) = changes {
        rows.push((
            "changes",
            format!("{added} added, {removed} removed or replaced since: {seen} pictures now"),
        ));
    }
    let total: u64 = generation.files().map(|(_, bytes)| bytes).sum();
    rows.push(("bytes", format!("{} in all", HumanBytes(total))));
    let mut text: String = rows.into_iter().map(|(name, value)| format!("{name:<11}{value}\n")).collect();
    for (name, bytes) in generation.files() {
        text += &format!("  {name:<14}{}\n", HumanBytes(bytes));
    }
    text
}

fn object(generation: &Generation, is_active: bool, changes: Changes) -> Value {
    let fields: Map<String, Value> =
        generation.fields().map(|(name, kind)| (name.to_owned(), json!(kind))).collect();
    let files: Map<String, Value> =
        generation.files().map(|(name, bytes)| (name.to_owned(), json!(bytes))).collect();
    json!({
        "generation": generation.id(),
        "active": is_active,
        "rows": generation.len(),
        "dim": generation.dim(),
        "precision": generation.precision().name(),
        "graph": generation.graph_facts(),
        "fields": fields,
        "created_seconds": generation.created(),
        "parent": generation.parent(),
        "fingerprint": generation.fingerprint(),
        "vision_fingerprint": generation.vision_fingerprint(),
        "changes": changes.map(|(seen, added, removed)| json!({"rows": seen, "added": added, "removed": removed})),
        "files": files,
    })
}
