//! Prompt composition and what a dialogue remembers.

use fondue_domain::Compat;
use fondue_proto::dialogue::FoundImage;

use super::*;
use crate::request::parts::Origin;

fn limits() -> Limits {
    config().limits
}

fn config() -> crate::config::Config {
    let args: crate::config::Args = clap::Parser::parse_from(["fondue-gateway"]);
    args.resolve().unwrap()
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn picture(content: u8) -> Content {
    let field = Origin::Field("turn.parts[0].image".into());
    Content::Picture(Picture::new(vec![content].into(), None, Compat::Off, field))
}

fn dialogue() -> Dialogue {
    Dialogue::default()
}

fn draft(dialogue: &Dialogue, parts: Vec<Content>) -> Draft {
    dialogue.draft(&parts, Arc::new(Template::default()), &limits()).unwrap()
}

fn refused(dialogue: &Dialogue, parts: Vec<Content>, limits: &Limits) -> String {
    dialogue.draft(&parts, Arc::new(Template::default()), limits).unwrap_err().to_string()
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
fn composes(parts: Vec<Content>, expected: &[&str]) {
    assert_eq!(shown(&draft(&dialogue(), parts).prompt().pieces), expected);
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
fn after_one(parts: Vec<Content>, feed_back: bool) -> Dialogue {
    let mut dialogue = dialogue();
    answered(&mut dialogue, 1, parts, feed_back);
    dialogue
}

/// Answers turn `number` likewise.
fn answered(dialogue: &mut Dialogue, number: u32, parts: Vec<Content>, feed_back: bool) {
    let mut draft = draft(dialogue, parts);
    let features = draft.unseen.iter().map(|picture| (picture.key, Arc::from([1.0]))).collect();
    draft.learn(features, &HashSet::new());
    let mut answer = Answer::default();
    answer.push("Here it is");
    answer.ret(0, 4);
    let image = FoundImage { id: "nine".into(), data: vec![9].into(), ..Default::default() };
    if feed_back {
        answer.feed_back(&image);
    }
    let mut found = Shown::default();
    found.add_found(&image);
    dialogue.record(number, Spoken { draft, answer, found }, &limits());
}

#[test]
fn history_is_one_text_until_a_picture_comes_between() {
    let dialogue = after_one(vec![text("one")], false);
    let drafted = draft(&dialogue, vec![text("two")]);
    assert_eq!(shown(&drafted.prompt().pieces), ["Q: one\nA: Here [RET] it is\nQ: two\nA:"]);
    assert_eq!(drafted.shown.ids(""), ["nine"]);
    assert!(drafted.unseen.is_empty());
}

#[test]
fn found_pictures_enter_the_next_prompt_when_asked() {
    let dialogue = after_one(vec![text("one")], true);
    let drafted = draft(&dialogue, vec![text("two")]);
    assert_eq!(shown(&drafted.prompt().pieces), ["Q: one\nA: Here [RET]", "<9>", " it is\nQ: two\nA:"]);
    assert_eq!(drafted.unseen.len(), 1);
    assert_eq!(drafted.unseen[0].origin, Origin::Found);
    assert_eq!(drafted.n_images, 0, "the user sent none in this turn");
}

#[test]
fn a_fed_back_picture_that_cannot_be_read_leaves_a_whole_text() {
    let dialogue = after_one(vec![text("one")], true);
    let mut drafted = draft(&dialogue, vec![text("two")]);
    let unreadable = drafted.unseen.iter().map(|picture| picture.key).collect();
    drafted.learn(Features::new(), &unreadable);
    assert_eq!(shown(&drafted.prompt().pieces), ["Q: one\nA: Here [RET] it is\nQ: two\nA:"]);
}

#[test]
fn a_picture_is_encoded_once_in_a_dialogue() {
    let dialogue = after_one(vec![picture(1), picture(1), text("one")], false);
    let drafted = draft(&dialogue, vec![picture(1), picture(2), picture(2)]);
    assert_eq!(drafted.unseen.len(), 1, "only picture 2, once");
    assert_eq!(drafted.shown.digests().len(), 3, "both of the user, and the one that was found");
    let wire = prompt::to_wire(&drafted.prompt().pieces, &drafted.features);
    assert!(wire.is_err(), "picture 2 has no features yet");
}

#[test]
fn a_given_history_reads_as_one_that_was_held() {
    let exchange = Exchange {
        parts: vec![text("one")],
        reply: "Here [RET] it is".into(),
        image_ids: vec!["nine".into()],
    };
    let mut dialogue = Dialogue::new(vec![exchange], Some("g".into()));
    let (brought, held) = (draft(&dialogue, vec![]), draft(&after_one(vec![text("one")], false), vec![]));
    assert_eq!(brought.prompt(), held.prompt());
    assert_eq!(brought.shown.ids(""), held.shown.ids(""));
    dialogue.pin(String::new(), "later".into());
    dialogue.pin("other".into(), "later".into());
    assert_eq!(
        (dialogue.generations().of(""), dialogue.generations().of("other")),
        (Some("g"), Some("later"))
    );
}

#[test]
fn a_dialogue_stays_within_its_limits() {
    let dialogue = after_one(vec![picture(1), text("one")], false);
    let message = refused(&dialogue, vec![text("x")], &Limits { turns: 1, ..limits() });
    assert!(message.starts_with("turn: the dialogue holds 1 turns"), "{message}");
    let few = Limits { images_per_dialogue: 1, ..limits() };
    assert!(dialogue.draft(&[text("x")], Arc::default(), &few).is_ok());
    let message = refused(&dialogue, vec![picture(2)], &few);
    assert!(message.starts_with("turn.parts: the dialogue would hold 2 pictures"), "{message}");
}

#[test]
fn what_is_taken_back_can_be_found_again_and_a_branch_knows_its_own() {
    let mut dialogue = after_one(vec![picture(1), text("one")], false);
    answered(&mut dialogue, 2, vec![picture(2), text("two")], true);
    assert_eq!(draft(&dialogue, vec![]).shown.digests().len(), 3);
    dialogue.undo(0, &limits()).unwrap();
    assert_eq!(draft(&dialogue, vec![]).shown.digests().len(), 2, "picture 1 and what the first turn found");
    assert!(dialogue.undo(2, &limits()).is_err());
    dialogue.reset(&limits());
    let drafted = draft(&dialogue, vec![text("anew")]);
    assert_eq!(shown(&drafted.prompt().pieces), ["Q: anew\nA:"]);
    assert!(drafted.shown.ids("").is_empty());
    dialogue.branch(2, &limits()).unwrap();
    let drafted = draft(&dialogue, vec![text("on")]);
    let first = "Q: one\nA: Here [RET] it is\n";
    let expected = ["<1>", first, "<2>", "Q: two\nA: Here [RET]", "<9>", " it is\nQ: on\nA:"];
    assert_eq!(shown(&drafted.prompt().pieces), expected);
    assert_eq!(drafted.unseen.len(), 1, "the picture that was fed back still waits to be seen");
    assert_eq!(dialogue.numbers(), [1, 2]);
}

#[test]
fn what_is_forgotten_takes_its_pictures_along() {
    let mut dialogue = after_one(vec![picture(1), text("one")], false);
    assert_eq!(dialogue.features.len(), 1);
    dialogue.reset(&limits());
    assert_eq!(dialogue.features.len(), 1, "it can be returned to");
    dialogue.reset(&Limits { branch_bytes: 10, ..limits() });
    assert!(dialogue.features.is_empty() && dialogue.branch(1, &limits()).is_err());
    assert!(dialogue.branch(0, &limits()).is_ok());
}

/// The prompt from each place where it may begin.
fn beginnings(prompt: &Prompt) -> Vec<Vec<String>> {
    let from = |cut: &prompt::Cut| {
        let mut pieces = prompt.pieces[cut.piece..].to_vec();
        if let Piece::Text(text) = &mut pieces[0] {
            text.drain(..cut.byte);
        }
        shown(&pieces)
    };
    prompt.cuts.iter().map(from).collect()
}

#[test]
fn a_prompt_may_begin_where_a_turn_does() {
    let mut dialogue = after_one(vec![text("one")], false);
    answered(&mut dialogue, 2, vec![picture(2), text("two")], false);
    answered(&mut dialogue, 3, vec![picture(3)], true);
    let prompt = draft(&dialogue, vec![text("four")]).prompt();
    let last = "Q: four\nA:";
    let third = ["<3>", "Q:\nA: Here [RET]", "<9>", " it is\nQ: four\nA:"];
    let second = ["<2>", "Q: two\nA: Here [RET] it is\n"];
    assert_eq!(beginnings(&prompt), [[&second[..], &third[..]].concat(), third.to_vec(), vec![last]]);
}

#[test]
fn a_template_without_words_between_turns_is_cut_in_the_right_place_too() {
    let none = Template {
        question_prefix: String::new(),
        answer_prefix: String::new(),
        turn_separator: String::new(),
    };
    let mut dialogue = dialogue();
    let mut only_picture = draft(&dialogue, vec![picture(1)]);
    only_picture.learn(Features::new(), &HashSet::new());
    dialogue.record(
        1,
        Spoken { draft: only_picture, answer: Answer::default(), found: Shown::default() },
        &limits(),
    );
    let next = |parts: &[Content]| dialogue.draft(parts, Arc::new(none.clone()), &limits()).unwrap().prompt();
    assert_eq!(beginnings(&next(&[picture(2)])), [["<2>"]]);
    assert_eq!(beginnings(&next(&[text("two")])), [["two"]]);
}

#[test]
fn all_turns_of_a_dialogue_have_one_affinity() {
    let mut dialogue = dialogue();
    let first = draft(&dialogue, vec![text("hello"), picture(1)]);
    let affinity = first.affinity("");
    let spoken = Spoken { draft: first, answer: Answer::new(Compat::Off), found: Shown::default() };
    dialogue.record(1, spoken, &limits());
    assert_eq!(draft(&dialogue, vec![text("and then?")]).affinity(""), affinity);
    assert_ne!(draft(&dialogue, vec![text("and then?")]).affinity("a tenant's"), affinity);
    let other = |parts| draft(&Dialogue::default(), parts).affinity("");
    assert_ne!(other(vec![text("hello"), picture(2)]), affinity);
    assert_ne!(other(vec![text("hello")]), affinity);
}
