//! The tree of turns; what is saved comes back.

use std::fs;

use fondue_proto::dialogue::{FinishReason, HistoryCut, ImageFit, Usage};

use super::*;
use crate::picture;

fn said(text: &str) -> Turn {
    Turn::new(vec![picture::text(text)])
}

/// A turn with everything in it.
fn full() -> Turn {
    let sent = fondue_proto::dialogue::Image {
        data: b"sent"[..].into(),
        fit: ImageFit::Squash.into(),
        ..Default::default()
    };
    let linked =
        fondue_proto::dialogue::Image { url: "https://example.org/a.png".into(), ..Default::default() };
    let part = |image| Part { kind: Some(part::Kind::Image(image)) };
    let found = FoundImage {
        text_offset: 5,
        id: "../1f34e".into(),
        generation: "g1".into(),
        caption: "a [red] apple\nof two lines".into(),
        score: 0.25,
        media_type: "image/png".into(),
        data: b"found"[..].into(),
        ..Default::default()
    };
    let elsewhere = FoundImage {
        text_offset: 9,
        ret_index: 1,
        id: "x".into(),
        url: "https://example.org/x.png".into(),
        ..Default::default()
    };
    Turn {
        said: vec![picture::text("look: *this*"), part(sent), part(linked)],
        started: TurnStarted {
            turn_id: "t".into(),
            history_cut: Some(HistoryCut { turns_left_out: 1, turns_kept: 2, max_positions: 512 }),
            ..Default::default()
        },
        images: vec![found, elsewhere],
        unavailable: vec![ImageUnavailable {
            ret_index: 2,
            reason: 2,
            message: "none left".into(),
            text_offset: 9,
        }],
        done: TurnDone {
            text: "Hère: two.".into(),
            transcript: "Hère: [RET] two. [RET]".into(),
            reason: FinishReason::Length.into(),
            usage: Some(Usage { generated_tokens: 7, ..Default::default() }),
            timings: None,
        },
    }
}

#[test]
fn the_history_is_a_path_in_a_tree() {
    let mut transcript = Transcript::default();
    assert!(transcript.path().is_empty());
    for text in ["a", "b", "c"] {
        transcript.push(said(text));
    }
    assert_eq!(transcript.path(), [1, 2, 3]);
    transcript.go_to(1);
    assert_eq!(transcript.push(said("d")), 4);
    assert_eq!(transcript.path(), [1, 4]);
    assert_eq!((transcript.before(4), transcript.before(1), transcript.before(0)), (1, 0, 0));
    transcript.go_to(3);
    assert_eq!(transcript.path(), [1, 2, 3]);
    transcript.go_to(0);
    assert!(transcript.history().is_empty());
    assert_eq!(transcript.turn(4).map(Turn::text), Some("d".to_owned()));
    assert!(transcript.turn(5).is_none() && transcript.turn(0).is_none());
}

#[test]
fn json_lines_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.jsonl");
    let turns = [full(), said("plain")];
    save(&turns.each_ref(), &path, false).unwrap();
    assert_eq!(load(&path).unwrap(), turns);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().next().unwrap().contains("\"fondue_transcript\":1"), "{text}");
    assert_eq!(fs::read(folder.path().join("talk_pictures/_1f34e.png")).unwrap(), b"found");
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["talk.jsonl", "talk.md"] {
        let path = folder.path().join(name);
        fs::write(&path, "mine").unwrap();
        assert!(save(&[&full()], &path, false).unwrap_err().to_string().contains("--force"));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert!(!folder.path().join("talk_pictures").exists());
    }
    for name in ["talk.jsonl", "talk.md"] {
        let path = folder.path().join(name);
        save(&[&full()], &path, true).unwrap();
        assert_ne!(fs::read(&path).unwrap(), b"mine");
    }
    assert!(save(&[], &folder.path().join("talk.txt"), true).is_err());
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 3, "nothing temporary is left");
}

#[test]
fn markdown_has_pictures_where_they_belong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a talk.md");
    save(&[&full()], &path, false).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for part in [
        "## Turn 1",
        "look: \\*this\\*",
        "![a \\[red\\] apple of two lines](<a talk_pictures/_1f34e.png>)",
        "*a \\[red\\] apple of two lines* (similarity 0.25)",
        "![x](<https://example.org/x.png>)",
        "No picture: none left",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let order = ["Hère:", "_1f34e.png", "\ntwo\n", "x.png"].map(|part| text.find(part).unwrap());
    assert!(order.is_sorted(), "{order:?}: {text}");
}

#[test]
fn files_of_others_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let head = "{\"fondue_transcript\":1}\n";
    for wrong in [
        "",
        "{}",
        "{\"fondue_transcript\":2}",
        &format!("{head}nonsense"),
        &format!(
            "{head}{{\"turn\":1,\"said\":[{{\"picture\":\"/etc/passwd\"}}],\"text\":\"\",\"transcript\":\"\"}}"
        ),
        &format!(
            "{head}{{\"turn\":1,\"said\":[{{\"picture\":\"../x\"}}],\"text\":\"\",\"transcript\":\"\"}}"
        ),
        &format!("{head}{{\"turn\":1,\"said\":[{{\"song\":\"x\"}}],\"text\":\"\",\"transcript\":\"\"}}"),
    ] {
        let path = folder.path().join("x.jsonl");
        fs::write(&path, wrong).unwrap();
        assert!(load(&path).is_err(), "{wrong}");
    }
}
