//! `fondue up` and the programs beside it, with services made of a few lines of shell.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// Ready at once, stops when its stdin closes.
pub(crate) const GOOD: &str = "echo \"$@\" >&2; echo listening 127.0.0.1:1; read line; exit 0";
/// Ready at once, stops for nothing but SIGKILL.
const STUBBORN: &str = "trap '' TERM INT HUP; echo listening 127.0.0.1:1; while :; do sleep 1; done";

/// A copy of the program with four services beside it.
pub(crate) fn folder(scripts: [&str; 4]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(env!("CARGO_BIN_EXE_fondue"), folder.path().join("fondue")).unwrap();
    for (name, script) in ["vision", "language", "retrieval", "gateway"].into_iter().zip(scripts) {
        let path = folder.path().join(format!("fondue-{name}"));
        let own_id = format!("echo $$ > {}", folder.path().join(format!("{name}.pid")).display());
        fs::write(&path, format!("#!/bin/sh\n{own_id}\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(folder.join("fondue"));
    command
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn run(folder: &Path, words: &[&str]) -> Output {
    command(folder, words).output().unwrap()
}

/// Starts `fondue up` and waits until it says that everything runs.
fn up(folder: &Path, words: &[&str]) -> Child {
    let mut child = command(folder, &[&["up"], words].concat()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("Talk to it")), "fondue up has ended");
    child
}

/// Of the newest process of that name; one that is just starting has not written it yet.
fn id(folder: &Path, name: &str) -> Pid {
    let start = Instant::now();
    loop {
        let told = fs::read_to_string(folder.join(format!("{name}.pid"))).unwrap_or_default();
        match told.trim().parse() {
            Ok(id) => return Pid::from_raw(id),
            Err(error) => assert!(start.elapsed() < Duration::from_secs(5), "{told:?}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lives(id: Pid) -> bool {
    kill(id, None).is_ok()
}

/// Sends a signal; gives stderr, the exit code and how long it took.
fn stop(mut child: Child, signal: Signal) -> (String, Option<i32>, Duration) {
    let start = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (stderr, child.wait().unwrap().code(), start.elapsed())
}

#[test]
fn stops_everything_within_five_seconds_even_what_hangs() {
    let folder = folder([GOOD, STUBBORN, GOOD, GOOD]);
    let names = ["vision", "language", "retrieval", "gateway"];
    let child = up(folder.path(), &["--model", "m", "--index", "i"]);
    let ids = names.map(|name| id(folder.path(), name));
    assert!(ids.into_iter().all(lives));
    let (stderr, code, took) = stop(child, Signal::SIGTERM);
    assert!(ids.into_iter().all(|id| !lives(id)));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(stderr.contains("language did not stop and was killed"), "{stderr}");
    let log =
        |name: &str| fs::read_to_string(folder.path().join(format!(".fondue/logs/{name}.log"))).unwrap();
    assert_eq!(log("vision"), "--listen 127.0.0.1:7401 --model m/clip --stop-with-stdin\n");
    assert_eq!(log("retrieval"), "--listen 127.0.0.1:7403 --index i --stop-with-stdin\n");
    let addresses =
        "--vision http://127.0.0.1:1 --language http://127.0.0.1:1 --retrieval http://127.0.0.1:1";
    assert_eq!(log("gateway"), format!("--listen 127.0.0.1:7400 {addresses} --stop-with-stdin\n"));
}

#[test]
fn a_start_that_fails_tells_why_and_leaves_nothing() {
    // Not before there is somebody else to be stopped.
    let fails = "while [ ! -s \"$(dirname \"$0\")/vision.pid\" ]; do sleep 0.01; done; echo 'model m is not there' >&2; exit 3";
    let folder = folder([GOOD, fails, GOOD, GOOD]);
    let output = run(folder.path(), &["up"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for part in ["language exited with code 3 before it was ready", "| model m is not there", "its command: "]
    {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    assert!(!lives(id(folder.path(), "vision")));
    assert!(!folder.path().join("gateway.pid").exists());
}

#[test]
fn a_start_that_takes_too_long_fails() {
    let folder = folder([GOOD, GOOD, GOOD, "read line"]);
    let output = run(folder.path(), &["up", "--start-timeout", "1"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("gateway was not ready within 1 s"), "{stderr}");
}

#[test]
fn a_death_is_told_and_the_others_stay() {
    let folder = folder([GOOD, GOOD, GOOD, GOOD]);
    let child = up(folder.path(), &["--free-ports", "--verbose"]);
    kill(id(folder.path(), "retrieval"), Signal::SIGKILL).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(lives(id(folder.path(), "gateway")));
    let (stderr, code, _) = stop(child, Signal::SIGINT);
    assert_eq!(code, Some(0));
    assert!(stderr.contains("retrieval was killed by SIGKILL"), "{stderr}");
    assert!(stderr.contains("fondue-retrieval --listen 127.0.0.1:1 --index .fondue/index\n"), "{stderr}");
    assert!(stderr.contains("retrieval | --listen 127.0.0.1:0 --index"), "{stderr}"); // --verbose
}

#[test]
fn a_death_is_mended_on_request() {
    let folder = folder([GOOD, GOOD, GOOD, GOOD]);
    let child = up(folder.path(), &["--free-ports", "--restart"]);
    let first = id(folder.path(), "vision");
    kill(first, Signal::SIGKILL).unwrap();
    let start = Instant::now();
    while id(folder.path(), "vision") == first && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(lives(id(folder.path(), "vision")));
    std::thread::sleep(Duration::from_secs(1)); // it says at which address, and that is read and told
    let (stderr, _, _) = stop(child, Signal::SIGINT);
    assert!(stderr.contains("vision listens on 127.0.0.1:1 again"), "{stderr}");
    assert!(!lives(id(folder.path(), "vision")));
}

#[test]
fn other_names_run_the_program_beside_it() {
    let folder = folder([GOOD, GOOD, GOOD, GOOD]);
    let path = folder.path().join("fondue-echo");
    fs::write(&path, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let output = run(folder.path(), &["echo", "--a", "b c"]);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(7), &b"--a b c\n"[..]));
    let output = run(folder.path(), &["ecko"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("`ecko`") && stderr.contains("echo, gateway, language"), "{stderr}");
}
