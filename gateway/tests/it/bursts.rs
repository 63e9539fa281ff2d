//! Much at once on one connection: tiny messages by the thousand, and calls that are taken back as fast as they are made.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use fondue_proto::{
    codec::Codec,
    dialogue::{
        ConverseRequest, Event, TurnFailed, converse_request::Action, dialogue_client::DialogueClient,
        event::Kind,
    },
};
use futures::{StreamExt, stream};
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tonic::{Code, Streaming, codec::Codec as _, transport::Channel};
use tower::ServiceExt;

use crate::{
    fakes::language::Step::{Text, Wait},
    scene::{Events, HANGS, Scene, one, reply, text, turn},
};

/// A conversation that says a turn and, as soon as the model has it, `n - 1` more at once, each in a frame of its own, and then no more.
async fn burst(scene: &Scene, channel: Channel, n: usize) -> Events {
    let message = ConverseRequest { action: Some(Action::Turn(turn([text("hi")]))) }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let framed = Bytes::from([&[0][..], &length, &message].concat());
    let came = Arc::clone(&scene.language.came);
    let others = vec![framed.clone(); n - 1];
    let others = stream::once(async move {
        one(&came).await;
        stream::iter(others)
    });
    let messages = stream::iter([framed]).chain(others.flatten());
    let frames = messages.map(|data| Ok::<_, Infallible>(Frame::data(data)));
    let request = http::Request::post(format!("{}/fondue.dialogue.v1.Dialogue/Converse", scene.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(StreamBody::new(frames)))
        .unwrap();
    let response = tokio::time::timeout(HANGS, channel.oneshot(request)).await.unwrap().unwrap();
    assert_eq!(response.headers().get("grpc-status"), None, "{response:?}");
    let decoder = Codec::<Event, Event>::default().decoder();
    Events(Streaming::new_response(decoder, response.into_body(), StatusCode::OK, None, None))
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_tiny_messages_at_once_are_refused_one_by_one() {
    const N: usize = 5000;
    let scene = Scene::new().await;
    let channel = Channel::from_shared(scene.address.clone()).unwrap().connect().await.unwrap();
    scene.language.will([Text("a"), Wait]);
    let mut events = burst(&scene, channel, N).await;
    let (mut n_refused, mut n_done) = (0, 0);
    while let Some(event) = events.next().await.expect("the connection lives") {
        match event.kind {
            Some(Kind::Failed(TurnFailed { code, .. })) => {
                assert_eq!(code, Code::ResourceExhausted as i32);
                n_refused += 1;
            }
            Some(Kind::Done(_)) => n_done += 1,
            _ => {}
        }
        if n_refused == N - 5 {
            scene.language.go_on.add_permits(1);
        }
    }
    assert_eq!((n_refused, n_done), (N - 5, 5), "one runs, four wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_and_does_not_read_loses_the_conversation_and_not_the_connection() {
    let scene = Scene::with(&["--event-buffer", "1"]).await;
    // No room for events under way: what is not read is felt at once.
    let endpoint = Channel::from_shared(scene.address.clone()).unwrap().initial_stream_window_size(1024);
    let channel = endpoint.connect().await.unwrap();
    scene.language.will([Text("other"), Wait]);
    let client = DialogueClient::new(channel.clone());
    let mut other = reply(client, turn([text("hi")])).await.unwrap();
    other.text().await;
    one(&scene.language.came).await;
    scene.language.will([Text("a"), Wait]);
    let mut unread = burst(&scene, channel, 5000).await;
    // Its turn is closed, and with it the stream of the language service.
    one(&scene.language.dropped).await;
    scene.language.go_on.add_permits(1);
    assert!(matches!(other.kind().await, Kind::Done(_)), "the other call goes on");
    let status = loop {
        match unread.next().await {
            Ok(event) => assert!(event.is_some(), "it ends with a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("not read"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_taken_back_leave_the_connection_to_language_whole() {
    const N: usize = 3000;
    let scene = Scene::with(&["--max-concurrent-turns", "10000"]).await; // room comes back a moment after a client has left
    // A client that bears its own cancels; the gateway's is what is looked at.
    let endpoint = Channel::from_shared(scene.address.clone()).unwrap();
    let endpoint = endpoint.http2_max_concurrent_reset_streams(N).http2_max_local_error_reset_streams(None);
    let endpoint = endpoint.initial_connection_window_size((1 << 31) - 1); // and what is on its way then
    let client = DialogueClient::new(endpoint.connect().await.unwrap());
    scene.language.will([Text("a"), Wait, Text("b")]);
    let mut long = scene.reply(turn([text("hi")])).await.unwrap();
    long.text().await;
    for _ in 0..N {
        scene.language.will(vec![Text("x"); 500]);
    }
    let calls = stream::iter(0..N).for_each_concurrent(32, async |_| {
        let mut events = reply(client.clone(), turn([text("hi")])).await.unwrap();
        events.text().await; // more of it is on its way
    });
    calls.await;
    scene.language.go_on.add_permits(1);
    assert_eq!(long.text().await.text, "b", "it is on the same connection");
    assert!(matches!(long.kind().await, Kind::Done(_)));
    assert!(scene.reply(turn([text("hi")])).await.is_ok());
}
