//! Why nothing was fetched.

use std::{fmt, io, net::IpAddr, time::Duration};

use fondue_domain::{Classify, Fault};

use crate::{address::NotPublic, shown::Shown};

/// A fetch that brought nothing. Says which URL, without its user, its password and its query.
#[derive(Debug, thiserror::Error)]
pub struct FetchError {
    /// What was asked for.
    pub url: Shown,
    /// Where redirects had led by then.
    pub redirected: Option<Shown>,
    /// Attempts that were made.
    pub attempts: u32,
    /// Why.
    #[source]
    pub reason: Reason,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)?;
        if let Some(redirected) = &self.redirected {
            write!(f, " (redirected to {redirected})")?;
        }
        write!(f, ": {}", self.reason)?;
        if self.attempts > 1 {
            write!(f, " ({} attempts)", self.attempts)?;
        }
        Ok(())
    }
}

impl FetchError {
    /// What kind of failure it is to whoever named the URL, and what they may be told: which addresses names have here, where
    /// redirects led, and whether anything answers there, is one sentence for all, so that nobody learns of the operator's network
    /// from it. The error itself is for the log.
    pub fn outside(&self) -> (Fault, String) {
        let given = self.url.is_address() && self.redirected.is_none();
        let what = match &self.reason {
            Reason::NotPublic { .. } if given => self.reason.to_string(),
            Reason::NotPublic { .. }
            | Reason::Resolve(_)
            | Reason::Connect { .. }
            | Reason::Tls { .. }
            | Reason::Http(_) => {
                let what =
                    "its host cannot be reached from here; it must have public addresses alone, and answer";
                return (Fault::Unavailable, format!("{}: {what}", self.url));
            }
            reason => reason.to_string(),
        };
        (self.fault(), format!("{}: {what}", self.url))
    }
}

/// What was in the way.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Not a URL.
    #[error("is no URL: {0}")]
    NotUrl(url::ParseError),
    /// Neither http nor https.
    #[error("`{0}:` is not fetched; only http and https are")]
    Scheme(String),
    /// A name or a password before the host.
    #[error("a URL with a user or a password is not fetched")]
    User,
    /// Not a port of the web.
    #[error("port {port} is not allowed; allowed: {}", list(allowed))]
    Port {
        /// Which.
        port: u16,
        /// The rules'.
        allowed: Vec<u16>,
    },
    /// Only certain hosts may be asked, and this is none of them.
    #[error("the host is not one of those that are allowed")]
    Host,
    /// An address that strangers must not reach from here. If a name has several, one of them is enough to refuse it.
    #[error("{address} is {kind}; only public addresses are fetched from")]
    NotPublic {
        /// What the host is, or resolves to.
        address: IpAddr,
        /// What is wrong with it.
        kind: NotPublic,
    },
    /// The name has no address.
    #[error("the host's name cannot be resolved: {0}")]
    Resolve(io::Error),
    /// No connection.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: IpAddr,
        /// Why.
        source: io::Error,
    },
    /// No certificate that is trusted, or no common language.
    #[error("no TLS with {address}: {source}")]
    Tls {
        /// With whom.
        address: IpAddr,
        /// Why.
        source: io::Error,
    },
    /// The exchange broke, or was no HTTP.
    #[error("the exchange failed: {0}")]
    Http(hyper::Error),
    /// The answer's head is too long.
    #[error("the answer's head is longer than the limit of {max} bytes")]
    HeaderBytes {
        /// The limit.
        max: usize,
    },
    /// Not the file.
    #[error("the server answers {0}")]
    Status(hyper::StatusCode),
    /// The server wants to be left alone for too long.
    #[error("the server answers {status} and wants to be asked again in {} s; the limit is {} s", wait.as_secs(), max.as_secs())]
    RetryAfter {
        /// Its answer.
        status: hyper::StatusCode,
        /// What it asks for.
        wait: Duration,
        /// The limit.
        max: Duration,
    },
    /// A redirect that names no place.
    #[error("the server redirects, but names no place that can be read")]
    Location,
    /// A redirect to where it came from.
    #[error("redirects go round in a circle")]
    RedirectLoop,
    /// Redirect after redirect.
    #[error("more than {max} redirects, the limit")]
    Redirects {
        /// The limit.
        max: usize,
    },
    /// A compressed body, which was not asked for: nothing is decompressed here.
    #[error("the body is encoded as `{0}`, which was not asked for")]
    Encoded(String),
    /// Too many bytes.
    #[error("the body is longer than the limit of {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// The body is not whole.
    #[error("the body broke off after {got} bytes: {source}")]
    Incomplete {
        /// Bytes that came.
        got: usize,
        /// Why.
        source: hyper::Error,
    },
    /// The body trickles.
    #[error("the body brings less than {min} bytes in {} s, the limit", window.as_secs_f32())]
    TooSlow {
        /// The least.
        min: usize,
        /// In what time.
        window: Duration,
    },
    /// Time ran out.
    #[error("not done after {} s, the limit", max.as_secs_f32())]
    Time {
        /// The limit.
        max: Duration,
    },
    /// TLS cannot be set up here.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

