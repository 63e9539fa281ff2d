//! The four services as processes of their own, with the shipped model and a small index.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use fondue_harness::{build_index, model};
use fondue_proto::{dialogue::dialogue_client::DialogueClient, vision::vision_client::VisionClient};
use fondue_serving::upstream::{Channel, connect_lazy};
use tempfile::TempDir;

use crate::book::programs;

/// Running processes; killed when dropped.
pub(super) struct Processes {
    pub(super) gateway: Process,
    pub(super) vision: Process,
    pub(super) language: Process,
    pub(super) retrieval: Process,
    data: TempDir,
}

pub(super) struct Process {
    name: &'static str,
    pub(super) address: String,
    log: PathBuf,
    child: Child,
}

impl Processes {
    /// Starts all with `flags`, the gateway with `more` too; returns when they listen.
    pub(super) async fn start(flags: &[&str], more: &[&str]) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let index = build_index(data.path()).await?;
        let (model, clip) = (model(), model().join("clip"));
        let text = |path: &PathBuf| path.display().to_string();
        let start = |name, own: &[&str]| Process::start(name, &[own, flags].concat(), &data);
        let vision = start("vision", &["--threads=1", "--model", &text(&clip)])?;
        let language = start("language", &["--threads=1", "--model", &text(&model)])?;
        let retrieval = start("retrieval", &["--index", &text(&index)])?;
        let upstreams =
            ["--vision", &vision.address, "--language", &language.address, "--retrieval", &retrieval.address];
        let gateway = start("gateway", &[&upstreams, more].concat())?;
        Ok(Self { gateway, vision, language, retrieval, data })
    }

    pub(super) fn dialogue(&self) -> Result<DialogueClient<Channel>> {
        Ok(DialogueClient::new(connect_lazy(&self.gateway.address)?).max_decoding_message_size(64 << 20))
    }

    pub(super) fn vision_client(&self) -> Result<VisionClient<Channel>> {
        Ok(VisionClient::new(connect_lazy(&self.vision.address)?))
    }

    pub(super) fn picture(&self, n: usize) -> Result<Vec<u8>> {
        Ok(fs::read(self.data.path().join("pictures").join(fondue_harness::pictures::name(n)))?)
    }

    pub(super) fn all(&self) -> [&Process; 4] {
        [&self.gateway, &self.vision, &self.language, &self.retrieval]
    }
}

impl Process {
    fn start(name: &'static str, flags: &[&str], data: &TempDir) -> Result<Self> {
        let program = programs()?.join(format!("fondue-{name}"));
        ensure!(
            program.exists(),
            "fondue-{name} is not built; `cargo build --release --workspace --bins` does it"
        );
        let log = data.path().join(format!("{name}.log"));
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--drain-seconds", "0.5"]).args(flags);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut process = Self { name, address: String::new(), log, child };
        let mut said = BufReader::new(process.child.stdout.take().context("no stdout")?).lines();
        let line = said.find(|line| line.as_ref().map_or(true, |line| line.starts_with("listening ")));
        let line = line.with_context(|| format!("{name} ended: {}", process.log()))??;
        process.address = line.trim_start_matches("listening ").to_owned();
        Ok(process)
    }

    /// What it has logged.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to stop, and waits until it has.
    pub(super) fn stop(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        while self.child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < Duration::from_secs(60), "{} does not stop", self.name);
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(begun.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
