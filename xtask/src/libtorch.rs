//! Has libtorch ready: the user's own by LIBTORCH, else the needed parts of PyPI's wheels, fetched once into the
//! user's cache, whole or not at all.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::cache;

pub(crate) const WHEELS: [&str; 3] =
    ["torch==2.13.0", "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"];
const TRIES: usize = 3;

/// Unpacks what a CPU needs; zipfile checks every member's CRC, so a damaged wheel ends here.
const UNPACK: &str = r#"
import sys, zipfile, pathlib
source, target = map(pathlib.Path, sys.argv[1:])
libs = {f"torch/lib/{n}" for n in ("libtorch.so", "libtorch_cpu.so", "libc10.so")}
for wheel in source.glob("*.whl"):
    with zipfile.ZipFile(wheel) as z:
        for name in z.namelist():
            if name in libs or name.startswith(("torch/include/", "torch/lib/libgomp", "nvidia/")):
                z.extract(name, target)
"#;

/// Fetches libtorch unless it is there, and links `.libtorch` in the project to it.
pub(crate) fn set_up(root: &Path) -> Result<()> {
    if let Some(own) = own_libtorch() {
        ensure!(
            own.join("lib/libtorch_cpu.so").exists(),
            "LIBTORCH={} holds no lib/libtorch_cpu.so",
            own.display()
        );
        return Ok(());
    }
    let (cache, _alone) = cache::alone("libtorch")?;
    let home = cache.join("libtorch-2.13.0-cpu");
    // Written last, so a folder without it is half-used: it is made anew.
    if !home.join("COMPLETE").exists() {
        fetch(&cache, &home)?;
    }
    cache::link(root, ".libtorch", &home)
}

fn fetch(cache: &Path, home: &Path) -> Result<()> {
    let (wheels, unpacked) = (cache.join("libtorch.wheels"), cache.join("libtorch.unpacked"));
    for attempt in 1..=TRIES {
        for folder in [&wheels, &unpacked] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder)?;
        }
        println!("Fetching libtorch 2.13.0 (about 540 MB, once; attempt {attempt} of {TRIES}) …");
        match download(&wheels).and_then(|()| unpack(&wheels, &unpacked)) {
            Ok(()) => {
                fs::write(unpacked.join("COMPLETE"), WHEELS.join("\n"))?;
                let _ = fs::remove_dir_all(home);
                fs::rename(&unpacked, home)?;
                fs::remove_dir_all(&wheels)?;
                println!("libtorch lies in {}", home.display());
                return Ok(());
            }
            Err(error) => eprintln!("That did not work: {error:#}"),
        }
    }
    bail!("libtorch could not be fetched; see above, or set LIBTORCH to a libtorch 2.13 of your own")
}

fn download(to: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version", "3.11"]);
    pip.args(["--implementation", "cp", "--abi", "cp311", "--abi", "none"]);
    for tag in
        ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64"]
    {
        pip.args(["--platform", tag]);
    }
    let status = pip.arg("--dest").arg(to).args(WHEELS).status().context("python3 with pip is needed")?;
    ensure!(status.success(), "pip download failed");
    Ok(())
}

fn unpack(wheels: &Path, to: &Path) -> Result<()> {
    let status = Command::new("python3").args(["-c", UNPACK]).arg(wheels).arg(to).status()?;
    ensure!(status.success(), "a wheel could not be unpacked");
    for part in ["torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/include/torch", "nvidia"] {
        ensure!(to.join(part).exists(), "the wheels hold no {part}");
    }
    Ok(())
}

/// The user's own, unless the variable only holds the default that `.cargo/config.toml` sets.
#[allow(clippy::disallowed_methods)] // the one place that reads the environment
fn own_libtorch() -> Option<PathBuf> {
    env::var_os("LIBTORCH").map(PathBuf::from).filter(|path| !path.ends_with(".libtorch/torch"))
}
