//! What a person sees of events.

use fondue_proto::dialogue::{ImageUnavailable, TextDelta, Timings, TurnFailed, TurnStarted, Usage};

use super::*;

fn event(kind: Kind) -> Event {
    Event { turn: 1, kind: Some(kind) }
}

fn text(text: &str) -> Event {
    event(Kind::Text(TextDelta { text: text.into(), offset: 0 }))
}

fn apple() -> FoundImage {
    FoundImage {
        id: "1f34e".into(),
        caption: "red apple".into(),
        score: 0.5,
        media_type: "image/png".into(),
        data: b"png"[..].into(),
        ..FoundImage::default()
    }
}

#[test]
fn prints_a_turn_with_a_picture_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out, Some(Found::new(folder.path())), Screen::default());
    for each in [
        event(Kind::Started(TurnStarted::default())),
        text("Here it"),
        text(" is"),
        event(Kind::Image(apple())),
    ] {
        assert!(printer.event(each).unwrap().is_none());
    }
    printer.event(text(" and more\u{1b}[2J")).unwrap();
    printer
        .event(event(Kind::ImageUnavailable(ImageUnavailable {
            message: "none left".into(),
            ..Default::default()
        })))
        .unwrap();
    assert!(printer.event(event(Kind::Done(TurnDone::default()))).unwrap().is_some());
    assert_eq!(printer.n_images(), 1);
    let path = folder.path().join("1f34e.png");
    assert_eq!(std::fs::read(&path).unwrap(), b"png");
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(
            "Here it is\n  [picture: red apple, similarity 0.50, {}]\n and more\u{fffd}[2J\n  [no picture: none left]\n",
            path.display()
        )
    );
}

#[test]
fn a_failed_turn_is_an_error_and_an_unknown_event_is_none() {
    let mut printer = Printer::new(Vec::new(), None, Screen::default());
    assert!(printer.event(Event::default()).unwrap().is_none());
    let failed = TurnFailed { code: 4, message: "too slow".into(), ..TurnFailed::default() };
    let error = printer.event(event(Kind::Failed(failed))).unwrap_err();
    assert!(error.to_string().starts_with("DEADLINE_EXCEEDED: too slow"), "{error}");
}

#[test]
fn sums_up_a_turn() {
    let mut printer = Printer::new(Vec::new(), None, Screen::default());
    let usage = Some(Usage { generated_tokens: 10, ..Usage::default() });
    let timings = Some(Timings { decode_ms: 100.0, ..Timings::default() });
    let done = TurnDone { usage, timings, reason: FinishReason::Length.into(), ..TurnDone::default() };
    assert!(printer.summary(&done).starts_with("no text, "));
    printer.event(text("x")).unwrap();
    let summary = printer.summary(&done);
    assert!(summary.starts_with("first text after "), "{summary}");
    assert!(summary.ends_with("10 tokens, 100 tokens/s, cut at its length"), "{summary}");
}
