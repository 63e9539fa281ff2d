//! The files below `pictures/`.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use fondue_terminal::{interrupt::Interrupt, progress};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::{
    drawn::{self, Drawn},
    palette,
    split::{Part, Split},
    things::Thing,
};

/// One row of `pictures.tsv` or `variants.tsv`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Path of the file, below the corpus.
    pub(crate) image: String,
    /// Place of its thing.
    pub(crate) thing: usize,
    pub(crate) style: &'static str,
    pub(crate) part: Part,
}

/// Writes every picture; the rows are in the order of the things.
pub(crate) fn write(out: &Path, things: &[Thing], drawn: &Drawn, split: &Split) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (at, thing) in things.iter().enumerate() {
        for (style, png) in drawn.of(at) {
            let image = format!("pictures/{style}/{}.png", thing.id);
            file(&out.join(&image), png)?;
            rows.push(Row { image, thing: at, style, part: split.part(at, style) });
        }
    }
    Ok(rows)
}

/// How variants are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variants {
    /// So many of each picture to train on.
    pub(crate) count: u32,
    pub(crate) seed: u64,
    pub(crate) size: u32,
}

/// Writes the pictures to train on in other palettes.
pub(crate) fn write_variants(
    out: &Path,
    things: &[Thing],
    rows: &[Row],
    wanted: Variants,
    interrupt: &Interrupt,
) -> Result<Vec<Row>> {
    let all: Vec<_> = rows
        .iter()
        .filter(|row| row.part == Part::Train)
        .flat_map(|row| (1..=wanted.count).map(move |number| (row, number)))
        .collect();
    let bar = progress::bar(all.len() as u64, "drawings in other palettes");
    let written = all.par_iter().map(|(row, number)| {
        interrupt.check()?;
        let thing = &things[row.thing];
        let svg = thing.drawings.get(row.style).map(String::as_str).unwrap_or_default();
        let svg = palette::variant(svg, wanted.seed, &row.image, *number);
        let png = drawn::draw(&svg, wanted.size).with_context(|| format!("drawing {} anew", row.image))?;
        let image = format!("pictures/{}/variants/{}-{number}.png", row.style, thing.id);
        file(&out.join(&image), &png)?;
        bar.inc(1);
        Ok(Row { image, ..(*row).clone() })
    });
    let written = written.collect::<Result<_>>()?;
    bar.finish_and_clear();
    Ok(written)
}

/// Writes a file, and the folders above it.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
