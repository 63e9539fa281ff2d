//! One service's process: started in a group of its own, heard, stopped for certain.

use std::{
    io::Write,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, ChildStdin, Command},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::{log::Log, plan::Plan};
use crate::terminal::visible_line;

/// How long a service may take to stop before it is killed: the services' default drain of 3 s, and some to tidy up.
/// `fondue up --help` tells it.
pub(crate) const GRACE: Duration = Duration::from_secs(4);
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A running service.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>, // kept here: tokio closes the child's own handle on `wait`
    group: Pid,
    gone: bool,
    tee: Option<JoinHandle<()>>,
    /// When it was started.
    pub(crate) since: Instant,
}

/// Resolves to `HOST:PORT` when the service is ready; an error if its stdout closes before.
pub(crate) type Ready = oneshot::Receiver<String>;

/// How a service came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, as asked.
    Stopped,
    /// By SIGKILL: it did not stop in time.
    Killed,
}

impl Process {
    /// Starts the service; its stderr goes to its log and, if `verbose`, to the terminal too.
    pub(crate) fn start(plan: &Plan, verbose: bool) -> Result<(Self, Ready, Log)> {
        let (log, file) = Log::open(&plan.log)?;
        let mut command = Command::new(&plan.program);
        command.args(plan.arguments()).arg("--stop-with-stdin");
        // A group of its own: Ctrl-C in the terminal reaches the launcher alone, which stops them in order.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(if verbose { Stdio::piped() } else { Stdio::from(file.try_clone()?) });
        let mut child = command.spawn().with_context(|| format!("starting {}", plan.program.display()))?;
        let group = child.id().context("a process that has just started has an id")?;
        let (announce, ready) = oneshot::channel();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(listen(stdout, announce));
        }
        let tee = child.stderr.take().map(|stderr| tokio::spawn(copy(stderr, file, plan.name)));
        let stdin = child.stdin.take();
        let group = Pid::from_raw(group.cast_signed());
        Ok((Self { child, stdin, group, gone: false, tee, since: Instant::now() }, ready, log))
    }

    /// Waits until it has ended and its last words are in the log. Safe to drop and call again.
    pub(crate) async fn exited(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.sweep();
        if let Some(tee) = &mut self.tee {
            let _ = timeout(LAST_WORDS, tee).await;
            self.tee = None;
        }
        Ok(status)
    }

    /// Asks it to stop, kills it after `grace`, and returns when nothing is left of it.
    pub(crate) async fn stop(&mut self, grace: Duration) -> End {
        drop(self.stdin.take());
        self.signal(Signal::SIGTERM);
        let end = match timeout(grace, self.child.wait()).await {
            Ok(_) => End::Stopped,
            Err(_) => End::Killed,
        };
        if end == End::Killed {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
        self.sweep();
        end
    }

    /// Kills what the service itself may have started and left behind.
    fn sweep(&mut self) {
        self.signal(Signal::SIGKILL);
        self.gone = true;
    }

    fn signal(&self, signal: Signal) {
        if !self.gone {
            let _ = killpg(self.group, signal); // fails only if no process of the group is left
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// What an exit status says, for people.
pub(crate) fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(number)) => {
            let name = Signal::try_from(number).map_or_else(|_| number.to_string(), |s| s.to_string());
            format!("was killed by {name}")
        }
        (None, None) => "ended".to_owned(),
    }
}

/// Reads stdout to its end, so that a service never blocks on it.
async fn listen(stdout: impl AsyncRead + Unpin, announce: oneshot::Sender<String>) {
    let mut lines = BufReader::new(stdout).lines();
    let mut announce = Some(announce);
    while let Ok(Some(line)) = lines.next_line().await {
        let address = line.strip_prefix("listening ").map(|address| address.trim().to_owned());
        if let Some((announce, address)) = address.and_then(|a| announce.take().map(|s| (s, a))) {
            let _ = announce.send(address);
        }
    }
}

/// Copies stderr into the log and, with the service's name, to the terminal.
async fn copy(stderr: impl AsyncRead + Unpin, mut file: std::fs::File, name: &'static str) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let _ = file.write_all(&line);
        eprintln!("{name:>9} | {}", visible_line(String::from_utf8_lossy(&line).trim_end()));
        line.clear();
    }
}

#[cfg(test)]
mod tests;
