//! `fondue index add`: pictures into an index that is served: vision and language services see them, the retrieval service
//! takes them in.

mod looked;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use fondue_proto::retrieval::{DescribeRequest, IngestRequest, IngestResponse};
use fondue_terminal::{
    interrupt::{Interrupt, Interrupted},
    output, progress,
};
use futures::{StreamExt, stream};
use indicatif::ProgressBar;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic_types::StatusExt;

use self::looked::Glasses;
use crate::{
    build::{
        bad::{self, Report, Shown},
        source::{Bad, Entry, FieldSpec, Source, Survey},
        store::Store,
        web::FetchArgs,
    },
    remote,
};

/// Batches that are looked at while others are taken in.
const AHEAD: usize = 4;

const EXAMPLES: &str = "\
Examples:
  fondue index add --pictures photos/
  fondue index add --captions new.jsonl --thumbnails 256 --retrieval db:7403 --vision gpu:7401 --language gpu:7402

Pictures and captions come from what `fondue index build` takes. A picture of an id that is there replaces it. Searches \
see pictures as soon as they are taken in, and none is lost that was; a command that was stopped can be given again.";

/// Adds pictures to an index that is served.
#[derive(Debug, Parser)]
#[command(name = "add", after_help = EXAMPLES)]
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
    /// Retrieval service.
    #[arg(long, value_name = "ADDR", default_value = remote::RETRIEVAL)]
    retrieval: String,
    /// Vision service.
    #[arg(long, value_name = "ADDR", default_value = remote::VISION)]
    vision: String,
    /// Language service.
    #[arg(long, value_name = "ADDR", default_value = remote::LANGUAGE)]
    language: String,
    #[command(flatten)]
    tls: remote::TlsArgs,
    /// Pictures in one request to the vision service.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    batch: u16,
    /// Pixels of one picture, checked before a thumbnail is made of it.
    #[arg(long, value_name = "N", default_value_t = 40_000_000)]
    max_pixels: u64,
    /// Bytes of one picture file.
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
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
    /// File to list the pictures in that are left out, with the reasons.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Of the pictures that are left out, show so many.
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    #[command(flatten)]
    web: FetchArgs,
}

/// Adds pictures, whatever signals come.
///
/// # Errors
/// If a service refuses, or the source cannot be read. What was taken in before stays.
pub fn run(args: &Args) -> Result<()> {
    add(args, &Interrupt::never())
}

pub(crate) fn add(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let source = Source::open(args.pictures.as_deref(), args.captions.as_deref(), &args.metadata)?;
    let survey = source.survey(|| Ok(interrupt.check()?))?;
    ensure!(survey.n_entries > 0, "{} names no picture", source.path().display());
    ensure!(
        survey.n_urls == 0 || args.web.fetch,
        "{}: {} of {} pictures are named by URLs; --fetch fetches them",
        source.path().display(),
        survey.n_urls,
        survey.n_entries
    );
    let web = args.web.web(args.max_bytes)?;
    let glasses = Glasses::of(args, web.as_ref().map(|web| web.fetcher.clone()))?;
    interrupt.begin()?;
    let bar = progress::bar(survey.n_entries, "pictures");
    let report = args.report.as_deref().map(Report::begin).transpose()?;
    let mut left = LeftOut { shown: Shown::new(args.show), report, n: 0 };
    let adding = Adding { args, glasses, source: &source, survey: &survey, bar: &bar };
    let answer = remote::runtime()?.block_on(remote::awaited(interrupt, adding.stream(&mut left)));
    bar.finish_and_clear();
    if let Err(error) = &answer
        && error.is::<Interrupted>()
    {
        eprintln!("what the service has taken in stays; the same command adds all of it again, and the rest");
    }
    let IngestResponse { accepted, replaced, generation } = answer?;
    left.report.map(Report::finish).transpose()?;
    let mut text =
        format!("{accepted} pictures added to {generation}, of which {replaced} replaced others\n");
    if left.n > 0 {
        text += &format!("{} pictures were left out\n", left.n);
    }
    Ok(output::print(&text)?)
}

/// Pictures that are not added.
struct LeftOut {
    shown: Shown,
    report: Option<Report>,
    n: u64,
}

impl Args {
    fn store(&self) -> Store {
        match self.thumbnails {
            _ if self.no_pictures => Store::Nothing,
            Some(side) => Store::Thumbnails(side),
            None => Store::Files,
        }
    }
}

struct Adding<'a> {
    args: &'a Args,
    glasses: Glasses,
    source: &'a Source,
    survey: &'a Survey,
    bar: &'a ProgressBar,
}

impl Adding<'_> {
    /// Everything through the services.
    async fn stream(&self, left: &mut LeftOut) -> Result<IngestResponse> {
        let mut client = remote::retrieval(&self.args.retrieval, &self.args.tls)?;
        let described = client.describe(DescribeRequest::default()).await;
        let described = described.map_err(|status| self.failed(&status))?.into_inner();
        self.glasses.must_be_of(&described.fingerprint, &described.vision_fingerprint).await?;
        let (pictures, stream) = mpsc::channel::<IngestRequest>(64);
        let ingest = tokio::spawn(async move { client.ingest(ReceiverStream::new(stream)).await });
        let entries = (0..).zip(self.source.entries()?).map(|(n, entry)| Ok(self.entry(entry?, n)));
        let mut entries = entries.peekable();
        let size = self.args.batch.into();
        let batches = std::iter::from_fn(|| {
            entries.peek()?;
            Some(entries.by_ref().take(size).collect::<Result<Vec<Entry>>>())
        });
        let looked = stream::iter(batches).map(|batch| self.glasses.clone().look(batch)).buffered(AHEAD);
        let mut looked = std::pin::pin!(looked);
        'all: while let Some(batch) = looked.next().await {
            for picture in batch? {
                match picture {
                    Ok(picture) => {
                        if pictures.send(picture).await.is_err() {
                            break 'all; // the service has ended the stream, and its answer tells why
                        }
                    }
                    Err(bad) => self.left_out(left, &bad)?,
                }
                self.bar.inc(1);
            }
        }
        drop(pictures);
        let answer = ingest.await.context("the stream to the retrieval service broke")?;
        Ok(answer.map_err(|status| self.failed(&status))?.into_inner())
    }

    fn entry(&self, entry: Entry, n: u64) -> Entry {
        match (entry, self.survey.again.get(&n)) {
            (Ok(row), Some(before)) => {
                let reason = format!("has the name of line {before}, `{}`", row.id);
                Err(Bad { line: row.line, image: row.image, reason })
            }
            (entry, _) => entry,
        }
    }

    fn left_out(&self, left: &mut LeftOut, bad: &Bad) -> Result<()> {
        if self.args.strict {
            bail!(
                "{}: {}; pictures before it may have been added; without --strict it would be left out",
                self.source.path().display(),
                bad::text(bad)
            );
        }
        left.shown.show(self.bar, bad);
        left.n += 1;
        left.report.as_mut().map(|report| report.add(bad)).transpose()?;
        Ok(())
    }

    fn failed(&self, status: &Status) -> anyhow::Error {
        let details = status.get_error_details();
        let accepted = details.error_info().and_then(|info| info.metadata.get("accepted"));
        let failed = remote::failed("retrieval", &self.args.retrieval, status);
        match accepted {
            Some(n) => failed.context(format!("{n} pictures were taken in, and stay")),
            None => failed,
        }
    }
}
