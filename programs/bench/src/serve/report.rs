//! What a load gave: the JSON that is written, and what tables and the page are made of.

pub(crate) mod compare;
pub(crate) mod html;
mod plot;
pub(crate) mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::mix::Kind;
use crate::report::Bar;

/// The form of the JSON; another number means that fields have changed their meaning.
pub const FORMAT: u32 = 1;

/// Everything of one `fondue bench serve`. Times are milliseconds unless a name says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServeReport {
    /// [`FORMAT`].
    pub format: u32,
    /// The day, in UTC.
    pub date: String,
    /// This program's version.
    pub version: String,
    /// The command line.
    pub command: Vec<String>,
    /// The machine, a line each. The load comes from the same one.
    pub machine: Vec<String>,
    /// What the load was.
    pub settings: Settings,
    /// The runs, in order.
    pub runs: Vec<Run>,
    /// Figures that stand against a bar.
    pub bars: Vec<Bar>,
    /// What a reader should know, a line each.
    pub notes: Vec<String>,
    /// Whether it was ended early; what was measured until then is here.
    pub interrupted: bool,
}

/// What the load was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The gateway, or what was started.
    pub subject: String,
    /// What arrivals and turns followed from.
    pub seed: u64,
    /// Shares of turns.
    pub mix: String,
    /// Pictures in the album.
    pub pictures: usize,
    /// Seconds of each run that count.
    pub duration: f64,
    /// Seconds before.
    pub warmup: f64,
    /// Turns of a dialogue.
    pub dialogue_turns: usize,
    /// Time between turns of a dialogue, on average.
    pub think_ms: u64,
    /// Share of turns that were dropped, and after how long at most.
    pub cancel: f64,
    /// See `cancel`.
    pub cancel_within_ms: u64,
    /// Time of a turn.
    pub deadline_ms: u64,
    /// Share of turns with less time, and how much.
    pub hurried: f64,
    /// See `hurried`.
    pub hurried_ms: u64,
    /// Tokens of an answer at most.
    pub max_new_tokens: usize,
    /// Turns under way at most.
    pub max_open: usize,
    /// A good turn begins within so long.
    pub slo_ttft_ms: u64,
    /// A good turn is whole within so long.
    pub slo_turn_ms: u64,
}

/// One run of a load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// `4 turns/s` and so on.
    pub name: String,
    /// Seconds that count; fewer than asked for if it was ended early.
    pub seconds: f64,
    /// Seconds of the time line before what counts.
    pub warmup: f64,
    /// Turns that were due.
    pub due: u64,
    /// Turns that were answered.
    pub answered: u64,
    /// Turns that met all limits.
    pub good: u64,
    /// Answers without a picture for which nobody could be asked.
    pub lacking: u64,
    /// Turns that were refused, failed, or broke off.
    pub errors: u64,
    /// Turns by outcome: `answered`, `refused CODE` (typed, nothing had come), `failed CODE` (typed, later), `broken` (no
    /// closing event), `cancelled` (by us), `unsent` (as many as may be were under way), `unfinished` (ended early).
    pub outcomes: BTreeMap<String, u64>,
    /// Texts that came.
    pub texts: u64,
    /// What took how long.
    pub latencies: Vec<Latency>,
    /// Second by second, from the beginning of the warm-up.
    pub timeline: Vec<Second>,
    /// Memory of the processes that were started.
    pub memory: Vec<Memory>,
}

/// What is measured of turns. All but gaps is counted from when the turn was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Until the first text or picture.
    First,
    /// Between two texts.
    Gap,
    /// Until the closing event, of answered turns.
    Turn,
    /// Until the first found picture.
    Picture,
    /// Until a refusal.
    Refusal,
    /// Until it was sent: how late the load itself was.
    Lag,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::First, Self::Gap, Self::Turn, Self::Picture, Self::Refusal, Self::Lag];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "TTFT",
            Self::Gap => "between texts",
            Self::Turn => "turn",
            Self::Picture => "picture found",
            Self::Refusal => "refusal",
            Self::Lag => "sent late",
        }
    }
}

/// How long something took, within a thousandth.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// What.
    pub measure: Measure,
    /// Of which turns; none: all.
    pub kind: Option<Kind>,
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean_ms: f64,
    /// The time that half of them do not exceed, and so on.
    pub p50_ms: f64,
    /// See above.
    pub p90_ms: f64,
    /// See above.
    pub p95_ms: f64,
    /// See above.
    pub p99_ms: f64,
    /// See above.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Shares from 0 to 1, and the time that this share does not exceed.
    pub curve: Vec<(f64, f64)>,
}

/// One second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Which, from 0.
    pub second: u64,
    /// Turns that were due in it.
    pub due: u64,
    /// Turns that ended in it: answered.
    pub answered: u64,
    /// Of these: good.
    pub good: u64,
    /// Of these: without a picture for which nobody could be asked.
    pub lacking: u64,
    /// Refused.
    pub refused: u64,
    /// Failed.
    pub failed: u64,
    /// Broken off.
    pub broken: u64,
    /// Dropped by us.
    pub cancelled: u64,
    /// Never sent.
    pub unsent: u64,
    /// Of the answered ones: the time from due to done that 1 in 100 exceeds.
    pub turn_p99_ms: Option<f64>,
}

/// Memory of one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// `language-0` and so on.
    pub name: String,
    /// Seconds since the run's beginning, and bytes that are resident.
    pub points: Vec<(f64, u64)>,
}

impl Run {
    /// Turns a second.
    pub(crate) fn per_second(&self, turns: u64) -> f64 {
        turns as f64 / self.seconds.max(1e-9)
    }

    /// A measure of all turns.
    pub(crate) fn latency(&self, measure: Measure) -> Option<&Latency> {
        self.latencies.iter().find(|one| one.measure == measure && one.kind.is_none())
    }
}

impl Memory {
    /// The most between two moments, in bytes; none if it was not looked at then.
    pub(crate) fn most(&self, from: f64, to: f64) -> Option<u64> {
        let within = self.points.iter().filter(|(at, _)| (from..=to).contains(at));
        within.map(|(_, bytes)| *bytes).max()
    }
}
