//! Settings of TLS: a server's own, and a client's of other servers.

use std::path::PathBuf;

use fondue_tls::{ClientFiles, Pair, ServerFiles};
use serde::{Deserialize, Serialize};

use super::SettingsError;

/// A server's own TLS.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
pub struct TlsSettings {
    /// The server's certificate in PEM, those between it and its authority behind it. It is read again when it changes. With it
    /// the server speaks TLS alone [default: no TLS].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key in PEM [default: none].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Authorities in PEM: every client must have a certificate that one of them signed [default: no client is asked].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_ca: Option<PathBuf>,
    /// A DNS name or URI (as `spiffe://…`) that may call: a client's certificate must be for one of them. Can be given again
    /// [default: any that tls_client_ca signed].
    #[arg(long = "tls-client-name", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_names: Option<Vec<String>>,
}

/// A server's TLS, checked but for what its files hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// What it is made of.
    pub files: ServerFiles,
    /// Who may call, by the names of their certificates; empty: whoever has one.
    pub client_names: Vec<String>,
}

impl TlsSettings {
    /// The checked settings; none if there is to be no TLS.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting that lacks.
    pub fn resolve(self) -> Result<Option<Tls>, SettingsError> {
        let pair = pair(("tls_certificate", self.tls_certificate), ("tls_key", self.tls_key))?;
        let client_names = self.tls_client_names.unwrap_or_default();
        if !client_names.is_empty() && self.tls_client_ca.is_none() {
            return Err(lacking("tls_client_ca", "tls_client_names"));
        }
        match pair {
            Some(pair) => {
                let files = ServerFiles { pair, client_ca: self.tls_client_ca };
                Ok(Some(Tls { files, client_names }))
            }
            None if self.tls_client_ca.is_some() => Err(lacking("tls_certificate", "tls_client_ca")),
            None => Ok(None),
        }
    }
}

/// A client's TLS of the servers that it calls.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
pub struct UpstreamTlsSettings {
    /// Authorities in PEM that sign the certificates of the services with https:// addresses. It is read again when it changes
    /// [default: the system's].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_ca: Option<PathBuf>,
    /// Certificate in PEM to show to services that ask for one; read again when it changes [default: none].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_certificate: Option<PathBuf>,
    /// Its private key in PEM [default: none].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_key: Option<PathBuf>,
    /// The name that the services' certificates are for, where their addresses do not tell [default: each address's host].
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_name: Option<String>,
}

impl UpstreamTlsSettings {
    /// The checked settings; none if no service `has_tls`, which is to say an address with `https://`.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting that lacks, or that would do nothing.
    pub fn resolve(self, has_tls: bool) -> Result<Option<ClientFiles>, SettingsError> {
        let pair =
            pair(("upstream_certificate", self.upstream_certificate), ("upstream_key", self.upstream_key))?;
        let files = ClientFiles { ca: self.upstream_ca, pair, name: self.upstream_name };
        if has_tls {
            return Ok(Some(files));
        }
        let set = [
            ("upstream_ca", files.ca.is_some()),
            ("upstream_certificate", files.pair.is_some()),
            ("upstream_name", files.name.is_some()),
        ];
        // Somebody believes that the services are called with TLS.
        match set.into_iter().find(|(_, set)| *set) {
            Some((setting, _)) => Err(SettingsError::Parse {
                setting,
                reason: "no service's address begins with https://, so none is called with TLS".to_owned(),
            }),
            None => Ok(None),
        }
    }
}

/// Two settings that go together: both, or none.
fn pair(
    (certificate_name, certificate): (&'static str, Option<PathBuf>),
    (key_name, key): (&'static str, Option<PathBuf>),
) -> Result<Option<Pair>, SettingsError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Pair { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(lacking(key_name, certificate_name)),
        (None, Some(_)) => Err(lacking(certificate_name, key_name)),
    }
}

fn lacking(setting: &'static str, given: &str) -> SettingsError {
    SettingsError::Parse { setting, reason: format!("must be set, since {given} is") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_goes_together_is_refused_and_the_other_half_named() {
        let (file, names) = (|| Some(PathBuf::from("x.pem")), || Some(vec!["gateway".to_owned()]));
        let told = |settings: TlsSettings| settings.resolve().unwrap_err().to_string();
        let none = TlsSettings::default;
        assert_eq!(none().resolve().unwrap(), None);
        let error = told(TlsSettings { tls_certificate: file(), ..none() });
        assert_eq!(error, "tls_key: must be set, since tls_certificate is");
        let error = told(TlsSettings { tls_key: file(), ..none() });
        assert_eq!(error, "tls_certificate: must be set, since tls_key is");
        let error = told(TlsSettings { tls_client_ca: file(), ..none() });
        assert_eq!(error, "tls_certificate: must be set, since tls_client_ca is");
        let both = TlsSettings { tls_certificate: file(), tls_key: file(), ..none() };
        let error = told(TlsSettings { tls_client_names: names(), ..both.clone() });
        assert_eq!(error, "tls_client_ca: must be set, since tls_client_names is");
        let whole = TlsSettings { tls_client_names: names(), tls_client_ca: file(), ..both };
        assert_eq!(whole.resolve().unwrap().unwrap().client_names, ["gateway"]);
    }

    #[test]
    fn settings_of_upstreams_that_would_do_nothing_are_refused() {
        let file = || Some(PathBuf::from("x.pem"));
        let ca = UpstreamTlsSettings { upstream_ca: file(), ..UpstreamTlsSettings::default() };
        let error = ca.clone().resolve(false).unwrap_err().to_string();
        assert!(error.starts_with("upstream_ca: no service's address begins with https://"), "{error}");
        let files = ca.resolve(true).unwrap().unwrap();
        assert_eq!(files.ca, file());
        let key = UpstreamTlsSettings { upstream_key: file(), ..UpstreamTlsSettings::default() };
        let error = key.resolve(true).unwrap_err().to_string();
        assert_eq!(error, "upstream_certificate: must be set, since upstream_key is");
        assert_eq!(UpstreamTlsSettings::default().resolve(false).unwrap(), None);
    }
}
