//! What the load on a gateway is.

use std::{ffi::OsString, path::PathBuf, str::FromStr};

use clap::Args;
use fondue_fleet::Service;

use super::at_least_one;
use crate::serve::{breaking::How, mix::Mix};

/// What the load is, what it is judged by, and where the figures go.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Turns a second.
    #[arg(long, value_name = "RATE", default_value = "4", value_parser = rate, conflicts_with_all = ["rates", "ramp"])]
    pub(crate) rate: f64,
    /// Several rates, one after the other, a run each.
    #[arg(long, value_name = "RATES", value_delimiter = ',', value_parser = rate, conflicts_with = "ramp")]
    pub(crate) rates: Vec<f64>,
    /// A rate that grows evenly while it is measured, FROM..TO.
    #[arg(long, value_name = "FROM..TO", value_parser = ramp)]
    pub(crate) ramp: Option<(f64, f64)>,
    /// Seconds that are measured, of each run.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) duration: f64,
    /// Seconds of the same load before, which do not count.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds_or_none)]
    pub(crate) warmup: f64,
    /// What arrivals and turns follow from: the same seed gives the same load.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Shares of turns by their kind: text, picture (a question about one), show (asks for one), converse (dialogues over one
    /// stream), history (dialogues whose client brings the history), http (server-sent events).
    #[arg(
        long,
        value_name = "KIND=WEIGHT,…",
        default_value = "text=3,picture=2,show=3,converse=2,history=1,http=2"
    )]
    pub(crate) mix: Mix,
    /// Turns of a dialogue.
    #[arg(long, value_name = "N", default_value = "3", value_parser = at_least_one)]
    pub(crate) dialogue_turns: usize,
    /// Milliseconds that a person thinks between two turns of a dialogue, on average.
    #[arg(long, value_name = "MS", default_value = "1000", value_parser = milliseconds)]
    pub(crate) think_ms: u64,
    /// Share of turns that are dropped while they are answered.
    #[arg(long, value_name = "SHARE", default_value = "0.02", value_parser = share)]
    pub(crate) cancel: f64,
    /// After how many milliseconds at most.
    #[arg(long, value_name = "MS", default_value = "200", value_parser = milliseconds)]
    pub(crate) cancel_within_ms: u64,
    /// Milliseconds that a turn may take.
    #[arg(long, value_name = "MS", default_value = "30000", value_parser = milliseconds)]
    pub(crate) deadline_ms: u64,
    /// Share of turns with a shorter time.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) hurried: f64,
    /// That time, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "300", value_parser = milliseconds)]
    pub(crate) hurried_ms: u64,
    /// Tokens of an answer at most.
    #[arg(long, value_name = "N", default_value = "24", value_parser = at_least_one)]
    pub(crate) max_new_tokens: usize,
    /// Turns under way at most; what arrives beyond is not sent, and counted.
    #[arg(long, value_name = "N", default_value = "1024", value_parser = at_least_one)]
    pub(crate) max_open: usize,
    /// Folder of pictures to show [default: DATA/drawings if it is there, else some are made].
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: Option<PathBuf>,
    /// Good turns are answered, and begin within so many milliseconds.
    #[arg(long, value_name = "MS", default_value = "1000", value_parser = milliseconds)]
    pub(crate) slo_ttft_ms: u64,
    /// And are whole within so many.
    #[arg(long, value_name = "MS", default_value = "5000", value_parser = milliseconds)]
    pub(crate) slo_turn_ms: u64,
    /// What is under load.
    #[command(flatten)]
    pub(crate) subject: SubjectArgs,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write them as a page with plots.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print the figures beside those of an earlier run, from its JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// Instead: find what the services can do, then load them with FACTOR times that.
    #[arg(long, value_name = "FACTOR", value_parser = rate, group = "experiment")]
    pub(crate) overload: Option<f64>,
    /// Instead: the same load with and without traces, in turns; starts the services itself.
    #[arg(long, group = "experiment", conflicts_with = "gateway")]
    pub(crate) tracing: bool,
    /// Instead: break one replica of each service in turn while the load goes on, in each of these ways; starts the services
    /// itself, two of each leaf at least.
    #[arg(
        long,
        value_name = "HOW,…",
        value_delimiter = ',',
        group = "experiment",
        conflicts_with = "gateway"
    )]
    pub(crate) break_each: Vec<How>,
    /// Seconds until what was broken is mended (with --break-each).
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub(crate) away: f64,
    /// Seconds of each step on the way to what the services can do (with --overload), and of each run (with --tracing).
    #[arg(long, value_name = "SECONDS", default_value = "8", value_parser = seconds)]
    pub(crate) step: f64,
    /// Pairs of runs (with --tracing).
    #[arg(long, value_name = "N", default_value = "5", value_parser = at_least_one)]
    pub(crate) rounds: usize,
}

