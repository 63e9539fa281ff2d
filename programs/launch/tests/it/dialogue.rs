//! `fondue say` against a gateway made for the purpose.

use std::{fs, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use crate::fake;

/// Runs `fondue WORDS --gateway …` with `input`; gives stdout, stderr and whether it succeeded.
pub(crate) async fn fondue(words: &[&str], gateway: &str, input: &str) -> (String, String, bool) {
    let (stdout, stderr, code) = coded(words, gateway, input).await;
    (stdout, stderr, code == Some(0))
}

/// The same with the exit code.
pub(crate) async fn coded(words: &[&str], gateway: &str, input: &str) -> (String, String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap(); // for what is found and saved by default
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue"));
    command.args(words).args(["--gateway", gateway]).current_dir(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input.as_bytes()).await; // it may have left before it read
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
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
async fn a_new_key_is_shown_once_and_sent_with_a_call() {
    let (gateway, seen) = fake::watched(true).await;
    assert!(fondue(&["say", "hello"], &gateway, "").await.2);
    assert_eq!(seen.shown(), None);
    let words = ["key", "new", "--id", "alice", "--tenant", "acme", "--concurrent-turns", "2"];
    let made = Command::new(env!("CARGO_BIN_EXE_fondue")).args(words).output().await.unwrap();
    let told = String::from_utf8(made.stdout).unwrap();
    let key = told.lines().find(|line| line.starts_with("fdk_")).unwrap();
    assert_eq!(told.matches(key).count(), 1, "{told}");
    let entry = &told[told.find("[[key]]").unwrap()..];
    let keys = fondue_auth::keys::Keys::read(entry, false, &fondue_auth::keys::Keys::default()).unwrap();
    assert_eq!(keys.len(), 1);
    assert!(fondue(&["say", "hello", "--api-key", key], &gateway, "").await.2);
    assert_eq!(seen.shown(), Some(format!("Bearer {key}")));
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
async fn say_tells_faults_by_its_exit_code() {
    let gateway = fake::gateway().await;
    let cases = [("x", 0), ("wrong", 2), ("busy", 3), ("fail", 4), ("slow", 5), ("break", 6)];
    for (text, code) in cases {
        let (_, stderr, got) = coded(&["say", text], &gateway, "").await;
        assert_eq!(got, Some(code), "{text}: {stderr}");
    }
    for words in
        [&["say"][..], &["say", "--heat", "x"], &["say", "-i", "no/such.png"], &["say", "x", "--filter", "y"]]
    {
        let (_, stderr, got) = coded(words, &gateway, "").await;
        assert_eq!(got, Some(2), "{words:?}: {stderr}");
    }
    assert_eq!(coded(&["say", "x"], "127.0.0.1:1", "").await.2, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn say_reads_stdin_and_sends_urls_and_conditions() {
    let gateway = fake::gateway().await;
    let url = "https://example.org/a.png";
    let cases = [
        (&["say"][..], "piped mute\n", "piped mute after 0"),
        (&["say", "one", "-"], "two mute\n", "one two mute after 0"),
        (&["say", "--image", "-", "mute"], "12345", "<5> mute after 0"),
        (&["say", "--image", url, "mute"], "", "<https://example.org/a.png> mute after 0"),
    ];
    for (words, input, expected) in cases {
        let (stdout, stderr, _) = fondue(words, &gateway, input).await;
        assert_eq!(stdout, format!("{expected}\n"), "{words:?}: {stderr}");
    }
    let words = ["say", "conditions", "--filter", "year>=2000", "--filter", "group!=fruit"];
    let (stdout, stderr, _) = fondue(&words, &gateway, "").await;
    assert!(stdout.contains("at_least: Some(2000.0)") && stdout.contains("negate: true"), "{stdout}{stderr}");
    let (stdout, stderr, _) = fondue(&["say", "cut"], &gateway, "").await;
    assert!(stdout == "cut after 0\n" && stderr.contains("3 are left out"), "{stdout}{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn say_goes_on_from_a_transcript() {
    let gateway = fake::gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.jsonl");
    let file = file.to_str().unwrap();
    let (_, stderr, success) = fondue(&["say", "a", "--transcript", file], &gateway, "").await;
    assert!(success, "{stderr}");
    let go_on = ["say", "b", "--history", file, "--transcript", file];
    let (stdout, stderr, success) = fondue(&go_on, &gateway, "").await;
    assert!(!success && stdout.starts_with("b after 1") && stderr.contains("--force"), "{stdout}{stderr}");
    let (_, stderr, success) = fondue(&[&go_on[..], &["--force"]].concat(), &gateway, "").await;
    assert!(success, "{stderr}");
    let (stdout, _, _) = fondue(&["say", "c", "--history", file], &gateway, "").await;
    assert!(stdout.starts_with("c after 2"), "{stdout}");
    let (_, stderr, code) = coded(&["say", "c", "--history", "no/such.jsonl"], &gateway, "").await;
    assert_eq!(code, Some(2), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn say_is_quiet_when_nobody_reads_any_more() {
    let gateway = fake::gateway().await;
    for words in [&["say", "many"][..], &["say", "--json", "many"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fondue"));
        command.args(words).args(["--gateway", &gateway]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next_line().await.unwrap().unwrap();
        drop(lines);
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    }
}
