//! `fondue evaluate corpus`: the figures of a model that was trained on the corpus of drawings, and the bars that the shipped one is
//! held to.

mod answer;
mod asking;
mod changing;
mod finding;
mod gallery;
mod groups;
mod naming;
mod phrasing;
mod read;
mod spoken;
mod tally;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use fondue_domain::Compat;
use fondue_terminal::interrupt::Interrupt;

use self::{
    asking::Asking,
    finding::Finding,
    gallery::{Gallery, spread},
    naming::Named,
    read::{Corpus, STYLES, Split},
    tally::ranks,
};
use crate::{
    metrics::recall,
    model::{Model, ModelArgs, Sight},
    report::{Bar, Card, Report, ReportArgs, Skipped},
};

const EXAMPLES: &str = "\
Examples:
  fondue evaluate corpus --model assets/model --corpus my-corpus --bars
  fondue evaluate corpus --model assets/model --corpus my-corpus --html report.html --card MODEL_CARD.md

The corpus is what `fondue corpus OUT` makes. What is measured: pictures found by their thing's name among all pictures of a \
style; pictures named; whether [RET] is written where a picture is asked for and only there; pictures found by what is written in a \
dialogue. Figures are by style and by whether the picture or the thing was held out of training.";

/// Measures a model on the corpus of drawings.
#[derive(Debug, Parser)]
#[command(name = "corpus", after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder of the corpus.
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    /// End with code 1 if a bar is not reached.
    #[arg(long)]
    bars: bool,
    /// Judge so many pictures of each style and split at most, evenly spread, and as many things; they are looked for among all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Write the model card, in Markdown.
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Markdown that the card tells before its figures: how the model was trained, with commands and seed.
    #[arg(long, value_name = "FILE", requires = "card")]
    card_text: Option<PathBuf>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Whether all bars are reached, or none counts.
pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<bool> {
    let corpus = Corpus::read(&args.corpus)?;
    let card = args
        .card
        .as_deref()
        .map(|path| Ok::<_, anyhow::Error>((path, Card::read(args.card_text.as_deref(), &corpus.folder)?)));
    let card = card.transpose()?;
    let mut model = Model::open(&args.model, &args.report.work, interrupt)?;
    let mut report = Report::new("corpus", &args.model, &model);
    let limit = args.limit.map(|limit| limit as usize);
    let sights = see(&mut model, &corpus, &mut report)?;
    let galleries = galleries(&mut model, &corpus, &sights, &mut report)?;
    let judged = spread(&corpus.pictures, limit);
    let found = finding::find(&mut model, &corpus, &galleries, &judged, &mut report)?;
    let named = naming::name(&mut model, &corpus, &sights, &judged, &mut report)?;
    let asked = asking::ask(&mut model, &corpus, &galleries, &sights, limit, &mut report)?;
    let changed = changing::change(&mut model, &corpus, &sights, limit, &mut report)?;
    report.tables.push(groups::figures(&corpus, &found.outcomes, &named));
    report.bars = bars(&corpus, &found, &named, &asked, changed);
    report.facts = facts(&corpus, args);
    report.tell(&args.report, &corpus.folder)?;
    if let Some((path, card)) = card {
        report.write_card(path, &card)?;
    }
    Ok(!args.bars || report.passed())
}

/// The pictures' features; what cannot be seen is listed.
fn see(model: &mut Model, corpus: &Corpus, report: &mut Report) -> Result<Vec<Option<Sight>>> {
    let files: Vec<PathBuf> =
        corpus.pictures.iter().map(|picture| corpus.folder.join(&picture.path)).collect();
    let sights = model.see(&files, Compat::Off)?.into_iter().zip(&corpus.pictures);
    let seen = |(sight, picture): (Result<Sight, String>, &read::Picture)| match sight {
        Ok(sight) => Some(sight),
        Err(reason) => {
            report.skipped.push(Skipped { what: picture.path.display().to_string(), reason });
            None
        }
    };
    Ok(sights.map(seen).collect())
}

fn galleries(
    model: &mut Model,
    corpus: &Corpus,
    sights: &[Option<Sight>],
    report: &mut Report,
) -> Result<Vec<Gallery>> {
    let seen: Vec<(usize, Sight)> =
        sights.iter().enumerate().filter_map(|(at, sight)| Some((at, sight.clone()?))).collect();
    let placed = model.project(&seen.iter().map(|(_, sight)| sight.clone()).collect::<Vec<_>>())?;
    let mut embeddings = vec![None; sights.len()];
    for ((at, _), embedding) in seen.into_iter().zip(placed) {
        match embedding {
            Ok(embedding) => embeddings[at] = Some(embedding.0),
            Err(reason) => {
                report.skipped.push(Skipped { what: corpus.pictures[at].path.display().to_string(), reason });
            }
        }
    }
    Ok((0..STYLES.len()).map(|style| Gallery::new(corpus, style, &embeddings)).collect())
}

fn bars(corpus: &Corpus, found: &Finding, named: &[Named], asked: &Asking, changed: f64) -> Vec<Bar> {
    let recall_at = |split, k| recall(&ranks(corpus, &found.outcomes, split, None), k);
    let named = |split| naming::right(corpus, named, split, None).1;
    vec![
        Bar::at_least("held-out pictures found by name, R@1", 0.30, recall_at(Split::HeldPicture, 1)),
        Bar::at_least("held-out pictures found by name, R@5", 0.55, recall_at(Split::HeldPicture, 5)),
        Bar::at_least("held-out pictures named right", 0.35, named(Split::HeldPicture)),
        Bar::at_least("pictures trained on found by name, R@1", 0.90, recall_at(Split::Train, 1)),
        Bar::at_least("pictures trained on named right", 0.90, named(Split::Train)),
        Bar::at_least("[RET] written where a picture is asked for", 0.95, asked.asked),
        Bar::at_most("[RET] written where none is", 0.05, asked.not_asked),
        Bar::at_least(
            "asked for by name after another thing, and that is what the answer names",
            0.95,
            changed,
        ),
    ]
}

fn facts(corpus: &Corpus, args: &Args) -> Vec<(String, String)> {
    let count = |split| corpus.pictures.iter().filter(|picture| picture.split == split).count();
    let splits = Split::ALL.map(|split| format!("{} {split}", count(split)));
    let mut facts = vec![
        ("corpus".to_owned(), args.corpus.display().to_string()),
        ("things".to_owned(), corpus.things.len().to_string()),
        ("pictures of the styles that count".to_owned(), splits.join(", ")),
    ];
    facts.extend(args.limit.map(|limit| ("limit".to_owned(), limit.to_string())));
    facts
}
