//! What a turn tells, in which order, and what it asks of the services.

use fondue_proto::dialogue::{FinishReason, Image, ImageFit, Part, TurnOptions, event::Kind, part};
use sha2::{Digest, Sha256};

use crate::{
    fakes::language::Step::{Ret, Text, Wait},
    scene::{Scene, done, image, images, one, text, turn, turn_with, unavailable},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_started_told_and_closed() {
    let scene = Scene::new().await;
    scene.language.will([Text(" Grö"), Text("ße 🍎"), Ret(1.0), Text(" da")]);
    let kinds = scene.reply(turn([text("how tall?")])).await.unwrap().turn().await;

    let Kind::Started(started) = &kinds[0] else { panic!("{kinds:?}") };
    assert_eq!((started.turn_id.len(), started.trace_id.len()), (36, 32));
    let mut joined = String::new();
    for kind in &kinds {
        if let Kind::Text(delta) = kind {
            assert_eq!(delta.offset as usize, joined.chars().count());
            joined += &delta.text;
        }
    }
    assert_eq!(joined, "Größe 🍎 da");
    let [found] = images(&kinds)[..] else { panic!("{kinds:?}") };
    assert_eq!((found.text_offset, found.ret_index, found.rank), (7, 0, 0), "in code points");
    assert_eq!(
        (found.id.as_str(), &*found.data, found.caption.as_str()),
        ("one", &b"one"[..], "picture one")
    );
    assert_eq!((found.generation.as_str(), found.score), ("first", 0.75));

    let done = done(&kinds);
    assert_eq!(done.reason(), FinishReason::Stop);
    assert_eq!((done.text.as_str(), done.transcript.as_str()), ("Größe 🍎 da", "Größe 🍎 [RET] da"));
    let (usage, timings) = (done.usage.unwrap(), done.timings.clone().unwrap());
    assert_eq!((usage.prompt_tokens, usage.generated_tokens, usage.cached_tokens), (7, 3, 4));
    assert_eq!((usage.images_in, usage.images_found), (0, 1));
    assert_eq!((timings.queue_ms, timings.prefill_ms, timings.decode_ms), (1.5, 2.5, 3.5));
    assert!(timings.total_ms >= timings.first_text_ms && timings.first_text_ms > 0.0);
    assert!(timings.search_ms > 0.0 && timings.fetch_ms == 0.0);
    assert!(timings.first_token_ms > 0.0 && timings.first_token_ms <= timings.first_text_ms);
    let [search] = timings.searches[..] else { panic!("{timings:?}") };
    assert!(search.start_ms >= timings.first_token_ms && search.end_ms > search.start_ms, "{timings:?}");
    assert!(search.end_ms <= timings.total_ms && search.ret_index == 0, "{timings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_token_need_not_be_text_and_each_search_has_its_time() {
    let scene = Scene::new().await;
    scene.language.will([Ret(1.0), Ret(2.0)]);
    let kinds = scene.reply(turn([text("show me")])).await.unwrap().turn().await;
    let timings = done(&kinds).timings.clone().unwrap();
    assert!(timings.first_token_ms > 0.0 && timings.first_text_ms == 0.0, "{timings:?}");
    let [first, second] = timings.searches[..] else { panic!("{timings:?}") };
    assert_eq!((first.ret_index, second.ret_index), (0, 1));
    assert!(second.start_ms >= first.end_ms, "one after the other: {timings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_ends_after_the_closing_event() {
    let scene = Scene::new().await;
    let mut events = scene.reply(turn([text("hi")])).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().turn, 1);
    while !matches!(events.kind().await, Kind::Done(_)) {}
    events.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_goes_on_while_a_search_runs() {
    let scene = Scene::new().await;
    scene.retrieval.wait();
    scene.language.will([Text("look"), Ret(1.0), Text(" here"), Text(" now")]);
    let mut events = scene.reply(turn([text("hi")])).await.unwrap();
    // No search is answered until all of the text is here.
    for expected in ["look", " here", " now"] {
        assert_eq!(events.text().await.text, expected);
    }
    scene.retrieval.go_on.add_permits(1);
    let Kind::Image(found) = events.kind().await else { panic!("no picture") };
    assert_eq!(found.text_offset, 4, "it belongs before text that came earlier");
    assert!(matches!(events.kind().await, Kind::Done(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_begins_while_the_model_goes_on() {
    let scene = Scene::new().await;
    scene.language.will([Ret(1.0), Wait, Text("a")]);
    let mut events = scene.reply(turn([text("hi")])).await.unwrap();
    one(&scene.retrieval.came).await;
    assert!(matches!(events.kind().await, Kind::Started(_)));
    assert!(matches!(events.kind().await, Kind::Image(_)), "before any text");
    scene.language.go_on.add_permits(1);
    assert_eq!(events.text().await.text, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_search_leaves_out_what_the_first_found() {
    let scene = Scene::new().await;
    let options = TurnOptions { max_images: Some(3), max_images_per_ret: Some(2), ..TurnOptions::default() };
    // All three at once: the second may not start before the first is answered.
    scene.language.will([Ret(1.0), Ret(2.0), Ret(3.0), Text("a")]);
    let turn = turn_with([image("mine"), text("like this")], options);
    let kinds = scene.reply(turn).await.unwrap().turn().await;

    let places: Vec<_> = images(&kinds).iter().map(|i| (i.id.as_str(), i.ret_index, i.rank)).collect();
    assert_eq!(places, [("one", 0, 0), ("two", 0, 1), ("three", 1, 0)]);
    let [lack] = unavailable(&kinds)[..] else { panic!("{kinds:?}") };
    assert_eq!((lack.ret_index, lack.reason().as_str_name()), (2, "REASON_LIMIT"));
    assert_eq!(scene.language.asked()[0].sampling.unwrap().max_rets, Some(3));

    let [first, second] = &scene.retrieval.asked()[..] else { panic!("two searches") };
    assert_eq!((first.query.as_slice(), first.k), ([1.0].as_slice(), 2));
    assert_eq!((second.query.as_slice(), second.k), ([2.0].as_slice(), 1));
    assert!(first.excluded_ids.is_empty());
    assert_eq!(second.excluded_ids, ["one", "two"]);
    let digest = |data: &str| Sha256::digest(data).to_vec();
    assert_eq!(first.excluded_sha256, [digest("mine")], "what the user showed is not found");
    assert_eq!(second.excluded_sha256, [digest("mine"), digest("one"), digest("two")]);
    assert_eq!((first.generation.as_str(), second.generation.as_str()), ("", "first"), "pinned");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_index_is_told() {
    let scene = Scene::new().await;
    let options = TurnOptions { max_images: Some(5), max_images_per_ret: Some(4), ..TurnOptions::default() };
    scene.language.will([Ret(1.0), Ret(2.0)]);
    let kinds = scene.reply(turn_with([text("all")], options)).await.unwrap().turn().await;
    assert_eq!(images(&kinds).len(), 4);
    assert_eq!(unavailable(&kinds)[0].reason().as_str_name(), "REASON_NONE_LEFT");
    assert_eq!(done(&kinds).transcript, " [RET] [RET]");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_is_a_question_with_its_leading_pictures_before_it() {
    let scene = Scene::new().await;
    let squashed = Image { data: "ccc".into(), fit: ImageFit::Squash as i32, url: String::new() };
    let squashed = Part { kind: Some(part::Kind::Image(squashed)) };
    let options = TurnOptions {
        max_new_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(0.75),
        ret_bias: Some(-1.5),
        ret_scale_factor: Some(1.25),
        min_word_tokens: Some(3),
        seed: Some(4),
        cache_key: Some("tenant".to_owned()),
        ..TurnOptions::default()
    };
    let parts = [image("a"), image("bb"), text("what is\nthis? "), squashed];
    scene.reply(turn_with(parts, options)).await.unwrap().turn().await;

    let prompt = ["<[97.0, 1.0]>", "<[98.0, 2.0]>", "Q: what is\nthis?", "<[99.0, 3.0]>", "\nA:"];
    assert_eq!(scene.language.prompt(0), prompt);
    assert_eq!(scene.vision.encoded(), [(b"a".to_vec(), 1), (b"bb".to_vec(), 1), (b"ccc".to_vec(), 2)]);
    let asked = &scene.language.asked()[0];
    let sampling = asked.sampling.unwrap();
    assert_eq!((asked.max_new_tokens, sampling.ret_bias, sampling.seed), (9, -1.5, Some(4)));
    assert_eq!((sampling.temperature, sampling.top_p), (0.5, 0.75));
    assert_eq!((sampling.ret_scale_factor, sampling.min_word_tokens), (Some(1.25), 3));
    assert_eq!(sampling.max_rets, Some(2), "the server's default");
    assert_eq!(asked.cache_key, "tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_encoded_once_for_all_dialogues_but_for_each_fit() {
    let scene = Scene::with(&["--feature-cache", "8"]).await;
    let squashed = Image { data: "a".into(), fit: ImageFit::Squash as i32, url: String::new() };
    let squashed = Part { kind: Some(part::Kind::Image(squashed)) };
    for parts in [vec![image("a"), image("a")], vec![image("a")], vec![squashed]] {
        scene.reply(turn(parts)).await.unwrap().turn().await;
    }
    assert_eq!(scene.vision.encoded(), [(b"a".to_vec(), 1), (b"a".to_vec(), 2)]);
}
