//! The command line of `fondue train ground`, and the settings that come of it.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use super::{company::Company, optimiser::Adam, schedule::Schedule, step::LossWeights};
use crate::run::dtype::TrainDtype;

const EXAMPLES: &str = "\
Examples:
  fondue train ground my-model --train corpus/captions/train.tsv --validation corpus/captions/validation.tsv --out run
  fondue train ground fromage-6.7b --train cc3m_train.tsv --images cc3m/training --out run --preset reference --device cuda
  fondue train ground my-model --train mine.tsv --out tuned --init my-model/fromage --iterations 2000

MODEL holds opt/ and clip/. RUN gets fromage/ (model_args.json, the mapping layers as \
pretrained_ckpt.pth.tar, as published, and as mapping.safetensors), \
checkpoint.safetensors, metrics.jsonl, events/ for TensorBoard, features/ and, where rows are left out, bad-rows.tsv. \
The same command goes on with a run that was ended, by Ctrl-C or otherwise, as if it had not been.

TABLE is tab-separated with a header that names `caption` and `image`. Optional columns: `prompt`, input before the \
caption and no target of the captioning pass (\\n in it and in the caption is a newline then), and `ret`, 0 or 1: with 0 no \
[RET] follows and the row takes part in the captioning pass alone.";

/// Fit the mapping layers.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GroundArgs {
    /// Model folder with opt/ and clip/.
    #[arg(value_name = "MODEL")]
    pub(super) model: PathBuf,
    /// Table to train on.
    #[arg(long, value_name = "TABLE")]
    pub(super) train: PathBuf,
    /// Table to validate on, before the first epoch and after each; the best text→image top-1 is what is kept then.
    #[arg(long, value_name = "TABLE")]
    pub(super) validation: Option<PathBuf>,
    /// Folder that images are relative to [default: the table's, or the one above].
    #[arg(long, value_name = "DIR")]
    pub(super) images: Option<PathBuf>,
    /// The same of the validation table.
    #[arg(long, value_name = "DIR")]
    pub(super) validation_images: Option<PathBuf>,
    /// Folder of the run.
    #[arg(long, value_name = "RUN")]
    pub(super) out: PathBuf,
    /// Folder of features; runs on the same pictures may share one [default: RUN/features].
    #[arg(long, value_name = "DIR")]
    pub(super) features: Option<PathBuf>,
    /// Mapping layers to begin with: a folder with a checkpoint in any published form.
    #[arg(long, value_name = "DIR")]
    pub(super) init: Option<PathBuf>,
    /// Do away with what RUN holds of another run.
    #[arg(long)]
    pub(super) restart: bool,
    /// Settings to begin with; each can be set by itself.
    #[arg(long, value_enum, default_value_t = Preset::Paper)]
    pub(super) preset: Preset,
    /// Iterations [paper: 18000, reference: 20000].
    #[arg(long, value_name = "N")]
    pub(super) iterations: Option<u64>,
    /// Iterations of an epoch.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) steps_per_epoch: u64,
    /// Pairs of picture and caption in a batch, of all processes together.
    #[arg(long, value_name = "N", default_value_t = 180)]
    pub(super) batch: usize,
    /// Batches whose gradients make one update.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) accumulate: u64,
    /// Learning rate after the warm-up.
    #[arg(long, value_name = "RATE", default_value_t = 3e-4)]
    pub(super) learning_rate: f64,
    /// Counts of the schedule until then.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) warmup: u64,
    /// Epochs after which the rate falls to a tenth, each time.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) fall_epochs: u64,
    /// Weight decay.
    #[arg(long, value_name = "DECAY", default_value_t = 0.0)]
    pub(super) weight_decay: f64,
    /// Longest common length of the gradients; longer ones are scaled down.
    #[arg(long, value_name = "LENGTH", default_value_t = 1.0)]
    pub(super) clip: f64,
    /// Vectors that a picture becomes, k.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) visual_tokens: u16,
    /// Width of retrieval space, q.
    #[arg(long, value_name = "Q", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) shared_dim: u16,
    /// Longest caption in tokens, with BOS and [RET].
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub(super) max_len: usize,
    /// How often captions are paired in the captioning pass.
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.5)]
    pub(super) concat_prob: f64,
    /// How much the captioning loss counts.
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0)]
    pub(super) captioning_weight: f64,
    /// How much the retrieval losses count.
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0)]
    pub(super) retrieval_weight: f64,
    /// How much the cross-entropy of the retrieval pass counts [default: as --retrieval-weight].
    #[arg(long, value_name = "WEIGHT")]
    pub(super) ret_lm_weight: Option<f64>,
    /// How much the contrastive loss counts [default: as --retrieval-weight].
    #[arg(long, value_name = "WEIGHT")]
    pub(super) contrastive_weight: Option<f64>,
    /// Leave the row of [RET] as it is: for a language model that has learnt already when to write it.
    #[arg(long)]
    pub(super) freeze_ret: bool,
    /// Views of each picture that features are computed of: the picture, and changed ones from 2 on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) views: u16,
    /// What initial weights, order and views follow from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// File with the rows of each batch, for comparisons: a line of JSON each, {"rows": […], "pairs": false}.
    #[arg(long, value_name = "FILE")]
    pub(super) data_order: Option<PathBuf>,
    /// Precision of weights, optimiser and passes [paper: f32, reference: bf16].
    #[arg(long, value_enum)]
    pub(super) dtype: Option<TrainDtype>,
    /// Where it runs: cpu, cuda or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(super) device: String,
    /// Threads of each process [default: libtorch's choice; several processes share the cores].
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<u16>,
    /// Iterations between checkpoints.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) checkpoint_every: u64,
    /// Iterations between lines of metrics.jsonl.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) report_every: u64,
    /// Validation captions that are generated and compared.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(super) validation_captions: usize,
    /// Show no progress.
    #[arg(long)]
    pub(super) quiet: bool,
    /// File for the seconds of each iteration, as JSON.
    #[arg(long, value_name = "FILE", hide = true)]
    pub(super) timings: Option<PathBuf>,
    #[command(flatten)]
    pub(super) company: Company,
}

