//! Admission: nobody waits for room, and room comes back with the end of a stream.

use std::time::Duration;

use bytes::Bytes;
use fondue_domain::Fault;
use fondue_proto::dialogue::{RetrieveRequest, event::Kind};
use fondue_serving::status::fault_of;
use http_body_util::{BodyExt, Full};
use prost::Message;
use tonic::transport::Channel;
use tower::ServiceExt;

use crate::{
    fakes::language::Step::{Text, Wait},
    scene::{Scene, failed, one, text, turn},
};

const BUSY: Fault = Fault::Busy { retry_after: Duration::from_secs(1) };

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_too_many_is_told_when_to_come_back() {
    let scene = Scene::with(&["--max-concurrent-turns", "1"]).await;
    scene.language.will([Text("a"), Wait]);
    let mut first = scene.reply(turn([text("hi")])).await.unwrap();
    first.text().await;
    // The first call's headers are long out: only its stream holds the room.
    let status = scene.reply(turn([text("hi")])).await.err().unwrap();
    assert_eq!(fault_of(&status), BUSY);
    let raw = RetrieveRequest { parts: vec![text("a")], ..RetrieveRequest::default() };
    assert_eq!(fault_of(&scene.client.clone().retrieve(raw).await.unwrap_err()), BUSY);
    let mut talk = scene.converse().await;
    let kinds = talk.turn(turn([text("hi")])).await;
    assert_eq!((failed(&kinds).code, failed(&kinds).retry_delay_ms), (8, 1000));

    scene.language.go_on.add_permits(1);
    assert!(matches!(first.kind().await, Kind::Done(_)));
    first.end().await;
    assert!(scene.reply(turn([text("hi")])).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn room_comes_back_when_a_client_leaves() {
    let scene = Scene::with(&["--max-concurrent-turns", "1"]).await;
    scene.language.will([Text("a"), Wait]);
    let mut first = scene.reply(turn([text("hi")])).await.unwrap();
    first.text().await;
    drop(first);
    one(&scene.language.dropped).await;
    // The permit is dropped with the turn, an instant after its language stream.
    for _ in 0..100 {
        if scene.reply(turn([text("hi")])).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the room never came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_counted_too() {
    let scene = Scene::with(&["--max-conversations", "1"]).await;
    let _first = scene.converse().await;
    let status = scene.client.clone().converse(tokio_stream::pending()).await.unwrap_err();
    assert_eq!(fault_of(&status), BUSY);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_are_not_read_hold_their_room() {
    let scene = Scene::with(&["--max-concurrent-turns", "1"]).await;
    // More than may lie between the two.
    scene.retrieval.pad(1 << 20);
    let asked = || {
        let asked = RetrieveRequest { include_data: true, ..RetrieveRequest::default() };
        let asked = RetrieveRequest { parts: vec![text("a")], ..asked }.encode_to_vec();
        let frame = [&[0][..], &u32::try_from(asked.len()).unwrap().to_be_bytes(), &asked].concat();
        http::Request::post(format!("{}/fondue.dialogue.v1.Dialogue/Retrieve", scene.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(tonic::body::Body::new(Full::new(Bytes::from(frame))))
            .unwrap()
    };
    let endpoint = Channel::from_shared(scene.address.clone()).unwrap();
    let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let channel = endpoint.connect().await.unwrap();
    let unread = channel.clone().oneshot(asked()).await.unwrap();
    let status = scene.reply(turn([text("hi")])).await.err().unwrap();
    assert_eq!(fault_of(&status), BUSY);
    let body = unread.into_body().collect().await.unwrap();
    assert!(body.trailers().is_some_and(|trailers| trailers["grpc-status"] == "0"));
    assert!(body.to_bytes().len() > 1 << 20);
    scene.reply(turn([text("hi")])).await.unwrap().turn().await;
}
