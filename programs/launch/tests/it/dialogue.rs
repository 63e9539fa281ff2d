//! `fondue say` and `fondue chat` against a gateway made for the purpose.

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

use crate::fake;

/// Runs `fondue WORDS --gateway …` with `input`; gives stdout, stderr and whether it succeeded.
async fn fondue(words: &[&str], gateway: &str, input: &str) -> (String, String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue"));
    command.args(words).args(["--gateway", gateway]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn say_sends_parts_in_order_and_saves_what_is_found() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let (picture, found) = (folder.path().join("a.png"), folder.path().join("found"));
    fs::write(&picture, "12345").unwrap();
    let (picture, found) = (picture.to_str().unwrap(), found.to_str().unwrap());
    let words = ["say", "--text", "one", "--image", picture, "two", "--save", found];
    let (stdout, stderr, success) = fondue(&words, &gateway, "").await;
    assert!(success, "{stderr}");
    let place = folder.path().join("found/1f34e.png");
    let expected =
        format!("one <5> two after 0\n  [picture: red apple, similarity 0.00, {}]\n", place.display());
    assert_eq!(stdout, expected);
    assert_eq!(fs::read(place).unwrap(), b"png");
}

#[tokio::test(flavor = "multi_thread")]
async fn say_prints_json_one_event_a_line() {
    let gateway = fake::gateway().await;
    let (stdout, stderr, success) = fondue(&["say", "--json", "hello"], &gateway, "").await;
    assert!(success, "{stderr}");
    let events: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0]["text"]["text"], "hello after 0");
    assert_eq!(events[1]["image"]["data"], "cG5n"); // base64 of `png`
    assert_eq!(events[2]["done"]["transcript"], "hello after 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn say_fails_loudly() {
    let gateway = fake::gateway().await;
    let cases = [
        ("fail", "error: UNAVAILABLE: language is down\n  hint: "),
        ("break", "error: the stream ended before the turn did"),
        (
            "wrong",
            "error: INVALID_ARGUMENT: the turn is wrong\n  turn.parts[0].text: is wrong\n  try again in 1 s\n",
        ),
    ];
    for (text, expected) in cases {
        for words in [&["say", text][..], &["say", "--json", text]] {
            let (_, stderr, success) = fondue(words, &gateway, "").await;
            assert!(!success && stderr.starts_with(expected), "{words:?}: {stderr}");
        }
    }
    let (_, stderr, success) = fondue(&["say", "x"], "127.0.0.1:1", "").await;
    assert!(!success && stderr.contains("UNAVAILABLE") && stderr.contains("fondue up"), "{stderr}");
    let (_, stderr, success) = fondue(&["say"], &gateway, "").await;
    assert!(!success && stderr.contains("nothing is said"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_keeps_undoes_and_resets_the_history() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let found = folder.path().join("found");
    let words = ["chat", "--save", found.to_str().unwrap()];
    let lines = "a\nb\n/undo\nc\nfail\nbreak\nd\n/reset\ne\n/image no/such.png\n/dance\n/quit\nf\n";
    let (stdout, stderr, success) = fondue(&words, &gateway, lines).await;
    assert!(success, "{stderr}");
    let answers: Vec<_> = stdout.lines().filter(|line| line.contains(" after ")).collect();
    let said: Vec<_> = answers.iter().map(|line| line.trim_start_matches("You: ")).collect();
    // The fake counts a failed turn too; the client does not, which shows after the stream broke.
    assert_eq!(said[..3], ["a after 0", "b after 1", "c after 1"], "{stdout}");
    assert!(said.contains(&"d after 2"), "{stdout}");
    assert_eq!(said.last(), Some(&"e after 0"), "{stdout}");
    for part in
        ["The last turn is forgotten; 1 remain.", "UNAVAILABLE: language is down", "no/such.png", "no /dance"]
    {
        assert!(stdout.contains(part), "{part}: {stdout}");
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
async fn nothing_from_the_network_commands_the_terminal() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let save = folder.path().to_str().unwrap();
    for words in [
        &["say", "evil"][..],
        &["say", "--save", save, "evil"],
        &["say", "--json", "--save", save, "evil"],
        &["chat", "--save", save],
    ] {
        let (stdout, stderr, _) = fondue(words, &gateway, "evil\n").await;
        let all = stdout + &stderr;
        for part in ["url", "caption", "message", "field", "description"] {
            assert!(all.contains(part), "{words:?}: {part}: {all}");
        }
        assert!(!all.contains(|c: char| c.is_control() && c != '\n'), "{words:?}: {all:?}");
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
