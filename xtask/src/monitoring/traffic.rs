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
    let picture = a_picture(&root.join(run::DATA))?;
    let say = |words: &[&str]| -> Result<bool> {
        let mut say = Command::new(&fondue);
        say.args(["say", "--gateway", services.address()]).args(words).stdin(Stdio::null());
        Ok(say.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
    };
    let picture = picture.to_str().context("the drawings' folder has an odd name")?;
    let begun = Instant::now();
    for n in 0.. {
        if begun.elapsed() > TIME {
            break;
        }
        ensure!(say(&["--text", "Can you find a rocket?"])?, "a turn failed");
        ensure!(say(&["--image", picture, "--text", "Another like this?"])?, "a turn with a picture failed");
        // Calls that fail are counted too; the alarms take no notice of one now and then.
        if n % 4 == 0 {
            ensure!(!say(&["--timeout-ms", "1", "--text", "Hello"])?, "a turn was answered within no time");
        }
        let body =
            r#"{"model": "fondue", "messages": [{"role": "user", "content": "Can you find a rocket?"}]}"#;
        let url = format!("{}/v1/chat/completions", services.url);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "-H", "content-type: application/json", "-d", body, &url]);
        ensure!(curl.stdout(Stdio::null()).status()?.success(), "a turn by HTTP failed");
    }
    Ok(())
}

/// A drawing of the gallery.
fn a_picture(data: &Path) -> Result<PathBuf> {
    let drawings = data.join("drawings");
    let files = fs::read_dir(&drawings).with_context(|| drawings.display().to_string())?;
    let mut files: Vec<_> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "png"));
    files.sort();
    files.into_iter().next().context("there are no drawings")
}
