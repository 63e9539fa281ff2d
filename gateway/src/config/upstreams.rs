//! What can be set of the services behind the gateway, and how calls are spread among their replicas.

use std::time::Duration;

use fondue_serving::{
    network::Network,
    settings::{SettingsError, UpstreamTlsSettings, parsed, within},
    upstream::{Balance, ClientFiles, Target, Targets},
};
use serde::{Deserialize, Serialize};

/// Bytes of an index's name.
const MAX_NAME: usize = 64;

/// What can be set of the services behind the gateway. Each is one address, or several with commas; a name stands for all
/// addresses that it has.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Services")]
pub struct UpstreamSettings {
    /// Vision service: HOST:PORT, or several with commas; a name stands for all addresses that it has, which are its replicas
    /// [default: http://127.0.0.1:7401].
    #[arg(long, value_name = "ADDRS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision: Option<String>,
    /// Language service, likewise [default: http://127.0.0.1:7402].
    #[arg(long, value_name = "ADDRS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Retrieval service, likewise [default: http://127.0.0.1:7403].
    #[arg(long, value_name = "ADDRS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<String>,
    /// A further index, NAME=ADDRS of its retrieval service; turns ask for it by its name. Can be given again.
    #[arg(long = "index", value_name = "NAME=ADDRS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Vec<String>>,
    /// Milliseconds after which names of services are resolved again, so that new replicas get work [default: 5000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_interval_ms: Option<u32>,
    /// Milliseconds after which each replica is asked again whether it is well [default: 1000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_interval_ms: Option<u32>,
    /// Calls to a service that may be made again, at another replica, because one failed before its first message, as a share of
    /// the calls of the last ten seconds, counted as one of so many whole calls (0.3: one of four); 0 for none [default: 0.2].
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_ratio: Option<f32>,
    /// TLS of the services.
    #[command(flatten)]
    #[serde(flatten)]
    pub tls: UpstreamTlsSettings,
}

/// The services behind the gateway, checked.
#[derive(Clone, Debug)]
pub struct Upstreams {
    /// The vision service.
    pub vision: Targets,
    /// The language service.
    pub language: Targets,
    /// The retrieval service of the first, unnamed index.
    pub retrieval: Targets,
    /// Further indexes: name and retrieval service.
    pub indexes: Vec<(String, Targets)>,
    /// How calls are spread among replicas.
    pub balance: Balance,
    /// TLS of those whose addresses begin with `https://`, if there are any.
    pub tls: Option<ClientFiles>,
    /// How they are found and reached; not a setting.
    pub network: Network,
}

impl UpstreamSettings {
    /// Defaults filled in.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub(super) fn resolve(self) -> Result<Upstreams, SettingsError> {
        let targets = |setting, given: Option<String>, default: &str| {
            parsed(setting, given.as_deref().unwrap_or(default).parse::<Targets>())
        };
        let vision = targets("vision", self.vision, "127.0.0.1:7401")?;
        let language = targets("language", self.language, "127.0.0.1:7402")?;
        let retrieval = targets("retrieval", self.retrieval, "127.0.0.1:7403")?;
        let indexes = indexes(self.indexes)?;
        let all =
            [&vision, &language, &retrieval].into_iter().chain(indexes.iter().map(|(_, targets)| targets));
        let tls = self.tls.resolve(all.flat_map(Targets::iter).any(Target::has_tls))?;
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        Ok(Upstreams {
            vision,
            language,
            retrieval,
            indexes,
            tls,
            network: Network::System,
            balance: Balance {
                resolve_interval: ms(within(
                    "resolve_interval_ms",
                    self.resolve_interval_ms,
                    5000,
                    100,
                    3_600_000,
                )?),
                health_interval: ms(within(
                    "health_interval_ms",
                    self.health_interval_ms,
                    1000,
                    100,
                    60_000,
                )?),
                retry_ratio: within("retry_ratio", self.retry_ratio, 0.2, 0.0, 1.0)?,
            },
        })
    }
}

/// `NAME=ADDRS` → name and addresses, each name once.
fn indexes(texts: Option<Vec<String>>) -> Result<Vec<(String, Targets)>, SettingsError> {
    let wrong = |reason: String| SettingsError::Parse { setting: "indexes", reason };
    let mut indexes: Vec<(String, Targets)> = Vec::new();
    for text in texts.into_iter().flatten() {
        let (name, addresses) = text.split_once('=').unwrap_or_default();
        if !(1..=MAX_NAME).contains(&name.len()) || addresses.is_empty() {
            return Err(wrong(format!(
                "expected NAME=ADDRS with a name of 1 … {MAX_NAME} bytes, got `{text}`"
            )));
        }
        if indexes.iter().any(|(known, _)| known == name) {
            return Err(wrong(format!("`{name}` is there twice")));
        }
        indexes.push((name.to_owned(), parsed("indexes", addresses.parse())?));
    }
    Ok(indexes)
}