/// What is under load: a gateway that runs, or services that are started for it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is under load")]
pub(crate) struct SubjectArgs {
    /// A gateway that runs, http://HOST:PORT [default: the services are started, on free ports].
    #[arg(long, value_name = "URL")]
    pub(crate) gateway: Option<String>,
    /// File with an API key or a token, sent as `authorization: Bearer …`.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Model folder.
    #[arg(long, value_name = "DIR", default_value = "assets/model")]
    pub(crate) model: PathBuf,
    /// Index of pictures [default: DATA/index].
    #[arg(long, value_name = "ROOT")]
    pub(crate) index: Option<PathBuf>,
    /// Folder of run-time data, as `fondue up` has it.
    #[arg(long, value_name = "DIR", default_value = ".fondue")]
    pub(crate) data: PathBuf,
    /// Processes of each leaf service [default: 1; with --break-each: 2].
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with = "gateway")]
    pub(crate) replicas: Option<usize>,
    /// A further flag for one service, for example `--pass language=--weights=bf16`; may be given several times.
    #[arg(long, value_name = "SERVICE=FLAG", conflicts_with = "gateway")]
    pub(crate) pass: Vec<Extra>,
    /// Seconds that a service may take until it is ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) start_timeout: u64,
}

/// A flag that is passed on to one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) service: Service,
    pub(crate) flag: OsString,
}

impl FromStr for Extra {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, flag) = text.split_once('=').ok_or("must be SERVICE=FLAG")?;
        let service = Service::ALL.into_iter().find(|service| service.name() == name);
        let service = service
            .ok_or_else(|| format!("the services are {}", Service::ALL.map(Service::name).join(", ")))?;
        Ok(Self { service, flag: flag.into() })
    }
}

fn number(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| format!("must be a number from {low} to {high}"))
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.01, 100_000.0)
}

fn ramp(text: &str) -> Result<(f64, f64), String> {
    let (from, to) = text.split_once("..").ok_or("must be FROM..TO, for example 1..20")?;
    Ok((rate(from)?, rate(to)?))
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text, 0.1, 86_400.0)
}

fn seconds_or_none(text: &str) -> Result<f64, String> {
    number(text, 0.0, 86_400.0)
}

fn share(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1.0)
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let wrong = || "must be a number of milliseconds from 0 to 600000".to_owned();
    text.parse().ok().filter(|ms| *ms <= 600_000).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_grow_from_one_number_to_another() {
        assert_eq!(ramp("1..20"), Ok((1.0, 20.0)));
        for wrong in ["1", "1..", "0..3", "a..b", "1..nan"] {
            assert!(ramp(wrong).is_err(), "{wrong}");
        }
        assert!(share("1.1").is_err() && seconds("0").is_err() && milliseconds("-1").is_err());
    }

    #[test]
    fn extras_name_a_service() {
        let extra: Extra = "language=--weights=bf16".parse().unwrap();
        assert_eq!(extra, Extra { service: Service::Language, flag: "--weights=bf16".into() });
        assert!("speech=--loud".parse::<Extra>().unwrap_err().contains("vision"));
    }
}
