//! The engine with parts that count and can be held up: what costs a decoding, what a place in a batch, and what is
//! left of those who have gone.

use std::{
    iter,
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use bytes::Bytes;
use fondue_domain::{Classify, Fault};
use fondue_imaging::{Compat, Fit};
use tokio::{sync::OwnedSemaphorePermit, task::JoinHandle};
use tracing::{Subscriber, info_span, span::Id};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use super::*;

/// A picture of the fakes is four numbers.
const PICTURE_BYTES: usize = 16;

const LIMITS: VisionLimits = VisionLimits {
    max_batch: 4,
    max_queued: 64,
    queued_bytes: 1 << 20,
    gather: Duration::ZERO,
    decode_threads: 2,
    decoded_bytes: 1 << 20,
    feature_cache_bytes: 1 << 20,
    image: ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 },
};

/// An engine whose tower runs a batch for each word, and says which pictures it has run.
struct Bench {
    engine: VisionEngine,
    run: Sender<()>,
    batches: Arc<Mutex<Vec<Vec<u8>>>>,
    decoded: Arc<Mutex<Vec<u8>>>,
}

impl Bench {
    fn new(limits: VisionLimits) -> Self {
        let (run, go) = channel();
        let batches: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let decoded: Arc<Mutex<Vec<u8>>> = Arc::default();
        let engine = VisionEngine::assemble(
            move || Ok(Mutex::new(go)),
            |_| PICTURE_BYTES / 4,
            {
                let batches = Arc::clone(&batches);
                move |go: &Mutex<Receiver<()>>, pixels: &[Vec<f32>]| {
                    let _ = go.lock().unwrap().recv_timeout(Duration::from_secs(60));
                    let batch: Vec<u8> = pixels.iter().map(|pixels| pixels[0] as u8).collect();
                    batches.lock().unwrap().push(batch.clone());
                    if batch.contains(&b'o') {
                        return Err(ModelError::Shape { what: "picture", got: 0, expected: 1 });
                    }
                    Ok(batch.into_iter().map(|first| vec![f32::from(first); 2]).collect())
                }
            },
            {
                let decoded = Arc::clone(&decoded);
                move |file: &PictureFile| match file.data[0] {
                    b'!' => panic!("a decoder's fault"),
                    b'?' => Err(ImagingError::Empty),
                    b'-' => Ok(vec![0.0]),
                    first => {
                        decoded.lock().unwrap().push(first);
                        Ok(vec![f32::from(first); 4])
                    }
                }
            },
            limits,
        );
        Self { engine: engine.unwrap(), run, batches, decoded }
    }

    /// A caller who shows a picture for each letter.
    fn show(&self, letters: &str) -> JoinHandle<Result<Vec<Features>, EngineError>> {
        self.show_until(letters, Instant::now() + Duration::from_secs(60))
    }

    fn show_until(&self, letters: &str, deadline: Instant) -> JoinHandle<Result<Vec<Features>, EngineError>> {
        let (engine, files) = (self.engine.clone(), letters.bytes().map(file).collect());
        tokio::spawn(async move { engine.encode(files, deadline).await })
    }

    fn run(&self, batches: usize) {
        (0..batches).for_each(|_| self.run.send(()).unwrap());
    }

    fn batches(&self) -> Vec<String> {
        let text = |batch: &Vec<u8>| String::from_utf8(batch.clone()).unwrap();
        self.batches.lock().unwrap().iter().map(text).collect()
    }

    fn decoded(&self) -> String {
        let mut letters = self.decoded.lock().unwrap().clone();
        letters.sort_unstable();
        String::from_utf8(letters).unwrap()
    }

    fn free_places(&self) -> usize {
        self.engine.room.places.available_permits()
    }

    fn free_bytes(&self) -> usize {
        self.engine.room.file_bytes.available_permits()
    }

    fn look(&self) -> (usize, usize, usize) {
        self.engine.room.line.look()
    }

    /// Until decoded pictures take so much.
    async fn held(&self, bytes: usize) {
        until(|| self.look().0 == bytes, || format!("{:?}", self.look())).await;
    }

    /// Until all threads are idle; the tower is held up with a batch, or has none.
    async fn settled(&self, held_bytes: usize, to_decode: usize, ready: usize) {
        until(|| self.look() == (held_bytes, to_decode, ready), || format!("{:?}", self.look())).await;
    }
}

