//! A run from its files to its last iteration: sets up, goes on where a run before it ended, steps, keeps.

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context, Result, bail, ensure};
use fondue_model::{Placement, Tokenizer, mapping::ModelArgs, weights::Weights, weights::unwatched};
use fondue_terminal::interrupt::{Interrupt, Interrupted};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    args::{GroundArgs, Settings},
    data::Data,
    features::{Features, Making},
    frozen::Frozen,
    layout::Text,
    optimiser::{self, Moments},
    order::Order,
    output::{self, Towers},
    step::{self, Batch, Losses, Step},
    table::{self, Table},
    trained::{NAMES, Trained, Widths},
    validation::Validation,
};
use crate::run::{
    checkpoint,
    group::Group,
    metrics::{Lengths, Metrics},
    progress::Progress,
};

/// What a checkpoint holds beside tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    settings: Settings,
    /// Hashes of what is trained on and with.
    made_of: MadeOf,
    /// Iterations that are done.
    iteration: u64,
    /// The schedule's count.
    count: u64,
    updates: u64,
    /// The best text→image top-1 so far.
    best: Option<f64>,
    metrics: Lengths,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MadeOf {
    table: String,
    features: String,
    validation: Option<String>,
    opt: String,
    init: Option<String>,
    order: Option<String>,
}

/// Everything of a run.
pub(super) struct Session<'a> {
    args: &'a GroundArgs,
    interrupt: &'a Interrupt,
    group: Group,
    tokenizer: Tokenizer,
    frozen: Frozen,
    trained: Trained,
    moments: Moments,
    train: Data,
    validation: Option<Data>,
    order: Order,
    state: State,
    /// Of the first process alone.
    metrics: Option<Metrics>,
}

impl<'a> Session<'a> {
    /// Reads all files, makes features, and takes up what a run before this one left.
    pub(super) fn open(args: &'a GroundArgs, interrupt: &'a Interrupt, mut group: Group) -> Result<Self> {
        let settings = args.settings()?;
        let shares = settings.batch / group.size();
        ensure!(
            shares * group.size() == settings.batch
                && (settings.concat_prob == 0.0 || shares.is_multiple_of(2)),
            "--batch {}: each of {} processes needs as many rows, and an even number for pairs",
            settings.batch,
            group.size()
        );
        let device = match Placement::device_from(&args.device)? {
            tch::Device::Cuda(0) => tch::Device::Cuda(args.company.local()),
            device => device,
        };
        let dtype = settings.dtype.into();
        let at = Placement { device, dtype, ..Placement::TORCH_F32 };
        at.check()?;
        fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;

        let opt = args.model.join("opt");
        let tokenizer = Tokenizer::load(&opt)?;
        let (train, validation) =
            read(args, &settings, Placement::on(device, dtype), interrupt, &tokenizer, &mut group)?;
        if group.rank() == 0 {
            report_bad(args, &train)?;
        }
        let frozen = Frozen::load(&opt, tokenizer.ret(), at, &unwatched)?;
        let widths = Widths {
            word: frozen.word_dim(),
            feature: train.feature_dim() as i64,
            prefix: i64::from(settings.visual_tokens),
            shared: i64::from(settings.shared_dim),
        };
        let trained = begin(args, &frozen, widths, settings.seed)?;
        let order = match &args.data_order {
            Some(path) => Order::given(path, train.rows.len(), settings.batch, settings.seed)?,
            None => Order::shuffled(
                train.rows.len(),
                settings.batch,
                settings.steps_per_epoch,
                settings.concat_prob,
                settings.seed,
            )?,
        };
        let made_of = MadeOf {
            table: digest(&args.train)?,
            features: train.key().to_owned(),
            validation: args.validation.as_deref().map(digest).transpose()?,
            opt: digest(&opt.join("config.json"))?,
            init: args.init.as_ref().map(|_| tensors_digest(&trained)).transpose()?,
            order: args.data_order.as_deref().map(digest).transpose()?,
        };
        let moments = Moments::begin(trained.all())?;
        let state = State {
            settings,
            made_of,
            iteration: 0,
            count: 0,
            updates: 0,
            best: None,
            metrics: Lengths::default(),
        };
        let mut session = Self {
            args,
            interrupt,
            group,
            tokenizer,
            frozen,
            trained,
            moments,
            train,
            validation,
            order,
            state,
            metrics: None,
        };
        session.agree()?;
        session.take_up()?;
        session.frozen.show(session.trained.ret_row())?;
        if session.group.rank() == 0 {
            session.metrics = Some(Metrics::open(&args.out, session.state.metrics)?);
        }
        Ok(session)
    }