/// Where settings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// The paper's: 18,000 iterations in f32.
    Paper,
    /// The reference's documented command: ten epochs of 2,000 iterations in bf16.
    Reference,
}

/// All that the numbers of a run follow from; a run goes on with the same ones alone.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) steps_per_epoch: u64,
    pub(super) batch: usize,
    pub(super) accumulate: u64,
    pub(super) learning_rate: f64,
    pub(super) warmup: u64,
    pub(super) fall_epochs: u64,
    pub(super) weight_decay: f64,
    pub(super) clip: f64,
    pub(super) visual_tokens: u16,
    pub(super) shared_dim: u16,
    pub(super) max_len: usize,
    pub(super) concat_prob: f64,
    pub(super) captioning_weight: f64,
    pub(super) ret_lm_weight: f64,
    pub(super) contrastive_weight: f64,
    pub(super) freeze_ret: bool,
    pub(super) views: u16,
    pub(super) seed: u64,
    pub(super) dtype: TrainDtype,
    pub(super) validation_captions: usize,
    pub(super) report_every: u64,
}

impl GroundArgs {
    /// Iterations of the whole run.
    pub(super) fn iterations(&self) -> u64 {
        self.iterations.unwrap_or(match self.preset {
            Preset::Paper => 18_000,
            Preset::Reference => 10 * self.steps_per_epoch,
        })
    }

    /// Checked.
    pub(super) fn settings(&self) -> Result<Settings> {
        ensure!((0.0..=1.0).contains(&self.concat_prob), "--concat-prob is not between 0 and 1");
        ensure!(self.max_len >= 3, "--max-len has no room for BOS, a token and [RET]");
        ensure!(self.batch > 0, "--batch is 0");
        let positive = [
            ("--learning-rate", self.learning_rate),
            ("--clip", self.clip),
            ("--captioning-weight", self.captioning_weight),
            ("--retrieval-weight", self.retrieval_weight),
            ("--ret-lm-weight", self.ret_lm_weight.unwrap_or(0.0)),
            ("--contrastive-weight", self.contrastive_weight.unwrap_or(0.0)),
            ("--weight-decay", self.weight_decay),
        ];
        for (name, value) in positive {
            ensure!(value >= 0.0 && value.is_finite(), "{name} is {value}");
        }
        Ok(Settings {
            steps_per_epoch: self.steps_per_epoch,
            batch: self.batch,
            accumulate: self.accumulate,
            learning_rate: self.learning_rate,
            warmup: self.warmup,
            fall_epochs: self.fall_epochs,
            weight_decay: self.weight_decay,
            clip: self.clip,
            visual_tokens: self.visual_tokens,
            shared_dim: self.shared_dim,
            max_len: self.max_len,
            concat_prob: self.concat_prob,
            captioning_weight: self.captioning_weight,
            ret_lm_weight: self.ret_lm_weight.unwrap_or(self.retrieval_weight),
            contrastive_weight: self.contrastive_weight.unwrap_or(self.retrieval_weight),
            freeze_ret: self.freeze_ret,
            views: self.views,
            seed: self.seed,
            dtype: self.dtype.unwrap_or(match self.preset {
                Preset::Paper => TrainDtype::F32,
                Preset::Reference => TrainDtype::Bf16,
            }),
            validation_captions: self.validation_captions,
            report_every: self.report_every,
        })
    }
}

impl Settings {
    pub(super) fn schedule(&self) -> Schedule {
        Schedule {
            base: self.learning_rate,
            warmup: self.warmup,
            steps_per_epoch: self.steps_per_epoch,
            epochs_per_fall: self.fall_epochs,
            gamma: 0.1,
        }
    }

    pub(super) fn adam(&self) -> Adam {
        Adam { betas: [0.9, 0.95], eps: 1e-8, decay: self.weight_decay }
    }

    pub(super) fn weights(&self) -> LossWeights {
        LossWeights {
            captioning: self.captioning_weight,
            ret_lm: self.ret_lm_weight,
            contrastive: self.contrastive_weight,
        }
    }
}
