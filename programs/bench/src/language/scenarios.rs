//! What cells do not show: a next turn, a long prompt beside others, memory. Ours alone, in a service of their own.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;

use super::{Ours, Site, prompts};
use crate::{
    client::{Answer, Ask, ask},
    limit::share,
    models::Model,
    plan::{BESIDE, HISTORY, LONG, LanguagePlan},
    report::{Bar, Wanted},
    shape::Shape,
    statistics::{median, percentile},
    systems::Weights,
};

/// Tokens that the next turn adds, and those of the answer before it.
const TURN: usize = 32;
/// Tokens of the prompts of those who decode beside the long prompt.
const SHORT: usize = 64;

/// Measures the scenarios of one shape and one form of weights.
pub(super) async fn measure(
    plan: &LanguagePlan,
    site: &Site<'_>,
    shape: Shape,
    model: &Model,
    weights: Weights,
) -> Result<Vec<Bar>> {
    // No more room than they need, so that what is measured of memory is memory in use.
    let kv_bytes = plan.kv_bytes.unwrap_or((shape.sizes().kv_bytes() * plan.scenario_positions()) as u64);
    let ours = Ours::start(plan, site, model, weights, kv_bytes).await?;
    ours.run(model, &prompts(model, 16, 1, 0), 4, "warm-up").await?;
    let title = format!("OPT-{} {}", shape.name(), weights.name());
    Ok(vec![
        next_turn(plan, model, &ours, &title).await?,
        long_prompt(plan, model, &ours, &title).await?,
        memory(shape, &ours, &title)?,
    ])
}

/// A turn with all the history before it, of which the server has the keys and values or has not.
async fn next_turn(plan: &LanguagePlan, model: &Model, ours: &Ours, title: &str) -> Result<Bar> {
    let (mut cold, mut warm, mut cached) = (Vec::new(), Vec::new(), 0);
    let (first, tokens) = (HISTORY - TURN, HISTORY + TURN);
    for run in 0..plan.runs {
        let said = prompts(model, first, 1, 500 + run).remove(0).text;
        let more = prompts(model, TURN + 1, 1, 600 + run).remove(0).text;
        let one = |text: String, tokens, new_tokens, who: &str| {
            ask(&ours.client, Ask { text, tokens, new_tokens, cache_key: format!("turn-{who}-{run}") })
        };
        let before = one(said.clone(), first, TURN, "known").await?;
        let next = format!("{said}{}{more}", before.text);
        cold.push(ttft(&one(next.clone(), tokens, 2, "stranger").await?)?);
        let answer = one(next, tokens, 2, "known").await?;
        warm.push(ttft(&answer)?);
        cached = answer.cached;
    }
    let (cold, warm) = (median(&cold), median(&warm));
    let (warm_ms, cold_ms) = (warm * 1e3, cold * 1e3);
    let detail = format!("{warm_ms:.1} against {cold_ms:.1} ms; {cached} of {tokens} tokens were there");
    let what = format!("{title}: TTFT of a turn with {HISTORY} tokens of history, to cold");
    Ok(Bar::ratio(what, share(warm, cold), Some(Wanted::AtMost(0.15)), &detail))
}

fn ttft(answer: &Answer) -> Result<f64> {
    answer.times.first().copied().context("an answer without tokens")
}

/// Dialogues that decode, alone and while a long prompt comes in.
async fn long_prompt(plan: &LanguagePlan, model: &Model, ours: &Ours, title: &str) -> Result<Bar> {
    let new_tokens = plan.beside_tokens;
    let (mut p50s, mut p99s, mut ratios, mut firsts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..plan.runs {
        let decode = |seed: usize| {
            let asks = prompts(model, SHORT, BESIDE, seed).into_iter().map(|prompt| Ask {
                tokens: prompt.ids.len(),
                text: prompt.text,
                new_tokens,
                cache_key: format!("beside-{seed}"),
            });
            try_join_all(asks.map(|one| ask(&ours.client, one)))
        };
        let alone = decode(700 + run).await?;
        let alone: Vec<f64> = alone.iter().flat_map(|answer| gaps(answer, 0.0, f64::MAX)).collect();
        let p50 = median(&alone);
        let long = async {
            // The others have all begun by then.
            tokio::time::sleep(Duration::from_secs_f64(p50 * new_tokens as f64 / 4.0)).await;
            let text = prompts(model, LONG, 1, 800 + run).remove(0).text;
            ask(&ours.client, Ask { text, tokens: LONG, new_tokens: 2, cache_key: format!("long-{run}") })
                .await
        };
        let (beside, long) = tokio::join!(decode(900 + run), long);
        let (beside, long) = (beside?, long?);
        let during: Vec<f64> = beside
            .iter()
            .flat_map(|answer| {
                let begun = long.asked.duration_since(answer.asked).as_secs_f64();
                gaps(answer, begun, begun + long.times.first().copied().unwrap_or(0.0))
            })
            .collect();
        let p99 = percentile(&during, 0.99);
        p50s.push(p50);
        p99s.push(p99);
        ratios.push(share(p99, p50));
        firsts.push(ttft(&long)?);
    }
    let detail = format!(
        "p99 {:.1} ms while it comes in, p50 {:.1} ms without; its own TTFT is {:.0} ms",
        median(&p99s) * 1e3,
        median(&p50s) * 1e3,
        median(&firsts) * 1e3,
    );
    let what = format!("{title}: {BESIDE} decode beside a prompt of {LONG}, p99 to p50 without it");
    Ok(Bar::ratio(what, median(&ratios), Some(Wanted::AtMost(3.0)), &detail))
}

/// Times between an answer's tokens within a part of its life.
fn gaps(answer: &Answer, from: f64, to: f64) -> Vec<f64> {
    let pairs = answer.times.windows(2).filter(|pair| pair[1] >= from && pair[0] <= to);
    pairs.map(|pair| pair[1] - pair[0]).collect()
}

/// The most memory that the service had, against weights, keys and values.
fn memory(shape: Shape, ours: &Ours, title: &str) -> Result<Bar> {
    let peak = ours.process.peak()?;
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    let weights = (shape.sizes().parameters() * ours.weights.bytes()) as f64;
    let kv = ours.kv_bytes as f64;
    let bound = 1.15 * (weights + kv) + 300.0 * f64::from(1 << 20);
    let figure = format!(
        "{:.0} of {:.0} MiB; weights {:.0}, keys and values {:.0}",
        mebibytes(peak),
        mebibytes(bound),
        mebibytes(weights),
        mebibytes(kv)
    );
    let what = format!("{title}: memory to 1.15 × (weights + KV budget) + 300 MiB");
    Ok(Bar { what, figure, value: share(peak, bound), bar: Some(Wanted::AtMost(1.0)) })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn gaps_are_those_that_touch_the_time() {
        let times = vec![1.0, 2.0, 4.0, 7.0];
        let answer = Answer { text: String::new(), times, cached: 0, asked: Instant::now() };
        assert_eq!(gaps(&answer, 0.0, f64::MAX), [1.0, 2.0, 3.0]);
        assert_eq!(gaps(&answer, 2.5, 3.5), [2.0]);
        assert_eq!(gaps(&answer, 2.0, 4.0), [1.0, 2.0, 3.0]);
        assert!(gaps(&answer, 8.0, 9.0).is_empty());
    }
}
