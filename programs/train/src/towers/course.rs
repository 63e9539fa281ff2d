//! The course of a tower's training: updates, checkpoints, measurements, the bar, Ctrl-C.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use fondue_terminal::interrupt::{Interrupt, Interrupted};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use super::flat::{Adam, Fall};
use crate::run::{checkpoint, dtype::TrainDtype};

/// How long a tower trains, and how often it is looked at.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CourseArgs {
    /// Updates in all. A run that was cut goes on where its last checkpoint stands.
    #[arg(long, default_value_t = 4000)]
    pub(crate) steps: i64,
    /// Highest learning rate.
    #[arg(long, default_value_t = 1e-3)]
    pub(crate) rate: f64,
    /// Updates over which the rate rises.
    #[arg(long, default_value_t = 200)]
    pub(crate) warmup: i64,
    /// How the rate falls after that.
    #[arg(long, value_enum, default_value = "cosine")]
    pub(crate) fall: Fall,
    /// What everything random follows from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: i32,
    /// What is computed in; weights and moments are f32 in any case [default: bf16 where the processor computes in it, f32
    /// elsewhere].
    #[arg(long, value_enum)]
    dtype: Option<TrainDtype>,
    /// Updates between two measurements.
    #[arg(long, default_value_t = 500)]
    pub(crate) judge_every: i64,
    /// Updates between two checkpoints.
    #[arg(long, default_value_t = 100)]
    pub(crate) save_every: i64,
}

/// What is quickest here: without instructions for bf16, libtorch takes several times as long for it as for f32.
fn quickest() -> TrainDtype {
    #[cfg(target_arch = "x86_64")]
    let has_bf16 = std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(target_arch = "aarch64")]
    let has_bf16 = std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has_bf16 = false;
    if has_bf16 { TrainDtype::Bf16 } else { TrainDtype::F32 }
}

impl CourseArgs {
    /// What is computed in.
    pub(crate) fn kind(&self) -> Kind {
        fondue_model::Dtype::from(self.dtype.unwrap_or_else(quickest)).kind()
    }

    /// The learning rate of a step.
    pub(crate) fn rate_at(&self, step: i64) -> f64 {
        self.rate * self.fall.share(step, self.warmup, self.steps)
    }

    /// Whether a step is of this share of the updates, the last ones.
    pub(crate) fn is_last(&self, step: i64, share: f64) -> bool {
        step as f64 >= self.steps as f64 * (1.0 - share)
    }
}

/// What is trained.
pub(crate) trait Pupil {
    /// The weights.
    fn adam(&mut self) -> &mut Adam;
    /// One update, the `step`-th from 0; everything random of it must follow from that number. Returns the loss.
    fn update(&mut self, step: i64) -> Result<f64>;
    /// Measures the averaged weights: for people, and for the metrics file.
    fn judge(&mut self) -> Result<(String, Value)>;
}

/// A run in a folder.
pub(crate) struct Course<'a> {
    args: &'a CourseArgs,
    what: &'static str,
    out: &'a Path,
}

/// The mean loss is told every so many updates.
const TOLD_EVERY: i64 = 20;

impl<'a> Course<'a> {
    /// A run of the tower `what` in the folder `out`.
    pub(crate) fn new(args: &'a CourseArgs, what: &'static str, out: &'a Path) -> Self {
        Self { args, what, out }
    }

    /// Trains to the end, from the last checkpoint if there is one.
    ///
    /// # Errors
    /// Those of the updates; if the disk refuses; if Ctrl-C came, after a checkpoint was written.
    pub(crate) fn run(&self, pupil: &mut impl Pupil) -> Result<()> {
        let left = "the same command goes on from what is kept";
        let interrupt = Interrupt::listen(left).context("listening for Ctrl-C")?;
        interrupt.begin()?;
        if self.args.dtype.is_none() && self.args.kind() == Kind::Float {
            eprintln!("no instructions for bf16 are known of this processor: in f32");
        }
        let mut step = self.resume(pupil.adam())?;
        let steps = self.args.steps;
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta} left")?;
        let bar = ProgressBar::new(steps as u64).with_style(style).with_position(step as u64);
        bar.reset_eta();
        let log = self.path("metrics.jsonl");
        let mut log = fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| log.display().to_string())?;
        let (mut sum, mut count, mut since) = (0.0, 0, Instant::now());
        while step < steps {
            sum += pupil.update(step)?;
            count += 1;
            step += 1;
            bar.set_position(step as u64);
            if step % TOLD_EVERY == 0 {
                let (mean, seconds) = (sum / count as f64, since.elapsed().as_secs_f64() / count as f64);
                bar.set_message(format!("{} loss {mean:.3}", self.what));
                writeln!(log, "{}", json!({ "step": step, "loss": mean, "seconds_per_step": seconds }))?;
                (sum, count, since) = (0.0, 0, Instant::now());
            }
            let stopped = interrupt.came();
            if step % self.args.save_every == 0 || step == steps || stopped {
                self.save(pupil.adam(), step)?;
            }
            if stopped {
                bar.abandon();
                let left = format!("{step} of {steps} updates are kept; the same command goes on");
                return Err(Interrupted::leaving(left).into());
            }
            if step % self.args.judge_every == 0 || step == steps {
                let (text, value) = pupil.judge()?;
                bar.suspend(|| eprintln!("update {step}: {text}"));
                writeln!(log, "{}", json!({ "step": step, "measured": value }))?;
                (sum, count, since) = (0.0, 0, Instant::now());
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.out.join(format!("{}-{rest}", self.what))
    }

    fn save(&self, adam: &Adam, step: i64) -> Result<()> {
        let mut tensors: Vec<(&str, Tensor)> = adam.state().into();
        tensors.push(("step", Tensor::from_slice(&[step])));
        write(&self.path("checkpoint.safetensors"), &tensors)
    }

    fn resume(&self, adam: &mut Adam) -> Result<i64> {
        let path = self.path("checkpoint.safetensors");
        if !path.exists() {
            return Ok(0);
        }
        let state = Tensor::read_safetensors(&path).with_context(|| format!("reading {}", path.display()))?;
        adam.restore(&state).with_context(|| format!("going on from {}", path.display()))?;
        let step = state.iter().find(|(name, _)| name == "step").context("the checkpoint has no step")?;
        let step = step.1.f_int64_value(&[0])?;
        eprintln!("going on after update {step}");
        Ok(step)
    }
}

/// Writes tensors beside the file's place and renames them into it, so that there is never half a file.
///
/// # Errors
/// If the disk refuses.
pub(crate) fn write(path: &Path, tensors: &[(&str, Tensor)]) -> Result<()> {
    checkpoint::save_tensors(path, tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor)))
}
