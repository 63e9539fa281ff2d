//! The gateway as a process: started, read off in `/proc`, ended.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::fakes::Fakes;

/// Clock ticks a second in `/proc/PID/stat`: Linux' fixed `USER_HZ`.
const TICKS: f64 = 100.0;

/// What the gateway's allocator keeps of memory that was freed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kept {
    /// Large pieces go back to the system at once, so that only what is in use is counted.
    Nothing,
    /// As glibc does by itself: after the first large piece, the next ones are kept for a while.
    ByGlibc,
}

/// A gateway with one worker thread.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: String,
}

impl Gateway {
    pub(crate) fn start(fakes: &Fakes, kept: Kept) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-gateway"));
        if kept == Kept::Nothing {
            command.env("MALLOC_MMAP_THRESHOLD_", "131072");
        }
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--vision", &fakes.vision, "--language", &fakes.language])
            .args(["--retrieval", &fakes.retrieval, "--log-filter", "error"])
            .args(["--max-conversations", "100000"])
            .env("TOKIO_WORKER_THREADS", "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening ").expect("the gateway listens");
        Self { address: format!("http://{address}"), child }
    }

    /// Seconds of processor time so far, all threads.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS
    }

    /// Waits until it has nothing to do.
    pub(crate) async fn settle(&self) {
        let mut before = -1.0;
        while self.cpu() > before {
            before = self.cpu();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Resident bytes now.
    pub(crate) fn resident(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// Most resident bytes since [`Gateway::forget_peak`].
    pub(crate) fn peak(&self) -> f64 {
        self.status("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("the peak can be forgotten");
    }

    fn status(&self, name: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the gateway runs")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
