//! Settings: flags over a TOML file over defaults, read once.

mod connections;
mod merge;
mod reference;
mod tls;

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

pub use connections::{ConnectionSettings, Connections};
pub use merge::merge;
pub use reference::arguments;
use serde::{Deserialize, Serialize};
pub use tls::{Tls, TlsSettings, UpstreamTlsSettings};

/// Why settings are not usable.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not TOML: {reason}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What the parser said, with the place.
        reason: String,
    },
    /// The file sets something that does not exist.
    #[error("{path}: `{key}` is no setting; there are {known}")]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// What it sets.
        key: String,
        /// What could be set.
        known: String,
    },
    /// A value of the wrong type.
    #[error("{path}: `{key}`: {reason}")]
    Type {
        /// Which file.
        path: PathBuf,
        /// Which setting.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A value out of its range, or none of those that exist.
    #[error("{setting}: must be {expected}, got {got}")]
    Value {
        /// Key in the file; the flag has dashes.
        setting: &'static str,
        /// What would be right.
        expected: String,
        /// What was given.
        got: String,
    },
    /// A value that its own parser refuses.
    #[error("{setting}: {reason}")]
    Parse {
        /// Key in the file; the flag has dashes.
        setting: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// A server that anybody on the network could use.
    #[error(
        "listen: {listen} can be reached from other machines, and nothing tells who calls: {protect}, listen on 127.0.0.1, or \
         set open_to_network if something else stands before this server (a network policy, a proxy)"
    )]
    Exposed {
        /// The address.
        listen: SocketAddr,
        /// What would tell.
        protect: &'static str,
    },
    /// Flags that cannot be kept.
    #[error("the flags cannot be read as settings: {0}")]
    Flags(String),
}

/// A setting within its range, or its default.
///
/// # Errors
/// [`SettingsError::Value`] if it is out of the range; a number that is none is in no range.
pub fn within<T: PartialOrd + std::fmt::Display>(
    setting: &'static str,
    value: Option<T>,
    default: T,
    low: T,
    high: T,
) -> Result<T, SettingsError> {
    let value = value.unwrap_or(default);
    if value >= low && value <= high {
        return Ok(value);
    }
    Err(SettingsError::Value { setting, expected: format!("{low} … {high}"), got: value.to_string() })
}

/// A setting that was parsed from text.
///
/// # Errors
/// [`SettingsError::Parse`] with what the parser said.
pub fn parsed<T, E: std::fmt::Display>(
    setting: &'static str,
    value: Result<T, E>,
) -> Result<T, SettingsError> {
    value.map_err(|error| SettingsError::Parse { setting, reason: error.to_string() })
}

/// An address to listen on.
///
/// # Errors
/// [`SettingsError::Value`] if it is none, or its host is not known.
pub fn address(setting: &'static str, text: String) -> Result<SocketAddr, SettingsError> {
    let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| SettingsError::Value {
        setting,
        expected: "HOST:PORT, for example 127.0.0.1:7400".to_owned(),
        got: text,
    })
}

/// Settings of every server.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Server")]
pub struct ServingSettings {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1, port 7400 (gateway), 7401 (vision), 7402 (language) or
    /// 7403 (retrieval)].
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Listen on an address that other machines may reach though nothing tells who calls: something else stands before this server,
    /// such as a network policy or a proxy [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_to_network: Option<bool>,
    /// Bytes of one message at most [default: 33554432].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_message_bytes: Option<usize>,
    /// Milliseconds that the bytes of one request may be waited for; of a stream of messages, those of one message
    /// [default: 30000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout_ms: Option<u32>,
    /// Bytes of the bodies of all requests that are not decoded yet, together; more are refused [default: 268435456, or
    /// max_message_bytes if that is more].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bodies_bytes: Option<usize>,
    /// Calls of one connection at once; further ones wait at the client. A gateway has all its turns on one connection: at least its
    /// max_concurrent_turns [default: 1024].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<u32>,
    /// Seconds that running calls may take after the signal to stop [default: 3].
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_seconds: Option<f64>,
    /// How logs are written to stderr: text or json [default: text].
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<String>,
    /// What is logged, for example `info,fondue_engine=debug` [default: info].
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_filter: Option<String>,
    /// Where traces go by OTLP over gRPC, for example http://localhost:4317 [default: nowhere].
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// Which share of the traces that begin here goes there, 0 … 1; of others whoever called decided [default: 1].
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_ratio: Option<f64>,
    /// Stop when stdin ends, and with it the launcher that holds its other end [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_with_stdin: Option<bool>,
    /// The connections that it takes.
    #[command(flatten)]
    #[serde(flatten)]
    pub connections: ConnectionSettings,
    /// Its TLS.
    #[command(flatten)]
    #[serde(flatten)]
    pub tls: TlsSettings,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What every server has, checked.
#[derive(Clone)]
pub struct Serving {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Whether it may be one that others reach though nothing tells who calls.
    pub open_to_network: bool,
    /// Bytes of one message at most.
    pub max_message_bytes: usize,
    /// Time for which the bytes of one request may be waited for.
    pub body_timeout: Duration,
    /// Bytes of all requests' bodies at most.
    pub max_bodies_bytes: usize,
    /// Calls of one connection at once.
    pub max_streams: u32,
    /// Time for running calls after the signal to stop.
    pub drain: Duration,
    /// How logs are written.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_filter: String,
    /// Where traces go.
    pub otlp_endpoint: Option<String>,
    /// Which share of the traces that begin here goes there.
    pub trace_ratio: f64,
    /// Whether the end of stdin stops the server.
    pub stop_with_stdin: bool,
    /// The connections that it takes.
    pub connections: Connections,
    /// Its TLS, if it speaks it.
    pub tls: Option<Tls>,
}

impl Serving {
    /// Whether this machine alone can reach the server.
    pub fn is_local(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Whether a connection's own certificate tells who calls (mutual TLS).
    pub fn knows_callers(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.files.client_ca.is_some())
    }

