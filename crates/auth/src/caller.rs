//! A caller that was let in. It travels with the call, and each turn asks again whether it may.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    account::{Account, Permit},
    refusal::Refusal,
};

/// Bytes of a tenant's name at most.
pub const MAX_NAME: usize = 128;

/// What the tenant of a token begins with that names none: its subject is behind it, and no other tenant's name begins so.
pub(crate) const SUBJECT: &str = "sub:";

/// The permission to change the gallery: of a key, or within a token's scope.
pub const GALLERY: &str = "gallery";

/// Who calls; clones are the same caller.
#[derive(Clone, Debug, Default)]
pub struct Caller(Option<Arc<Known>>);

/// A caller by name.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: String,
    /// Never changes: what a conversation leaves in caches belongs to it.
    pub(crate) tenant: String,
    /// `None` once the key is gone.
    standing: RwLock<Option<Arc<Standing>>>,
}

/// What a caller may do.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) gallery: bool,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) account: Arc<Account>,
}

impl Known {
    pub(crate) fn new(id: String, tenant: String, standing: Standing) -> Self {
        Self { id, tenant, standing: RwLock::new(Some(Arc::new(standing))) }
    }

    /// Holds from the next turn on; `None` for a key that is gone.
    pub(crate) fn change(&self, standing: Option<Standing>) {
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = standing.map(Arc::new);
    }

    pub(crate) fn standing(&self) -> Option<Arc<Standing>> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Caller {
    /// Whoever calls a server that does not ask.
    pub fn anyone() -> Self {
        Self(None)
    }

    pub(crate) fn known(known: Arc<Known>) -> Self {
        Self(Some(known))
    }

    /// Whose data this caller's are; `None` where the server does not ask.
    pub fn tenant(&self) -> Option<&str> {
        self.0.as_ref().map(|known| known.tenant.as_str())
    }

    /// The key's id, or the token's subject.
    pub fn id(&self) -> Option<&str> {
        self.0.as_ref().map(|known| known.id.as_str())
    }

    /// Whether it still may call: a key may have gone, or a token expired, since it was let in.
    ///
    /// # Errors
    /// [`Refusal`]: gone, or expired.
    pub fn stands(&self) -> Result<(), Refusal> {
        self.standing(SystemTime::now()).map(|_| ())
    }

    /// Takes one request.
    ///
    /// # Errors
    /// [`Refusal`]: gone, expired, or too many requests.
    pub fn request(&self) -> Result<(), Refusal> {
        self.standing(SystemTime::now())?.map_or(Ok(()), |standing| standing.account.request())
    }

    /// Room for a turn, or for another call of the model.
    ///
    /// # Errors
    /// [`Refusal`]: gone, expired, too many at once, or the day's tokens are used.
    pub fn turn(&self) -> Result<Permit, Refusal> {
        let now = SystemTime::now();
        self.standing(now)?.map_or(Ok(None), |standing| standing.account.turn(now))
    }

    /// Room for a conversation.
    ///
    /// # Errors
    /// [`Refusal`]: gone, expired, or too many at once.
    pub fn conversation(&self) -> Result<Permit, Refusal> {
        self.standing(SystemTime::now())?.map_or(Ok(None), |standing| standing.account.conversation())
    }

    /// Whether the gallery may be changed.
    ///
    /// # Errors
    /// [`Refusal`]: gone, expired, or without the permission.
    pub fn may_change_gallery(&self) -> Result<(), Refusal> {
        match self.standing(SystemTime::now())? {
            Some(standing) if !standing.gallery => Err(Refusal::Denied(GALLERY)),
            _ => Ok(()),
        }
    }

    /// Counts tokens as used.
    pub fn charge(&self, tokens: u64) {
        if let Some(standing) = self.0.as_ref().and_then(|known| known.standing()) {
            standing.account.charge(tokens, SystemTime::now());
        }
    }

    /// Whose prompts may share what the model remembers: of one tenant, and among those of one `cache_key` of the client's. The
    /// tenant's length goes before it, so that no two pairs give the same.
    pub fn prompt_key(&self, cache_key: &str) -> String {
        let Some(tenant) = self.tenant() else { return cache_key.to_owned() };
        let mut hash = Sha256::new();
        hash.update((tenant.len() as u64).to_be_bytes());
        hash.update(tenant);
        hash.update(cache_key);
        format!("tenant:{}", URL_SAFE_NO_PAD.encode(hash.finalize()))
    }

    /// `None` for anyone.
    fn standing(&self, now: SystemTime) -> Result<Option<Arc<Standing>>, Refusal> {
        let Some(known) = &self.0 else { return Ok(None) };
        let standing = known.standing().ok_or(Refusal::Invalid)?;
        match standing.expires {
            Some(expires) if expires <= now => Err(Refusal::Expired),
            _ => Ok(Some(standing)),
        }
    }
}

/// A name that may stand in logs as it is: visible ASCII.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A name that the operator, or a token's claim, may give a tenant.
pub(crate) fn is_tenant(text: &str) -> bool {
    is_name(text) && !text.starts_with(SUBJECT)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::account::Limits;

    fn known(tenant: &str, expires: Option<SystemTime>) -> Arc<Known> {
        let account = Arc::new(Account::new(Limits::default()));
        Arc::new(Known::new("a".into(), tenant.into(), Standing { gallery: false, expires, account }))
    }

    #[test]
    fn no_two_tenants_share_a_prompt_key() {
        let key = |tenant: &str, key: &str| Caller::known(known(tenant, None)).prompt_key(key);
        let all = [key("a", ""), key("a", "b"), key("ab", ""), key("b", "a"), key("a", "bc"), key("ab", "c")];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(key("a", "b"), key("a", "b"));
        assert!(key(&"t".repeat(MAX_NAME), &"k".repeat(128)).len() <= 128, "the language service's limit");
        assert_eq!(Caller::anyone().prompt_key("k"), "k");
    }

    #[test]
    fn a_caller_that_expires_or_goes_may_begin_nothing_more() {
        let now = SystemTime::now();
        let expired = Caller::known(known("t", Some(now - Duration::from_secs(1))));
        assert_eq!(expired.turn().unwrap_err(), Refusal::Expired);
        let one = known("t", Some(now + Duration::from_secs(3600)));
        let caller = Caller::known(one.clone());
        assert!(caller.turn().is_ok() && caller.request().is_ok());
        assert_eq!(caller.may_change_gallery().unwrap_err(), Refusal::Denied("gallery"));
        one.change(None);
        assert_eq!(caller.turn().unwrap_err(), Refusal::Invalid);
        assert_eq!(caller.conversation().unwrap_err(), Refusal::Invalid);
        assert_eq!((caller.stands(), expired.stands()), (Err(Refusal::Invalid), Err(Refusal::Expired)));
        assert_eq!(Caller::anyone().stands(), Ok(()));
        assert_eq!(caller.prompt_key("k"), Caller::known(known("t", None)).prompt_key("k"));
        assert!(Caller::anyone().may_change_gallery().is_ok());
    }
}
