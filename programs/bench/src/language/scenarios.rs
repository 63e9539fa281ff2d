//! What cells do not show: a next turn, a long prompt beside others, memory, and the bars over all.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use futures::future::try_join_all;

use super::Ours;
use crate::{
    cli::LanguageArgs,
    client::{Answer, Ask, ask},
    models::Model,
    report::{Cell, Scenario},
    shape::{Shape, weight_bytes},
    statistics::{median, percentile},
    words::{prompt, text},
};

/// Tokens of a dialogue before its next turn.
const HISTORY: usize = 512;
/// Tokens that the next turn adds.
const TURN: usize = 32;
/// Tokens of the long prompt.
const LONG: usize = 1500;
/// Dialogues that decode beside it.
const BESIDE: usize = 7;

/// Measures the scenarios of one shape and one form of weights.
pub(crate) async fn measure(
    args: &LanguageArgs,
    shape: Shape,
    model: &Model,
    weights: &str,
    threads: usize,
    logs: &Path,
) -> Result<Vec<Scenario>> {
    let ours = Ours::start(args, model, weights, threads, logs).await?;
    let title = format!("OPT-{} {weights}", shape.name());
    let mut all = vec![next_turn(args, model, &ours, &title).await?];
    all.push(long_prompt(args, model, &ours, &title).await?);
    all.push(memory(args, shape, &ours, &title)?);
    Ok(all)
}

/// A turn with all the history before it, of which the server has the keys and values or has not.
async fn next_turn(args: &LanguageArgs, model: &Model, ours: &Ours, title: &str) -> Result<Scenario> {
    let (mut cold, mut warm, mut cached) = (Vec::new(), Vec::new(), 0);
    for run in 0..args.runs.max(3) {
        let answered = TURN.min(HISTORY / 2);
        let first = prompt(&model.words, HISTORY - answered, 500 + run as u64);
        let key = |which: &str| format!("turn-{which}-{run}");
        let one = |text: String, tokens: usize, new_tokens: usize, cache_key: String| {
            ask(&ours.client, Ask { text, tokens, new_tokens, cache_key })
        };
        let before = one(text(&first), HISTORY - answered, answered, key("warm")).await?;
        let more = text(&prompt(&model.words, TURN + 1, 900 + run as u64));
        let next = format!("{}{}{more}", text(&first), before.text);
        let tokens = HISTORY + TURN;
        let ttft = |answer: &Answer| answer.times.first().copied().context("an answer without tokens");
        cold.push(ttft(&one(next.clone(), tokens, 2, key("cold")).await?)?);
        let answer = one(next, tokens, 2, key("warm")).await?;
        warm.push(ttft(&answer)?);
        cached = answer.cached;
    }
    let (cold, warm) = (median(&cold), median(&warm));
    let detail = format!(
        "{:.1} against {:.1} ms, {cached} of {} tokens cached",
        warm * 1e3,
        cold * 1e3,
        HISTORY + TURN
    );
    Ok(Scenario::at_most(
        format!("{title}: TTFT of a turn with {HISTORY} tokens of history, to cold"),
        warm / cold,
        0.15,
        &detail,
    ))
}

/// Dialogues that decode, alone and with a long prompt beside them.
async fn long_prompt(args: &LanguageArgs, model: &Model, ours: &Ours, title: &str) -> Result<Scenario> {
    let new_tokens = args.beside_tokens;
    let asks = |run: usize| {
        (0..BESIDE).map(move |dialogue| (64, dialogue + 10 * run)).map(move |(tokens, seed)| Ask {
            text: text(&prompt(&model.words, tokens, 2000 + seed as u64)),
            tokens,
            new_tokens,
            cache_key: format!("beside-{run}"),
        })
    };
    let decode = |run: usize| try_join_all(asks(run).map(|one| ask(&ours.client, one)));
    let alone: Vec<f64> = decode(0).await?.iter().flat_map(|answer| gaps(answer, 0.0, f64::MAX)).collect();
    let long = async {
        // The others have all begun by then.
        tokio::time::sleep(Duration::from_secs_f64(median(&alone) * new_tokens as f64 / 4.0)).await;
        let text = text(&prompt(&model.words, LONG, 3000));
        ask(&ours.client, Ask { text, tokens: LONG, new_tokens: 2, cache_key: "long".to_owned() }).await
    };
    let (beside, long) = tokio::join!(decode(1), long);
    let (beside, long) = (beside?, long?);
    let mut during = Vec::new();
    for answer in &beside {
        let begun = long.asked.duration_since(answer.asked).as_secs_f64();
        let ended = begun + long.times.first().copied().unwrap_or(0.0);
        during.extend(gaps(answer, begun, ended));
    }
    let (p50, p99) = (median(&alone), percentile(&during, 0.99));
    let detail = format!(
        "p99 {:.1} ms with it, p50 {:.1} ms without; it begins after {:.0} ms; {} gaps",
        p99 * 1e3,
        p50 * 1e3,
        long.times.first().copied().unwrap_or(0.0) * 1e3,
        during.len(),
    );
    Ok(Scenario::at_most(
        format!("{title}: {BESIDE} decode beside a prompt of {LONG}, p99 to p50"),
        p99 / p50,
        3.0,
        &detail,
    ))
}

