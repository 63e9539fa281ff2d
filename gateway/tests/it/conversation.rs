//! Conversations: what the next turn knows of the ones before, cancelling, waiting, breaking the protocol.

use std::time::Duration;

use fondue_proto::dialogue::{
    CancelTurn, Exchange, FinishReason, OpenDialogue, TurnOptions, converse_request::Action, event::Kind,
};
use fondue_serving::status::violations_of;
use tonic::Code;

use crate::{
    fakes::{
        language::Step::{Queue, Ret, Text, Wait},
        retrieval::IDS,
    },
    scene::{Scene, done, failed, image, images, one, reply, text, turn, turn_with},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_next_turn_reads_the_transcript_and_finds_other_pictures() {
    let scene = Scene::new().await;
    scene.language.will([Text(" An apple"), Ret(1.0), Text(" for you")]);
    scene.language.will([Ret(2.0)]);
    let mut talk = scene.converse().await;
    talk.turn(turn([image("a"), text("fruit?")])).await;
    scene.retrieval.activate("second");
    let kinds = talk.turn(turn([image("a"), image("bb"), text("more")])).await;

    let history = "Q: fruit?\nA: An apple [RET] for you\n";
    let prompt = ["<[97.0, 1.0]>", history, "<[97.0, 1.0]>", "<[98.0, 2.0]>", "Q: more\nA:"];
    assert_eq!(scene.language.prompt(1), prompt);
    let contents: Vec<_> = scene.vision.encoded().into_iter().map(|(data, _)| data).collect();
    assert_eq!(contents, [b"a".to_vec(), b"bb".to_vec()], "no picture is encoded twice");
    assert_eq!(images(&kinds)[0].id, "two");
    let asked = scene.retrieval.asked();
    assert_eq!(asked[1].excluded_ids, ["one"]);
    assert_eq!(asked[1].excluded_sha256.len(), 3, "a, the found one, bb");
    assert_eq!(asked[1].generation, "first", "the conversation stays with its generation");
}

#[tokio::test(flavor = "multi_thread")]
async fn found_pictures_are_fed_back_when_asked() {
    let scene = Scene::new().await;
    scene.language.will([Text(" here"), Ret(1.0), Text(" it is")]);
    let mut talk = scene.converse().await;
    let defaults = TurnOptions { feed_back_images: Some(true), ..TurnOptions::default() };
    talk.act(Action::Open(OpenDialogue { defaults: Some(defaults), ..OpenDialogue::default() }));
    talk.turn(turn([text("one")])).await;
    talk.turn(turn([text("two")])).await;
    assert_eq!(
        scene.language.prompt(1),
        ["Q: one\nA: here [RET]", "<[111.0, 3.0]>", " it is\nQ: two\nA:"],
        "the picture `one` begins with an o and has three bytes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_picture_that_vision_cannot_read_is_left_out() {
    let scene = Scene::new().await;
    scene.language.will([Text(" here"), Ret(1.0), Text(" it is")]);
    let mut talk = scene.converse().await;
    let exchange = Exchange {
        parts: vec![text("hi")],
        reply: "yes".into(),
        image_ids: IDS[..3].iter().map(|id| (*id).to_owned()).collect(),
    };
    talk.act(Action::Open(OpenDialogue { history: vec![exchange], ..OpenDialogue::default() }));
    let feed_back = TurnOptions { feed_back_images: Some(true), ..TurnOptions::default() };
    let kinds = talk.turn(turn_with([text("one")], feed_back)).await;
    assert_eq!((images(&kinds)[0].id.as_str(), &*images(&kinds)[0].data), ("four", &b"bad"[..]));
    assert_eq!(done(&talk.turn(turn([image("a"), text("two")])).await).text, "ok");
    let history = "Q: hi\nA: yes\nQ: one\nA: here [RET] it is\n";
    assert_eq!(scene.language.prompt(1), [history, "<[97.0, 1.0]>", "Q: two\nA:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_from_a_given_history() {
    let scene = Scene::new().await;
    scene.language.will([Ret(1.0)]);
    let exchange = Exchange {
        parts: vec![image("a"), text("fruit?")],
        reply: "An apple [RET]".into(),
        image_ids: vec!["one".into()],
    };
    let mut talk = scene.converse().await;
    talk.act(Action::Open(OpenDialogue {
        history: vec![exchange],
        generation: "mine".into(),
        ..OpenDialogue::default()
    }));
    let kinds = talk.turn(turn([text("more")])).await;
    assert_eq!(scene.language.prompt(0), ["<[97.0, 1.0]>", "Q: fruit?\nA: An apple [RET]\nQ: more\nA:"]);
    assert_eq!(images(&kinds)[0].id, "two");
    assert_eq!(scene.retrieval.asked()[0].generation, "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_the_turn_and_frees_the_engine() {
    let scene = Scene::new().await;
    scene.language.will([Text(" so"), Text(" far"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("tell me")]));
    assert_eq!(talk.events.text().await.text, "so");
    assert_eq!(talk.events.text().await.text, " far");
    talk.act(Action::Cancel(CancelTurn {}));
    let Kind::Done(done) = talk.events.kind().await else { panic!("not done") };
    assert_eq!(done.reason(), FinishReason::Cancelled);
    assert_eq!((done.text.as_str(), done.usage.unwrap().prompt_tokens), ("so far", 7));
    one(&scene.language.dropped).await;

    talk.act(Action::Cancel(CancelTurn {})); // nothing runs: nothing happens
    talk.turn(turn([text("go on")])).await;
    assert_eq!(scene.language.prompt(1), ["Q: tell me\nA: so far\nQ: go on\nA:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_frees_the_engine() {
    let scene = Scene::new().await;
    scene.language.will([Text("a"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("hi")]));
    talk.events.text().await;
    drop(talk);
    one(&scene.language.dropped).await;

    scene.language.will([Text("a"), Wait]);
    let mut events = scene.reply(turn([text("hi")])).await.unwrap();
    events.text().await;
    drop(events);
    one(&scene.language.dropped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_still_queues_can_be_cancelled_and_left() {
    let scene = Scene::new().await;
    let mut talk = scene.converse().await;
    scene.language.will([Queue]);
    talk.say(turn([text("hi")]));
    one(&scene.language.came).await;
    talk.act(Action::Cancel(CancelTurn {}));
    let kinds = talk.events.turn().await;
    assert_eq!((kinds.len(), done(&kinds).reason()), (2, FinishReason::Cancelled));
    one(&scene.language.dropped).await;

    scene.language.will([Queue]);
    let (client, request) = (scene.client.clone(), turn([text("hi")]));
    let call = tokio::spawn(async move { reply(client, request).await.map(|_| ()) });
    one(&scene.language.came).await;
    assert!(!call.is_finished(), "nothing is told before the engine has taken the prompt");
    call.abort();
    one(&scene.language.dropped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_drops_a_running_search() {
    let scene = Scene::new().await;
    scene.retrieval.wait();
    scene.language.will([Ret(1.0), Text("a")]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("hi")]));
    one(&scene.retrieval.came).await;
    talk.events.text().await;
    talk.act(Action::Cancel(CancelTurn {}));
    one(&scene.retrieval.dropped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_wait_for_the_running_one_but_not_too_many() {
    let scene = Scene::with(&["--max-waiting-turns", "1"]).await;
    scene.language.will([Text("first"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("1")]));
    assert_eq!(talk.events.text().await.text, "first");
    talk.say(turn([text("2")]));
    talk.say(turn([text("3")]));
    // The third is refused while the first still runs.
    let event = talk.events.next().await.unwrap().unwrap();
    assert_eq!((event.turn, matches!(event.kind, Some(Kind::Started(_)))), (3, true));
    let Kind::Failed(refused) = talk.events.kind().await else { panic!("not refused") };
    assert_eq!((refused.code, refused.retry_delay_ms), (Code::ResourceExhausted as i32, 1000));
    scene.language.go_on.add_permits(1);
    talk.half_close();
    assert!(matches!(talk.events.kind().await, Kind::Done(_)));
    let event = talk.events.next().await.unwrap().unwrap();
    assert_eq!((event.turn, matches!(event.kind, Some(Kind::Started(_)))), (2, true));
    assert_eq!(talk.events.text().await.text, "ok");
    assert!(matches!(talk.events.kind().await, Kind::Done(_)));
    talk.events.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_that_wait_are_bounded_in_bytes() {
    let scene = Scene::with(&["--max-waiting-bytes", "100"]).await;
    scene.language.will([Text("first"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text(&"1".repeat(200))])); // runs at once
    talk.events.text().await;
    for content in ["2", "3", "4"] {
        talk.say(turn([text(&content.repeat(60))]));
    }
    for number in [3, 4] {
        assert_eq!(talk.events.next().await.unwrap().unwrap().turn, number);
        let Kind::Failed(refused) = talk.events.kind().await else { panic!("not refused") };
        assert_eq!((refused.code, refused.retry_delay_ms), (Code::ResourceExhausted as i32, 1000));
        assert!(refused.message.contains("max_waiting_bytes"), "{}", refused.message);
    }
    scene.language.go_on.add_permits(1);
    assert!(matches!(talk.events.kind().await, Kind::Done(_)));
    assert!(matches!(talk.events.turn().await.last(), Some(Kind::Done(_))), "the second had room");
    // And its room has come back.
    scene.language.will([Text("again"), Wait]);
    talk.say(turn([text("5")]));
    talk.events.text().await;
    talk.say(turn([text(&"6".repeat(60))]));
    scene.language.go_on.add_permits(1);
    assert!(matches!(talk.events.kind().await, Kind::Done(_)));
    assert!(matches!(talk.events.turn().await.last(), Some(Kind::Done(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_conversation_ends_but_not_one_with_a_turn() {
    let scene = Scene::with(&["--idle-timeout-ms", "1000", "--max-conversations", "1"]).await;
    scene.language.will([Text("a"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("1")]));
    talk.events.text().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    scene.language.go_on.add_permits(1);
    assert!(matches!(talk.events.kind().await, Kind::Done(_)), "a turn may take longer");
    let status = talk.events.next().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("idle_timeout_ms"), "{status:?}");
    // Its room has come back, or this would be refused.
    let mut talk = scene.converse().await;
    assert_eq!(done(&talk.turn(turn([text("2")])).await).text, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_turn_counts_and_feeds_back_what_was_sent() {
    let scene = Scene::with(&["--event-buffer", "1"]).await;
    scene.retrieval.pad(3 << 20); // more than the connection takes while the client does not read
    scene.language.will([Ret(1.0), Wait]);
    let options = TurnOptions {
        max_images: Some(4),
        max_images_per_ret: Some(4),
        feed_back_images: Some(true),
        ..TurnOptions::default()
    };
    let mut talk = scene.converse().await;
    talk.say(turn_with([text("hi")], options));
    one(&scene.retrieval.came).await;
    tokio::time::sleep(Duration::from_secs(2)).await; // now it waits with one in its hand
    talk.act(Action::Cancel(CancelTurn {}));
    one(&scene.language.dropped).await;
    let kinds = talk.events.turn().await;
    let n_images = images(&kinds).len();
    assert!((1..4).contains(&n_images), "{n_images}");
    assert_eq!(done(&kinds).usage.unwrap().images_found as usize, n_images);
    done(&talk.turn(turn([text("more")])).await);
    assert_eq!(scene.vision.encoded().len(), n_images);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_turn_fails_alone() {
    let scene = Scene::new().await;
    let mut talk = scene.converse().await;
    let kinds = talk.turn(turn([text(" ")])).await;
    let refused = failed(&kinds);
    assert_eq!((refused.code, refused.violations[0].field.as_str()), (3, "turn.parts"));
    let bad = TurnOptions { max_new_tokens: Some(-1), ..TurnOptions::default() };
    let kinds = talk.turn(turn_with([text("hi")], bad)).await;
    assert_eq!(failed(&kinds).violations[0].field, "turn.options.max_new_tokens");
    assert_eq!(done(&talk.turn(turn([text("hi")])).await).text, "ok");
    assert_eq!(scene.language.prompt(0), ["Q: hi\nA:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn breaking_the_protocol_ends_the_conversation_but_closes_its_turn() {
    let scene = Scene::new().await;
    scene.language.will([Text("a"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("hi")]));
    talk.events.text().await;
    talk.act(Action::Open(OpenDialogue::default()));
    assert!(matches!(talk.events.kind().await, Kind::Done(_)));
    let status = talk.events.next().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violations_of(&status)[0].field, "open");
    one(&scene.language.dropped).await;

    let mut talk = scene.converse().await;
    talk.act(None);
    let status = talk.events.next().await.unwrap_err();
    assert_eq!((status.code(), violations_of(&status)[0].field.as_str()), (Code::InvalidArgument, "action"));

    let mut talk = scene.converse().await;
    let exchange = Exchange { parts: vec![text("a"), image("")], ..Exchange::default() };
    talk.act(Action::Open(OpenDialogue { history: vec![exchange], ..OpenDialogue::default() }));
    let status = talk.events.next().await.unwrap_err();
    assert_eq!(violations_of(&status)[0].field, "open.history[0].parts[1].image.data");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_is_told_of_generations_in_use_as_long_as_conversations_are_open() {
    let scene = Scene::with(&["--pin-interval-ms", "20"]).await;
    let mut talk = scene.converse().await;
    scene.language.will([Ret(1.0)]);
    assert!(scene.retrieval.kept().is_empty());
    talk.turn(turn([text("one")])).await;
    let resumed = scene.converse().await;
    resumed.act(Action::Open(OpenDialogue { generation: "older".to_owned(), ..OpenDialogue::default() }));
    let told = |wanted: &'static [&'static str]| {
        let retrieval = scene.retrieval.clone();
        async move {
            // Of what was told before the last change something may still be on its way.
            for _ in 0..500 {
                retrieval.kept();
                tokio::time::sleep(Duration::from_millis(50)).await;
                let mut kept = retrieval.kept();
                kept.sort();
                kept.dedup();
                if kept == wanted {
                    return true;
                }
            }
            false
        }
    };
    assert!(told(&["first", "older"]).await);
    drop(talk);
    assert!(told(&["older"]).await);
    drop(resumed);
    assert!(told(&[]).await);
}
