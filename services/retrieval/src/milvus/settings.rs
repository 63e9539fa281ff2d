//! Settings of the back end on Milvus, checked.

use std::{fmt, fs, path::PathBuf, time::Duration};

use fondue_serving::settings::{SettingsError, parsed, within};
use serde::{Deserialize, Serialize};

use super::index::{Index, IndexKind};

/// Rows that Milvus gives in one answer at most.
pub const MAX_K: usize = 16_384;
/// Bytes of a prefix at most; Milvus' names have 255.
const MAX_PREFIX: usize = 200;

/// What can be set of Milvus.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Milvus")]
pub struct MilvusSettings {
    /// Address of Milvus, with https:// for TLS [default: http://127.0.0.1:19530].
    #[arg(long = "milvus", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus: Option<String>,
    /// Database [default: Milvus' own default].
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_database: Option<String>,
    /// How names of the index's collections begin [default: fondue].
    #[arg(long, value_name = "PREFIX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_prefix: Option<String>,
    /// User; with a password file.
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_user: Option<String>,
    /// File that holds the user's password.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_password_file: Option<PathBuf>,
    /// File that holds a token, instead of user and password.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_token_file: Option<PathBuf>,
    /// PEM file of the authority that signs Milvus' certificate [default: the system's].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_ca_file: Option<PathBuf>,
    /// Most milliseconds that Milvus may take for a call [default: 10000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_timeout_ms: Option<u64>,
    /// Candidates that a search keeps, or clusters it looks into, unless it says so itself [default: 128].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_ef: Option<usize>,
    /// What a search sees: strong, all that was written before it; session, all that this service wrote; bounded, all but
    /// the last moments. Strong waits for Milvus' clock to tick, 0.2 s at most by default [default: strong].
    #[arg(long, value_name = "LEVEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_consistency: Option<String>,
    /// Index of what is loaded: flat, hnsw, hnsw_sq, ivf_flat, ivf_sq8, ivf_pq, diskann, autoindex [default: hnsw].
    #[arg(long, value_name = "KIND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_index: Option<String>,
    /// Edges of a graph's node [default: 16].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_m: Option<usize>,
    /// Candidates while a graph is built [default: 200].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_ef_construction: Option<usize>,
    /// Clusters of a segment, for ivf [default: 1024].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_nlist: Option<usize>,
    /// Bytes of a vector, for ivf_pq: a divisor of its length [default: 64].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_pq_bytes: Option<usize>,
    /// Channels that a generation's writes are spread over [default: 1].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_shards: Option<i32>,
    /// Copies of a generation in query nodes' memory [default: 1].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milvus_replicas: Option<i32>,
}

/// What must not get into a log.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What a search sees of what was written before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// All of it.
    Strong,
    /// All that this service wrote.
    Session,
    /// All but the last moments.
    Bounded,
}

/// How Milvus is reached and used.
#[derive(Clone, Debug)]
pub struct MilvusConfig {
    /// Its address, without user and password.
    pub url: String,
    /// Empty for the default one.
    pub database: String,
    /// How names begin.
    pub prefix: String,
    /// User and password.
    pub login: Option<(String, Secret)>,
    /// Instead of them.
    pub token: Option<Secret>,
    /// Who signs its certificate.
    pub ca: Option<PathBuf>,
    /// Of a call.
    pub timeout: Duration,
    /// Candidates or clusters of a search that does not say.
    pub effort: usize,
    /// What a search sees.
    pub consistency: Consistency,
    /// Of what is loaded.
    pub index: Index,
    /// Of what is loaded.
    pub shards: i32,
    /// Of what becomes active.
    pub replicas: i32,
}

