//! API keys: 256 random bits with a prefix that scanners for leaked secrets can look for.
//!
//! A server keeps SHA-256 of a key. A slow hash, as passwords need, would add nothing: there is no way to guess 256 random bits.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng, rngs::SysRng};
use sha2::{Digest as _, Sha256};

/// What every key begins with.
pub const PREFIX: &str = "fdk_";

/// Before a digest in a file.
const SHA256: &str = "sha256:";

/// SHA-256 of a key.
pub type Digest = [u8; 32];

/// A new key. It is shown once, to whoever will use it, and kept nowhere.
///
/// # Errors
/// If the system gives no random numbers.
pub fn generate() -> Result<String, std::io::Error> {
    let mut bits = [0; 32];
    SysRng.try_fill_bytes(&mut bits).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits)))
}

/// What a server keeps of a key.
pub fn digest(key: &str) -> Digest {
    Sha256::digest(key).into()
}

/// A digest as it stands in a file.
pub fn told(digest: &Digest) -> String {
    format!("{SHA256}{}", hex::encode(digest))
}

/// A digest of a file; `None` if it is none.
pub fn read(text: &str) -> Option<Digest> {
    hex::decode(text.strip_prefix(SHA256)?).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_random_and_their_digests_come_back() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(a, b);
        assert_eq!((a.len(), a.starts_with(PREFIX)), (4 + 43, true));
        assert_eq!(read(&told(&digest(&a))), Some(digest(&a)));
        assert_ne!(digest(&a), digest(&b));
        for wrong in ["", "sha256:", "sha256:00", &a, &told(&digest(&a))[7..]] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
