//! `--fetch`: what may be fetched, and how much of it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use fondue_fetch::{Fetcher, HostPattern, IpNet, Limits, Rules, System};

use super::eyes::Web;

/// Nothing is fetched unless `--fetch` is there.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Fetching")]
pub(crate) struct FetchArgs {
    /// Fetch pictures that are named by URLs, from public addresses.
    #[arg(long)]
    pub(crate) fetch: bool,
    /// Time for one picture, with its redirects.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    fetch_timeout: f64,
    /// Time for one connection.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    fetch_connect_timeout: f64,
    /// Bytes that a picture must bring in every --fetch-window; 0 gives it all of --fetch-timeout.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    fetch_least: usize,
    /// See --fetch-least.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    fetch_window: f64,
    /// Bytes of an answer's headers, at least 8192.
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 10)]
    fetch_header_bytes: usize,
    /// Redirects that are followed.
    #[arg(long, value_name = "N", default_value_t = 5)]
    fetch_redirects: usize,
    /// Further attempts where the next one may succeed.
    #[arg(long, value_name = "N", default_value_t = 3)]
    fetch_retries: u32,
    /// Wait before the first further attempt; doubled before each one after, and half of it chance.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5, value_parser = seconds)]
    fetch_back_off: f64,
    /// What that wait grows to.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    fetch_max_back_off: f64,
    /// The longest Retry-After that is waited for.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    fetch_retry_after: f64,
    /// Connections to one host at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    fetch_per_host: u16,
    /// Connections at once.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) fetch_concurrent: u16,
    /// Fetch from these hosts alone: `example.org`, or `*.example.org` for those below it too.
    #[arg(long, value_name = "HOST")]
    fetch_only: Vec<HostPattern>,
    /// Ports that may be asked beside 80 and 443.
    #[arg(long, value_name = "PORT")]
    fetch_port: Vec<u16>,
    /// Fetch from this network though it is not public, as from 10.1.0.0/16.
    #[arg(long, value_name = "CIDR")]
    fetch_network: Vec<IpNet>,
    /// Fetch from this host though its address is not public.
    #[arg(long, value_name = "HOST")]
    fetch_host: Vec<HostPattern>,
}

impl FetchArgs {
    /// `None` unless fetching was asked for.
    pub(crate) fn web(&self, max_bytes: usize) -> Result<Option<Web>> {
        if !self.fetch {
            return Ok(None);
        }
        let rules = Rules {
            only_hosts: (!self.fetch_only.is_empty()).then(|| self.fetch_only.clone()),
            ports: [80, 443].into_iter().chain(self.fetch_port.iter().copied()).collect(),
            allowed_networks: self.fetch_network.clone(),
            allowed_hosts: self.fetch_host.clone(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let agent = concat!("fondue-index/", env!("CARGO_PKG_VERSION"));
        let fetcher = Arc::new(Fetcher::new(rules, self.limits(max_bytes), Arc::new(System), agent)?);
        Ok(Some(Web { runtime: runtime.context("starting to fetch")?, fetcher }))
    }

    fn limits(&self, max_bytes: usize) -> Limits {
        Limits {
            max_bytes,
            max_header_bytes: self.fetch_header_bytes,
            max_redirects: self.fetch_redirects,
            connect: Duration::from_secs_f64(self.fetch_connect_timeout),
            total: Duration::from_secs_f64(self.fetch_timeout),
            progress_window: Duration::from_secs_f64(self.fetch_window),
            progress_bytes: self.fetch_least,
            retries: self.fetch_retries,
            back_off: Duration::from_secs_f64(self.fetch_back_off),
            max_back_off: Duration::from_secs_f64(self.fetch_max_back_off),
            max_retry_after: Duration::from_secs_f64(self.fetch_retry_after),
            per_host: self.fetch_per_host.into(),
            concurrent: self.fetch_concurrent.into(),
        }
    }
}

/// A positive time of at most a day.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds, 0.001 … 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        web: FetchArgs,
    }

    fn limits(words: &[&str]) -> Result<Limits, clap::Error> {
        Ok(Words::try_parse_from([&["build"], words].concat())?.web.limits(7))
    }

    #[test]
    fn each_time_has_its_bounds_and_its_place() {
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(86_400));
        for (flag, of, default) in [
            ("--fetch-timeout", (|limits| limits.total) as fn(Limits) -> Duration, 30_000),
            ("--fetch-connect-timeout", |limits| limits.connect, 5000),
            ("--fetch-window", |limits| limits.progress_window, 5000),
            ("--fetch-back-off", |limits| limits.back_off, 500),
            ("--fetch-max-back-off", |limits| limits.max_back_off, 30_000),
            ("--fetch-retry-after", |limits| limits.max_retry_after, 60_000),
        ] {
            assert_eq!(of(limits(&[]).unwrap()), Duration::from_millis(default), "{flag}");
            for (text, time) in [("0.001", least), ("86400", most)] {
                assert_eq!(of(limits(&[flag, text]).unwrap()), time, "{flag}");
            }
            for text in ["0.0009", "0", "-1", "86400.1", "inf", "NaN", "soon", ""] {
                assert!(limits(&[&format!("{flag}={text}")]).is_err(), "{flag} {text}");
            }
        }
    }
}
