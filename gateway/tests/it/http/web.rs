//! What browsers need: leave for other pages, and gRPC in frames that they can speak.

use bytes::{BufMut, Bytes, BytesMut};
use fondue_proto::dialogue::{Event, ReplyRequest, event::Kind};
use http_body_util::{BodyExt, Full};
use prost::Message;

use super::{CHAT, open, posted, question, request, send};
use crate::scene::{Scene, text, turn};

const PAGE: &str = "https://chat.example.org";
const REPLY: &str = "/fondue.dialogue.v1.Dialogue/Reply";

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_have_no_leave_unless_the_operator_gives_it() {
    for (flags, leave) in
        [(&[][..], None), (&["--cors-origin", PAGE, "--cors-origin", "http://b"][..], Some(PAGE))]
    {
        let scene = Scene::with(flags).await;
        for path in [CHAT, REPLY] {
            let asked = request("OPTIONS", path)
                .header("origin", PAGE)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type,x-grpc-web");
            let response = open(&scene, asked.body(Full::default()).unwrap()).await;
            let got = |name: &str| response.headers().get(name).map(|it| it.to_str().unwrap());
            assert_eq!(got("access-control-allow-origin"), leave, "{path}");
            let allowed = got("access-control-allow-headers");
            assert_eq!(allowed, leave.map(|_| "content-type,x-grpc-web"));
        }
        let mut asked = posted(CHAT, &question(serde_json::json!({})));
        asked.headers_mut().insert("origin", PAGE.parse().unwrap());
        let got = send(&scene, asked).await;
        assert_eq!(got.status, 200);
        assert_eq!(got.header("access-control-allow-origin"), leave.unwrap_or_default());
        assert_eq!(got.header("access-control-expose-headers").contains("x-request-id"), leave.is_some());
        let mut stranger = posted(CHAT, &question(serde_json::json!({})));
        stranger.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
        assert_eq!(send(&scene, stranger).await.header("access-control-allow-origin"), "");
    }
}

/// A message in gRPC's frame.
fn frame(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut bytes).unwrap();
    bytes.freeze()
}

/// Frames of an answer: their flags and bytes.
fn frames(mut body: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(5) {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let (data, rest) = rest.split_at(length);
        frames.push((head[0], data));
        body = rest;
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_speaks_grpc_by_http_1() {
    let scene = Scene::with(&["--cors-origin", "*"]).await;
    let asked = ReplyRequest { turn: Some(turn([text("hi")])), ..ReplyRequest::default() };
    let call = |asked: &ReplyRequest| {
        let call = request("POST", REPLY).header("content-type", "application/grpc-web+proto");
        call.header("x-grpc-web", "1").header("origin", PAGE).body(Full::from(frame(asked))).unwrap()
    };
    let (head, body) = open(&scene, call(&asked)).await.into_parts();
    assert_eq!(
        (head.status.as_u16(), &head.headers["content-type"]),
        (200, &"application/grpc-web+proto".parse().unwrap())
    );
    assert_eq!(head.headers["access-control-allow-origin"], "*");
    let exposed = head.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("grpc-status") && exposed.contains("grpc-message"), "{exposed}");
    let body = body.collect().await.unwrap().to_bytes();
    let frames = frames(&body);
    let Some(((0x80, trailers), events)) = frames.split_last() else { panic!("no trailers: {frames:?}") };
    assert!(std::str::from_utf8(trailers).unwrap().contains("grpc-status:0"), "{trailers:?}");
    let kinds: Vec<_> = events.iter().map(|(_, data)| Event::decode(*data).unwrap().kind.unwrap()).collect();
    assert!(matches!(kinds.first(), Some(Kind::Started(_))), "{kinds:?}");
    let Some(Kind::Done(done)) = kinds.last() else { panic!("{kinds:?}") };
    assert_eq!(done.text, "ok");

    let refused = open(&scene, call(&ReplyRequest::default())).await;
    assert_eq!(refused.headers()["grpc-status"], "3");
}
