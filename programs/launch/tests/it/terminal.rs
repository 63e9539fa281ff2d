//! `fondue chat` as somebody at a terminal sees it, through a pseudo-terminal.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use rexpect::session::{PtySession, spawn_command};
use tempfile::TempDir;

use crate::fake;

const PATIENCE_MS: u64 = 60_000;

/// Starts a chat in a folder of its own.
fn chat(folder: &Path, gateway: &str, words: &[&str], variables: &[(&str, &str)]) -> PtySession {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue"));
    command.args(["chat", "--gateway", gateway]).args(words).current_dir(folder);
    command
        .env_clear()
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("HOME", folder)
        .env("TERM", "xterm-256color");
    command.envs(variables.iter().copied());
    spawn_command(command, Some(PATIENCE_MS)).unwrap()
}

/// Waits for the question what the terminal can, and answers.
fn tell(session: &mut PtySession, attributes: &str) {
    session.exp_string("\u{1b}[c").unwrap();
    session.send(&format!("\u{1b}[?{attributes}c")).unwrap();
    session.flush().unwrap();
}

/// Types keys; Enter is not among them.
fn keys(session: &mut PtySession, text: &str) {
    session.send(text).unwrap();
    session.flush().unwrap();
}

/// Waits for the prompt, whose looks may change within.
fn prompt(session: &mut PtySession, text: &str) -> String {
    session.exp_string(text).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn at_terminal(work: impl FnOnce(String) + Send + 'static) {
    let gateway = fake::gateway().await;
    tokio::task::spawn_blocking(move || work(gateway)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_shown_as_the_terminal_says_it_can() {
    at_terminal(|gateway| {
        let cases = [
            (Some("62;22"), vec![("COLORTERM", "truecolor")], "\u{1b}[38;2;255;0;0m\u{1b}[48;2;255;0;0m"),
            (Some("62;22"), vec![], "\u{1b}[38;5;196m\u{1b}[48;5;196m"),
            (Some("62;4;22"), vec![], "\u{1b}P"),
            (None, vec![("KITTY_WINDOW_ID", "1")], "\u{1b}_Ga=T,f=100,q=2,"),
            (None, vec![("TERM_PROGRAM", "iTerm.app")], "\u{1b}]1337;File=inline=1;"),
        ];
        for (attributes, variables, expected) in cases {
            let folder = folder();
            let mut session = chat(folder.path(), &gateway, &[], &variables);
            if let Some(attributes) = attributes {
                tell(&mut session, attributes);
            }
            prompt(&mut session, "You: ");
            session.send_line("fruit").unwrap();
            session.exp_string("fruit after 0").unwrap();
            session.exp_string("[picture 1: red apple").unwrap();
            session.exp_string(expected).unwrap();
            prompt(&mut session, "You: ");
            session.send_control('d').unwrap();
            session.exp_eof().unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_does_not_answer_or_wants_no_colour_gets_plain_text() {
    at_terminal(|gateway| {
        for variables in [vec![("NO_COLOR", "1")], vec![("TERM", "dumb")]] {
            let folder = folder();
            let mut session = chat(folder.path(), &gateway, &[], &variables);
            prompt(&mut session, "You: ");
            session.send_line("fruit").unwrap();
            session.exp_string("[picture 1: red apple").unwrap();
            let between = prompt(&mut session, "You: ");
            assert!(!between.contains("\u{1b}[38"), "{variables:?}: {between:?}");
            session.send_line("/quit").unwrap();
            session.exp_eof().unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupts_stop_a_turn_then_clear_the_line_then_leave() {
    at_terminal(|gateway| {
        let folder = folder();
        let mut session = chat(folder.path(), &gateway, &["--pictures", "none"], &[]);
        prompt(&mut session, "You: ");
        session.send_line("wait").unwrap();
        session.exp_string("[picture 1").unwrap();
        session.send_control('c').unwrap();
        session.exp_string("cancelled)").unwrap();
        prompt(&mut session, "You: ");
        keys(&mut session, "nonsense");
        session.exp_string("nonsense").unwrap();
        session.send_control('c').unwrap();
        session.exp_string("Ctrl-C once more").unwrap();
        prompt(&mut session, "You: ");
        // A line between takes the warning back.
        session.send_line("b mute").unwrap();
        session.exp_string("b mute after 1").unwrap();
        prompt(&mut session, "You: ");
        session.send_control('c').unwrap();
        session.exp_string("Ctrl-C once more").unwrap();
        prompt(&mut session, "You: ");
        session.send_control('c').unwrap();
        session.exp_eof().unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_completed_edited_pasted_and_kept() {
    at_terminal(|gateway| {
        let folder = folder();
        fs::write(folder.path().join("cat picture.png"), "12345").unwrap();
        let mut session = chat(folder.path(), &gateway, &["--pictures", "none"], &[]);
        prompt(&mut session, "You: ");
        keys(&mut session, "/ima\tca\t");
        session.exp_string("cat\\ picture.png").unwrap();
        session.send_line("").unwrap();
        prompt(&mut session, "You (+1 picture): ");
        session.send_line("/image '~/cat picture.png'").unwrap();
        prompt(&mut session, "You (+2 pictures): ");
        // Several lines that are pasted are one turn.
        keys(&mut session, "\u{1b}[200~one\ntwo mute\u{1b}[201~");
        session.send_line("").unwrap();
        session.exp_string("<5> <5> one").unwrap();
        session.exp_string("two mute after 0").unwrap();
        prompt(&mut session, "You: ");
        session.send_line("a mute").unwrap();
        session.exp_string("a mute after 1").unwrap();
        prompt(&mut session, "You: ");
        session.send_line("/edit").unwrap();
        prompt(&mut session, "You (instead of turn 2): ");
        session.exp_string("a mute").unwrap();
        keys(&mut session, "\u{1}very \u{5}"); // to the line's begin, and back to its end
        session.send_line("").unwrap();
        session.exp_string("very a mute after 1").unwrap();
        prompt(&mut session, "You: ");
        session.send_control('d').unwrap();
        session.exp_eof().unwrap();

        let past = folder.path().join("state/fondue/chat_history");
        assert_eq!(fs::metadata(&past).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&past).unwrap().contains("very a mute"));
        // It is found again by the arrow keys, in another chat, though it has two lines.
        let mut session = chat(folder.path(), &gateway, &["--pictures", "none", "--no-history-file"], &[]);
        prompt(&mut session, "You: ");
        session.send_control('p').unwrap();
        session.send_line("new mute").unwrap();
        session.exp_string("new mute after 0").unwrap();
        drop(session);
        let mut session = chat(folder.path(), &gateway, &["--pictures", "none"], &[]);
        prompt(&mut session, "You: ");
        for _ in 0..4 {
            session.send_control('p').unwrap();
        }
        session.exp_string("two mute").unwrap();
        session.send_line("").unwrap();
        session.exp_string("two mute after 0").unwrap();
    })
    .await;
}
