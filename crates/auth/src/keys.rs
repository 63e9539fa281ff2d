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
    account::{Account, day},
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
pub struct Keys {
    known: Vec<(Digest, Arc<Known>)>,
    /// What those have used that are gone, until the day ends: whoever comes back goes on with it.
    gone: Vec<Gone>,
    /// Conversations at once of a key whose entry does not say.
    conversations: Option<u32>,
}

/// The account of an id and tenant whose key is gone since `day`.
#[derive(Clone, Debug)]
struct Gone {
    id: String,
    tenant: String,
    account: Arc<Account>,
    day: u64,
}

/// Keys of a file that nobody knows yet.
pub(crate) struct Draft(Vec<Checked>);

/// An entry that was checked.
struct Checked {
    entry: Entry,
    digest: Digest,
    expires: Option<SystemTime>,
}

impl Checked {
    fn is(&self, digest: &Digest, known: &Known) -> bool {
        self.digest == *digest && self.entry.id == known.id && self.entry.tenant == known.tenant
    }
}

impl Draft {
    /// The keys of a file.
    pub(crate) fn read(text: &str, is_json: bool) -> Result<Self, KeysError> {
        check(file::read(text, is_json)?).map(Self)
    }

    /// Whether keys of `old` went missing.
    pub(crate) fn lacks(&self, old: &Keys) -> bool {
        old.known.iter().any(|(digest, known)| !self.has(digest, known))
    }

    fn has(&self, digest: &Digest, known: &Known) -> bool {
        self.0.iter().any(|checked| checked.is(digest, known))
    }

    /// Puts them in the place of `old`; see [`Keys::read`].
    pub(crate) fn over(self, old: &Keys, now: SystemTime) -> Keys {
        let (today, _) = day(now);
        let mut gone: Vec<Gone> = old.gone.iter().filter(|gone| gone.day == today).cloned().collect();
        for (_, known) in old.known.iter().filter(|(digest, known)| !self.has(digest, known)) {
            if let Some(standing) = known.standing() {
                let (id, tenant) = (known.id.clone(), known.tenant.clone());
                gone.push(Gone { id, tenant, account: standing.account.clone(), day: today });
            }
            known.change(None);
        }
        let mut keys = Vec::with_capacity(self.0.len());
        for checked in self.0 {
            let known = old.known.iter().find(|(digest, known)| checked.is(digest, known));
            let known = known.map(|(_, known)| known.clone());
            let Checked { entry, digest, expires } = checked;
            let mut limits = entry.limits();
            limits.conversations = limits.conversations.or(old.conversations);
            let was = gone.iter().position(|gone| gone.id == entry.id && gone.tenant == entry.tenant);
            let was = was.map(|at| gone.remove(at).account);
            let held = known.as_ref().and_then(|known| known.standing());
            let account = match held.map(|standing| standing.account.clone()).or(was) {
                None => Arc::new(Account::new(limits)),
                Some(account) if account.limits() == limits => account,
                Some(account) => Arc::new(account.with_limits(limits)),
            };
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
        gone.drain(..gone.len().saturating_sub(MAX_KEYS));
        Keys { known: keys, gone, conversations: old.conversations }
    }
}

impl Keys {
    /// No keys yet; those that are read over it may have so many conversations at once, unless an entry says otherwise.
    pub(crate) fn none(conversations: Option<u32>) -> Self {
        Self { conversations, ..Self::default() }
    }

    /// The keys of a file. A caller of `old` that is still there with the same key and tenant stays the same caller. What an id and
    /// tenant have used stays used, and until the day ends also if their key was gone or is another one; a caller whose key is gone may
    /// begin nothing more.
    ///
    /// # Errors
    /// [`KeysError`]; then nothing has changed.
    pub fn read(text: &str, is_json: bool, old: &Self) -> Result<Self, KeysError> {
        Ok(Draft::read(text, is_json)?.over(old, SystemTime::now()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whose key this is. It takes as long whichever it is, or none.
    pub(crate) fn find(&self, credential: &str) -> Option<Arc<Known>> {
        let digest = key::digest(credential);
        let mut found = u32::MAX;
        for (index, (known, _)) in (0..).zip(&self.known) {
            let is_it: Choice = known[..].ct_eq(&digest[..]);
            found.conditional_assign(&index, is_it);
        }
        self.known.get(found as usize).map(|(_, known)| known.clone())
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
