//! The bar that shows how many bytes of tensors went by; on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `total` bytes.
pub(crate) fn bar(total: u64, what: &str) -> ProgressBar {
    let template = "{msg} {bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(what.to_owned())
}
