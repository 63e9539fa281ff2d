//! Pools of real servers on loopback ports, that do as they are told.

mod peer;

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Mutex,
    time::Instant,
};

use fondue_domain::Fault;
use futures::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};
use tonic::Request;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use self::peer::{Mode, Peer};
use super::*;
use crate::{
    network::{Reach, Wire},
    status::fault_of,
};

const BALANCE: Balance = Balance {
    resolve_interval: Duration::from_secs(5),
    health_interval: Duration::from_millis(100),
    retry_ratio: 0.2,
};

fn pool(peers: &[&Peer], balance: Balance) -> Channel {
    let addresses: Vec<_> = peers.iter().map(|peer| peer.address.as_str()).collect();
    let targets = addresses.join(",").parse().unwrap();
    balanced(Upstream {
        service: "test".into(),
        targets,
        slow_readers: true,
        balance,
        tls: None,
        network: Network::System,
    })
}

/// How a call is made.
#[derive(Clone, Copy, Default)]
struct How {
    repeatable: bool,
    affinity: Option<Affinity>,
    timeout: Option<Duration>,
}

const AGAIN: How = How { repeatable: true, affinity: None, timeout: None };

fn request(how: How) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest::default());
    if how.repeatable {
        request.extensions_mut().insert(Repeatable);
    }
    if let Some(affinity) = how.affinity {
        request.extensions_mut().insert(affinity);
    }
    if let Some(timeout) = how.timeout {
        request.set_timeout(timeout);
    }
    request
}

/// The stream of an answer.
async fn stream(channel: &Channel, how: How) -> Result<tonic::Streaming<HealthCheckResponse>, tonic::Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let path = "/fondue.odd.v1.Odd/Call".parse().unwrap();
    client.server_streaming(request(how), path, codec).await.map(tonic::Response::into_inner)
}

/// Which peer answered, or with which fault none did. A peer answers with its address in a status that is nobody's fault.
async fn call(channel: &Channel, how: How) -> Result<String, Fault> {
    let status = stream(channel, how).await.unwrap_err();
    match status.code() {
        tonic::Code::NotFound => Ok(status.message().to_owned()),
        _ => Err(fault_of(&status)),
    }
}

/// Waits until `done`.
async fn eventually(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to that");
}

/// Waits until the pool knows that all of its replicas are well.
async fn known(channel: &Channel, n_ready: usize) {
    let Kind::Pool(pool) = &channel.kind else { panic!("no pool") };
    eventually(async || {
        let replicas = pool.replicas();
        replicas.iter().filter(|replica| replica.health() == replica::Health::Ready).count() == n_ready
    })
    .await;
}

#[test]
fn addresses_are_checked_and_the_scheme_may_be_left_out() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    assert!(connect_lazy("127.0.0.1:7401").is_ok());
    assert!(connect_lazy("http://vision:7401").is_ok());
    for wrong in ["", "http://", "not an address", "/path", "ftp://vision:7401"] {
        assert!(connect_lazy(wrong).is_err(), "{wrong}");
    }
    let error = connect_lazy("https://vision:7401").unwrap_err();
    assert!(matches!(error, UpstreamError::NoTls(_)), "{error}");
}

#[tokio::test]
async fn a_silent_service_is_a_deadline_and_one_that_is_down_is_unavailable() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let pool = balanced(Upstream {
        service: "test".into(),
        targets: address.parse().unwrap(),
        slow_readers: false,
        balance: BALANCE,
        tls: None,
        network: Network::System,
    });
    let ask = async |channel: &Channel| {
        let mut client = HealthClient::new(channel.clone());
        let mut request = Request::new(HealthCheckRequest::default());
        request.set_timeout(Duration::from_millis(50));
        fault_of(&client.check(request).await.unwrap_err())
    };
    for channel in [connect_lazy(&address).unwrap(), pool.clone()] {
        assert_eq!(ask(&channel).await, Fault::Deadline);
    }
    drop(silent);
    for channel in [connect_lazy(&address).unwrap(), pool] {
        assert_eq!(ask(&channel).await, Fault::Unavailable);
    }
}