impl MilvusSettings {
    /// The configuration, defaults filled in, secrets read.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<MilvusConfig, SettingsError> {
        let url = self.milvus.unwrap_or_else(|| "http://127.0.0.1:19530".to_owned());
        let scheme = url.starts_with("http://") || url.starts_with("https://");
        if !scheme || url.contains('@') {
            // Not with what was given: a password may be in it.
            let expected = "http://HOST:PORT or https://HOST:PORT; a password goes into milvus_password_file";
            return Err(wrong("milvus", expected, "another address"));
        }
        let prefix = self.milvus_prefix.unwrap_or_else(|| "fondue".to_owned());
        let begins = prefix.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !begins || !plain || prefix.len() > MAX_PREFIX {
            let expected = "a letter or _, then up to 199 letters, digits and _";
            return Err(wrong("milvus_prefix", expected, &prefix));
        }
        let login = match (self.milvus_user, self.milvus_password_file) {
            (Some(user), Some(file)) => Some((user, secret("milvus_password_file", &file)?)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(wrong("milvus_password_file", "a file, as there is a milvus_user", "none"));
            }
            (None, Some(_)) => {
                return Err(wrong("milvus_user", "a name, as there is a milvus_password_file", "none"));
            }
        };
        let token = self.milvus_token_file.map(|file| secret("milvus_token_file", &file)).transpose()?;
        if login.is_some() && token.is_some() {
            return Err(wrong("milvus_token_file", "no token beside user and password", "both"));
        }
        let kind = parsed("milvus_index", self.milvus_index.as_deref().unwrap_or("hnsw").parse())?;
        let m = within("milvus_m", self.milvus_m, 16, 2, 2048)?;
        let ef_construction = within("milvus_ef_construction", self.milvus_ef_construction, 200, 1, 1 << 20)?;
        let nlist = within("milvus_nlist", self.milvus_nlist, 1024, 1, 65_536)?;
        let parts = within("milvus_pq_bytes", self.milvus_pq_bytes, 64, 1, 65_536)?;
        Ok(MilvusConfig {
            url,
            database: self.milvus_database.unwrap_or_default(),
            prefix,
            login,
            token,
            ca: self.milvus_ca_file,
            timeout: Duration::from_millis(within(
                "milvus_timeout_ms",
                self.milvus_timeout_ms,
                10_000,
                1,
                3_600_000,
            )?),
            effort: within("milvus_ef", self.milvus_ef, 128, 1, 1 << 20)?,
            consistency: match self.milvus_consistency.as_deref().unwrap_or("strong") {
                "strong" => Consistency::Strong,
                "session" => Consistency::Session,
                "bounded" => Consistency::Bounded,
                other => return Err(wrong("milvus_consistency", "strong, session or bounded", other)),
            },
            index: match kind {
                IndexKind::Flat => Index::Flat,
                IndexKind::Hnsw => Index::Hnsw { m, ef_construction },
                IndexKind::HnswSq => Index::HnswSq { m, ef_construction },
                IndexKind::IvfFlat => Index::IvfFlat { nlist },
                IndexKind::IvfSq8 => Index::IvfSq8 { nlist },
                IndexKind::IvfPq => Index::IvfPq { nlist, parts },
                IndexKind::Diskann => Index::Diskann,
                IndexKind::Autoindex => Index::Autoindex,
            },
            shards: within("milvus_shards", self.milvus_shards, 1, 1, 16)?,
            replicas: within("milvus_replicas", self.milvus_replicas, 1, 1, 1024)?,
        })
    }
}

fn wrong(setting: &'static str, expected: &str, got: &str) -> SettingsError {
    SettingsError::Value { setting, expected: expected.to_owned(), got: got.to_owned() }
}

fn secret(setting: &'static str, file: &std::path::Path) -> Result<Secret, SettingsError> {
    let text =
        parsed(setting, fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display())))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(wrong(setting, "a file with the secret in it", "an empty one")),
        text => Ok(Secret(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut MilvusSettings)) -> String {
        let mut settings = MilvusSettings::default();
        change(&mut settings);
        settings.resolve().unwrap_err().to_string()
    }

    #[test]
    fn secrets_are_read_from_files_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "hush hush\n").unwrap();
        let settings = MilvusSettings {
            milvus_user: Some("reader".to_owned()),
            milvus_password_file: Some(file.clone()),
            ..MilvusSettings::default()
        };
        let config = settings.clone().resolve().unwrap();
        assert_eq!(config.login.as_ref().unwrap().1.expose(), "hush hush");
        assert!(!format!("{config:?}").contains("hush"));
        let both = MilvusSettings { milvus_token_file: Some(file), ..settings };
        assert!(both.resolve().unwrap_err().to_string().contains("milvus_token_file"));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let user = |settings: &mut MilvusSettings| settings.milvus_user = Some("a".to_owned());
        assert!(refused(user).contains("milvus_password_file"));
        let address = refused(|settings| settings.milvus = Some("http://a:secret@host".to_owned()));
        assert!(address.contains("milvus") && !address.contains("secret"), "{address}");
        for prefix in ["", "1a", "a-b", "ä", &"a".repeat(201)] {
            assert!(
                refused(|settings| settings.milvus_prefix = Some(prefix.to_owned()))
                    .contains("milvus_prefix")
            );
        }
        assert!(refused(|settings| settings.milvus_index = Some("lsh".to_owned())).contains("ivf_sq8"));
        let level = refused(|settings| settings.milvus_consistency = Some("eventual".to_owned()));
        assert!(level.contains("milvus_consistency"), "{level}");
        assert!(refused(|settings| settings.milvus_m = Some(1)).contains("milvus_m"));
    }
}
