//! The door: from a request's headers to a caller, by the keys and tokens that the operator's files allow.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    caller::Caller,
    key,
    keys::{Draft, Keys, KeysError},
    refusal::{MAX_CREDENTIAL, Refusal},
    source::Source,
    tokens::{Judge, Rules, TokenKeys, TokenKeysError},
};

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Where keys are, and what holds of those that do not say.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// API keys.
    pub api_keys: Option<PathBuf>,
    /// Public keys that check tokens.
    pub token_keys: Option<PathBuf>,
    /// A secret shared with whoever signs tokens.
    pub token_secret: Option<PathBuf>,
    /// Conversations at once of an API key that does not say; not limited if this does not either.
    pub key_conversations: Option<u32>,
}

/// Why a door cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of keys is wrong.
    #[error("{path}: {source}")]
    Keys {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: KeysError,
    },
    /// A file of tokens' keys is wrong.
    #[error("{path}: {source}")]
    Tokens {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: TokenKeysError,
    },
}

/// Lets callers in.
#[derive(Debug)]
pub struct Door {
    files: Vec<Arc<File>>,
    judge: Option<Judge>,
}

/// A file and what was last read from it.
#[derive(Debug)]
struct File {
    watched: Mutex<Watched>,
    held: RwLock<Arc<Held>>,
}

#[derive(Debug)]
struct Watched {
    source: Source,
    /// What was last in it is looked at once more before it holds.
    doubted: bool,
}

#[derive(Debug)]
enum Held {
    Keys(Keys),
    Public(TokenKeys),
    Secret(TokenKeys),
}

impl Held {
    /// Whether keys are not in the new bytes. Whoever writes a file in place empties it first, and it may be looked at just then.
    fn lost(&self, path: &std::path::Path, bytes: &[u8]) -> bool {
        let Self::Keys(old) = self else { return false };
        let draft = Draft::read(&String::from_utf8_lossy(bytes), is_json(path));
        draft.is_ok_and(|draft| draft.lacks(old))
    }

    /// The same kind, of new bytes.
    fn again(&self, path: &std::path::Path, bytes: &[u8]) -> Result<Self, DoorError> {
        let text = String::from_utf8_lossy(bytes);
        let tokens = |source| DoorError::Tokens { path: path.to_owned(), source };
        match self {
            Self::Keys(old) => {
                let keys = Keys::read(&text, is_json(path), old);
                keys.map(Self::Keys).map_err(|source| DoorError::Keys { path: path.to_owned(), source })
            }
            Self::Public(_) => TokenKeys::read(&text).map(Self::Public).map_err(tokens),
            Self::Secret(_) => TokenKeys::secret(bytes).map(Self::Secret).map_err(tokens),
        }
    }
}

fn is_json(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

impl File {
    fn open(path: PathBuf, empty: Held) -> Result<Arc<Self>, DoorError> {
        let opened = Source::open(path.clone());
        let (source, bytes) = opened.map_err(|source| DoorError::Read { path: path.clone(), source })?;
        let held = RwLock::new(Arc::new(empty.again(&path, &bytes)?));
        Ok(Arc::new(Self { watched: Mutex::new(Watched { source, doubted: false }), held }))
    }

    fn held(&self) -> Arc<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it again if it has changed. One that lacks keys holds at the second look, if it is still the same.
    fn refresh(&self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let Watched { source, doubted } = &mut *watched;
        let (bytes, again) = match (source.changed(), std::mem::take(doubted)) {
            (Some(bytes), _) => (bytes, false),
            (None, true) => (source.seen(), true),
            (None, false) => return,
        };
        let path = source.path();
        if let Ok(bytes) = &bytes
            && !again
            && self.held().lost(path, bytes)
        {
            *doubted = true;
            return;
        }
        let read = |source| DoorError::Read { path: path.to_owned(), source };
        match bytes.map_err(read).and_then(|bytes| self.held().again(path, &bytes)) {
            Ok(held) => {
                let n_keys = if let Held::Keys(keys) = &held { Some(keys.len()) } else { None };
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(held);
                tracing::info!(path = %path.display(), n_keys, "keys were read again");
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the changed file cannot be used; the keys read before hold");
            }
        }
    }
}

impl Door {
    /// Reads all files. `rules` say what tokens must be; without them none is believed.
    ///
    /// # Errors
    /// [`DoorError`] that names the file.
    pub fn open(sources: Sources, rules: Option<Rules>) -> Result<Self, DoorError> {
        let all = [
            (sources.api_keys, Held::Keys(Keys::none(sources.key_conversations))),
            (sources.token_keys, Held::Public(TokenKeys::default())),
            (sources.token_secret, Held::Secret(TokenKeys::default())),
        ];
        let files = all.into_iter().filter_map(|(path, empty)| Some(File::open(path?, empty)));
        Ok(Self { files: files.collect::<Result<_, _>>()?, judge: rules.map(Judge::new) })
    }

    /// Who sends these headers.
    ///
    /// # Errors
    /// [`Refusal`]: nobody that is known. Rates are not looked at.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let credential = credential(headers)?;
        let held: Vec<_> = self.files.iter().map(|file| file.held()).collect();
        if credential.starts_with(key::PREFIX) {
            let found = held.iter().find_map(|held| match &**held {
                Held::Keys(keys) => keys.find(credential),
                Held::Public(_) | Held::Secret(_) => None,
            });
            return found.map(Caller::known).ok_or(Refusal::Invalid);
        }
        let Some(judge) = &self.judge else { return Err(Refusal::Invalid) };
        let keys = held.iter().filter_map(|held| match &**held {
            Held::Keys(_) => None,
            Held::Public(keys) | Held::Secret(keys) => Some(keys),
        });
        judge.judge(credential, &keys.collect::<Vec<_>>())
    }

    /// Looks at the files as long as it is awaited.
    pub async fn watch(&self) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            for file in &self.files {
                let file = file.clone();
                // A panic in there is told by the runtime, and the keys read before hold.
                let _ = tokio::task::spawn_blocking(move || file.refresh()).await;
            }
        }
    }
}

