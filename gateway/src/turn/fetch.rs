//! Links → picture files, from hosts that the operator allows.
//!
//! All of a turn's links are fetched at once, each URL once. What they bring together is bounded like what a client can
//! send itself. Dropping the future ends its connections.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use fondue_domain::{Fault, Violation};
use fondue_fetch::{FetchError, Fetched, Fetcher, Reason, System};
use fondue_serving::telemetry::went_wrong;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, field};

use crate::{
    config::images::ImageLinks,
    failure::Failure,
    measures,
    request::{Content, Link, Part, Picture, parts::Origin},
};

/// What links are followed with; nothing, if no host is allowed.
pub struct Links {
    fetcher: Option<Fetcher>,
    /// Bytes of the pictures of one call, together.
    max_bytes: usize,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("follows", &self.fetcher.is_some()).finish_non_exhaustive()
    }
}

impl Links {
    /// Follows links to the hosts that are allowed; `max_bytes` is what those of one call may bring together.
    ///
    /// # Errors
    /// [`Reason`] if TLS cannot be set up.
    pub fn new(allowed: Option<&ImageLinks>, max_bytes: usize) -> Result<Self, Reason> {
        let agent = concat!("fondue-gateway/", env!("CARGO_PKG_VERSION"));
        let fetcher = allowed
            .map(|links| Fetcher::new(links.rules.clone(), links.limits.clone(), Arc::new(System), agent));
        Ok(Self { fetcher: fetcher.transpose()?, max_bytes })
    }

    /// The same lists with the links' pictures in their places.
    ///
    /// # Errors
    /// [`Failure`] that names the field of each link that is refused or leads to nothing, or tells that a host is down.
    pub async fn follow(
        &self,
        lists: Vec<Vec<Part>>,
        deadline: Instant,
    ) -> Result<Vec<Vec<Content>>, Failure> {
        let links: Vec<_> = lists.iter().flatten().filter_map(link).collect();
        let files = match links.len() {
            0 => HashMap::new(),
            n => {
                let span = tracing::debug_span!("fetch_images", links = n as i64);
                self.fetch(&links, deadline).instrument(span).await?
            }
        };
        let content = |part| match part {
            Part::Text(text) => Some(Content::Text(text)),
            Part::Picture(picture) => Some(Content::Picture(picture)),
            Part::Link(Link { url, fit, compat, field }) => {
                let data = files.get(&url)?.clone();
                Some(Content::Picture(Picture::new(data, fit, compat, Origin::Url(field))))
            }
        };
        // Every link has its file, or fetching had failed.
        Ok(lists.into_iter().map(|parts| parts.into_iter().filter_map(content).collect()).collect())
    }

    /// The files by their URLs.
    async fn fetch(&self, links: &[&Link], deadline: Instant) -> Result<HashMap<String, Bytes>, Failure> {
        let Some(fetcher) = &self.fetcher else {
            let what = "this server fetches no pictures; its operator allows hosts with `image_hosts`";
            let each = links.iter().map(|link| Violation::new(format!("{}.url", link.field), what));
            return Err(Failure::invalid(each.collect()));
        };
        let mut met = HashSet::new();
        let once = links.iter().filter(|link| met.insert(link.url.as_str()));
        let mut running: FuturesUnordered<_> =
            once.map(|link| async { (*link, fetch(fetcher, link).await) }).collect();
        let (mut files, mut violations, mut other, mut n_bytes) = (HashMap::new(), Vec::new(), None, 0);
        loop {
            let next = timeout_at(deadline, running.next()).await;
            let Some((link, fetched)) = next.map_err(|_| Failure::deadline("the pictures' hosts"))? else {
                break;
            };
            let field = format!("{}.url", link.field);
            match fetched {
                Ok(file) if file.bytes.is_empty() => {
                    violations.push(Violation::new(field, "leads to an empty file"));
                }
                Ok(file) => {
                    n_bytes += file.bytes.len();
                    if n_bytes > self.max_bytes {
                        let max = self.max_bytes;
                        let what = format!("the pictures fetched have more than {max} bytes together");
                        return Err(Failure::field(field, what));
                    }
                    files.insert(link.url.clone(), file.bytes.into());
                }
                Err(error) => {
                    tracing::info!(%error, field, "a picture could not be fetched");
                    match error.outside() {
                        // Another URL would help, rather than another time.
                        (Fault::Invalid | Fault::NotFound | Fault::TooLarge, what) => {
                            violations.push(Violation::new(field, what));
                        }
                        (Fault::Internal, what) => {
                            other.get_or_insert(Failure::at(Fault::Internal, field, what));
                        }
                        (_, what) => {
                            other.get_or_insert(Failure::at(Fault::Unavailable, field, what));
                        }
                    }
                }
            }
        }
        match other {
            _ if !violations.is_empty() => Err(Failure::invalid(violations)),
            Some(failure) => Err(failure),
            None => Ok(files),
        }
    }
}

/// One picture; told by its field, since its URL is the client's.
async fn fetch(fetcher: &Fetcher, link: &Link) -> Result<Fetched, FetchError> {
    let begun = Instant::now();
    let span =
        tracing::debug_span!("fetch_image", field = link.field, bytes = field::Empty, otel.kind = "client");
    let fetched = fetcher.fetch(&link.url).instrument(span.clone()).await;
    measures::fetched(fetched.is_ok(), begun.elapsed());
    match &fetched {
        Ok(file) => drop(span.record("bytes", file.bytes.len() as i64)),
        Err(_) => went_wrong(&span, "fetch_failed"),
    }
    fetched
}

fn link(part: &Part) -> Option<&Link> {
    match part {
        Part::Link(link) => Some(link),
        Part::Text(_) | Part::Picture(_) => None,
    }
}
