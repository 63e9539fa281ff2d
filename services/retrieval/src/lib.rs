//! The retrieval service: nearest pictures over index generations and their changes, behind gRPC. Links no libtorch.
//! Touches the wire, `serving`, `index`.

pub mod config;
pub mod handler;
pub mod local;
pub mod store;

mod answer;
mod gauges;
mod request;

use std::sync::Arc;

use fondue_index::IndexError;
use fondue_proto::retrieval::retrieval_server::RetrievalServer;
use fondue_serving::{
    loading::Loading,
    server::{Readiness, ServeError, Site},
};
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

use crate::{
    config::Config,
    handler::Handler,
    local::Local,
    store::{Store, StoreError},
};

/// Why the retrieval service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The index's files.
    #[error(transparent)]
    Index(#[from] IndexError),
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
    let store = Arc::new(Loading::new("the index"));
    let service = RetrievalServer::new(Handler::new(Arc::clone(&store), config.limits))
        .max_decoding_message_size(serving.max_message_bytes)
        .max_encoding_message_size(usize::MAX);
    let mut routes = RoutesBuilder::default();
    routes.add_service(service);
    let readiness = Readiness::new(&["fondue.retrieval.v1.Retrieval"]);
    let site =
        Site { serving: &serving, listener, routes, readiness, descriptors: fondue_proto::DESCRIPTORS };
    let load = move || {
        let Config { index, live, searching, keeping, .. } = config;
        Ok::<Box<dyn Store>, RunError>(Box::new(Local::open(&index, live, searching, keeping)?))
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