/// Names as a test has them; connections are the system's.
#[derive(Debug, Default)]
struct Names(Mutex<HashMap<&'static str, SocketAddr>>);

impl Reach for Names {
    fn lookup<'a>(&'a self, host: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let found = self.0.lock().unwrap().get(host).copied();
        Box::pin(async move { found.map(|one| vec![one]).ok_or_else(|| io::Error::other("no such name")) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Wire>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(address).await?) as Wire) })
    }
}

#[tokio::test]
async fn a_name_that_is_gone_keeps_its_own_replicas_and_no_others() {
    let peers = [Peer::start().await, Peer::start().await, Peer::start().await];
    let [first, second, third] = peers.each_ref().map(|peer| peer.address.parse::<SocketAddr>().unwrap());
    let names = Arc::new(Names::default());
    names.0.lock().unwrap().extend([("a", first), ("b", second)]);
    let channel = balanced(Upstream {
        service: "test".into(),
        targets: "a:1,b:1".parse().unwrap(),
        slow_readers: false,
        balance: Balance { resolve_interval: Duration::from_millis(20), ..BALANCE },
        tls: None,
        network: Network::Other(names.clone()),
    });
    known(&channel, 2).await;
    let Kind::Pool(pool) = &channel.kind else { panic!("no pool") };
    {
        let mut names = names.0.lock().unwrap();
        names.remove("a");
        names.insert("b", third);
    }
    let wanted = HashSet::from([first, third]);
    eventually(async || pool.replicas().iter().map(|one| one.address).collect::<HashSet<_>>() == wanted)
        .await;
    assert!([first, third].map(|one| Ok(one.to_string())).contains(&call(&channel, AGAIN).await));
}

#[tokio::test]
async fn a_name_without_addresses_is_told_as_such() {
    let targets = "no-such-host.invalid:1".parse().unwrap();
    let channel = balanced(Upstream {
        service: "test".into(),
        targets,
        slow_readers: false,
        balance: BALANCE,
        tls: None,
        network: Network::System,
    });
    let status = stream(&channel, AGAIN).await.unwrap_err();
    assert_eq!(fault_of(&status), Fault::Unavailable);
    assert!(status.message().starts_with("no-such-host.invalid:1: "), "{}", status.message());
}

#[tokio::test]
async fn calls_spread_and_go_elsewhere_when_a_replica_is_gone() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let channel = pool(&[&a, &b], BALANCE);
    known(&channel, 2).await;
    let mut met = HashSet::new();
    for _ in 0..50 {
        met.insert(call(&channel, AGAIN).await.unwrap());
    }
    assert_eq!(met.len(), 2);
    let (there, gone) = (a.address.clone(), b);
    gone.kill();
    // From the first call on, before anybody has asked for its health.
    for _ in 0..50 {
        assert_eq!(call(&channel, AGAIN).await.as_ref(), Ok(&there));
    }
    // One that may not be made again goes there too, once that is known.
    known(&channel, 1).await;
    for _ in 0..50 {
        assert_eq!(call(&channel, How::default()).await.as_ref(), Ok(&there));
    }
}

#[tokio::test]
async fn a_replica_that_comes_back_gets_calls_again() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let channel = pool(&[&a, &b], BALANCE);
    known(&channel, 2).await;
    let address = b.address.clone();
    b.kill();
    known(&channel, 1).await;
    let b = Peer::start_at(&address).await;
    known(&channel, 2).await;
    eventually(async || call(&channel, AGAIN).await == Ok(b.address.clone())).await;
}

