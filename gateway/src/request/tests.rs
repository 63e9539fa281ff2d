//! Each wrong input is refused by the name of its field.

use std::{sync::Arc, time::Duration};

use fondue_domain::{Classify, Compat};
use fondue_proto::dialogue::{self as wire, part::Kind};

use super::*;
use crate::config::Config;

fn config() -> Config {
    let args: crate::config::Args = clap::Parser::parse_from(["fondue-gateway"]);
    args.resolve().unwrap()
}

fn text(text: &str) -> wire::Part {
    wire::Part { kind: Some(Kind::Text(text.to_owned())) }
}

fn image(data: &'static [u8], fit: i32) -> wire::Part {
    wire::Part { kind: Some(Kind::Image(wire::Image { data: data.into(), fit, url: String::new() })) }
}

fn checked(parts: Vec<wire::Part>, options: wire::TurnOptions) -> Result<Turn, Failure> {
    let config = config();
    let raw = wire::Turn { parts, options: Some(options) };
    turn(raw, "turn", &Overrides::default(), &config.defaults, &config.limits)
}

/// Fields and descriptions of the violations of a turn.
#[track_caller]
fn refused(parts: Vec<wire::Part>, options: wire::TurnOptions) -> Vec<(String, String)> {
    let failure = checked(parts, options).unwrap_err();
    assert_eq!(failure.fault(), fondue_domain::Fault::Invalid);
    failure.violations().into_iter().map(|v| (v.field, v.description)).collect()
}

#[track_caller]
fn refused_option(options: wire::TurnOptions, field: &str, description: &str) {
    assert_eq!(
        refused(vec![text("hi")], options),
        [(format!("turn.options.{field}"), description.to_owned())]
    );
}

#[track_caller]
fn refused_part(parts: Vec<wire::Part>, field: &str, description: &str) {
    assert_eq!(refused(parts, wire::TurnOptions::default()), [(field.to_owned(), description.to_owned())]);
}

#[test]
fn options_out_of_range_are_named() {
    let unset = wire::TurnOptions::default;
    refused_option(
        wire::TurnOptions { max_new_tokens: Some(-3), ..unset() },
        "max_new_tokens",
        "must be 1 … 1024, got -3",
    );
    refused_option(
        wire::TurnOptions { max_new_tokens: Some(i32::MAX), ..unset() },
        "max_new_tokens",
        "must be 1 … 1024, got 2147483647",
    );
    let temperature = wire::TurnOptions { temperature: Some(f32::NAN), ..unset() };
    refused_option(temperature, "temperature", "must be 0 … 100, got NaN");
    let temperature = wire::TurnOptions { temperature: Some(-0.1), ..unset() };
    refused_option(temperature, "temperature", "must be 0 … 100, got -0.1");
    let top_p = wire::TurnOptions { temperature: Some(1.0), top_p: Some(0.0), ..unset() };
    refused_option(top_p, "top_p", "must be above 0 and at most 1, got 0");
    let top_p = wire::TurnOptions { temperature: Some(1.0), top_p: Some(f32::NAN), ..unset() };
    refused_option(top_p, "top_p", "must be above 0 and at most 1, got NaN");
    let top_p = wire::TurnOptions { top_p: Some(0.5), ..unset() };
    refused_option(top_p, "top_p", "other than 1 needs a temperature above 0, got 0.5");
    let bias = wire::TurnOptions { ret_bias: Some(f32::INFINITY), ..unset() };
    refused_option(bias, "ret_bias", "must be -100 … 100, got inf");
    let factor = wire::TurnOptions { ret_scale_factor: Some(-1.0), ..unset() };
    refused_option(factor, "ret_scale_factor", "must be 0 … 100, got -1");
    let words = wire::TurnOptions { min_word_tokens: Some(65), ..unset() };
    refused_option(words, "min_word_tokens", "must be 0 … max_new_tokens (64), got 65");
    let images = wire::TurnOptions { max_images: Some(33), ..unset() };
    refused_option(images, "max_images", "must be 0 … 32, got 33");
    let images = wire::TurnOptions { max_images_per_ret: Some(0), ..unset() };
    refused_option(images, "max_images_per_ret", "must be 1 … 16, got 0");
    let timeout = wire::TurnOptions { timeout_ms: Some(0), ..unset() };
    refused_option(timeout, "timeout_ms", "must be 1 … 600000, got 0");
    let stop = wire::TurnOptions { stop: vec![String::new()], ..unset() };
    refused_option(stop, "stop[0]", "must be 1 … 64 bytes, got 0");
    let stop = wire::TurnOptions { stop: vec!["x".into(); 9], ..unset() };
    refused_option(stop, "stop", "at most 8 texts, got 9");
    let key = |n| wire::TurnOptions { cache_key: Some("k".repeat(n)), ..unset() };
    refused_option(key(129), "cache_key", "may be 128 bytes long, got 129");
    assert_eq!(checked(vec![text("hi")], key(128)).unwrap().options.cache_key.len(), 128);
}

