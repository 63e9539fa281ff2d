//! What is shown while work goes on, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `total` pieces of work, with their rate and the time left.
pub fn bar(total: u64, pieces: &str) -> ProgressBar {
    let template = format!("{{bar:40}} {{human_pos}}/{{human_len}} {pieces}, {{per_sec}}, {{eta}} left");
    styled(total, &template)
}

/// A bar of `total` bytes.
pub fn bytes(total: u64, what: &str) -> ProgressBar {
    let template = format!("{what} {{bar:40}} {{bytes}}/{{total_bytes}}, {{bytes_per_sec}}, {{eta}} left");
    styled(total, &template)
}

/// Shows that something goes on whose length nobody knows, until it is cleared.
pub fn spinner(message: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(message);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

fn styled(total: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}
