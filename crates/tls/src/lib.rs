//! TLS of servers and clients: rustls over files that are read again when they change, handshakes told in words.
//!
//! Start with [`ServerTls`] and [`ClientTls`]. Touches files and sockets; never gRPC, settings or flags. A private key is in no
//! message, log line or `Debug`.

pub mod client;
pub mod server;

mod connector;
mod explain;
mod pem;
mod reload;

use std::{io, path::PathBuf};

pub use client::{ClientFiles, ClientTls};
pub use connector::{Connector, DialError, Secured};
pub use explain::{client_refused, told};
pub use server::{Name, ServerFiles, ServerTls, names};

/// Where a certificate and its private key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate in PEM, with those between it and its authority behind it.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {reason}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// A file without what it should hold.
    #[error("{path}: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate {
        /// Which one.
        path: PathBuf,
    },
    /// A certificate that is none.
    #[error("{path}: holds a certificate that cannot be read: {reason}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file without a usable key. What it holds instead is not told: it may be one.
    #[error(
        "{path}: holds no private key that can be used; PEM of PKCS#8, PKCS#1 or SEC1 without a password is"
    )]
    NoKey {
        /// Which one.
        path: PathBuf,
    },
    /// Two files that do not belong together.
    #[error("{key} is not the key of the certificate in {certificate}")]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The system trusts nobody.
    #[error("the system has no trusted authorities; name a file of those that you trust")]
    NoAuthorities,
    /// A name that no certificate can be for.
    #[error("`{name}` is neither a DNS name nor an address, so no certificate is for it")]
    Name {
        /// As it was given.
        name: String,
    },
    /// What the library refuses.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] tokio_rustls::rustls::Error),
}
