//! `fondue demo` with services made of shell, of which the gateway's name leads to a real one.

use std::{fs, path::Path};

use crate::{
    cluster::{GOOD, folder, run},
    fake,
};

/// Holds a dialogue of these texts after a picture; gives stdout, stderr and whether it succeeded.
async fn demo(texts: &[&str], found: impl FnOnce(&Path)) -> (String, String, bool) {
    let gateway = format!("echo listening {}; read line", fake::gateway().await);
    let folder = folder([GOOD, GOOD, GOOD, &gateway]);
    let turn = |text: &&str| serde_json::json!({"note": "n", "say": [{"text": text}]});
    let mut turns: Vec<_> = texts.iter().map(turn).collect();
    turns.push(serde_json::json!({"note": "n", "say": [{"picture": "1f431"}, {"text": "mute"}]}));
    let script = serde_json::json!({"title": "t", "turns": turns});
    fs::write(folder.path().join("script.json"), script.to_string()).unwrap();
    fs::create_dir(folder.path().join("drawings")).unwrap();
    fs::write(folder.path().join("drawings/1f431.png"), "cat").unwrap();
    let path = folder.path().to_owned();
    let words = ["demo", "--script", "script.json", "--drawings", "drawings"];
    let output = tokio::task::spawn_blocking(move || run(&path, &words)).await.unwrap();
    found(&folder.path().join(".fondue/found"));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_all_turns_and_saves_what_is_found() {
    let saved = |found: &Path| assert_eq!(fs::read(found.join("1f34e.png")).unwrap(), b"png");
    let (stdout, stderr, success) = demo(&["a", "b"], saved).await;
    assert!(success, "{stderr}");
    for part in [
        "a after 0\n",
        "b after 1\n",
        "<3> mute after 2\n",
        "[picture 1f431] mute",
        "3 turns, 2 pictures found",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fails_with_a_turn_and_without_pictures() {
    let (_, stderr, success) = demo(&["a", "fail"], |_| {}).await;
    assert!(!success && stderr.contains("turn 2: UNAVAILABLE: language is down"), "{stderr}");
    let (_, stderr, success) = demo(&["mute"], |_| {}).await;
    assert!(!success && stderr.contains("no picture"), "{stderr}");
}
