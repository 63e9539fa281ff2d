//! Whether a server is ready, for `grpc.health.v1` and the probes.

use std::sync::Arc;

use tokio::sync::watch;
use tonic_health::{ServingStatus, server::HealthReporter};

/// Tells a server's readiness; clones tell of the same server. It begins as not ready.
#[derive(Clone)]
pub struct Readiness {
    names: Arc<[&'static str]>,
    /// Why it is not ready.
    lack: Arc<watch::Sender<Option<String>>>,
}

impl Readiness {
    /// Of a server with these services, by their full names.
    pub fn new(names: &[&'static str]) -> Self {
        let (lack, _) = watch::channel(Some("starting".to_owned()));
        Self { names: names.into(), lack: Arc::new(lack) }
    }

    /// The server can do its work.
    pub fn ready(&self) {
        self.lack.send_replace(None);
    }

    /// The server cannot do its work now.
    pub fn not_ready(&self, why: &str) {
        self.lack.send_replace(Some(why.to_owned()));
    }

    /// Why it is not ready, if it is not.
    pub fn lack(&self) -> Option<String> {
        self.lack.borrow().clone()
    }

    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Passes every change on to the health service.
    pub(super) async fn drive(self, reporter: HealthReporter) {
        let mut changes = self.lack.subscribe();
        loop {
            let ready = changes.borrow_and_update().is_none();
            let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            // The empty name stands for the whole server.
            for name in self.names.iter().chain([&""]) {
                reporter.set_service_status(*name, status).await;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}
