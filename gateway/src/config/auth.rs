//! Who may call: API keys, tokens, and the names that this server goes by.

use std::{num::NonZeroU32, path::PathBuf};

use fondue_auth::{
    Sources,
    account::Limits,
    tokens::{Algorithm, Rules, USUAL},
};
use fondue_serving::settings::SettingsError;
use serde::{Deserialize, Serialize};

/// What can be set about who may call.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Who may call")]
pub struct AuthSettings {
    /// File of API keys' digests, TOML or JSON; read again when it changes. Callers then need a key (`fondue key new`)
    /// [default: none, everybody may call].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<PathBuf>,
    /// File of public keys that check JSON Web Tokens, a JWK set or PEM; read again when it changes. Callers then need a token or an
    /// API key [default: none].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_keys: Option<PathBuf>,
    /// File of a secret that signs tokens by HS256, at least 32 bytes; jwt_algorithms must allow that [default: none].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_secret_file: Option<PathBuf>,
    /// Who must have issued a token (`iss`); needed with tokens.
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_issuer: Option<String>,
    /// Whom a token must be for (`aud`): this server; needed with tokens.
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_audience: Option<String>,
    /// How a token may be signed: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256; can be given again
    /// [default: RS256, ES256, EdDSA].
    #[arg(long = "jwt-algorithm", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_algorithms: Option<Vec<String>>,
    /// Claim that names a token's tenant; a token without it is its subject's own [default: tenant].
    #[arg(long, value_name = "CLAIM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_tenant_claim: Option<String>,
    /// Calls a minute of all tokens of a tenant; each turn of a conversation counts as one [default: not limited].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_requests_per_minute: Option<NonZeroU32>,
    /// Turns at once of all tokens of a tenant [default: not limited].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_concurrent_turns: Option<u32>,
    /// Open conversations at once of all tokens of a tenant [default: half of max_conversations, as of an API key that does not say].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_conversations: Option<u32>,
    /// Tokens of prompts and answers in a day (UTC) of all tokens of a tenant [default: not limited].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_tokens_per_day: Option<u64>,
    /// Whether `/metrics` is open to whoever does not say who calls, where others must say it [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_open: Option<bool>,
    /// Name by which browsers may call a server that listens on this machine alone and does not ask who calls, beside localhost,
    /// addresses and public_url's; can be given again [default: none].
    #[arg(long = "allowed-host", value_name = "HOST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_hosts: Option<Vec<String>>,
}

/// Who may call, checked.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Where keys are; none: everybody may call.
    pub sources: Sources,
    /// What tokens must be, if they are believed.
    pub rules: Option<Rules>,
    /// Whether metrics are open to all.
    pub metrics_open: bool,
    /// Further names of this server.
    pub hosts: Vec<String>,
}

impl AuthConfig {
    /// Whether callers must say who they are.
    pub fn is_on(&self) -> bool {
        let Sources { api_keys, token_keys, token_secret, .. } = &self.sources;
        api_keys.is_some() || token_keys.is_some() || token_secret.is_some()
    }
}

