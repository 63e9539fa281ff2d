//! Serving: one stack of layers, health, reflection, probes and metrics on the service's own port, a bounded drain.

mod bodies;
mod guard;
mod http;
mod incoming;
mod kept;
mod observe;
mod probes;
mod readiness;
mod running;
mod timeout;

use std::{net::SocketAddr, thread, time::Duration};

use axum::{Router, middleware::from_fn_with_state};
use fondue_tls::{ServerTls, TlsError};
pub use guard::{Guard, Refused, Tongue};
pub use http::Http;
pub use incoming::Peer;
use incoming::{Entrance, incoming};
pub use kept::Kept;
pub use readiness::Readiness;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::{Routes, RoutesBuilder},
    transport::Server,
};

use crate::{
    announce,
    loading::Loading,
    network::Listener,
    settings::Serving,
    telemetry::{metrics_handle, metrics_upkeep},
};

/// How often a silent client is tried, so that one that vanished does not keep its slot.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Bytes of one connection that may be under way unread. Of one stream it is 1 MiB, which is what takes memory: this has room for
/// several of them, and for bursts of tiny messages, since HTTP/2 ends a connection whose unread frames would take more to keep than
/// half of it (256 bytes each, about 16,000 of them).
const CONNECTION_WINDOW: u32 = 8 << 20;

