//! `fondue evaluate vist`: contextual retrieval. Of a story in five pictures the last one is to be found, by its caption alone, by
//! all captions, or by captions and the pictures before it.
//!
//! Source: Koh et al. 2023, section 4.1; Huang et al. 2016 for the stories.

mod prompt;
mod published;
mod story;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use fondue_domain::Compat;
use fondue_terminal::interrupt::Interrupt;

use self::{
    prompt::{Inputs, prompt},
    story::{Stories, Story},
};
use crate::{
    folder::Folder,
    metrics::{dot, rank, recall},
    model::{Model, ModelArgs},
    modes::{self, Modes},
    pictures::Pictures,
    report::{Example, Examples, Figures, Report, ReportArgs, Shown, Skipped},
};

const EXAMPLES: &str = "\
Examples:
  fondue evaluate vist --model my-model --annotations val.story-in-sequence.json --images vist/val
  fondue evaluate vist --model my-model --annotations val.story-in-sequence.json --images vist/val --inputs 5-captions --compat off

The annotations are VIST's `story in sequence` file; the pictures are files named by their flickr ids, in any folders below DIR. Stories \
of which a picture is missing are left out and listed; the gallery is all pictures of the file that are there.";

/// Finds the last picture of stories.
#[derive(Debug, Parser)]
#[command(name = "vist", after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The stories, as VIST publishes them.
    #[arg(long, value_name = "FILE")]
    annotations: PathBuf,
    /// The pictures.
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// What the model is given.
    #[arg(long, value_enum, default_value = "all")]
    inputs: Inputs,
    #[command(flatten)]
    modes: Modes,
    /// Judge so many stories, the first ones; the gallery stays whole.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Cases that are told of each input.
const CASES: usize = 100;
/// Pictures that are shown of a search.
const SHOWN: usize = 5;

/// Ranks of the judged stories.
struct Outcome {
    inputs: Inputs,
    mode: Compat,
    ranks: Vec<usize>,
}

pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let stories = Stories::read(&args.annotations)?;
    let folder = Folder::open(&args.images)?;
    let mut model = Model::open(&args.model, &args.report.work, interrupt)?;
    let mut report = Report::new("vist", &args.model, &model);
    report.skipped.extend(stories.skipped.iter().cloned());
    let files: Vec<Option<PathBuf>> =
        stories.pictures.iter().map(|id| folder.find(id).map(Into::into)).collect();
    for (id, _) in stories.pictures.iter().zip(&files).filter(|(_, file)| file.is_none()) {
        report
            .skipped
            .push(Skipped { what: format!("picture {id}"), reason: "there is no such file".to_owned() });
    }
    let mut outcomes = Vec::new();
    let mut counts = (0, 0);
    for mode in args.modes.all() {
        let name = |at: usize| stories.pictures[at].clone();
        let gallery = Pictures::see(&mut model, &files, mode, name, &mut report)?;
        let there = |at: &usize| gallery.embeddings[*at].is_some();
        let whole = |story: &&Story| story.pictures.iter().all(there);
        let mut judged: Vec<&Story> = stories.stories.iter().filter(whole).collect();
        ensure!(
            !judged.is_empty(),
            "{}: no story has all its pictures in {}",
            args.annotations.display(),
            args.images.display()
        );
        if let Some(limit) = args.limit {
            judged.truncate(limit as usize);
        }
        counts = (judged.len(), gallery.embeddings.iter().flatten().count());
        for inputs in args.inputs.each() {
            outcomes.push(judge(
                &mut model,
                &gallery,
                &judged,
                (inputs, mode),
                &|at| shown(&stories, &files, &folder, at),
                &mut report,
            )?);
        }
    }
    report.facts = vec![
        ("annotations".to_owned(), args.annotations.display().to_string()),
        ("stories judged".to_owned(), format!("{} of {}", counts.0, stories.stories.len())),
        ("pictures in the gallery".to_owned(), counts.1.to_string()),
    ];
    report.tables = vec![figures(args, &outcomes, counts), published::others()];
    report.tell(&args.report, &args.images)
}

fn shown(stories: &Stories, files: &[Option<PathBuf>], folder: &Folder, at: usize) -> Shown {
    let path = files[at].as_deref().map(|file| folder.below(file)).unwrap_or_default();
    Shown::Picture { path, name: stories.pictures[at].clone() }
}

/// Looks for the last picture of each story.
fn judge(
    model: &mut Model,
    gallery: &Pictures,
    stories: &[&Story],
    (inputs, mode): (Inputs, Compat),
    shown: &dyn Fn(usize) -> Shown,
    report: &mut Report,
) -> Result<Outcome> {
    let sight = |at: usize| gallery.sights[at].clone();
    let prompts =
        stories.iter().map(|story| prompt(story, inputs, mode, sight)).collect::<Result<Vec<_>>>()?;
    let queries = model.queries(&prompts, "stories asked")?;
    let (mut ranks, mut rows) = (Vec::new(), Vec::new());
    let every = stories.len().div_ceil(CASES);
    for (n, (story, query)) in stories.iter().zip(queries).enumerate() {
        let query = match query {
            Ok(query) => query.0,
            Err(reason) => {
                report.skipped.push(Skipped { what: format!("story {}, {inputs}", story.id), reason });
                continue;
            }
        };
        let scores = scores(gallery, &query, if inputs.shows_pictures() { story.before() } else { &[] });
        let Some(rank) = rank(&scores, &[story.last()]) else { continue };
        ranks.push(rank);
        if n % every == 0 && mode == Compat::Off {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            rows.push(Example {
                given: inputs.given(story, shown),
                right: vec![shown(story.last())],
                got: order.into_iter().take(SHOWN).map(shown).collect(),
                rank: Some(rank),
            });
        }
    }
    if mode == Compat::Off {
        let title = format!("Stories, {inputs}");
        report.examples.push(Examples { name: inputs.name(), title, of: ranks.len(), rows });
    }
    Ok(Outcome { inputs, mode, ranks })
}

/// How near each picture is; those that were shown, and those that are not there, are never found.
fn scores(gallery: &Pictures, query: &[f32], without: &[usize]) -> Vec<f32> {
    let score = |(at, row): (usize, &Option<Vec<f32>>)| match row {
        Some(row) if !without.contains(&at) => dot(row, query),
        _ => f32::NEG_INFINITY,
    };
    gallery.embeddings.iter().enumerate().map(score).collect()
}

fn figures(args: &Args, outcomes: &[Outcome], (judged, pictures): (usize, usize)) -> Figures {
    let mut rows = Vec::new();
    for inputs in args.inputs.each() {
        for (place, k) in [1, 5, 10].into_iter().enumerate() {
            let figure = |mode| {
                let one = outcomes.iter().find(|outcome| outcome.inputs == inputs && outcome.mode == mode)?;
                Some(recall(&one.ranks, k))
            };
            rows.push(modes::row(
                &[inputs.name()],
                &format!("R@{k}"),
                figure,
                Some(published::fromage(inputs)[place]),
            ));
        }
    }
    Figures {
        name: "vist",
        title: "Contextual retrieval".to_owned(),
        note: format!(
            "{judged} stories, {pictures} pictures (chance R@1 {}). As published code: BOS before every caption, pictures squashed. \
             Published: FROMAGe on VIST's validation set, 7,043 pictures; compare it with nothing but the same model on the same set.",
            crate::report::percent(1.0 / pictures.max(1) as f64)
        ),
        columns: modes::columns(&["inputs"]),
        rows,
    }
}
