//! How training went, for programs and for people: a line of JSON for each report in `metrics.jsonl`, and the same
//! numbers as TensorBoard's event files.
//!
//! The lines hold no times: two runs that compute the same write the same bytes. A run that goes on cuts both files to
//! the lengths that its checkpoint names, so that what was done twice is told once.

mod events;

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Lengths of the files, of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    lines: u64,
    events: u64,
}

/// The files, open for more.
pub struct Metrics {
    lines: File,
    events: File,
    paths: [PathBuf; 2],
}

impl Metrics {
    /// Opens the files of a run's folder, and cuts them to what they were; to nothing for a new run.
    ///
    /// # Errors
    /// The system's, with the file's name; if a file is shorter than it was.
    pub fn open(folder: &Path, kept: Lengths) -> Result<Self> {
        let events = folder.join("events");
        fs::create_dir_all(&events).with_context(|| format!("writing {}", events.display()))?;
        // TensorBoard takes any name with `tfevents` in it; this one is the same for a run that goes on.
        let paths = [folder.join("metrics.jsonl"), events.join("events.out.tfevents.0.fondue")];
        let open = |path: &Path, length: u64| {
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            if file.metadata()?.len() < length {
                return Err(std::io::Error::other("it is shorter than when the checkpoint was written"));
            }
            file.set_len(length)?;
            Ok(file)
        };
        let [lines, events] = &paths;
        let lines = open(lines, kept.lines).with_context(|| lines.display().to_string())?;
        let events = open(events, kept.events).with_context(|| events.display().to_string())?;
        let mut metrics = Self { lines, events, paths };
        if kept.events == 0 {
            metrics.event(&events::begin(events::now()))?;
        }
        Ok(metrics)
    }

    /// Writes numbers of a step; names are grouped by what stands before a `/`.
    ///
    /// # Errors
    /// The system's, with the file's name.
    pub fn report(&mut self, step: u64, numbers: &[(&str, f64)]) -> Result<()> {
        let mut line = Map::from_iter([("step".to_owned(), json!(step))]);
        line.extend(numbers.iter().map(|(name, number)| ((*name).to_owned(), Value::from(*number))));
        let text = format!("{}\n", Value::Object(line));
        self.lines.write_all(text.as_bytes()).with_context(|| self.paths[0].display().to_string())?;
        self.only_events(step, numbers)
    }

    /// Writes numbers that depend on the machine's day, such as rates: to the event files alone.
    ///
    /// # Errors
    /// As [`Metrics::report`].
    pub fn only_events(&mut self, step: u64, numbers: &[(&str, f64)]) -> Result<()> {
        self.event(&events::scalars(events::now(), step, numbers))
    }

    fn event(&mut self, record: &[u8]) -> Result<()> {
        self.events.write_all(record).with_context(|| self.paths[1].display().to_string())
    }

    /// What a checkpoint must name; all of it is on the disk then.
    ///
    /// # Errors
    /// The system's.
    pub fn lengths(&self) -> Result<Lengths> {
        self.lines.sync_data().with_context(|| self.paths[0].display().to_string())?;
        self.events.sync_data().with_context(|| self.paths[1].display().to_string())?;
        Ok(Lengths { lines: self.lines.metadata()?.len(), events: self.events.metadata()?.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_writes_the_bytes_of_one_that_was_never_ended() {
        let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let report = |metrics: &mut Metrics, steps: std::ops::Range<u64>| {
            for step in steps {
                metrics.report(step, &[("train/loss", 1.0 / (step + 1) as f64)]).unwrap();
            }
        };
        report(&mut Metrics::open(whole.path(), Lengths::default()).unwrap(), 0..6);
        let mut metrics = Metrics::open(cut.path(), Lengths::default()).unwrap();
        report(&mut metrics, 0..3);
        let kept = metrics.lengths().unwrap();
        report(&mut metrics, 3..5); // lost
        drop(metrics);
        report(&mut Metrics::open(cut.path(), kept).unwrap(), 3..6);
        let lines = |folder: &Path| fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        assert_eq!(lines(whole.path()), lines(cut.path()));
        let events =
            |folder: &Path| fs::read(folder.join("events/events.out.tfevents.0.fondue")).unwrap().len();
        assert_eq!(events(whole.path()), events(cut.path()));
        // A new run begins anew.
        Metrics::open(cut.path(), Lengths::default()).unwrap();
        assert_eq!(lines(cut.path()), "");
        assert!(Metrics::open(cut.path(), kept).is_err());
    }
}
