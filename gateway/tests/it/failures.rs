//! Services that are down, die, or take too long; and the gateway's own stop.

use std::time::Duration;

use fondue_domain::{Fault, Violation};
use fondue_proto::dialogue::{TurnOptions, event::Kind};
use fondue_serving::status::{fault_of, from_parts, violations_of};
use tonic::Code;

use crate::{
    fakes::language::Step::{End, Fail, Ret, Text, Wait},
    scene::{Scene, done, failed, image, one, text, turn, turn_with, unavailable},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_retrieval_the_text_is_whole() {
    let mut scene = Scene::new().await;
    scene.retrieval_server.kill();
    scene.language.will([Text("look"), Ret(1.0), Text(" here")]);
    let kinds = scene.reply(turn([text("hi")])).await.unwrap().turn().await;
    let [lack] = unavailable(&kinds)[..] else { panic!("{kinds:?}") };
    assert_eq!((lack.text_offset, lack.ret_index), (4, 0));
    assert_eq!(lack.reason().as_str_name(), "REASON_UNAVAILABLE");
    assert!(lack.message.contains("retrieval"), "{}", lack.message);
    assert_eq!(done(&kinds).text, "look here");
    assert_eq!(done(&kinds).transcript, "look [RET] here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_search_does_not_hold_the_turn() {
    let scene = Scene::with(&["--search-timeout-ms", "50"]).await;
    scene.retrieval.wait();
    scene.language.will([Ret(1.0), Text("a")]);
    let kinds = scene.reply(turn([text("hi")])).await.unwrap().turn().await;
    assert_eq!(unavailable(&kinds)[0].reason().as_str_name(), "REASON_DEADLINE");
    assert_eq!(done(&kinds).text, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_does_not_outlast_the_turn() {
    let scene = Scene::new().await;
    scene.retrieval.wait();
    scene.language.will([Ret(1.0), Ret(2.0), Text("a")]);
    let options = TurnOptions { timeout_ms: Some(2000), ..TurnOptions::default() };
    let kinds = scene.reply(turn_with([text("hi")], options)).await.unwrap().turn().await;
    let lacks: Vec<_> = unavailable(&kinds).iter().map(|l| (l.ret_index, l.reason().as_str_name())).collect();
    assert_eq!(lacks, [(0, "REASON_DEADLINE"), (1, "REASON_DEADLINE")]);
    assert_eq!(done(&kinds).text, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_vision_a_turn_with_pictures_fails_before_any_text() {
    let mut scene = Scene::new().await;
    scene.vision_server.kill();
    let status = scene.reply(turn([image("a"), text("hi")])).await.err().unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("vision"), "{}", status.message());
    assert!(scene.language.asked().is_empty());

    let mut talk = scene.converse().await;
    let kinds = talk.turn(turn([image("a"), text("hi")])).await;
    assert_eq!((kinds.len(), failed(&kinds).code), (2, Code::Unavailable as i32), "{kinds:?}");
    let kinds = talk.turn(turn([text("hi")])).await;
    assert_eq!(done(&kinds).text, "ok", "text needs no vision");
    assert_eq!(scene.language.prompt(0), ["Q: hi\nA:"], "the failed turn left nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_cannot_be_read_is_named_by_the_clients_path() {
    let scene = Scene::new().await;
    let status = scene.reply(turn([image("a"), text("hi"), image("bad")])).await.err().unwrap();
    assert_eq!(violations_of(&status), [Violation::new("turn.parts[2].image.data", "not a picture")]);
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_language_reply_is_a_status_and_a_conversation_goes_on() {
    let mut scene = Scene::new().await;
    let mut talk = scene.converse().await;
    let busy = from_parts(Fault::Busy { retry_after: Duration::from_millis(700) }, "queue is full", vec![]);
    scene.language.will([Fail(busy.clone())]);
    let kinds = talk.turn(turn([text("hi")])).await;
    assert_eq!((failed(&kinds).code, failed(&kinds).retry_delay_ms), (8, 700));
    scene.language.will([Fail(busy)]);
    let status = scene.reply(turn([text("hi")])).await.err().unwrap();
    assert_eq!(fault_of(&status), Fault::Busy { retry_after: Duration::from_millis(700) });
    assert_eq!(done(&talk.turn(turn([text("hi")])).await).text, "ok");

    scene.language_server.kill();
    let status = scene.reply(turn([text("hi")])).await.err().unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    let kinds = talk.turn(turn([text("hi")])).await;
    assert_eq!(failed(&kinds).code, Code::Unavailable as i32);
}

#[tokio::test(flavor = "multi_thread")]
async fn language_that_stops_in_the_middle_is_a_failure_with_the_text_so_far() {
    let scene = Scene::new().await;
    let mut talk = scene.converse().await;
    let long = from_parts(Fault::Internal, "hidden", vec![]);
    for (last, code) in [(End, Code::Unavailable), (Fail(long), Code::Internal)] {
        scene.language.will([Text(" half an"), last]);
        let kinds = talk.turn(turn([text("hi")])).await;
        assert_eq!(
            (failed(&kinds).code, failed(&kinds).text.as_str()),
            (code as i32, "half an"),
            "{kinds:?}"
        );
    }
    talk.turn(turn([text("again")])).await;
    assert_eq!(scene.language.prompt(2), ["Q: again\nA:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn language_that_is_killed_in_the_middle_is_unavailable() {
    let mut scene = Scene::new().await;
    scene.language.will([Text("a"), Wait]);
    let mut events = scene.reply(turn([text("hi")])).await.unwrap();
    events.text().await;
    scene.language_server.kill();
    let Kind::Failed(failed) = events.kind().await else { panic!("not failed") };
    assert_eq!((failed.code, failed.text.as_str()), (Code::Unavailable as i32, "a"), "{failed:?}");
    events.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_has_only_its_time() {
    let scene = Scene::new().await;
    scene.language.will([Text("a"), Wait]);
    let options = TurnOptions { timeout_ms: Some(2000), ..TurnOptions::default() };
    let kinds = scene.reply(turn_with([text("hi")], options)).await.unwrap().turn().await;
    assert_eq!((failed(&kinds).code, failed(&kinds).text.as_str()), (Code::DeadlineExceeded as i32, "a"));
    one(&scene.language.dropped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vision_and_language_of_different_models_are_no_fault_of_the_client() {
    let scene = Scene::new().await;
    let violation = Violation::new("parts[0].image.values", "2 values, expected 1024");
    scene.language.will([Fail(from_parts(Fault::Invalid, "2 values", vec![violation]))]);
    let status = scene.reply(turn([image("a")])).await.err().unwrap();
    assert_eq!((status.code(), violations_of(&status).len()), (Code::Internal, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_begins_no_turn() {
    let mut scene = Scene::with(&["--drain-seconds", "10"]).await;
    scene.language.will([Text("a"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("1")]));
    talk.events.text().await;
    talk.say(turn([text("2")]));
    talk.say(turn([text("3")]));
    let mut idle = scene.converse().await;
    scene.stop.take().unwrap().send(()).unwrap();
    idle.events.next().await.unwrap_err(); // it has heard of it
    scene.language.go_on.add_permits(1);
    assert!(matches!(talk.events.kind().await, Kind::Done(_)), "what runs is finished");
    for number in [2, 3] {
        assert_eq!(talk.events.next().await.unwrap().unwrap().turn, number);
        let Kind::Failed(failed) = talk.events.kind().await else { panic!("not refused") };
        assert_eq!(failed.code, Code::Unavailable as i32);
    }
    assert_eq!(talk.events.next().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(scene.language.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_closes_its_turns() {
    let mut scene = Scene::with(&["--drain-seconds", "1"]).await;
    scene.language.will([Text("a"), Wait]);
    let mut events = scene.reply(turn([text("hi")])).await.unwrap();
    let mut idle = scene.converse().await;
    events.text().await;
    scene.stop.take().unwrap().send(()).unwrap();
    assert_eq!(idle.events.next().await.unwrap_err().code(), Code::Unavailable);
    let Kind::Failed(failed) = events.kind().await else { panic!("not failed") };
    assert_eq!((failed.code, failed.text.as_str()), (Code::Unavailable as i32, "a"));
    scene.ended.await.unwrap().unwrap();
}
