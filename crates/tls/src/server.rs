//! The server's side: its certificate, and whose certificates it asks clients for.

use std::{fmt, path::PathBuf, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, CommonState, ServerConfig,
        crypto::ring,
        server::{NoServerSessionStorage, WebPkiClientVerifier},
        version::{TLS12, TLS13},
    },
};

use crate::{
    Pair, TlsError, pem,
    reload::{Built, Reloaded},
};

/// The protocols that a server speaks within TLS, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What a server's TLS is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// The server's certificate.
    pub pair: Pair,
    /// Authorities in PEM: a client must have a certificate that one of them signed. None: no client is asked.
    pub client_ca: Option<PathBuf>,
}

/// A server's TLS. Its files are read again when they change; connections that are open stay as they are.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<Reloaded<ServerConfig>>,
}

impl ServerTls {
    /// Reads the files, and goes on looking at them. Needs a runtime.
    ///
    /// # Errors
    /// [`TlsError`] that names the file at fault.
    pub fn load(files: ServerFiles) -> Result<Self, TlsError> {
        let mut paths = vec![files.pair.certificate.clone(), files.pair.key.clone()];
        paths.extend(files.client_ca.clone());
        let config = Reloaded::start("server", paths, move |contents| config(&files, contents))?;
        Ok(Self { config })
    }

    /// Accepts one connection, by what the files hold now.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.current())
    }
}

fn config(files: &ServerFiles, contents: &[Vec<u8>]) -> Result<Built<ServerConfig>, TlsError> {
    let ServerFiles { pair, client_ca } = files;
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13, &TLS12])?;
    let builder =
        match client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let authorities = pem::authorities(path, &contents[2])?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| TlsError::Certificate {
                    path: path.clone(),
                    reason: error.to_string(),
                })?)
            }
        };
    let chain = pem::certificates(&pair.certificate, &contents[0])?;
    let expiry = chain.first().and_then(pem::expiry);
    let key = pem::key(&pair.key, &contents[1])?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| mismatch(pair, error))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    if client_ca.is_some() {
        // A session that is taken up again would not be asked for its certificate, which may have expired meanwhile.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Built { value: config, expiry })
}

/// The error of a certificate and a key that were read, but do not go together.
pub(crate) fn mismatch(pair: &Pair, error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Pair { certificate: pair.certificate.clone(), key: pair.key.clone() }
        }
        rustls::Error::InvalidCertificate(reason) => {
            TlsError::Certificate { path: pair.certificate.clone(), reason: reason.to_string() }
        }
        // Of a kind that is not known, or no key behind its frame.
        rustls::Error::General(_) => TlsError::NoKey { path: pair.key.clone() },
        other => TlsError::Setup(other),
    }
}

/// What a certificate is for. An authority may watch over one kind and not over the other, so a name counts as its own kind alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A DNS name, as the certificate says.
    Dns(String),
    /// A URI, as SPIFFE's are.
    Uri(String),
}

impl Name {
    /// Whether it is the name `wanted`: one with `://` means a URI, compared as it is; any other a DNS name, which has no case.
    pub fn is(&self, wanted: &str) -> bool {
        match self {
            Self::Dns(name) => !wanted.contains("://") && name.eq_ignore_ascii_case(wanted),
            Self::Uri(name) => wanted.contains("://") && name == wanted,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Dns(name) | Self::Uri(name)) = self;
        f.write_str(name)
    }
}

/// The DNS names and URIs of the certificate that the other side showed; none if it showed none.
pub fn names(connection: &CommonState) -> Vec<Name> {
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    certificate.map(pem::names).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole_and_with_their_own_kind() {
        let allowed = ["gateway.fondue", "spiffe://fondue/Gateway"];
        let dns = |name: &str| Name::Dns(name.to_owned());
        let uri = |name: &str| Name::Uri(name.to_owned());
        for (name, right) in [
            (dns("gateway.fondue"), true),
            (dns("GATEWAY.Fondue"), true),
            (dns("gateway"), false),
            (dns("gateway.fondue.evil"), false),
            (dns("*.fondue"), false),
            (dns(""), false),
            (dns("spiffe://fondue/Gateway"), false),
            (uri("spiffe://fondue/Gateway"), true),
            (uri("spiffe://fondue/gateway"), false),
            (uri("spiffe://fondue/Gateway/more"), false),
            (uri("gateway.fondue"), false),
        ] {
            assert_eq!(allowed.iter().any(|allowed| name.is(allowed)), right, "{name:?}");
        }
    }
}
