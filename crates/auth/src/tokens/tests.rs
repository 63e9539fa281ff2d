//! Tokens that hold, and the attacks that are known.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, encode};
use serde_json::json;

use super::*;

/// A key that guards nothing.
const RSA: &[u8] = include_bytes!("rsa-for-tests.pem");
const PUBLIC_RSA: &str = include_str!("rsa-public-for-tests.pem");
const SMALL_RSA: &str = include_str!("small-rsa-for-tests.pem");
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn rules(algorithms: &[Algorithm]) -> Rules {
    Rules {
        issuer: "https://login.example.org".to_owned(),
        audience: "fondue".to_owned(),
        algorithms: algorithms.to_vec(),
        tenant_claim: "tenant".to_owned(),
        limits: Limits { concurrent_turns: Some(1), ..Limits::default() },
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example.org", "aud": "fondue", "sub": "alice", "tenant": "acme", "exp": now() + 600,
    })
}

/// The usual claims with others over them; `null` takes one away.
fn with(more: Value) -> Value {
    let mut all = claims();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => all.as_object_mut().unwrap().remove(name),
            value => all.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    all
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA).unwrap()
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) }
}

fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    encode(header, claims, key).unwrap()
}

/// A set of the public half, called `one`.
fn set() -> String {
    let mut jwk = Jwk::from_encoding_key(&rsa(), Algorithm::RS256).unwrap();
    jwk.common.key_id = Some("one".to_owned());
    json!({ "keys": [jwk, { "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) }, { "kty": "new" }] })
        .to_string()
}

fn judge(rules: Rules, keys: &[&TokenKeys], token: &str) -> Result<Caller, Refusal> {
    Judge::new(rules).judge(token, keys)
}

fn by_rsa(token: &str) -> Result<Caller, Refusal> {
    judge(rules(&USUAL), &[&TokenKeys::read(&set()).unwrap()], token)
}

fn one() -> Header {
    header(Algorithm::RS256, Some("one"))
}

#[test]
fn a_token_that_holds_tells_the_tenant() {
    let caller = by_rsa(&signed(&one(), &claims(), &rsa())).unwrap();
    assert_eq!((caller.id(), caller.tenant()), (Some("alice"), Some("acme")));
    assert!(caller.may_change_gallery().is_err());
    let caller = by_rsa(&signed(&one(), &with(json!({ "tenant": null })), &rsa())).unwrap();
    assert_eq!(caller.tenant(), Some("sub:alice"), "a subject is its own tenant");
    let acme = with(json!({ "tenant": null, "sub": "acme" }));
    let acme = by_rsa(&signed(&one(), &acme, &rsa())).unwrap();
    assert_eq!((acme.id(), acme.tenant()), (Some("acme"), Some("sub:acme")), "and never another one");
    for scope in [json!({ "scope": "read gallery" }), json!({ "scp": ["gallery"] })] {
        assert!(by_rsa(&signed(&one(), &with(scope), &rsa())).unwrap().may_change_gallery().is_ok());
    }
    let without = signed(&header(Algorithm::RS256, None), &claims(), &rsa());
    assert!(by_rsa(&without).is_ok(), "a token need not name its key");
    let audiences = with(json!({ "aud": ["other", "fondue"] }));
    assert!(by_rsa(&signed(&one(), &audiences, &rsa())).is_ok());
    let soon = with(json!({ "nbf": now() + 5 }));
    assert!(by_rsa(&signed(&one(), &soon, &rsa())).is_ok(), "clocks may differ a little");
}

#[test]
fn claims_that_do_not_hold_are_refused() {
    let day = 24 * 3600;
    let cases = [
        ("expired", json!({ "exp": now() - 60 }), Refusal::Expired),
        ("no exp", json!({ "exp": null }), Refusal::Invalid),
        ("exp as text", json!({ "exp": "never" }), Refusal::Invalid),
        ("exp beyond time", json!({ "exp": u64::MAX }), Refusal::Invalid),
        ("not yet", json!({ "nbf": now() + day }), Refusal::Invalid),
        ("nbf as text", json!({ "nbf": "then" }), Refusal::Invalid),
        ("another issuer", json!({ "iss": "https://evil.example" }), Refusal::Invalid),
        ("no issuer", json!({ "iss": null }), Refusal::Invalid),
        ("another audience", json!({ "aud": "other" }), Refusal::Invalid),
        ("no audience", json!({ "aud": null }), Refusal::Invalid),
        ("no tenant", json!({ "tenant": null, "sub": null }), Refusal::Invalid),
        ("an empty tenant", json!({ "tenant": "" }), Refusal::Invalid),
        ("a tenant in the space of subjects", json!({ "tenant": "sub:alice" }), Refusal::Invalid),
        ("a tenant of another kind", json!({ "tenant": 7 }), Refusal::Invalid),
        ("a line in the log", json!({ "tenant": "a\nb" }), Refusal::Invalid),
        ("a long tenant", json!({ "tenant": "t".repeat(129) }), Refusal::Invalid),
    ];
    for (what, more, refusal) in cases {
        let refused = by_rsa(&signed(&one(), &with(more), &rsa())).unwrap_err();
        assert_eq!(refused, refusal, "{what}");
    }
}

#[test]
fn a_token_chooses_neither_algorithm_nor_key() {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned =
        |alg: &str| format!("{}.{}.", encoded(&json!({ "alg": alg, "kid": "one" })), encoded(&claims()));
    // The public key of RSA as HMAC's secret: what a server that takes the token's word for it would check with.
    let confused = |bytes: &[u8]| {
        let key = EncodingKey::from_secret(bytes);
        signed(&header(Algorithm::HS256, Some("one")), &claims(), &key)
    };
    let good = signed(&one(), &claims(), &rsa());
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let other = encoded(&with(json!({ "tenant": "other" })));
    let jwk_inside = {
        let own = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let own = EncodingKey::from_ec_der(&own.serialize_der());
        let mut header = header(Algorithm::ES256, Some("one"));
        header.jwk = Some(Jwk::from_encoding_key(&own, Algorithm::ES256).unwrap());
        signed(&header, &claims(), &own)
    };
    let critical = signed(&Header { crit: Some(vec!["exp".to_owned()]), ..one() }, &claims(), &rsa());
    let cases = [
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("no signature", unsigned("RS256")),
        ("the key of RSA as a secret", confused(PUBLIC_RSA.as_bytes())),
        ("the set as a secret", confused(set().as_bytes())),
        ("the set's own secret", confused(SECRET)),
        (
            "an algorithm that is not allowed",
            signed(&header(Algorithm::RS512, Some("one")), &claims(), &rsa()),
        ),
        ("an unknown key", signed(&header(Algorithm::RS256, Some("two")), &claims(), &rsa())),
        ("a key of its own", jwk_inside),
        ("something critical", critical),
        ("other claims under the signature", format!("{head}.{other}.{signature}")),
        ("another head", format!("{}.{body}.{signature}", encoded(&json!({ "alg": "HS256", "kid": "one" })))),
        ("a signature cut short", good[..good.len() - 4].to_owned()),
        ("more parts", format!("{good}.x")),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("no text", "a.b.\u{fffd}".to_owned()),
        ("nested", format!("{}.{}.x", URL_SAFE_NO_PAD.encode("[".repeat(5000)), "[".repeat(5000))),
    ];
    assert!(by_rsa(&good).is_ok());
    for (what, token) in cases {
        assert_eq!(by_rsa(&token).unwrap_err(), Refusal::Invalid, "{what}");
    }
}

fn ed25519() -> EncodingKey {
    EncodingKey::from_ed_der(&rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_der())
}

#[test]
fn keys_in_pem_check_each_their_own() {
    let ed = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let ec = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let all = [PUBLIC_RSA, &ed.public_key_pem(), "a comment\n", &ec.public_key_pem()].concat();
    let keys = TokenKeys::read(&all).unwrap();
    let by = |key: &EncodingKey, algorithm| {
        let token = signed(&header(algorithm, Some("any")), &claims(), key);
        judge(rules(&USUAL), &[&keys], &token)
    };
    assert!(by(&EncodingKey::from_ed_der(&ed.serialize_der()), Algorithm::EdDSA).is_ok());
    assert!(by(&EncodingKey::from_ec_der(&ec.serialize_der()), Algorithm::ES256).is_ok());
    assert_eq!(by(&ed25519(), Algorithm::EdDSA).unwrap_err(), Refusal::Invalid, "another key");
    assert!(by(&rsa(), Algorithm::RS256).is_ok());
}

#[test]
fn a_secret_checks_hs256_alone_and_only_where_it_is_allowed() {
    let secret = TokenKeys::secret(b"0123456789abcdef0123456789abcdef\n").unwrap();
    let by = |algorithm| signed(&header(algorithm, None), &claims(), &EncodingKey::from_secret(SECRET));
    let with_secret = rules(&[Algorithm::HS256, Algorithm::HS512, Algorithm::RS256]);
    assert!(judge(with_secret.clone(), &[&secret], &by(Algorithm::HS256)).is_ok());
    assert!(judge(with_secret.clone(), &[&secret], &by(Algorithm::HS512)).is_err());
    assert!(judge(rules(&USUAL), &[&secret], &by(Algorithm::HS256)).is_err());
    // With both allowed, the public key still is no secret.
    let public = TokenKeys::read(&set()).unwrap();
    let confused = EncodingKey::from_secret(set().as_bytes());
    let token = signed(&header(Algorithm::HS256, Some("one")), &claims(), &confused);
    assert!(judge(with_secret, &[&public, &secret], &token).is_err());
}

#[test]
fn files_that_hold_no_usable_keys_say_why() {
    let error = |text: &str| TokenKeys::read(text).unwrap_err().to_string();
    assert!(error("").contains("JWK set"));
    assert!(error("{}").contains("line 1"));
    assert!(error("{\"keys\": []}").contains("0 keys"));
    assert!(error(SMALL_RSA).contains("2048 bits"));
    assert!(error(&String::from_utf8_lossy(RSA)).contains("only public keys"));
    let private = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    assert!(error(&private).contains("key 1: only public keys"));
    assert!(error("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").contains("no RSA, EC"));
    assert!(error("-----BEGIN PUBLIC KEY-----\nAAAA").contains("no end"));
    assert!(TokenKeys::secret(b"short\n").unwrap_err().to_string().contains("5 bytes"));
}

#[test]
fn a_tenants_tokens_share_its_room() {
    let keys = TokenKeys::read(&set()).unwrap();
    let judge = Judge::new(rules(&USUAL));
    let caller = |more: Value| judge.judge(&signed(&one(), &with(more), &rsa()), &[&keys]).unwrap();
    let held = caller(json!({})).turn().unwrap();
    assert_eq!(caller(json!({ "sub": "bob" })).turn().unwrap_err().reason(), "concurrency");
    assert!(caller(json!({ "tenant": "other" })).turn().is_ok());
    drop(held);
    assert!(caller(json!({ "sub": "bob" })).turn().is_ok());
}