async fn until(mut holds: impl FnMut() -> bool, else_: impl Fn() -> String) {
    for _ in 0..5000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("never: {}", else_());
}

fn file(letter: u8) -> PictureFile {
    PictureFile { data: Bytes::from(vec![letter]), fit: Fit::Crop, compat: Compat::Off }
}

fn firsts(features: Vec<Features>) -> String {
    features.iter().map(|features| features[0] as u8 as char).collect()
}

#[tokio::test]
async fn equal_pictures_cost_one_encoding_within_a_call_across_calls_and_callers() {
    let bench = Bench::new(LIMITS);
    let first = bench.show("aab");
    bench.held(2 * PICTURE_BYTES).await;
    // Held up in the tower, or behind it; others who want the same wait for the same.
    let second = bench.show("ba");
    until(|| bench.free_places() == 64 - 5, || bench.free_places().to_string()).await;
    bench.run(2);
    assert_eq!(firsts(first.await.unwrap().unwrap()), "aab");
    assert_eq!(firsts(second.await.unwrap().unwrap()), "ba");
    // Known from now on: the tower is given no word for these.
    assert_eq!(firsts(bench.show("bab").await.unwrap().unwrap()), "bab");
    assert_eq!(bench.decoded(), "ab");
    assert_eq!(bench.batches().concat().len(), 2);
    assert_eq!((bench.free_places(), bench.look()), (64, (0, 0, 0)));
}

#[tokio::test]
async fn without_a_cache_only_what_is_under_way_is_shared() {
    let bench = Bench::new(VisionLimits { feature_cache_bytes: 0, ..LIMITS });
    bench.run(2);
    for _ in 0..2 {
        assert_eq!(firsts(bench.show("aa").await.unwrap().unwrap()), "aa");
    }
    assert_eq!(bench.decoded(), "aa");
    assert_eq!(bench.batches(), ["a", "a"]);
}

#[tokio::test]
async fn who_asked_first_may_go_without_harm_to_the_others() {
    let bench = Bench::new(LIMITS);
    // The tower is busy; `b` of both callers waits behind it.
    let busy = bench.show("a");
    bench.settled(PICTURE_BYTES, 0, 0).await;
    let leader = bench.show("b");
    bench.settled(2 * PICTURE_BYTES, 0, 1).await;
    let follower = bench.show("b");
    until(|| bench.free_places() == 61, || bench.free_places().to_string()).await;
    leader.abort();
    bench.run(2);
    assert_eq!(firsts(busy.await.unwrap().unwrap()), "a");
    assert_eq!(firsts(follower.await.unwrap().unwrap()), "b");
    assert_eq!(bench.batches(), ["a", "b"]);
}

#[tokio::test]
async fn a_picture_that_nobody_waits_for_any_more_costs_nothing_more() {
    let bench = Bench::new(LIMITS);
    let busy = bench.show("a");
    bench.settled(PICTURE_BYTES, 0, 0).await;
    let gone = bench.show("bc");
    bench.settled(3 * PICTURE_BYTES, 0, 2).await;
    gone.abort();
    assert!(gone.await.is_err());
    bench.run(1);
    busy.await.unwrap().unwrap();
    bench.settled(0, 0, 0).await;
    assert_eq!((bench.batches(), bench.free_places()), (vec!["a".to_owned()], 64));
    // Asked for again, it is made anew.
    bench.run(1);
    assert_eq!(firsts(bench.show("b").await.unwrap().unwrap()), "b");
}

#[tokio::test]
async fn who_is_late_is_told_at_once_and_others_still_get_theirs() {
    let bench = Bench::new(LIMITS);
    let busy = bench.show("a");
    bench.settled(PICTURE_BYTES, 0, 0).await;
    let soon = Instant::now() + Duration::from_millis(300);
    let (late, patient, alone) = (bench.show_until("b", soon), bench.show("b"), bench.show_until("c", soon));
    // The tower never moves until then.
    for late in [late, alone] {
        assert!(matches!(late.await.unwrap(), Err(EngineError::Late)));
    }
    bench.run(2);
    busy.await.unwrap().unwrap();
    assert_eq!(firsts(patient.await.unwrap().unwrap()), "b");
    bench.settled(0, 0, 0).await;
    assert_eq!((bench.batches(), bench.free_places()), (vec!["a".to_owned(), "b".to_owned()], 64));
    let past = bench.show_until("d", Instant::now()).await.unwrap();
    assert!(matches!(past, Err(EngineError::Late)));
}

