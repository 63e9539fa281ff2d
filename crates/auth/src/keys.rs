//! The file of API keys: who has one, whose they are, how much is theirs.
//!
//! TOML, or JSON of the same shape if the file's name ends so:
//!
//! ```toml
//! [[key]]
//! id = "alice"
//! hash = "sha256:…"
//! tenant = "acme"
//! requests_per_minute = 60
//! ```

mod file;

use std::{sync::Arc, time::SystemTime};

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use self::file::Entry;
use crate::{
    account::Account,
    caller::{Known, MAX_NAME, SUBJECT, Standing, is_name, is_tenant},
    key::{self, Digest},
};

/// Keys in a file: a look-up compares with each of them.
pub const MAX_KEYS: usize = 4096;

/// Why a file of keys is not one.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Not TOML or JSON, or of another shape.
    #[error("it cannot be read: {0}")]
    Syntax(String),
    /// An entry that says something impossible.
    #[error("key {at} (`{id}`): {reason}")]
    Entry {
        /// Which one, counted from 1.
        at: usize,
        /// Its id, cut.
        id: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// More keys than are looked through.
    #[error("it has {0} keys, the limit is {MAX_KEYS}")]
    TooMany(usize),
}

/// Keys that let somebody in.
#[derive(Debug, Default)]
pub struct Keys(Vec<(Digest, Arc<Known>)>);

/// An entry that was checked.
struct Checked {
    entry: Entry,
    digest: Digest,
    expires: Option<SystemTime>,
}

impl Keys {
    /// The keys of a file. A caller of `old` that is still there with the same key and tenant stays the same caller, and what it
    /// has used stays used; one that is gone may begin nothing more.
    ///
    /// # Errors
    /// [`KeysError`]; then nothing has changed.
    pub fn read(text: &str, is_json: bool, old: &Self) -> Result<Self, KeysError> {
        let checked = check(file::read(text, is_json)?)?;
        let mut keys = Vec::with_capacity(checked.len());
        for Checked { entry, digest, expires } in checked {
            let limits = entry.limits();
            let same = |(known_digest, known): &&(Digest, Arc<Known>)| {
                *known_digest == digest && known.id == entry.id && known.tenant == entry.tenant
            };
            let known = old.0.iter().find(same).map(|(_, known)| known.clone());
            let account = known.as_ref().and_then(|known| known.standing()).map_or_else(
                || Arc::new(Account::new(limits)),
                |standing| {
                    if standing.account.limits() == limits {
                        standing.account.clone()
                    } else {
                        Arc::new(standing.account.with_limits(limits))
                    }
                },
            );
            let standing = Standing { gallery: entry.gallery, expires, account };
            let known = match known {
                Some(known) => {
                    known.change(Some(standing));
                    known
                }
                None => Arc::new(Known::new(entry.id, entry.tenant, standing)),
            };
            keys.push((digest, known));
        }
        let new = Self(keys);
        for (_, known) in &old.0 {
            if !new.0.iter().any(|(_, kept)| Arc::ptr_eq(kept, known)) {
                known.change(None);
            }
        }
        Ok(new)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key this is. It takes as long whichever it is, or none.
    pub(crate) fn find(&self, credential: &str) -> Option<Arc<Known>> {
        let digest = key::digest(credential);
        let mut found = u32::MAX;
        for (index, (known, _)) in (0..).zip(&self.0) {
            let is_it: Choice = known[..].ct_eq(&digest[..]);
            found.conditional_assign(&index, is_it);
        }
        self.0.get(found as usize).map(|(_, known)| known.clone())
    }
}

fn check(entries: Vec<Entry>) -> Result<Vec<Checked>, KeysError> {
    if entries.len() > MAX_KEYS {
        return Err(KeysError::TooMany(entries.len()));
    }
    let mut checked: Vec<Checked> = Vec::with_capacity(entries.len());
    for (at, entry) in (1..).zip(entries) {
        let id = if entry.id.contains(key::PREFIX) { "…" } else { &entry.id };
        let id: String = id.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        let wrong = |reason: String| KeysError::Entry { at, id: id.clone(), reason };
        for (field, name) in [("id", &entry.id), ("tenant", &entry.tenant)] {
            if name.contains(key::PREFIX) {
                return Err(wrong(format!(
                    "`{field}` must be a name, and this may be a key (`{}…`)",
                    key::PREFIX
                )));
            }
            if !is_name(name) {
                return Err(wrong(format!("`{field}` must be 1 … {MAX_NAME} visible ASCII characters")));
            }
        }
        if !is_tenant(&entry.tenant) {
            return Err(wrong(format!("`tenant` must not begin with `{SUBJECT}`, as tokens' subjects do")));
        }
        let Some(digest) = key::read(&entry.hash) else {
            let what = "`hash` must be `sha256:` and 64 hexadecimal digits, as `fondue key new` prints it; never the key itself";
            return Err(wrong(what.to_owned()));
        };
        if entry.burst.is_some() && entry.requests_per_minute.is_none() {
            return Err(wrong("`burst` needs `requests_per_minute`".to_owned()));
        }
        for known in &checked {
            let twice = match known {
                Checked { entry: other, .. } if other.id == entry.id => "id",
                Checked { digest: other, .. } if *other == digest => "hash",
                _ => continue,
            };
            return Err(wrong(format!("another key has the same `{twice}`")));
        }
        let expires = match &entry.expires {
            None => None,
            Some(text) => {
                let time = OffsetDateTime::parse(text, &Rfc3339);
                let what = || wrong("`expires` must be a time such as 2027-01-31T00:00:00Z".to_owned());
                Some(SystemTime::from(time.map_err(|_| what())?))
            }
        };
        checked.push(Checked { entry, digest, expires });
    }
    Ok(checked)
}

#[cfg(test)]
mod tests;