    /// All processes have the same settings, rows and first weights.
    fn agree(&mut self) -> Result<()> {
        let mine = serde_json::to_vec(&(
            &self.state.settings,
            self.args.iterations(),
            &self.state.made_of.table,
            self.train.rows.len(),
            tensors_digest(&self.trained)?,
        ))?;
        let all = self.group.gather_bytes(mine)?;
        let wrong = all.iter().position(|one| *one != all[0]);
        ensure!(
            wrong.is_none(),
            "processes 0 and {} have other settings, rows or weights: {} and {}",
            wrong.unwrap_or_default(),
            String::from_utf8_lossy(&all[0]),
            String::from_utf8_lossy(&all[wrong.unwrap_or_default()])
        );
        Ok(())
    }

    fn checkpoint(&self) -> PathBuf {
        self.args.out.join("checkpoint.safetensors")
    }

    /// What a run of the same settings left.
    fn take_up(&mut self) -> Result<()> {
        if self.args.restart {
            return Ok(());
        }
        // Only the first process's disk counts.
        let path = self.checkpoint();
        let mine = if self.group.rank() == 0 { checkpoint::bytes(&path)? } else { Vec::new() };
        let bytes = self.group.from_first(mine)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let (tensors, mut state) =
            checkpoint::parse::<State>(&bytes).with_context(|| path.display().to_string())?;
        if self.group.rank() != 0 {
            // Times of files differ between machines.
            state.made_of = self.state.made_of.clone();
        }
        let differing =
            differing(&(&state.settings, &state.made_of), &(&self.state.settings, &self.state.made_of))?;
        if !differing.is_empty() {
            bail!(
                "{} holds a run with other settings ({}); name another --out, or do away with it by --restart",
                self.args.out.display(),
                differing.join(", ")
            );
        }
        let kept = |name: &str| tensors.get(name).map(tch::Tensor::shallow_clone);
        let all = NAMES.iter().map(|name| kept(name).with_context(|| format!("no tensor `{name}`")));
        let at = || format!("checkpoint {}", self.args.out.display());
        let all = all.collect::<Result<Vec<_>>>().with_context(at)?;
        self.trained = Trained::of(self.trained.widths(), &all, self.frozen.placement()).with_context(at)?;
        self.moments.restore(&NAMES, state.updates, kept).with_context(at)?;
        if let Some(grads) = kept("gradients") {
            let mut all = fondue_model::layers::values(&grads)?;
            // They were added up; only one process goes on with them.
            if self.group.rank() != 0 {
                all.fill(0.0);
            }
            step::set_gradients(&self.trained, &all)?;
        }
        self.state = state;
        Ok(())
    }

