//! What ends a conversation in which nobody says anything.

use clap::Parser;
use fondue_auth::{Door, Sources, key};
use tokio::sync::mpsc;

use super::*;
use crate::config::Args;

#[tokio::test]
async fn a_silent_conversation_ends_soon_after_its_key_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let hash = key::told(&key::digest("fdk_a"));
    std::fs::write(&path, format!("[[key]]\nid = \"a\"\ntenant = \"t\"\nhash = \"{hash}\"\n")).unwrap();
    let door = Door::open(Sources { api_keys: Some(path.clone()), ..Sources::default() }, None).unwrap();
    let headers = [(axum::http::header::AUTHORIZATION, "Bearer fdk_a".parse().unwrap())];
    let caller = door.caller(&headers.into_iter().collect()).unwrap();
    let desk = Desk::new(Args::parse_from(["fondue-gateway"]).resolve().unwrap()).unwrap();
    let (events, _heard) = mpsc::channel(1);
    let forever = Instant::now() + Duration::from_secs(3600);
    let mut state = Conversation::new(&desk, &caller, &events, forever, false);
    state.ask_every = Duration::from_millis(20);
    let mut held = std::pin::pin!(state.hold(futures::stream::pending()));
    let mut told = async |most: Duration| tokio::time::timeout(most, &mut held).await;
    assert!(told(Duration::from_millis(100)).await.is_err(), "as long as there is a key it stays");
    std::fs::write(&path, "").unwrap();
    let ended = tokio::select! {
        ended = told(Duration::from_secs(20)) => ended,
        () = door.watch() => unreachable!("it looks for ever"),
    };
    let Ok(Err(End::Broken(status))) = ended else { panic!("it goes on") };
    assert_eq!(status.code(), tonic::Code::Unauthenticated, "{status:?}");
}
