//! Whether a server is ready, for `grpc.health.v1` and the probes.

use std::sync::Arc;

use tokio::sync::watch;
use tonic_health::{ServingStatus, server::HealthReporter};

/// Tells a server's readiness; clones tell of the same server. It begins as not ready.
#[derive(Clone)]
pub struct Readiness {
    names: Arc<[&'static str]>,
    state: Arc<watch::Sender<State>>,
}

enum State {
    Ready,
    Lacking(String),
    /// For good: whatever becomes ready now comes too late.
    Stopping,
}

impl State {
    fn lack(&self) -> Option<&str> {
        match self {
            Self::Ready => None,
            Self::Lacking(why) => Some(why),
            Self::Stopping => Some("stopping"),
        }
    }
}

impl Readiness {
    /// Of a server with these services, by their full names.
    pub fn new(names: &[&'static str]) -> Self {
        let (state, _) = watch::channel(State::Lacking("starting".to_owned()));
        Self { names: names.into(), state: Arc::new(state) }
    }

    /// The server can do its work, unless it is stopping.
    pub fn ready(&self) {
        self.become_unless_stopping(State::Ready);
    }

    /// The server cannot do its work now.
    pub fn not_ready(&self, why: &str) {
        self.become_unless_stopping(State::Lacking(why.to_owned()));
    }

    /// Why it is not ready, if it is not.
    pub fn lack(&self) -> Option<String> {
        self.state.borrow().lack().map(str::to_owned)
    }

    /// The server takes no more work, ever.
    pub(super) fn stop(&self) {
        self.state.send_replace(State::Stopping);
    }

    fn become_unless_stopping(&self, next: State) {
        self.state.send_if_modified(|state| {
            let goes_on = !matches!(state, State::Stopping);
            if goes_on {
                *state = next;
            }
            goes_on
        });
    }

    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Tells the health service how things are.
    pub(super) async fn report(&self, reporter: &HealthReporter) {
        let ready = self.state.borrow().lack().is_none();
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        // The empty name stands for the whole server.
        for name in self.names.iter().chain([&""]) {
            reporter.set_service_status(*name, status).await;
        }
    }

    /// Passes every change on to the health service.
    pub(super) async fn drive(self, reporter: HealthReporter) {
        let mut changes = self.state.subscribe();
        loop {
            self.report(&reporter).await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}
