//! What can be set of the HTTP API.

use axum::http::HeaderValue;
use fondue_serving::settings::{SettingsError, within};
use serde::{Deserialize, Serialize};

/// Bytes of the model's name.
const MAX_NAME: usize = 128;

/// What can be set of the HTTP API.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "HTTP")]
pub struct HttpSettings {
    /// What the model is called over HTTP [default: fondue].
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// Origin of pages that may call this server from a browser, such as https://chat.example.org, or `*` for all. Can be
    /// given again [default: none but its own page].
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors_origins: Option<Vec<String>>,
    /// Where clients reach this server, such as https://fondue.example.org: links to pictures in an answer's text begin with it,
    /// so that clients that are no pages of this server can show them [default: links are paths, /v1/images/…].
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Values in the JSON of one request: texts, numbers, lists and objects, each counted with all within it [default: 32768].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_json_values: Option<usize>,
}

/// The HTTP API's configuration, checked.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// What the model is called.
    pub model_name: String,
    /// Pages that may call from a browser.
    pub origins: Vec<HeaderValue>,
    /// Before the path of a link to a picture; empty for none. Without a slash at its end.
    pub public_url: String,
    /// Values in the JSON of one request.
    pub json_values: usize,
}

impl HttpSettings {
    /// The configuration, defaults filled in.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<HttpConfig, SettingsError> {
        let model_name = self.model_name.unwrap_or_else(|| "fondue".to_owned());
        if !(1..=MAX_NAME).contains(&model_name.len()) || model_name.chars().any(char::is_control) {
            let expected = format!("1 … {MAX_NAME} bytes without control characters");
            return Err(SettingsError::Value { setting: "model_name", expected, got: model_name });
        }
        let origins = self.cors_origins.into_iter().flatten().map(origin);
        let public_url = self.public_url.map(public_url).transpose()?.unwrap_or_default();
        let json_values = within("max_json_values", self.max_json_values, 32_768, 64, 1 << 20)?;
        Ok(HttpConfig { model_name, origins: origins.collect::<Result<_, _>>()?, public_url, json_values })
    }
}

/// Scheme, host and perhaps a port: pictures are at the root of the server.
fn public_url(text: String) -> Result<String, SettingsError> {
    let url = text.trim_end_matches('/');
    if url != "*" && origin(url.to_owned()).is_ok() && !url.contains(['(', ')', '#', '?']) {
        return Ok(url.to_owned());
    }
    let expected = "a URL without a path, such as https://fondue.example.org".to_owned();
    Err(SettingsError::Value { setting: "public_url", expected, got: text })
}

/// As a browser sends it: scheme and host, a port if it is not the usual one, no path.
fn origin(text: String) -> Result<HeaderValue, SettingsError> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let is_host = |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    let parsed = HeaderValue::from_str(&text).ok().filter(|_| text == "*" || host.is_some_and(is_host));
    parsed.ok_or(SettingsError::Value {
        setting: "cors_origins",
        expected: "`*` or an origin such as https://chat.example.org".to_owned(),
        got: text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_address_has_no_path() {
        assert_eq!(public_url("https://a.org:8443/".to_owned()).unwrap(), "https://a.org:8443");
        for wrong in ["", "*", "a.org", "https://a.org/fondue", "https://a.org#x"] {
            let error = public_url(wrong.to_owned()).unwrap_err().to_string();
            assert!(error.starts_with("public_url: "), "{error}");
        }
    }

    #[test]
    fn origins_are_those_that_browsers_send() {
        for right in ["*", "http://localhost:5173", "https://chat.example.org"] {
            assert!(origin(right.to_owned()).is_ok(), "{right}");
        }
        for wrong in ["", "chat.example.org", "https://", "https://a.org/", "ftp://a.org", "https://a b"] {
            let error = origin(wrong.to_owned()).unwrap_err().to_string();
            assert!(error.starts_with("cors_origins: "), "{error}");
        }
        let named = HttpSettings { model_name: Some(String::new()), ..HttpSettings::default() };
        assert!(named.resolve().unwrap_err().to_string().starts_with("model_name: "));
    }
}
