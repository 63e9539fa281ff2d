//! `fondue index import`: a generation from published embeddings, pickles of URLs and raw vectors, or NumPy arrays.
//!
//! Reads the files by mapping them and writes row by row, so that an import of millions of rows needs little memory:
//! what a file is made of (24 bytes for an object, most for lists of single arrays), and 20 to 60 bytes a row. No model is
//! loaded; files of one are read only to know which it is.
//!
//! Source: section 3.4 of Koh et al. 2023; the published extraction script and loader, which leave the vectors
//! unnormalised and divide by their length when they are loaded.

mod files;
mod items;
mod made_by;
mod matrix;
mod npy;
mod report;
mod rows;
mod table;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use fondue_index::Builder;
use fondue_pickle::Archive;
use fondue_terminal::{interrupt::Interrupt, output, progress};

use self::{made_by::MadeBy, npy::NpyFile, rows::Rows, table::Table};
pub use self::{
    npy::{NpyError, NpyFault},
    report::{LeftOut, Reason, Report},
    table::{Facts, TableError, TableFault},
};
use crate::publish::{PublishArgs, publish};

const EXAMPLES: &str = "\
Examples:
  fondue index import my-model/fromage --model my-model --index my-index
  fondue index import cc3m_embeddings.pkl --index my-index
  fondue index import part1.pkl part2.pkl --mapping my-model/fromage --opt my-model/opt --index my-index
  fondue index import embeddings.npy --ids urls.txt --precision f16 --index my-index
  fondue up --index my-index --model my-model

A file is a pickled dict of `paths`, a list of URLs, and `embeddings`, as many vectors: one array or tensor, or a list \
of them, in f64, f32, f16 or bf16. It is never run. A folder stands for its cc3m_embeddings*.pkl, in the order of \
their names; all files make one generation.

A row's URL is its id, and where its picture can be had: the index holds no pictures and no captions. Rows are left \
out, and counted, if their vector is zero or not finite, if their URL is none of http or https or longer than 1024 \
bytes, and if it came before (the first one stays).

An .npy file is an array of rows in f16, f32 or f64; --ids names them, one id or URL a line, or one object of JSON a line \
in a .jsonl file: {\"id\": …, \"url\"?, \"caption\"?, \"group\"?, \"metadata\"?: {…}}, for all rows of all files in order.

With --model (or --mapping and --opt) the index is that model's: vectors of another length are refused here, and the \
gateway refuses to search it with another model. Without, nobody will notice if it does not fit.";

/// Makes an index of embeddings that are there and makes it the active one.
#[derive(Debug, Parser)]
#[command(name = "import", after_help = EXAMPLES)]
pub struct Args {
    /// Files of embeddings (.pkl, or .npy with --ids), or folders with cc3m_embeddings*.pkl.
    #[arg(required = true, value_name = "FILE-or-DIR")]
    sources: Vec<PathBuf>,
    /// Names of the rows of .npy files: an id or a URL a line, or .jsonl.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Index folder; it is made if it is not there.
    #[arg(long, value_name = "ROOT")]
    index: PathBuf,
    /// Folder of the model that made the embeddings: holds opt/ and fromage/, and clip/ if that is known.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["mapping", "opt"])]
    model: Option<PathBuf>,
    /// Folder of its mapping layers, instead of --model.
    #[arg(long, value_name = "DIR", requires = "opt")]
    mapping: Option<PathBuf>,
    /// Hugging Face folder of its OPT, instead of --model; its config.json is enough.
    #[arg(long, value_name = "DIR", requires = "mapping")]
    opt: Option<PathBuf>,
    /// Hugging Face folder of the CLIP that saw the pictures [default: MODEL/clip, if it is there].
    #[arg(long, value_name = "DIR")]
    clip: Option<PathBuf>,
    #[command(flatten)]
    publish: PublishArgs,
}

/// Imports, whatever signals come.
///
/// # Errors
/// [`fondue_pickle::PickleError`] and [`TableError`] of files that are not as they should be, those of the model's files
/// and of the index, if vectors are not of the model's length, or if no row is left. Nothing is published then.
pub fn run(args: &Args) -> Result<Report> {
    make(args, &Interrupt::never())
}

pub(crate) fn import(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let report = make(args, interrupt)?;
    let mut text = report.to_string();
    if args.model.is_none() && args.mapping.is_none() {
        text += "no model was named (--model): nobody will notice if another one searches this index\n";
    }
    output::print(&text).with_context(|| format!("generation {} is {}", report.generation, report.state))
}

fn make(args: &Args, interrupt: &Interrupt) -> Result<Report> {
    let paths = files::find(&args.sources)?;
    let made_by = MadeBy::find(args)?;
    let n_arrays = paths.iter().filter(|path| path.extension().is_some_and(|ext| ext == "npy")).count();
    ensure!(
        n_arrays == 0 || n_arrays == paths.len(),
        "either all files are .npy or none; import them one after the other"
    );
    match (&args.ids, n_arrays) {
        (Some(ids), 1..) => of_arrays(args, &paths, ids, &made_by, interrupt),
        (None, 1..) => bail!("--ids must name the rows of {}", args.sources[0].display()),
        (Some(_), 0) => bail!("--ids names rows of .npy files; pickles have names of their own"),
        (None, 0) => of_pickles(args, &paths, &made_by, interrupt),
    }
}

fn of_pickles(args: &Args, paths: &[PathBuf], made_by: &MadeBy, interrupt: &Interrupt) -> Result<Report> {
    let Survey { facts, first, dim, n_rows } = survey(paths, made_by)?;
    let mut rows = begin(args, dim, n_rows, made_by, interrupt)?;
    let mut first = Some(first);
    for path in paths {
        interrupt.check()?;
        let archive = first.take().map_or_else(|| Archive::open(path), Ok)?;
        rows.add(&Table::read(&archive)?)?;
    }
    finish(args, rows, facts, dim, n_rows)
}

fn of_arrays(
    args: &Args,
    paths: &[PathBuf],
    ids: &std::path::Path,
    made_by: &MadeBy,
    interrupt: &Interrupt,
) -> Result<Report> {
    let arrays: Vec<NpyFile> = paths.iter().map(|path| NpyFile::open(path)).collect::<Result<_, _>>()?;
    let facts: Vec<Facts> = arrays.iter().map(NpyFile::facts).collect();
    let (dim, n_rows) = agreed(&facts, made_by)?;
    let spinner = progress::spinner("counting the ids");
    let n_ids = items::count(ids, || Ok(interrupt.check()?))?;
    spinner.finish_and_clear();
    ensure!(n_ids == n_rows, "{} names {n_ids} rows, but there are {n_rows}", ids.display());
    let mut rows = begin(args, dim, n_rows, made_by, interrupt)?;
    let mut items = items::read(ids)?;
    for array in &arrays {
        rows.add_array(array, &mut items).with_context(|| array.path().display().to_string())?;
    }
    finish(args, rows, facts, dim, n_rows)
}

fn begin<'a>(
    args: &Args,
    dim: usize,
    n_rows: u64,
    made_by: &MadeBy,
    interrupt: &'a Interrupt,
) -> Result<Rows<'a>> {
    interrupt.begin()?; // from here on there is something to clear up
    let mut builder = Builder::new(&args.index, dim, &made_by.language)?.stored_as(args.publish.precision)?;
    if let Some(vision) = &made_by.vision {
        builder = builder.seen_by(vision);
    }
    Ok(Rows { builder, left_out: Default::default(), interrupt, bar: progress::bar(n_rows, "rows") })
}

