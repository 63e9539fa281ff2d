//! The gateway's own program, in a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::scene::HANGS;

/// A gateway that listens; killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// `HOST:PORT`.
    pub(crate) address: String,
}

impl Process {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fondue-gateway"))
            .args(["--listen", "127.0.0.1:0", "--log-filter", "error", "--allowed-host", "gateway"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the gateway ended before it listened").unwrap();
        let address = line.strip_prefix("listening ").unwrap().to_owned();
        Self { child, address }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// How it ends, and after how long from now.
    pub(crate) async fn ends(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begun.elapsed());
            }
            assert!(begun.elapsed() < HANGS, "the gateway does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Bytes, by a line of Linux's account of the process.
    pub(crate) fn account(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
