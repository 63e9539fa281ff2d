//! What arrives when: a Poisson process and its turns, made from a seed before anything is sent.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    mix::{Kind, Mix},
    talk,
};

/// How turns are.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) mix: Mix,
    /// Turns of a dialogue.
    pub(crate) dialogue_turns: usize,
    /// Seconds between an answer and the next turn of its dialogue, on average.
    pub(crate) think: f64,
    /// Share of turns that are dropped, and after how many seconds at most.
    pub(crate) cancel: f64,
    pub(crate) cancel_within: f64,
    pub(crate) deadline: Duration,
    /// Share of turns that have less time, and how much.
    pub(crate) hurried: f64,
    pub(crate) hurried_deadline: Duration,
}

/// Turns a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    Steady(f64),
    /// From one rate evenly to another, after so many seconds of the first.
    Ramp {
        from: f64,
        to: f64,
        after: f64,
    },
}

/// What comes at one moment: a turn, or a dialogue with the first of its turns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arrival {
    /// Since the beginning.
    pub(crate) at: Duration,
    pub(crate) kind: Kind,
    pub(crate) turns: Vec<TurnPlan>,
}

/// One turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TurnPlan {
    pub(crate) text: String,
    /// A picture before it: its place in the album, modulo the album's size.
    pub(crate) picture: Option<usize>,
    /// Time after the answer before; none for the first.
    pub(crate) think: Duration,
    pub(crate) cancel_after: Option<Duration>,
    pub(crate) deadline: Duration,
}

impl Pace {
    /// When so many turns are due since the beginning, at a run's `seconds` of length.
    fn when(self, turns: f64, seconds: f64) -> f64 {
        match self {
            Self::Steady(rate) => turns / rate,
            Self::Ramp { from, after, .. } if turns <= from * after => turns / from,
            Self::Ramp { from, to, after } => {
                // turns = from·t + slope·t²/2 after the even part.
                let (left, slope) = (turns - from * after, (to - from) / (seconds - after));
                if slope == 0.0 {
                    return after + left / from;
                }
                let under = from * from + 2.0 * slope * left;
                // A falling rate that has reached nothing brings no more.
                if under < 0.0 { f64::INFINITY } else { after + (under.sqrt() - from) / slope }
            }
        }
    }
}

/// The arrivals of `seconds`. What the n-th arrival is does not depend on the pace.
pub(crate) fn schedule(seed: u64, pace: Pace, seconds: f64, manner: &Manner) -> Vec<Arrival> {
    let mut times = ChaCha8Rng::seed_from_u64(seed);
    times.set_stream(1);
    let mut turns = ChaCha8Rng::seed_from_u64(seed);
    turns.set_stream(2);
    let per_arrival = manner.mix.turns(manner.dialogue_turns);
    let (mut due, mut arrivals) = (0.0, Vec::new());
    loop {
        due += exponential(&mut times) * per_arrival;
        let at = pace.when(due, seconds);
        if at >= seconds {
            return arrivals;
        }
        arrivals.push(arrival(Duration::from_secs_f64(at), manner, &mut turns));
    }
}

/// The first `n` arrivals without a time, for those who ask one after the other.
pub(crate) fn queue(seed: u64, n: usize, manner: &Manner) -> Vec<Arrival> {
    let mut turns = ChaCha8Rng::seed_from_u64(seed);
    turns.set_stream(2);
    (0..n).map(|_| arrival(Duration::ZERO, manner, &mut turns)).collect()
}

fn arrival(at: Duration, manner: &Manner, rng: &mut ChaCha8Rng) -> Arrival {
    let kind = manner.mix.pick(manner.dialogue_turns, rng.random());
    let n = if kind.is_dialogue() { manner.dialogue_turns } else { 1 };
    let turns = (0..n).map(|turn| {
        let (text, picture) = talk::say(kind, turn, rng);
        let think = exponential(rng) * manner.think;
        let (dropped, after) = (rng.random::<f64>() < manner.cancel, rng.random::<f64>());
        let hurried = rng.random::<f64>() < manner.hurried;
        TurnPlan {
            text,
            picture,
            think: if turn == 0 { Duration::ZERO } else { Duration::from_secs_f64(think) },
            cancel_after: dropped.then(|| Duration::from_secs_f64(after * manner.cancel_within)),
            deadline: if hurried { manner.hurried_deadline } else { manner.deadline },
        }
    });
    Arrival { at, kind, turns: turns.collect() }
}

