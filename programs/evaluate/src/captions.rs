//! `fondue evaluate captions`: captions written for the pictures of a table, and pictures and captions found by each other.
//!
//! Source: the reference's validation: 32 greedy tokens without `[RET]`, cut before the first full stop; BLEU-1 to BLEU-4.

mod found;
mod pairs;
mod written;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use fondue_domain::Compat;
use fondue_terminal::interrupt::Interrupt;

use self::pairs::Pairs;
use crate::{
    model::{Model, ModelArgs, Sight},
    report::{Report, ReportArgs, Shown, Skipped},
};

const EXAMPLES: &str = "\
Examples:
  fondue evaluate captions --model my-model --tsv cc3m_val.tsv --images cc3m/validation --html report.html
  fondue evaluate captions --model assets/model --tsv my-corpus/captions/validation.tsv --images my-corpus

The table is tab-separated with a header line that names the columns `caption` and `image`, as `fondue train` reads it. Rows with one \
image are several captions of it. Rows that cannot be read, and pictures that cannot be seen, are left out and listed.";

/// Measures captions.
#[derive(Debug, Parser)]
#[command(name = "captions", after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Captions and pictures.
    #[arg(long, value_name = "FILE")]
    tsv: PathBuf,
    /// Folder that the table's paths begin in [default: the table's own].
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Judge so many pictures, the first ones, which are then the gallery.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    report: ReportArgs,
}

pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let folder = args.images.clone().or_else(|| Some(args.tsv.parent()?.to_owned())).unwrap_or_default();
    let mut pairs = Pairs::read(&args.tsv)?;
    let mut model = Model::open(&args.model, &args.report.work, interrupt)?;
    let mut report = Report::new("captions", &args.model, &model);
    let n_all = pairs.pictures.len();
    report.skipped.append(&mut pairs.skipped);
    pairs.pictures.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    let files: Vec<PathBuf> = pairs.pictures.iter().map(|picture| folder.join(&picture.image)).collect();
    let mut seen: Vec<Seen> = Vec::new();
    for (picture, sight) in pairs.pictures.into_iter().zip(model.see(&files, Compat::Off)?) {
        match sight {
            Ok(sight) => seen.push(Seen { image: picture.image, captions: picture.captions, sight }),
            Err(reason) => report.skipped.push(Skipped { what: picture.image, reason }),
        }
    }
    ensure!(
        !seen.is_empty(),
        "{}: none of its pictures could be seen in {}",
        args.tsv.display(),
        folder.display()
    );
    report.facts = vec![
        ("table".to_owned(), args.tsv.display().to_string()),
        ("pictures judged".to_owned(), format!("{} of {n_all}", seen.len())),
        ("captions".to_owned(), seen.iter().map(|picture| picture.captions.len()).sum::<usize>().to_string()),
    ];
    written::judge(&mut model, &seen, &mut report)?;
    found::judge(&mut model, &seen, &mut report)?;
    report.tell(&args.report, &folder)
}

/// A picture with its captions.
struct Seen {
    image: String,
    captions: Vec<String>,
    sight: Sight,
}

impl Seen {
    fn shown(&self) -> Shown {
        Shown::Picture {
            path: (&self.image).into(),
            name: self.captions.first().cloned().unwrap_or_default(),
        }
    }
}
