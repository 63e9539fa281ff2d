//! `fondue index build`: a generation from a folder of captioned pictures: decode, vision tower, mapping layer, write.

mod captions;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use fondue_imaging::{Fit, ImageLimits, Preprocess, decode};
use fondue_index::{Builder, Item, NewItem};
use fondue_model::{
    Placement, Tokenizer, VisionTower, fingerprint, mapping::Mapping, opt::OptConfig, weights::unwatched,
};
use sha2::{Digest, Sha256};

use self::captions::Row;
use crate::{interrupt::Interrupt, output, progress, publish::publish};

const EXAMPLES: &str = "\
Example:
  fondue index build --pictures .fondue/drawings --model assets/model --index .fondue/index

PICTURES/captions.tsv has a header line; its columns `image` (path below PICTURES) and `caption` are needed, \
`group` may be there. The name of a picture in the index is its path without the extension.";

/// Builds an index of pictures and makes it the active one.
#[derive(Debug, Parser)]
#[command(name = "build", after_help = EXAMPLES)]
pub struct Args {
    /// Folder of pictures.
    #[arg(long, value_name = "DIR")]
    pictures: PathBuf,
    /// Table of captions [default: PICTURES/captions.tsv].
    #[arg(long, value_name = "FILE")]
    captions: Option<PathBuf>,
    /// Model folder: holds clip/, opt/ and fromage/.
    #[arg(long, value_name = "DIR", default_value = "assets/model")]
    model: PathBuf,
    /// Index folder; it is made if it is not there.
    #[arg(long, value_name = "ROOT")]
    index: PathBuf,
    /// Where the model runs: cpu, cuda or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Precision of the model: f32, f16 or bf16.
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    dtype: String,
    /// Pictures in one forward pass.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Pixels of one picture, checked before it is decoded.
    #[arg(long, value_name = "N", default_value_t = 40_000_000)]
    max_pixels: u64,
    /// Bytes of one picture file.
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    max_bytes: usize,
    /// Leave out pictures that cannot be read instead of stopping at the first.
    #[arg(long)]
    skip_broken: bool,
    /// Publish the generation, but leave the active one active.
    #[arg(long)]
    no_activate: bool,
}

/// Builds the index, whatever signals come.
///
/// # Errors
/// If a file cannot be read, is broken (unless those are to be skipped), or the index cannot be written. Nothing is
/// published then.
pub fn run(args: &Args) -> Result<()> {
    build(args, &Interrupt::never())
}

