//! `fondue train towers language`: a small OPT from nothing, by next-token loss.
//!
//! Its texts hold places for pictures, each filled with a vector that stands for a thing: a row of a table that is learnt
//! beside the model, or the features of a drawing of it, through a linear layer. What stays is a model that
//! has learnt to speak of what such a vector says; the linear layer is what the mapping layers can begin with.

pub(crate) mod documents;
mod eyes;
mod net;
mod pieces;
mod start;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};
use fondue_model::{Tokenizer, opt::OptConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::{Kind, Reduction, Tensor, no_grad};

use self::{
    documents::{Row, Rows, Slot},
    eyes::Eyes,
    net::Shape,
    pieces::{Piece, pieces},
};
use super::{
    course::{Course, CourseArgs, Pupil, write},
    flat::{Adam, AdamSettings, Layout},
    vision::things,
};
use crate::nets::opt::OptNet;

/// A small OPT from nothing, on a corpus that `fondue corpus` made.
#[derive(Debug, clap::Args)]
pub struct LanguageArgs {
    /// The corpus.
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    /// Where the model goes, `opt/`; holds its tokenizer already.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What the vision tower makes of drawings (`towers vision` writes it); without it, pictures are rows of a table.
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Begin with the weights of this model.
    #[arg(long, value_name = "DIR")]
    init: Option<PathBuf>,
    #[command(flatten)]
    course: CourseArgs,
    /// Documents an update.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Further documents an update, of the short ones that begin with a picture: from them naming pictures is learnt. Only
    /// their last line is asked for: the answer, where there is a question.
    #[arg(long, default_value_t = 0)]
    naming: usize,
    /// Further documents an update, of the captions with `[RET]`: from them it is learnt what to find there.
    #[arg(long, default_value_t = 0)]
    finding: usize,
    /// Weight decay.
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f64,
    /// Noise on the vectors that stand for pictures, as a share of their length.
    #[arg(long, default_value_t = 0.3)]
    noise: f64,
    /// Positions.
    #[arg(long, default_value_t = 512)]
    positions: i64,
    /// Tokens of a document that are read; the rest is cut.
    #[arg(long, default_value_t = 128)]
    max_len: usize,
    /// Width of the states.
    #[arg(long, default_value_t = 256)]
    width: i64,
    /// Blocks.
    #[arg(long, default_value_t = 4)]
    layers: i64,
    /// Attention heads.
    #[arg(long, default_value_t = 4)]
    heads: i64,
    /// Width of the feed-forward layers.
    #[arg(long, default_value_t = 1024)]
    ffn: i64,
}

/// How often each kind of document is read.
const KINDS: [(&str, f64); 4] = [("dialogue", 0.6), ("caption", 0.2), ("talk", 0.08), ("gloss", 0.12)];
/// How much the search at a `[RET]` counts, beside one token.
const QUERY_WEIGHT: f64 = 2.0;
/// A document of so few positions is short.
const SHORT: usize = 20;
/// So many tokens that are asked for, and multiples of it, are computed at once.
const ASKED_TOGETHER: usize = 64;
/// Documents of each kind that the loss is measured on.
const JUDGED: usize = 256;

/// Trains as told.
///
/// # Errors
/// If the corpus or the tokenizer cannot be read, or the disk refuses.
pub fn run(args: &LanguageArgs) -> Result<()> {
    tch::set_num_threads(args.course.threads);
    ensure!(args.width % args.heads == 0, "the heads do not share the width evenly");
    let opt = args.out.join("opt");
    let mut run = Run::new(args)?;
    Course::new(
        &args.course,
        if args.features.is_some() { "language-seeing" } else { "language" },
        &args.out,
    )
    .run(&mut run)?;
    let named = run.layout.named(&run.adam.average);
    let model: Vec<(&str, Tensor)> = named[..run.n_model]
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor.to_kind(Kind::BFloat16)))
        .collect();
    write(&opt.join("model.safetensors"), &model)?;
    eprintln!("the model is in {}", opt.display());
    run.eyes.projection().map_or(Ok(()), |projection| {
        start::write_start(&args.out, &run.layout, &run.adam.average, run.ret, projection)
    })
}

/// A run under way.
struct Run<'a> {
    args: &'a LanguageArgs,
    shape: Shape,
    config: OptConfig,
    layout: Layout,
    n_model: usize,
    adam: Adam,
    eyes: Eyes,
    /// The id of `[RET]`.
    ret: i64,
    /// Documents to train on and their share, by kind.
    kinds: Vec<(&'static str, f64, Vec<Row>)>,
    /// The short ones that begin with a picture, of which only the last line is asked for.
    naming: Vec<Row>,
    /// The captions with `[RET]`.
    finding: Vec<Row>,
    /// Documents to measure on.
    judged: BTreeMap<String, Vec<Row>>,
}

/// The model as it is at some update, in the kind that is computed in.
struct Model {
    net: OptNet,
    /// Tensors of [`Eyes::layout`], in f32.
    eyes: Vec<Tensor>,
}

