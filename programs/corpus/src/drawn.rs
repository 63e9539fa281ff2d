//! The pictures of the things, drawn and kept in memory as PNG.

use std::{
    collections::{BTreeMap, HashMap},
    io::Cursor,
};

use anyhow::{Context, Result};
use fondue_drawings::pixels;
use fondue_terminal::{interrupt::Interrupt, progress};
use image::{ImageFormat, RgbImage};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use sha2::{Digest, Sha256};

use crate::things::Thing;

/// All pictures by place of the thing and style.
#[derive(Debug)]
pub(crate) struct Drawn {
    pictures: BTreeMap<(usize, &'static str), Picture>,
    /// How many things a style draws by the very same pixels.
    same: HashMap<(&'static str, [u8; 32]), usize>,
}

#[derive(Debug)]
struct Picture {
    png: Vec<u8>,
    pixels: [u8; 32], // their SHA-256
}

impl Drawn {
    /// Draws every style of every thing, `size` × `size` pixels on white.
    pub(crate) fn draw(things: &[Thing], size: u32, interrupt: &Interrupt) -> Result<Self> {
        let all: Vec<_> = things
            .iter()
            .enumerate()
            .flat_map(|(at, thing)| thing.drawings.iter().map(move |(style, svg)| (at, *style, svg)))
            .collect();
        let bar = progress::bar(all.len() as u64, "drawings");
        let pictures: BTreeMap<_, _> = all
            .par_iter()
            .map(|(at, style, svg)| {
                interrupt.check()?;
                let drawn = pixels(svg, size).and_then(|pixels| {
                    let sum = Sha256::digest(&pixels).into();
                    Ok(Picture { png: png(pixels, size)?, pixels: sum })
                });
                let picture = drawn.with_context(|| format!("drawing {} ({style})", things[*at].name))?;
                bar.inc(1);
                Ok(((*at, *style), picture))
            })
            .collect::<Result<_>>()?;
        bar.finish_and_clear();
        let mut same = HashMap::new();
        for ((_, style), picture) in &pictures {
            *same.entry((*style, picture.pixels)).or_default() += 1;
        }
        Ok(Self { pictures, same })
    }

    /// The styles of a thing, in alphabetical order, with their PNG.
    pub(crate) fn of(&self, thing: usize) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.pictures
            .range((thing, "")..(thing + 1, ""))
            .map(|((_, style), picture)| (*style, picture.png.as_slice()))
    }

    /// Whether this style draws no other thing by the very same pixels.
    pub(crate) fn is_unique(&self, thing: usize, style: &'static str) -> bool {
        let picture = self.pictures.get(&(thing, style));
        picture.is_some_and(|picture| self.same.get(&(style, picture.pixels)) == Some(&1))
    }
}

/// Draws one SVG as the PNG that the corpus keeps: no alpha.
pub(crate) fn draw(svg: &str, size: u32) -> Result<Vec<u8>> {
    png(pixels(svg, size)?, size)
}

fn png(pixels: Vec<u8>, size: u32) -> Result<Vec<u8>> {
    let picture = RgbImage::from_raw(size, size, pixels).context("a drawing of another size")?;
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}
