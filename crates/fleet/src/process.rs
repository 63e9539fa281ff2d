//! One process: in a group of its own, heard until it is ready, signalled, and never left behind.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, ChildStdin, Command},
    sync::oneshot,
    time::timeout,
};

use crate::error::FleetError;

/// How long the system may take to end one that is killed when it is dropped.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// Lines of a log that an error tells.
const LAST_LINES: usize = 12;

/// A running process. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    group: Pid,
}

/// How to start one.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// `language-1` and so on.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// Its flags but for `--listen` and `--stop-with-stdin`.
    pub(crate) flags: Vec<OsString>,
    /// Where its stderr goes, behind what earlier runs wrote.
    pub(crate) log: PathBuf,
    /// How long it may take to be ready.
    pub(crate) patience: Duration,
}

impl Launch {
    /// Starts it to listen at `HOST:PORT`; returns when it is ready, with where it really listens.
    pub(crate) async fn start(&self, listen: &str) -> Result<(Process, String), FleetError> {
        if !self.program.is_file() {
            return Err(FleetError::Missing { program: self.program.clone() });
        }
        let file = File::options().create(true).append(true).open(&self.log);
        let file = file.map_err(FleetError::system(format!("opening {}", self.log.display())))?;
        let mut command = Command::new(&self.program);
        command.args(["--listen", listen, "--stop-with-stdin"]).args(&self.flags);
        // A group of its own: Ctrl-C in the terminal reaches the one that started it alone.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let starting = || format!("starting {}", self.program.display());
        let mut child = command.spawn().map_err(FleetError::system(starting()))?;
        let Some(id) = child.id() else { return Err(self.not_ready("ended".to_owned())) };
        let (announce, ready) = oneshot::channel();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(listen_to(stdout, announce));
        }
        let stdin = child.stdin.take();
        let process = Process { child, stdin, group: Pid::from_raw(id.cast_signed()) };
        match timeout(self.patience, ready).await {
            Ok(Ok(address)) => Ok((process, address)),
            Ok(Err(_)) => Err(self.not_ready("ended before it was ready".to_owned())),
            Err(_) => Err(self.not_ready(format!("was not ready within {} s", self.patience.as_secs()))),
        }
    }

    fn not_ready(&self, how: String) -> FleetError {
        let (name, log, words) = (self.name.clone(), self.log.clone(), last_words(&self.log));
        FleetError::NotReady { name, how, log, words }
    }
}

impl Process {
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal to it and to whatever it started; fails only if none of them is left.
    pub(crate) fn signal(&self, signal: Signal) -> std::io::Result<()> {
        killpg(self.group, signal).map_err(std::io::Error::from)
    }

    /// SIGKILL; returns when nothing of it is left.
    pub(crate) async fn kill(mut self) {
        let _ = self.signal(Signal::SIGKILL);
        let _ = self.child.wait().await;
    }

    /// SIGTERM, and SIGKILL if it has not ended after `grace`. Whether it ended by itself.
    pub(crate) async fn stop(mut self, grace: Duration) -> bool {
        drop(self.stdin.take());
        let _ = self.signal(Signal::SIGTERM);
        let _ = self.signal(Signal::SIGCONT); // a frozen one hears nothing
        let ended = timeout(grace, self.child.wait()).await.is_ok();
        if !ended {
            self.kill().await;
        }
        ended
    }

    /// A number of bytes in `/proc/ID/status`.
    pub(crate) fn memory(&self, field: &str) -> std::io::Result<u64> {
        let gone = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let id = self.id().ok_or_else(gone)?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or_else(gone)?;
        let kilobytes = line.trim_start_matches(':').trim().trim_end_matches("kB").trim();
        Ok(kilobytes.parse::<u64>().map_err(std::io::Error::other)? << 10)
    }
}

impl Drop for Process {
    /// Nothing of it is left, not even its entry in the system's table.
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        let _ = self.signal(Signal::SIGKILL);
        let start = Instant::now();
        while !self.has_ended() && start.elapsed() < LAST_WAIT {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Reads stdout to its end, so that the process never blocks on it; tells the address that it announces.
async fn listen_to(stdout: impl AsyncRead + Unpin, announce: oneshot::Sender<String>) {
    let mut lines = BufReader::new(stdout).lines();
    let mut announce = Some(announce);
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = line.strip_prefix("listening ")
            && let Some(announce) = announce.take()
        {
            let _ = announce.send(address.trim().to_owned());
        }
    }
}

/// The last lines of a log, without a backtrace.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text = text.rsplit_once("Stack backtrace:").map_or(&*text, |(before, _)| before).trim_end();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
