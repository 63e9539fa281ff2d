//! The language service beside its peers: every cell of shape, prompt and dialogues.

mod bars;
pub(crate) mod room;
mod scenarios;

use std::{path::Path, time::Duration};

use anyhow::Result;
use fondue_proto::language::language_client::LanguageClient;
use indicatif::ProgressBar;
use tonic::transport::Channel;

use self::room::Group;
use crate::{
    bandwidth,
    client::{self, Ask},
    limit,
    models::{self, Model},
    peers::{LanguagePeer, Python},
    plan::LanguagePlan,
    process::{self, Process},
    report::{Against, Cell, Report, System, markdown},
    shape::{Shape, Sizes},
    statistics::{Answers, Figures, agreement, medians},
    systems::{Peer, WEIGHTS_FLAG, Weights},
    words::{prompt, text},
};

/// Where and how measurements run.
pub(crate) struct Site<'a> {
    /// Threads of each system.
    pub(crate) threads: usize,
    /// The user's cache.
    pub(crate) cache: &'a Path,
    /// Readings of each kind that tell how fast memory is.
    pub(crate) readings: usize,
    /// Folder of logs.
    pub(crate) logs: &'a Path,
    /// Where the peers are installed, if there are any.
    pub(crate) python: Option<&'a Python>,
    /// What is shown while it goes on.
    pub(crate) progress: &'a ProgressBar,
}

impl Site<'_> {
    /// Says a line that stays, whether a terminal is there or not.
    pub(crate) fn tell(&self, line: &str) {
        self.progress.suspend(|| eprintln!("{line}"));
    }
}

/// A running language service of ours.
struct Ours {
    weights: Weights,
    kv_bytes: u64,
    process: Process,
    client: LanguageClient<Channel>,
}

impl Ours {
    async fn start(
        plan: &LanguagePlan,
        site: &Site<'_>,
        model: &Model,
        weights: Weights,
        kv_bytes: u64,
    ) -> Result<Self> {
        let mut flags = vec!["--model".to_owned(), model.folder.display().to_string()];
        flags.extend([WEIGHTS_FLAG.to_owned(), weights.name().to_owned()]);
        flags.extend(["--threads".to_owned(), site.threads.to_string()]);
        flags.extend(["--kv-bytes".to_owned(), kv_bytes.to_string()]);
        let slots = plan.dialogues.iter().copied().max().unwrap_or(1).max(16);
        flags.extend(["--slots".to_owned(), slots.to_string()]);
        flags.extend(plan.service_flags.iter().cloned());
        let (process, url) = process::service("language", &flags, site.logs).await?;
        let client = client::connect(&url).await?;
        Ok(Self { weights, kv_bytes, process, client })
    }

    /// Answers to these prompts at the same time. `key` tells whose cache it is: a new one has nothing cached.
    async fn run(&self, model: &Model, prompts: &[Prompt], new_tokens: usize, key: &str) -> Result<Answers> {
        let asks = prompts.iter().map(|prompt| Ask {
            text: prompt.text.clone(),
            tokens: prompt.ids.len(),
            new_tokens,
            cache_key: key.to_owned(),
        });
        let mut answers = client::ask_all(&self.client, asks.collect(), &model.words).await?;
        answers.peak = self.process.peak()?;
        Ok(answers)
    }
}

/// The same prompt for ours and for peers.
struct Prompt {
    text: String,
    ids: Vec<u32>,
}

/// As many prompts as there are dialogues; another seed gives others.
fn prompts(model: &Model, tokens: usize, dialogues: usize, seed: usize) -> Vec<Prompt> {
    let one = |dialogue| {
        let words = prompt(&model.words, tokens, (seed * 1000 + dialogue) as u64);
        let ids = std::iter::once(models::BOS).chain(words.iter().map(|word| word.id)).collect();
        Prompt { text: text(&words), ids }
    };
    (0..dialogues).map(one).collect()
}

/// Measures all of one shape and adds it to the report.
pub(crate) async fn measure(
    plan: &LanguagePlan,
    site: &Site<'_>,
    shape: Shape,
    report: &mut Report,
) -> Result<()> {
    let model = models::language(site.cache, shape)?;
    if plan.cells {
        cells(plan, site, shape, &model, report).await?;
    }
    if plan.scenarios {
        for &weights in &plan.weights {
            site.progress.set_message(format!("OPT-{} {}: scenarios", shape.name(), weights.name()));
            report.bars.extend(scenarios::measure(plan, site, shape, &model, weights).await?);
        }
    }
    Ok(())
}

