//! `fondue index build`: a generation of pictures. Two passes over the source: first every picture is read, seen and kept
//! aside (`kept`), on many threads and in any order; then the index is written in the source's order. So a build that was
//! killed goes on where it was, and ends in the very generation that it would have made undisturbed.

pub(crate) mod model;
pub(crate) mod source;

pub(crate) mod bad;
pub(crate) mod eyes;
pub(crate) mod kept;
mod left;
mod see;
pub(crate) mod store;
pub(crate) mod web;
mod write;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fondue_imaging::ImageLimits;
use fondue_terminal::{
    interrupt::{Interrupt, Interrupted},
    output, progress,
};
use sha2::{Digest, Sha256};

use self::{
    bad::Shown,
    eyes::Glasses,
    kept::{KEY_DIGITS, Kept},
    left::Left,
    model::{Identity, ModelArgs},
    source::{FieldSpec, Source, Survey},
    store::Store,
    web::FetchArgs,
};
use crate::publish::PublishArgs;

/// In seconds.
const DAY: u64 = 86_400;

const EXAMPLES: &str = "\
Examples:
  fondue index build --pictures .fondue/drawings --model assets/model --index .fondue/index
  fondue index build --pictures photos/ --thumbnails 256 --index my-index
  fondue index build --captions photos.jsonl --report bad.tsv --index my-index
  fondue index build --captions cc3m_train.tsv --fetch --thumbnails 256 --metadata year:number --index my-index

