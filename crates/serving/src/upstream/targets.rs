//! Where the replicas of a service are: addresses and names, as an operator writes them.

use std::{fmt, io, net::SocketAddr, str::FromStr};

use http::uri::{Authority, Scheme, Uri};

use crate::network::Network;

/// Addresses in one list at most.
const MAX_TARGETS: usize = 256;

/// Where the replicas of one service are: one or several `HOST:PORT`, with commas between them. A host that is a name stands for
/// all addresses that it has, so that the name of a headless service in Kubernetes stands for all of its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    has_tls: bool,
    host: String,
    port: u16,
}

/// Why a text is no list of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetsError {
    /// One of them is not an address.
    #[error(
        "`{0}` is not an address; for example http://127.0.0.1:7401, or several with commas: vision-0:7401,vision-1:7401"
    )]
    Address(String),
    /// More than a list may have.
    #[error("{0} addresses, the limit is {MAX_TARGETS}; a name that has them all takes one")]
    Many(usize),
}

impl FromStr for Targets {
    type Err = TargetsError;

    fn from_str(text: &str) -> Result<Self, TargetsError> {
        let targets: Vec<Target> =
            text.split(',').map(|each| each.trim().parse()).collect::<Result<_, _>>()?;
        if targets.len() > MAX_TARGETS {
            return Err(TargetsError::Many(targets.len()));
        }
        let mut once = Vec::with_capacity(targets.len());
        for target in targets {
            if !once.contains(&target) {
                once.push(target);
            }
        }
        Ok(Self(once))
    }
}

impl FromStr for Target {
    type Err = TargetsError;

    fn from_str(text: &str) -> Result<Self, TargetsError> {
        let wrong = || TargetsError::Address(text.to_owned());
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let bare =
            !authority.as_str().contains('@') && uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        let has_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let speaks = has_tls || uri.scheme() == Some(&Scheme::HTTP);
        if !speaks || authority.host().is_empty() || !bare {
            return Err(wrong());
        }
        let port = match authority.port() {
            Some(port) => port.as_str().parse().map_err(|_| wrong())?,
            // A port that is none is no port to the parser.
            None if authority.as_str() != authority.host() => return Err(wrong()),
            None if has_tls => 443,
            None => 80,
        };
        Ok(Self { has_tls, host: authority.host().to_owned(), port })
    }
}

impl Targets {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.0.iter()
    }

    /// Whether none of them is a name, whose addresses could change.
    pub(super) fn are_fixed(&self) -> bool {
        self.iter().all(|target| target.fixed().is_some())
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, target) in self.iter().enumerate() {
            write!(f, "{}{target}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:{}", if self.has_tls { "https://" } else { "" }, self.host, self.port)
    }
}

impl Target {
    /// Whether it is called with TLS.
    pub fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// The name or address, which certificates are compared with.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The same with the port: what calls are told to be for.
    pub(super) fn authority(&self) -> Option<Authority> {
        self.bare().parse().ok()
    }

    fn bare(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The address, if it is one.
    fn fixed(&self) -> Option<SocketAddr> {
        self.bare().parse().ok()
    }

    /// All addresses that it has now, at least one.
    ///
    /// # Errors
    /// The resolver's.
    pub(super) async fn resolve(&self, network: &Network) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.fixed() {
            return Ok(vec![address]);
        }
        let addresses = network.lookup(&self.host, self.port).await?;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_told_alike() {
        let read = |text: &str| text.parse::<Targets>().map(|targets| targets.to_string());
        assert_eq!(read("http://vision:7401").unwrap(), "vision:7401");
        assert_eq!(read("127.0.0.1:1, b:2,[::1]:3,b:2").unwrap(), "127.0.0.1:1,b:2,[::1]:3");
        assert_eq!(read("vision").unwrap(), "vision:80");
        assert_eq!(
            read("https://vision, https://vision:7401").unwrap(),
            "https://vision:443,https://vision:7401"
        );
        for wrong in [
            "",
            "a,,b",
            "http://",
            "not an address",
            "/path",
            "ftp://vision:7401",
            "a:1/x",
            "u@a:1",
            "a:",
            "a:70000",
        ] {
            assert!(matches!(read(wrong), Err(TargetsError::Address(_))), "{wrong}");
        }
        let many = |n: usize| (0..n).map(|i| format!("h{i}:1")).collect::<Vec<_>>().join(",");
        assert!(read(&many(256)).is_ok());
        assert_eq!(read(&many(257)), Err(TargetsError::Many(257)));
    }

    #[tokio::test]
    async fn names_have_addresses_and_unknown_ones_have_none() {
        let local: Target = "localhost:5".parse().unwrap();
        assert!(local.resolve(&Network::System).await.unwrap().iter().all(|address| address.port() == 5));
        let fixed: Targets = "127.0.0.1:5,[::1]:5".parse().unwrap();
        assert!(fixed.are_fixed() && !"localhost:5".parse::<Targets>().unwrap().are_fixed());
        assert!("no-such-host.invalid:5".parse::<Target>().unwrap().resolve(&Network::System).await.is_err());
    }
}