/// The one key or token of a request.
fn credential(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let value = all.next().ok_or(Refusal::Missing)?;
    if all.next().is_some() {
        return Err(Refusal::Malformed);
    }
    let text = value.to_str().map_err(|_| Refusal::Malformed)?;
    let (scheme, credential) = text.split_once(' ').ok_or(Refusal::Malformed)?;
    let credential = credential.trim_matches(' ');
    let right = scheme.eq_ignore_ascii_case("bearer") && (1..=MAX_CREDENTIAL).contains(&credential.len());
    if right { Ok(credential) } else { Err(Refusal::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{digest, told};

    fn headers(values: &[&str]) -> HeaderMap {
        let name = |value: &&str| (AUTHORIZATION, value.parse().unwrap());
        values.iter().map(name).collect()
    }

    #[test]
    fn one_header_says_who_calls() {
        let of = |values: &[&str]| credential(&headers(values)).map(str::to_owned);
        assert_eq!(of(&["Bearer fdk_a"]).unwrap(), "fdk_a");
        assert_eq!(of(&["bEARER  x "]).unwrap(), "x");
        assert_eq!(of(&[]).unwrap_err(), Refusal::Missing);
        let long = format!("Bearer {}", "x".repeat(MAX_CREDENTIAL + 1));
        for wrong in
            [&["Bearer"][..], &["Bearer "], &["Basic YTpi"], &["fdk_a"], &["Bearer a", "Bearer a"], &[&long]]
        {
            assert_eq!(of(wrong).unwrap_err(), Refusal::Malformed, "{wrong:?}");
        }
    }

    #[test]
    fn a_changed_file_is_read_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let file =
            |key: &str| format!("[[key]]\nid = \"a\"\ntenant = \"t\"\nhash = \"{}\"\n", told(&digest(key)));
        std::fs::write(&path, file("fdk_one")).unwrap();
        let sources = Sources { api_keys: Some(path.clone()), ..Sources::default() };
        let door = Door::open(sources.clone(), None).unwrap();
        let may = |key: &str| {
            door.files[0].refresh();
            door.caller(&headers(&[&format!("Bearer {key}")])).is_ok()
        };
        assert!(may("fdk_one") && !may("fdk_two") && !may("a.b.c"));
        std::fs::write(&path, file("fdk_two")).unwrap();
        assert!(may("fdk_one"), "one look is none");
        assert!(!may("fdk_one") && may("fdk_two"));
        std::fs::write(&path, "[[key]]").unwrap();
        assert!(may("fdk_two"), "what was read before holds");
        std::fs::remove_file(&path).unwrap();
        assert!(may("fdk_two"));
        for passing in ["", "# half"] {
            std::fs::write(&path, passing).unwrap();
            assert!(may("fdk_two"), "it may be written just now");
        }
        std::fs::write(&path, file("fdk_two")).unwrap();
        assert!(may("fdk_two") && may("fdk_two"), "it was");
        std::fs::write(&path, "").unwrap();
        assert!(may("fdk_two") && !may("fdk_two"), "a file that stays empty takes all keys away");
        std::fs::write(&path, "[[key]]").unwrap();
        assert!(Door::open(sources, None).unwrap_err().to_string().contains("keys.toml: it cannot be read"));
        let none = Sources { api_keys: Some(folder.path().join("none")), ..Sources::default() };
        assert!(matches!(Door::open(none, None).unwrap_err(), DoorError::Read { .. }));
    }
}
