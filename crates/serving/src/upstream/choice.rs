//! Which replica gets a call. Pure.
//!
//! Calls that belong together (the turns of a dialogue) go to one replica, which remembers what they have in common; others to
//! the one of two picked at random that has less under way, which comes close to the best of all without herding.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
};

use super::replica::{Health, Replica};

/// Calls with the same value go to the same replica as long as it has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity(u64);

impl Affinity {
    /// Of what such calls have in common.
    pub fn of(common: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = DefaultHasher::new(); // without a key: all gateways agree
        common.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Calls under way with one replica below which it is not called overloaded, however little the others have.
const ALWAYS: usize = 4;

/// Whether a replica with `outstanding` calls of `total` under way with `n` replicas has room for one that belongs there: it may
/// have half as much again as an even share.
fn has_room(outstanding: usize, total: usize, n: usize) -> bool {
    let share = (3 * (total + 1)).div_ceil(2 * n.max(1));
    outstanding < share.max(ALWAYS)
}

/// The replica for a call; `None` if there are none. `tried` are those where it failed.
pub(super) fn choose(
    replicas: &[Arc<Replica>],
    affinity: Option<Affinity>,
    tried: &[SocketAddr],
    random: impl FnMut(usize) -> usize,
) -> Option<Arc<Replica>> {
    let candidates = candidates(replicas, tried);
    match affinity {
        Some(key) => nearest(&candidates, key),
        None => two_choices(&candidates, random),
    }
}

/// Whether there is another replica that would take the call.
pub(super) fn has_other(replicas: &[Arc<Replica>], tried: &[SocketAddr]) -> bool {
    let other =
        |replica: &&Arc<Replica>| !tried.contains(&replica.address) && replica.health() != Health::NotReady;
    replicas.iter().any(|replica| other(&replica) && !replica.is_ejected())
}

/// Those that are as good as there are: well, before ejected, before not asked yet, before the rest, where the call at least
/// brings the replica's own word for what is wrong. Not those that were tried, if there are others.
fn candidates(replicas: &[Arc<Replica>], tried: &[SocketAddr]) -> Vec<Arc<Replica>> {
    let rank = |replica: &Replica| {
        let again = tried.contains(&replica.address);
        match replica.health() {
            Health::Ready if !replica.is_ejected() => (again, 0),
            Health::Ready => (again, 1),
            Health::Unknown => (again, 2),
            Health::NotReady => (again, 3),
        }
    };
    let ranked: Vec<_> = replicas.iter().map(|replica| (rank(replica), replica)).collect();
    let Some(best) = ranked.iter().map(|(rank, _)| *rank).min() else { return Vec::new() };
    ranked.into_iter().filter(|(rank, _)| *rank == best).map(|(_, replica)| replica.clone()).collect()
}

fn two_choices(candidates: &[Arc<Replica>], mut random: impl FnMut(usize) -> usize) -> Option<Arc<Replica>> {
    let n = candidates.len();
    if n < 2 {
        return candidates.first().cloned();
    }
    let first = random(n);
    let second = (first + 1 + random(n - 1)) % n;
    let (first, second) = (&candidates[first], &candidates[second]);
    Some(if second.outstanding() < first.outstanding() { second } else { first }.clone())
}

/// By rendezvous: each replica has its own order of preference for each key, so that one that comes or goes moves only its own.
fn nearest(candidates: &[Arc<Replica>], Affinity(key): Affinity) -> Option<Arc<Replica>> {
    let weight = |replica: &Arc<Replica>| Affinity::of(&(key, replica.address)).0;
    let total: usize = candidates.iter().map(|replica| replica.outstanding()).sum();
    let mut order: Vec<_> = candidates.iter().map(|replica| (weight(replica), replica)).collect();
    order.sort_by_key(|(weight, replica)| (*weight, replica.address));
    let near =
        order.iter().rev().find(|(_, replica)| has_room(replica.outstanding(), total, candidates.len()));
    let idle = || candidates.iter().min_by_key(|replica| replica.outstanding());
    near.map(|(_, replica)| *replica).or_else(idle).cloned()
}

#[cfg(test)]
mod tests;
