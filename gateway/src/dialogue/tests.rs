//! Prompt composition and what a dialogue remembers.

use fondue_domain::Compat;
use fondue_proto::dialogue::FoundImage;

use super::*;
use crate::request::{Overrides, parts::Origin};

fn limits() -> Limits {
    config().limits
}

fn config() -> crate::config::Config {
    let args: crate::config::Args = clap::Parser::parse_from(["fondue-gateway"]);
    args.resolve().unwrap()
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn picture(content: u8) -> Part {
    let field = Origin::Field("turn.parts[0].image".into());
    Part::Picture(Picture::new(vec![content].into(), None, Compat::Off, field))
}

fn turn(parts: Vec<Part>) -> Turn {
    Turn { parts, options: Overrides::default().resolve(&config().defaults) }
}

/// Pieces in short: texts as they are, pictures as `<content>`.
fn shown(pieces: &[Piece]) -> Vec<String> {
    let name = |key: &PictureKey| {
        let is =
            |content: &u8| Picture::new(vec![*content].into(), None, Compat::Off, Origin::Found).key == *key;
        format!("<{}>", (0..=255).find(is).unwrap())
    };
    let show = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Picture(key) => name(key),
    };
    pieces.iter().map(show).collect()
}

#[track_caller]
fn composes(parts: Vec<Part>, expected: &[&str]) {
    let dialogue = Dialogue::new(config().template, Open::default());
    assert_eq!(shown(&dialogue.draft(&turn(parts), &limits()).unwrap().pieces), expected);
}

#[test]
fn a_turn_is_a_question_with_its_pictures_in_place() {
    composes(vec![text(" hello\nthere \n")], &["Q: hello\nthere\nA:"]);
    composes(vec![text("a "), text("b")], &["Q: a b\nA:"]);
    composes(vec![picture(1), text("what?")], &["<1>", "Q: what?\nA:"]);
    composes(vec![text(" "), picture(1), picture(2), text("what?")], &["<1>", "<2>", "Q: what?\nA:"]);
    composes(
        vec![text("this"), picture(1), text(" and "), picture(2)],
        &["Q: this", "<1>", "and", "<2>", "\nA:"],
    );
    composes(vec![picture(1), text("a"), picture(2), text(" ")], &["<1>", "Q: a", "<2>", "\nA:"]);
    composes(vec![picture(1), picture(2)], &["<1>", "<2>", "Q:\nA:"]);
}

/// A dialogue after one turn that was answered with `said`, a found picture `9`, and `more`.
fn after_one(parts: Vec<Part>, feed_back: bool) -> Dialogue {
    let mut dialogue = Dialogue::new(config().template, Open::default());
    let mut draft = dialogue.draft(&turn(parts), &limits()).unwrap();
    let features = draft.unseen.iter().map(|picture| (picture.key, Arc::from([1.0]))).collect();
    draft.learn(features, &HashSet::new());
    let mut answer = Answer::default();
    answer.push("Here it is");
    answer.ret(0, 4);
    let image = FoundImage { id: "nine".into(), data: vec![9].into(), ..Default::default() };
    if feed_back {
        answer.feed_back(&image);
    }
    let mut shown = draft.shown.clone();
    shown.add_found(&image);
    dialogue.record(Spoken { draft, answer, shown });
    dialogue
}

#[test]
fn history_is_one_text_until_a_picture_comes_between() {
    let dialogue = after_one(vec![text("one")], false);
    let draft = dialogue.draft(&turn(vec![text("two")]), &limits()).unwrap();
    assert_eq!(shown(&draft.pieces), ["Q: one\nA: Here [RET] it is\nQ: two\nA:"]);
    assert_eq!(draft.shown.ids(), ["nine"]);
    assert!(draft.unseen.is_empty());
}

#[test]
fn found_pictures_enter_the_next_prompt_when_asked() {
    let dialogue = after_one(vec![text("one")], true);
    let draft = dialogue.draft(&turn(vec![text("two")]), &limits()).unwrap();
    assert_eq!(shown(&draft.pieces), ["Q: one\nA: Here [RET]", "<9>", " it is\nQ: two\nA:"]);
    assert_eq!(draft.unseen.len(), 1);
    assert_eq!(draft.unseen[0].origin, Origin::Found);
    assert_eq!(draft.n_images, 0, "the user sent none in this turn");
}

#[test]
fn a_fed_back_picture_that_cannot_be_read_leaves_a_whole_text() {
    let dialogue = after_one(vec![text("one")], true);
    let mut draft = dialogue.draft(&turn(vec![text("two")]), &limits()).unwrap();
    let unreadable = draft.unseen.iter().map(|picture| picture.key).collect();
    draft.learn(Features::new(), &unreadable);
    assert_eq!(shown(&draft.pieces), ["Q: one\nA: Here [RET] it is\nQ: two\nA:"]);
}

#[test]
fn a_picture_is_encoded_once_in_a_dialogue() {
    let dialogue = after_one(vec![picture(1), picture(1), text("one")], false);
    let draft = dialogue.draft(&turn(vec![picture(1), picture(2), picture(2)]), &limits()).unwrap();
    assert_eq!(draft.unseen.len(), 1, "only picture 2, once");
    assert_eq!(draft.shown.digests().len(), 3, "both of the user, and the one that was found");
    let wire = prompt::to_wire(&draft.pieces, &draft.features);
    assert!(wire.is_err(), "picture 2 has no features yet");
}

#[test]
fn a_given_history_reads_as_one_that_was_held() {
    let exchange = Exchange {
        parts: vec![text("one")],
        reply: "Here [RET] it is".into(),
        image_ids: vec!["nine".into()],
    };
    let open = Open { history: vec![exchange], generation: Some("g".into()), ..Open::default() };
    let mut dialogue = Dialogue::new(config().template, open);
    let held = after_one(vec![text("one")], false);
    assert_eq!(dialogue.pieces, held.pieces);
    assert_eq!(dialogue.shown.ids(), held.shown.ids());
    dialogue.pin(Some("later".into()));
    assert_eq!(dialogue.generation.as_deref(), Some("g"));
}

#[test]
fn a_dialogue_stays_within_its_limits() {
    let dialogue = after_one(vec![picture(1), text("one")], false);
    let failure = dialogue.draft(&turn(vec![text("x")]), &Limits { turns: 1, ..limits() }).unwrap_err();
    assert!(failure.to_string().starts_with("turn: the dialogue holds 1 turns"), "{failure}");
    let few = Limits { images_per_dialogue: 1, ..limits() };
    assert!(dialogue.draft(&turn(vec![text("x")]), &few).is_ok());
    let failure = dialogue.draft(&turn(vec![picture(2)]), &few).unwrap_err();
    assert!(failure.to_string().starts_with("turn.parts: the dialogue would hold 2 pictures"), "{failure}");
}
