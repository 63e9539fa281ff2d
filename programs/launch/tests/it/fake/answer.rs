//! What the fake gateway answers.

use fondue_proto::dialogue::{
    Event, FieldViolation, FinishReason, FoundImage, HistoryCut, TextDelta, Turn, TurnDone, TurnFailed,
    TurnStarted, Usage, event::Kind, part,
};
use futures::{StreamExt, stream};
use tonic::Status;

use super::Events;

/// What a turn says, pictures as `<length>` or their address.
pub(super) fn said(turn: &Turn) -> String {
    let parts = turn.parts.iter().filter_map(|part| part.kind.as_ref()).map(|kind| match kind {
        part::Kind::Text(text) => text.clone(),
        part::Kind::Image(image) if image.data.is_empty() => format!("<{}>", image.url),
        part::Kind::Image(image) => format!("<{}>", image.data.len()),
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// More text.
pub(super) fn text(text: &str, turn: u32) -> Event {
    Event { turn, kind: Some(Kind::Text(TextDelta { text: text.to_owned(), offset: 0 })) }
}

fn done(text: String) -> TurnDone {
    TurnDone { transcript: text.clone(), text, usage: Some(Usage::default()), ..Default::default() }
}

/// The end of a turn that was cancelled.
pub(super) fn cancelled(turn: u32) -> Event {
    let done = TurnDone { reason: FinishReason::Cancelled.into(), ..done("wait".to_owned()) };
    Event { turn, kind: Some(Kind::Done(done)) }
}

/// Clears the screen, in the ways of seven and eight bits.
const EVIL: &str = "\u{1b}[2J\u{9b}2J";

fn evil_picture() -> Kind {
    let (id, url, caption) = (format!("id{EVIL}"), format!("http://url{EVIL}"), format!("caption{EVIL}"));
    Kind::Image(FoundImage { id, url, caption, ..Default::default() })
}

fn evil_end() -> Kind {
    let violation =
        FieldViolation { field: format!("field{EVIL}"), description: format!("description{EVIL}") };
    let (message, violations) = (format!("message{EVIL}"), vec![violation]);
    Kind::Failed(TurnFailed { code: 3, message, violations, ..Default::default() })
}

/// A red picture of four pixels.
fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let red = image::RgbImage::from_pixel(2, 2, image::Rgb([255, 0, 0]));
    red.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The events of turn number `turn`, which says `said` behind `n_before` turns.
pub(super) fn answer(said: &str, n_before: usize, turn: u32) -> Events {
    let text = format!("{said} after {n_before}");
    let delta = Kind::Text(TextDelta { text: text.clone(), offset: 0 });
    let failed = |code, message: &str| TurnFailed { code, message: message.into(), ..Default::default() };
    let data = if said == "fruit" { png() } else { b"png".to_vec() };
    let image = Kind::Image(FoundImage {
        id: "1f34e".into(),
        caption: "red apple".into(),
        media_type: "image/png".into(),
        data: data.into(),
        ..Default::default()
    });
    let end = Kind::Done(done(text));
    let cut = HistoryCut { turns_left_out: 3, turns_kept: 1, max_positions: 512 };
    let kinds = match said {
        "break" => vec![delta],
        "fail" => vec![delta, image, Kind::Failed(failed(14, "language is down"))],
        "busy" => vec![Kind::Failed(failed(8, "no room"))],
        "slow" => vec![Kind::Failed(failed(4, "too slow"))],
        "silent" => vec![Kind::Done(done(String::new()))],
        "untaken" => vec![Kind::Done(TurnDone { usage: None, ..done(String::new()) })],
        "evil" => vec![evil_picture(), evil_end()],
        "hang" | "wait" => vec![delta, image],
        "cut" => {
            vec![Kind::Started(TurnStarted { history_cut: Some(cut), ..Default::default() }), delta, end]
        }
        said if said.ends_with("mute") => vec![delta, end],
        _ => vec![delta, image, end],
    };
    let events =
        stream::iter(kinds.into_iter().map(move |kind| Ok::<_, Status>(Event { turn, kind: Some(kind) })));
    if ["hang", "wait"].contains(&said) { events.chain(stream::pending()).boxed() } else { events.boxed() }
}
