//! `fondue index list`: the generations of an index.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use fondue_index::Root;
use fondue_terminal::output;
use serde_json::json;

use crate::opened::date;

const EXAMPLES: &str = "\
Example:
  fondue index list --index my-index

The active generation is marked with a star. `fondue index info GENERATION` tells more of one.";

/// Lists the generations of an index.
#[derive(Debug, Parser)]
#[command(name = "list", after_help = EXAMPLES)]
pub struct Args {
    /// Index folder.
    #[arg(long, value_name = "ROOT", default_value = ".fondue/index")]
    index: PathBuf,
    /// Print an array of JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn list(args: &Args) -> Result<()> {
    let root = Root::open(&args.index)?;
    let active = root.active().ok();
    let (mut text, mut array) = (String::new(), Vec::new());
    for id in root.generations()? {
        let is_active = active.as_ref() == Some(&id);
        let mark = if is_active { '*' } else { ' ' };
        match root.generation(&id) {
            Ok(generation) => {
                let (rows, precision, created) =
                    (generation.len(), generation.precision(), generation.created());
                let graph = if generation.graph_facts().is_some() { ", graph" } else { "" };
                text += &format!("{mark} {id}  {rows} pictures, {precision}{graph}, {}\n", date(created));
                array.push(json!({
                    "id": id, "active": is_active, "rows": rows, "precision": precision.name(),
                    "has_graph": generation.graph_facts().is_some(), "created_seconds": created,
                    "parent": generation.parent(),
                }));
            }
            // One that cannot be read is no reason to be silent about the others.
            Err(error) => {
                text += &format!("{mark} {id}  cannot be opened: {error}\n");
                array.push(json!({"id": id, "active": is_active, "error": error.to_string()}));
            }
        }
    }
    if args.json {
        text = format!("{:#}\n", serde_json::Value::Array(array));
    } else if text.is_empty() {
        text = format!("no generation in {}; `fondue index build` makes one\n", args.index.display());
    }
    Ok(output::print(&text)?)
}