impl AuthSettings {
    /// The checked settings. `usual_conversations` are those at once of a caller of whom nothing else is said.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self, usual_conversations: u32) -> Result<AuthConfig, SettingsError> {
        let algorithms = match self.jwt_algorithms {
            None => USUAL.to_vec(),
            Some(names) => names.into_iter().map(algorithm).collect::<Result<_, _>>()?,
        };
        let believes = self.jwt_keys.is_some() || self.jwt_secret_file.is_some();
        let by_secret = algorithms.contains(&Algorithm::HS256);
        if by_secret != self.jwt_secret_file.is_some() {
            let (setting, reason) = match by_secret {
                true => ("jwt_algorithms", "HS256 needs a shared secret: set jwt_secret_file"),
                false => (
                    "jwt_secret_file",
                    "a secret is used by HS256 alone, which jwt_algorithms does not allow",
                ),
            };
            return Err(SettingsError::Parse { setting, reason: reason.to_owned() });
        }
        let needed = |setting: &'static str, value: Option<String>| {
            let reason = "must be set where tokens are believed: else those for other servers would be too";
            let value = value.filter(|value| !value.is_empty());
            value.ok_or(SettingsError::Parse { setting, reason: reason.to_owned() })
        };
        let rules = if believes {
            Some(Rules {
                issuer: needed("jwt_issuer", self.jwt_issuer)?,
                audience: needed("jwt_audience", self.jwt_audience)?,
                algorithms,
                tenant_claim: self.jwt_tenant_claim.unwrap_or_else(|| "tenant".to_owned()),
                limits: Limits {
                    requests_per_minute: self.jwt_requests_per_minute,
                    concurrent_turns: self.jwt_concurrent_turns,
                    conversations: Some(self.jwt_conversations.unwrap_or(usual_conversations)),
                    tokens_per_day: self.jwt_tokens_per_day,
                    ..Limits::default()
                },
            })
        } else {
            None
        };
        Ok(AuthConfig {
            sources: Sources {
                api_keys: self.api_keys,
                token_keys: self.jwt_keys,
                token_secret: self.jwt_secret_file,
                key_conversations: Some(usual_conversations),
            },
            rules,
            metrics_open: self.metrics_open.unwrap_or(false),
            hosts: self.allowed_hosts.into_iter().flatten().map(host).collect::<Result<_, _>>()?,
        })
    }
}

fn algorithm(name: String) -> Result<Algorithm, SettingsError> {
    let known = name.parse().ok().filter(|it| !matches!(it, Algorithm::HS384 | Algorithm::HS512));
    known.ok_or(SettingsError::Value {
        setting: "jwt_algorithms",
        expected: "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA or HS256".to_owned(),
        got: name,
    })
}

/// A name without scheme, port and path.
fn host(text: String) -> Result<String, SettingsError> {
    let right = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !text.is_empty() && text.bytes().all(right) {
        return Ok(text.to_ascii_lowercase());
    }
    let expected = "a name such as fondue.example.org, without a port".to_owned();
    Err(SettingsError::Value { setting: "allowed_hosts", expected, got: text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> AuthSettings {
        AuthSettings {
            jwt_keys: Some("jwks.json".into()),
            jwt_issuer: Some("i".to_owned()),
            jwt_audience: Some("a".to_owned()),
            ..AuthSettings::default()
        }
    }

    #[test]
    fn nothing_set_is_everybody_and_anything_set_is_not() {
        assert!(!AuthSettings::default().resolve(8).unwrap().is_on());
        let keys = AuthSettings { api_keys: Some("keys.toml".into()), ..AuthSettings::default() };
        assert!(keys.resolve(8).unwrap().is_on());
        let config = tokens().resolve(8).unwrap();
        assert!(config.is_on() && !config.metrics_open);
        assert_eq!(config.rules.unwrap().algorithms, USUAL);
    }

    #[test]
    fn settings_that_do_not_fit_together_are_named() {
        let list = |name: &str| Some(vec![name.to_owned()]);
        let cases = [
            (AuthSettings { jwt_issuer: None, ..tokens() }, "jwt_issuer: must be set"),
            (AuthSettings { jwt_audience: Some(String::new()), ..tokens() }, "jwt_audience: must be set"),
            (AuthSettings { jwt_algorithms: list("none"), ..tokens() }, "jwt_algorithms: must be RS256"),
            (AuthSettings { jwt_algorithms: list("HS512"), ..tokens() }, "jwt_algorithms: must be RS256"),
            (AuthSettings { jwt_algorithms: list("HS256"), ..tokens() }, "jwt_algorithms: HS256 needs"),
            (
                AuthSettings { jwt_secret_file: Some("s".into()), ..tokens() },
                "jwt_secret_file: a secret is used",
            ),
            (AuthSettings { allowed_hosts: list("a.org:80"), ..tokens() }, "allowed_hosts: must be a name"),
        ];
        for (settings, expected) in cases {
            let error = settings.resolve(8).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
