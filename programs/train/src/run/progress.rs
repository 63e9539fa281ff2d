//! What is shown while training goes on: a bar on a terminal, a line now and then anywhere else.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Where there is no terminal, a line is written this often.
const EVERY: Duration = Duration::from_secs(30);

/// The bar, or the lines.
pub struct Progress {
    bar: ProgressBar,
    what: String,
    quiet: bool,
    lines: bool,
    last: Instant,
}

impl Progress {
    /// `total` pieces of work, of which `done` were done before; `quiet` shows nothing.
    pub fn new(total: u64, done: u64, what: &str, quiet: bool) -> Self {
        let template = format!("{{bar:30}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left  {{msg}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(total) };
        let bar = bar.with_style(style).with_position(done);
        bar.set_length(total);
        // The rate is of what is done from now on.
        bar.reset_eta();
        let lines = !quiet && !std::io::stderr().is_terminal();
        Self { bar, what: what.to_owned(), quiet, lines, last: Instant::now() }
    }

    /// `n` more are done; `message` tells how it goes.
    pub fn advance(&mut self, n: u64, message: impl FnOnce() -> String) {
        self.bar.inc(n);
        if self.lines && self.last.elapsed() >= EVERY {
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
            eprintln!("{done}/{total} {}, {}", self.what, message());
            self.last = Instant::now();
        } else if !self.lines {
            self.bar.set_message(message());
        }
    }

    /// Pieces per second of late.
    pub fn rate(&self) -> f64 {
        self.bar.per_sec()
    }

    /// Writes a line above the bar.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
