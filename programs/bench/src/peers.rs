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
const LANGUAGE: &str = include_str!("../peers/language.py");
const VISION: &str = include_str!("../peers/vision.py");

/// A Python with the peers installed.
pub(crate) struct Python {
    program: PathBuf,
    scripts: PathBuf,
}

impl Python {
    /// Installs them once into the cache, whole or not at all. Takes minutes the first time.
    ///
    /// # Errors
    /// If python3 or pip is missing or fails; pip's own words are on stderr then.
    pub(crate) fn ready(cache: &Path) -> Result<Self> {
        let home = cache.join("peers");
        let (complete, stamp) =
            (home.join("COMPLETE"), format!("{REQUIREMENTS}{WITHOUT_DEPENDENCIES:?}{CPU_TORCH}"));
        let program = home.join("bin/python");
        if fs::read_to_string(&complete).ok().as_deref() != Some(&stamp) {
            let _ = fs::remove_dir_all(&home);
            eprintln!("Installing the peers into {} (once, some minutes) …", home.display());
            call(Blocking::new("python3").args(["-m", "venv"]).arg(&home))?;
            let pip = || {
                let mut pip = Blocking::new(&program);
                pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
                pip
            };
            let list = home.join("requirements.txt");
            fs::write(&list, REQUIREMENTS)?;
            call(pip().arg("-r").arg(list).args(OF_TORCH))?;
            // After the others, so that pip has nothing to say of what is missing on purpose.
            call(pip().arg("--no-deps").args(WITHOUT_DEPENDENCIES))?;
            let stubs = home.join("cpu_torch.py");
            fs::write(&stubs, CPU_TORCH)?;
            call(Blocking::new(&program).arg(stubs))
                .context("torch does not start without CUDA's libraries")?;
            fs::write(&complete, stamp)?;
        }
        let scripts = home.join("scripts");
        fs::create_dir_all(&scripts)?;
        fs::write(scripts.join("language.py"), LANGUAGE)?;
        fs::write(scripts.join("vision.py"), VISION)?;
        Ok(Self { program, scripts })
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
