//! Choices among replicas in made-up states.

use std::collections::HashMap;

use tonic::transport::Endpoint;

use super::*;
use crate::upstream::replica::Outstanding;

/// Replicas at ports 1 …, all well.
fn replicas(n: u16) -> Vec<Arc<Replica>> {
    let replica = |port: u16| {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let replica = Replica::new(address, channel);
        replica.learn(Health::Ready);
        Arc::new(replica)
    };
    (1..=n).map(replica).collect()
}

/// Numbers that look random, and are the same each time.
fn dice() -> impl FnMut(usize) -> usize {
    let mut state = 7_u64;
    move |n| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    }
}

#[tokio::test]
async fn the_less_busy_of_two_gets_the_call() {
    let all = replicas(3);
    let mut random = dice();
    let mut busy = Vec::new();
    for _ in 0..3000 {
        busy.push(Outstanding::with(choose(&all, None, &[], &mut random).unwrap()));
    }
    let counts: Vec<_> = all.iter().map(|replica| replica.outstanding()).collect();
    assert!(counts.iter().all(|count| count.abs_diff(1000) <= 3), "{counts:?}");
    drop(busy);
    assert!(all.iter().all(|replica| replica.outstanding() == 0));
}

#[tokio::test]
async fn who_is_not_well_gets_nothing_while_others_are() {
    let all = replicas(4);
    all[0].learn(Health::NotReady);
    all[1].eject();
    all[2].learn(Health::Unknown);
    let mut random = dice();
    let mut chosen =
        |tried: &[SocketAddr], affinity| choose(&all, affinity, tried, &mut random).unwrap().address;
    let key = Some(Affinity::of("a dialogue"));
    for affinity in [None, key] {
        // Down the ranks, as each better one has failed.
        let mut tried = Vec::new();
        for expected in [3, 1, 2, 0] {
            assert_eq!(chosen(&tried, affinity), all[expected].address);
            tried.push(all[expected].address);
        }
        // All have failed: the best of them again.
        assert_eq!(chosen(&tried, affinity), all[3].address);
    }
    assert!(choose(&[], None, &[], dice()).is_none());
    assert!(has_other(&all, &[all[3].address]), "one was not asked yet");
    all[2].learn(Health::NotReady);
    assert!(!has_other(&all, &[all[3].address]));
}

#[tokio::test]
async fn turns_of_a_dialogue_stay_together_and_dialogues_spread() {
    let all = replicas(4);
    let home = |replicas: &[Arc<Replica>], n: u32| {
        choose(replicas, Some(Affinity::of(&n)), &[], |_| unreachable!()).unwrap().address
    };
    let homes: Vec<_> = (0..4000).map(|n| home(&all, n)).collect();
    let mut counts = HashMap::new();
    homes.iter().for_each(|home| *counts.entry(*home).or_insert(0_usize) += 1);
    assert!(counts.len() == 4 && counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    // One goes: its own dialogues move, no others.
    let fewer = &all[1..];
    for (n, before) in (0..).zip(&homes) {
        assert_eq!(home(fewer, n) == *before, *before != all[0].address);
    }
}

#[tokio::test]
async fn an_overloaded_home_sends_its_dialogues_on() {
    let all = replicas(2);
    let key = Some(Affinity::of("everybody's first words"));
    let mut busy = Vec::new();
    for _ in 0..100 {
        busy.push(Outstanding::with(choose(&all, key, &[], |_| unreachable!()).unwrap()));
    }
    let mut counts: Vec<_> = all.iter().map(|replica| replica.outstanding()).collect();
    counts.sort_unstable();
    // Half as much again as an even share of 50.
    assert!((74..=76).contains(&counts[1]), "{counts:?}");
}

#[test]
fn room_is_half_as_much_again_as_an_even_share() {
    assert!(has_room(3, 3, 2), "a few are never too many");
    assert!(!has_room(4, 4, 2));
    assert!(has_room(74, 99, 2) && !has_room(75, 99, 2));
    assert!(has_room(11, 29, 4) && !has_room(12, 29, 4));
}