    /// Steps until the last iteration, or until Ctrl-C.
    pub(super) fn run(mut self) -> Result<()> {
        let total = self.args.iterations();
        if self.state.iteration >= total {
            // It may have ended between its last checkpoint and this.
            if self.validation.is_none() {
                self.publish()?;
            }
            self.say(&format!("{} is finished: {total} iterations", self.args.out.display()));
            return Ok(());
        }
        let quiet = self.args.quiet || self.group.rank() != 0;
        let mut seconds = Vec::new();
        let mut progress = Progress::new(total, self.state.iteration, "iterations", quiet);
        if self.state.iteration == 0 {
            self.validate(&progress)?;
        }
        while self.state.iteration < total {
            let begun = Instant::now();
            let losses = self.iterate()?;
            seconds.push(begun.elapsed().as_secs_f64());
            let done = self.state.iteration;
            if self.state.settings.schedule().ends_epoch(done - 1) || done == total {
                self.validate(&progress)?;
                self.keep()?;
            } else if done.is_multiple_of(self.args.checkpoint_every) {
                self.keep()?;
            }
            progress.advance(1, || {
                let Losses { loss, captioning, ret_lm, contrastive, .. } = losses;
                format!(
                    "loss {loss:.3} = caption {captioning:.3} + [RET] {ret_lm:.3} + contrast {contrastive:.3}"
                )
            });
            if let Some(metrics) = &mut self.metrics {
                metrics.only_events(done, &[("rate/iterations_per_second", progress.rate())])?;
            }
            // All stop at the same iteration.
            let mut came = [f64::from(u8::from(self.interrupt.came()))];
            self.group.sum(&mut came)?;
            if came[0] > 0.0 && done < total {
                self.keep()?;
                progress.end();
                let left = format!("{done} of {total} iterations are kept; the same command goes on");
                return Err(Interrupted::leaving(left).into());
            }
        }
        progress.end();
        if self.validation.is_none() {
            self.publish()?;
        }
        if let Some(path) = &self.args.timings {
            checkpoint::replace(path, &serde_json::to_vec(&seconds)?)?;
        }
        self.say(&format!("wrote {}", self.args.out.join("fromage").display()));
        Ok(())
    }

    /// One iteration: a batch, and an update where one is due.
    fn iterate(&mut self) -> Result<Losses> {
        let iteration = self.state.iteration;
        let settings = &self.state.settings;
        let (schedule, weights) = (settings.schedule(), settings.weights());
        let drawn = self.order.batch(iteration);
        let share = drawn.rows.len() / self.group.size();
        let mine = self.group.rank() * share..(self.group.rank() + 1) * share;
        let (rows, views) = (&drawn.rows[mine.clone()], &drawn.views[mine]);
        let views_each = u32::from(settings.views);
        let features = self.train.features(rows, |n| (views[n] % views_each) as usize, &self.frozen)?;
        let texts: Vec<&Text> = rows.iter().map(|row| &self.train.texts[*row as usize]).collect();
        let batch = Batch { features, texts, pairs: drawn.pairs };
        let accumulate = settings.accumulate as usize;
        let step = Step { frozen: &self.frozen, trained: &self.trained, weights, accumulate };
        let losses = step.run(&batch, &mut self.group)?;
        ensure!(
            losses.loss.is_finite(),
            "iteration {iteration}: the loss is {}; the run is over",
            losses.loss
        );

        let rate = schedule.rate(self.state.count);
        let mut length = None;
        if (iteration + 1).is_multiple_of(settings.accumulate) || schedule.ends_epoch(iteration) {
            if self.group.size() > 1 {
                let mut all = step::gradients(&self.trained)?;
                self.group.sum_floats(&mut all)?;
                step::set_gradients(&self.trained, &all)?;
            }
            let learning = self.trained.learning(settings.freeze_ret);
            length = Some(optimiser::clip(learning, settings.clip)?);
            self.moments.update(learning, &settings.adam(), rate)?;
            optimiser::clear(self.trained.all());
        }
        if !settings.freeze_ret {
            self.trained.rescale_ret(self.frozen.ret_norm())?;
            self.frozen.show(self.trained.ret_row())?;
        }
        if schedule.counts(iteration) {
            self.state.count += 1;
        }
        self.state.iteration += 1;
        self.state.updates = self.moments.updates();
        self.report(&losses, rate, length)?;
        Ok(losses)
    }

