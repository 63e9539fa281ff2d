//! Tests the client libraries as their users get them: the Python package from its own source distribution, the TypeScript package
//! from its lockfile, both against really running services. What they stand on comes from PyPI and npm, pinned.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::{libtorch::cache_folder, run, services::Services};

/// What the Python client stands on, then what builds, checks and tests it, and what that stands on.
const PACKAGES: [&str; 28] = [
    "googleapis-common-protos==1.76.0",
    "grpcio==1.85.3",
    "protobuf==7.36.2",
    "typing_extensions==4.16.0",
    "httpx==0.28.1",
    "pillow==13.0.0",
    "grpcio-tools==1.85.1",
    "hatchling==1.33.0",
    "mypy==2.4.1",
    "pytest==9.2.0",
    "pytest-asyncio==1.5.0",
    "types-grpcio==1.85.0.20261028",
    "types-protobuf==7.35.1.20260906",
    "anyio==4.16.0",
    "ast_serialize==0.13.1",
    "certifi==2026.10.19.post1",
    "h11==0.16.0",
    "httpcore==1.0.9",
    "idna==3.20",
    "iniconfig==2.3.1",
    "librt==0.17.0",
    "mypy_extensions==1.2.0",
    "packaging==26.4",
    "pathspec==1.1.1",
    "pluggy==1.7.0",
    "Pygments==2.21.0",
    "tomlkit==0.15.2",
    "trove-classifiers==2026.9.21.13",
];

/// Builds, checks and tests both clients. Without `npm` it fails: a client that is not tested must not look as if it were.
/// `gateway` names services that run already; else they are started here.
pub(crate) fn test(root: &Path, gateway: Option<String>) -> Result<()> {
    let packages = packages()?;
    let home = root.join(run::DATA).join("clients");
    let (python, typescript) = (root.join("clients/python"), root.join("clients/typescript"));
    let program = |name: &str, folder: &Path, paths: &[&Path]| -> Result<Command> {
        let mut command = Command::new(name);
        command.current_dir(folder).env("PYTHONPATH", std::env::join_paths(paths)?);
        Ok(command)
    };
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home)?;
    let installed = home.join("installed");

    let mut pack = program("python3", &python, &[&packages])?;
    pack.args(["-m", "hatchling", "build", "-t", "sdist", "-d"]).arg(home.join("dist"));
    step("python client: source distribution", &mut pack)?;
    let mut install = program("python3", &home, &[&packages])?;
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    install.args(["--no-build-isolation", "--target"]).arg(&installed).arg(distribution(&home.join("dist"))?);
    step("python client: install it", &mut install)?;
    let mut generate = program("python3", &python, &[&packages])?;
    step("python client: messages from the contract", generate.arg("generate.py"))?;
    let mut types = program("python3", &python, &[&packages])?;
    step("python client: mypy", types.args(["-m", "mypy"]))?;
    let mut ci = program("npm", &typescript, &[])?;
    ci.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    step("typescript client: npm ci (it needs Node.js 20 or later)", &mut ci)?;
    let mut build = program("npm", &typescript, &[])?;
    step("typescript client: messages and tsc", build.args(["run", "build"]))?;

    let (services, address);
    let gateway = match &gateway {
        Some(gateway) => gateway,
        None => {
            services = Services::start(root, "clients")?;
            address = services.url.trim_start_matches("http://").to_owned();
            &address
        }
    };
    let mut pytest = program("python3", &python, &[&installed, &packages])?;
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    step("python client: pytest", pytest.env("FONDUE_ADDRESS", gateway))?;
    let mut node = program("npm", &typescript, &[])?;
    node.arg("test").env("FONDUE_ADDRESS", gateway);
    step("typescript client: node tests", &mut node)
}

/// The folder of Python packages, in the user's cache; installed whole or not at all.
fn packages() -> Result<PathBuf> {
    let cache = cache_folder()?;
    fs::create_dir_all(&cache)?;
    let lock = fs::File::create(cache.join("clients-python.lock"))?;
    lock.lock().context("waiting for another set-up")?;
    let digest = format!("{:x}", Sha256::digest(PACKAGES.join("\n")));
    let home = cache.join(format!("clients-python-{}", &digest[..12]));
    if !home.join("COMPLETE").exists() {
        let partial = cache.join("clients-python.partial");
        let _ = fs::remove_dir_all(&partial);
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]);
        pip.args(["--no-deps", "--target"]).arg(&partial).args(PACKAGES);
        step("python client: what it stands on (about 150 MB, once)", &mut pip)?;
        fs::write(partial.join("COMPLETE"), PACKAGES.join("\n"))?;
        let _ = fs::remove_dir_all(&home);
        fs::rename(&partial, &home)?;
    }
    Ok(home)
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