#[tokio::test]
async fn damaged_pictures_fail_alone_and_by_their_place() {
    let bench = Bench::new(LIMITS);
    let good = bench.show("a");
    bench.settled(PICTURE_BYTES, 0, 0).await;
    let (bad, both) = (bench.show("b?"), [bench.show("?"), bench.show("?")]);
    let error = bad.await.unwrap().unwrap_err();
    assert!(matches!(error, EngineError::Picture { index: 1, .. }), "{error}");
    assert_eq!(error.fault(), Fault::Invalid);
    for bad in both {
        assert!(matches!(bad.await.unwrap(), Err(EngineError::Picture { index: 0, .. })));
    }
    // A decoder that panics, and one that gives another size.
    assert!(matches!(bench.show("!").await.unwrap(), Err(EngineError::Broken)));
    assert!(matches!(bench.show("!").await.unwrap(), Err(EngineError::Broken)));
    assert!(matches!(bench.show("-").await.unwrap(), Err(EngineError::Model(_))));
    bench.run(8);
    assert_eq!(firsts(good.await.unwrap().unwrap()), "a");
    assert_eq!(firsts(bench.show("c").await.unwrap().unwrap()), "c");
    bench.settled(0, 0, 0).await;
    assert_eq!(bench.free_places(), 64);
}

#[tokio::test]
async fn a_picture_that_the_tower_cannot_take_fails_without_its_batch() {
    let bench = Bench::new(LIMITS);
    let busy = bench.show("a");
    bench.settled(PICTURE_BYTES, 0, 0).await;
    let (good, ill) = (bench.show("bc"), bench.show("o"));
    bench.settled(4 * PICTURE_BYTES, 0, 3).await;
    bench.run(5);
    busy.await.unwrap().unwrap();
    assert!(matches!(ill.await.unwrap(), Err(EngineError::Model(_))));
    assert_eq!(firsts(good.await.unwrap().unwrap()), "bc");
    assert_eq!(bench.batches().len(), 1 + 1 + 3);
}

#[tokio::test]
async fn batches_are_of_all_callers_and_no_larger_than_allowed() {
    let bench = Bench::new(LIMITS);
    let busy = bench.show("a");
    bench.settled(PICTURE_BYTES, 0, 0).await;
    let callers = ["bc", "de", "f"].map(|letters| bench.show(letters));
    bench.settled(6 * PICTURE_BYTES, 0, 5).await;
    bench.run(3);
    busy.await.unwrap().unwrap();
    for (caller, letters) in callers.into_iter().zip(["bc", "de", "f"]) {
        assert_eq!(firsts(caller.await.unwrap().unwrap()), letters);
    }
    assert_eq!(bench.batches().iter().map(String::len).collect::<Vec<_>>(), [1, 4, 1]);
}

