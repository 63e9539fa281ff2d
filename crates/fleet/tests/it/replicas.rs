//! Deaths and returns.

use std::{ffi::OsString, fs, path::Path, time::Duration};

use fondue_fleet::{Fleet, FleetError, Replica, Service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{LONG, answers, plan};

#[tokio::test]
async fn the_gateway_is_told_every_replica() {
    let (_folder, plan) = plan(2, false);
    let fleet = Fleet::start(&plan).await.unwrap();
    assert_eq!(fleet.all().count(), 7);
    // It tells its flags after it has told that it listens.
    let log = plan.logs.join("gateway.log");
    let flags = || fs::read_to_string(&log).unwrap_or_default();
    let told = async {
        while !flags().ends_with('\n') {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, told).await.unwrap();
    for service in Service::LEAVES {
        let doors: Vec<_> = fleet.replicas(service).map(Replica::door).collect();
        assert_eq!(doors.len(), 2);
        let (log, flag) = (flags(), format!("--{service} {},{}", doors[0], doors[1]));
        assert!(log.contains(&flag), "{log}");
    }
    answers(fleet.url().unwrap().trim_start_matches("http://")).await.unwrap();
}

#[tokio::test]
async fn a_killed_one_comes_back_on_its_port_and_the_others_stay() {
    let (_folder, plan) = plan(2, false);
    let mut fleet = Fleet::leaves(&plan).await.unwrap();
    let others: Vec<_> = fleet.all().map(|one| (one.name().to_owned(), one.id())).collect();
    let one = fleet.replica(Service::Language, 1).unwrap();
    assert!(one.is_running() && one.name() == "language-1");
    let (address, id) = (one.address().to_owned(), one.id());
    answers(&address).await.unwrap();
    // It may take more between the two looks, and the kernel's counts are not exact.
    let (resident, peak) = (one.resident().unwrap(), one.peak().unwrap());
    assert!(resident > 0 && 2 * peak >= resident, "{resident} {peak}");
    one.kill().await;
    assert!(!one.is_running() && answers(&address).await.is_err());
    assert!(matches!(one.freeze(), Err(FleetError::Down { .. })));
    assert!(!Path::new(&format!("/proc/{}", id.unwrap())).exists());
    one.restart().await.unwrap();
    assert!(one.is_running() && one.id() != id && one.address() == address);
    answers(&address).await.unwrap();
    let now = fleet.all().map(|one| (one.name().to_owned(), one.id()));
    assert_eq!(now.filter(|each| others.contains(each)).count(), 5);
}

#[tokio::test]
async fn a_frozen_one_keeps_its_connections_and_says_nothing() {
    let (_folder, plan) = plan(1, false);
    let mut fleet = Fleet::leaves(&plan).await.unwrap();
    let one = fleet.replica(Service::Vision, 0).unwrap();
    let mut stream = TcpStream::connect(one.address()).await.unwrap();
    one.freeze().unwrap();
    stream.write_all(b"x").await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(100), stream.read_exact(&mut byte)).await.is_err());
    assert!(one.is_running());
    one.thaw().unwrap();
    timeout(LONG, stream.read_exact(&mut byte)).await.unwrap().unwrap();
    assert_eq!(&byte, b"x");
    // A frozen one is killed like any other.
    one.freeze().unwrap();
    one.kill().await;
    assert!(!one.is_running());
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let (_folder, plan) = plan(1, true);
    let mut fleet = Fleet::start(&plan).await.unwrap();
    let ids: Vec<_> = fleet.all().map(|one| one.id().unwrap()).collect();
    fleet.stop().await;
    let stopped = Fleet::start(&plan).await.unwrap();
    let more: Vec<_> = stopped.all().map(|one| one.id().unwrap()).collect();
    drop(stopped);
    for id in ids.into_iter().chain(more) {
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "{id}");
    }
}

#[tokio::test]
async fn what_does_not_start_says_why() {
    let (_folder, mut plan) = plan(1, false);
    plan.flags = vec![(Service::Language, OsString::from("--bad"))];
    let error = Fleet::start(&plan).await.unwrap_err().to_string();
    assert!(error.starts_with("language-0 ended before it was ready; the end of "), "{error}");
    assert!(error.contains("that is a bad flag"), "{error}");
    plan.flags = vec![(Service::Gateway, OsString::from("--late"))];
    plan.patience = Duration::from_secs(1);
    let error = Fleet::start(&plan).await.unwrap_err().to_string();
    assert!(error.starts_with("gateway was not ready within 1 s"), "{error}");
    plan.replicas = 0;
    assert!(matches!(Fleet::start(&plan).await, Err(FleetError::Replicas { got: 0 })));
    (plan.replicas, plan.programs) = (1, "nowhere".into());
    let error = Fleet::start(&plan).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "nowhere/fondue-vision is not there; build it with `cargo build --release -p fondue-vision`"
    );
}