#[test]
fn parts_that_mean_nothing_are_named() {
    refused_part(vec![], "turn.parts", "needs a picture or a text that is not blank");
    refused_part(vec![text(" \n\t")], "turn.parts", "needs a picture or a text that is not blank");
    refused_part(
        vec![text("a"), wire::Part { kind: None }],
        "turn.parts[1]",
        "must be `text` or `image`, got neither",
    );
    refused_part(
        vec![image(b"", 0)],
        "turn.parts[0].image.data",
        "must be a picture file, or `url` must name one; got 0 bytes",
    );
    refused_part(
        vec![text("a"), image(b"x", 99)],
        "turn.parts[1].image.fit",
        "must be IMAGE_FIT_UNSPECIFIED (0), IMAGE_FIT_CROP (1) or IMAGE_FIT_SQUASH (2), got 99",
    );
    refused_part(vec![image(b"x", 0); 1000], "turn.parts", "at most 16 pictures, got 1000");
    let long = "x".repeat((64 << 10) - 1);
    assert!(checked(vec![text(&long), text("y")], wire::TurnOptions::default()).is_ok());
    refused_part(
        vec![text(&long), text("yz"), text("more")],
        "turn.parts[1].text",
        "texts may hold 65536 bytes together, got at least 65537",
    );
}

#[test]
fn a_picture_is_there_or_has_a_url() {
    let linked = |data: &'static [u8], url: String| {
        let image = wire::Image { data: data.into(), fit: 2, url };
        checked(vec![wire::Part { kind: Some(Kind::Image(image)) }], wire::TurnOptions::default())
    };
    let turn = linked(b"", format!("http://a/{}", "x".repeat(2039))).unwrap();
    let Part::Link(link) = &turn.parts[0] else { panic!("{turn:?}") };
    assert_eq!((link.fit, link.field.as_str()), (Some(Fit::Squash), "turn.parts[0].image"));
    let failure = linked(b"", format!("http://a/{}", "x".repeat(2040))).unwrap_err();
    assert_eq!(failure.to_string(), "turn.parts[0].image.url: may be 2048 bytes long, got 2049");
    let failure = linked(b"x", "http://a/".to_owned()).unwrap_err();
    assert_eq!(failure.to_string(), "turn.parts[0].image: must have `data` or `url`, got both");
}

#[test]
fn where_pictures_are_found_is_the_turns_or_the_conversations_choice() {
    let args: crate::config::Args =
        clap::Parser::parse_from(["fondue-gateway", "--index=art=a", "--index=maps=b"]);
    let config = args.resolve().unwrap();
    let condition = |field: &str| {
        let test = wire::condition::Test::Range(wire::Range { above: Some(1.0), ..Default::default() });
        wire::Condition { field: field.to_owned(), test: Some(test), negate: false }
    };
    let base = wire::TurnOptions {
        conditions: vec![condition("year")],
        generation: Some("g".into()),
        index: Some("art".into()),
        ..Default::default()
    };
    let raw = wire::OpenDialogue { defaults: Some(base), ..Default::default() };
    let open = open(raw, &config.defaults, &config.limits).unwrap();
    let of = |options| {
        let raw = wire::Turn { parts: vec![text("hi")], options: Some(options) };
        turn(raw, "turn", &open.defaults, &config.defaults, &config.limits).map(|turn| turn.options)
    };
    let fields = |options: &Options| options.conditions.iter().map(|c| c.field.clone()).collect::<Vec<_>>();
    let plain = of(wire::TurnOptions::default()).unwrap();
    assert_eq!((plain.index.as_str(), plain.generation.as_deref()), ("art", Some("g")));
    assert_eq!(fields(&plain), ["year"]);
    let other = wire::TurnOptions {
        index: Some("maps".into()),
        conditions: vec![condition("place")],
        ..Default::default()
    };
    let other = of(other).unwrap();
    assert_eq!(
        (other.index.as_str(), other.generation.as_deref()),
        ("maps", None),
        "another index has its own"
    );
    assert_eq!(fields(&other), ["place"]);
    let none = of(wire::TurnOptions { index: Some("none".into()), ..Default::default() }).unwrap_err();
    let expected =
        "turn.options.index: there is no index `none`; beside the unnamed one there are `art`, `maps`";
    assert_eq!(none.to_string(), expected);
    let long = wire::TurnOptions { generation: Some("g".repeat(257)), ..Default::default() };
    assert_eq!(of(long).unwrap_err().violations()[0].field, "turn.options.generation");
    let wrong = wire::TurnOptions { conditions: vec![wire::Condition::default()], ..Default::default() };
    assert_eq!(of(wrong).unwrap_err().violations()[0].field, "turn.options.conditions[0].field");
}

