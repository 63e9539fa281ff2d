//! Prints a turn's events for people as they come.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Result;
use fondue_proto::dialogue::{Event, FinishReason, FoundImage, HistoryCut, TurnDone, event::Kind};

use crate::{
    failure::Failure,
    picture::{self, Found, Place, Screen},
    terminal::{visible, visible_line},
};

/// Prints one turn after another.
#[derive(Debug)]
pub(crate) struct Printer<W> {
    out: W,
    found: Option<Found>,
    screen: Screen,
    open_line: bool,
    sent: Instant,
    first_text: Option<Duration>,
    /// Where each picture of all turns is.
    places: Vec<Place>,
    numbered: bool,
}

impl<W: Write> Printer<W> {
    /// Prints to `out`; saves found pictures if there is a place for them.
    pub(crate) fn new(out: W, found: Option<Found>, screen: Screen) -> Self {
        let sent = Instant::now();
        Self {
            out,
            found,
            screen,
            open_line: false,
            sent,
            first_text: None,
            places: Vec::new(),
            numbered: false,
        }
    }

    /// Numbers pictures, from 1.
    pub(crate) fn numbered(self) -> Self {
        Self { numbered: true, ..self }
    }

    /// Notes that a turn is sent now.
    pub(crate) fn begin(&mut self) {
        (self.sent, self.first_text) = (Instant::now(), None);
    }

    /// Pictures found in all turns.
    pub(crate) fn n_images(&self) -> usize {
        self.places.len()
    }

    /// Where they are, in the order in which they came.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Prints a line of its own.
    pub(crate) fn line(&mut self, text: &str) -> std::io::Result<()> {
        self.close_line()?;
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Shows a picture file's bytes, if the terminal can.
    pub(crate) fn show(&mut self, data: &[u8]) -> std::io::Result<()> {
        self.screen.show(&mut self.out, data)
    }

    /// Prints an event; gives the turn's end when it comes.
    ///
    /// # Errors
    /// [`Failure::Turn`] if the turn failed; others if printing or saving does.
    pub(crate) fn event(&mut self, event: Event) -> Result<Option<TurnDone>> {
        match event.kind {
            Some(Kind::Text(delta)) => {
                self.first_text.get_or_insert_with(|| self.sent.elapsed());
                let text = visible(&delta.text);
                self.open_line = !text.ends_with('\n');
                write!(self.out, "{text}")?;
                self.out.flush()?;
            }
            Some(Kind::Image(image)) => self.image(&image)?,
            Some(Kind::ImageUnavailable(missing)) => {
                self.close_line()?;
                writeln!(self.out, "  [no picture: {}]", visible_line(&missing.message))?;
            }
            Some(Kind::Done(done)) => {
                self.close_line()?;
                return Ok(Some(done));
            }
            Some(Kind::Failed(failed)) => {
                self.close_line()?;
                return Err(Failure::Turn(failed).into());
            }
            Some(Kind::Started(_) | Kind::HistoryChanged(_) | Kind::EditFailed(_)) | None => {} // None: of a kind that a newer gateway knows
        }
        Ok(None)
    }

    fn image(&mut self, image: &FoundImage) -> Result<()> {
        self.close_line()?;
        let place = match &self.found {
            Some(found) => found.save(image)?,
            None => crate::picture::unsaved(image),
        };
        let caption = picture::name(image);
        let number = if self.numbered { format!(" {}", self.places.len() + 1) } else { String::new() };
        let caption = visible_line(caption);
        writeln!(self.out, "  [picture{number}: {caption}, similarity {:.2}, {place}]", image.score)?;
        self.out.flush()?;
        self.places.push(place);
        self.show(&image.data)?;
        Ok(())
    }

    /// Ends a line of text that is still open.
    pub(crate) fn close_line(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.open_line) {
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// One line on what the turn took. The first text is timed here, so the network counts.
    pub(crate) fn summary(&self, done: &TurnDone) -> String {
        let first = self.first_text.map_or_else(
            || "no text".to_owned(),
            |first| format!("first text after {} ms", first.as_millis()),
        );
        let usage = done.usage.unwrap_or_default();
        let tokens = usage.generated_tokens;
        let per_second = done.timings.as_ref().filter(|timings| tokens > 0 && timings.decode_ms > 0.0);
        let speed = per_second.map_or_else(String::new, |timings| {
            format!(", {:.0} tokens/s", tokens as f32 * 1000.0 / timings.decode_ms)
        });
        let reason = match done.reason() {
            FinishReason::Cancelled => ", cancelled",
            FinishReason::Length => ", cut at its length",
            FinishReason::ContextFull => ", no room left in the model's context",
            _ => "",
        };
        format!("{first}, {} ms in all, {tokens} tokens{speed}{reason}", self.sent.elapsed().as_millis())
    }
}

/// What a prompt left out, for people.
pub(crate) fn told_cut(cut: &HistoryCut) -> String {
    let HistoryCut { turns_left_out, turns_kept, max_positions } = cut;
    format!(
        "(the history no longer fits the model's {max_positions} positions: it sees the last {turns_kept} turns, \
         {turns_left_out} are left out)"
    )
}

#[cfg(test)]
mod tests;
