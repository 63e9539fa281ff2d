//! Handshakes that fail, told so that a person knows what to do.

use std::{error::Error, io};

use tokio_rustls::rustls::{self, AlertDescription, CertificateError, InvalidMessage};

/// How each of this crate's messages about a server begins; by this it is found in a chain of other libraries' errors.
pub(crate) const MARK: &str = "TLS with ";

/// What this crate said of a failed connection, somewhere in a chain of errors. Libraries between keep no more than the text.
pub fn told(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(found) = cause {
        let text = found.to_string();
        if let Some(at) = text.find(MARK) {
            return Some(text[at..].to_owned());
        }
        cause = found.source();
    }
    None
}

/// Why a handshake with a server, or the first that was read after it, failed. `authorities`: whom the client trusts.
pub(crate) fn server_refused(error: &io::Error, authorities: &str) -> String {
    let Some(fault) = fault(error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                "it closed the connection in the middle of the handshake; does it speak TLS there?".to_owned()
            }
            _ => error.to_string(),
        };
    };
    use rustls::Error as E;
    match fault {
        E::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "it does not speak TLS there; use http://, or give it tls_certificate and tls_key".to_owned()
        }
        // Another authority of the same name signs with another key.
        E::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!("its certificate is signed by none of those in {authorities}; name its authority's file")
        }
        E::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired; renew it, or set this machine's clock".to_owned()
        }
        E::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not valid yet; is this machine's clock right?".to_owned(),
        E::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            let presented = presented.join(", ");
            format!("its certificate is not for {}, but for: {presented}", expected.to_str())
        }
        E::AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks for a client's certificate, and none is set".to_owned()
        }
        // Before TLS 1.3 a certificate that lacks has no word of its own.
        E::AlertReceived(AlertDescription::HandshakeFailure) => {
            "it refuses the handshake; does it ask for a client's certificate?".to_owned()
        }
        E::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError),
        ) => format!(
            "it does not accept this client's certificate ({alert:?}); which authority does it trust?"
        ),
        other => other.to_string(),
    }
}

/// Why a handshake with a client failed.
pub fn client_refused(error: &io::Error) -> String {
    use rustls::Error as E;
    match fault(error) {
        None => error.to_string(),
        Some(E::NoCertificatesPresented) => {
            "it shows no certificate, and tls_client_ca asks for one".to_owned()
        }
        Some(E::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "its certificate is signed by none of those in tls_client_ca".to_owned()
        }
        Some(E::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            "its certificate has expired".to_owned()
        }
        Some(E::AlertReceived(AlertDescription::UnknownCA)) => {
            "it does not trust the authority of this server's certificate".to_owned()
        }
        Some(E::AlertReceived(alert)) => format!("it refuses this server's certificate ({alert:?})"),
        Some(other) => other.to_string(),
    }
}

fn fault(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