fn finish(args: &Args, rows: Rows<'_>, facts: Vec<Facts>, dim: usize, n_rows: u64) -> Result<Report> {
    rows.bar.finish_and_clear();
    let interrupt = rows.interrupt;
    let Rows { builder, left_out, .. } = rows;
    if builder.is_empty() {
        bail!("no row is left of {n_rows}; nothing was published\n{}", left_out);
    }
    let n_kept = builder.len();
    let published = publish(builder, &args.index, &args.publish, interrupt)?;
    let state = format!("{} in {}", published.state(), args.index.display());
    Ok(Report { files: facts, n_kept, dim, left_out, generation: published.id, state })
}

/// What all files have, before anything is written.
struct Survey {
    facts: Vec<Facts>,
    /// The first file, open.
    first: Archive,
    dim: usize,
    n_rows: u64,
}

/// Looks at every file, so that the last one's faults do not cost the time of all before. One is open at a time: a
/// file of millions of single arrays takes hundreds of megabytes of memory.
fn survey(paths: &[PathBuf], made_by: &MadeBy) -> Result<Survey> {
    let spinner = progress::spinner("reading what the files are made of");
    let (mut facts, mut first) = (Vec::new(), None);
    for path in paths.iter().rev() {
        drop(first.take());
        let archive = Archive::open(path)?;
        facts.push(Table::read(&archive)?.facts());
        first = Some(archive);
    }
    spinner.finish_and_clear();
    facts.reverse();
    let (dim, n_rows) = agreed(&facts, made_by)?;
    let first = first.context("no file")?;
    Ok(Survey { facts, first, dim, n_rows })
}

/// The length of all rows, and their number.
fn agreed(facts: &[Facts], made_by: &MadeBy) -> Result<(usize, u64)> {
    let n_rows = facts.iter().map(|facts| facts.n_rows as u64).sum();
    let mut of_rows = facts.iter().filter_map(|facts| Some((facts, facts.dim?)));
    let Some((of_first, dim)) = of_rows.next() else {
        bail!("no row in {} files; nothing was published", facts.len());
    };
    if let Some((other, got)) = of_rows.find(|&(_, got)| got != dim) {
        let (path, before) = (other.path.display(), of_first.path.display());
        bail!("{path}: rows of {got} values, those of {before} have {dim}: not of one model");
    }
    if let Some((folder, expected)) = &made_by.dim {
        let (path, folder) = (of_first.path.display(), folder.display());
        ensure!(dim == *expected, "{path}: rows of {dim} values, the model of {folder} has {expected}");
    }
    Ok((dim, n_rows))
}
