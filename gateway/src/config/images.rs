//! Pictures by URL: which hosts may be asked, and how much of them.

use std::{str::FromStr, time::Duration};

use fondue_fetch::{HostPattern, IpNet, Limits, Rules};
use fondue_serving::settings::{SettingsError, parsed, within};
use serde::{Deserialize, Serialize};

/// What can be set about pictures by URL.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Pictures by URL")]
pub struct ImageSettings {
    /// Host that pictures may be fetched from: `example.org`, `*.example.org` for those below it too, or `*` for all of the
    /// public internet; can be given again [default: none].
    #[arg(long = "image-host", value_name = "HOST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_hosts: Option<Vec<String>>,
    /// Port that they may be fetched from; can be given again [default: 80 and 443].
    #[arg(long = "image-port", value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_ports: Option<Vec<u16>>,
    /// Network that they may be fetched from though it is not public, for example 10.1.0.0/16; can be given again
    /// [default: none].
    #[arg(long = "image-network", value_name = "CIDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_networks: Option<Vec<String>>,
    /// Milliseconds for one picture, with its redirects [default: 10000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_timeout_ms: Option<u32>,
    /// Bytes of a picture that is fetched [default: 16777216, or max_message_bytes if that is less].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_image_bytes: Option<usize>,
}

/// Hosts that pictures may be fetched from.
#[derive(Clone, Debug)]
pub struct ImageLinks {
    /// Who may be asked.
    pub rules: Rules,
    /// How much that may take.
    pub limits: Limits,
}

impl ImageSettings {
    /// The checked settings; `None` if no host is allowed.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self, max_message_bytes: usize) -> Result<Option<ImageLinks>, SettingsError> {
        let max_bytes = within(
            "max_image_bytes",
            self.max_image_bytes,
            max_message_bytes.min(16 << 20),
            1,
            max_message_bytes,
        )?;
        let timeout = within("image_timeout_ms", self.image_timeout_ms, 10_000, 1, 600_000)?;
        let total = Duration::from_millis(u64::from(timeout));
        let allowed_networks: Vec<IpNet> = each("image_networks", self.image_networks)?;
        let ports = self.image_ports.unwrap_or_else(|| vec![80, 443]);
        let hosts = self.image_hosts.unwrap_or_default();
        if hosts.is_empty() {
            return Ok(None);
        }
        let any = hosts.iter().any(|host| host == "*");
        let only_hosts: Option<Vec<HostPattern>> =
            if any { None } else { Some(each("image_hosts", Some(hosts))?) };
        Ok(Some(ImageLinks {
            rules: Rules { only_hosts, ports, allowed_networks, allowed_hosts: Vec::new() },
            limits: Limits {
                max_bytes,
                max_header_bytes: 32 << 10,
                max_redirects: 5,
                connect: total.min(Duration::from_secs(5)),
                total,
                progress_window: Duration::from_secs(5),
                progress_bytes: 1024,
                retries: 1,
                back_off: Duration::from_millis(100),
                max_back_off: Duration::from_millis(100),
                max_retry_after: Duration::from_secs(1),
                per_host: 16,
                concurrent: 64,
            },
        }))
    }
}

fn each<T: FromStr<Err: std::fmt::Display>>(
    setting: &'static str,
    texts: Option<Vec<String>>,
) -> Result<Vec<T>, SettingsError> {
    texts.into_iter().flatten().map(|text| parsed(setting, text.parse())).collect()
}
