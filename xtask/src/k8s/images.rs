//! The Dockerfiles: hadolint's rules, and what they must have in common with the rest of the project.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::libtorch;

/// Debian's own packages are not pinned: its releases are.
const HADOLINT: [&str; 2] = ["--ignore", "DL3008"];

/// What is wrong with the Dockerfiles of `k8s/images`.
pub(super) fn faults(root: &Path, tools: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for name in ["plain", "torch"] {
        let path = root.join(format!("k8s/images/{name}.Dockerfile"));
        let said = Command::new(tools.join("bin/hadolint")).args(HADOLINT).arg(&path).output()?;
        if !said.status.success() {
            faults.push(String::from_utf8_lossy(&said.stdout).into_owned());
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let wanted = wanted(name);
        let missing = wanted.iter().filter(|words| !text.contains(words.as_str()));
        faults.extend(missing.map(|words| format!("{}: has no `{words}`", path.display())));
    }
    Ok(faults)
}

/// What a Dockerfile must say.
fn wanted(name: &str) -> Vec<String> {
    let mut wanted =
        vec![format!("ARG RUST={}", env!("CARGO_PKG_RUST_VERSION")), "USER 65532:65532".to_owned()];
    if name == "torch" {
        wanted.extend(libtorch::WHEELS.map(str::to_owned));
    }
    wanted
}
