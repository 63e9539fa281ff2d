//! A client that does not read holds nothing longer than it may.

use std::time::{Duration, Instant};

use clap::Parser;
use fondue_auth::Caller;
use fondue_gateway::{config::Args, converse::converse, desk::Desk};
use fondue_proto::dialogue::{
    CancelTurn, ConverseRequest, Event, TurnOptions, converse_request::Action, event::Kind,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::{
    fakes::language::Step::{Text, Wait},
    scene::{HANGS, Scene, one, text, turn_with},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_ends_before_its_start_is_read_lets_go_of_the_model_at_once() {
    let scene = Scene::new().await;
    let (vision, language) = (&scene.vision_server.address, &scene.language_server.address);
    for (timeout_ms, cancelled) in [(None, true), (Some(2000), false)] {
        let args = Args::parse_from(["fondue-gateway", "--vision", vision, "--language", language]);
        let desk = Desk::new(args.resolve().unwrap()).unwrap();
        let (events, mut heard) = mpsc::channel(1);
        events.send(Ok(Event::default())).await.unwrap(); // that is all the room there is
        let (say, said) = mpsc::unbounded_channel();
        let act = |action| say.send(Ok(ConverseRequest { action: Some(action) })).unwrap();
        let talk = tokio::spawn(async move {
            let said = UnboundedReceiverStream::new(said);
            converse(&desk, &Caller::anyone(), said, &events, (Instant::now() + HANGS).into(), false).await;
        });

        scene.language.will([Text("a"), Wait]);
        let options = TurnOptions { timeout_ms, ..TurnOptions::default() };
        act(Action::Turn(turn_with([text("hi")], options)));
        one(&scene.language.came).await;
        tokio::time::sleep(Duration::from_millis(500)).await; // by now it waits to tell that it started
        if cancelled {
            act(Action::Cancel(CancelTurn {}));
        }
        one(&scene.language.dropped).await;

        drop(say);
        let mut kinds = Vec::new();
        while let Some(event) = tokio::time::timeout(HANGS, heard.recv()).await.unwrap() {
            kinds.extend(event.unwrap().kind);
        }
        match (&kinds[..], cancelled) {
            ([Kind::Started(_), Kind::Done(_)], true) | ([Kind::Started(_), Kind::Failed(_)], false) => {}
            _ => panic!("{kinds:?}"),
        }
        talk.await.unwrap();
    }
}
