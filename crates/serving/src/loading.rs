//! Serving while the model is still loading: health answers at once, calls are refused until it is there.

use std::{sync::OnceLock, thread};

use fondue_domain::{Classify, Fault};
use tokio::sync::oneshot;

use crate::server::ServeError;

/// A place for what takes long to load.
pub struct Loading<T> {
    what: &'static str,
    value: OnceLock<T>,
}

/// It is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is still loading; readiness tells when it is there")]
pub struct NotLoaded(&'static str);

impl Classify for NotLoaded {
    fn fault(&self) -> Fault {
        Fault::Unavailable
    }
}

/// Loading could not even be tried to its end.
#[derive(Debug, thiserror::Error)]
pub enum LoadingError {
    /// No thread for it.
    #[error("cannot start the loading thread")]
    Thread(#[source] std::io::Error),
    /// It broke off.
    #[error("the loading thread broke off")]
    Broken,
}

impl<T> Loading<T> {
    /// An empty place for `what`, a phrase such as "the vision tower".
    pub fn new(what: &'static str) -> Self {
        Self { what, value: OnceLock::new() }
    }

    /// What was loaded.
    ///
    /// # Errors
    /// [`NotLoaded`] until it is there.
    pub fn get(&self) -> Result<&T, NotLoaded> {
        self.value.get().ok_or(NotLoaded(self.what))
    }
}

/// Serves until `serve` ends or `load` fails; calls `loaded` once what was loaded has its place.
///
/// `load` gets a thread of its own that nobody waits for, so that a server can stop in the middle of loading.
///
/// # Errors
/// The error of `load`, or of `serve`.
pub async fn serve_while_loading<T, E>(
    serve: impl Future<Output = Result<(), ServeError>>,
    place: &Loading<T>,
    load: impl FnOnce() -> Result<T, E> + Send + 'static,
    loaded: impl FnOnce(),
) -> Result<(), E>
where
    T: Send + 'static,
    E: From<ServeError> + From<LoadingError> + Send + 'static,
{
    let (done, result) = oneshot::channel();
    let span = tracing::Span::current();
    let work = move || {
        let _ = done.send(span.in_scope(load));
    };
    thread::Builder::new().name("load".to_owned()).spawn(work).map_err(LoadingError::Thread)?;
    let mut serve = std::pin::pin!(serve);
    tokio::select! {
        ended = &mut serve => return Ok(ended?),
        result = result => {
            let value = result.map_err(|_| LoadingError::Broken)??;
            // Only this function fills the place, once.
            let _ = place.value.set(value);
            loaded();
        }
    }
    Ok(serve.await?)
}