What is built of: a table (--captions, or captions.tsv in PICTURES), or all pictures in and below PICTURES, without \
captions, if there is no table. A table is tab-separated with a header line: `image` (a path below PICTURES, or a URL) \
and `caption` are needed, `group` may be there, and --metadata names further columns to keep. A .jsonl file has an object \
in each line: {\"image\": …, \"id\"?, \"caption\"?, \"group\"?, \"metadata\"?: {…}}. A picture's name in the index is its \
`id`, else its URL, else its path, in tables without the extension.

A build that was stopped or killed goes on where it was when the same command is given again; what it has done so far is \
in ROOT/.resume-…, which goes when it is finished. What other commands have left there and nobody has gone on with for \
--forget-after days goes when a build begins. Pictures that cannot be read are left out and listed.";

/// Builds an index of pictures and makes it the active one.
#[derive(Debug, Parser)]
#[command(name = "build", after_help = EXAMPLES)]
pub struct Args {
    /// Folder of pictures [default: that of the table].
    #[arg(long, value_name = "DIR", required_unless_present = "captions")]
    pictures: Option<PathBuf>,
    /// Table of pictures and captions, .tsv or .jsonl [default: PICTURES/captions.tsv, if it is there].
    #[arg(long, value_name = "FILE")]
    captions: Option<PathBuf>,
    /// Column of the table to keep as a field that searches can ask for; again for each.
    #[arg(long, value_name = "NAME[:text|number|truth]")]
    metadata: Vec<FieldSpec>,
    /// Index folder; it is made if it is not there.
    #[arg(long, value_name = "ROOT")]
    index: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures in one forward pass.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Threads that read and decode pictures; each holds one decoded picture [default: as many as there are cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Pixels of one picture, checked before it is decoded.
    #[arg(long, value_name = "N", default_value_t = 40_000_000)]
    max_pixels: u64,
    /// Bytes of one picture file.
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    max_bytes: usize,
    /// Store pictures at this many pixels a side at most, encoded anew, instead of their files.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    thumbnails: Option<u32>,
    /// Store no pictures; those from the web are known by their URLs then.
    #[arg(long, conflicts_with = "thumbnails")]
    no_pictures: bool,
    /// Stop at the first picture that cannot be read, instead of leaving it out.
    #[arg(long)]
    strict: bool,
    /// What is so without it, too.
    #[arg(long, hide = true, conflicts_with = "strict")]
    skip_broken: bool,
    /// File to list the pictures in that are left out, with the reasons.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Of the pictures that are left out, show so many.
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    /// Begin anew instead of going on with what an unfinished build has done.
    #[arg(long)]
    fresh: bool,
    /// Remove what unfinished builds of other pictures, models or settings have done, when nobody has gone on with them for
    /// so many days; 0 removes all that none is at work on.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    forget_after: u16,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    web: FetchArgs,
}

/// Builds the index, whatever signals come.
///
/// # Errors
/// If the source cannot be read, none of its pictures can be, or the index cannot be written. Nothing is published then.
pub fn run(args: &Args) -> Result<()> {
    build(args, &Interrupt::never())
}

pub(crate) fn build(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let source = Source::open(args.pictures.as_deref(), args.captions.as_deref(), &args.metadata)?;
    let survey = survey(&source, interrupt)?;
    let n = survey.n_entries;
    ensure!(n > 0, "{} names no picture", source.path().display());
    ensure!(
        survey.n_urls == 0 || args.web.fetch,
        "{}: {} of {n} pictures are named by URLs; --fetch fetches them (see `fondue index build --help`)",
        source.path().display(),
        survey.n_urls
    );
    let identity = args.model.identity()?;
    let glasses = Glasses {
        preprocess: args.model.preprocess()?,
        limits: ImageLimits { max_pixels: args.max_pixels, max_bytes: args.max_bytes },
        store: args.store(),
    };
    let key = args.key(&survey, &identity);
    let mut kept = Kept::open(&args.index, &key, n, args.fresh)?;
    interrupt.begin()?; // from here on there is something to clear up
    args.forget_others(&key);
    let build = Build { args, source, survey, identity, glasses, interrupt };
    let mut shown = Shown::new(args.show);
    let written = build.see(&mut kept, &mut shown).and_then(|()| build.write(&kept, &mut shown));
    if let Err(error) = &written
        && error.is::<Interrupted>()
    {
        eprintln!("{} pictures are done; the same command goes on from there", kept.n_done());
    }
    let written = written?;
    // The index is there; that its scaffold could not be removed is no failure.
    if let Err(error) = kept.remove() {
        eprintln!("warning: {error:#}");
    }
    let (id, state) = (&written.published.id, written.published.state());
    let mut text =
        format!("{} pictures in generation {id}, {state} in {}\n", written.n_rows, args.index.display());
    if written.n_bad > 0 {
        text += &format!("{} pictures were left out", written.n_bad);
        text += &args.report.as_ref().map_or(String::new(), |path| format!(", see {}", path.display()));
        text.push('\n');
    }
    output::print(&text).with_context(|| format!("generation {id} is {state}"))
}

/// A build that goes on.
struct Build<'a> {
    args: &'a Args,
    source: Source,
    survey: Survey,
    identity: Identity,
    glasses: Glasses,
    interrupt: &'a Interrupt,
}

fn survey(source: &Source, interrupt: &Interrupt) -> Result<Survey> {
    let spinner = progress::spinner("reading what there is");
    let survey = source.survey(|| Ok(interrupt.check()?));
    spinner.finish_and_clear();
    survey
}

impl Args {
    fn store(&self) -> Store {
        match self.thumbnails {
            _ if self.no_pictures => Store::Nothing,
            Some(side) => Store::Thumbnails(side),
            None => Store::Files,
        }
    }

    /// Removes what other builds have left long ago, and tells of it.
    fn forget_others(&self, key: &str) {
        let after = Duration::from_secs(u64::from(self.forget_after) * DAY);
        for Left { folder, age, removed } in left::sweep(&self.index, key, after, SystemTime::now()) {
            let (folder, days) = (folder.display(), age.as_secs() / DAY);
            match removed {
                Ok(()) => eprintln!("removed {folder}: a build that nobody has gone on with for {days} days"),
                Err(error) => eprintln!("warning: {folder}, left by a build {days} days ago, stays: {error}"),
            }
        }
    }

    /// What tells this build from others: all that its result depends on.
    fn key(&self, survey: &Survey, identity: &Identity) -> String {
        let mut hasher = Sha256::new();
        let Identity { language, vision } = identity;
        let (device, dtype, limits) =
            (&self.model.device, &self.model.dtype, (self.max_pixels, self.max_bytes));
        hasher.update(format!("{language} {vision} {device} {dtype} {limits:?} {:?} ", self.store()));
        hasher.update(survey.sha256);
        let digest = hasher.finalize();
        digest.iter().take(KEY_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}