pub(crate) fn build(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let captions = args.captions.clone().unwrap_or_else(|| args.pictures.join("captions.tsv"));
    let rows = captions::read(&captions)?;
    ensure!(!rows.is_empty(), "{} names no picture", captions.display());
    let model = Model::load(args)?;
    let (opt, fromage) = (args.model.join("opt"), args.model.join("fromage"));
    let (language, vision) =
        (fingerprint::language(&opt, &fromage)?, fingerprint::vision(&args.model.join("clip"))?);
    interrupt.begin()?; // from here on there is something to clear up
    let mut builder = Builder::new(&args.index, model.mapping.embedding_dim(), &language)?.seen_by(&vision);
    let limits = ImageLimits { max_pixels: args.max_pixels, max_bytes: args.max_bytes };
    let bar = progress::bar(rows.len() as u64, "pictures");
    let mut broken = 0;
    for batch in rows.chunks(args.batch.into()) {
        let mut read = Vec::with_capacity(batch.len());
        for row in batch {
            interrupt.check()?;
            match model.read(&args.pictures, row, &limits) {
                Ok(picture) => read.push((row, picture)),
                Err(error) if args.skip_broken => {
                    bar.suspend(|| eprintln!("left out: {error:#}"));
                    broken += 1;
                }
                Err(error) => {
                    bar.abandon();
                    return Err(
                        error.context("nothing was published; --skip-broken leaves such pictures out")
                    );
                }
            }
        }
        model.add(&mut builder, read)?;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    ensure!(broken < rows.len(), "none of {} pictures could be read", rows.len());
    let n_pictures = builder.len();
    let published = publish(builder, &args.index, !args.no_activate, interrupt)?;
    let (id, state) = (&published.id, published.state());
    let mut text = format!("{n_pictures} pictures in generation {id}, {state} in {}\n", args.index.display());
    if broken > 0 {
        text += &format!("{broken} pictures were left out\n");
    }
    output::print(&text).with_context(|| format!("generation {id} is {state}"))
}

struct Model {
    preprocess: Preprocess,
    tower: VisionTower,
    mapping: Mapping,
}

struct Picture {
    bytes: Vec<u8>,
    media_type: &'static str,
    pixels: Vec<f32>,
}

impl Model {
    /// The tower and the mapping layers; the language model itself is not needed.
    fn load(args: &Args) -> Result<Self> {
        let placement = Placement::on(Placement::device_from(&args.device)?, args.dtype.parse()?);
        let clip = args.model.join("clip");
        let preprocess = Preprocess::from_file(&clip.join("preprocessor_config.json"))?;
        let tower = VisionTower::load(&clip, placement, &unwatched)?;
        let opt = args.model.join("opt");
        let (word_dim, ret) = (OptConfig::load(&opt)?.word_dim(), Tokenizer::load(&opt)?.ret());
        let mapping = Mapping::load(&args.model.join("fromage"), word_dim, ret, placement, &unwatched)?;
        if mapping.feature_dim() != tower.feature_dim() {
            let (tower, mapping) = (tower.feature_dim(), mapping.feature_dim());
            bail!(
                "the vision tower gives {tower} features, the mapping layers take {mapping}: not of one model"
            );
        }
        Ok(Self { preprocess, tower, mapping })
    }

    fn read(&self, folder: &Path, row: &Row, limits: &ImageLimits) -> Result<Picture> {
        let path = folder.join(&row.image);
        let bytes = read(&path, limits.max_bytes)
            .with_context(|| format!("{} (line {} of the captions)", path.display(), row.line))?;
        let image = decode(&bytes, limits).with_context(|| path.display().to_string())?;
        let pixels = self.preprocess.pixels(&image, Fit::Crop)?;
        let media_type =
            image::guess_format(&bytes).map_or("application/octet-stream", |format| format.to_mime_type());
        Ok(Picture { bytes, media_type, pixels })
    }

    fn add(&self, builder: &mut Builder, batch: Vec<(&Row, Picture)>) -> Result<()> {
        let (pictures, pixels): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|(row, picture)| ((row, picture.bytes, picture.media_type), picture.pixels))
            .unzip();
        let embeddings = self.mapping.project(&self.tower.encode(&pixels)?)?;
        for ((row, bytes, media_type), embedding) in pictures.into_iter().zip(embeddings) {
            let item = Item {
                id: row.id(),
                caption: row.caption.clone(),
                group: row.group.clone(),
                media_type: media_type.to_owned(),
                ..Item::default()
            };
            let sha256 = Sha256::digest(&bytes).into();
            builder.add(NewItem { item, picture: Some(bytes), sha256 }, &embedding)?;
        }
        Ok(())
    }
}

/// A file of at most `max` bytes; of a larger one no more than that is read.
fn read(path: &Path, max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take((max as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    ensure!(bytes.len() <= max, "has more than {max} bytes, the limit (--max-bytes)");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_a_file_may_have() {
        // This one never ends.
        let error = read(Path::new("/dev/zero"), 1000).unwrap_err().to_string();
        assert!(error.contains("1000 bytes") && error.contains("--max-bytes"), "{error}");
        assert_eq!(read(Path::new("/dev/null"), 0).unwrap(), b"");
        let own = Path::new(file!())
            .file_name()
            .map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name));
        assert!(read(&own.unwrap(), 1 << 20).unwrap().starts_with(b"//!"));
    }
}
