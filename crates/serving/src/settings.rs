//! Settings: flags over a TOML file over defaults, read once.

mod merge;
mod reference;

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

pub use merge::merge;
pub use reference::arguments;
use serde::{Deserialize, Serialize};

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

/// Settings of every server.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Server")]
pub struct ServingSettings {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1, port 7400 (gateway), 7401 (vision), 7402 (language) or
    /// 7403 (retrieval)].
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Bytes of one message at most [default: 33554432].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_message_bytes: Option<usize>,
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
    /// Bytes of one message at most.
    pub max_message_bytes: usize,
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
}

impl std::fmt::Debug for Serving {
    /// For the log: a password in an address is left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            listen,
            max_message_bytes,
            drain,
            log_format,
            log_filter,
            otlp_endpoint,
            trace_ratio,
            stop_with_stdin,
        } = self;
        f.debug_struct("Serving")
            .field("listen", listen)
            .field("max_message_bytes", max_message_bytes)
            .field("drain", drain)
            .field("log_format", log_format)
            .field("log_filter", log_filter)
            .field("otlp_endpoint", &otlp_endpoint.as_deref().map(without_user))
            .field("trace_ratio", trace_ratio)
            .field("stop_with_stdin", stop_with_stdin)
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
        let wrong = |got: String| SettingsError::Value {
            setting: "listen",
            expected: "HOST:PORT, for example 127.0.0.1:7400".to_owned(),
            got,
        };
        let address = listen.to_socket_addrs().ok().and_then(|mut all| all.next());
        let log_format = match self.log_format.as_deref().unwrap_or("text") {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                let (expected, got) = ("text or json".to_owned(), other.to_owned());
                return Err(SettingsError::Value { setting: "log_format", expected, got });
            }
        };
        Ok(Serving {
            listen: address.ok_or_else(|| wrong(listen))?,
            max_message_bytes: within(
                "max_message_bytes",
                self.max_message_bytes,
                32 << 20,
                1 << 10,
                1 << 30,
            )?,
            drain: Duration::from_secs_f64(within("drain_seconds", self.drain_seconds, 3.0, 0.0, 3600.0)?),
            log_format,
            log_filter: self.log_filter.unwrap_or_else(|| "info".to_owned()),
            otlp_endpoint: self.otlp_endpoint,
            trace_ratio: within("trace_ratio", self.trace_ratio, 1.0, 0.0, 1.0)?,
            stop_with_stdin: self.stop_with_stdin.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
