//! The bar that a person sees.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts to `len`, on stderr and only at a terminal.
pub(crate) fn bar(what: &'static str, len: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} ({eta})")?;
    Ok(ProgressBar::new(len as u64).with_style(style).with_prefix(what))
}
