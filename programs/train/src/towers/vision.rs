//! `fondue train towers vision`: a CLIP vision tower from nothing, by the contrastive loss with a text tower.

mod batches;
mod judge;
mod net;
mod pictures;
mod table;
mod views;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use fondue_imaging::Preprocess;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Reduction, Tensor, no_grad};

use self::{
    batches::{mix, take},
    judge::Judge,
    net::{LeftOut, Shape},
    pictures::{Corpus, Drawing, Split, Thing},
    words::Words,
};
use super::{
    course::{Course, CourseArgs, Pupil, write},
    flat::{Adam, AdamSettings, Layout, Start},
};

/// A CLIP vision tower from nothing, on a corpus that `fondue corpus` made.
#[derive(Debug, clap::Args)]
pub struct VisionArgs {
    /// The corpus.
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    /// Where the tower goes: `clip/`, and what a run needs to go on.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    course: CourseArgs,
    /// Drawings a step.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Weight decay.
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f64,
    /// Share of rows that pass the last block by.
    #[arg(long, default_value_t = 0.1)]
    drop_path: f64,
    /// Share of the patches that are left out.
    #[arg(long, default_value_t = 0.5)]
    drop_patches: f64,
    /// Share of the updates, the last ones, with all patches and unmixed.
    #[arg(long, default_value_t = 0.12)]
    whole: f64,
    /// Share of the updates, the last ones, that see each drawing as the vision service will, unchanged, and none with a
    /// changed palette.
    #[arg(long, default_value_t = 0.0)]
    plain: f64,
    /// Of all drawings that a step sees, the share with changed palettes.
    #[arg(long, default_value_t = 0.12)]
    variants: f64,
    /// Side of the tower's square, in pixels.
    #[arg(long, default_value_t = 72)]
    image_size: i64,
    /// Side of a patch, in pixels.
    #[arg(long, default_value_t = 12)]
    patch_size: i64,
    /// Width of the states.
    #[arg(long, default_value_t = 256)]
    width: i64,
    /// Blocks.
    #[arg(long, default_value_t = 6)]
    layers: i64,
    /// Attention heads.
    #[arg(long, default_value_t = 8)]
    heads: i64,
    /// Width of the feed-forward layers.
    #[arg(long, default_value_t = 1024)]
    ffn: i64,
}

/// The things of a corpus and their names, in order.
///
/// # Errors
/// If its table cannot be read.
pub(crate) fn things(corpus: &Path) -> Result<Vec<(String, String)>> {
    let table = table::Table::open(&corpus.join("things.tsv"), &["thing", "name"])?;
    Ok(table.rows().map(|[thing, name]| (thing.to_owned(), name.to_owned())).collect())
}

/// Views of a drawing whose features are kept, the drawing as it is among them. With more, the drawing
/// itself is met too seldom for its name to be learnt.
const VIEWS: usize = 3;
/// Share of a thing's keywords that a caption has.
const KEYWORDS: f64 = 0.3;
/// Share of a label that is spread over all names.
const SMOOTHING: f64 = 0.05;
/// The contrastive loss's highest scale.
const MAX_SCALE: f64 = 40.0;

/// Trains as told.
///
/// # Errors
/// If the corpus cannot be read or the disk refuses.
pub fn run(args: &VisionArgs) -> Result<()> {
    tch::set_num_threads(args.course.threads);
    let shape = Shape {
        image_size: args.image_size,
        patch_size: args.patch_size,
        width: args.width,
        layers: args.layers,
        heads: args.heads,
        ffn: args.ffn,
    };
    ensure!(shape.image_size % shape.patch_size == 0, "the patches do not fill the square");
    ensure!(shape.width % shape.heads == 0, "the heads do not share the width evenly");
    let clip = args.out.join("clip");
    fs::create_dir_all(&clip).with_context(|| format!("creating {}", clip.display()))?;
    fs::write(clip.join("config.json"), serde_json::to_string_pretty(&net::config(shape))?)?;
    fs::write(
        clip.join("preprocessor_config.json"),
        serde_json::to_string_pretty(&net::preprocessor(shape))?,
    )?;
    let preprocess = Preprocess::from_file(&clip.join("preprocessor_config.json"))?;

    let corpus = Corpus::open(&args.corpus)?;
    let mut run = Run::new(args, shape, &corpus, &preprocess)?;
    Course::new(&args.course, "vision", &args.out).run(&mut run)?;
    run.export(&clip)
}