/// Times between an answer's tokens within a part of its life.
fn gaps(answer: &Answer, from: f64, to: f64) -> Vec<f64> {
    let pairs = answer.times.windows(2).filter(|pair| pair[1] >= from && pair[0] <= to);
    pairs.map(|pair| pair[1] - pair[0]).collect()
}

/// The most memory that the service had, against weights and keys and values.
fn memory(args: &LanguageArgs, shape: Shape, ours: &Ours, title: &str) -> Result<Scenario> {
    let peak = ours.process.peak()?;
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    let weights = (shape.sizes().weights() * weight_bytes(&ours.weights)) as f64;
    let bound = 1.15 * (weights + args.kv_bytes as f64) + 300.0 * f64::from(1 << 20);
    let figure = format!(
        "{:.0} MiB; weights {:.0}, KV budget {:.0}",
        mebibytes(peak),
        mebibytes(weights),
        mebibytes(args.kv_bytes as f64)
    );
    let bar = format!("≤ {:.0} MiB", mebibytes(bound));
    Ok(Scenario { what: format!("{title}: memory"), figure, bar: Some((bar, peak <= bound)) })
}

/// The bars that cells speak of.
pub(crate) fn bars(cells: &[Cell]) -> Vec<Scenario> {
    let mut all = Vec::new();
    for cell in cells.iter().filter(|cell| cell.dialogues == 1) {
        let eight = cells
            .iter()
            .find(|other| other.dialogues == 8 && other.prompt == cell.prompt && other.shape == cell.shape);
        for system in cell.systems.iter().filter(|system| system.name.starts_with("fondue ")) {
            let title = format!("OPT-{} {}, prompt {}", cell.shape, system.name, cell.prompt);
            let ours = system.figures;
            let mut against = |peer: &str, bar: f64, overall: bool| {
                let Some(other) = cell.figures(peer) else { return };
                let (ours, other) =
                    if overall { (ours.overall, other.overall) } else { (ours.decode, other.decode) };
                let detail = format!("{ours:.1} against {other:.1} tokens/s");
                all.push(Scenario::at_least(
                    format!("{title}: one dialogue to {peer}"),
                    ours / other,
                    bar,
                    &detail,
                ));
            };
            let precision = system.name.trim_start_matches("fondue ");
            if precision == "f32" {
                against("reference", 20.0, true);
                against("transformers", 1.8, false);
                against("ctranslate2-float32", 1.2, false);
            } else if precision == "int8" {
                against("ctranslate2-int8", 1.2, false);
            }
            if let Some(share) = system.share {
                let figure = format!("{:.0} %", share * 100.0);
                let bar = Some(("≥ 70 %, best form, 350m".to_owned(), share >= 0.7));
                all.push(Scenario { what: format!("{title}: share of the bandwidth"), figure, bar });
            }
            let Some(eight) = eight else { continue };
            let Some(many) = eight.figures(&system.name) else { continue };
            let detail = format!("{:.1} against {:.1} tokens/s", many.decode, ours.decode);
            all.push(Scenario::at_least(
                format!("{title}: eight dialogues to one"),
                many.decode / ours.decode,
                4.0,
                &detail,
            ));
            let peer = if precision == "int8" { "ctranslate2-int8" } else { "ctranslate2-float32" };
            if let Some(other) = eight.figures(peer) {
                let detail = format!("{:.1} against {:.1} tokens/s", many.decode, other.decode);
                all.push(Scenario::at_least(
                    format!("{title}: eight dialogues to {peer}"),
                    many.decode / other.decode,
                    1.0,
                    &detail,
                ));
            }
        }
    }
    all
}