    fn report(&mut self, losses: &Losses, rate: f64, length: Option<f64>) -> Result<()> {
        let step = self.state.iteration;
        let Some(metrics) = &mut self.metrics else { return Ok(()) };
        if !step.is_multiple_of(self.state.settings.report_every) {
            return Ok(());
        }
        let mut numbers = vec![
            ("train/loss", losses.loss),
            ("train/captioning", losses.captioning),
            ("train/ret_lm", losses.ret_lm),
            ("train/contrastive", losses.contrastive),
            ("train/caption_top1", losses.caption_top1),
            ("train/caption_top5", losses.caption_top5),
            ("train/text_to_image_top1", losses.text_to_image_top1),
            ("train/text_to_image_top5", losses.text_to_image_top5),
            ("train/image_to_text_top1", losses.image_to_text_top1),
            ("train/image_to_text_top5", losses.image_to_text_top5),
            ("train/learning_rate", rate),
            ("train/logit_scale", self.trained.logit_scale().f_double_value(&[])?),
        ];
        numbers.extend(length.map(|length| ("train/gradient_norm", length)));
        metrics.report(step, &numbers)
    }

    /// Validates, and publishes the mapping layers if they are the best so far.
    fn validate(&mut self, progress: &Progress) -> Result<()> {
        let Some(data) = &self.validation else { return Ok(()) };
        // One process does it; all have the same weights.
        let mut top1 = [0.0];
        if self.group.rank() == 0 {
            let captions = self.state.settings.validation_captions;
            let result = Validation::run(data, &self.frozen, &self.trained, &self.tokenizer, captions)?;
            let [one, five] = result.text_to_image;
            progress.say(&format!(
                "validation after {}: text→image top-1 {one:.1} %, top-5 {five:.1} %, BLEU-4 {:.3}",
                self.state.iteration, result.bleu[3]
            ));
            if let Some((said, wanted)) = result.examples.first() {
                progress.say(&format!("  says “{said}” of “{wanted}”"));
            }
            if let Some(metrics) = &mut self.metrics {
                metrics.report(self.state.iteration, &result.numbers())?;
            }
            top1 = [one];
        }
        self.group.sum(&mut top1)?;
        // What was not trained is not chosen.
        if self.state.iteration > 0 && self.state.best.is_none_or(|best| top1[0] > best) {
            self.state.best = Some(top1[0]);
            self.publish()?;
        }
        Ok(())
    }

    fn publish(&self) -> Result<()> {
        if self.group.rank() != 0 {
            return Ok(());
        }
        let towers = names(&self.args.model);
        output::write(
            &self.args.out.join("fromage"),
            &self.trained,
            &Towers { opt: &towers.0, clip: &towers.1 },
        )
    }

    /// Writes a checkpoint, which names how long the metrics are.
    fn keep(&mut self) -> Result<()> {
        // The others' gradients are their own; they are added up first, and the first process goes on with them.
        let whole = self.state.iteration.is_multiple_of(self.state.settings.accumulate)
            || self.state.settings.schedule().ends_epoch(self.state.iteration - 1);
        let mut pending = None;
        if !whole {
            let mut all = step::gradients(&self.trained)?;
            self.group.sum_floats(&mut all)?;
            pending = Some(tch::Tensor::f_from_slice(&all)?);
            if self.group.rank() != 0 {
                all.fill(0.0);
            }
            step::set_gradients(&self.trained, &all)?;
        }
        let Some(metrics) = &self.metrics else { return Ok(()) };
        self.state.metrics = metrics.lengths()?;
        let weights = NAMES.iter().zip(self.trained.all()).map(|(name, tensor)| ((*name).to_owned(), tensor));
        let pending = pending.as_ref().map(|tensor| ("gradients".to_owned(), tensor));
        let all = weights.chain(self.moments.named(&NAMES)).chain(pending);
        checkpoint::save(&self.checkpoint(), all, &self.state)
    }

    fn say(&self, line: &str) {
        if !self.args.quiet && self.group.rank() == 0 {
            eprintln!("{line}");
        }
    }
}

