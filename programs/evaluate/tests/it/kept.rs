//! What was answered before a run ended is not asked again, however it ended.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{program, read, report, run, sets, skipped};

const WORDS: [&str; 3] = ["corpus", "--corpus", "corpus"];

/// The file of texts that the model wrote.
fn said(folder: &Path) -> Option<PathBuf> {
    let entry = fs::read_dir(folder.join("work")).ok()?.next()?.ok()?;
    Some(entry.path().join("said.jsonl"))
}

fn lines(folder: &Path) -> usize {
    let text = said(folder).and_then(|path| fs::read(path).ok()).unwrap_or_default();
    text.iter().filter(|&&byte| byte == b'\n').count()
}

/// Starts a run and sends it a signal once some texts are there.
fn broken_off(folder: &Path, signal: Signal) -> (Option<i32>, String) {
    let child = program(folder, &WORDS).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while lines(folder) < 3 {
        assert!(start.elapsed() < Duration::from_secs(300), "it does not begin");
        thread::sleep(Duration::from_millis(1));
    }
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_run_that_was_killed_or_interrupted_goes_on_to_the_same_report() {
    let undisturbed = tempfile::tempdir().unwrap();
    sets::corpus(undisturbed.path());
    let wanted = report(undisturbed.path(), &WORDS);
    let n_all = lines(undisturbed.path());
    let folder = tempfile::tempdir().unwrap();
    sets::corpus(folder.path());
    let (code, errors) = broken_off(folder.path(), Signal::SIGINT);
    let told = "interrupted: stops in a moment; Ctrl-C once more leaves at once\n\
                error: interrupted; the same command goes on where it was\n";
    assert_eq!((code, errors.as_str()), (Some(130), told));
    assert!(!folder.path().join("report.json").exists());
    let n_before = lines(folder.path());
    assert!((3..n_all).contains(&n_before), "{n_before} of {n_all}");
    // A kill may tear the last line.
    let path = said(folder.path()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"key\": \"12");
    fs::write(&path, bytes).unwrap();
    let mut got = report(folder.path(), &WORDS);
    assert_eq!(lines(folder.path()), n_all, "each text was written once");
    got["command"] = wanted["command"].clone();
    assert_eq!(got, wanted);
    // Now everything is known: nothing is loaded or added.
    let before = fs::read(&path).unwrap();
    report(folder.path(), &WORDS);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_killed_run_leaves_no_lock_and_another_run_at_once_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    sets::corpus(folder.path());
    let (code, _) = broken_off(folder.path(), Signal::SIGKILL);
    assert_eq!(code, None);
    let lock = said(folder.path()).unwrap().with_file_name("LOCK");
    let held = fs::File::create(&lock).unwrap();
    held.try_lock().unwrap();
    let (code, _, errors) = run(folder.path(), &WORDS);
    assert_eq!(code, 1);
    assert!(
        errors.contains("another evaluation of this model works in") && errors.contains("--work"),
        "{errors}"
    );
    drop(held);
    report(folder.path(), &WORDS);
    assert!(skipped(&read(folder.path())).is_empty());
}
