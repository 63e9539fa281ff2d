//! What is under load: a gateway that runs, or services that are started here and stopped again.

use std::{ffi::OsString, time::Duration};

use anyhow::{Context, Error, Result, ensure};
use fondue_fleet::{Fleet, FleetPlan, Service};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};

use crate::{cli::ServeArgs, process};

/// How long a gateway may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is under load.
pub(crate) struct Subject {
    url: String,
    told: String,
    fleet: Option<Fleet>,
    logs: Option<TempDir>,
}

/// Where turns go, and whose memory is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// Names and numbers of the processes that were started.
    pub(crate) processes: Vec<(String, u32)>,
}

impl Subject {
    /// Looks for the gateway that is named, or starts the services, each with `more` flags beside those of the command line.
    ///
    /// # Errors
    /// If there is none, or one does not become ready.
    pub(crate) async fn start(args: &ServeArgs, more: &[(Service, OsString)]) -> Result<Self> {
        let subject = &args.subject;
        if let Some(url) = &subject.gateway {
            let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
            let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
            connected
                .context("it takes too long")
                .and_then(|connected| Ok(connected?))
                .with_context(|| format!("--gateway {url}: nobody answers there; is `fondue up` running?"))?;
            let told = format!("the gateway at {url}");
            return Ok(Self { url: url.clone(), told, fleet: None, logs: None });
        }
        let index = subject.index.clone().unwrap_or_else(|| subject.data.join("index"));
        ensure!(
            index.is_dir(),
            "there is no index in {}; in a checkout `cargo xtask up` makes one, or build one with `fondue index build` and name it \
             with --index",
            index.display()
        );
        let logs = tempfile::tempdir()?;
        let own = std::env::current_exe().context("finding this program's own place")?;
        let replicas = subject.replicas.unwrap_or(if args.break_each.is_empty() { 1 } else { 2 });
        let passed = subject.pass.iter().map(|extra| (extra.service, extra.flag.clone()));
        let plan = FleetPlan {
            programs: own.parent().context("this program lies in no folder")?.to_owned(),
            model: subject.model.clone(),
            index,
            logs: logs.path().to_owned(),
            replicas,
            proxied: args.break_each.iter().any(|how| how.needs_proxy()),
            flags: passed.chain(more.iter().cloned()).collect(),
            patience: Duration::from_secs(subject.start_timeout),
        };
        let fleet = Fleet::start(&plan).await?;
        let told = match replicas {
            1 => "the four services, started for it".to_owned(),
            n => format!("a gateway with {n} of each service, started for it"),
        };
        Ok(Self { url: fleet.url()?, told, fleet: Some(fleet), logs: Some(logs) })
    }

    /// What it is, for people.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }

    /// Where turns go now.
    ///
    /// # Errors
    /// None but a defect.
    pub(crate) fn target(&self) -> Result<Target> {
        let all = self.fleet.iter().flat_map(Fleet::all);
        let processes = all.filter_map(|one| Some((one.name().to_owned(), one.id()?))).collect();
        Ok(Target { url: self.url.clone(), processes })
    }

    /// The services, if they were started here.
    ///
    /// # Errors
    /// If they were not.
    pub(crate) fn fleet(&mut self) -> Result<&mut Fleet> {
        self.fleet.as_mut().context("this needs services that are started here, so no --gateway")
    }

    /// Stops what was started.
    pub(crate) async fn stop(&mut self) {
        if let Some(fleet) = &mut self.fleet {
            fleet.stop().await;
        }
    }

    /// An error with where the logs are, which are kept then.
    pub(crate) fn keep_logs(&mut self, error: Error) -> Error {
        match self.logs.take() {
            Some(logs) => error.context(format!("the services' logs are in {}", logs.keep().display())),
            None => error,
        }
    }
}

impl Target {
    /// Bytes of memory of each process that is still there.
    pub(crate) fn resident(&self) -> Vec<(String, u64)> {
        let read = |(name, id): &(String, u32)| {
            Some((name.clone(), process::resident(&id.to_string()).ok()? as u64))
        };
        self.processes.iter().filter_map(read).collect()
    }

    /// Seconds of processor time that all have used.
    pub(crate) fn processor_seconds(&self) -> f64 {
        self.processes.iter().filter_map(|(_, id)| processor_seconds(*id)).sum()
    }
}

/// The kernel's clock for what it tells of processes: 100 a second on all of Linux.
const TICKS: f64 = 100.0;

fn processor_seconds(id: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name may hold blanks and brackets; what follows the last bracket does not.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_has_worked() {
        let processes = vec![("it".to_owned(), std::process::id()), ("nobody".to_owned(), u32::MAX)];
        let target = Target { url: String::new(), processes };
        let resident = target.resident();
        assert!(resident.len() == 1 && resident[0].0 == "it" && resident[0].1 > 0);
        let before = target.processor_seconds();
        let start = std::time::Instant::now();
        let mut sum = 0_u64;
        while target.processor_seconds() <= before && start.elapsed() < Duration::from_secs(20) {
            sum = (0..1_000_000).fold(sum, |sum, n| sum.rotate_left(1) ^ n);
        }
        assert!(target.processor_seconds() > before, "{sum}");
    }
}