/// Both tables with their features; the first process makes these, the others wait.
fn read(
    args: &GroundArgs,
    settings: &Settings,
    at: Placement,
    interrupt: &Interrupt,
    tokenizer: &Tokenizer,
    group: &mut Group,
) -> Result<(Data, Option<Data>)> {
    let folder = args.features.clone().unwrap_or_else(|| args.out.join("features"));
    let clip = args.model.join("clip");
    let quiet = args.quiet || group.rank() != 0;
    let data = |path, images: Option<&PathBuf>, views: usize| {
        let table = Table::read(path, images.map(PathBuf::as_path))?;
        let (seed, folder) = (settings.seed, folder.as_path());
        let making = Making { clip: &clip, at, views, seed, folder, interrupt, quiet };
        let features = Features::of(&table, &making)?;
        Data::new(table, features, tokenizer, settings.max_len).with_context(|| path.display().to_string())
    };
    let both = || -> Result<_> {
        let train = data(&args.train, args.images.as_ref(), usize::from(settings.views))?;
        let images = args.validation_images.as_ref().or(args.images.as_ref());
        let validation = args.validation.as_ref().map(|path| data(path, images, 1)).transpose()?;
        Ok((train, validation))
    };
    if group.rank() == 0 {
        let made = both()?;
        group.sum(&mut [0.0])?;
        Ok(made)
    } else {
        group.sum(&mut [0.0])?;
        both()
    }
}

fn report_bad(args: &GroundArgs, train: &Data) -> Result<()> {
    let path = args.out.join("bad-rows.tsv");
    table::write_bad(&path, &train.bad)?;
    if !train.bad.is_empty() && !args.quiet {
        for bad in train.bad.iter().take(3) {
            eprintln!("left out: line {} `{}`: {}", bad.line, bad.image, bad.reason);
        }
        eprintln!("{} rows are left out; {} lists them", train.bad.len(), path.display());
    }
    Ok(())
}

/// Mapping layers from a checkpoint, or new ones.
fn begin(args: &GroundArgs, frozen: &Frozen, widths: Widths, seed: u64) -> Result<Trained> {
    let at = frozen.placement();
    let Some(folder) = &args.init else {
        return Trained::begin(widths, &frozen.ret_row()?, seed, at);
    };
    // A training checkpoint alone may come without its arguments; shapes are checked in any case.
    if folder.join("model_args.json").exists() {
        let told = ModelArgs::load(folder)?;
        ensure!(
            told.n_visual_tokens == widths.prefix && told.shared_emb_dim == widths.shared,
            "{}: --visual-tokens is {} and --shared-dim {} there",
            folder.display(),
            told.n_visual_tokens,
            told.shared_emb_dim
        );
    }
    let weights = Weights::open_mapping(folder, &unwatched)?;
    Trained::read(&weights, widths, frozen.ret(), at).with_context(|| folder.display().to_string())
}

/// Names of the towers for `model_args.json`: the folders', since no other names are known.
fn names(model: &std::path::Path) -> (String, String) {
    let name = |part: &str| {
        let folder = model.join(part);
        let real = folder.canonicalize().unwrap_or(folder);
        real.file_name().map_or_else(|| part.to_owned(), |name| name.to_string_lossy().into_owned())
    };
    (name("opt"), name("clip"))
}

fn digest(path: &std::path::Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    Ok(short(&Sha256::digest(bytes)))
}

fn tensors_digest(trained: &Trained) -> Result<String> {
    let mut hash = Sha256::new();
    for tensor in trained.all() {
        for value in fondue_model::layers::values(tensor)? {
            hash.update(value.to_le_bytes());
        }
    }
    Ok(short(&hash.finalize()))
}

fn short(hash: &[u8]) -> String {
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Names of what is not the same in two runs, with both values.
fn differing(kept: &impl Serialize, now: &impl Serialize) -> Result<Vec<String>> {
    let fields = |all: Value| -> Vec<(String, Value)> {
        let parts = all.as_array().cloned().unwrap_or_default();
        parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten().collect()
    };
    let (kept, now) = (fields(serde_json::to_value(kept)?), fields(serde_json::to_value(now)?));
    let pairs = kept.iter().zip(&now).filter(|(kept, now)| kept != now);
    Ok(pairs.map(|((name, kept), (_, now))| format!("{name}: {kept} there, {now} now")).collect())
}
