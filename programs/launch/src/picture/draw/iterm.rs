//! iTerm2's inline images: a file in base64.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Area, INDENT};

/// A picture file, shown in its area.
pub(super) fn encode(png: &[u8], area: Area) -> String {
    format!(
        "{INDENT}\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=1:{}\x07\n",
        png.len(),
        area.columns,
        area.rows,
        STANDARD.encode(png),
    )
}
