//! The services: the real stack of a server, with a model that plays a script.

mod language;
mod retrieval;
mod vision;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fondue_domain::Fault;
use fondue_proto::{
    language::language_server::LanguageServer, retrieval::retrieval_server::RetrievalServer,
    vision::vision_server::VisionServer,
};
use fondue_serving::{
    server::{Readiness, Site},
    settings::ServingSettings,
    status::from_parts,
};
use tokio::sync::Notify;
use tonic::{Status, service::RoutesBuilder};

use crate::{
    journal::{Journal, Service, What},
    network,
};

/// One replica, and what its operator can do with it. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) service: Service,
    pub(crate) index: usize,
    pub(crate) seed: u64,
    pub(crate) journal: Journal,
    /// Wakes its server, which then stops.
    pub(crate) stop: Arc<Notify>,
    /// Ends its process at once.
    pub(crate) kill: Arc<Notify>,
    refuses: Arc<AtomicBool>,
    has_stopped: Arc<AtomicBool>,
}

impl Replica {
    pub(crate) fn new(service: Service, index: usize, seed: u64, journal: Journal) -> Self {
        let (stop, kill, refuses, has_stopped) = Default::default();
        Self { service, index, seed, journal, stop, kill, refuses, has_stopped }
    }

    /// Its host.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.service.name(), self.index)
    }

    /// From now on it has no room for work, or has it again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Whether its process has ended since the last question.
    pub(crate) fn has_stopped(&self) -> bool {
        self.has_stopped.swap(false, Ordering::Relaxed)
    }

    fn admit(&self) -> Result<(), Status> {
        if self.refuses.load(Ordering::Relaxed) {
            self.journal.note(0, What::Refused(self.service));
            let full = Fault::Busy { retry_after: Duration::from_secs(1) };
            return Err(from_parts(full, "the queue is full", vec![]));
        }
        Ok(())
    }

    /// Serves until it is told to stop, or killed; then its machine goes on, and refuses connections.
    pub(crate) async fn serve(self) -> turmoil::Result {
        let serving = ServingSettings { drain_seconds: Some(5.0), ..ServingSettings::default() };
        let serving = serving.resolve("127.0.0.1:0")?;
        let mut routes = RoutesBuilder::default();
        let name = match self.service {
            Service::Vision => {
                routes.add_service(VisionServer::new(self.clone()));
                "fondue.vision.v1.Vision"
            }
            Service::Language => {
                routes.add_service(LanguageServer::new(self.clone()));
                "fondue.language.v1.Language"
            }
            Service::Retrieval => {
                routes.add_service(RetrievalServer::new(self.clone()));
                "fondue.retrieval.v1.Retrieval"
            }
        };
        let readiness = Readiness::new(&[name]);
        readiness.ready();
        let stop = self.stop.clone();
        let site = Site {
            serving: &serving,
            listener: network::listen().await?,
            routes,
            readiness,
            descriptors: fondue_proto::DESCRIPTORS,
            http: None,
            guard: None,
        };
        tokio::select! {
            served = site.serve(async move { stop.notified().await }) => served?,
            () = self.kill.notified() => {}
        }
        self.has_stopped.store(true, Ordering::Relaxed);
        std::future::pending().await
    }
}

/// The number of the newest turn that a text speaks of: `turn 17` → 17.
fn turn_of(text: &str) -> u64 {
    let number = text.rsplit("turn ").next().unwrap_or_default();
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().unwrap_or(0)
}