#[tokio::test]
async fn a_batch_waits_for_company_but_a_full_one_does_not() {
    let bench = Bench::new(VisionLimits { gather: Duration::from_secs(5), ..LIMITS });
    bench.run(2);
    let begun = Instant::now();
    let (one, rest) = (bench.show("a"), bench.show("bcd"));
    assert_eq!(firsts(one.await.unwrap().unwrap()), "a");
    rest.await.unwrap().unwrap();
    assert_eq!(bench.batches().len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_is_decoded_stays_within_its_bytes() {
    for (decoded_bytes, ahead) in [(3 * PICTURE_BYTES, 3), (4 * PICTURE_BYTES - 1, 3), (1, 1)] {
        let bench = Bench::new(VisionLimits { decoded_bytes, ..LIMITS });
        let all = bench.show("abcdefgh");
        until(|| bench.decoded().len() == ahead, || bench.decoded()).await;
        // Time in which a worker that does not wait would go on.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!((bench.decoded().len(), bench.look().0), (ahead, ahead * PICTURE_BYTES));
        assert_eq!(bench.look().1, 8 - ahead);
        bench.run(8);
        assert_eq!(firsts(all.await.unwrap().unwrap()), "abcdefgh");
        bench.settled(0, 0, 0).await;
    }
}

/// A line without threads, and room in it.
fn line(limits: VisionLimits) -> (Line, impl Fn() -> OwnedSemaphorePermit) {
    let line = Line::new(limits);
    line.set_picture_values(PICTURE_BYTES / 4);
    let places = Arc::new(Semaphore::new(limits.max_queued));
    (line, move || Arc::clone(&places).try_acquire_owned().unwrap())
}

#[tokio::test]
async fn nothing_is_decoded_for_who_is_late() {
    let (line, permit) = line(LIMITS);
    let now = Instant::now();
    let identified = |letter| Identified::new(file(letter), &LIMITS.image, permit());
    let mut late = line.ask(vec![(identified(b'a'), permit())], now).unwrap();
    let _good = line.ask(vec![(identified(b'b'), permit())], now + Duration::from_secs(60)).unwrap();
    assert_eq!(line.next_to_decode().unwrap().file.data[0], b'b');
    let Some(Place::Awaited(answer)) = late.pop() else { panic!("known already") };
    assert!(matches!(answer.await, Ok(Err(Failure::Engine(EngineError::Late)))));
}

/// Keeps which span was linked to which, by their names.
struct Linked(Sender<(&'static str, &'static str)>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Linked {
    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let name = |id| context.span(id).unwrap().name();
        self.0.send((name(id), name(follows))).unwrap();
    }
}

#[test]
fn a_batch_is_linked_once_to_each_call_also_to_one_that_joins_while_it_runs() {
    let (linked, links) = channel();
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(Linked(linked)));
    let (line, permit) = line(LIMITS);
    let deadline = Instant::now() + Duration::from_secs(60);
    let ask = |letters: &[u8]| {
        let one = |&letter| (Identified::new(file(letter), &LIMITS.image, permit()), permit());
        line.ask(letters.iter().map(one).collect(), deadline).unwrap()
    };
    let (asked, places) = channel();
    asked.send(info_span!("first").in_scope(|| ask(b"ab"))).unwrap();
    for _ in 0..2 {
        let undecoded = line.next_to_decode().unwrap();
        line.decoded(undecoded, Ok(vec![0.0; PICTURE_BYTES / 4]));
    }
    thread::scope(|scope| {
        let line = &line;
        scope.spawn(move || {
            for place in places.iter().take(2).flatten() {
                let Place::Awaited(answer) = place else { panic!("known already") };
                answer.blocking_recv().unwrap().unwrap();
            }
            line.close();
        });
        tower::own(line, |pixels| {
            asked.send(info_span!("joins").in_scope(|| ask(b"ba"))).unwrap();
            Ok(vec![vec![0.0]; pixels.len()])
        });
    });
    let links: Vec<_> = iter::from_fn(|| links.try_recv().ok()).collect();
    assert_eq!(links, [("batch", "first"), ("tower", "batch"), ("tower", "batch"), ("batch", "joins")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_many_callers_who_come_and_go() {
    let decoded_bytes = 5 * PICTURE_BYTES;
    let limits = VisionLimits { feature_cache_bytes: 4 * 168, max_queued: 1000, decoded_bytes, ..LIMITS };
    let bench = Bench::new(limits);
    bench.run(20_000);
    let mut state = 1_u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut callers = Vec::new();
    for n in 0..600 {
        let pictures = 1 + random(4);
        let letters: String = (0..pictures).map(|_| char::from(b'A' + random(20) as u8)).collect();
        let deadline = Instant::now() + Duration::from_millis(if random(5) == 0 { 1 } else { 60_000 });
        let caller = bench.show_until(&letters, deadline);
        if n % 7 == 0 {
            tokio::task::yield_now().await;
        }
        let leaves = random(3) == 0;
        if leaves {
            caller.abort();
        }
        callers.push((letters, leaves, caller));
    }
    let mut answered = 0;
    for (letters, leaves, caller) in callers {
        match caller.await {
            Ok(Ok(features)) => {
                assert_eq!(firsts(features), letters);
                answered += 1;
            }
            Ok(Err(EngineError::Late)) => {}
            Err(_) if leaves => {}
            other => panic!("{letters}: {other:?}"),
        }
        assert!(bench.look().0 <= decoded_bytes);
    }
    assert!(answered > 100, "{answered}");
    until(
        || bench.free_places() == 1000 && bench.free_bytes() == 1 << 20 && bench.look() == (0, 0, 0),
        || format!("{:?}", bench.look()),
    )
    .await;
}

#[tokio::test]
async fn a_picture_counts_with_what_decoding_it_takes() {
    let one = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    // Pixels of RGB, by its header: more than all the rest may hold.
    let data = Bytes::from_static(include_bytes!("../../../imaging/tests/data/420.jpg"));
    let large = Identified::new(PictureFile { data, ..file(b'a') }, &LIMITS.image, one());
    let (line, permit) = line(VisionLimits { decoded_bytes: large.decoding_bytes, ..LIMITS });
    let small = Identified::new(file(b'b'), &LIMITS.image, one());
    assert!(large.decoding_bytes > 1000 && small.decoding_bytes == 0);
    let bytes = large.decoding_bytes;
    let deadline = Instant::now() + Duration::from_secs(60);
    let _answers = line.ask(vec![(large, permit()), (small, permit())], deadline).unwrap();
    // Larger than the limit with its result, it goes alone; once decoded, only the result counts.
    let undecoded = line.next_to_decode().unwrap();
    assert_eq!(line.look(), (bytes + PICTURE_BYTES, 1, 0));
    line.decoded(undecoded, Ok(vec![0.0; PICTURE_BYTES / 4]));
    assert_eq!(line.look(), (PICTURE_BYTES, 1, 1));
    assert!(line.next_to_decode().is_some());
    assert_eq!(line.look(), (2 * PICTURE_BYTES, 0, 1));
}

#[tokio::test]
async fn a_full_queue_refuses_at_its_limit() {
    let bench = Bench::new(VisionLimits { max_queued: 3, ..LIMITS });
    assert!(matches!(bench.show("abcd").await.unwrap(), Err(EngineError::Busy { limit: 3 })));
    let held = bench.show("ab");
    bench.held(2 * PICTURE_BYTES).await;
    assert!(matches!(bench.show("ab").await.unwrap(), Err(EngineError::Busy { limit: 3 })));
    bench.run(4);
    held.await.unwrap().unwrap();
    assert_eq!(firsts(bench.show("abc").await.unwrap().unwrap()), "abc");
}

#[tokio::test]
async fn files_that_wait_stay_within_their_bytes() {
    // One is decoded and held up, so that the next keeps its file.
    let bench = Bench::new(VisionLimits { queued_bytes: 3, decoded_bytes: PICTURE_BYTES, ..LIMITS });
    assert!(matches!(bench.show("abcd").await.unwrap(), Err(EngineError::BusyBytes { limit: 3 })));
    let first = bench.show("a");
    bench.held(PICTURE_BYTES).await;
    until(|| bench.free_bytes() == 3, || bench.free_bytes().to_string()).await;
    let waiting = bench.show("bcd");
    bench.settled(PICTURE_BYTES, 3, 0).await;
    let refused = bench.show("e").await.unwrap().unwrap_err();
    assert!(matches!(refused, EngineError::BusyBytes { limit: 3 }));
    assert!(matches!(refused.fault(), Fault::Busy { .. }));
    bench.run(8);
    first.await.unwrap().unwrap();
    assert_eq!(firsts(waiting.await.unwrap().unwrap()), "bcd");
    assert_eq!((bench.free_bytes(), bench.free_places()), (3, 64));
    assert_eq!(firsts(bench.show("abc").await.unwrap().unwrap()), "abc");
}

#[tokio::test]
async fn a_tower_that_panics_leaves_nobody_waiting() {
    let limits = LIMITS;
    let panics = |_: &(), _: &[Vec<f32>]| -> Result<Vec<Vec<f32>>, ModelError> { panic!("a tower's fault") };
    let prepare = |_: &PictureFile| Ok(vec![0.0; PICTURE_BYTES / 4]);
    let engine = VisionEngine::assemble(|| Ok(()), |()| PICTURE_BYTES / 4, panics, prepare, limits).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let stopped = engine.encode(vec![file(b'a')], deadline).await;
    assert!(matches!(stopped, Err(EngineError::Stopped)));
    engine.ended().await;
    assert!(matches!(engine.encode(vec![file(b'a')], deadline).await, Err(EngineError::Stopped)));
}
