//! `fondue chat` from a pipe, against a gateway made for the purpose.

use std::{fs, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    dialogue::{coded, fondue},
    fake,
};

/// What the fake answered, in order.
fn answers(stdout: &str) -> Vec<&str> {
    stdout.lines().filter(|line| line.contains(" after ") && !line.starts_with(' ')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_keeps_undoes_and_resets_the_history() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let found = folder.path().join("found");
    let words = ["chat", "--save", found.to_str().unwrap()];
    let lines = "a\nb\n/undo\nc\nfail\nbreak\nd\n/reset\ne\n/image no/such.png\n/dance\n/quit\nf\n";
    let (stdout, stderr, code) = coded(&words, &gateway, lines).await;
    assert_eq!(code, Some(6), "the worst fault is the broken stream: {stderr}");
    let answers: Vec<_> =
        stdout.lines().filter(|line| line.contains(" after ") && !line.starts_with(' ')).collect();
    let expected =
        ["a after 0", "b after 1", "c after 1", "fail after 2", "break after 2", "d after 2", "e after 0"];
    assert_eq!(answers, expected, "{stdout}");
    for part in ["1 turn taken back; the history has 1 turn.", "(connected anew; 2 turns were sent again)"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    for part in ["UNAVAILABLE: language is down", "The gateway is lost", "no/such.png", "no /dance"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    assert!(found.join("1f34e.png").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_takes_the_turn_that_the_gateway_holds_last() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let words = ["chat", "--save", folder.path().to_str().unwrap()];
    // A turn without a word is a turn; one that the model never had is none.
    let (stdout, _, _) = fondue(&words, &gateway, "a\nsilent\n/undo\nb\nuntaken\n/undo\nc\n/quit\n").await;
    for part in ["b after 1", "c after 1"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_is_left_by_a_second_interrupt_even_if_the_gateway_hangs() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue"));
    command.args(["chat", "--gateway", &gateway]).current_dir(folder.path()).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hang\n").await.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("[picture") {}
    for _ in 0..2 {
        assert!(child.try_wait().unwrap().is_none());
        kill(Pid::from_raw(child.id().unwrap().cast_signed()), Signal::SIGINT).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let status = timeout(Duration::from_secs(5), child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_go_over_one_stream_or_over_new_ones_with_the_same_outcome() {
    let lines = "a mute\nb mute\nc mute\n/undo 2\nd mute\n/branch 3\ne mute\n/branch 0\nf mute\n/reset\ng mute\n\
                 /branch 4\n/retry\n/edit 2\nB mute\n/branch\n";
    let expected = [
        "a mute after 0",
        "b mute after 1",
        "c mute after 2",
        "d mute after 1",
        "e mute after 3",
        "f mute after 0",
        "g mute after 0",
        "d mute after 1",
        "B mute after 1",
    ];
    for (edits, n_streams) in [(true, 1), (false, 9)] {
        let (gateway, seen) = fake::watched(edits).await;
        let (stdout, stderr, code) = coded(&["chat"], &gateway, lines).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(answers(&stdout), expected, "{stdout}");
        assert_eq!(seen.n_edits() > 0, edits);
        assert!(seen.n_streams() >= 1 && seen.n_streams() <= n_streams, "{edits}: {seen:?}");
        assert!(stdout.contains("*  1  You: a mute\n      Fondue: a mute after 0"), "{stdout}");
        assert!(stdout.contains("\n   5  You: e mute") && stdout.contains("\n*  9  You: B mute"), "{stdout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_survives_the_gateway() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let first = fake::at(&address);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue"));
    command.args(["chat", "--gateway", &address]).current_dir(folder.path()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut faults = BufReader::new(child.stderr.take().unwrap()).lines();
    stdin.write_all(b"a mute\nbreak\n").await.unwrap();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "a mute after 0");
    while !faults.next_line().await.unwrap().unwrap().contains("The gateway is lost") {}
    first.shutdown_background(); // its connections die with it
    stdin.write_all(b"b mute\n").await.unwrap();
    while !faults.next_line().await.unwrap().unwrap().contains("The gateway is lost") {}
    let second = fake::at(&address);
    stdin.write_all(b"/retry\n").await.unwrap();
    drop(stdin);
    let mut rest = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        rest.push(line);
    }
    assert_eq!(
        rest,
        ["break after 1", "(connected anew; 1 turns were sent again)", "b mute after 1"],
        "{rest:?}"
    );
    second.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_lines_make_one_turn() {
    let gateway = fake::gateway().await;
    let input = "one\\\ntwo mute\n/multi\n/three\n\nfour mute\n.\n";
    let (stdout, stderr, _) = fondue(&["chat"], &gateway, input).await;
    assert_eq!(stdout, "one\ntwo mute after 0\n/three\n\nfour mute after 1\n", "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_conditions_and_pictures_are_set_in_the_chat() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("a b.png");
    fs::write(&picture, "12345").unwrap();
    let picture = picture.display();
    let input = format!(
        "/set temperature 0.5\n/set\n/set heat 1\n/filter year>=2000 group=a|b\n/filter\n/filter clear\n/filter\n\
         /image {picture}\n/image '{picture}' https://example.org/x.png\n/image\n{picture}\nlook mute\n/image {picture}\n\
         /drop\n/send\n/image x.png\ncut\n/timings\nz mute\n"
    );
    let (stdout, stderr, code) = coded(&["chat"], &gateway, &input).await;
    assert_eq!(code, Some(2), "{stderr}");
    for part in [
        "temperature        0.5",
        "Found is only: year>=2000  and  group=a|b\n",
        "All pictures may be found.",
        "<5> <5> <https://example.org/x.png> <5> look mute after 0",
        "(the history no longer fits the model's 512 positions: it sees the last 1 turns, 3 are left out)\ncut after 1",
        "z mute after 2\n(first text after ",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}{stderr}");
    }
    for part in
        ["no option `heat`", "Nothing is said and no picture is attached", "opening the picture x.png"]
    {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_saved_and_gone_on_from() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, markdown) = (file("talk.jsonl"), file("talk.md"));
    let input =
        format!("a\nb mute\n/undo\nc mute\n/save {json}\n/save {markdown}\n/save {json}\n/save x.txt\n");
    let save = file("found");
    let (stdout, stderr, code) = coded(&["chat", "--save", &save], &gateway, &input).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stdout.contains("2 turns are written to") && stderr.contains("is there already"),
        "{stdout}{stderr}"
    );
    let text = fs::read_to_string(&markdown).unwrap();
    assert!(text.contains("![red apple](<talk_pictures/1f34e.png>)") && !text.contains("b mute"), "{text}");
    assert_eq!(fs::read(folder.path().join("talk_pictures/1f34e.png")).unwrap(), b"png");
    let (stdout, stderr, _) = fondue(&["chat", "--history", &json], &gateway, "d mute\n/history\n").await;
    assert!(stdout.starts_with("d mute after 2\n"), "{stdout}{stderr}");
    assert!(stdout.contains("Fondue: a after 0 [red apple]"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn found_pictures_are_opened_by_the_systems_viewer() {
    use std::os::unix::fs::PermissionsExt;

    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let viewer = folder.path().join("xdg-open");
    let told = folder.path().join("told");
    // Renamed when it is whole, so that the test reads all or nothing.
    let script = format!("#!/bin/sh\necho \"$1\" > {0}.part\nmv {0}.part {0}\n", told.display());
    fs::write(&viewer, script).unwrap();
    fs::set_permissions(&viewer, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue"));
    command.args(["chat", "--gateway", &gateway, "--save", "found"]).current_dir(folder.path());
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()));
    let mut child =
        command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a\n/open 2\n/open 1\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "There is no such picture.\n");
    let read = async {
        loop {
            match fs::read_to_string(&told) {
                Ok(text) => return text,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(30), read).await.unwrap(), "found/1f34e.png\n");
}