#[tokio::test]
async fn refusals_are_taken_elsewhere_if_the_call_may_be_repeated() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let channel = pool(&[&a, &b], BALANCE);
    known(&channel, 2).await;
    let busy = Fault::Busy { retry_after: Duration::from_secs(1) };
    for (mode, fault) in [(Mode::Busy, busy), (Mode::Stopping, Fault::Unavailable)] {
        a.set(mode);
        // Not so often that it is ejected.
        for _ in 0..3 {
            assert_eq!(call(&channel, AGAIN).await.as_ref(), Ok(&b.address));
        }
        b.set(mode);
        let before = a.n_calls() + b.n_calls();
        assert_eq!(call(&channel, AGAIN).await, Err(fault), "one after the other refuses");
        assert_eq!(a.n_calls() + b.n_calls() - before, 2, "each is asked once");
        let before = a.n_calls() + b.n_calls();
        assert_eq!(call(&channel, How::default()).await, Err(fault));
        assert_eq!(a.n_calls() + b.n_calls() - before, 1, "it may not be made again");
        b.set(Mode::Answer);
    }
}

#[tokio::test]
async fn what_broke_before_its_first_message_is_made_again_and_later_never() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let channel = pool(&[&a, &b], BALANCE);
    known(&channel, 2).await;
    a.set(Mode::BreakAtOnce);
    for _ in 0..10 {
        assert_eq!(call(&channel, AGAIN).await.as_ref(), Ok(&b.address));
    }
    assert!(a.n_calls() > 0);
    a.set(Mode::BreakLater);
    b.set(Mode::BreakLater);
    let before = a.n_calls() + b.n_calls();
    let mut stream = stream(&channel, AGAIN).await.unwrap();
    assert!(stream.message().await.unwrap().is_some());
    assert!(stream.message().await.is_err());
    assert_eq!(a.n_calls() + b.n_calls() - before, 1);
}

#[tokio::test]
async fn without_a_budget_nothing_is_made_again() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let channel = pool(&[&a, &b], Balance { retry_ratio: 0.0, ..BALANCE });
    known(&channel, 2).await;
    a.set(Mode::Busy);
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(call(&channel, AGAIN).await.is_ok());
    }
    assert!(answers.contains(&true) && answers.contains(&false));
    assert_eq!(a.n_calls() + b.n_calls(), 40);
}

#[tokio::test]
async fn retries_stay_within_their_budget() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    a.set(Mode::Busy);
    b.set(Mode::Busy);
    let channel = pool(&[&a, &b], BALANCE);
    known(&channel, 2).await;
    for _ in 0..400 {
        assert!(call(&channel, AGAIN).await.is_err());
    }
    let retries = a.n_calls() + b.n_calls() - 400;
    // A fifth of the calls, and five a second over ten seconds; the window may have turned meanwhile.
    assert!((50..=200).contains(&retries), "{retries}");
}

#[tokio::test]
async fn a_second_attempt_has_the_time_that_is_left() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let channel = pool(&[&a, &b], BALANCE);
    known(&channel, 2).await;
    a.set(Mode::SlowlyStopping);
    b.set(Mode::Answer);
    let how = How { timeout: Some(Duration::from_secs(20)), ..AGAIN };
    eventually(async || {
        let before = a.n_calls();
        assert_eq!(call(&channel, how).await.as_ref(), Ok(&b.address));
        a.n_calls() > before
    })
    .await;
    let (first, second) = (a.time_left().unwrap(), b.time_left().unwrap());
    assert!(first > second + peer::SLOWLY / 2, "{first:?} {second:?}");
    // No time is left: no other attempt.
    b.set(Mode::SlowlyStopping);
    let how = How { timeout: Some(peer::SLOWLY / 2), ..AGAIN };
    let before = a.n_calls() + b.n_calls();
    assert_eq!(call(&channel, how).await, Err(Fault::Deadline));
    assert_eq!(a.n_calls() + b.n_calls() - before, 1);
}

#[tokio::test]
async fn one_that_fails_again_and_again_is_left_alone_but_never_more_than_half() {
    let peers = [Peer::start().await, Peer::start().await];
    let channel = pool(&[&peers[0], &peers[1]], BALANCE);
    known(&channel, 2).await;
    peers[0].set(Mode::Broken);
    let mut failures = 0;
    for _ in 0..60 {
        failures += u32::from(call(&channel, How::default()).await.is_err());
    }
    assert_eq!(failures, replica::EJECT_AFTER, "then it gets none");
    peers[1].set(Mode::Broken);
    for _ in 0..20 {
        assert!(call(&channel, How::default()).await.is_err());
    }
    assert_eq!(peers[0].n_calls(), replica::EJECT_AFTER as usize, "the other one stays, though it fails");
}

