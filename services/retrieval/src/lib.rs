//! The retrieval service: nearest pictures over index generations and their changes, behind gRPC. Links no libtorch.
//! Touches the wire, `serving`, `index`.

pub mod config;
pub mod handler;
pub mod local;
pub mod milvus;
pub mod store;

mod answer;
mod gauges;
mod request;

use std::{sync::Arc, time::Duration};

use fondue_index::IndexError;
use fondue_proto::retrieval::retrieval_server::RetrievalServer;
use fondue_serving::{
    loading::Loading,
    server::{Readiness, ServeError, Site},
};
use futures::future::BoxFuture;
use tokio::{net::TcpListener, runtime::Handle, task::JoinSet};
use tonic::service::RoutesBuilder;

use crate::{
    config::{Backend, Config},
    handler::Handler,
    local::Local,
    milvus::{Milvus, settings::MilvusConfig},
    store::{Store, StoreError},
};

/// Between tries to reach another server at the start.
const PAUSE: Duration = Duration::from_secs(1);
/// Between looks at the active generation.
const WATCH: Duration = Duration::from_secs(10);

/// Why the retrieval service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The index's files.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The server that holds the index.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Serving failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves on `listener` until `shutdown`. Health and metrics answer at once; it is ready when the index is open.
///
/// # Errors
/// [`RunError`] if the index cannot be opened or serving fails.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    tracing::info!(?config, "retrieval service starts");
    let serving = config.serving.clone();
    fondue_serving::telemetry::describe(gauges::MEASURES);
    let store = Arc::new(Loading::new("the index"));
    // Ends with this function.
    let mut beside = JoinSet::new();
    beside.spawn(watch(Arc::clone(&store)));
    let service = RetrievalServer::new(Handler::new(Arc::clone(&store), config.limits))
        .max_decoding_message_size(serving.max_message_bytes)
        .max_encoding_message_size(usize::MAX);
    let mut routes = RoutesBuilder::default();
    routes.add_service(service);
    let readiness = Readiness::new(&["fondue.retrieval.v1.Retrieval"]);
    let site = Site {
        serving: &serving,
        listener: listener.into(),
        routes,
        readiness,
        descriptors: fondue_proto::DESCRIPTORS,
        http: None,
        guard: None,
    };
    let runtime = Handle::current();
    let load = move || -> Result<Box<dyn Store>, RunError> {
        let Config { backend, milvus, index, live, searching, keeping, .. } = config;
        Ok(match backend {
            Backend::Local => Box::new(Local::open(&index, live, searching, keeping)?),
            Backend::Milvus => Box::new(runtime.block_on(reach(milvus))?),
        })
    };
    let (sender, mut useless) = tokio::sync::oneshot::channel();
    let ended = |keeper: BoxFuture<'static, StoreError>| async move {
        let _ = sender.send(keeper.await);
    };
    match site.serve_while_loading(&store, load, |store| ended(store.keeper()), shutdown).await {
        Err(RunError::Serve(ServeError::Ended(what))) => match useless.try_recv() {
            Ok(StoreError::Index(error)) => Err(error.into()),
            _ => Err(ServeError::Ended(what).into()),
        },
        other => other,
    }
}

/// Tells what the active generation is like, again and again. Ends never.
async fn watch(store: Arc<Loading<Box<dyn Store>>>) {
    let mut before = None;
    loop {
        let Ok(store) = store.get() else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if let Ok(now) = store.describe("").await {
            gauges::active(&now, before.as_ref());
            before = Some(now);
        }
        tokio::time::sleep(WATCH).await;
    }
}

/// Connects to Milvus as soon as it is there.
async fn reach(config: MilvusConfig) -> Result<Milvus, StoreError> {
    loop {
        match Milvus::connect(config.clone()).await {
            Err(StoreError::Unavailable { reason }) => {
                tracing::warn!(%reason, "the index is not there yet; trying again");
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}
