//! JSON Web Tokens: whose keys sign them, and what one must say to be believed.
//!
//! A token chooses neither its algorithm nor its key: the first must be one that the operator allows, the second is taken from the
//! operator's file, of that algorithm's family. Addresses and keys within a token's header are not looked at.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use jsonwebtoken::Algorithm;
use jsonwebtoken::{
    AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, KeyOperations, PublicKeyUse},
};
use lru::LruCache;
use serde_json::{Map, Value};

use crate::{
    account::{Account, Limits},
    caller::{Caller, GALLERY, Known, SUBJECT, Standing, is_name, is_tenant},
    refusal::Refusal,
};

/// Keys in a file; a token without a key's id is tried with each of its family that has none.
pub const MAX_KEYS: usize = 64;

/// Bytes of a shared secret at least: as many as HS256's own.
const MIN_SECRET: usize = 32;

/// Bytes of an RSA key of 2048 bits.
const MIN_RSA: usize = 256;

/// By how much clocks may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// Tenants whose use is remembered; beyond, the one that has been away longest begins anew.
const MAX_TENANTS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// What is allowed unless the operator says otherwise: algorithms whose keys for checking cannot sign.
pub const USUAL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// What a token must be.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who must have issued it.
    pub issuer: String,
    /// Whom it must be for: this server.
    pub audience: String,
    /// How it may be signed.
    pub algorithms: Vec<Algorithm>,
    /// The claim that names the tenant; without it the subject is its own tenant, `sub:` and the subject.
    pub tenant_claim: String,
    /// How much each tenant may use.
    pub limits: Limits,
}

/// Why a file holds no keys for tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeysError {
    /// Neither a JWK set nor PEM.
    #[error("it must be a JWK set (`{{\"keys\": […]}}`) or public keys in PEM: {0}")]
    Syntax(String),
    /// A key that cannot be used.
    #[error("key {at}: {reason}")]
    Key {
        /// Which one, counted from 1.
        at: usize,
        /// Why not.
        reason: String,
    },
    /// No key at all, or too many.
    #[error("it has {0} keys that can check signatures; there must be 1 … {MAX_KEYS}")]
    Number(usize),
    /// A secret that could be guessed.
    #[error("the secret has {0} bytes; it must have {MIN_SECRET} at least")]
    Secret(usize),
}

/// Keys that check signatures.
#[derive(Debug, Default)]
pub struct TokenKeys(Vec<TokenKey>);

#[derive(Debug)]
struct TokenKey {
    id: Option<String>,
    /// The only one that it may be used with, if it says so.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

impl TokenKeys {
    /// Public keys of a JWK set, or in PEM.
    ///
    /// # Errors
    /// [`TokenKeysError`].
    pub fn read(text: &str) -> Result<Self, TokenKeysError> {
        let keys = if text.contains("-----BEGIN ") { pem(text)? } else { jwks(text)? };
        let small = |key: &TokenKey| {
            key.key.family() == AlgorithmFamily::Rsa
                && match key.key.kind() {
                    jsonwebtoken::DecodingKeyKind::SecretOrDer(der) => der.len() < MIN_RSA,
                    jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } => {
                        n.iter().skip_while(|byte| **byte == 0).count() < MIN_RSA
                    }
                }
        };
        if let Some(at) = keys.iter().position(small) {
            let reason = "an RSA key must have 2048 bits at least".to_owned();
            return Err(TokenKeysError::Key { at: at + 1, reason });
        }
        if !(1..=MAX_KEYS).contains(&keys.len()) {
            return Err(TokenKeysError::Number(keys.len()));
        }
        Ok(Self(keys))
    }

    /// A shared secret, for HS256 alone.
    ///
    /// # Errors
    /// [`TokenKeysError::Secret`].
    pub fn secret(bytes: &[u8]) -> Result<Self, TokenKeysError> {
        let bytes = bytes.trim_ascii();
        if bytes.len() < MIN_SECRET {
            return Err(TokenKeysError::Secret(bytes.len()));
        }
        let key = DecodingKey::from_secret(bytes);
        Ok(Self(vec![TokenKey { id: None, algorithm: Some(Algorithm::HS256), key }]))
    }

    /// Those that may have signed a token with this header: a key with an id only if the token names it or names none.
    fn candidates<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a DecodingKey> {
        let fits = |key: &&TokenKey| {
            key.key.family() == header.alg.family()
                && key.algorithm.is_none_or(|only| only == header.alg)
                && match (&key.id, &header.kid) {
                    (Some(id), Some(named)) => id == named,
                    (_, None) | (None, _) => true,
                }
        };
        self.0.iter().filter(fits).map(|key| &key.key)
    }
}

fn jwks(text: &str) -> Result<Vec<TokenKey>, TokenKeysError> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| {
        TokenKeysError::Syntax(format!("line {} column {}", error.line(), error.column()))
    })?;
    let mut keys = Vec::new();
    for (at, jwk) in (1..).zip(&set.keys) {
        if !checks_signatures(jwk) {
            continue;
        }
        let algorithm = match jwk.common.key_algorithm {
            None => None,
            // Another algorithm is one that no rule can allow.
            Some(named) => match named.to_string().parse() {
                Ok(algorithm) => Some(algorithm),
                Err(_) => continue,
            },
        };
        let reason =
            |error: jsonwebtoken::errors::Error| TokenKeysError::Key { at, reason: error.to_string() };
        let key = DecodingKey::from_jwk(jwk).map_err(reason)?;
        keys.push(TokenKey { id: jwk.common.key_id.clone(), algorithm, key });
    }
    Ok(keys)
}