#[tokio::test]
async fn a_draining_replica_gets_no_calls_and_ends_what_it_has() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let channel = pool(&[&a, &b], BALANCE);
    known(&channel, 2).await;
    a.set(Mode::Hold);
    b.set(Mode::Hold);
    let mut held = Vec::new();
    while a.n_calls() == 0 || b.n_calls() == 0 {
        held.push(stream(&channel, AGAIN).await.unwrap());
    }
    let n_on_a = a.n_calls();
    a.readiness.not_ready("draining");
    known(&channel, 1).await;
    b.set(Mode::Answer);
    for _ in 0..20 {
        assert_eq!(call(&channel, AGAIN).await.as_ref(), Ok(&b.address));
    }
    assert_eq!(a.n_calls(), n_on_a);
    let Kind::Pool(pool) = &channel.kind else { panic!("no pool") };
    let outstanding = || pool.replicas().iter().map(|replica| replica.outstanding()).sum::<usize>();
    assert_eq!(outstanding(), held.len());
    a.release();
    b.release();
    for mut stream in held {
        assert!(stream.message().await.unwrap().is_some());
        assert!(stream.message().await.unwrap().is_none(), "it ended well");
    }
    assert_eq!(outstanding(), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_lets_go() {
    let a = Peer::start().await;
    let channel = pool(&[&a], BALANCE);
    a.set(Mode::Hold);
    let held = stream(&channel, AGAIN).await.unwrap();
    let Kind::Pool(pool) = &channel.kind else { panic!("no pool") };
    assert_eq!(pool.replicas()[0].outstanding(), 1);
    drop(held);
    eventually(async || pool.replicas()[0].outstanding() == 0).await;
    a.released().await;
}

#[tokio::test]
async fn a_frozen_replica_is_found_out() {
    let well = Peer::start().await;
    // It accepts connections and says nothing.
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let targets = format!("{},{}", well.address, frozen.local_addr().unwrap()).parse().unwrap();
    let channel = balanced(Upstream {
        service: "test".into(),
        targets,
        slow_readers: false,
        balance: BALANCE,
        tls: None,
        network: Network::System,
    });
    let begun = Instant::now();
    known(&channel, 1).await;
    eventually(async || {
        let Kind::Pool(pool) = &channel.kind else { panic!("no pool") };
        pool.replicas().iter().any(|replica| replica.health() == replica::Health::NotReady)
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    for _ in 0..20 {
        assert_eq!(call(&channel, How::default()).await.as_ref(), Ok(&well.address));
    }
}

#[tokio::test]
async fn what_belongs_together_goes_to_one_replica_while_that_is_well() {
    let peers = [Peer::start().await, Peer::start().await, Peer::start().await];
    let channel = pool(&[&peers[0], &peers[1], &peers[2]], BALANCE);
    known(&channel, 3).await;
    let how = How { affinity: Some(Affinity::of("a dialogue")), ..AGAIN };
    let home = call(&channel, how).await.unwrap();
    for _ in 0..20 {
        assert_eq!(call(&channel, how).await.as_ref(), Ok(&home));
    }
    let at_home = peers.iter().find(|peer| peer.address == home).unwrap();
    at_home.set(Mode::Busy);
    let second = call(&channel, how).await.unwrap();
    assert_ne!(second, home);
    assert_eq!(call(&channel, how).await.as_ref(), Ok(&second), "always the same second one");
    at_home.set(Mode::Answer);
    assert_eq!(call(&channel, how).await.as_ref(), Ok(&home));
}

#[tokio::test]
async fn each_replica_can_be_told() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let channel = pool(&[&a, &b], BALANCE);
    known(&channel, 2).await;
    let mut met = HashSet::new();
    for each in channel.each() {
        met.insert(call(&each, AGAIN).await.unwrap());
    }
    assert_eq!(met, HashSet::from([a.address.clone(), b.address.clone()]));
}
