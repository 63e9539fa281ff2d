//! Histories that do not fit, and how a dialogue reads to a model.

use fondue_proto::{
    dialogue::{Exchange, HistoryCut, ReplyRequest, event::Kind},
    language::Cut,
};

use crate::{
    fakes::language::Step::Text,
    scene::{Events, Scene, image, text, turn},
};

fn history_cut(kinds: &[Kind]) -> Option<HistoryCut> {
    let Kind::Started(started) = &kinds[0] else { panic!("{kinds:?}") };
    started.history_cut
}

fn cuts(scene: &Scene, index: usize) -> Vec<(u32, u32)> {
    scene.language.asked()[index].cuts.iter().map(|Cut { part, byte }| (*part, *byte)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_may_be_left_out_and_the_client_is_told() {
    let scene = Scene::new().await;
    let mut talk = scene.converse().await;
    scene.language.will([Text(" grün")]);
    assert_eq!(history_cut(&talk.turn(turn([text("one")])).await), None);
    talk.turn(turn([text("two")])).await;
    talk.turn(turn([image("a"), text("three")])).await;
    scene.language.begin_at(2, 99);
    let kinds = talk.turn(turn([text("four")])).await;
    let expected = HistoryCut { turns_left_out: 2, turns_kept: 1, max_positions: 99 };
    assert_eq!(history_cut(&kinds), Some(expected));

    // The prompt goes whole, with the places where its turns begin.
    let first = "Q: one\nA: grün\nQ: two\nA: ok\n";
    let rest = "Q: three\nA: ok\nQ: four\nA:";
    assert_eq!(scene.language.prompt(3), [first, "<[97.0, 1.0]>", rest]);
    let after_one = u32::try_from("Q: one\nA: grün\n".len()).unwrap();
    let before_four = u32::try_from("Q: three\nA: ok\n".len()).unwrap();
    assert_eq!(cuts(&scene, 3), [(0, after_one), (1, 0), (2, before_four)]);
    assert_eq!(cuts(&scene, 0), []);
    // The conversation itself keeps them all.
    scene.language.begin_at(0, 99);
    let kinds = talk.turn(turn([text("five")])).await;
    assert_eq!((history_cut(&kinds), cuts(&scene, 4).len()), (None, 4));
    assert_eq!(scene.language.prompt(4)[0], first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_comes_along_is_cut_alike() {
    let scene = Scene::new().await;
    scene.language.begin_at(3, 7);
    let exchange = Exchange { parts: vec![text("hi")], reply: "yes".into(), ..Exchange::default() };
    let request = ReplyRequest {
        turn: Some(turn([text("more")])),
        history: vec![exchange; 3],
        ..ReplyRequest::default()
    };
    let stream = scene.client.clone().reply(request).await.unwrap().into_inner();
    let kinds = Events(stream).turn().await;
    let expected = HistoryCut { turns_left_out: 3, turns_kept: 0, max_positions: 7 };
    assert_eq!(history_cut(&kinds), Some(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialogue_reads_as_the_model_says() {
    let scene = Scene::new().await;
    scene.language.reads("User: ", "<s>Bot:", "</s>");
    let mut talk = scene.converse().await;
    talk.turn(turn([text("one")])).await;
    talk.turn(turn([text("two")])).await;
    assert_eq!(scene.language.prompt(1), ["User: one<s>Bot: ok</s>User: two<s>Bot:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_word_wins_field_by_field() {
    let scene = Scene::with(&["--question-prefix", "Me: ", "--turn-separator", ""]).await;
    scene.language.reads("User: ", "<s>Bot:", "</s>");
    let mut talk = scene.converse().await;
    talk.turn(turn([text("one")])).await;
    talk.turn(turn([text("two")])).await;
    assert_eq!(scene.language.prompt(1), ["Me: one<s>Bot: okMe: two<s>Bot:"]);
}
