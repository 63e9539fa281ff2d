//! Bodies made by hand, read by hand.

use std::{convert::Infallible, error::Error};

use fondue_domain::Fault;
use futures::{Stream, StreamExt, stream};

use super::*;
use crate::{settings::ServingSettings, status::fault_of};

const CALL: &str = "/fondue.x.v1.X/Do";
const OPEN_CALL: &str = "/grpc.health.v1.Health/Check";
const STREAM: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
/// Nothing here takes this long unless it hangs.
const HANGS: Duration = Duration::from_secs(20);

fn bodies(max: usize, timeout_ms: u64) -> Bodies {
    let settings = ServingSettings { max_message_bytes: Some(1024), ..ServingSettings::default() };
    let mut serving = settings.resolve("127.0.0.1:0").unwrap();
    (serving.max_bodies_bytes, serving.body_timeout) = (max, Duration::from_millis(timeout_ms));
    Bodies::new(&serving, tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn body(chunks: impl Stream<Item = Vec<u8>> + Send + 'static) -> Body {
    Body::from_stream(chunks.map(Ok::<_, Infallible>))
}

/// Chunks, and then nothing for ever.
fn stuck(chunks: Vec<Vec<u8>>) -> Body {
    body(stream::iter(chunks).chain(stream::pending()))
}

fn message(n: usize) -> Vec<u8> {
    let mut message = vec![0];
    message.extend(u32::try_from(n).unwrap().to_be_bytes());
    message.extend(vec![7; n]);
    message
}

/// Bytes of the next frame; `None` at the end.
async fn next(body: &mut Body) -> Option<Result<usize, Fault>> {
    let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
    let frame = tokio::time::timeout(HANGS, next).await.expect("the body hangs")?;
    Some(match frame {
        Ok(frame) => Ok(frame.data_ref().unwrap().len()),
        Err(error) => {
            let mut cause: &(dyn Error + 'static) = &error;
            while cause.downcast_ref::<Status>().is_none() {
                cause = cause.source().expect("a status");
            }
            Err(fault_of(cause.downcast_ref().unwrap()))
        }
    })
}

const BUSY: Fault = Fault::Busy { retry_after: RETRY_AFTER };

#[tokio::test]
async fn bodies_share_their_bytes_and_give_them_back() {
    let bodies = bodies(100_000, 60_000);
    let whole = |n: usize| bodies.around("/v1/x", false, None, stuck(vec![vec![7; n]]));
    let mut first = whole(FREE + 60_000);
    assert_eq!(next(&mut first).await, Some(Ok(FREE + 60_000)));
    let mut second = whole(FREE + 40_001);
    assert_eq!(next(&mut second).await, Some(Err(BUSY)), "one byte too many");
    let mut third = whole(FREE + 40_000);
    assert_eq!(next(&mut third).await, Some(Ok(FREE + 40_000)), "and no more than that");
    let mut small = whole(FREE);
    assert_eq!(next(&mut small).await, Some(Ok(FREE)), "a question gets in");
    let mut large = whole(FREE + 1);
    assert_eq!(next(&mut large).await, Some(Err(BUSY)));
    drop(first);
    let mut fourth = whole(FREE + 60_000);
    assert_eq!(next(&mut fourth).await, Some(Ok(FREE + 60_000)));
    drop((second, third, small, large, fourth));
    assert_eq!(bodies.budget.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_message_holds_its_bytes_until_it_is_decoded() {
    let bodies = bodies(100_000, 60_000);
    let held = || bodies.budget.held.load(Ordering::Relaxed);
    for path in [STREAM, CALL] {
        let chunks: Vec<_> =
            (0..20).flat_map(|_| [message(70_000)[..30_000].to_vec(), vec![7; 40_005]]).collect();
        let mut read = bodies.around(path, true, None, body(stream::iter(chunks)));
        for _ in 0..20 {
            assert_eq!(next(&mut read).await, Some(Ok(30_000)));
            assert_eq!(held(), 30_000 - FREE);
            assert_eq!(next(&mut read).await, Some(Ok(40_005)));
            assert_eq!(held(), 70_005 - FREE, "whoever asks on has decoded it");
        }
        assert_eq!(next(&mut read).await, None);
        assert_eq!(held(), 0, "{path}");
    }
    let mut long = bodies.around(STREAM, true, None, body(stream::iter([message(200_000)])));
    assert_eq!(next(&mut long).await, Some(Err(BUSY)));
}

#[tokio::test]
async fn a_caller_has_a_quarter_and_leaves_the_rest_to_others() {
    let bodies = bodies(100_000, 60_000);
    let held = || bodies.budget.held.load(Ordering::Relaxed);
    let whole = |tenant: &str, n: usize| {
        let tenant = Tenant(tenant.into());
        bodies.around("/v1/x", false, Some(&tenant), stuck(vec![vec![7; FREE + n]]))
    };
    let mut first = whole("acme", 15_000);
    assert_eq!(next(&mut first).await, Some(Ok(FREE + 15_000)));
    let mut second = whole("acme", 10_001);
    assert_eq!((next(&mut second).await, held()), (Some(Err(BUSY)), 15_000));
    let mut others: Vec<_> = ["emca", "mace", "came"].map(|tenant| whole(tenant, 25_000)).into();
    for other in &mut others {
        assert_eq!(next(other).await, Some(Ok(FREE + 25_000)));
    }
    let mut third = whole("acme", 10_000);
    assert_eq!((next(&mut third).await, held()), (Some(Ok(FREE + 10_000)), 100_000));
    // What all may hold is a limit beside it, and who meets that one has lost nothing of its own.
    let mut late = whole("late", 1);
    assert_eq!(next(&mut late).await, Some(Err(BUSY)));
    drop((first, second, third, others));
    let mut again = whole("late", 25_000);
    assert_eq!((next(&mut again).await, held()), (Some(Ok(FREE + 25_000)), 25_000));
    drop((late, again));
    assert_eq!(held(), 0);
    drop(whole("new", 1));
    assert_eq!(bodies.own.lock().unwrap().len(), 1, "whoever has gone is forgotten");
}

#[tokio::test]
async fn what_anybody_may_ask_takes_nothing_of_what_all_share() {
    let bodies = bodies(100_000, 60_000);
    for framed in [true, false] {
        let mut small = bodies.around(OPEN_CALL, framed, None, stuck(vec![message(FREE - 5)]));
        assert_eq!(next(&mut small).await, Some(Ok(FREE)));
        let half = message(70_000)[..FREE + 1].to_vec();
        let mut large = bodies.around(OPEN_CALL, framed, None, stuck(vec![half]));
        assert_eq!(next(&mut large).await, Some(Err(Fault::TooLarge)), "{framed}");
        assert_eq!(bodies.budget.held.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn a_body_has_so_much_time_and_a_stream_so_much_for_each_message() {
    let bodies = bodies(1 << 20, 200);
    for (framed, chunks) in [
        (false, vec![]),
        (false, vec![vec![7; 10]]),
        (true, vec![]),
        (true, vec![message(10)]), // whole, but its call's body has no end
        (true, vec![vec![0; 3]]),
    ] {
        let n_chunks = chunks.len();
        let mut slow = bodies.around(CALL, framed, None, stuck(chunks));
        for _ in 0..n_chunks {
            next(&mut slow).await.unwrap().unwrap();
        }
        assert_eq!(next(&mut slow).await, Some(Err(Fault::Deadline)), "{framed} {n_chunks}");
    }
    // A byte now and then does not help.
    let trickle = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((vec![7], ()))
    });
    let mut slow = bodies.around(CALL, false, None, body(Box::pin(trickle)));
    while let Some(Ok(1)) = next(&mut slow).await {}
    // Of a stream each message has its time, and silence between two is not looked at.
    let mut stream = bodies.around(STREAM, true, None, stuck(vec![message(10)]));
    assert_eq!(next(&mut stream).await, Some(Ok(15)));
    assert!(tokio::time::timeout(Duration::from_millis(600), next(&mut stream)).await.is_err());
    let mut stream = bodies.around(STREAM, true, None, stuck(vec![message(10), message(10)[..14].to_vec()]));
    assert_eq!((next(&mut stream).await, next(&mut stream).await), (Some(Ok(15)), Some(Ok(14))));
    assert_eq!(next(&mut stream).await, Some(Err(Fault::Deadline)));
}

#[tokio::test]
async fn a_reader_that_takes_its_time_takes_none_of_the_senders() {
    let bodies = bodies(1 << 20, 300);
    let mut read = bodies.around(CALL, false, None, body(stream::iter(vec![vec![7]; 4])));
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(next(&mut read).await, Some(Ok(1)));
    }
    assert_eq!(next(&mut read).await, None);
}

#[test]
fn streams_are_known_by_the_contract() {
    let paths = client_streams(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET);
    assert_eq!(paths, HashSet::from([STREAM.to_owned()]));
    assert!(client_streams(tonic_health::pb::FILE_DESCRIPTOR_SET).is_empty());
}
