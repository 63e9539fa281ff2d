//! The corpus' drawings in memory.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use fondue_imaging::{Fit, ImageLimits, Preprocess, decode};
use image::imageops::FilterType;
use rayon::prelude::*;
use tch::Tensor;

use super::table::Table;

/// A drawing is small.
const LIMITS: ImageLimits = ImageLimits { max_pixels: 1 << 24, max_bytes: 1 << 26 };

/// Side of the squares that augmented views are cut from, in pixels.
pub(crate) const SOURCE: i64 = 80;

/// What a drawing is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Trained on.
    Train,
    /// Another style of its thing is trained on.
    HeldPicture,
    /// Nothing of its thing is trained on.
    HeldThing,
}

/// A thing that is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    /// Unicode's short name.
    pub(crate) name: String,
    /// Other words for it.
    pub(crate) keywords: Vec<String>,
    /// Whether its mirror image is as good.
    pub(crate) mirrors: bool,
    /// Whether no picture of it is trained on.
    pub(crate) held_out: bool,
}

/// One drawing.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    /// File, relative to the corpus.
    pub(crate) image: String,
    /// Its thing's place among the things.
    pub(crate) thing: usize,
    /// Who drew it.
    pub(crate) style: String,
    /// What it is for.
    pub(crate) split: Split,
    /// Whether its colours were changed.
    pub(crate) variant: bool,
}

/// Things and drawings of a corpus.
pub(crate) struct Corpus {
    /// In the order of `things.tsv`.
    pub(crate) things: Vec<Thing>,
    /// Those of `pictures.tsv` that have a use, then those of `variants.tsv`.
    pub(crate) drawings: Vec<Drawing>,
}

impl Corpus {
    /// Reads the tables of a folder that `fondue corpus` made.
    ///
    /// # Errors
    /// Naming the table and the line.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let table =
            Table::open(&folder.join("things.tsv"), &["thing", "name", "group", "keywords", "held_out"])?;
        let mut places = HashMap::new();
        let mut things = Vec::new();
        let names: HashSet<&str> = table.rows().map(|[_, name, ..]| name).collect();
        for [thing, name, group, keywords, held_out] in table.rows() {
            places.insert(thing.to_owned(), things.len());
            things.push(Thing {
                name: name.to_lowercase(),
                keywords: keywords
                    .split(';')
                    .filter(|word| !word.is_empty())
                    .map(str::to_lowercase)
                    .collect(),
                mirrors: mirrors(name, group, &names),
                held_out: held_out == "1",
            });
        }
        let mut drawings = Vec::new();
        for (file, variant) in [("pictures.tsv", false), ("variants.tsv", true)] {
            let path = folder.join(file);
            if variant && !path.exists() {
                continue;
            }
            let columns = ["image", "thing", "style", if variant { "style" } else { "split" }];
            for [image, thing, style, split] in Table::open(&path, &columns)?.rows() {
                let split = match split {
                    _ if variant => Split::Train,
                    "train" => Split::Train,
                    "held-picture" => Split::HeldPicture,
                    "held-thing" => Split::HeldThing,
                    _ => continue,
                };
                let thing = *places
                    .get(thing)
                    .with_context(|| format!("{file}: no thing `{thing}` in things.tsv"))?;
                drawings.push(Drawing {
                    image: image.to_owned(),
                    thing,
                    style: style.to_owned(),
                    split,
                    variant,
                });
            }
        }
        ensure!(!drawings.is_empty(), "{} lists no drawings", folder.join("pictures.tsv").display());
        Ok(Self { things, drawings })
    }
}

/// Whether a mirrored drawing still shows the thing: not for signs, nor where a side is named or another thing looks the
/// other way.
fn mirrors(name: &str, group: &str, names: &HashSet<&str>) -> bool {
    let sided = name.split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "left" | "right"));
    let faced = names.contains(format!("{name} facing right").as_str());
    group != "Symbols" && group != "Flags" && !sided && !faced
}

/// Drawings as squares to cut views from: `[n, 3, SOURCE, SOURCE]` u8.
///
/// # Errors
/// Naming a file that cannot be read.
pub(crate) fn squares(folder: &Path, drawings: &[&Drawing]) -> Result<Tensor> {
    let read = |drawing: &&Drawing| -> Result<Vec<u8>> {
        let path = folder.join(&drawing.image);
        let picture = image::open(&path).with_context(|| format!("reading {}", path.display()))?;
        let side = SOURCE as u32;
        let small = image::imageops::resize(&picture.to_rgb8(), side, side, FilterType::Triangle);
        Ok(small.into_raw())
    };
    let all: Vec<Vec<u8>> = drawings.par_iter().map(read).collect::<Result<_>>()?;
    let shape = [drawings.len() as i64, SOURCE, SOURCE, 3];
    Ok(Tensor::from_slice(&all.concat()).view(shape.as_slice()).permute([0, 3, 1, 2]).contiguous())
}

/// Drawings as the vision service sees them: `[n, 3, side, side]` f32, normalised.
///
/// # Errors
/// Naming a file that cannot be read.
pub(crate) fn plain(folder: &Path, drawings: &[&Drawing], preprocess: &Preprocess) -> Result<Tensor> {
    let read = |drawing: &&Drawing| -> Result<Vec<f32>> {
        let path = folder.join(&drawing.image);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let picture = decode(&bytes, &LIMITS).with_context(|| format!("decoding {}", path.display()))?;
        Ok(preprocess.pixels(&picture, Fit::Crop)?)
    };
    let all: Vec<Vec<f32>> = drawings.par_iter().map(read).collect::<Result<_>>()?;
    let side = i64::from(preprocess.size);
    Ok(Tensor::from_slice(&all.concat()).view([drawings.len() as i64, 3, side, side]))
}
