//! The first pass: every picture is read, seen, and kept aside.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use fondue_terminal::progress;
use indicatif::ProgressBar;

use super::{
    Build,
    bad::{self, Shown},
    eyes::{Eyes, Looked, Sight},
    kept::{Kept, Outcome, Seen},
    model::Model,
    source::{Bad, Entries, Row},
};

/// How long a picture that was read may wait for its batch to fill.
const GATHER: Duration = Duration::from_secs(2);
/// How often Ctrl-C is looked for while pictures are awaited.
const LOOK: Duration = Duration::from_millis(50);

impl Build<'_> {
    /// Sees all entries that are not done yet.
    pub(super) fn see(&self, kept: &mut Kept, shown: &mut Shown) -> Result<()> {
        if self.args.strict {
            self.refuse_kept_bad(kept)?;
        }
        let n_done = kept.n_done();
        if n_done == self.survey.n_entries {
            return Ok(());
        }
        let model = self.args.model.load()?;
        self.interrupt.check()?;
        let web = self.args.web.web(self.args.max_bytes)?;
        let n_threads = self.args.threads.map_or_else(cores, usize::from);
        let bar = progress::bar(self.survey.n_entries, "pictures");
        if n_done > 0 {
            bar.suspend(|| {
                eprintln!("going on with a build of which {n_done} pictures are done (--fresh begins anew)")
            });
            bar.set_position(n_done);
            bar.reset_eta();
        }
        let seen = thread::scope(|scope| {
            let eyes = Eyes::open(scope, &self.glasses, web.as_ref(), n_threads)?;
            // Enough that no thread waits while the tower runs a batch, and no connection while others are slow.
            let n_web = if web.is_some() { 4 * usize::from(self.args.web.fetch_concurrent) } else { 0 };
            let room = 2 * usize::from(self.args.batch) + 2 * n_threads + n_web;
            let mut line = Line { build: self, kept, shown, bar: &bar, model: &model, ready: Vec::new() };
            line.run(&eyes, self.source.entries()?, room)
        });
        bar.finish_and_clear();
        seen
    }

    /// A strict build does not go on with what another has left out.
    fn refuse_kept_bad(&self, kept: &Kept) -> Result<()> {
        for (n, entry) in self.source.entries()?.enumerate() {
            self.interrupt.check()?;
            if let Some(Outcome::Bad { reason }) = kept.get(n as u64)? {
                let (line, image) =
                    entry?.map_or_else(|bad| (bad.line, bad.image), |row| (row.line, row.image));
                let bad = Bad { line, image, reason };
                return Err(self.strict(&bad).context("found before, without --strict; --fresh looks again"));
            }
        }
        Ok(())
    }

    /// The error that an entry is to a strict build.
    pub(super) fn strict(&self, bad: &Bad) -> anyhow::Error {
        anyhow!(
            "{}: {}; nothing was published; without --strict it would be left out",
            self.source.path().display(),
            bad::text(bad)
        )
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The one thread that runs the model.
struct Line<'a> {
    build: &'a Build<'a>,
    kept: &'a mut Kept,
    shown: &'a mut Shown,
    bar: &'a ProgressBar,
    model: &'a Model,
    ready: Vec<(u64, Sight)>,
}

impl Line<'_> {
    /// `room`: pictures that are on the way at once.
    fn run(&mut self, eyes: &Eyes<'_>, entries: Entries<'_>, room: usize) -> Result<()> {
        let mut entries = (0..).zip(entries);
        let (mut n_away, mut more, mut since) = (0, true, Instant::now());
        while more || n_away > 0 || !self.ready.is_empty() {
            while more && n_away < room {
                self.build.interrupt.check()?;
                match entries.next() {
                    None => more = false,
                    Some((n, entry)) => {
                        let entry = entry?;
                        if !self.kept.is_done(n) {
                            n_away += usize::from(self.submit(eyes, n, entry)?);
                        }
                    }
                }
            }
            self.build.interrupt.check()?;
            if n_away > 0
                && let Some(Looked { n, row, sight }) = eyes.next(LOOK)
            {
                n_away -= 1;
                match sight {
                    Ok(sight) => self.ready.push((n, sight)),
                    Err(error) => self.left_out(n, bad_of(row, format!("{error:#}")))?,
                }
            }
            let full = self.ready.len() >= self.build.args.batch.into() || n_away == 0;
            if full || since.elapsed() >= GATHER {
                self.run_batch()?;
                since = Instant::now();
            }
        }
        Ok(())
    }

    /// Whether it is on its way.
    fn submit(&mut self, eyes: &Eyes<'_>, n: u64, entry: Result<Row, Bad>) -> Result<bool> {
        let bad = match (entry, self.build.survey.again.get(&n)) {
            (Ok(row), None) => {
                eyes.submit(n, row);
                return Ok(true);
            }
            (Ok(row), Some(before)) => {
                let reason = format!("has the name of line {before}, `{}`", row.id);
                bad_of(row, reason)
            }
            (Err(bad), _) => bad,
        };
        self.left_out(n, bad)?;
        Ok(false)
    }

    fn left_out(&mut self, n: u64, bad: Bad) -> Result<()> {
        if self.build.args.strict {
            self.bar.abandon();
            return Err(self.build.strict(&bad));
        }
        self.shown.show(self.bar, &bad);
        self.kept.add(n, &Outcome::Bad { reason: bad.reason })?;
        self.bar.inc(1);
        Ok(())
    }

    /// What is ready goes through the model, and is kept.
    fn run_batch(&mut self) -> Result<()> {
        let (rows, pixels): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready)
            .into_iter()
            .map(|(n, sight)| ((n, sight.sha256, sight.media_type, sight.picture), sight.pixels))
            .unzip();
        if !rows.is_empty() {
            let embeddings = self.model.embed(&pixels)?;
            self.bar.inc(rows.len() as u64);
            for ((n, sha256, media_type, picture), embedding) in rows.into_iter().zip(embeddings) {
                let embedding = embedding.values().to_vec();
                self.kept.add(n, &Outcome::Seen(Seen { embedding, sha256, media_type, picture }))?;
            }
        }
        self.kept.flush()
    }
}

fn bad_of(row: Row, reason: String) -> Bad {
    Bad { line: row.line, image: row.image, reason }
}
