//! Packages come by their ordinary clients, once, and are used only if their archive is the very one that was pinned.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use fondue_terminal::{interrupt::Interrupt, progress};
use sha2::{Digest, Sha256};

use super::package::{EMOJIBASE, ICONS, Kind, Package, WORDNET};
use crate::cache::Cache;

/// Where each package lies, unpacked.
#[derive(Debug)]
pub(crate) struct Folders(HashMap<&'static str, PathBuf>);

impl Folders {
    /// Where this one lies.
    pub(crate) fn of(&self, package: &Package) -> PathBuf {
        self.0.get(package.name).cloned().unwrap_or_default()
    }
}

/// Fetches and unpacks what the cache lacks.
pub(crate) fn all(cache: &Cache, interrupt: &Interrupt) -> Result<Folders> {
    let packages: Vec<_> = ICONS.iter().chain([&EMOJIBASE, &WORDNET]).collect();
    let bar = progress::bar(packages.len() as u64, "packages");
    let mut folders = HashMap::new();
    for package in packages {
        interrupt.check()?;
        let folder = cache.folder().join(folder_name(package));
        if !folder.is_dir() {
            let fetched = fetch(package, cache, &folder);
            interrupt.check()?; // Ctrl-C ends the client too: that is no failure of the package
            fetched.with_context(|| format!("fetching {} {}", package.name, package.version))?;
        }
        folders.insert(package.name, folder);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Folders(folders))
}

/// The folder is there only once it is whole: it is made beside its place and renamed.
fn fetch(package: &Package, cache: &Cache, folder: &Path) -> Result<()> {
    let beside = tempfile::Builder::new().prefix("fetching-").tempdir_in(cache.folder())?;
    let (down, unpacked) = (beside.path().join("down"), beside.path().join("unpacked"));
    fs::create_dir(&down)?;
    fs::create_dir(&unpacked)?;
    let pinned = |separator| format!("{}{separator}{}", package.name, package.version);
    let mut client = match package.kind {
        Kind::Npm => command("npm", &["pack", "--silent", &pinned("@")]),
        Kind::Debian => command("apt-get", &["download", "--quiet=2", &pinned("=")]),
        Kind::Crate => bail!("a crate is not fetched"),
    };
    run(client.current_dir(&down))?;
    let archive = the_file_in(&down)?;
    check(&archive, package.sha256)?;
    let mut unpack = match package.kind {
        Kind::Debian => command("dpkg-deb", &["--extract"]),
        _ => command("tar", &["--extract", "--gzip", "--strip-components=1", "--directory"]),
    };
    if package.kind == Kind::Debian {
        unpack.arg(&archive).arg(&unpacked);
    } else {
        unpack.arg(&unpacked).arg("--file").arg(&archive);
    }
    run(&mut unpack)?;
    fs::rename(&unpacked, folder).with_context(|| format!("moving into {}", folder.display()))
}

fn command(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs a client quietly; what it said is told if it fails.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.output().with_context(|| format!("running {program}, which has to be installed"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{program} failed ({}): {}", done.status, said.trim());
    Ok(())
}

fn the_file_in(folder: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder)?;
    Ok(entries.next().context("the client left no file")??.path())
}

fn check(archive: &Path, sha256: &str) -> Result<()> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(archive)?, &mut hash)?;
    let got = format!("{:x}", hash.finalize());
    ensure!(got == sha256, "the archive is another than the one pinned: SHA-256 {got}, not {sha256}");
    Ok(())
}

fn folder_name(package: &Package) -> String {
    let plain = |text: &str| text.replace(['@', '/', ':'], "_");
    format!("{}-{}", plain(package.name), plain(package.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_is_another_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.tgz");
        fs::write(&archive, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(check(&archive, abc).is_ok());
        assert!(check(&archive, &abc.replace('b', "c")).is_err());
    }

    #[test]
    fn a_client_that_fails_is_quoted() {
        let error = run(&mut command("sh", &["-c", "echo no such package >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("no such package"), "{error}");
        let missing = run(&mut command("no-such-client", &[])).unwrap_err();
        assert!(missing.to_string().contains("has to be installed"), "{missing}");
    }
}
