//! Processes that behave, and processes that do not.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;

/// A service made of a few lines of shell.
fn plan(folder: &Path, script: &str) -> Plan {
    let program = folder.join("fondue-fake");
    // Written elsewhere and renamed, for no thread that forks meanwhile may hold it open for writing.
    fs::write(folder.join("draft"), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(folder.join("draft"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(folder.join("draft"), &program).unwrap();
    let log = folder.join("fake.log");
    Plan { name: "vision", program, listen: "127.0.0.1:0".into(), flags: Vec::new(), log }
}

fn group_is_empty(process: &Process) -> bool {
    killpg(process.group, None).is_err()
}

/// Gone, or a corpse that its parent has not buried yet.
fn is_dead(id: &str) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

async fn dies(id: &str) {
    for _ in 0..100 {
        if is_dead(id) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("process {id} is still there");
}

#[tokio::test]
async fn announces_and_stops_when_stdin_closes() {
    let folder = tempfile::tempdir().unwrap();
    let plan =
        plan(folder.path(), "trap '' TERM; echo starting; echo listening 127.0.0.1:99; read line; exit 0");
    let (mut process, ready, _) = Process::start(&plan, false).unwrap();
    assert_eq!(ready.await.unwrap(), "127.0.0.1:99");
    let start = Instant::now();
    assert_eq!(process.stop(GRACE).await, End::Stopped);
    assert!(start.elapsed() < Duration::from_secs(2) && group_is_empty(&process));
}

#[tokio::test]
async fn kills_what_ignores_everything_and_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), "trap '' TERM; sleep 300 & echo listening $!; while :; do sleep 1; done");
    let (mut process, ready, _) = Process::start(&plan, false).unwrap();
    let child = ready.await.unwrap();
    assert!(!is_dead(&child));
    assert_eq!(process.stop(Duration::from_millis(300)).await, End::Killed);
    dies(&child).await;
}

#[tokio::test]
async fn a_death_is_told_with_the_last_words() {
    for verbose in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path(), "echo 'port 7401 is taken' >&2; exit 3");
        let (mut process, ready, log) = Process::start(&plan, verbose).unwrap();
        assert!(ready.await.is_err());
        assert_eq!(told(process.exited().await.unwrap()), "exited with code 3");
        assert!(log.tail().ends_with("| port 7401 is taken"), "{}", log.tail());
    }
}

#[tokio::test]
async fn a_dropped_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), "echo listening a:1; exec sleep 300");
    let (process, ready, _) = Process::start(&plan, false).unwrap();
    ready.await.unwrap();
    let group = process.group.to_string();
    assert!(!is_dead(&group));
    drop(process);
    dies(&group).await;
}

#[test]
fn tells_signals_by_name() {
    assert_eq!(told(ExitStatus::from_raw(9)), "was killed by SIGKILL");
}
