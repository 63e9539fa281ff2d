//! Completions and manual pages of the real program, as shells and `man` would read them.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::cluster::{GOOD, folder};

fn fondue(folder: &Path, words: &[&str]) -> Output {
    Command::new(folder.join("fondue")).args(words).current_dir(folder).output().unwrap()
}

/// Text through a program that must like it. None if there is no such program.
fn through(program: &str, words: &[&str], text: &[u8]) -> Option<Output> {
    let mut command = Command::new(program);
    let child =
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    child.stdin.take().unwrap().write_all(text).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// A folder with the program, services, and `fondue-index`.
fn with_index() -> tempfile::TempDir {
    let folder = folder([GOOD; 4]);
    fs::copy(folder.path().join("fondue-vision"), folder.path().join("fondue-index")).unwrap();
    folder
}

#[test]
fn completions_know_all_commands_and_parse() {
    let folder = with_index();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = fondue(folder.path(), &["completions", shell]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        for part in ["chat", "say", "index", "pictures", "completions"] {
            assert!(text.contains(part), "{shell}: {part}");
        }
        if ["bash", "zsh", "fish"].contains(&shell)
            && let Some(output) = through(shell, &["-n"], text.as_bytes())
        {
            assert!(output.status.success(), "{shell}: {output:?}");
        }
    }
}

#[test]
fn manual_pages_are_made_of_every_command() {
    let folder = with_index();
    let output = fondue(folder.path(), &["man", "--out", "pages/man1"]);
    assert!(output.status.success(), "{output:?}");
    for name in ["fondue", "fondue-chat", "fondue-say", "fondue-up", "fondue-index", "fondue-man"] {
        let page = fs::read(folder.path().join(format!("pages/man1/{name}.1"))).unwrap();
        let text = String::from_utf8_lossy(&page);
        assert!(text.contains(".TH") && text.contains(".SH SYNOPSIS"), "{name}: {text}");
        if let Some(output) = through("groff", &["-man", "-Kutf8", "-Tutf8", "-ww", "-z"], &page) {
            assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
        }
    }
    let output = fondue(folder.path(), &["man", "say"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("fondue\\-say") && text.contains("Exit codes:") && text.contains("year>=2000"),
        "{text}"
    );
    assert_eq!(fondue(folder.path(), &["man", "dance"]).status.code(), Some(2));
}

#[test]
fn programs_beside_it_are_told_in_help() {
    let folder = with_index();
    let help = String::from_utf8(fondue(folder.path(), &["--help"]).stdout).unwrap();
    assert!(help.contains("\n  index ") && !help.contains("\n  train "), "{help}");
}
