//! What is shown while work goes on, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `total` pieces of work, with their rate and the time left.
pub(crate) fn bar(total: usize, pieces: &str) -> ProgressBar {
    let template = format!("{{bar:40}} {{human_pos}}/{{human_len}} {pieces}, {{per_sec}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total as u64).with_style(style)
}
