//! Whether language, vision and the index are of one model: queries of one model find nothing sensible in another's
//! index, be it that its mapping layers or that its vision tower made it.
//!
//! The services are asked at the first search, then every minute, and when a search meets a generation that is not
//! known. A generation that is pinned but not active cannot be asked about: it was compared when the conversation
//! first met it, or it is the client's to know. A service that does not answer is not held against the index, nor is
//! what an index does not tell: the search itself will tell.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fondue_domain::Fault;
use fondue_proto::{
    language::{self, language_client::LanguageClient},
    retrieval::{self, retrieval_client::RetrievalClient},
    vision::{self, vision_client::VisionClient},
};
use fondue_serving::upstream::Channel;
use tokio::time::Instant;

use crate::{failure::Failure, turn::clock};

/// How long what was told is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// Time for asking; a search does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the services told of their models.
#[derive(Debug)]
pub struct Fingerprints {
    vision: VisionClient<Channel>,
    language: LanguageClient<Channel>,
    retrieval: RetrievalClient<Channel>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The active generation and when it was found to fit. What does not fit is asked each time, so that a rebuilt
    /// index is used at once.
    fits: Option<(String, Instant)>,
    /// What did not fit, once that was logged.
    logged: Option<Misfit>,
}

/// Fingerprints that differ.
#[derive(Debug, PartialEq, Eq)]
struct Misfit {
    /// Which service runs another model than made the index.
    service: &'static str,
    runs: String,
    made_by: String,
}

impl Misfit {
    /// A fingerprint that is not known fits any.
    fn find(service: &'static str, runs: &str, made_by: &str) -> Option<Self> {
        let differ = runs != made_by && !runs.is_empty() && !made_by.is_empty();
        differ.then(|| Self { service, runs: runs.to_owned(), made_by: made_by.to_owned() })
    }
}

impl Fingerprints {
    /// Nothing is asked yet.
    pub fn new(
        vision: VisionClient<Channel>,
        language: LanguageClient<Channel>,
        retrieval: RetrievalClient<Channel>,
    ) -> Self {
        Self { vision, language, retrieval, known: Mutex::default() }
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
        let language =
            clock::call(("language", "Describe"), deadline, language::DescribeRequest {}, async |request| {
                self.language.clone().describe(request).await
            });
        let index = clock::call(
            ("retrieval", "Describe"),
            deadline,
            retrieval::DescribeRequest::default(),
            async |request| self.retrieval.clone().describe(request).await,
        );
        let vision =
            clock::call(("vision", "Describe"), deadline, vision::DescribeRequest {}, async |request| {
                self.vision.clone().describe(request).await
            });
        let (vision, language, index) = tokio::join!(vision, language, index);
        let unheard = |failure: Failure| tracing::debug!(%failure, "a model is not compared with the index");
        let (Ok(language), Ok(index)) = (language.map_err(unheard), index.map_err(unheard)) else {
            return Ok(());
        };
        // A turn of texts needs no vision: while it is down, it is not waited for at every search.
        let vision = vision.map_err(unheard).unwrap_or_default();
        let misfit = Misfit::find("language", &language.fingerprint, &index.fingerprint)
            .or_else(|| Misfit::find("vision", &vision.fingerprint, &index.vision_fingerprint));
        let mut known = self.known();
        let Some(misfit) = misfit else {
            known.fits = Some((index.generation, Instant::now()));
            return Ok(());
        };
        known.fits = None;
        if !generation.is_empty() && generation != index.generation {
            return Ok(());
        }
        let message = format!(
            "the picture index was made by another model than the {} service runs; rebuild it with `fondue index \
             build` and activate it",
            misfit.service
        );
        if known.logged.as_ref() != Some(&misfit) {
            let Misfit { service, runs, made_by } = &misfit;
            tracing::error!(service, runs, made_by, generation, "{message}");
            known.logged = Some(misfit);
        }
        Err(Failure::new(Fault::Unavailable, message))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whole after every statement.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
