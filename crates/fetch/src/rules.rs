//! What may be fetched from.

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;
use url::{Host, Url};

use crate::{address::judge, error::Reason};

/// Who may be asked.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The only hosts that may be asked; `None` for any.
    pub only_hosts: Option<Vec<HostPattern>>,
    /// Ports.
    pub ports: Vec<u16>,
    /// Networks that may be asked though they are not public.
    pub allowed_networks: Vec<IpNet>,
    /// Hosts that may be asked though their addresses are not public.
    pub allowed_hosts: Vec<HostPattern>,
}

impl Rules {
    /// Any host of the public internet, on the web's ports.
    pub fn public() -> Self {
        Self {
            only_hosts: None,
            ports: vec![80, 443],
            allowed_networks: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }

    /// Whether a URL may be asked, as far as it tells by itself: an address that stands in it is judged when it is
    /// connected to, as any other.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Reason> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Reason::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Reason::User);
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if !self.ports.contains(&port) {
            return Err(Reason::Port { port, allowed: self.ports.clone() });
        }
        match &self.only_hosts {
            Some(hosts) if !hosts.iter().any(|pattern| pattern.matches(url)) => Err(Reason::Host),
            _ => Ok(()),
        }
    }

    /// Whether all addresses of a URL's host may be connected to. One that may not is enough to refuse them all: a name
    /// that has both kinds is either an attack or a mistake, and which address would be taken is chance.
    pub(crate) fn judge(&self, url: &Url, addresses: &[IpAddr]) -> Result<(), Reason> {
        if self.allowed_hosts.iter().any(|pattern| pattern.matches(url)) {
            return Ok(());
        }
        for &address in addresses {
            let plain = address.to_canonical();
            let allowed =
                self.allowed_networks.iter().any(|net| net.contains(&address) || net.contains(&plain));
            if let (false, Err(kind)) = (allowed, judge(address)) {
                return Err(Reason::NotPublic { address, kind });
            }
        }
        Ok(())
    }
}

/// A host (`pictures.example`), or with a leading `*.` all hosts below a domain and itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// As the URL standard writes it: lower case, in ASCII.
    host: String,
    below: bool,
}

impl HostPattern {
    fn matches(&self, url: &Url) -> bool {
        // A name with a dot at its end is the same name.
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_suffix('.').unwrap_or(host);
        let below = || host.strip_suffix(&self.host).is_some_and(|rest| rest.ends_with('.'));
        host == self.host || self.below && below()
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (below, host) = text.strip_prefix("*.").map_or((false, text), |host| (true, host));
        match Host::parse(host) {
            Ok(Host::Domain(_)) => {}
            Ok(_) if !below => {}
            _ => {
                return Err(format!(
                    "`{text}` is no host; expected one such as `example.org` or `*.example.org`"
                ));
            }
        }
        let host = Host::parse(host).map(|host| host.to_string()).unwrap_or_default();
        Ok(Self { host: host.trim_end_matches('.').to_owned(), below })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &Rules, url: &str) -> Result<(), Reason> {
        rules.check(&Url::parse(url).unwrap())
    }

    #[test]
    fn the_webs_urls_alone() {
        let rules = Rules::public();
        for url in ["http://a.org", "https://a.org/x?y", "http://a.org:443/", "https://[2606:4700::1]/"] {
            assert!(check(&rules, url).is_ok(), "{url}");
        }
        for url in ["ftp://a.org", "file:///etc/passwd", "gopher://a.org", "data:,x", "javascript:1"] {
            assert!(matches!(check(&rules, url), Err(Reason::Scheme(_))), "{url}");
        }
        assert!(matches!(check(&rules, "http://u@a.org"), Err(Reason::User)));
        assert!(matches!(check(&rules, "http://:p@a.org"), Err(Reason::User)));
        assert!(matches!(check(&rules, "http://a.org:22"), Err(Reason::Port { port: 22, .. })));
    }

    #[test]
    fn only_hosts_that_are_named() {
        let hosts = ["a.org", "*.b.org", "GRÖßE.example", "*.c.org."].map(|host| host.parse().unwrap());
        let rules = Rules { only_hosts: Some(hosts.into()), ..Rules::public() };
        for url in [
            "http://A.org",
            "http://a.org.",
            "http://b.org",
            "http://x.y.b.org",
            "http://größe.example",
            "http://d.c.org",
        ] {
            assert!(check(&rules, url).is_ok(), "{url}");
        }
        for url in ["http://x.a.org", "http://a.org.evil.org", "http://notb.org", "http://evil.org/a.org"] {
            assert!(matches!(check(&rules, url), Err(Reason::Host)), "{url}");
        }
        for wrong in ["", "*.", "a b", "http://a.org", "*.127.0.0.1"] {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_bad_address_is_enough_unless_it_is_allowed() {
        let url = Url::parse("http://a.org").unwrap();
        let addresses = ["1.1.1.1", "::ffff:10.1.2.3"].map(|address| address.parse().unwrap());
        let mut rules = Rules::public();
        assert!(rules.judge(&url, &addresses[..1]).is_ok());
        assert!(
            matches!(rules.judge(&url, &addresses), Err(Reason::NotPublic { address, .. }) if address == addresses[1])
        );
        rules.allowed_networks = vec!["10.1.0.0/16".parse().unwrap()];
        assert!(rules.judge(&url, &addresses).is_ok());
        rules.allowed_networks = vec!["10.2.0.0/16".parse().unwrap()];
        assert!(rules.judge(&url, &addresses).is_err());
        rules.allowed_hosts = vec!["a.org".parse().unwrap()];
        assert!(rules.judge(&url, &addresses).is_ok());
    }
}