impl<'a> Run<'a> {
    fn new(args: &'a LanguageArgs) -> Result<Self> {
        let tokenizer = Tokenizer::load(&args.out.join("opt"))?;
        let (mut things, mut names) = (HashMap::new(), HashMap::new());
        for (n, (thing, name)) in self::things(&args.corpus)?.into_iter().enumerate() {
            things.insert(thing, n as i64);
            names.insert(name, n as i64);
        }
        let rows = Rows::new(&tokenizer, &things, &names, args.max_len)?;
        let read = |file: &str| -> Result<BTreeMap<String, Vec<Row>>> {
            let documents = documents::read(&args.corpus.join("text").join(file))?;
            let all: Vec<Row> =
                documents.par_iter().map(|document| rows.row(document)).collect::<Result<_>>()?;
            let mut kinds: BTreeMap<String, Vec<Row>> = BTreeMap::new();
            for (document, row) in documents.into_iter().zip(all) {
                kinds.entry(document.kind).or_default().push(row);
            }
            Ok(kinds)
        };
        let mut train = read("train.jsonl")?;
        let mut judged = read("validation.jsonl")?;
        judged.values_mut().for_each(|rows| rows.truncate(JUDGED));
        let kinds: Vec<_> =
            KINDS.iter().filter_map(|(kind, share)| Some((*kind, *share, train.remove(*kind)?))).collect();
        ensure!(
            !kinds.is_empty(),
            "the corpus' texts are of none of the kinds {:?}",
            KINDS.map(|(kind, _)| kind)
        );
        let is_naming =
            |row: &&Row| matches!(row.slots.first(), Some(Slot::Picture(_))) && row.slots.len() <= SHORT;
        let naming = kinds.iter().flat_map(|(.., rows)| rows).filter(is_naming);
        let naming: Vec<Row> = naming.map(|row| rows.last_line(row)).collect();
        ensure!(
            args.naming == 0 || !naming.is_empty(),
            "the corpus has no short texts that begin with a picture"
        );
        let captions = kinds.iter().filter(|(kind, ..)| *kind == "caption").flat_map(|(.., rows)| rows);
        let finding: Vec<Row> = captions.filter(|row| !row.queries.is_empty()).cloned().collect();
        ensure!(args.finding == 0 || !finding.is_empty(), "the corpus has no captions with [RET]");
        let shape = Shape {
            vocab: (tokenizer.ret().as_i64() + 1 + 7) / 8 * 8,
            positions: args.positions,
            width: args.width,
            layers: args.layers,
            heads: args.heads,
            ffn: args.ffn,
        };
        let opt = args.out.join("opt");
        fs::write(opt.join("config.json"), serde_json::to_string_pretty(&net::config(shape))?)
            .with_context(|| format!("writing {}", opt.display()))?;
        let config = OptConfig::load(&opt)?;
        let mut layout = net::layout(shape);
        let n_model = layout.count();
        let eyes = Eyes::new(args.features.as_deref(), things.len() as i64, args.noise)?;
        eyes.layout(&mut layout, args.width);
        tch::manual_seed(args.course.seed as i64);
        let settings = AdamSettings {
            beta1: 0.9,
            beta2: 0.98,
            weight_decay: args.weight_decay,
            clip: 1.0,
            average: 0.995,
        };
        let mut adam = Adam::new(&layout, settings);
        if let Some(init) = &args.init {
            let path = init.join("opt/model.safetensors");
            let named =
                Tensor::read_safetensors(&path).with_context(|| format!("reading {}", path.display()))?;
            layout.fill(&adam.flat, &named)?;
            layout.fill(&adam.flat, &start::read_start(init)?)?;
            adam.begin_average();
        }
        Ok(Self {
            args,
            shape,
            config,
            layout,
            n_model,
            adam,
            eyes,
            ret: tokenizer.ret().as_i64(),
            kinds,
            naming,
            finding,
            judged,
        })
    }

    /// The model with these weights, and beside it what makes vectors of pictures.
    fn model(&self, flat: &Tensor) -> Result<Model> {
        let kind = self.args.course.kind();
        let (mut eyes, mut cast) = (Vec::new(), HashMap::new());
        for (n, (name, tensor)) in self.layout.named(flat).into_iter().enumerate() {
            if n < self.n_model {
                cast.insert(name, tensor.to_kind(kind));
            } else {
                eyes.push(tensor);
            }
        }
        Ok(Model { net: OptNet::new(self.config.clone(), &cast)?, eyes })
    }

