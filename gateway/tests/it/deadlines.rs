//! Time: no turn outlives its deadline, at the client or at any service, whatever phase it is in; and cancelling frees what worked.
//!
//! Each measure is the best of a few: what is late by design is late each time, what a busy machine delays is not.

use std::time::{Duration, Instant};

use fondue_proto::dialogue::{CancelTurn, Part, TurnOptions, converse_request::Action, event::Kind};
use tokio::sync::Semaphore;
use tonic::Code;

use crate::{
    fakes::language::Step::{self, Queue, Ret, Text, Wait},
    scene::{Scene, image, one, text, turn, turn_with},
};

/// Time enough to reach any phase.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long after its deadline a turn may be seen anywhere.
const LATE: Duration = Duration::from_millis(250);
/// How long after it was cancelled a service may work for a turn.
const CANCELLED: Duration = Duration::from_millis(100);
const TRIES: usize = 4;

/// A phase that does not end by itself.
struct Phase {
    name: &'static str,
    script: Vec<Step>,
    parts: Vec<Part>,
    /// Who is at it, and is to be freed.
    works: fn(&Scene) -> &Semaphore,
    freed: fn(&Scene) -> &Semaphore,
}

fn phases() -> Vec<Phase> {
    let hi = || vec![text("hi")];
    vec![
        Phase {
            name: "vision",
            script: vec![],
            parts: vec![image("a"), text("hi")],
            works: |scene| &scene.vision.came,
            freed: |scene| &scene.vision.dropped,
        },
        Phase {
            name: "the queue of language",
            script: vec![Queue],
            parts: hi(),
            works: |scene| &*scene.language.came,
            freed: |scene| &*scene.language.dropped,
        },
        Phase {
            name: "decoding",
            script: vec![Text("a"), Wait],
            parts: hi(),
            works: |scene| &*scene.language.came,
            freed: |scene| &*scene.language.dropped,
        },
        Phase {
            name: "retrieval",
            script: vec![Ret(1.0), Text("a"), Wait],
            parts: hi(),
            works: |scene| &scene.retrieval.came,
            freed: |scene| &scene.retrieval.dropped,
        },
    ]
}

async fn scene(phase: &Phase) -> Scene {
    let scene = Scene::new().await;
    match phase.name {
        "vision" => scene.vision.wait(),
        "retrieval" => scene.retrieval.wait(),
        _ => {}
    }
    scene
}

fn timed() -> TurnOptions {
    TurnOptions { timeout_ms: i32::try_from(TIMEOUT.as_millis()).ok(), ..TurnOptions::default() }
}

fn say(scene: &Scene, phase: &Phase) {
    if !phase.script.is_empty() {
        scene.language.will(phase.script.clone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_turn_outlives_its_deadline_at_any_hop() {
    for phase in phases() {
        let scene = scene(&phase).await;
        let (mut told, mut freed) = (Duration::MAX, Duration::MAX);
        for _ in 0..TRIES {
            say(&scene, &phase);
            let mut talk = scene.converse().await;
            let deadline = Instant::now() + TIMEOUT;
            talk.say(turn_with(phase.parts.clone(), timed()));
            let client = async {
                let kinds = talk.events.turn().await;
                let Some(Kind::Failed(failed)) = kinds.last() else { panic!("{}: {kinds:?}", phase.name) };
                assert_eq!(failed.code, Code::DeadlineExceeded as i32, "{}", phase.name);
                Instant::now().saturating_duration_since(deadline)
            };
            let service = async {
                one((phase.freed)(&scene)).await;
                Instant::now().saturating_duration_since(deadline)
            };
            let late = tokio::join!(client, service);
            (told, freed) = (told.min(late.0), freed.min(late.1));
        }
        eprintln!("{}: told after {told:?}, the service free after {freed:?}", phase.name);
        assert!(told <= LATE && freed <= LATE, "{}: told {told:?}, freed {freed:?}", phase.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_turn_frees_whoever_works_for_it() {
    for phase in phases() {
        let scene = scene(&phase).await;
        let mut freed = Duration::MAX;
        for _ in 0..TRIES {
            say(&scene, &phase);
            let mut talk = scene.converse().await;
            talk.say(turn(phase.parts.clone()));
            one((phase.works)(&scene)).await;
            let mut kinds = Vec::new();
            while phase.name == "decoding" && !matches!(kinds.last(), Some(Kind::Text(_))) {
                kinds.push(talk.events.kind().await); // until then it has only been asked for
            }
            let begun = Instant::now();
            talk.act(Action::Cancel(CancelTurn {}));
            one((phase.freed)(&scene)).await;
            freed = freed.min(begun.elapsed());
            while !matches!(kinds.last(), Some(Kind::Done(_) | Kind::Failed(_))) {
                kinds.push(talk.events.kind().await);
            }
            assert!(matches!(kinds[..], [Kind::Started(_), .., Kind::Done(_)]), "{}: {kinds:?}", phase.name);
        }
        eprintln!("{}: free after {freed:?}", phase.name);
        assert!(freed <= CANCELLED, "{}: {freed:?}", phase.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_no_service_beyond_its_turns_time() {
    let scene = Scene::with(&["--event-buffer", "1"]).await;
    let piece: &'static str = Box::leak("x".repeat(4 << 10).into_boxed_str());
    let mut freed = Duration::MAX;
    for _ in 0..TRIES {
        scene.language.will(vec![Text(piece); 4000]);
        let begun = Instant::now();
        let _unread = scene.reply(turn_with([text("hi")], timed())).await.unwrap();
        one(&scene.language.dropped).await;
        freed = freed.min(begun.elapsed().saturating_sub(TIMEOUT));
    }
    assert!(freed <= LATE, "{freed:?}");
}
