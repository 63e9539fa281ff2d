//! Tests of the browser chat (`tests/browser`): in a real Chromium, against a stand-in that makes everything happen, and against
//! the services themselves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::run;

/// Where Chromium is looked for; `CHROMIUM` names another place.
const CHROMIUM: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

fn folder(root: &Path) -> PathBuf {
    root.join("tests/browser")
}

/// Has Chromium and the tests' packages ready.
pub(crate) fn set_up(root: &Path) -> Result<()> {
    let node = Command::new("node").arg("--version").output();
    ensure!(
        node.is_ok_and(|node| recent(&String::from_utf8_lossy(&node.stdout))),
        "the tests of the browser chat need Node.js 20.10 or later, with npm"
    );
    if std::env::var_os("CHROMIUM").is_none() && !CHROMIUM.iter().any(|place| Path::new(place).exists()) {
        install_chromium()?;
    }
    packages(&folder(root), &["ci"])
}

/// Whether `v20.10.0` or later.
fn recent(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (20, 10),
        _ => false,
    }
}

fn install_chromium() -> Result<()> {
    let told = "the tests of the browser chat need Chromium: install it (on Debian `apt-get install chromium`), or name it in \
                the environment variable CHROMIUM";
    let id = Command::new("id").arg("--user").output().context(told)?;
    let apt = Path::new("/usr/bin/apt-get").exists();
    ensure!(id.stdout.trim_ascii() == b"0" && apt, "{told}");
    println!("Installing Chromium (about 100 MB, once) …");
    let mut update = Command::new("apt-get");
    run::call(update.args(["update", "-qq"])).context(told)?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    run::call(install.args(["install", "-y", "-qq", "chromium"])).context(told)
}

/// `npm ci` or another installation by the lock file, unless what is there was installed by this very lock file.
pub(crate) fn packages(folder: &Path, words: &[&str]) -> Result<()> {
    let lock_file = folder.join("package-lock.json");
    let lock = fs::read(&lock_file).with_context(|| lock_file.display().to_string())?;
    let digest = format!("{:x}", Sha256::digest(lock));
    let stamp = folder.join("node_modules/.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|old| old == digest) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(words).args(["--no-audit", "--no-fund", "--silent"]).current_dir(folder);
    run::call(&mut npm)
        .with_context(|| format!("the packages of {} could not be installed", folder.display()))?;
    fs::write(&stamp, digest).with_context(|| stamp.display().to_string())
}

/// Runs them all; `url` is the gateway's of running services.
pub(crate) fn test(root: &Path, url: &str) -> Result<()> {
    for script in ["check", "unit", "page"] {
        println!("── browser chat: {script}");
        script_of(root, script, None)?;
    }
    println!("── browser chat: real services");
    script_of(root, "real", Some(url))
}

fn script_of(root: &Path, script: &str, url: Option<&str>) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", script]).current_dir(folder(root));
    if let Some(url) = url {
        npm.env("FONDUE_URL", url);
    }
    run::call(&mut npm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared() {
        for (version, wanted) in
            [("v20.10.0\n", true), ("v22.1.0", true), ("v20.9.9", false), ("v18.20.0", false), ("", false)]
        {
            assert_eq!(recent(version), wanted, "{version:?}");
        }
    }
}