    /// Refuses an address that others reach, unless the server `is_protected`: it knows who calls. `protect` tells how it would be.
    ///
    /// # Errors
    /// [`SettingsError::Exposed`].
    pub fn refuse_exposure(&self, is_protected: bool, protect: &'static str) -> Result<(), SettingsError> {
        if is_protected || self.open_to_network || self.is_local() {
            return Ok(());
        }
        Err(SettingsError::Exposed { listen: self.listen, protect })
    }
}

impl std::fmt::Debug for Serving {
    /// For the log: a password in an address is left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            listen,
            open_to_network,
            max_message_bytes,
            body_timeout,
            max_bodies_bytes,
            max_streams,
            drain,
            log_format,
            log_filter,
            otlp_endpoint,
            trace_ratio,
            stop_with_stdin,
            connections,
            tls,
        } = self;
        f.debug_struct("Serving")
            .field("listen", listen)
            .field("open_to_network", open_to_network)
            .field("max_message_bytes", max_message_bytes)
            .field("body_timeout", body_timeout)
            .field("max_bodies_bytes", max_bodies_bytes)
            .field("max_streams", max_streams)
            .field("drain", drain)
            .field("log_format", log_format)
            .field("log_filter", log_filter)
            .field("otlp_endpoint", &otlp_endpoint.as_deref().map(without_user))
            .field("trace_ratio", trace_ratio)
            .field("stop_with_stdin", stop_with_stdin)
            .field("connections", connections)
            .field("tls", tls)
            .finish()
    }
}

/// An address without what stands before its `@`.
fn without_user(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        (_, None) => address.to_owned(),
    }
}

impl ServingSettings {
    /// The checked settings, defaults filled in.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self, default_listen: &str) -> Result<Serving, SettingsError> {
        let listen = self.listen.unwrap_or_else(|| default_listen.to_owned());
        let log_format = match self.log_format.as_deref().unwrap_or("text") {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                let (expected, got) = ("text or json".to_owned(), other.to_owned());
                return Err(SettingsError::Value { setting: "log_format", expected, got });
            }
        };
        let max_message_bytes =
            within("max_message_bytes", self.max_message_bytes, 32 << 20, 1 << 10, 1 << 30)?;
        let body_timeout = within("body_timeout_ms", self.body_timeout_ms, 30_000, 1, 3_600_000)?;
        Ok(Serving {
            listen: address("listen", listen)?,
            open_to_network: self.open_to_network.unwrap_or(false),
            max_message_bytes,
            body_timeout: Duration::from_millis(u64::from(body_timeout)),
            max_bodies_bytes: within(
                "max_bodies_bytes",
                self.max_bodies_bytes,
                max_message_bytes.max(256 << 20),
                max_message_bytes,
                1 << 40,
            )?,
            max_streams: within("max_streams", self.max_streams, 1024, 1, 1 << 20)?,
            drain: Duration::from_secs_f64(within("drain_seconds", self.drain_seconds, 3.0, 0.0, 3600.0)?),
            log_format,
            log_filter: self.log_filter.unwrap_or_else(|| "info".to_owned()),
            otlp_endpoint: self.otlp_endpoint,
            trace_ratio: within("trace_ratio", self.trace_ratio, 1.0, 0.0, 1.0)?,
            stop_with_stdin: self.stop_with_stdin.unwrap_or(false),
            connections: self.connections.resolve()?,
            tls: self.tls.resolve()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_others_reach_is_protected_or_meant_to_be_open() {
        let listening = |listen: &str, open| {
            let listen = Some(listen.to_owned());
            let settings = ServingSettings { listen, open_to_network: open, ..ServingSettings::default() };
            settings.resolve("127.0.0.1:1").unwrap()
        };
        for local in ["127.0.0.1:0", "127.8.9.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert!(listening(local, None).refuse_exposure(false, "x").is_ok(), "{local}");
        }
        for open in ["0.0.0.0:5", "[::]:5", "10.0.0.1:5", "[::ffff:10.0.0.1]:5"] {
            let error =
                listening(open, Some(false)).refuse_exposure(false, "set a key").unwrap_err().to_string();
            assert!(error.contains(": set a key, listen on 127.0.0.1, or set open_to_network"), "{error}");
            assert!(listening(open, None).refuse_exposure(true, "x").is_ok(), "{open}");
            assert!(listening(open, Some(true)).refuse_exposure(false, "x").is_ok(), "{open}");
        }
    }

    #[test]
    fn a_password_does_not_get_into_the_log() {
        let settings = ServingSettings {
            otlp_endpoint: Some("http://user:secret@collector:4317".to_owned()),
            ..ServingSettings::default()
        };
        let shown = format!("{:?}", settings.resolve("127.0.0.1:1").unwrap());
        assert!(!shown.contains("secret") && shown.contains("http://…@collector:4317"), "{shown}");
    }
}