/// A run under way.
struct Run<'a> {
    args: &'a VisionArgs,
    shape: Shape,
    layout: Layout,
    n_tower: usize,
    words: Words,
    adam: Adam,
    judge: Judge,
    /// Things that are trained on, by their places in the corpus.
    trained: Vec<usize>,
    squares: Tensor,
    /// The drawings as they are, as the service sees them: the first of the squares, normalised.
    plain: Tensor,
    /// For each square, its thing among the trained ones.
    labels: Vec<i64>,
    mirrors: Tensor,
    /// Places of the drawings as they are, and of those with changed palettes.
    originals: Vec<i64>,
    variants: Vec<i64>,
}

impl<'a> Run<'a> {
    fn new(args: &'a VisionArgs, shape: Shape, corpus: &Corpus, preprocess: &Preprocess) -> Result<Self> {
        let trained: Vec<usize> =
            (0..corpus.things.len()).filter(|&thing| !corpus.things[thing].held_out).collect();
        let things: Vec<&Thing> = trained.iter().map(|&thing| &corpus.things[thing]).collect();
        let words = Words::new(&things);
        let mut layout = net::layout(shape);
        let n_tower = layout.count();
        layout.add(
            "projection",
            &[shape.width, shape.width],
            Start::Normal((shape.width as f64).powf(-0.5)),
            true,
        );
        layout.add("scale", &[], Start::Fill((1.0f64 / 0.07).ln()), false);
        words.layout(&mut layout, shape.width);
        tch::manual_seed(args.course.seed as i64);
        let settings = AdamSettings {
            beta1: 0.9,
            beta2: 0.98,
            weight_decay: args.weight_decay,
            clip: 1.0,
            average: 0.998,
        };
        let adam = Adam::new(&layout, settings);

        let drawings: Vec<&Drawing> =
            corpus.drawings.iter().filter(|drawing| drawing.split == Split::Train).collect();
        let started = Instant::now();
        let squares = pictures::squares(&args.corpus, &drawings)?;
        eprintln!(
            "{} drawings of {} things in {:.1} s",
            drawings.len(),
            things.len(),
            started.elapsed().as_secs_f64()
        );
        let place = |thing: usize| trained.binary_search(&thing).map(|at| at as i64);
        let labels = drawings
            .iter()
            .map(|drawing| place(drawing.thing).ok().context("a held-out thing is trained on"));
        let labels = labels.collect::<Result<Vec<_>>>()?;
        let mirrors: Vec<f32> = drawings
            .iter()
            .map(|drawing| f32::from(u8::from(corpus.things[drawing.thing].mirrors)))
            .collect();
        let places = |variant: bool| {
            let of = drawings.iter().enumerate().filter(|(_, drawing)| drawing.variant == variant);
            of.map(|(place, _)| place as i64).collect::<Vec<_>>()
        };
        let (originals, variants) = (places(false), places(true));
        ensure!(!originals.is_empty(), "no drawing of the corpus is there to be trained on");
        // Those with changed palettes are the last ones.
        let plain = pictures::plain(&args.corpus, &drawings[..originals.len()], preprocess)?;
        let judge = Judge::new(&args.corpus, corpus, &trained, preprocess)?;
        Ok(Self {
            args,
            shape,
            layout,
            n_tower,
            words,
            adam,
            judge,
            trained,
            squares,
            plain: plain.to_kind(args.course.kind()),
            labels,
            mirrors: Tensor::from_slice(&mirrors),
            originals,
            variants,
        })
    }

