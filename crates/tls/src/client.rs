//! The client's side: whom it trusts, and what it shows of itself.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};

use crate::{
    Connector, Pair, TlsError, pem,
    reload::{Built, Reloaded},
    server::mismatch,
};

/// What a client's TLS is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities that it trusts, in PEM; none: the system's.
    pub ca: Option<PathBuf>,
    /// The certificate that it shows to servers that ask for one.
    pub pair: Option<Pair>,
    /// Whose certificate a server must have, where the address does not tell.
    pub name: Option<String>,
}

/// A client's TLS, for any number of servers. Its files are read again when they change.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<Reloaded<ClientConfig>>,
    authorities: Arc<str>,
    name: Option<ServerName<'static>>,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Reads the files, and goes on looking at them. Needs a runtime.
    ///
    /// # Errors
    /// [`TlsError`] that names the file, or the name, at fault.
    pub fn load(files: ClientFiles) -> Result<Self, TlsError> {
        let name = files.name.as_deref().map(server_name).transpose()?;
        let authorities = match &files.ca {
            Some(path) => path.display().to_string(),
            None => "the system's authorities".to_owned(),
        };
        let mut paths: Vec<PathBuf> = files.ca.iter().cloned().collect();
        paths.extend(files.pair.iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]));
        let config = Reloaded::start("client", paths, move |contents| config(&files, contents))?;
        Ok(Self { config, authorities: authorities.into(), name })
    }

    /// What opens connections to the server that is called `host`, a DNS name or an address; each within a time.
    ///
    /// # Errors
    /// [`TlsError::Name`].
    pub fn connector(&self, host: &str, within: Duration) -> Result<Connector, TlsError> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => server_name(host)?,
        };
        Ok(Connector { tls: self.clone(), name, within })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.config.current()
    }

    pub(crate) fn authorities(&self) -> &str {
        &self.authorities
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    // Addresses of the sixth version stand in brackets within URLs.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name { name: host.to_owned() })
}

fn config(files: &ClientFiles, contents: &[Vec<u8>]) -> Result<Built<ClientConfig>, TlsError> {
    let mut contents = contents.iter();
    let authorities = match &files.ca {
        Some(path) => pem::authorities(path, contents.next().map_or(&[][..], Vec::as_slice))?,
        None => system()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(authorities);
    let (mut config, expiry) = match &files.pair {
        None => (builder.with_no_client_auth(), None),
        Some(pair) => {
            let mut next = || contents.next().map_or(&[][..], Vec::as_slice);
            let chain = pem::certificates(&pair.certificate, next())?;
            let expiry = chain.first().and_then(pem::expiry);
            let key = pem::key(&pair.key, next())?;
            let config = builder.with_client_auth_cert(chain, key).map_err(|error| mismatch(pair, error))?;
            (config, expiry)
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Connections are few and long, and each should see both certificates as they are.
    config.resumption = Resumption::disabled();
    Ok(Built { value: config, expiry })
}

/// The authorities that the system trusts.
fn system() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Stores hold odd certificates now and then; what cannot be used is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(roots) }
}
