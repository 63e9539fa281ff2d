//! Tests the client libraries as their users get them: the Python package from its own source distribution, the TypeScript package
//! from its lockfile, both against really running services. What they stand on comes from PyPI and npm, pinned.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use crate::run;

/// The link to what the Python client stands on (`python.rs`).
const PACKAGES: &str = ".python-client";

/// Builds the Python package as its users get it, from its own source distribution, and installs it where examples find it.
pub(crate) fn install(root: &Path) -> Result<()> {
    let (home, packages) = (home(root), root.join(PACKAGES));
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home)?;
    let mut pack = program("python3", &root.join("clients/python"), &[&packages])?;
    pack.args(["-m", "hatchling", "build", "-t", "sdist", "-d"]).arg(home.join("dist"));
    step("python client: source distribution", &mut pack)?;
    let mut install = program("python3", &home, &[&packages])?;
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    install.args(["--no-build-isolation", "--target"]).arg(home.join("installed"));
    step("python client: install it", install.arg(distribution(&home.join("dist"))?))
}

/// Checks and tests both clients against running services; `gateway` is `HOST:PORT`. Without `npm` it fails: a client that is not
/// tested must not look as if it were.
pub(crate) fn test(root: &Path, gateway: &str) -> Result<()> {
    let (installed, packages) = (home(root).join("installed"), root.join(PACKAGES));
    let (python, typescript) = (root.join("clients/python"), root.join("clients/typescript"));
    let mut generate = program("python3", &python, &[&packages])?;
    step("python client: messages from the contract", generate.arg("generate.py"))?;
    let mut types = program("python3", &python, &[&packages])?;
    step("python client: mypy", types.args(["-m", "mypy"]))?;
    let mut ci = program("npm", &typescript, &[])?;
    ci.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    step("typescript client: npm ci (it needs Node.js 20 or later)", &mut ci)?;
    let mut build = program("npm", &typescript, &[])?;
    step("typescript client: messages and tsc", build.args(["run", "build"]))?;

    let mut pytest = program("python3", &python, &[&installed, &packages])?;
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    step("python client: pytest", pytest.env("FONDUE_ADDRESS", gateway))?;
    let mut node = program("npm", &typescript, &[])?;
    node.arg("test").env("FONDUE_ADDRESS", gateway);
    step("typescript client: node tests", &mut node)
}

/// Where the built package lies, below the project's root.
fn home(root: &Path) -> PathBuf {
    root.join(run::DATA).join("clients")
}

/// A program that finds Python's packages in `paths`.
fn program(name: &str, folder: &Path, paths: &[&Path]) -> Result<Command> {
    let mut command = Command::new(name);
    command.current_dir(folder).env("PYTHONPATH", std::env::join_paths(paths)?);
    Ok(command)
}

/// The one file of a folder of distributions.
fn distribution(folder: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    match <[PathBuf; 1]>::try_from(files) {
        Ok([file]) => Ok(file),
        Err(files) => bail!("{} holds {} distributions, not one", folder.display(), files.len()),
    }
}

fn step(name: &str, command: &mut Command) -> Result<()> {
    println!("── {name}");
    let start = Instant::now();
    let status = command.status().with_context(|| format!("{name}: {command:?} could not be started"))?;
    ensure!(status.success(), "{name} failed ({status})");
    println!("── {name}: {:.1} s", start.elapsed().as_secs_f32());
    Ok(())
}
