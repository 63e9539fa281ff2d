//! Whether language and the index are of one model: queries of one model find nothing sensible in another's index.
//!
//! Both services are asked at the first search, then every minute, and when a search meets a generation that is not
//! known. A generation that is pinned but not active cannot be asked about: it was compared when the conversation
//! first met it, or it is the client's to know. A service that does not answer is not held against the index: the
//! search itself will tell.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fondue_domain::Fault;
use fondue_proto::{
    language::{self, language_client::LanguageClient},
    retrieval::{self, retrieval_client::RetrievalClient},
};
use fondue_serving::upstream::Channel;

use crate::{failure::Failure, turn::clock};

/// How long what was told is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// Time for asking; a search does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What both services told of their models.
#[derive(Debug)]
pub struct Fingerprints {
    language: LanguageClient<Channel>,
    retrieval: RetrievalClient<Channel>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The active generation and when it was found to fit. What does not fit is asked each time, so that a rebuilt
    /// index is used at once.
    fits: Option<(String, Instant)>,
    /// Fingerprints of language and index that did not fit, once that was logged.
    logged: Option<(String, String)>,
}

impl Fingerprints {
    /// Nothing is asked yet.
    pub fn new(language: LanguageClient<Channel>, retrieval: RetrievalClient<Channel>) -> Self {
        Self { language, retrieval, known: Mutex::default() }
    }

    /// Compares before a search of `generation`, empty for the active one.
    ///
    /// # Errors
    /// An unavailable [`Failure`] if the index was made by another model.
    pub async fn compare(&self, generation: &str, deadline: Instant) -> Result<(), Failure> {
        let fresh = |(_, since): &(String, Instant)| since.elapsed() < BELIEVED;
        if self.known().fits.as_ref().is_some_and(fresh) {
            return Ok(());
        }
        self.ask(generation, deadline).await
    }

    /// Compares after a search of the active generation, if that was another one than is known.
    ///
    /// # Errors
    /// An unavailable [`Failure`] if the index was made by another model.
    pub async fn compare_found(&self, generation: &str, deadline: Instant) -> Result<(), Failure> {
        if self.known().fits.as_ref().is_none_or(|(known, _)| known == generation) {
            return Ok(());
        }
        self.ask(generation, deadline).await
    }

    async fn ask(&self, generation: &str, deadline: Instant) -> Result<(), Failure> {
        let deadline = deadline.min(Instant::now() + PATIENCE);
        let language = clock::call("language", deadline, language::DescribeRequest {}, async |request| {
            self.language.clone().describe(request).await
        });
        let index = clock::call("retrieval", deadline, retrieval::DescribeRequest {}, async |request| {
            self.retrieval.clone().describe(request).await
        });
        let (language, index) = match tokio::try_join!(language, index) {
            Ok(both) => both,
            Err(failure) => {
                tracing::debug!(%failure, "the model of the index is not compared");
                return Ok(());
            }
        };
        let (asks, made_by) = (language.fingerprint, index.fingerprint);
        let mut known = self.known();
        // One without a fingerprint says nothing.
        if asks == made_by || asks.is_empty() || made_by.is_empty() {
            known.fits = Some((index.generation, Instant::now()));
            return Ok(());
        }
        known.fits = None;
        if !generation.is_empty() && generation != index.generation {
            return Ok(());
        }
        let message = "the picture index was made by another model than the language service runs; rebuild it with \
                       `fondue embed` and activate it";
        let both = (asks, made_by);
        if known.logged.as_ref() != Some(&both) {
            let (language, index) = (&both.0, &both.1);
            tracing::error!(language, index, generation, "{message}");
            known.logged = Some(both);
        }
        Err(Failure::new(Fault::Unavailable, message))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whole after every statement.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
