//! How much a caller may: at the boundary, told when to come back, and given back.

use std::time::Duration;

use fondue_domain::Fault;
use fondue_proto::dialogue::event::Kind;
use fondue_serving::status::fault_of;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;

use serde_json::json;

use super::{ALICE, BOB, Folder, answer, becomes, by, complete, entry, reply};
use crate::{
    fakes::language::Step::{Text, Wait},
    http::{posted, send},
    scene::{Events, Scene, failed, one, text, turn},
};

fn retry_after(fault: Fault) -> Duration {
    match fault {
        Fault::Busy { retry_after } => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_told_when_the_next_one_is_free() {
    let folder = Folder::new("requests_per_minute = 1\nburst = 3", "");
    let scene = folder.scene(&[]).await;
    for _ in 0..2 {
        answer(&scene, ALICE).await.unwrap();
    }
    assert_eq!(complete(&scene, ALICE).await.status, 200, "HTTP counts with gRPC");
    let refused = answer(&scene, ALICE).await.unwrap_err();
    let wait = retry_after(fault_of(&refused));
    assert!(wait > Duration::from_secs(1) && wait <= Duration::from_secs(60), "{wait:?}");
    let refused = complete(&scene, ALICE).await;
    assert_eq!(refused.error(), (429, "rate_limit_exceeded".to_owned(), String::new()));
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    answer(&scene, BOB).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_turn_of_a_conversation_is_a_request() {
    let folder = Folder::new("requests_per_minute = 1\nburst = 2", "");
    let scene = folder.scene(&[]).await;
    let mut talk = converse(&scene, ALICE).await;
    talk.0.send(said()).unwrap();
    assert!(matches!(talk.1.turn().await.last(), Some(Kind::Done(_))), "opening it was the first");
    talk.0.send(said()).unwrap();
    let kinds = talk.1.turn().await;
    assert_eq!(failed(&kinds).code, Code::ResourceExhausted as i32);
    assert!(failed(&kinds).retry_delay_ms > 1000, "{kinds:?}");
}

type Saying = tokio::sync::mpsc::UnboundedSender<fondue_proto::dialogue::ConverseRequest>;

/// A conversation of a key's.
pub(super) async fn converse(scene: &Scene, key: &str) -> (Saying, Events) {
    let (say, words) = tokio::sync::mpsc::unbounded_channel();
    let words = UnboundedReceiverStream::new(words);
    let response = scene.client.clone().converse(by(key, words)).await.unwrap();
    (say, Events(response.into_inner()))
}

pub(super) fn said() -> fondue_proto::dialogue::ConverseRequest {
    use fondue_proto::dialogue::{ConverseRequest, converse_request::Action};
    ConverseRequest { action: Some(Action::Turn(turn([text("hi")]))) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_own_room_is_held_by_its_streams() {
    let folder = Folder::new("concurrent_turns = 1", "");
    let scene = folder.scene(&[]).await;
    scene.language.will([Text("a"), Wait]);
    let mut first = reply(&scene, ALICE).await.unwrap();
    first.text().await;
    let refused = answer(&scene, ALICE).await.unwrap_err();
    assert_eq!(fault_of(&refused), Fault::Busy { retry_after: Duration::from_secs(1) });
    assert_eq!(complete(&scene, ALICE).await.header("retry-after"), "1");
    answer(&scene, BOB).await.unwrap();
    // Whoever leaves gives it back.
    drop(first);
    one(&scene.language.dropped).await;
    becomes(async || answer(&scene, ALICE).await.is_ok()).await;
    // And so does whoever comes to the end.
    answer(&scene, ALICE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_have_room_of_their_own() {
    let folder = Folder::new("conversations = 1", "");
    let scene = folder.scene(&[]).await;
    let talk = converse(&scene, ALICE).await;
    let refused = scene.client.clone().converse(by(ALICE, tokio_stream::pending())).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(talk);
    becomes(async || scene.client.clone().converse(by(ALICE, tokio_stream::pending())).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_says_nothing_leaves_half_of_the_conversations_to_others() {
    let folder = Folder::new("", "");
    let scene = folder.scene(&["--max-conversations", "2"]).await;
    let _talk = converse(&scene, ALICE).await;
    let refused = scene.client.clone().converse(by(ALICE, tokio_stream::pending())).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let _other = converse(&scene, BOB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_tokens_run_out_where_they_are_used_up() {
    // A turn of the fake's takes 7 tokens of prompt and 3 of answer.
    let folder = Folder::new("tokens_per_day = 20", "tokens_per_day = 19");
    let scene = folder.scene(&[]).await;
    for key in [ALICE, BOB] {
        answer(&scene, key).await.unwrap();
        answer(&scene, key).await.unwrap();
        let refused = complete(&scene, key).await;
        assert_eq!(refused.error().0, 429, "{key}");
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=24 * 3600).contains(&seconds), "{seconds}");
    }
    let wait = retry_after(fault_of(&answer(&scene, ALICE).await.unwrap_err()));
    assert!(wait <= Duration::from_secs(24 * 3600), "{wait:?}");
    // More of it holds at once, and what was used stays used.
    let more = "tokens_per_day = 21";
    folder.write(&(entry("alice", ALICE, "acme", more) + &entry("bob", BOB, "emca", "")));
    becomes(async || answer(&scene, ALICE).await.is_ok()).await;
    assert!(answer(&scene, ALICE).await.is_err());
}

/// Embeds what `input` holds.
async fn embed(scene: &Scene, key: &str, input: serde_json::Value) -> u16 {
    let mut asked = posted("/v1/embeddings", &json!({ "model": "fondue", "input": input }));
    asked.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    send(scene, asked).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_placed_is_charged() {
    let folder = Folder::new("tokens_per_day = 8", "tokens_per_day = 9");
    let scene = folder.scene(&[]).await;
    let picture =
        || json!([[{ "type": "image_url", "image_url": { "url": "data:image/png;base64,YXBwbGU=" } }]]);
    for (key, third) in [(ALICE, 429), (BOB, 200)] {
        for expected in [200, 200, third] {
            assert_eq!(embed(&scene, key, picture()).await, expected, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_at_once_are_no_more_than_turns_at_once() {
    let folder = Folder::new("concurrent_turns = 1", "concurrent_turns = 2");
    let scene = folder.scene(&[]).await;
    for (key, most) in [(ALICE, 1), (BOB, 2)] {
        assert_eq!(embed(&scene, key, json!(["a", "b", "c", "d", "e"])).await, 200);
        assert_eq!(scene.language.most_queries(), most, "{key}");
        becomes(async || answer(&scene, key).await.is_ok()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_left_is_charged_too() {
    let folder = Folder::new("tokens_per_day = 8\nconcurrent_turns = 1", "");
    let scene = folder.scene(&[]).await;
    scene.language.will([Text("a"), Wait]);
    let mut first = reply(&scene, ALICE).await.unwrap();
    first.text().await;
    drop(first);
    one(&scene.language.dropped).await;
    // Until it is gone its room is taken; from then on 7 tokens of the prompt are used and one that was heard.
    becomes(async || {
        let refused = answer(&scene, ALICE).await.unwrap_err();
        retry_after(fault_of(&refused)) > Duration::from_secs(1)
    })
    .await;
}
