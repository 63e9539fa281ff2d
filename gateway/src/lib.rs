//! The gateway: the dialogue API, one turn composed of vision, language and retrieval.
//! Start reading at [`turn`]. Touches the wire and `serving`; never files, tensors or the index.

pub mod auth;
pub mod config;
pub mod handler;
pub mod request;

pub mod converse;
pub mod desk;
pub mod dialogue;
pub mod gallery;
pub mod single;
pub mod turn;
pub mod unary;
pub mod web;

pub mod failure;
pub mod http;
mod measures;

use std::{sync::Arc, time::Duration};

use fondue_auth::{Door, DoorError};
use fondue_proto::dialogue::{dialogue_server::DialogueServer, gallery_server::GalleryServer};
use fondue_serving::{
    network::Listener,
    server::{Readiness, ServeError, Site},
    upstream::TlsError,
};
use tonic::service::RoutesBuilder;

use crate::{config::Config, desk::Desk, gallery::Gallery, handler::Handler};

/// How long before the end of the drain the turns that still run are closed.
const CLOSING: Duration = Duration::from_millis(500);

/// Why the gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// TLS of the upstreams.
    #[error("upstreams: {0}")]
    Tls(#[from] TlsError),
    /// Pictures cannot be fetched.
    #[error("pictures cannot be fetched")]
    Links(#[source] fondue_fetch::Reason),
    /// Nobody could be let in.
    #[error(transparent)]
    Auth(#[from] DoorError),
    /// Serving failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves the dialogue API on `listener` until `shutdown`. Ready at once: upstreams may come up later, and a
/// call that needs one that is down says so.
///
/// # Errors
/// [`RunError`] if pictures cannot be fetched or serving fails.
pub async fn run(
    config: Config,
    listener: impl Into<Listener>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    tracing::info!(?config, "gateway starts");
    let serving = config.serving.clone();
    let door = match config.auth.is_on() {
        true => Some(Arc::new(Door::open(config.auth.sources.clone(), config.auth.rules.clone())?)),
        false => None,
    };
    let guard = auth::guard(door.clone(), &config);
    fondue_serving::telemetry::describe(measures::MEASURES);
    let desk = Arc::new(Desk::new(config)?);
    let service = DialogueServer::new(Handler::new(desk.clone()))
        .max_decoding_message_size(serving.max_message_bytes)
        .max_encoding_message_size(usize::MAX);
    let mut routes = RoutesBuilder::default();
    routes.add_service(service);
    let gallery = GalleryServer::new(Gallery::new(desk.clone()));
    routes.add_service(gallery.max_decoding_message_size(serving.max_message_bytes));

    let http = http::http(desk.clone());

    let readiness = Readiness::new(&["fondue.dialogue.v1.Dialogue", "fondue.dialogue.v1.Gallery"]);
    readiness.ready();
    let (draining, ending) = (desk.draining.clone(), desk.ending.clone());
    // Whatever way serving ends, no turn outlives it.
    let _ended = desk.ending.clone().drop_guard();
    let (keeper, stopped) = (desk.clone(), desk.ending.clone());
    tokio::spawn(stopped.run_until_cancelled_owned(async move {
        let all = keeper.indexes.iter().map(|index| index.keep_pinned(keeper.config.pin_interval));
        tokio::join!(futures::future::join_all(all), measures::tell(&keeper));
    }));
    if let Some(door) = door {
        let stopped = desk.ending.clone();
        tokio::spawn(stopped.run_until_cancelled_owned(async move { door.watch().await }));
    }
    let drain = serving.drain;
    let shutdown = async move {
        shutdown.await;
        draining.cancel();
        tokio::spawn(async move {
            // While the streams are still open, so that each turn can be closed.
            tokio::time::sleep(drain - drain.min(CLOSING)).await;
            ending.cancel();
        });
    };
    let site = Site {
        serving: &serving,
        listener: listener.into(),
        routes,
        readiness,
        descriptors: fondue_proto::DESCRIPTORS,
        http: Some(http),
        guard: Some(guard),
    };
    Ok(site.serve_announced(shutdown).await?)
}
