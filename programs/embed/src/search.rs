//! `fondue index search`: the nearest pictures of an index folder, by text or by picture.

mod question;
mod saved;
mod wanted;

use std::{path::PathBuf, thread};

use anyhow::{Result, ensure};
use clap::Parser;
use fondue_domain::Embedding;
use fondue_index::{Exclusions, How, Item, Query, Searcher, View, live::Found};
use fondue_terminal::{interrupt::Interrupt, output};
use serde_json::json;

use self::{question::Question, wanted::Wanted};
use crate::{opened, remote};

/// Candidates of an approximate search, as in the service.
const EFFORT: usize = 192;

const EXAMPLES: &str = "\
Examples:
  fondue index search --text \"a dog on a beach\" --index my-index
  fondue index search --text \"a dog\" --model assets/model -k 3 --json --index my-index
  fondue index search --image cat.jpg --where year>=2015 --where group=Animals --save found/ --index my-index

The index is read where it lies, with its changes, served or not. The query comes from the language service (and, for a \
picture, the vision service), or with --model from a model that is loaded here. A filter is FIELD=VALUE, FIELD!=VALUE or, \
of numbers, FIELD>=N, FIELD>N, FIELD<=N, FIELD<N; all must hold. Fields are `id`, `caption`, `group`, `media_type`, and \
those that `fondue index info` lists.";

/// Finds pictures.
#[derive(Debug, Parser)]
#[command(name = "search", after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("question").required(true).args(["text", "image"])))]
pub struct Args {
    /// What is looked for.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Picture file to which others are looked for.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Index folder.
    #[arg(long, value_name = "ROOT", default_value = ".fondue/index")]
    index: PathBuf,
    /// Generation to search [default: the active one].
    #[arg(long, value_name = "ID")]
    generation: Option<String>,
    /// Pictures wanted.
    #[arg(short, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    k: u32,
    /// What a picture must be; again for each condition.
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    wanted: Vec<Wanted>,
    /// Language service.
    #[arg(long, value_name = "ADDR", default_value = remote::LANGUAGE)]
    language: String,
    /// Vision service, for --image.
    #[arg(long, value_name = "ADDR", default_value = remote::VISION)]
    vision: String,
    #[command(flatten)]
    tls: remote::TlsArgs,
    /// Model folder to load instead of asking services.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["language", "vision"])]
    model: Option<PathBuf>,
    /// Compare every picture, where an index with a graph would be searched approximately.
    #[arg(long)]
    exact: bool,
    /// Candidates that an approximate search keeps: more find more, and take longer [default: 192].
    #[arg(long, value_name = "N", conflicts_with = "exact", value_parser = clap::value_parser!(u16).range(1..))]
    effort: Option<u16>,
    /// Print an object of JSON.
    #[arg(long)]
    json: bool,
    /// Folder to write the found pictures to, as far as the index stores them.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
}

/// Searches, whatever signals come; returns what it would print.
///
/// # Errors
/// If the index or the query cannot be had, or they are not of one model.
pub fn run(args: &Args) -> Result<String> {
    find(args, &Interrupt::never())
}

pub(crate) fn search(args: &Args, interrupt: &Interrupt) -> Result<()> {
    Ok(output::print(&find(args, interrupt)?)?)
}

fn find(args: &Args, interrupt: &Interrupt) -> Result<String> {
    let view = opened::to_read(&args.index)?.view(args.generation.as_deref().unwrap_or_default())?;
    let filter = wanted::filter(&args.wanted, &view)?;
    let Question { embedding, language, vision } = question::ask(args, interrupt)?;
    let generation = view.generation();
    for (what, theirs, ours) in [
        ("language", generation.fingerprint(), language),
        ("vision", generation.vision_fingerprint().unwrap_or_default(), vision.unwrap_or_default()),
    ] {
        ensure!(
            theirs.is_empty() || ours.is_empty() || theirs == ours,
            "the index was made by another {what} model than the query: {theirs}, not {ours}; \
             build the index with this model, or search with the one that made it"
        );
    }
    let vector = Embedding::normalized(embedding)?;
    let query =
        Query { vector: &vector, k: args.k as usize, filter: &filter, exclusions: &Exclusions::default() };
    let searcher = Searcher::new(thread::available_parallelism().map_or(1, usize::from), EFFORT)?;
    let how = if args.exact { How::Exactly } else { How::Nearly { ef: args.effort.map(usize::from) } };
    let answer = searcher.search(&view, &query, how)?;
    if let Some(folder) = &args.save {
        saved::save(folder, &view, &answer.found)?;
    }
    let hits = answer.found.iter().map(|found| Ok((found.score, view.item(found.place)?)));
    let hits: Vec<(f32, Item)> = hits.collect::<Result<_>>()?;
    Ok(if args.json { object(&view, answer.exact, &hits) } else { lines(&hits) })
}

fn lines(hits: &[(f32, Item)]) -> String {
    if hits.is_empty() {
        return "nothing was found\n".to_owned();
    }
    let width = hits.iter().map(|(_, item)| item.id.chars().count()).max().unwrap_or(0).min(60);
    let clean = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let line = |(n, (score, item)): (usize, &(f32, Item))| {
        format!("{:>4}  {score:.4}  {:<width$}  {}", n + 1, clean(&item.id), clean(&item.caption))
            .trim_end()
            .to_owned()
            + "\n"
    };
    hits.iter().enumerate().map(line).collect()
}

fn object(view: &View, exact: bool, hits: &[(f32, Item)]) -> String {
    let hit = |(n, (score, item)): (usize, &(f32, Item))| {
        json!({
            "rank": n + 1, "score": score, "id": item.id, "caption": item.caption, "group": item.group,
            "media_type": item.media_type, "url": item.url, "metadata": item.metadata,
        })
    };
    let hits: Vec<_> = hits.iter().enumerate().map(hit).collect();
    format!("{:#}\n", json!({"generation": view.generation().id(), "exact": exact, "hits": hits}))
}

/// A found picture's place among the others, for a file's name.
fn ranked(found: &[Found]) -> impl Iterator<Item = (usize, &Found)> {
    found.iter().enumerate().map(|(n, found)| (n + 1, found))
}