    /// Towards the end the tower sees whole pictures, unmixed, as it will at work.
    fn whole(&self, step: i64) -> bool {
        self.plain(step) || self.args.course.is_last(step, self.args.whole)
    }

    /// At the very end it sees what it will be asked about.
    fn plain(&self, step: i64) -> bool {
        self.args.course.is_last(step, self.args.plain)
    }

    fn left_out(&self, step: i64) -> LeftOut {
        LeftOut {
            patches: if self.whole(step) { 0.0 } else { self.args.drop_patches },
            blocks: self.args.drop_path,
        }
    }

    /// The drawings of a step: each epoch goes once through the originals, in an order of its own; the plain updates at the end
    /// take more of them each, and begin in the middle of one.
    fn batch(&self, step: i64) -> Vec<i64> {
        let from_variants = if self.variants.is_empty() || self.plain(step) {
            0
        } else {
            (self.args.batch as f64 * self.args.variants) as usize
        };
        let mut batch = take(&self.originals, self.args.batch - from_variants, step, self.args.course.seed);
        batch.extend(take(&self.variants, from_variants, step, self.args.course.seed ^ 0x5eed));
        batch
    }
}

impl Pupil for Run<'_> {
    fn adam(&mut self) -> &mut Adam {
        &mut self.adam
    }

    fn judge(&mut self) -> Result<(String, serde_json::Value)> {
        let verdict = self.judge.measure(self)?;
        Ok((verdict.to_string(), serde_json::to_value(verdict)?))
    }

    fn update(&mut self, step: i64) -> Result<f64> {
        let course = &self.args.course;
        // Everything random of a step follows from its number, so a run that was cut goes on as it would have.
        tch::manual_seed((course.seed as i64) << 32 | step);
        let mut rng = ChaCha8Rng::seed_from_u64(course.seed << 32 ^ step as u64);
        let batch = self.batch(step);
        let n = batch.len() as i64;
        let index = Tensor::from_slice(&batch);
        let label: Vec<i64> = batch.iter().map(|&place| self.labels[place as usize]).collect();
        let label = Tensor::from_slice(&label);
        let kind = course.kind();
        let (pixels, mixed) = if self.plain(step) {
            (self.plain.index_select(0, &index), None)
        } else {
            let mut pixels = views::views(
                &self.squares.index_select(0, &index),
                &self.mirrors.index_select(0, &index),
                self.shape.image_size,
            );
            let mixed = if self.whole(step) { None } else { mix(&mut pixels, &mut rng) };
            (views::normalise(&pixels), mixed)
        };
        let pixels = pixels.to_kind(kind);

        // Split once: each time costs a gradient of all weights.
        let tensors = self.layout.split(&self.adam.flat);
        let cast: Vec<Tensor> = tensors[..=self.n_tower].iter().map(|tensor| tensor.to_kind(kind)).collect();
        let pooled = net::forward(self.shape, &cast[..self.n_tower], &pixels, self.left_out(step));
        let image = unit(&pooled.linear(&cast[self.n_tower], None::<Tensor>).to_kind(Kind::Float));
        let captions = self.words.captions(&mut rng, KEYWORDS);
        let text = unit(&words::forward(&tensors[self.n_tower + 2..], &captions));
        let scale = tensors[self.n_tower + 1].exp().clamp_max(MAX_SCALE);
        let logits = image.matmul(&text.transpose(0, 1)) * scale;

        let to_text = |label: &Tensor| {
            logits.cross_entropy_loss(label, None::<Tensor>, Reduction::Mean, -100, SMOOTHING)
        };
        let mut loss = to_text(&label);
        if let Some((other, share)) = mixed {
            let other = label.index_select(0, &other);
            loss = loss * share + to_text(&other) * (1.0 - share);
        } else {
            // The other way: each drawn thing's caption, among the step's drawings.
            let mine = logits.index_select(1, &label).transpose(0, 1);
            let same = label.unsqueeze(0).eq_tensor(&label.unsqueeze(1)).to_kind(Kind::Float);
            let target = &same / same.sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
            let to_image = -(mine.log_softmax(1, Kind::Float) * target).sum(Kind::Float) / n as f64;
            loss += to_image * 0.3;
        }
        loss.backward();
        self.adam.step(course.rate_at(step), step + 1);
        Ok(loss.double_value(&[]))
    }
}

