//! What a turn is charged that its client did not hear to the end.

use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use fondue_auth::{Door, Sources, key};
use fondue_proto::language::{Done, GenerateEvent, TextDelta, generate_event::Kind};
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tonic::{
    Status, Streaming,
    codec::{DecodeBuf, Decoder},
};

use super::*;

struct Events;

impl Decoder for Events {
    type Item = GenerateEvent;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<GenerateEvent>, Status> {
        GenerateEvent::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// A caller with so many tokens a day.
fn caller(tokens_per_day: u64) -> Caller {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let hash = key::told(&key::digest("fdk_a"));
    let entry =
        format!("[[key]]\nid = \"a\"\ntenant = \"t\"\nhash = \"{hash}\"\ntokens_per_day = {tokens_per_day}");
    std::fs::write(&path, entry).unwrap();
    let door = Door::open(Sources { api_keys: Some(path), ..Sources::default() }, None).unwrap();
    let headers = [(axum::http::header::AUTHORIZATION, "Bearer fdk_a".parse().unwrap())];
    door.caller(&headers.into_iter().collect()).unwrap()
}

/// A reply of which so many texts are there unread, and then its end, or nothing for now. Of 100 tokens at most, after a prompt of 7.
fn bill(caller: &Caller, n_texts: usize, generated: Option<u32>) -> Bill {
    let texts = (0..n_texts).map(|_| Kind::Text(TextDelta { text: "a".to_owned() }));
    let done = generated.map(|generated_tokens| Kind::Done(Done { generated_tokens, ..Done::default() }));
    let frame = |kind| {
        let event = GenerateEvent { kind: Some(kind) }.encode_to_vec();
        let mut bytes = BytesMut::new();
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(event.len()).unwrap());
        bytes.put_slice(&event);
        Ok::<_, Infallible>(Frame::data(Bytes::from(bytes)))
    };
    let frames: Vec<_> = texts.chain(done).map(frame).collect();
    let body = StreamBody::new(futures::StreamExt::chain(stream::iter(frames), stream::pending()));
    let stream = Streaming::new_response(Events, body, axum::http::StatusCode::OK, None, None);
    let started = Started { prompt_tokens: 7, ..Started::default() };
    Bill::new(caller.clone(), Speech::playing(stream, started), 100)
}

#[tokio::test]
async fn what_lay_unread_when_the_client_left_is_charged_too() {
    let cases = [
        ("nothing was said", 0, None, 7),
        ("it goes on, and nothing was missed", 5, None, 12),
        ("it has ended", 5, Some(40), 47),
        ("it has ended, far ahead", 80, Some(90), 97),
        ("much, and no more", 64, None, 71),
        ("so much that more may lie behind it", 65, None, 107),
    ];
    for (what, n_texts, generated, charged) in cases {
        let (enough, just) = (caller(charged + 1), caller(charged));
        for caller in [&enough, &just] {
            let mut bill = bill(caller, n_texts, generated);
            if n_texts > 0 {
                assert!(matches!(bill.next().await, Ok(Heard::Text(_))));
            }
            assert!(caller.turn().is_ok(), "{what}: charged at its end alone");
        }
        assert!(enough.turn().is_ok(), "{what}: more than {charged}");
        assert!(just.turn().is_err(), "{what}: less than {charged}");
    }
}
