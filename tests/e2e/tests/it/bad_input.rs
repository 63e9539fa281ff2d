//! What must be refused, with the right code and the field's name, and without harm to the next request.

use anyhow::Result;
use bytes::{Buf, BufMut, Bytes};
use fondue_harness::{Cluster, Flags, pictures::png};
use fondue_proto::dialogue::{
    ConverseRequest, Exchange, Image, Part, ReplyRequest, Turn, TurnOptions, converse_request::Action, part,
};
use fondue_serving::{status::violations_of, upstream::connect_lazy};
use prost::Message;
use tonic::{
    Code, Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::said::{hear, image, text, turn};

/// The header of a PNG of 30,000 × 30,000 pixels, and nothing behind it.
fn giant() -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    file.extend(30_000u32.to_be_bytes());
    file.extend(30_000u32.to_be_bytes());
    file.extend([8, 2, 0, 0, 0]);
    let checksum = crc(&file[12..]);
    file.extend(checksum.to_be_bytes());
    file
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 },
        )
    })
}

async fn refused(cluster: &Cluster, request: ReplyRequest) -> Status {
    let events = cluster.dialogue().unwrap().reply(request).await;
    events.map(|_| ()).expect_err("must be refused")
}

async fn check(cluster: &Cluster, field: &str, turn: Turn) {
    let status = refused(cluster, ReplyRequest { turn: Some(turn), ..ReplyRequest::default() }).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
    let fields: Vec<String> = violations_of(&status).into_iter().map(|violation| violation.field).collect();
    assert!(fields.iter().any(|found| found == field), "expected {field}, got {fields:?}: {status}");
    assert!(status.message().contains(field), "the message names {field}: {status}");
}

#[tokio::test]
async fn wrong_requests_name_their_field_and_harm_nothing() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let with = |options| turn(vec![text("Hello")], options);
    let plain = TurnOptions::default;
    let truncated = png(1)?[..200].to_vec();
    for (field, turn) in [
        ("turn.parts", turn(vec![], plain())),
        ("turn.parts", turn(vec![text("  \n")], plain())),
        ("turn.parts[1]", turn(vec![text("a"), Part { kind: None }], plain())),
        ("turn.parts[0].image.data", turn(vec![image(vec![]), text("a")], plain())),
        ("turn.parts[1].image.data", turn(vec![text("a"), image(truncated)], plain())),
        ("turn.parts[1].image.data", turn(vec![text("a"), image(giant())], plain())),
        (
            "turn.parts[0].image.data",
            turn(vec![image(b"hello, I am no picture".to_vec()), text("a")], plain()),
        ),
        ("turn.parts", turn(vec![image(png(1)?); 1000], plain())),
        ("turn.parts[0].text", turn(vec![text(&"a".repeat(1 << 20))], plain())),
        ("turn.options.max_new_tokens", with(TurnOptions { max_new_tokens: Some(-1), ..plain() })),
        ("turn.options.max_images", with(TurnOptions { max_images: Some(-5), ..plain() })),
        ("turn.options.temperature", with(TurnOptions { temperature: Some(f32::NAN), ..plain() })),
        ("turn.options.top_p", with(TurnOptions { top_p: Some(1.5), ..plain() })),
        ("turn.options.timeout_ms", with(TurnOptions { timeout_ms: Some(0), ..plain() })),
        ("turn.options.stop[0]", with(TurnOptions { stop: vec![String::new()], ..plain() })),
    ] {
        check(&cluster, field, turn).await;
    }
    let unknown =
        Part { kind: Some(part::Kind::Image(Image { data: png(1)?.into(), fit: 77, url: String::new() })) };
    check(&cluster, "turn.parts[0].image.fit", turn(vec![unknown, text("a")], plain())).await;
    let no_turn = refused(&cluster, ReplyRequest::default()).await;
    assert_eq!(no_turn.code(), Code::InvalidArgument, "{no_turn}");
    let history = vec![Exchange::default(); 10_000];
    let long =
        refused(&cluster, ReplyRequest { turn: Some(with(plain())), history, ..ReplyRequest::default() })
            .await;
    assert_eq!(long.code(), Code::InvalidArgument, "{long}");
    let request = ReplyRequest { turn: Some(with(plain())), ..ReplyRequest::default() };
    let mut events = cluster.dialogue()?.reply(request).await?.into_inner();
    assert!(!hear(&mut events).await?.text().is_empty(), "the next request works");
    Ok(())
}

#[tokio::test]
async fn text_beyond_the_models_positions_is_refused() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    // Within the gateway's bytes, beyond the model's 512 positions.
    let status = refused(
        &cluster,
        ReplyRequest {
            turn: Some(turn(vec![text(&"word ".repeat(3000))], TurnOptions::default())),
            ..ReplyRequest::default()
        },
    );
    let status = status.await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains("512"), "the limit is told: {status}");
    Ok(())
}

#[tokio::test]
async fn a_message_above_the_limit_is_resource_exhausted() -> Result<()> {
    let cluster =
        Cluster::start(Flags { gateway: &["--max-message-bytes=65536"], ..Flags::default() }).await?;
    let parts = vec![text("a"), image(vec![7; 70_000])];
    let status = refused(
        &cluster,
        ReplyRequest { turn: Some(turn(parts.clone(), TurnOptions::default())), ..ReplyRequest::default() },
    )
    .await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let actions = [ConverseRequest { action: Some(Action::Turn(turn(parts, TurnOptions::default()))) }];
    let mut events = cluster.dialogue()?.converse(tokio_stream::iter(actions)).await?.into_inner();
    let status = events.message().await.expect_err("must end the stream");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    Ok(())
}

#[tokio::test]
async fn messages_that_cannot_be_decoded_are_invalid() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let mut bad_text = turn(vec![text("abc")], TurnOptions::default()).encode_to_vec();
    // The text's three bytes become a sequence that is no UTF-8.
    let at = bad_text.windows(3).position(|window| window == b"abc").unwrap();
    bad_text[at..at + 3].copy_from_slice(b"\xff\xfe\xfd");
    let mut request = vec![0x0a, u8::try_from(bad_text.len())?];
    request.extend(bad_text);
    for bytes in [request, vec![0x0a, 0x7f], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()] {
        let mut client = tonic::client::Grpc::new(connect_lazy(&cluster.gateway.address)?);
        client.ready().await.map_err(anyhow::Error::from_boxed)?;
        let path = "/fondue.dialogue.v1.Dialogue/Reply".parse()?;
        let answer = client.server_streaming(Request::new(Bytes::from(bytes)), path, Raw).await;
        let status = answer.map(|_| ()).expect_err("must be refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_conversation_must_begin_with_an_action() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let actions = [ConverseRequest { action: None }];
    let mut events = cluster.dialogue()?.converse(tokio_stream::iter(actions)).await?.into_inner();
    assert_eq!(events.message().await.expect_err("must end the stream").code(), Code::InvalidArgument);
    Ok(())
}

/// Sends bytes as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let n = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(n)))
    }
}