impl Run<'_> {
    /// Writes the averaged tower in bfloat16.
    fn export(&self, clip: &Path) -> Result<()> {
        let path = clip.join("model.safetensors");
        let named = self.layout.named(&self.adam.average);
        let tower: Vec<(&str, Tensor)> = named[..self.n_tower]
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.to_kind(Kind::BFloat16)))
            .collect();
        write(&path, &tower)?;
        eprintln!("the tower is in {}", clip.display());
        self.write_features()
    }

    /// Writes what the tower makes of several views of each drawing that it was trained on, for the language tower, and the
    /// projection into the space where it met its texts, for the mapping layers.
    fn write_features(&self) -> Result<()> {
        let projection = &self.layout.split(&self.adam.average)[self.n_tower];
        let kind = self.args.course.kind();
        let tower = self.layout.split(&self.adam.average.to_kind(kind));
        let side = self.shape.image_size;
        let see =
            |pixels: Tensor| net::forward(self.shape, &tower[..self.n_tower], &pixels, LeftOut::default());
        let (mut features, mut of) = (Vec::new(), Vec::new());
        tch::manual_seed(self.args.course.seed as i64);
        for places in self.originals.chunks(self.args.batch) {
            let index = Tensor::from_slice(places);
            let (squares, mirrors) =
                (self.squares.index_select(0, &index), self.mirrors.index_select(0, &index));
            for view in 0..VIEWS {
                let pixels = if view == 0 {
                    self.plain.index_select(0, &index)
                } else {
                    views::normalise(&views::views(&squares, &mirrors, side))
                };
                features.push(no_grad(|| see(pixels.to_kind(kind))).to_kind(Kind::BFloat16));
                of.extend(
                    places.iter().map(|&place| self.trained[self.labels[place as usize] as usize] as i64),
                );
            }
        }
        let path = self.args.out.join("vision-features.safetensors");
        let tensors = [
            ("features", Tensor::cat(&features, 0)),
            ("things", Tensor::from_slice(&of)),
            ("projection", projection.copy()),
        ];
        write(&path, &tensors)?;
        eprintln!("features of {} views are in {}", of.len(), path.display());
        Ok(())
    }

    /// Averaged weights: plain pixels `[n, 3, s, s]` → unit vectors `[n, width]`.
    fn look(&self, pixels: &Tensor) -> Tensor {
        let tensors = self.layout.split(&self.adam.average);
        let pieces: Vec<Tensor> = pixels.split(256, 0);
        let pieces = pieces.iter().map(|piece| {
            let pooled = net::forward(self.shape, &tensors[..self.n_tower], piece, LeftOut::default());
            unit(&pooled.linear(&tensors[self.n_tower], None::<Tensor>))
        });
        no_grad(|| Tensor::cat(&pieces.collect::<Vec<_>>(), 0))
    }

    /// Averaged weights: the names of the trained things → unit vectors.
    fn read(&self) -> Tensor {
        let tensors = self.layout.split(&self.adam.average);
        let captions = self.words.captions(&mut ChaCha8Rng::seed_from_u64(0), 0.0);
        no_grad(|| unit(&words::forward(&tensors[self.n_tower + 2..], &captions)))
    }
}

/// Rows at length 1.
pub(crate) fn unit(rows: &Tensor) -> Tensor {
    rows / rows.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true).clamp_min(1e-6)
}