async fn cells(
    plan: &LanguagePlan,
    site: &Site<'_>,
    shape: Shape,
    model: &Model,
    report: &mut Report,
) -> Result<()> {
    let combinations: Vec<(usize, usize)> =
        plan.prompts.iter().flat_map(|&prompt| plan.dialogues.iter().map(move |&n| (prompt, n))).collect();
    let mut runs: Vec<Vec<Runs>> = combinations.iter().map(|_| Vec::new()).collect();
    let finished = |runs: &[Runs], (prompt, dialogues): (usize, usize), bandwidth| Cell {
        shape: shape.name(),
        prompt,
        dialogues,
        new_tokens: plan.new_tokens,
        systems: compared(runs, &shape.sizes(), bandwidth, (prompt + plan.new_tokens / 2, dialogues)),
    };
    for group in room::groups(plan, shape)? {
        let (ours, mut peers) = start(plan, site, shape, model, &group).await?;
        for (runs, &(tokens, dialogues)) in runs.iter_mut().zip(&combinations) {
            let message = format!("OPT-{}, prompt {tokens}, {dialogues} dialogues", shape.name());
            site.progress.set_message(message);
            let new = cell(plan, site, model, &ours, &mut peers, (tokens, dialogues)).await?;
            // What is known already is not lost with what comes.
            let cell = finished(&new, (tokens, dialogues), report.bandwidth);
            cell.systems.iter().for_each(|system| site.tell(&markdown::line(&cell, system)));
            runs.extend(new);
        }
    }
    // Once more after the work: the machine may have been busy with something else before.
    report.bandwidth = report.bandwidth.max(bandwidth::measure(site.threads, site.readings));
    let all = runs.iter().zip(combinations);
    let cells: Vec<Cell> = all.map(|(runs, at)| finished(runs, at, report.bandwidth)).collect();
    report.bars.extend(bars::bars(shape, &cells));
    report.cells.extend(cells);
    Ok(())
}

/// Starts systems and lets each answer once: memory that is touched and threads that are started for the first time are
/// not what is measured.
async fn start(
    plan: &LanguagePlan,
    site: &Site<'_>,
    shape: Shape,
    model: &Model,
    group: &Group,
) -> Result<(Vec<Ours>, Vec<LanguagePeer>)> {
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    let first = prompts(model, 16, 1, 0);
    for &weights in &group.weights {
        site.progress.set_message(format!("OPT-{}: starting {}", shape.name(), weights.system()));
        let one = Ours::start(plan, site, model, weights, room::kv_bytes(plan, shape)).await?;
        one.run(model, &first, 4, "warm-up").await?;
        ours.push(one);
    }
    for &peer in &group.peers {
        let Some(python) = site.python else { continue };
        site.progress.set_message(format!("OPT-{}: starting {}", shape.name(), peer.name()));
        let mut peer = python.language(peer, &model.folder, site.threads, site.logs).await?;
        peer.run(&[first[0].ids.clone()], 4).await?;
        peers.push(peer);
    }
    Ok((ours, peers))
}

/// Threads of some libraries look out for more work for up to 200 ms after the last, which costs whoever comes next.
pub(crate) async fn rest() {
    tokio::time::sleep(Duration::from_millis(400)).await;
}

/// What runs of one system in one cell gave.
struct Runs {
    who: Who,
    figures: Vec<Figures>,
    /// Of the first run.
    ids: Vec<Vec<Option<u32>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Ours(Weights),
    Peer(Peer),
}

/// One cell: each run goes through all systems in turn, so that what disturbs the machine disturbs them alike.
async fn cell(
    plan: &LanguagePlan,
    site: &Site<'_>,
    model: &Model,
    ours: &[Ours],
    peers: &mut [LanguagePeer],
    (tokens, dialogues): (usize, usize),
) -> Result<Vec<Runs>> {
    let mut all: Vec<Runs> = Vec::new();
    let mut note = |who: Who, answers: Answers| {
        let figures = answers.figures();
        match all.iter_mut().find(|runs| runs.who == who) {
            Some(runs) => runs.figures.push(figures),
            None => all.push(Runs { who, figures: vec![figures], ids: answers.ids }),
        }
        site.progress.inc(1);
    };
    for run in 0..plan.runs {
        let prompts = prompts(model, tokens, dialogues, run + 1);
        for one in ours {
            rest().await;
            let key = format!("cell-{tokens}-{dialogues}-{run}");
            note(Who::Ours(one.weights), one.run(model, &prompts, plan.new_tokens, &key).await?);
        }
        let ids: Vec<Vec<u32>> = prompts.iter().map(|prompt| prompt.ids.clone()).collect();
        for peer in peers.iter_mut() {
            if run < plan.runs_of(peer.peer, tokens, dialogues) {
                rest().await;
                note(Who::Peer(peer.peer), peer.run(&ids, plan.new_tokens).await?);
            }
        }
    }
    Ok(all)
}

/// Medians, with what the machine allows and what the peers gave. `length`: positions in the middle of an answer.
fn compared(all: &[Runs], sizes: &Sizes, bandwidth: f64, (length, dialogues): (usize, usize)) -> Vec<System> {
    let figures: Vec<(Who, Figures)> = all.iter().map(|runs| (runs.who, medians(&runs.figures))).collect();
    let systems = all.iter().zip(&figures).map(|(runs, &(who, ours))| match who {
        Who::Ours(weights) => {
            let bytes = limit::step_bytes(sizes, weights, dialogues, length);
            let limit = limit::tokens(bandwidth, bytes, dialogues);
            let ratios = figures.iter().filter_map(|(other, theirs)| match other {
                Who::Peer(peer) => {
                    let decode = limit::share(ours.decode, theirs.decode);
                    Some((peer.name().to_owned(), decode, limit::share(ours.overall, theirs.overall)))
                }
                Who::Ours(_) => None,
            });
            let share = limit::share(ours.decode, limit);
            let against = Some(Against { limit, share, ratios: ratios.collect() });
            System { name: weights.system(), figures: ours, against, agreement: None }
        }
        Who::Peer(peer) => {
            let equal = all.iter().find(|other| other.who == Who::Ours(peer.equal()));
            let agreement = equal.map(|equal| agreement(&equal.ids, &runs.ids));
            System { name: peer.name().to_owned(), figures: ours, against: None, agreement }
        }
    });
    systems.collect()
}
