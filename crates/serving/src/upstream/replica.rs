//! One replica of a service: its connection, how it is, and what is under way with it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};
use tonic::transport::Channel;

/// Failures in a row after which a replica gets no calls for a while, though it says that it is well.
pub(super) const EJECT_AFTER: u32 = 5;
/// For how long at first; as often as it happens again, so many times as long.
pub(super) const EJECTED_FOR: Duration = Duration::from_secs(5);
/// But never longer.
const EJECTED_AT_MOST: Duration = Duration::from_secs(60);

/// What is known of a replica's readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// Not asked yet.
    Unknown,
    /// It serves.
    Ready,
    /// It does not serve, or does not answer.
    NotReady,
}

/// One replica. It is dropped when its name has its address no more; what is under way is finished.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) address: SocketAddr,
    channel: Channel,
    outstanding: AtomicUsize,
    state: Mutex<State>,
    /// Wakes whoever asks it for its health.
    pub(super) doubted: Notify,
    lost: Notify,
}

#[derive(Debug)]
struct State {
    health: Health,
    failures_in_a_row: u32,
    ejections: u32,
    ejected_until: Option<Instant>,
}

impl Replica {
    pub(super) fn new(address: SocketAddr, channel: Channel) -> Self {
        let state =
            State { health: Health::Unknown, failures_in_a_row: 0, ejections: 0, ejected_until: None };
        Self {
            address,
            channel,
            outstanding: AtomicUsize::new(0),
            state: Mutex::new(state),
            doubted: Notify::new(),
            lost: Notify::new(),
        }
    }

    /// Its connection, made when it is needed.
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Calls that are under way, streams to their ends.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    pub(super) fn health(&self) -> Health {
        self.state().health
    }

    /// Whether it gets no calls for a while.
    pub(super) fn is_ejected(&self) -> bool {
        self.state().ejected_until.is_some_and(|until| Instant::now() < until)
    }

    /// Takes what it said of its health.
    pub(super) fn learn(&self, health: Health) {
        self.state().health = health;
    }

    /// A call broke: it gets no others until it has said that it is well.
    pub(super) fn doubt(&self) {
        self.state().health = Health::NotReady;
        self.doubted.notify_one();
    }

    /// It does not answer about its health: what waits for its first word waits in vain, most likely.
    pub(super) fn lose(&self) {
        self.state().health = Health::NotReady;
        self.lost.notify_waiters();
    }

    /// Completes when it is lost from now on.
    pub(super) fn lost(&self) -> Notified<'_> {
        self.lost.notified()
    }

    /// A call was answered, if only by a refusal that is the caller's fault.
    pub(super) fn succeeded(&self) {
        let mut state = self.state();
        state.failures_in_a_row = 0;
        if state.ejected_until.is_some_and(|until| Instant::now() >= until + EJECTED_AT_MOST) {
            (state.ejections, state.ejected_until) = (0, None);
        }
    }

    /// A call failed by the replica's fault. Whether there are so many in a row that it should be ejected.
    pub(super) fn failed(&self) -> bool {
        let mut state = self.state();
        state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
        state.failures_in_a_row >= EJECT_AFTER
    }

    /// Sends no calls to it for a while.
    pub(super) fn eject(&self) {
        let mut state = self.state();
        state.failures_in_a_row = 0;
        state.ejections = state.ejections.saturating_add(1);
        let time = EJECTED_FOR.saturating_mul(state.ejections).min(EJECTED_AT_MOST);
        state.ejected_until = Some(Instant::now() + time);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is under way with a replica; it is over when dropped.
#[derive(Debug)]
pub(super) struct Outstanding(pub(super) Arc<Replica>);

impl Outstanding {
    pub(super) fn with(replica: Arc<Replica>) -> Self {
        replica.outstanding.fetch_add(1, Ordering::Relaxed);
        Self(replica)
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}