#[test]
fn all_wrong_fields_are_told_at_once_but_not_without_end() {
    let options = wire::TurnOptions { max_images: Some(-1), temperature: Some(-1.0), ..Default::default() };
    assert_eq!(refused(vec![], options).len(), 3);
    assert_eq!(
        refused(vec![wire::Part { kind: None }; 1000], wire::TurnOptions::default()).len(),
        MAX_VIOLATIONS
    );
}

#[test]
fn a_turns_options_win_over_the_conversations_and_those_over_the_servers() {
    let config = config();
    let raw = wire::OpenDialogue {
        defaults: Some(wire::TurnOptions {
            temperature: Some(0.5),
            top_p: Some(0.9),
            stop: vec!["END".into()],
            timeout_ms: Some(5),
            cache_key: Some("tenant".into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let open = open(raw, &config.defaults, &config.limits).unwrap();
    let raw = wire::Turn {
        parts: vec![text("hi")],
        options: Some(wire::TurnOptions { temperature: Some(2.0), ..Default::default() }),
    };
    let options = turn(raw, "turn", &open.defaults, &config.defaults, &config.limits).unwrap().options;
    assert_eq!((options.temperature, options.top_p, options.max_new_tokens), (2.0, 0.9, 64));
    assert_eq!((options.stop, options.timeout), (vec!["END".to_owned()], Duration::from_millis(5)));
    assert_eq!(options.cache_key, "tenant");
}

#[test]
fn histories_are_checked_by_path() {
    let config = Arc::new(config());
    let exchange = |parts, image_ids| wire::Exchange { parts, reply: "yes".into(), image_ids };
    let refused = |history| {
        let raw = wire::OpenDialogue { history, ..Default::default() };
        let failure = open(raw, &config.defaults, &config.limits).unwrap_err();
        failure.violations().into_iter().map(|v| v.field).collect::<Vec<_>>()
    };
    let good = exchange(vec![text("hi")], vec!["a".into()]);
    assert_eq!(
        refused(vec![good.clone(), exchange(vec![text("hi"), image(b"", 0)], vec![])]),
        ["open.history[1].parts[1].image.data"]
    );
    assert_eq!(
        refused(vec![exchange(vec![text("hi")], vec![String::new()])]),
        ["open.history[0].image_ids[0]"]
    );
    assert_eq!(
        refused(vec![wire::Exchange { reply: "x".repeat(70_000), ..good.clone() }]),
        ["open.history[0].reply"]
    );
    assert_eq!(refused(vec![good.clone(); 256]), ["open.history"]);
    let many = exchange(vec![image(b"x", 0); 16], vec![]);
    assert_eq!(refused(vec![many; 17]), ["open.history"]);
    let failure = reply(wire::ReplyRequest::default(), &config.defaults, &config.limits).unwrap_err();
    assert_eq!(failure.violations()[0].field, "turn");
}

#[test]
fn retrieval_prompts_get_their_ret_unless_the_last_text_holds_it() {
    let (defaults, limits) = (config().defaults, config().limits);
    let texts = |parts| {
        let asked =
            retrieve(wire::RetrieveRequest { parts, ..Default::default() }, &defaults, &limits).unwrap();
        assert_eq!(asked.k, 10);
        let text = |part| match part {
            Part::Text(text) => text,
            Part::Picture(_) | Part::Link(_) => "picture".to_owned(),
        };
        asked.parts.into_iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(texts(vec![text("a drawing")]), ["a drawing[RET]"]);
    assert_eq!(texts(vec![text("a [RET] b")]), ["a [RET] b"]);
    assert_eq!(texts(vec![text("[RET]"), text("a"), image(b"x", 0)]), ["[RET]", "a", "picture", "[RET]"]);

    let refused = |raw| retrieve(raw, &defaults, &limits).unwrap_err().violations()[0].field.clone();
    assert_eq!(refused(wire::RetrieveRequest { parts: vec![image(b"x", 0)], ..Default::default() }), "parts");
    assert_eq!(
        refused(wire::RetrieveRequest { parts: vec![text("a")], k: Some(101), ..Default::default() }),
        "k"
    );
    let excluded_ids = vec![String::new()];
    assert_eq!(
        refused(wire::RetrieveRequest { parts: vec![text("a")], excluded_ids, ..Default::default() }),
        "excluded_ids[0]"
    );
}

#[test]
fn scores_need_a_prompt_and_candidates() {
    let (defaults, limits) = (config().defaults, config().limits);
    let refused = |parts, candidates: &[&str]| {
        let candidates = candidates.iter().map(|&text| text.to_owned()).collect();
        let raw = wire::ScoreRequest { parts, candidates, ..Default::default() };
        let failure = score(raw, &defaults, &limits).unwrap_err();
        failure.to_string()
    };
    assert_eq!(refused(vec![], &["a"]), "parts: needs at least one part");
    assert_eq!(refused(vec![text("a")], &[]), "candidates: must be 1 … 128 texts, got 0");
    assert_eq!(refused(vec![text("a")], &["b", ""]), "candidates[1]: must not be empty");
    assert_eq!(refused(vec![text("a")], &["b"; 129]), "candidates: must be 1 … 128 texts, got 129");
}

#[test]
fn the_published_behaviour_is_the_turns_the_conversations_or_the_servers_choice() {
    let (off, reference) = (wire::Compat::Off as i32, wire::Compat::Reference as i32);
    let server = |compat| Defaults { compat, ..config().defaults };
    let limits = config().limits;
    let of = |server: Defaults, conversation, turns| {
        let options = |compat| Some(wire::TurnOptions { compat, ..Default::default() });
        let raw = wire::OpenDialogue { defaults: options(conversation), ..Default::default() };
        let open = open(raw, &server, &limits).unwrap();
        let raw = wire::Turn { parts: vec![image(b"x", 0)], options: options(turns) };
        let turn = turn(raw, "turn", &open.defaults, &server, &limits).unwrap();
        let Part::Picture(picture) = &turn.parts[0] else { panic!("{turn:?}") };
        let usual = if turn.options.compat.is_reference() { Fit::Squash } else { Fit::Crop };
        assert_eq!((picture.key.fit, picture.key.compat), (usual, turn.options.compat));
        turn.options.compat
    };
    assert_eq!(of(server(Compat::Off), 0, 0), Compat::Off);
    assert_eq!(of(server(Compat::Reference), 0, 0), Compat::Reference);
    assert_eq!(of(server(Compat::Off), reference, 0), Compat::Reference);
    assert_eq!(of(server(Compat::Reference), reference, off), Compat::Off);
    refused_option(
        wire::TurnOptions { compat: 3, ..Default::default() },
        "compat",
        "must be COMPAT_UNSPECIFIED (0), COMPAT_OFF (1) or COMPAT_REFERENCE (2), got 3",
    );
    refused_option(
        wire::TurnOptions { compat: reference, stop: vec!["END".into()], ..Default::default() },
        "stop",
        "must be empty with COMPAT_REFERENCE, whose model knows none, got 1 texts",
    );
    // A fit that is asked for holds in both.
    let raw = wire::RetrieveRequest { parts: vec![text("a"), image(b"x", 1)], ..Default::default() };
    let asked = retrieve(raw, &server(Compat::Reference), &limits).unwrap();
    let [Part::Text(text), Part::Picture(picture)] = &asked.parts[..] else { panic!("{asked:?}") };
    assert_eq!((text.as_str(), picture.key.fit), ("a", Fit::Crop), "and no [RET] is added");
}

#[test]
fn a_prompt_may_be_weighed_alone() {
    let (defaults, limits) = (config().defaults, config().limits);
    let raw = wire::ScoreRequest { parts: vec![text("a")], with_prompt: true, ..Default::default() };
    assert!(score(raw.clone(), &defaults, &limits).unwrap().with_prompt);
    let raw = wire::ScoreRequest { candidates: vec!["b".into(); 129], ..raw };
    let failure = score(raw, &defaults, &limits).unwrap_err();
    assert_eq!(failure.to_string(), "candidates: must be 0 … 128 texts, got 129");
}
