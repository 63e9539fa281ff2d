//! `demo`, `up` and `bench`: from a fresh clone to running services. Builds what is missing, then becomes `fondue`.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;
use sha2::{Digest, Sha256};

use crate::libtorch;

/// The shipped model, below the project's root.
const MODEL: &str = "assets/model";
/// Run-time data that may be deleted at any time.
pub(crate) const DATA: &str = ".fondue";
/// The gallery, below that.
const DRAWINGS: &str = "drawings";

/// What a set-up leaves.
pub(crate) struct Ready {
    /// Folder of the programs.
    pub(crate) bin: PathBuf,
    /// The shipped model.
    pub(crate) model: PathBuf,
    /// Run-time data; holds the drawings and their index.
    pub(crate) data: PathBuf,
}

/// Sets everything up and replaces this process by `fondue TASK …`.
pub(crate) fn fondue(root: &Path, task: &str, more: &[String]) -> Result<()> {
    let Ready { bin, model, data } = set_up(root)?;
    let mut fondue = Command::new(bin.join("fondue"));
    fondue.arg(task).arg("--model").arg(model).arg("--data").arg(&data);
    if task == "demo" {
        fondue.arg("--drawings").arg(data.join(DRAWINGS));
    }
    // Signals reach `fondue` itself then, with nothing between.
    Err(fondue.args(more).exec()).context("fondue could not be started")
}

/// Builds everything, draws the gallery and builds its index, as far as that was not done before.
pub(crate) fn set_up(root: &Path) -> Result<Ready> {
    libtorch::set_up(root)?;
    build(root)?;
    let bin = target(root)?.join("release");
    let data = root.join(DATA);
    let drawings = data.join(DRAWINGS);
    // Returns at once where the drawings are there already.
    call(Command::new(bin.join("fondue-drawings")).arg(&drawings))?;
    index(root, &bin, &data, &drawings)?;
    Ok(Ready { bin, model: root.join(MODEL), data })
}

/// Builds everything and replaces this process by `fondue bench …`, which makes its own models.
/// `bench serve` needs the shipped model's index. `bench gateway` needs fakes, which live in test code, and no libtorch.
pub(crate) fn bench(root: &Path, more: &[String]) -> Result<()> {
    if let Some(("gateway", flags)) = more.split_first().map(|(what, flags)| (what.as_str(), flags)) {
        let mut bench = cargo(root);
        bench.args(["bench", "--package", "fondue-gateway", "--bench", "cost", "--"]).args(flags);
        return Err(bench.exec()).context("cargo could not be started");
    }
    if let Some(("serve", flags)) = more.split_first().map(|(what, flags)| (what.as_str(), flags)) {
        let Ready { bin, model, data } = set_up(root)?;
        let mut bench = Command::new(bin.join("fondue"));
        bench.args(["bench", "serve", "--model"]).arg(model).arg("--data").arg(data).args(flags);
        return Err(bench.exec()).context("fondue could not be started");
    }
    libtorch::set_up(root)?;
    build(root)?;
    let bin = target(root)?.join("release");
    Err(Command::new(bin.join("fondue")).arg("bench").args(more).exec())
        .context("fondue could not be started")
}

/// Builds all programs.
pub(crate) fn build(root: &Path) -> Result<()> {
    // All members, so that features, and with them the built dependencies, are those of the tests.
    call(cargo(root).args(["build", "--release", "--workspace", "--bins"]))
}

/// Where cargo puts what it builds.
pub(crate) fn target(root: &Path) -> Result<PathBuf> {
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Builds the index of the drawings, unless there is one of this very model and these very captions.
fn index(root: &Path, bin: &Path, data: &Path, drawings: &Path) -> Result<()> {
    let model = root.join(MODEL);
    let stamp_file = data.join("index.stamp");
    let stamp = stamp(&[
        model.join("clip/model.safetensors"),
        model.join("fromage/mapping.safetensors"),
        model.join("opt/config.json"),
        drawings.join("captions.tsv"),
    ])?;
    let index = data.join("index");
    if fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) && readable(bin, &index) {
        return Ok(());
    }
    let mut builder = Command::new(bin.join("fondue-index"));
    builder.arg("build");
    call(builder.arg("--pictures").arg(drawings).arg("--model").arg(model).arg("--index").arg(index))?;
    fs::write(&stamp_file, stamp).with_context(|| stamp_file.display().to_string())
}

/// Whether there is an index that this version can read: the format may have changed since it was built.
fn readable(bin: &Path, index: &Path) -> bool {
    let info = Command::new(bin.join("fondue-index")).arg("info").arg("--index").arg(index).output();
    info.is_ok_and(|output| output.status.success())
}

fn stamp(files: &[PathBuf]) -> Result<String> {
    let mut lines = String::new();
    for path in files {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let digest = Sha256::digest(bytes);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        lines.push_str(&format!("{name} {digest:x}\n"));
    }
    Ok(lines)
}

/// Cargo, as it is when it is called by hand. What it tells the programs that it runs, this one among them, would else make
/// it build anew what looks at such variables: ring, and all that rests on it.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command that must succeed.
pub(crate) fn call(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}

/// Runs a command that must succeed, and calls `note` every so often while it runs.
pub(crate) fn call_noting(
    command: &mut Command,
    every: Duration,
    note: impl Fn() -> Result<()>,
) -> Result<()> {
    let mut child = command.spawn().with_context(|| format!("{command:?} could not be started"))?;
    let mut noted = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(100));
        if noted.elapsed() >= every {
            if let Err(error) = note() {
                // Nobody would wait for it; whether it can be ended matters less than why.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
            noted = Instant::now();
        }
    };
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
