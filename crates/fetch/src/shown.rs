//! URLs as messages show them.

use std::fmt;

use url::{Host, Url};

/// Characters of a path that are shown.
const MAX_SHOWN: usize = 200;

/// A URL without what may be secret: user, password, query (signatures stand there) and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// What may be shown of a URL.
    pub fn of(url: &Url) -> Self {
        let Some(host) = url.host_str() else {
            return Self(format!("{}:…", url.scheme())); // `user:password@host` reads as this
        };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let mut path: String = url.path().chars().take(MAX_SHOWN).collect();
        if path.len() < url.path().len() {
            path.push('…');
        }
        let query = if url.query().is_some() { "?…" } else { "" };
        Self(format!("{}://{host}{port}{path}{query}", url.scheme()))
    }

    /// Whether the host is written as an address, which then is no secret.
    pub(crate) fn is_address(&self) -> bool {
        let url = Url::parse(&self.0);
        url.is_ok_and(|url| matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_))))
    }

    /// Of a text that is no URL, and may hold anything: its beginning, up to what could be a user or a query.
    pub(crate) fn of_text(text: &str) -> Self {
        let text = text.split(['?', '#']).next().unwrap_or_default();
        // Behind the last @ no user can be.
        let text = text.rsplit('@').next().unwrap_or_default();
        let shown = text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c });
        Self(format!("`{}`", shown.collect::<String>()))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let shown = |text: &str| Shown::of(&Url::parse(text).unwrap()).to_string();
        assert_eq!(shown("https://user:pw@a.org:8443/x/y.jpg?sig=1#f"), "https://a.org:8443/x/y.jpg?…");
        assert_eq!(shown("http://a.org"), "http://a.org/");
        let long = shown(&format!("http://a.org/{}", "x".repeat(500)));
        assert!(long.ends_with("x…") && long.chars().count() < 230, "{long}");
        assert_eq!(Shown::of_text("http//u:pw@a b\n/?key=1").to_string(), "`a b\u{fffd}/`");
    }
}
