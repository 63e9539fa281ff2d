//! What searches are told: conditions, generations of a turn, indexes by name.

use fondue_proto::{
    dialogue::{
        self, Condition, OpenDialogue, Range, RetrieveRequest, TurnOptions, Value, Values, condition::Test,
        converse_request::Action, value,
    },
    retrieval,
};
use fondue_serving::status::violations_of;

use crate::{
    fakes::{Fake, language::Step::Ret, retrieval::RetrievalFake},
    scene::{Scene, failed, image, images, text, turn, turn_with},
};

fn word(text: &str) -> Value {
    Value { value: Some(value::Value::Text(text.to_owned())) }
}

fn condition(field: &str, test: Test) -> Condition {
    Condition { field: field.to_owned(), test: Some(test), negate: false }
}

fn year(from: f64) -> Condition {
    let range = Range { at_least: Some(from), below: Some(2000.0), ..Range::default() };
    condition("year", Test::Range(range))
}

fn passed_on(scene: &Scene, index: usize) -> Vec<retrieval::Condition> {
    scene.retrieval.asked()[index].conditions.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_go_to_every_search_and_a_turns_own_win() {
    let scene = Scene::new().await;
    let defaults = TurnOptions { conditions: vec![year(1990.0)], ..TurnOptions::default() };
    let mut talk = scene.converse().await;
    talk.act(Action::Open(OpenDialogue { defaults: Some(defaults), ..OpenDialogue::default() }));
    scene.language.will([Ret(1.0)]);
    talk.turn(turn([text("one")])).await;
    let any = Test::AnyOf(Values { values: vec![word("a"), word("b")] });
    let own = vec![Condition { negate: true, ..condition("place", any) }];
    scene.language.will([Ret(1.0), Ret(2.0)]);
    talk.turn(turn_with([text("two")], TurnOptions { conditions: own, ..TurnOptions::default() })).await;

    let [first] = &passed_on(&scene, 0)[..] else { panic!("{:?}", scene.retrieval.asked()) };
    let Some(retrieval::condition::Test::Range(range)) = &first.test else { panic!("{first:?}") };
    assert_eq!((first.field.as_str(), range.at_least, range.below), ("year", Some(1990.0), Some(2000.0)));
    let [second] = &passed_on(&scene, 1)[..] else { panic!("{:?}", scene.retrieval.asked()) };
    let Some(retrieval::condition::Test::AnyOf(values)) = &second.test else { panic!("{second:?}") };
    assert_eq!((second.field.as_str(), second.negate, values.values.len()), ("place", true, 2));
    assert_eq!(passed_on(&scene, 2), passed_on(&scene, 1), "all searches of the turn");

    let request = RetrieveRequest {
        parts: vec![text("a rocket")],
        conditions: vec![year(1.0)],
        ..RetrieveRequest::default()
    };
    scene.client.clone().retrieve(request).await.unwrap();
    assert_eq!(passed_on(&scene, 3).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_end_at_their_limits() {
    let scene = Scene::new().await;
    let ask = async |conditions: Vec<Condition>| {
        let options = TurnOptions { conditions, ..TurnOptions::default() };
        let kinds = scene.converse().await.turn(turn_with([text("hi")], options)).await;
        match kinds.last() {
            Some(dialogue::event::Kind::Failed(failed)) => Some(failed.violations[0].field.clone()),
            _ => None,
        }
    };
    let long = |n: usize| condition("place", Test::Equals(word(&"x".repeat(n))));
    let many = |n: usize| condition("place", Test::AnyOf(Values { values: vec![word("x"); n] }));
    assert_eq!(ask(vec![year(1.0); 32]).await, None);
    assert_eq!(ask(vec![year(1.0); 33]).await.as_deref(), Some("turn.options.conditions"));
    assert_eq!(ask(vec![long(4096), many(1000)]).await, None);
    assert_eq!(ask(vec![long(4097)]).await.as_deref(), Some("turn.options.conditions[0].equals.text"));
    let field = ask(vec![year(1.0), many(1001)]).await;
    assert_eq!(field.as_deref(), Some("turn.options.conditions[1].any_of.values"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turns_own_generation_is_not_the_conversations() {
    let scene = Scene::new().await;
    let mut talk = scene.converse().await;
    let own = TurnOptions { generation: Some("older".into()), ..TurnOptions::default() };
    scene.language.will([Ret(1.0)]);
    let kinds = talk.turn(turn_with([text("one")], own)).await;
    assert_eq!(images(&kinds)[0].generation, "older");
    scene.language.will([Ret(1.0)]);
    talk.turn(turn([text("two")])).await;
    scene.retrieval.activate("second");
    scene.language.will([Ret(1.0)]);
    talk.turn(turn([text("three")])).await;
    let asked = scene.retrieval.asked();
    let generations: Vec<_> = asked.iter().map(|request| request.generation.as_str()).collect();
    assert_eq!(generations, ["older", "", "first"]);
    let long = TurnOptions { generation: Some("g".repeat(257)), ..TurnOptions::default() };
    let kinds = talk.turn(turn_with([text("four")], long)).await;
    assert_eq!(failed(&kinds).violations[0].field, "turn.options.generation");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_searched_by_its_name() {
    let art = RetrievalFake::default();
    art.activate("painted");
    let server = Fake::serve(art.routes());
    let scene = Scene::with(&["--index", &format!("art={}", server.address)]).await;
    let mut talk = scene.converse().await;
    talk.act(Action::Open(OpenDialogue { generation: "mine".into(), ..OpenDialogue::default() }));
    let in_art = TurnOptions { index: Some("art".into()), ..TurnOptions::default() };
    for (options, index, id, generation) in [
        (TurnOptions::default(), "", "one", "mine"),
        (in_art.clone(), "art", "one", "painted"), // the same id in another index is another picture
        (in_art.clone(), "art", "two", "painted"),
        (TurnOptions::default(), "", "two", "mine"),
    ] {
        scene.language.will([Ret(1.0)]);
        let kinds = talk.turn(turn_with([text("show me")], options)).await;
        let found = images(&kinds)[0];
        let found = (found.index.as_str(), found.id.as_str(), found.generation.as_str());
        assert_eq!(found, (index, id, generation));
        if index == "art" {
            art.activate("repainted"); // the conversation stays with what it began with
        }
    }
    assert_eq!((art.asked().len(), scene.retrieval.asked().len()), (2, 2));

    let request = RetrieveRequest {
        parts: vec![image("a"), text("a rocket")],
        index: "art".into(),
        ..RetrieveRequest::default()
    };
    let found = scene.client.clone().retrieve(request.clone()).await.unwrap().into_inner().images;
    assert_eq!((found[0].index.as_str(), art.asked().len()), ("art", 3));
    let none = RetrieveRequest { index: "none".into(), ..request };
    let refused = scene.client.clone().retrieve(none).await.unwrap_err();
    assert_eq!(violations_of(&refused)[0].field, "index");
    let none = TurnOptions { index: Some("none".into()), ..TurnOptions::default() };
    let kinds = talk.turn(turn_with([text("hi")], none)).await;
    assert_eq!(failed(&kinds).violations[0].field, "turn.options.index");
}
