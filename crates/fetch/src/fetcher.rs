//! The fetch as a whole: attempts, redirects, turns.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hyper::header::{CONTENT_TYPE, LOCATION};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::{
    body, connect,
    error::{FetchError, Reason},
    limits::Limits,
    resolve::Resolve,
    retry,
    rules::Rules,
    shown::Shown,
    turns::Turns,
};

/// Fetches files. One for the whole process, shared: it counts connections.
pub struct Fetcher {
    rules: Rules,
    limits: Limits,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
    turns: Turns,
    user_agent: String,
}

/// A file that was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// It.
    pub bytes: Vec<u8>,
    /// Where it came from in the end.
    pub url: Url,
    /// What its server says that it is.
    pub content_type: Option<String>,
}

/// Where one hop led.
enum Hop {
    File(Fetched),
    Redirect(Url),
}

/// Why an attempt brought nothing, and where.
struct Failed {
    at: Url,
    reason: Reason,
    /// What the server asks for.
    wait: Option<Duration>,
}

impl Fetcher {
    /// A fetcher that tells servers that it is `user_agent`.
    ///
    /// # Errors
    /// [`Reason::Setup`] if TLS cannot be set up.
    pub fn new(
        rules: Rules,
        limits: Limits,
        resolver: Arc<dyn Resolve>,
        user_agent: &str,
    ) -> Result<Self, Reason> {
        let turns = Turns::new(limits.per_host, limits.concurrent);
        Ok(Self { rules, limits, resolver, tls: connect::tls()?, turns, user_agent: user_agent.to_owned() })
    }

    /// Fetches a file. Dropping the future ends its connection.
    ///
    /// # Errors
    /// [`FetchError`], which tells what was in the way.
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let first = Url::parse(url).map_err(|error| FetchError {
            url: Shown::of_text(url),
            redirected: None,
            attempts: 0,
            reason: Reason::NotUrl(error),
        })?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Failed { at, mut reason, wait } = match self.attempt(&first).await {
                Ok(fetched) => return Ok(fetched),
                Err(failed) => failed,
            };
            if attempts <= self.limits.retries && reason.may_pass() {
                let max = self.limits.max_retry_after;
                match (wait, &reason) {
                    (Some(wait), Reason::Status(status)) if wait > max => {
                        reason = Reason::RetryAfter { status: *status, wait, max };
                    }
                    _ => {
                        let back_off = retry::back_off(&self.limits, attempts, rand::random());
                        sleep(wait.unwrap_or_default().max(back_off)).await;
                        continue;
                    }
                }
            }
            let redirected = (at != first).then(|| Shown::of(&at));
            return Err(FetchError { url: Shown::of(&first), redirected, attempts, reason });
        }
    }

    /// From the URL to the file, through all redirects.
    async fn attempt(&self, first: &Url) -> Result<Fetched, Failed> {
        let mut at = first.clone();
        let mut seen: Vec<Url> = Vec::new();
        let mut left = self.limits.total;
        loop {
            let mut wait = None;
            let hop = self.turn(&at, &mut left, &mut wait).await;
            let next = match hop {
                Ok(Hop::File(fetched)) => return Ok(fetched),
                Ok(Hop::Redirect(next)) => next,
                Err(reason) => return Err(Failed { at, reason, wait }),
            };
            seen.push(at);
            let reason = if seen.contains(&next) {
                Some(Reason::RedirectLoop)
            } else if seen.len() > self.limits.max_redirects {
                Some(Reason::Redirects { max: self.limits.max_redirects })
            } else {
                None
            };
            if let Some(reason) = reason {
                return Err(Failed { at: next, reason, wait: None });
            }
            at = next;
        }
    }

    /// One hop when it is its turn, within the time that is `left`.
    async fn turn(&self, url: &Url, left: &mut Duration, wait: &mut Option<Duration>) -> Result<Hop, Reason> {
        self.rules.check(url)?;
        let _turn = self.turns.take(url).await.ok_or(Reason::Host)?;
        let begun = Instant::now();
        let hop = timeout(*left, self.hop(url, wait)).await;
        *left = left.saturating_sub(begun.elapsed());
        hop.unwrap_or(Err(Reason::Time { max: self.limits.total }))
    }

    async fn hop(&self, url: &Url, wait: &mut Option<Duration>) -> Result<Hop, Reason> {
        let addresses = self.addresses(url).await?;
        self.rules.judge(url, &addresses)?;
        let mut exchange =
            connect::exchange(url, &addresses, &self.tls, &self.limits, &self.user_agent).await?;
        let response = &mut exchange.response;
        let status = response.status();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match status.as_u16() {
            // Other 2xx answers have no file, or a part of one.
            200 | 203 => {
                let content_type = text(CONTENT_TYPE).map(str::to_owned);
                let bytes = body::read(response, &self.limits).await?;
                Ok(Hop::File(Fetched { bytes, url: url.clone(), content_type }))
            }
            301 | 302 | 303 | 307 | 308 => {
                let mut next = text(LOCATION).and_then(|to| url.join(to).ok()).ok_or(Reason::Location)?;
                next.set_fragment(None);
                Ok(Hop::Redirect(next))
            }
            _ => {
                *wait = retry::retry_after(response.headers(), SystemTime::now());
                Err(Reason::Status(status))
            }
        }
    }

    /// The addresses of a URL's host; one that is written as an address (the URL standard reads `0x7f.1` and `2130706433`
    /// as such) is not asked for.
    async fn addresses(&self, url: &Url) -> Result<Vec<IpAddr>, Reason> {
        match url.host() {
            Some(Host::Ipv4(address)) => Ok(vec![address.into()]),
            Some(Host::Ipv6(address)) => Ok(vec![address.into()]),
            Some(Host::Domain(name)) => self.resolver.resolve(name).await.map_err(Reason::Resolve),
            None => Err(Reason::Host),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Limits that no test of this crate's insides comes near.
    pub(crate) fn limits() -> Limits {
        Limits {
            max_bytes: 1 << 20,
            max_header_bytes: 1 << 14,
            max_redirects: 5,
            connect: Duration::from_secs(5),
            total: Duration::from_secs(20),
            progress_window: Duration::from_secs(10),
            progress_bytes: 1,
            retries: 0,
            back_off: Duration::from_millis(1),
            max_back_off: Duration::from_millis(4),
            max_retry_after: Duration::from_secs(1),
            per_host: 4,
            concurrent: 16,
        }
    }
}
