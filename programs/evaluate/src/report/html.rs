//! The report as one page: placeholder until the pages come.

use std::path::Path;

use anyhow::Result;

use super::Report;

pub(super) fn page(_: &Report, _: &Path) -> Result<String> {
    Ok(String::new())
}
