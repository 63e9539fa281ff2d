//! What was said and answered, kept by the client: a tree of turns of which one path is the history. Pure.

mod files;
mod jsonl;
mod markdown;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use fondue_proto::dialogue::{
    Event, Exchange, FoundImage, ImageUnavailable, Part, TurnDone, TurnStarted, event::Kind, part,
};

/// A turn: what was said, and what came of it so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Turn {
    /// Texts and pictures, as sent.
    pub(crate) said: Vec<Part>,
    pub(crate) started: TurnStarted,
    /// In the order in which they came.
    pub(crate) images: Vec<FoundImage>,
    pub(crate) unavailable: Vec<ImageUnavailable>,
    pub(crate) done: TurnDone,
}

impl Turn {
    /// A turn that is sent now.
    pub(crate) fn new(said: Vec<Part>) -> Self {
        Self { said, ..Self::default() }
    }

    /// Takes an event of this turn in.
    pub(crate) fn note(&mut self, event: &Event) {
        match &event.kind {
            Some(Kind::Started(started)) => self.started = started.clone(),
            Some(Kind::Image(image)) => self.images.push(image.clone()),
            Some(Kind::ImageUnavailable(missing)) => self.unavailable.push(missing.clone()),
            Some(Kind::Done(done)) => self.done = done.clone(),
            _ => {}
        }
    }

    /// What a gateway must know of it.
    pub(crate) fn exchange(&self) -> Exchange {
        Exchange {
            parts: self.said.clone(),
            reply: self.done.transcript.clone(),
            image_ids: self.images.iter().map(|image| image.id.clone()).collect(),
        }
    }

    /// The texts that were said.
    pub(crate) fn text(&self) -> String {
        let texts = self.said.iter().filter_map(|part| match &part.kind {
            Some(part::Kind::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    /// The pictures that were said.
    pub(crate) fn pictures(&self) -> Vec<Part> {
        self.said.iter().filter(|part| matches!(part.kind, Some(part::Kind::Image(_)))).cloned().collect()
    }
}

/// All turns that were answered, and which of them are the history. A turn's number is its place, from 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    turns: Vec<(Turn, usize)>,
    last: usize,
}

impl Transcript {
    /// A history that was held before.
    pub(crate) fn of(turns: Vec<Turn>) -> Self {
        let mut transcript = Self::default();
        for turn in turns {
            transcript.push(turn);
        }
        transcript
    }

    /// Adds a turn behind the last one; gives its number.
    pub(crate) fn push(&mut self, turn: Turn) -> usize {
        self.turns.push((turn, self.last));
        self.last = self.turns.len();
        self.last
    }

    /// Number of the history's last turn; 0 if it is empty.
    pub(crate) fn last(&self) -> usize {
        self.last
    }

    /// Makes a turn the history's last; 0 empties it.
    pub(crate) fn go_to(&mut self, number: usize) {
        self.last = number.min(self.turns.len());
    }

    /// The turn before a turn; 0 for none.
    pub(crate) fn before(&self, number: usize) -> usize {
        number.checked_sub(1).and_then(|place| self.turns.get(place)).map_or(0, |(_, before)| *before)
    }

    /// A turn by its number.
    pub(crate) fn turn(&self, number: usize) -> Option<&Turn> {
        self.turns.get(number.checked_sub(1)?).map(|(turn, _)| turn)
    }

    /// Numbers of all turns, those that were taken back included.
    pub(crate) fn numbers(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.turns.len()
    }

    /// Numbers of the history's turns, oldest first.
    pub(crate) fn path(&self) -> Vec<usize> {
        let step = |&number: &usize| Some(self.before(number)).filter(|&before| before > 0);
        let first = Some(self.last).filter(|&last| last > 0);
        let mut path: Vec<_> = std::iter::successors(first, step).collect();
        path.reverse();
        path
    }

    /// The history's turns, oldest first.
    pub(crate) fn history(&self) -> Vec<&Turn> {
        self.path().into_iter().filter_map(|number| self.turn(number)).collect()
    }
}

/// Writes turns into a file, Markdown or JSON lines by its ending, and their pictures into a folder beside it. A file
/// that is there is replaced only by `force`, and then whole.
pub(crate) fn save(turns: &[&Turn], path: &Path, force: bool) -> Result<()> {
    let write = match path.extension().and_then(|ending| ending.to_str()) {
        Some("md" | "markdown") => markdown::write,
        Some("jsonl") => jsonl::write,
        _ => bail!("{} must end with .md or .jsonl", path.display()),
    };
    ensure!(force || !path.exists(), "{} is there already (--force replaces it)", path.display());
    let pictures = files::Pictures::beside(path)?;
    let text = write(turns, &pictures)?;
    files::write(path, text.as_bytes(), force)
}

/// Reads turns from a file of JSON lines that [`save`] wrote.
pub(crate) fn load(path: &Path) -> Result<Vec<Turn>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    jsonl::read(&text, folder).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests;