    /// Sum of the losses of some rows, and how many tokens they ask for.
    fn loss(
        &self,
        model: &Model,
        piece: Piece<'_>,
        noisy: bool,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Tensor, i64)> {
        let Model { net, eyes } = model;
        let kind = net.table().kind();
        let Piece { rows, n, t } = piece;
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        let (mut places, mut pictured) = (Vec::new(), Vec::new());
        let (mut queries, mut wanted) = (Vec::new(), Vec::new());
        for (n, row) in rows.iter().enumerate() {
            for at in 0..t {
                ids.push(match row.slots.get(at) {
                    Some(Slot::Token(id)) => *id,
                    Some(Slot::Picture(thing)) => {
                        places.push((n * t + at) as i64);
                        pictured.push(*thing);
                        1
                    }
                    None => 1,
                });
                labels.push(row.labels.get(at).copied().unwrap_or(-100));
            }
            for (at, thing) in &row.queries {
                queries.push((n * t + at) as i64);
                wanted.push(*thing);
            }
        }
        ids.resize(n * t, 1);
        let mut asked: Vec<i64> = (0..labels.len() as i64).filter(|&at| labels[at as usize] >= 0).collect();
        let mut label: Vec<i64> = asked.iter().map(|&at| labels[at as usize]).collect();
        let count = asked.len() as i64;
        // What is added asks for nothing.
        asked.resize(asked.len().next_multiple_of(ASKED_TOGETHER), 0);
        label.resize(asked.len(), -100);
        let table = net.table();
        let width = self.shape.width;
        let mut embeds = Tensor::embedding(table, &Tensor::from_slice(&ids), -1, false, false);
        if !places.is_empty() {
            let seen = self.eyes.see(eyes, &pictured, noisy, rng).to_kind(kind);
            embeds = embeds.index_copy(0, &Tensor::from_slice(&places), &seen);
        }
        let hidden = net.forward(&embeds.view([n as i64, t as i64, width]))?;
        let hidden = hidden.view([-1, width]);
        let at = Tensor::from_slice(&asked);
        let logits = hidden.index_select(0, &at).matmul(&table.transpose(0, 1)).to_kind(Kind::Float);
        let label = Tensor::from_slice(&label);
        let loss = logits.cross_entropy_loss(&label, None::<Tensor>, Reduction::Sum, -100, 0.0);
        let missed = if noisy && !queries.is_empty() {
            let states = hidden.index_select(0, &Tensor::from_slice(&queries));
            self.eyes.missed(eyes, &states, &wanted)
        } else {
            None
        };
        let loss = missed.map_or_else(|| loss.shallow_clone(), |missed| &loss + missed * QUERY_WEIGHT);
        Ok((loss, count))
    }
}

impl Pupil for Run<'_> {
    fn adam(&mut self) -> &mut Adam {
        &mut self.adam
    }

    fn update(&mut self, step: i64) -> Result<f64> {
        let course = &self.args.course;
        tch::manual_seed((course.seed as i64) << 32 | step);
        let mut rng = ChaCha8Rng::seed_from_u64(course.seed << 32 ^ step as u64);
        let whole: f64 = self.kinds.iter().map(|(_, share, _)| share).sum();
        let mut rows: Vec<&Row> = (0..self.args.batch)
            .map(|_| {
                let mut at = rng.random_range(0.0..whole);
                let mut chosen = &self.kinds[0].2;
                for (_, share, rows) in &self.kinds {
                    chosen = rows;
                    at -= share;
                    if at < 0.0 {
                        break;
                    }
                }
                &chosen[rng.random_range(0..chosen.len())]
            })
            .collect();
        for (n, some) in [(self.args.naming, &self.naming), (self.args.finding, &self.finding)] {
            rows.extend((0..n).map(|_| &some[rng.random_range(0..some.len())]));
        }
        rows.sort_by_key(|row| row.slots.len());
        let asked: usize =
            rows.iter().map(|row| row.labels.iter().filter(|&&label| label >= 0).count()).sum();
        let model = self.model(&self.adam.flat)?;
        let losses = pieces(&rows, self.args.max_len).into_iter();
        let losses = losses.map(|piece| Ok(self.loss(&model, piece, true, &mut rng)?.0));
        // One pass backward: each costs a gradient of all weights.
        let loss = Tensor::stack(&losses.collect::<Result<Vec<_>>>()?, 0).sum(Kind::Float) / asked as f64;
        loss.backward();
        self.adam.step(course.rate_at(step), step + 1);
        Ok(loss.double_value(&[]))
    }

    fn judge(&mut self) -> Result<(String, serde_json::Value)> {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let model = self.model(&self.adam.average)?;
        let mut losses = BTreeMap::new();
        for (kind, rows) in &self.judged {
            let (mut sum, mut count) = (0.0, 0);
            for piece in rows.chunks(64) {
                let piece: Vec<&Row> = piece.iter().collect();
                let (loss, asked) = no_grad(|| self.loss(&model, Piece::of(&piece), false, &mut rng))?;
                sum += loss.double_value(&[]);
                count += asked;
            }
            losses.insert(kind.clone(), sum / count.max(1) as f64);
        }
        let text: Vec<String> = losses.iter().map(|(kind, loss)| format!("{kind} {loss:.3}")).collect();
        Ok((format!("validation loss: {}", text.join(", ")), serde_json::to_value(losses)?))
    }
}