/// Whether a key is a public one, of a kind that we know, for signatures.
fn checks_signatures(jwk: &Jwk) -> bool {
    use jsonwebtoken::jwk::AlgorithmParameters as Kind;
    // Shared secrets do not belong into a set that is made to be published.
    let public = matches!(jwk.algorithm, Kind::RSA(_) | Kind::EllipticCurve(_) | Kind::OctetKeyPair(_));
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let verifies = |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
    public && signs && jwk.common.key_operations.as_ref().is_none_or(verifies)
}

fn pem(text: &str) -> Result<Vec<TokenKey>, TokenKeysError> {
    const END: &str = "-----END ";
    let mut keys = Vec::new();
    let blocks = text.split("-----BEGIN ").skip(1);
    for (at, block) in (1..).zip(blocks) {
        let wrong = |reason: &str| TokenKeysError::Key { at, reason: reason.to_owned() };
        if !["PUBLIC KEY-", "RSA PUBLIC KEY-", "CERTIFICATE-"].iter().any(|kind| block.starts_with(kind)) {
            return Err(wrong(
                "only public keys belong here (BEGIN PUBLIC KEY); a private one must never leave whoever signs",
            ));
        }
        let whole = block.find(END).map(|end| end + block[end..].find('\n').unwrap_or(block.len() - end));
        let block = format!("-----BEGIN {}\n", &block[..whole.ok_or_else(|| wrong("it has no end"))?]);
        let bytes = block.as_bytes();
        let key = DecodingKey::from_rsa_pem(bytes)
            .or_else(|_| DecodingKey::from_ec_pem(bytes))
            .or_else(|_| DecodingKey::from_ed_pem(bytes))
            .map_err(|_| wrong("it is no RSA, EC or Ed25519 key"))?;
        keys.push(TokenKey { id: None, algorithm: None, key });
    }
    Ok(keys)
}

/// Believes tokens that keep the rules.
#[derive(Debug)]
pub(crate) struct Judge {
    rules: Rules,
    accounts: Mutex<LruCache<String, Arc<Account>>>,
}

impl Judge {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, accounts: Mutex::new(LruCache::new(MAX_TENANTS)) }
    }

    /// Who shows this token.
    pub(crate) fn judge(&self, token: &str, keys: &[&TokenKeys]) -> Result<Caller, Refusal> {
        let claims = self.claims(token, keys)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let subject = text("sub").unwrap_or_default();
        let tenant = match claims.get(&self.rules.tenant_claim) {
            Some(named) => named.as_str().filter(|named| is_tenant(named)).map(str::to_owned),
            // Whoever chooses a subject must not come to be a tenant that the operator knows.
            None => is_name(subject).then(|| format!("{SUBJECT}{subject}")),
        };
        let Some(tenant) = tenant else {
            tracing::debug!("a token names no tenant that could be one");
            return Err(Refusal::Invalid);
        };
        let seconds =
            claims.get("exp").and_then(|exp| exp.as_u64().or_else(|| exp.as_f64().map(|exp| exp as u64)));
        let expires =
            seconds.and_then(|exp| UNIX_EPOCH.checked_add(Duration::from_secs(exp))?.checked_add(LEEWAY));
        let expires: SystemTime = expires.ok_or(Refusal::Invalid)?;
        let scope = text("scope").unwrap_or_default().split(' ').any(|word| word == GALLERY);
        let listed = claims.get("scp").and_then(Value::as_array);
        let listed = listed.is_some_and(|words| words.iter().any(|word| word == GALLERY));
        let standing =
            Standing { gallery: scope || listed, expires: Some(expires), account: self.account(&tenant) };
        let id = if is_name(subject) { subject.to_owned() } else { tenant.clone() };
        Ok(Caller::known(Arc::new(Known::new(id, tenant, standing))))
    }

    fn claims(&self, token: &str, keys: &[&TokenKeys]) -> Result<Map<String, Value>, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Invalid)?;
        // `crit` names what must be understood; nothing that it could name is.
        if !self.rules.algorithms.contains(&header.alg) || header.crit.is_some() {
            return Err(Refusal::Invalid);
        }
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.rules.issuer]);
        validation.set_audience(&[&self.rules.audience]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.as_secs();
        let mut refusal = Refusal::Invalid;
        for key in keys.iter().flat_map(|keys| keys.candidates(&header)) {
            match decode::<Map<String, Value>>(token, key, &validation) {
                Ok(read) => return Ok(read.claims),
                // Told only of a token whose signature holds.
                Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
                    refusal = Refusal::Expired
                }
                Err(error) => tracing::debug!(%error, "a token does not hold"),
            }
        }
        Err(refusal)
    }

    fn account(&self, tenant: &str) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get_or_insert(tenant.to_owned(), || Arc::new(Account::new(self.rules.limits))).clone()
    }
}

#[cfg(test)]
mod tests;