fn list(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

impl Reason {
    /// Whether another attempt may end otherwise.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Http(error) => !error.is_parse(),
            Self::Status(status) => matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

impl Classify for FetchError {
    fn fault(&self) -> Fault {
        match &self.reason {
            Reason::NotUrl(_)
            | Reason::Scheme(_)
            | Reason::User
            | Reason::Port { .. }
            | Reason::Host
            | Reason::NotPublic { .. }
            | Reason::Location
            | Reason::RedirectLoop
            | Reason::Redirects { .. }
            | Reason::Encoded(_)
            | Reason::HeaderBytes { .. } => Fault::Invalid,
            Reason::TooLarge { .. } => Fault::TooLarge,
            Reason::Status(status) if status.is_client_error() && status.as_u16() != 429 => Fault::NotFound,
            Reason::Time { .. } | Reason::TooSlow { .. } => Fault::Deadline,
            Reason::Setup(_) => Fault::Internal,
            _ => Fault::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn what_names_resolve_to_stays_here() {
        let error = |url: &str, redirected: Option<&str>, reason| FetchError {
            url: Shown::of(&Url::parse(url).unwrap()),
            redirected: redirected.map(|url| Shown::of(&Url::parse(url).unwrap())),
            attempts: 2,
            reason,
        };
        let private = || Reason::NotPublic { address: [10, 1, 2, 3].into(), kind: NotPublic::Private };
        let io = || io::Error::other("10.1.2.3 says no");
        let named = "http://vault.internal/a";
        let reasons = [
            private(),
            Reason::Resolve(io()),
            Reason::Connect { address: [10, 1, 2, 3].into(), source: io() },
            Reason::Tls { address: [10, 1, 2, 3].into(), source: io() },
        ];
        let told: Vec<_> = reasons.into_iter().map(|reason| error(named, None, reason).outside()).collect();
        assert!(told.iter().all(|each| *each == told[0]), "{told:?}");
        assert!(told[0].1.starts_with(named) && !told[0].1.contains("10."), "{told:?}");
        // Who writes an address knows it, but not what a redirect led to.
        let (fault, what) = error("http://10.1.2.3/a", None, private()).outside();
        assert!(fault == Fault::Invalid && what.contains("private"), "{what}");
        let (fault, what) = error("http://8.8.8.8/a", Some("http://10.1.2.3/b"), private()).outside();
        assert!(fault == Fault::Unavailable && !what.contains("10."), "{what}");
        // What a public server says is public.
        let (_, what) = error(named, None, Reason::Status(hyper::StatusCode::NOT_FOUND)).outside();
        assert!(what.contains("404"), "{what}");
    }
}
