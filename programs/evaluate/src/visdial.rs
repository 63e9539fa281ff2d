//! `fondue evaluate visdial`: visual dialogue. Given a picture and a dialog about it, which of a hundred answers is right (IT→T);
//! given a dialog, which picture is it about (T→I).
//!
//! Source: Koh et al. 2023, section 4.2; Das et al. 2017 for the dialogs.

mod answers;
mod dialog;
mod judged;
mod pictures;
mod text;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use fondue_domain::Compat;
use fondue_terminal::interrupt::Interrupt;

use self::{
    dialog::{Dense, Dialogs},
    judged::Judged,
};
use crate::{
    folder::Folder,
    model::{Measure, Model, ModelArgs},
    modes::{self, Modes},
    report::{Cell, Figures, Report, ReportArgs, Skipped, percent},
};

const EXAMPLES: &str = "\
Examples:
  fondue evaluate visdial --model my-model --annotations visdial_1.0_val.json \\
      --dense visdial_1.0_val_dense_annotations.json --images VisualDialog_val2018
  fondue evaluate visdial --model my-model --annotations visdial_1.0_val.json --images VisualDialog_val2018 --limit 100

The annotations are VisDial v1.0's; the pictures are files named by the ids of their images. Dialogs whose picture is missing are left \
out and listed. Where a dialog is too long for the model its earliest rounds are left out, but not in the published code's column: what \
is too long there is skipped.";

/// Chooses answers and finds pictures of dialogs.
#[derive(Debug, Parser)]
#[command(name = "visdial", after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The dialogs, as VisDial v1.0 publishes them.
    #[arg(long, value_name = "FILE")]
    annotations: PathBuf,
    /// How relevant each answer is; without it there is no NDCG.
    #[arg(long, value_name = "FILE")]
    dense: Option<PathBuf>,
    /// The pictures.
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    #[command(flatten)]
    modes: Modes,
    /// Judge so many dialogs, the first ones, whose pictures are then the gallery.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    report: ReportArgs,
}

pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let mut dialogs = Dialogs::read(&args.annotations)?;
    let dense = args.dense.as_deref().map(|path| Dense::read(path, &dialogs)).transpose()?;
    let n_all = dialogs.dialogs.len();
    dialogs.dialogs.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    let folder = Folder::open(&args.images)?;
    let measure = Measure::new(&args.model)?;
    let mut model = Model::open(&args.model, &args.report.work, interrupt)?;
    let mut report = Report::new("visdial", &args.model, &model);
    let files: Vec<Option<PathBuf>> =
        dialogs.dialogs.iter().map(|dialog| folder.find(&dialog.image.0).map(Into::into)).collect();
    for (dialog, _) in dialogs.dialogs.iter().zip(&files).filter(|(_, file)| file.is_none()) {
        let reason = "there is no such file".to_owned();
        report.skipped.push(Skipped { what: format!("picture {}", dialog.image.0), reason });
    }
    let mut columns = Vec::new();
    for mode in args.modes.all() {
        let judged = Judged::see(&mut model, &dialogs, &files, &folder, mode, &mut report)?;
        ensure!(
            judged.any(),
            "{}: no dialog has its picture in {}",
            args.annotations.display(),
            args.images.display()
        );
        let told = answers::Told {
            dialogs: &dialogs,
            dense: dense.as_ref(),
            judged: &judged,
            measure: &measure,
            mode,
        };
        let answers = answers::judge(&mut model, &told, &mut report)?;
        let pictures = pictures::judge(&mut model, &told, &mut report)?;
        columns.push(Column { mode, answers, pictures, n: judged.count() });
    }
    report.facts = facts(args, &columns, n_all);
    report.tables = figures(&columns);
    report.tell(&args.report, &args.images)
}

/// The figures by one of the two rules.
struct Column {
    mode: Compat,
    answers: answers::Outcome,
    pictures: Vec<usize>,
    /// Dialogs.
    n: usize,
}

/// Published of FROMAGe, saved output of the reference's notebook: NDCG, MRR, R@1, 5, 10, 20 of answers; R@1, 5, 10 of pictures.
const PUBLISHED: ([f64; 6], [f64; 3]) =
    ([16.594, 21.997, 17.573, 19.971, 24.414, 48.309], [20.785, 44.913, 55.959]);

/// Published of others, table 3 of the later MCL paper: pictures of dialogs.
const OTHERS: [(&str, [f64; 3]); 2] =
    [("CLIP ViT-L/14", [17.7, 38.9, 50.2]), ("MCL Llama2-7B", [29.8, 57.1, 69.4])];

fn figures(columns: &[Column]) -> Vec<Figures> {
    let column = |mode: Compat| columns.iter().find(|column| column.mode == mode);
    let mut rows = Vec::new();
    let metrics = ["NDCG", "MRR", "R@1", "R@5", "R@10", "R@20"];
    for (at, metric) in metrics.into_iter().enumerate() {
        let figure = |mode| column(mode)?.answers.figure(at);
        rows.push(modes::row(&["IT→T"], metric, figure, Some(PUBLISHED.0[at])));
    }
    for (at, k) in [1, 5, 10].into_iter().enumerate() {
        let figure = |mode| column(mode).map(|column| crate::metrics::recall(&column.pictures, k));
        rows.push(modes::row(&["T→I"], &format!("R@{k}"), figure, Some(PUBLISHED.1[at])));
    }
    let n = columns.first().map_or(1, |column| column.n);
    let others = |(method, figures): (&str, [f64; 3])| {
        [Cell::from(method)].into_iter().chain(figures.map(|percent| Cell::Share(percent / 100.0))).collect()
    };
    vec![
        Figures {
            name: "visdial",
            title: "Visual dialogue".to_owned(),
            note: format!(
                "IT→T: the right answer among {}; chance R@1 {}. T→I: the picture among {n}; chance R@1 {}. As published code: IT→T by \
                 scores that are not shifted, NDCG of the next round, pictures squashed; T→I is the dialog among all, for each picture. \
                 Published: FROMAGe on VisDial v1.0's validation set.",
                dialog::OPTIONS,
                percent(1.0 / dialog::OPTIONS as f64),
                percent(1.0 / n.max(1) as f64)
            ),
            columns: modes::columns(&["task"]),
            rows,
        },
        Figures {
            name: "visdial_published",
            title: "Published of other methods, T→I".to_owned(),
            note: "On VisDial v1.0's validation set.".to_owned(),
            columns: ["method", "R@1", "R@5", "R@10"].map(str::to_owned).to_vec(),
            rows: OTHERS.into_iter().map(others).collect(),
        },
    ]
}

fn facts(args: &Args, columns: &[Column], n_all: usize) -> Vec<(String, String)> {
    let mut facts = vec![("annotations".to_owned(), args.annotations.display().to_string())];
    for Column { mode, answers, n, .. } in columns {
        let name = if mode.is_reference() { "as published code" } else { "correct" };
        let judged = format!(
            "{n} of {n_all} dialogs, {} rounds, {} of them with relevances; {} rounds shortened to fit the model",
            answers.ranks.len(),
            answers.gains.len(),
            answers.cut
        );
        facts.push((name.to_owned(), judged));
    }
    facts
}
