//! Files of keys: what is read, what is refused, what a new file leaves of the old one.

use super::*;
use crate::{caller::Caller, refusal::Refusal};

fn entry(id: &str, key: &str, more: &str) -> String {
    format!(
        "[[key]]\nid = \"{id}\"\nhash = \"{}\"\ntenant = \"acme\"\n{more}\n",
        key::told(&key::digest(key))
    )
}

fn read(text: &str) -> Result<Keys, String> {
    Keys::read(text, false, &Keys::default()).map_err(|error| error.to_string())
}

fn caller(keys: &Keys, key: &str) -> Option<Caller> {
    keys.find(key).map(Caller::known)
}

#[test]
fn a_key_is_found_by_its_digest_alone() {
    let keys = read(&(entry("alice", "fdk_a", "") + &entry("bob", "fdk_b", "gallery = true"))).unwrap();
    assert_eq!(keys.len(), 2);
    let bob = caller(&keys, "fdk_b").unwrap();
    assert_eq!((bob.id(), bob.tenant()), (Some("bob"), Some("acme")));
    assert!(bob.may_change_gallery().is_ok());
    assert!(caller(&keys, "fdk_a").unwrap().may_change_gallery().is_err());
    for wrong in ["", "fdk_", "fdk_c", &key::told(&key::digest("fdk_b"))] {
        assert!(caller(&keys, wrong).is_none(), "{wrong}");
    }
    assert!(caller(&Keys::default(), "fdk_a").is_none());
}

#[test]
fn json_and_toml_say_the_same() {
    let hash = key::told(&key::digest("k"));
    let json = format!(
        r#"{{"key": [{{"id": "a", "hash": "{hash}", "tenant": "t", "expires": "2020-01-31T00:00:00Z"}}]}}"#
    );
    let keys = Keys::read(&json, true, &Keys::default()).unwrap();
    assert_eq!(caller(&keys, "k").unwrap().turn().unwrap_err(), Refusal::Expired);
    for time in ["2020-01-31T00:00:00Z", "\"2020-01-31T00:00:00+01:00\""] {
        let keys = read(&entry("a", "k", &format!("expires = {time}"))).unwrap();
        assert_eq!(caller(&keys, "k").unwrap().turn().unwrap_err(), Refusal::Expired, "{time}");
    }
    let keys = read(&entry("a", "k", "expires = 2999-01-01T00:00:00Z")).unwrap();
    assert!(caller(&keys, "k").unwrap().turn().is_ok());
    assert!(read("").unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_named_and_no_secret_is_told() {
    let cases = [
        (entry("a", "k", "").replace("sha256:", ""), "key 1 (`a`): `hash`"),
        (entry("a", "k", "") + &entry("a", "l", ""), "key 2 (`a`): another key has the same `id`"),
        (entry("a", "k", "") + &entry("b", "k", ""), "key 2 (`b`): another key has the same `hash`"),
        (entry("a b", "k", ""), "`id` must be"),
        (entry("a", "k", "").replace("acme", "ac\\nme"), "`tenant` must be"),
        (entry("a", "k", "expires = \"soon\""), "`expires` must be a time"),
        (entry("a", "k", "expires = 2027-01-31"), "`expires` must be a time"),
        (entry("a", "k", "burst = 2"), "`burst` needs"),
        (entry("a", "k", "requests_per_minute = 0"), "nonzero"),
        (entry("a", "k", "colour = 1"), "unknown field `colour`"),
        ("[[key]]\nid = \"a\"".to_owned(), "missing field `hash`"),
        ("key = fdk_secret".to_owned(), "it cannot be read"),
    ];
    for (text, expected) in cases {
        let error = read(&text).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("fdk_secret"), "{error}");
    }
    let error = Keys::read("{\"key\": fdk_secret}", true, &Keys::default()).unwrap_err().to_string();
    assert!(error.contains("line 1") && !error.contains("fdk_secret"), "{error}");
}

#[test]
fn a_new_file_takes_keys_away_and_keeps_what_was_used() {
    let old = read(&(entry("a", "k", "tokens_per_day = 5") + &entry("b", "l", ""))).unwrap();
    let (a, b) = (caller(&old, "k").unwrap(), caller(&old, "l").unwrap());
    a.charge(5);
    assert_eq!(a.turn().unwrap_err().reason(), "quota");
    let new = Keys::read(&entry("a", "k", "tokens_per_day = 6\ngallery = true"), false, &old).unwrap();
    assert!(a.turn().is_ok() && a.may_change_gallery().is_ok(), "an open conversation has the new limits");
    a.charge(1);
    assert_eq!(caller(&new, "k").unwrap().turn().unwrap_err().reason(), "quota", "the same account");
    assert!(caller(&new, "l").is_none());
    assert_eq!(b.turn().unwrap_err(), Refusal::Invalid);
    // Another key under the same id is another caller.
    let other = Keys::read(&entry("a", "m", ""), false, &new).unwrap();
    assert_eq!(a.turn().unwrap_err(), Refusal::Invalid);
    assert!(caller(&other, "m").unwrap().turn().is_ok());
    // A broken file changes nothing.
    assert!(Keys::read(&(entry("z", "z", "") + "x"), false, &other).is_err());
    assert!(caller(&other, "m").unwrap().turn().is_ok());
}
