//! The gateway's HTTP API, asked by a plain HTTP client.

mod chat;
mod errors;
mod history;
mod images;
mod rows;
mod stream;
mod web;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::scene::{HANGS, Scene};

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status, `code` and `param` of an error, whose shape is looked at.
    pub(crate) fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let error = &body["error"];
        assert!(error["message"].as_str().is_some_and(|it| !it.is_empty()), "{body}");
        assert!(error["type"].as_str().is_some_and(|it| it.ends_with("_error")), "{body}");
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), text("code"), text("param"))
    }
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "gateway")
}

/// The head of an answer; its body follows as it comes.
pub(crate) async fn open(scene: &Scene, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let address = scene.address.strip_prefix("http://").unwrap();
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    tokio::time::timeout(HANGS, sender.send_request(request)).await.expect("the gateway hangs").unwrap()
}

pub(crate) async fn send(scene: &Scene, request: Request<Full<Bytes>>) -> Got {
    let (head, body) = open(scene, request).await.into_parts();
    let body = tokio::time::timeout(HANGS, body.collect()).await.expect("the gateway hangs").unwrap();
    let got = Got { status: head.status, headers: head.headers, body: body.to_bytes() };
    assert_eq!(got.header("x-request-id").len(), 32, "{got:?}");
    got
}

pub(crate) async fn get(scene: &Scene, path: &str) -> Got {
    send(scene, request("GET", path).body(Full::default()).unwrap()).await
}

pub(crate) fn posted(path: &str, body: &Value) -> Request<Full<Bytes>> {
    let request = request("POST", path).header("content-type", "application/json");
    request.body(Full::from(body.to_string())).unwrap()
}

async fn post(scene: &Scene, path: &str, body: Value) -> Got {
    send(scene, posted(path, &body)).await
}

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// A question, with further fields.
pub(crate) fn question(more: Value) -> Value {
    let mut asked = json!({ "model": "fondue", "messages": [{ "role": "user", "content": "hi" }] });
    let more = more.as_object().unwrap().clone();
    asked.as_object_mut().unwrap().extend(more);
    asked
}

async fn chat(scene: &Scene, more: Value) -> Got {
    post(scene, CHAT, question(more)).await
}
