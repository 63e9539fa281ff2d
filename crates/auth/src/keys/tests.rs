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
        (entry("a", "k", "").replace("acme", "sub:acme"), "`tenant` must not begin with `sub:`"),
        (entry("a", "k", "expires = \"soon\""), "`expires` must be a time"),
        (entry("a", "k", "expires = 2027-01-31"), "`expires` must be a time"),
        (entry("a", "k", "burst = 2"), "`burst` needs"),
        (
            entry("a", "k", "requests_per_minute = 0"),
            "line 5 column 23, key 1: `requests_per_minute` has a value of the wrong kind",
        ),
        (entry("a", "k", "colour = 1"), "line 5 column 1, key 1: unknown field"),
        ("[[key]]\nid = \"a\"".to_owned(), "key 1: missing field `hash`"),
        ("key = fdk_secret".to_owned(), "line 1 column 7: it is not TOML"),
        ("key = \"fdk_secret\"".to_owned(), "a list `key`"),
        ("fdk_secret = 1".to_owned(), "unknown field"),
        (entry("a", "k", "fdk_secret = 1"), "unknown field"),
        (entry("a", "k", "burst = \"fdk_secret\""), "line 5 column 9, key 1: `burst` has a value"),
        (entry("a", "k", "gallery = \"fdk_secret\""), "`gallery` has a value"),
        (entry("a", "k", "expires = \"fdk_secret\""), "`expires` must be a time"),
        (entry("fdk_secret", "k", ""), "key 1 (`…`): `id` must be a name"),
        (entry("a", "k", "").replace("acme", "fdk_secret"), "`tenant` must be a name"),
    ];
    for (text, expected) in cases {
        let error = read(&text).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("fdk_secret"), "{error}");
    }
    for (json, expected) in [
        ("{\"key\": fdk_secret}", "line 1 column 10: it is not JSON"),
        ("{} fdk_secret", "it is not JSON"),
        ("{\"key\": \"fdk_secret\"}", "a list `key`"),
        ("{\"key\": [{\"burst\": \"fdk_secret\"}]}", "key 1: `burst` has a value"),
        ("{\"key\": [{\"fdk_secret\": 1}]}", "key 1: unknown field"),
    ] {
        let error = Keys::read(json, true, &Keys::default()).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("fdk_secret"), "{error}");
    }
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

#[test]
fn a_key_that_says_nothing_has_the_usual_conversations() {
    let text = entry("a", "k", "") + &entry("b", "l", "conversations = 3");
    let keys = Keys::read(&text, false, &Keys::none(Some(1))).unwrap();
    let again = Keys::read(&text, false, &keys).unwrap();
    for (key, most) in [("k", 1), ("l", 3)] {
        let caller = caller(&again, key).unwrap();
        let held: Vec<_> = (0..most).map(|_| caller.conversation().unwrap()).collect();
        assert_eq!(caller.conversation().unwrap_err().reason(), "concurrency", "{key}");
        drop(held);
    }
}

#[test]
fn what_a_key_has_used_outlives_its_absence_until_the_day_ends() {
    let at = |day: u64| std::time::UNIX_EPOCH + std::time::Duration::from_secs(day * 24 * 3600 + 60);
    let read = |text: &str, old: &Keys, day| Draft::read(text, false).unwrap().over(old, at(day));
    let (limits, first) = ("tokens_per_day = 5", Keys::default());
    let refused = |keys: &Keys, key: &str, day| {
        let standing = keys.find(key).unwrap().standing().unwrap();
        standing.account.turn(at(day)).is_err()
    };
    let first = read(&entry("a", "k", limits), &first, 7);
    first.find("k").unwrap().standing().unwrap().account.charge(5, at(7));
    let none = read("", &first, 7);
    let still_none = read("# nobody", &none, 7);
    assert!(refused(&read(&entry("a", "k", limits), &still_none, 7), "k", 7), "the same key");
    assert!(refused(&read(&entry("a", "l", limits), &still_none, 7), "l", 7), "another one of the same id");
    let back = read(&entry("a", "k", limits), &still_none, 7);
    assert!(refused(&read(&entry("a", "l", limits), &back, 7), "l", 7), "and at once");
    assert!(!refused(&read(&entry("b", "k", limits), &still_none, 7), "k", 7), "another id");
    let other = entry("a", "k", limits).replace("acme", "emca");
    assert!(!refused(&read(&other, &still_none, 7), "k", 7), "another tenant");
    assert!(read("# nobody", &still_none, 8).gone.is_empty(), "a new day");
}
