//! Something to measure: turns by gRPC and HTTP, with pictures and without, and calls that are refused.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{run, services::Services};

/// How long turns follow each other: several scrapes see them come.
const TIME: Duration = Duration::from_secs(10);

/// Talks for a while.
pub(super) fn run(root: &Path, services: &Services) -> Result<()> {
    let fondue = run::target(root)?.join("release/fondue");
    let say = |words: &[&str]| -> Result<bool> {
        let mut say = Command::new(&fondue);
        say.args(["say", "--gateway", services.address()]).args(words).stdin(Stdio::null());
        Ok(say.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
    };
    let begun = Instant::now();
    // Always another picture: vision is not asked for one that the gateway knows.
    for picture in pictures(&root.join(run::DATA))?.iter().cycle() {
        if begun.elapsed() > TIME {
            break;
        }
        let picture = picture.to_str().context("the drawings' folder has an odd name")?;
        ensure!(say(&["--text", "Can you find a rocket?"])?, "a turn failed");
        ensure!(say(&["--image", picture, "--text", "Another like this?"])?, "a turn with a picture failed");
        // Calls that fail are counted too.
        post(&format!("{}/fondue.dialogue.v1.Dialogue/Nothing", services.url), "application/grpc", "")?;
        let body =
            r#"{"model": "fondue", "messages": [{"role": "user", "content": "Can you find a rocket?"}]}"#;
        let url = format!("{}/v1/chat/completions", services.url);
        ensure!(post(&url, "application/json", body)?, "a turn by HTTP failed");
    }
    Ok(())
}

/// Whether an address answered well.
fn post(url: &str, kind: &str, body: &str) -> Result<bool> {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail", "-H", &format!("content-type: {kind}"), "--data-binary", body, url]);
    Ok(curl.stdout(Stdio::null()).status()?.success())
}

/// The drawings of the gallery.
fn pictures(data: &Path) -> Result<Vec<PathBuf>> {
    let drawings = data.join("drawings");
    let files = fs::read_dir(&drawings).with_context(|| drawings.display().to_string())?;
    let mut files: Vec<_> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "png"));
    files.sort();
    ensure!(!files.is_empty(), "there are no drawings");
    Ok(files)
}