/// Why serving ended or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors of the contract cannot be read.
    #[error("reflection: {0}")]
    Reflection(String),
    /// The listener's address is unknown.
    #[error("the listener has no address")]
    Listener(#[source] std::io::Error),
    /// The files of TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port for probes cannot be had.
    #[error("probes_listen: cannot listen on {address}")]
    Probes {
        /// Where it should be.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// No thread to load on.
    #[error("cannot start the loading thread")]
    Thread(#[source] std::io::Error),
    /// Loading broke off.
    #[error("the loading thread broke off")]
    Broken,
    /// What the service is made of ended by itself: a defect, told in the log.
    #[error("{0} ended by itself; start the service again")]
    Ended(&'static str),
    /// The transport failed.
    #[error("serving failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// A server that does not serve yet.
pub struct Site<'a> {
    /// What every server is told.
    pub serving: &'a Serving,
    /// Where clients come in.
    pub listener: Listener,
    /// The services.
    pub routes: RoutesBuilder,
    /// Whether they can do their work; names them for health and reflection.
    pub readiness: Readiness,
    /// The contract's encoded descriptors, for reflection.
    pub descriptors: &'static [u8],
    /// Plain HTTP and gRPC from browsers, if it offers any.
    pub http: Option<Http>,
    /// Who may call, where not everybody may.
    pub guard: Option<Guard>,
}

impl Site<'_> {
    /// Serves while `load` runs on a thread of its own, and refuses calls until what it gives has its `place`; then
    /// the server is ready and says so. Nobody waits for the thread: a server can stop in the middle of loading.
    ///
    /// `ended` tells when what was loaded has ended though it should not have. The server then ends too: health must
    /// not go on telling that all is well, and whoever runs the process should start it anew.
    ///
    /// # Errors
    /// The error of `load`, or of [`Site::serve`]; [`ServeError::Ended`].
    pub async fn serve_while_loading<T, E, Ended: Future<Output = ()>>(
        self,
        place: &Loading<T>,
        load: impl FnOnce() -> Result<T, E> + Send + 'static,
        ended: impl FnOnce(&T) -> Ended,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), E>
    where
        T: Send + 'static,
        E: From<ServeError> + Send + 'static,
    {
        let address = self.listener.local_addr().map_err(ServeError::Listener)?;
        let readiness = self.readiness.clone();
        let (done, result) = oneshot::channel();
        let span = tracing::Span::current();
        let work = move || {
            let _ = done.send(span.in_scope(load));
        };
        thread::Builder::new().name("load".to_owned()).spawn(work).map_err(ServeError::Thread)?;
        let mut serve = std::pin::pin!(self.serve(shutdown));
        let ended = tokio::select! {
            served = &mut serve => return Ok(served?),
            result = result => {
                let loaded = result.map_err(|_| ServeError::Broken)??;
                let ended = ended(&loaded);
                place.fill(loaded);
                readiness.ready();
                // It may have been told to stop meanwhile.
                if readiness.lack().is_none() {
                    announce::listening(address);
                }
                ended
            }
        };
        tokio::select! {
            served = serve => Ok(served?),
            () = ended => Err(ServeError::Ended(place.what()).into()),
        }
    }

    /// Serves until `shutdown`, then lets running calls end for at most `serving.drain`; connections without calls are not waited for.
    ///
    /// Beside the routes: `grpc.health.v1` by `readiness`, reflection, `/livez`, `/readyz` and `/metrics`, and what
    /// `http` has.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        self.serve_and(|| {}, shutdown).await
    }

    /// The same for a server that is ready at once: it says so when all that it needs is there.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn serve_announced(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let address = self.listener.local_addr().map_err(ServeError::Listener)?;
        self.serve_and(move || announce::listening(address), shutdown).await
    }

    async fn serve_and(
        self,
        begun: impl FnOnce(),
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let Self { serving, listener, mut routes, readiness, descriptors, http, guard } = self;
        // Before the first call, so that none goes uncounted and the count is there from the start.
        metrics_handle();
        let tls = match serving.tls.clone() {
            Some(tls) => Some((ServerTls::load(tls.files)?, tls.client_names)),
            None => None,
        };
        observe::begin();
        incoming::begin();
        let (reporter, health) = tonic_health::server::health_reporter();
        let health = health.max_decoding_message_size(bodies::FREE);
        let health_alone = Routes::new(health.clone());
        routes.add_service(health);
        reflect(&mut routes, &readiness, descriptors)?;
        let router: Router = routes.routes().into_axum_router().merge(probes::router(readiness.clone()));
        // Innermost first: the trace and the count of a call take in whatever happens within it, and who may not call is refused
        // before anything else is looked at.
        let bodies = bodies::Bodies::new(serving, descriptors);
        let router = router
            .layer(from_fn_with_state(bodies.clone(), bodies::meter))
            .layer(axum::middleware::map_response(observe::explain_oversize))
            .layer(axum::middleware::from_fn(timeout::bound));
        let router = guarded(router, guard.as_ref()).layer(observe::layer());
        let http = http.map(|http| {
            let routes = http.routes.layer(from_fn_with_state(bodies, bodies::meter));
            Http { routes: guarded(routes, guard.as_ref()), ..http }
        });
        let running = running::Running::default();
        let counted = from_fn_with_state(running.clone(), running::count);
        let router = http::beside(router, http).layer(counted);

        // Before the first client: by itself the health service would begin as serving.
        readiness.report(&reporter).await;
        // Ends with this function, whatever way that ends.
        let mut beside = JoinSet::new();
        beside.spawn(readiness.clone().drive(reporter.clone()));
        beside.spawn(metrics_upkeep());
        // No connection outlives it either.
        let closed = CancellationToken::new();
        let _closing = closed.clone().drop_guard();
        if let Some(address) = serving.connections.probes {
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|source| ServeError::Probes { address, source })?;
            let serve =
                probes::serve(listener, readiness.clone(), health_alone, closed.clone(), probes::STAY);
            beside.spawn(serve);
        }
        let (stopping, stopped) = oneshot::channel();
        let signal = async move {
            shutdown.await;
            readiness.stop();
            // Clients hear of it before their connections are told to end.
            readiness.report(&reporter).await;
            let _ = stopping.send(());
        };
        begun();
        let (max, within) = (serving.connections.max, serving.connections.header_timeout);
        let incoming = incoming(listener, Entrance { tls, max, within, closed });
        let server = Server::builder()
            .accept_http1(true)
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(serving.max_streams)
            // Calls that a client takes back before they were looked at: all of a connection at once is no attack.
            .http2_max_pending_accept_reset_streams(Some(serving.max_streams as usize))
            .add_routes(router.into())
            .serve_with_incoming_shutdown(incoming, signal);
        let drained = async {
            // An error means that the server ended by itself; the other branch tells.
            if stopped.await.is_err() {
                return std::future::pending().await;
            }
            tokio::time::timeout(serving.drain, running.ended()).await.is_ok()
        };
        tokio::select! {
            result = server => result.map_err(ServeError::from),
            whole = drained => {
                if !whole {
                    tracing::warn!(drain = ?serving.drain, "calls, or connections, were still open at the end of the drain; they are cut off");
                }
                Ok(())
            }
        }
    }
}

/// Routes behind the guard, if there is one.
fn guarded(routes: Router, guard: Option<&Guard>) -> Router {
    match guard {
        Some(guard) => routes.layer(from_fn_with_state(guard.clone(), guard::guard)),
        None => routes,
    }
}

fn reflect(
    routes: &mut RoutesBuilder,
    readiness: &Readiness,
    descriptors: &'static [u8],
) -> Result<(), ServeError> {
    let builder = || {
        let mut builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        for name in readiness.names() {
            builder = builder.with_service_name(*name);
        }
        builder
    };
    let failed = |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
    routes.add_service(builder().build_v1().map_err(failed)?);
    // Older clients ask for the alpha version.
    routes.add_service(builder().build_v1alpha().map_err(failed)?);
    Ok(())
}

#[cfg(test)]
mod tests;
