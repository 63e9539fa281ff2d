//! Who may call, and how much: keys, tokens, limits, over gRPC and HTTP.

mod keys;
mod limits;
mod names;
mod shares;
mod tenants;
mod tokens;

use std::{fs, path::PathBuf};

use bytes::Bytes;
use fondue_proto::dialogue::{Event, ReplyRequest};
use http_body_util::Full;
use serde_json::json;
use tempfile::TempDir;
use tonic::{Request, Status, Streaming};

use crate::{
    http::{CHAT, Got, posted, question, request, send},
    scene::{Events, Scene, text, turn},
};

/// Two keys that guard nothing.
const ALICE: &str = "fdk_alice";
const BOB: &str = "fdk_bob";

/// A folder with a file of keys.
struct Folder {
    folder: TempDir,
}

impl Folder {
    /// Alice of acme and bob of emca, each with further lines.
    fn new(alice: &str, bob: &str) -> Self {
        let folder = Self { folder: tempfile::tempdir().unwrap() };
        folder.write(&(entry("alice", ALICE, "acme", alice) + &entry("bob", BOB, "emca", bob)));
        folder
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    /// A gateway that asks for one of these keys.
    async fn scene(&self, flags: &[&str]) -> Scene {
        let path = self.path();
        Scene::with(&[&["--api-keys", path.to_str().unwrap()], flags].concat()).await
    }
}

fn entry(id: &str, key: &str, tenant: &str, more: &str) -> String {
    let hash = fondue_auth::key::told(&fondue_auth::key::digest(key));
    format!("[[key]]\nid = \"{id}\"\nhash = \"{hash}\"\ntenant = \"{tenant}\"\n{more}\n")
}

/// A message with a key or a token; an empty one is none.
fn by<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if !key.is_empty() {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    request
}

fn asked() -> ReplyRequest {
    ReplyRequest { turn: Some(turn([text("hi")])), ..ReplyRequest::default() }
}

async fn reply(scene: &Scene, key: &str) -> Result<Events, Status> {
    let reply = scene.client.clone().reply(by(key, asked())).await;
    reply.map(|response: tonic::Response<Streaming<Event>>| Events(response.into_inner()))
}

/// A whole turn.
async fn answer(scene: &Scene, key: &str) -> Result<(), Status> {
    let mut events = reply(scene, key).await?;
    events.turn().await;
    events.end().await;
    Ok(())
}

/// A chat completion by HTTP.
async fn complete(scene: &Scene, key: &str) -> Got {
    let mut asked = posted(CHAT, &question(json!({})));
    if !key.is_empty() {
        asked.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    send(scene, asked).await
}

fn get_by(key: &str, path: &str) -> http::Request<Full<Bytes>> {
    request("GET", path).header("authorization", format!("Bearer {key}")).body(Full::default()).unwrap()
}

/// Waits until something is so, as it becomes when a file has been read again.
async fn becomes(mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it never became so");
}
