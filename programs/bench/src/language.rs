//! The language service beside its peers: every cell of shape, prompt and dialogues.

pub(crate) mod scenarios;

use std::path::Path;

use anyhow::Result;
use fondue_proto::language::language_client::LanguageClient;
use indicatif::ProgressBar;
use tonic::transport::Channel;

use crate::{
    cli::LanguageArgs,
    client::{self, Ask},
    models::Model,
    peers::{LanguagePeer, Python},
    process::{self, Process},
    report::{Cell, System},
    shape::{Shape, weight_bytes},
    statistics::{Figures, medians},
    words::{prompt, text},
};

/// A running language service of ours.
pub(crate) struct Ours {
    pub(crate) name: String,
    pub(crate) weights: String,
    pub(crate) process: Process,
    pub(crate) client: LanguageClient<Channel>,
}

impl Ours {
    pub(crate) async fn start(
        args: &LanguageArgs,
        model: &Model,
        weights: &str,
        threads: usize,
        logs: &Path,
    ) -> Result<Self> {
        let flag = |name: &str, value: &dyn ToString| [format!("--{name}"), value.to_string()];
        let mut flags = Vec::new();
        flags.extend(flag("model", &model.folder.display()));
        flags.extend(flag("weights", &weights));
        flags.extend(flag("threads", &threads));
        flags.extend(flag("kv-bytes", &args.kv_bytes));
        flags.extend(args.service_flag.iter().cloned());
        let (process, url) = process::service("language", &flags, logs).await?;
        let client = client::connect(&url).await?;
        Ok(Self { name: format!("fondue {weights}"), weights: weights.to_owned(), process, client })
    }

    /// Answers to these prompts at the same time. `key` tells whose cache it is: a new one has nothing cached.
    async fn run(&self, prompts: &[(String, usize)], new_tokens: usize, key: &str) -> Result<Figures> {
        let asks = prompts.iter().map(|(text, tokens)| Ask {
            text: text.clone(),
            tokens: *tokens,
            new_tokens,
            cache_key: key.to_owned(),
        });
        let mut answers = client::ask_all(&self.client, asks.collect()).await?;
        answers.peak = self.process.peak()?;
        Ok(answers.figures())
    }
}

/// Measures all cells of one shape.
pub(crate) async fn cells(
    args: &LanguageArgs,
    shape: Shape,
    model: &Model,
    python: Option<&Python>,
    (threads, bandwidth): (usize, f64),
    logs: &Path,
    bar: &ProgressBar,
) -> Result<Vec<Cell>> {
    let mut ours = Vec::new();
    for weights in &args.weights {
        ours.push(Ours::start(args, model, weights, threads, logs).await?);
    }
    let mut peers = Vec::new();
    if let Some(python) = python {
        for kind in &args.peers {
            peers.push(python.language(kind, &model.folder, threads, logs).await?);
        }
    }
    let mut cells = Vec::new();
    for &tokens in &args.prompt {
        for &dialogues in &args.dialogues {
            bar.set_message(format!("OPT-{}, prompt {tokens}, {dialogues} dialogues", shape.name()));
            let all = cell(args, model, &ours, &mut peers, tokens, dialogues, bar).await?;
            let systems = all.into_iter().map(|(name, figures)| {
                let weights = name.strip_prefix("fondue ");
                let share = weights.map(|weights| {
                    let length = (tokens + args.new_tokens / 2) * dialogues;
                    let bytes =
                        shape.sizes().weights() * weight_bytes(weights) + shape.sizes().kv_bytes() * length;
                    bytes as f64 * figures.decode / dialogues as f64 / bandwidth
                });
                System { name, figures, share }
            });
            let (prompt, new_tokens) = (tokens, args.new_tokens);
            cells.push(Cell {
                shape: shape.name(),
                prompt,
                dialogues,
                new_tokens,
                systems: systems.collect(),
            });
        }
    }
    Ok(cells)
}

/// One cell: each run goes through all systems in turn, so that what disturbs the machine disturbs them alike.
async fn cell(
    args: &LanguageArgs,
    model: &Model,
    ours: &[Ours],
    peers: &mut [LanguagePeer],
    tokens: usize,
    dialogues: usize,
    bar: &ProgressBar,
) -> Result<Vec<(String, Figures)>> {
    let mut all: Vec<(String, Vec<Figures>)> = Vec::new();
    for run in 0..args.runs {
        let prompts: Vec<_> = (0..dialogues)
            .map(|dialogue| prompt(&model.words, tokens, (run * 1000 + dialogue) as u64 + 1))
            .collect();
        let mut note = |name: &str, figures: Figures| match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, runs)) => runs.push(figures),
            None => all.push((name.to_owned(), vec![figures])),
        };
        let texts: Vec<_> = prompts.iter().map(|prompt| (text(prompt), tokens)).collect();
        for one in ours {
            let key = format!("cell-{tokens}-{dialogues}-{run}");
            note(&one.name, one.run(&texts, args.new_tokens, &key).await?);
            bar.inc(1);
        }
        let ids: Vec<Vec<u32>> = prompts
            .iter()
            .map(|prompt| std::iter::once(2).chain(prompt.iter().map(|word| word.id)).collect())
            .collect();
        for peer in peers.iter_mut() {
            // The published loop serves one caller, and takes minutes for what others take seconds for.
            let slow =
                peer.kind == "reference" && (dialogues > 1 || run > 0 || tokens > args.reference_prompt);
            if !slow {
                let figures = peer.run(&ids, args.new_tokens).await?.figures();
                note(&peer.kind, figures);
            }
            bar.inc(1);
        }
    }
    Ok(all.into_iter().map(|(name, runs)| (name, medians(&runs))).collect())
}
