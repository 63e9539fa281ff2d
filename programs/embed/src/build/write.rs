//! The second pass: what was kept becomes a generation, in the order of the source.

use anyhow::{Context, Result, bail, ensure};
use fondue_domain::Embedding;
use fondue_index::{Builder, IndexError, Item, NewItem};
use fondue_terminal::progress;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::{
    Build,
    bad::{Report, Shown},
    eyes,
    kept::{Kept, Outcome, Picture, Seen},
    source::{Bad, Place, Row},
};
use crate::publish::{Published, publish};

/// What a build came to.
pub(super) struct Written {
    pub(super) published: Published,
    pub(super) n_rows: usize,
    pub(super) n_bad: u64,
}

impl Build<'_> {
    pub(super) fn write(&self, kept: &Kept, shown: &mut Shown) -> Result<Written> {
        let mut report = self.args.report.as_deref().map(Report::begin).transpose()?;
        let bar = progress::bar(self.survey.n_entries, "pictures written");
        let (mut builder, mut n_bad) = (None, 0);
        for (n, entry) in (0..).zip(self.source.entries()?) {
            self.interrupt.check()?;
            let outcome = kept.get(n)?.with_context(|| self.changed())?;
            if let Err((bad, new)) = self.write_row(&mut builder, entry?, outcome)? {
                n_bad += 1;
                if new {
                    self.show(shown, &bar, &bad)?;
                }
                report.as_mut().map(|report| report.add(&bad)).transpose()?;
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        report.map(Report::finish).transpose()?;
        let Some(builder) = builder else {
            bail!("none of {} pictures could be read; nothing was published", self.survey.n_entries);
        };
        ensure!(
            self.source.survey(|| Ok(self.interrupt.check()?))?.sha256 == self.survey.sha256,
            self.changed()
        );
        let n_rows = builder.len();
        let published = publish(builder, &self.args.index, &self.args.publish, self.interrupt)?;
        Ok(Written { published, n_rows, n_bad })
    }

    fn changed(&self) -> String {
        format!("{} has changed while the index was built; build it again", self.source.path().display())
    }

    /// An entry that is left out after all.
    fn show(&self, shown: &mut Shown, bar: &ProgressBar, bad: &Bad) -> Result<()> {
        if self.args.strict {
            return Err(self.strict(bad));
        }
        shown.show(bar, bad);
        Ok(())
    }

    /// Adds an entry, or tells why not, and whether that is found only now.
    fn write_row(
        &self,
        builder: &mut Option<Builder>,
        entry: Result<Row, Bad>,
        outcome: Outcome,
    ) -> Result<Result<(), (Bad, bool)>> {
        let row = match entry {
            Ok(row) => row,
            Err(bad) => return Ok(Err((bad, false))),
        };
        let bad = |reason| Bad { line: row.line, image: row.image.clone(), reason };
        let Seen { embedding, sha256, media_type, picture } = match outcome {
            Outcome::Seen(seen) => seen,
            Outcome::Bad { reason } => return Ok(Err((bad(reason), false))),
        };
        let picture = match (picture, &row.place) {
            (Picture::File, Place::File(path)) => match eyes::read(path, self.args.max_bytes) {
                Ok(bytes) if Sha256::digest(&bytes)[..] == sha256 => Some(bytes),
                Ok(_) => return Ok(Err((bad("it has changed since it was seen".to_owned()), true))),
                Err(error) => return Ok(Err((bad(format!("it was seen, but now: {error:#}")), true))),
            },
            (Picture::Bytes(bytes), _) => Some(bytes),
            (Picture::Nothing | Picture::File, _) => None,
        };
        let url = match &row.place {
            Place::Url(url) if picture.is_none() => url.clone(),
            _ => String::new(),
        };
        let embedding = Embedding::normalized(embedding)?;
        let builder = match builder {
            Some(builder) => builder,
            None => builder.insert(self.builder(embedding.values().len())?),
        };
        let Row { id, caption, group, metadata, .. } = row;
        let item = Item { id, caption, group, media_type, url, metadata };
        let (line, image) = (row.line, row.image);
        match builder.add(NewItem { item, picture, sha256 }, &embedding) {
            Ok(()) => Ok(Ok(())),
            Err(
                error @ (IndexError::DuplicateId { .. }
                | IndexError::IdLength { .. }
                | IndexError::FieldKind { .. }
                | IndexError::TooManyFields { .. }
                | IndexError::Metadata { .. }),
            ) => Ok(Err((Bad { line, image, reason: error.to_string() }, true))),
            Err(error) => Err(error.into()),
        }
    }

    fn builder(&self, dim: usize) -> Result<Builder> {
        let builder = Builder::new(&self.args.index, dim, &self.identity.language)?;
        Ok(builder.seen_by(&self.identity.vision).stored_as(self.args.publish.precision)?)
    }
}