/// Exponentially distributed around 1.
fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    -(1.0 - rng.random::<f64>()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner(mix: &str) -> Manner {
        Manner {
            mix: mix.parse().unwrap(),
            dialogue_turns: 3,
            think: 1.0,
            cancel: 0.1,
            cancel_within: 0.2,
            deadline: Duration::from_secs(30),
            hurried: 0.05,
            hurried_deadline: Duration::from_millis(300),
        }
    }

    const ALL: &str = "text=3,picture=2,show=3,converse=2,history=1,http=2";

    #[test]
    fn a_seed_gives_the_same_load_and_another_one_another() {
        let load = |seed| schedule(seed, Pace::Steady(20.0), 60.0, &manner(ALL));
        assert_eq!(load(7), load(7));
        assert_ne!(load(7), load(8));
        assert!(load(7).is_sorted_by_key(|arrival| arrival.at));
    }

    #[test]
    fn the_rate_changes_when_turns_come_and_not_what_they_are() {
        let load = |rate| schedule(7, Pace::Steady(rate), 30.0, &manner(ALL));
        let (slow, fast) = (load(10.0), load(40.0));
        let what = |arrival: &Arrival| Arrival { at: Duration::ZERO, ..arrival.clone() };
        assert!(slow.iter().map(what).eq(fast.iter().take(slow.len()).map(what)));
        assert!(slow.iter().map(what).eq(queue(7, slow.len(), &manner(ALL))));
    }

    #[test]
    fn there_are_as_many_turns_as_the_rate_says() {
        let load = schedule(1, Pace::Steady(50.0), 400.0, &manner(ALL));
        let turns = load.iter().flat_map(|arrival| arrival.turns.iter().map(|_| arrival.kind));
        let turns: Vec<Kind> = turns.collect();
        let of = |kind| turns.iter().filter(|each| **each == kind).count() as f64 / turns.len() as f64;
        assert!((turns.len() as f64 / 20_000.0 - 1.0).abs() < 0.05, "{}", turns.len());
        assert!((of(Kind::Converse) - 2.0 / 13.0).abs() < 0.02 && (of(Kind::Text) - 3.0 / 13.0).abs() < 0.02);
        // Poisson: gaps vary as much as they are long.
        let gaps: Vec<f64> = load.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let spread = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((spread.sqrt() / mean - 1.0).abs() < 0.05, "{mean} {}", spread.sqrt());
        let cancels =
            load.iter().flat_map(|arrival| &arrival.turns).filter(|turn| turn.cancel_after.is_some());
        assert!((cancels.count() as f64 / turns.len() as f64 - 0.1).abs() < 0.01);
    }

    #[test]
    fn a_ramp_grows_evenly_after_its_warm_up() {
        let pace = Pace::Ramp { from: 10.0, to: 50.0, after: 10.0 };
        assert_eq!(pace.when(100.0, 50.0), 10.0);
        // 40 s at 30 turns a second on average.
        assert!((pace.when(100.0 + 1200.0, 50.0) - 50.0).abs() < 1e-9);
        let load = schedule(1, pace, 50.0, &manner("text"));
        let within = |from: u64, to: u64| {
            let at = |arrival: &&Arrival| (from..to).contains(&arrival.at.as_secs());
            load.iter().filter(at).count() as f64
        };
        assert!((within(0, 10) / 100.0 - 1.0).abs() < 0.3 && (within(40, 50) / 450.0 - 1.0).abs() < 0.2);
        let falling = Pace::Ramp { from: 10.0, to: 0.01, after: 0.0 };
        assert!(schedule(1, falling, 10.0, &manner("text")).len() < 80);
    }
}
