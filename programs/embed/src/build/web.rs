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
    /// Bytes that a picture must bring every 5 seconds.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    fetch_least: usize,
    /// Bytes of an answer's headers, at least 8192.
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 10)]
    fetch_header_bytes: usize,
    /// Redirects that are followed.
    #[arg(long, value_name = "N", default_value_t = 5)]
    fetch_redirects: usize,
    /// Further attempts where the next one may succeed; waits double from half a second on.
    #[arg(long, value_name = "N", default_value_t = 3)]
    fetch_retries: u32,
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
        let limits = Limits {
            max_bytes,
            max_header_bytes: self.fetch_header_bytes,
            max_redirects: self.fetch_redirects,
            connect: Duration::from_secs_f64(self.fetch_connect_timeout),
            total: Duration::from_secs_f64(self.fetch_timeout),
            progress_window: Duration::from_secs(5),
            progress_bytes: self.fetch_least,
            retries: self.fetch_retries,
            back_off: Duration::from_millis(500),
            max_back_off: Duration::from_secs(30),
            max_retry_after: Duration::from_secs_f64(self.fetch_retry_after),
            per_host: self.fetch_per_host.into(),
            concurrent: self.fetch_concurrent.into(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let agent = concat!("fondue-index/", env!("CARGO_PKG_VERSION"));
        let fetcher = Arc::new(Fetcher::new(rules, limits, Arc::new(System), agent)?);
        Ok(Some(Web { runtime: runtime.context("starting to fetch")?, fetcher }))
    }
}

/// A positive time of at most a day.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds, 0.001 … 86400".to_owned())
}
