//! The peers: other people's software on the same weights, in a Python environment of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command as Blocking,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::{process::Process, statistics::Answers, systems::Peer};

/// PyPI's wheel of torch is built for CUDA. The last two are small; stubs take the place of the rest, which is several GB.
const WITHOUT_DEPENDENCIES: [&str; 4] =
    ["torch==2.13.0", "torchvision==0.28.0", "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"];
/// What torch's Python needs and its wheel names among what is left out above.
const OF_TORCH: [&str; 6] = ["filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec"];
/// Lets torch start without the rest of CUDA.
const CPU_TORCH: &str = include_str!("../peers/cpu_torch.py");
const REQUIREMENTS: &str = include_str!("../peers/requirements.txt");
/// Those of the index, which need no torch.
const RETRIEVAL_REQUIREMENTS: &str = include_str!("../peers/retrieval-requirements.txt");
const RETRIEVAL: &str = include_str!("../peers/retrieval.py");
const LANGUAGE: &str = include_str!("../peers/language.py");
const VISION: &str = include_str!("../peers/vision.py");
const TRAINING: &str = include_str!("../../train/peers/reference.py");

/// A Python with the peers installed.
pub(crate) struct Python {
    program: PathBuf,
    scripts: PathBuf,
}

impl Python {
    /// Installs the models' peers once into the cache, whole or not at all. Takes minutes the first time.
    ///
    /// # Errors
    /// If python3 or pip is missing or fails; pip's own words are on stderr then.
    pub(crate) fn for_models(cache: &Path) -> Result<Self> {
        let stamp = format!("{REQUIREMENTS}{WITHOUT_DEPENDENCIES:?}{CPU_TORCH}");
        let python = Self::ready(cache.join("peers"), &stamp, |python, home| {
            let list = home.join("requirements.txt");
            fs::write(&list, REQUIREMENTS)?;
            call(python.pip().arg("-r").arg(list).args(OF_TORCH))?;
            // After the others, so that pip has nothing to say of what is missing on purpose.
            call(python.pip().arg("--no-deps").args(WITHOUT_DEPENDENCIES))?;
            let stubs = home.join("cpu_torch.py");
            fs::write(&stubs, CPU_TORCH)?;
            call(Blocking::new(&python.program).arg(stubs))
                .context("torch does not start without CUDA's libraries")
        })?;
        fs::write(python.scripts.join("language.py"), LANGUAGE)?;
        fs::write(python.scripts.join("vision.py"), VISION)?;
        Ok(python)
    }

    /// The models' peers, and the reference's training loop with them.
    ///
    /// # Errors
    /// As [`Python::for_models`].
    pub(crate) fn for_training(cache: &Path) -> Result<Self> {
        let python = Self::for_models(cache)?;
        fs::write(python.scripts.join("reference.py"), TRAINING)?;
        Ok(python)
    }

    /// The reference's training loop, to be given its words.
    pub(crate) fn training(&self) -> Blocking {
        let mut command = Blocking::new(&self.program);
        command.arg(self.scripts.join("reference.py"));
        command
    }

    /// Installs the index's peers in the same way, into an environment of their own.
    ///
    /// # Errors
    /// As [`Python::for_models`].
    pub(crate) fn for_retrieval(cache: &Path) -> Result<Self> {
        let python = Self::ready(cache.join("retrieval-peers"), RETRIEVAL_REQUIREMENTS, |python, home| {
            let list = home.join("requirements.txt");
            fs::write(&list, RETRIEVAL_REQUIREMENTS)?;
            call(python.pip().arg("-r").arg(list))
        })?;
        fs::write(python.scripts.join("retrieval.py"), RETRIEVAL)?;
        Ok(python)
    }

    fn ready(home: PathBuf, stamp: &str, install: impl FnOnce(&Self, &Path) -> Result<()>) -> Result<Self> {
        let complete = home.join("COMPLETE");
        let python = Self { program: home.join("bin/python"), scripts: home.join("scripts") };
        if fs::read_to_string(&complete).ok().as_deref() != Some(stamp) {
            let _ = fs::remove_dir_all(&home);
            eprintln!("Installing the peers into {} (once, some minutes) …", home.display());
            call(Blocking::new("python3").args(["-m", "venv"]).arg(&home))?;
            install(&python, &home)?;
            fs::write(&complete, stamp)?;
        }
        fs::create_dir_all(&python.scripts)?;
        Ok(python)
    }

    fn pip(&self) -> Blocking {
        let mut pip = Blocking::new(&self.program);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip
    }

    /// The index's peers' script, to be given its words.
    pub(crate) fn retrieval(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(self.scripts.join("retrieval.py"));
        command
    }

    /// Versions of the index's peers, for the report.
    pub(crate) fn retrieval_versions() -> Vec<&'static str> {
        RETRIEVAL_REQUIREMENTS.lines().filter(|line| !line.starts_with("numpy")).collect()
    }

    /// Versions of what is measured, for the report.
    pub(crate) fn versions() -> Vec<&'static str> {
        let measured = ["ctranslate2", "transformers", "torch"];
        let all = REQUIREMENTS.lines().chain(WITHOUT_DEPENDENCIES);
        all.filter(|line| measured.iter().any(|name| line.starts_with(name))).collect()
    }

    /// Starts a peer of the language service.
    pub(crate) async fn language(
        &self,
        peer: Peer,
        model: &Path,
        threads: usize,
        scratch: &Path,
    ) -> Result<LanguagePeer> {
        let kind = peer.name();
        let mut command = Command::new(&self.program);
        command.arg(self.scripts.join("language.py")).arg(kind).arg(model.join("opt"));
        command.arg(threads.to_string()).arg(model);
        let mut process = Process::start(kind, &mut command, &scratch.join(format!("{kind}.log")))?;
        process.line("ready").await?;
        Ok(LanguagePeer { peer, process })
    }

    /// Starts the peer of the vision service.
    pub(crate) async fn vision(&self, model: &Path, threads: usize, scratch: &Path) -> Result<Process> {
        let mut command = Command::new(&self.program);
        command.arg(self.scripts.join("vision.py")).arg(model).arg(threads.to_string());
        let log = scratch.join("transformers.log");
        let mut process = Process::start("transformers", &mut command, &log)?;
        process.line("ready").await?;
        Ok(process)
    }
}

/// A peer of the language service.
pub(crate) struct LanguagePeer {
    pub(crate) peer: Peer,
    process: Process,
}

impl LanguagePeer {
    /// Continues prompts by greedy tokens.
    pub(crate) async fn run(&mut self, prompts: &[Vec<u32>], new_tokens: usize) -> Result<Answers> {
        self.process.say(&json!({"prompts": prompts, "new_tokens": new_tokens}).to_string()).await?;
        let answers: Answers = serde_json::from_str(&self.process.line("answers ").await?)?;
        for times in &answers.tokens {
            let (name, n) = (self.peer.name(), times.len());
            ensure!(n == new_tokens, "{name} gave {n} tokens of {new_tokens}");
        }
        Ok(answers)
    }
}

fn call(command: &mut Blocking) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
