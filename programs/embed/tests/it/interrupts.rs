//! Ctrl-C, SIGTERM and outputs that close, with the real program and the shipped model.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::unix::fs::{OpenOptionsExt, symlink},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use fondue_index::Root;
use image::RgbImage;
use nix::{
    libc::O_NONBLOCK,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{data, model};

/// Starts building an index of two pictures, of which the second is a pipe that nobody has written to yet.
fn start(folder: &Path) -> Child {
    RgbImage::new(8, 8).save(folder.join("one.png")).unwrap();
    fs::write(folder.join("captions.tsv"), "image\tcaption\none.png\tone\ntwo.png\ttwo\n").unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("two.png")).status().unwrap().success());
    build(folder).stderr(Stdio::piped()).spawn().unwrap()
}

fn build(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
    command.arg("build").arg("--pictures").arg(folder).arg("--model").arg(model());
    command.arg("--index").arg(folder.join("index"));
    command
}

/// Waits until something is in `folder`.
fn begun(folder: &Path) {
    let start = Instant::now();
    while fs::read_dir(folder).map_or(0, Iterator::count) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not begin");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the builder reads from the pipe, which it does until this, the pipe's other end, is closed.
fn reading(folder: &Path) -> File {
    let start = Instant::now();
    loop {
        // Without a reader this fails.
        if let Ok(pipe) = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(folder.join("two.png"))
        {
            return pipe;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it does not read");
        thread::sleep(Duration::from_millis(10));
    }
}

fn interrupt(child: &Child) {
    send(child, Signal::SIGINT);
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

#[test]
fn an_interrupted_build_publishes_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        ends_a_build(signal);
    }
}

fn ends_a_build(signal: Signal) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    begun(&folder.path().join("index"));
    let mut pipe = reading(folder.path());
    send(&child, signal);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("interrupted: stops in a moment")));
    pipe.write_all(&fs::read(folder.path().join("one.png")).unwrap()).unwrap();
    drop(pipe);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(lines.any(|line| line.ends_with("pictures are done; the same command goes on from there")));
    assert!(lines.any(|line| line == "error: interrupted; nothing was published"));
    assert!(!folder.path().join("index/generations").exists());
    assert!(Root::open(&folder.path().join("index")).unwrap().active().is_err());
}

#[test]
fn a_second_interrupt_leaves_at_once_and_the_next_build_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    begun(&folder.path().join("index"));
    let _pipe = reading(folder.path());
    interrupt(&child);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("interrupted: stops in a moment")));
    interrupt(&child); // it still waits for the second picture
    assert_eq!(child.wait().unwrap().code(), Some(130));
    fs::remove_file(folder.path().join("two.png")).unwrap();
    fs::copy(folder.path().join("one.png"), folder.path().join("two.png")).unwrap();
    let output = build(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let root = Root::open(&folder.path().join("index")).unwrap();
    assert_eq!(root.generation(&root.active().unwrap()).unwrap().len(), 2);
    let left = fs::read_dir(folder.path().join("index")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".resume-")));
}

#[test]
fn an_interrupted_import_leaves_nothing() {
    const FILES: usize = 20_000; // a second or two of work
    let folder = tempfile::tempdir().unwrap();
    for n in 0..FILES {
        symlink(data("shipped.pkl"), folder.path().join(format!("cc3m_embeddings_{n}.pkl"))).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
    command.arg("import").arg(folder.path()).arg("--index").arg(folder.path().join("index"));
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    begun(&folder.path().join("index/generations"));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("interrupted: stops in a moment"), "{text}");
    assert!(text.ends_with("error: interrupted; nothing was published\n"), "{text}");
    assert_eq!(fs::read_dir(folder.path().join("index/generations")).unwrap().count(), 0);
}

#[test]
fn an_output_that_nobody_reads_is_no_failure_and_a_full_disk_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let import = |out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
        command.arg("import").arg(data("shipped.pkl")).arg("--index").arg(folder.path().join("index"));
        let mut child = command.stdout(out).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(import(Stdio::piped()), (Some(0), String::new()));
    let (code, text) = import(OpenOptions::new().write(true).open("/dev/full").unwrap().into());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("is published and active in") && text.contains("stdout: No space left"), "{text}");
}
