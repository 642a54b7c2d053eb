//! Tokens that hold, and those that do not. Keys of P-256 and Ed25519 are made here; those of RSA were made by OpenSSL, which also
//! signed with them, and nobody has kept the private one.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelet_catalog::Scope;
use modelet_spec::{Claims, TenantName};
use modelet_store::{Actor, Store};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOW_S: u64 = 2_000_000_000;
const NOW: u64 = NOW_S * 1000;

const RSA_N: &str = "8U9PGpozodRAE7L34mz9lFB_d6njHBC18Lm1z_obZ0LjpHiZ-4_8w6-JYUbGmkwhBghzRwtahHv5Za3mKaG3Aveiy9Z7OYDIjWV-PQpHR6GvLd\
    B8E0rV7MmrjUYxGNB7vOTIwAOsz2aWsNjdcwqLrhm8nWQA9WYxODZkw0vB4mXA4K1c2xq3_f7m7bBMyv3FNc9tbFqX08wS1rMYmeoJdgtVktuf\
    Bsp5ej9B3YOb3H6NUl3WXxCU_RCFEGHCYRuVMFWR3aCv5z9BA5F1WIuIcf5YD82LxwkIJt0CvSYD2lSQab7RhDP0R4mYk4ti1tuW5KltwVjbDi\
    2hMqeh6RDwnQ";
const RS256: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InIxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJtb2RlbGV0Ii\
    wic3ViIjoiYWxpY2UiLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoiaW52b2tlIn0.YYNHUBO8ehYQL-1lTRh2uGlgz1uaQYKLsXDg10FxxBF-\
    mIWj-ip5CIdoYKY5BNjIWt4aFUzL9NzLjNwQTPSgBhDV4wzWMjSUf-\
    m7HzZyr9airyHepWNOkt3Thcz0uSMZn8g4GyPkQXB34iZPlCi81NXZ0LjHcXsjWvLtAxzb3DXXze8No5j_C5NpzNTvXeaap73JogyT2CoGgxK7\
    9uHMmr5D0u5qvgJK5Ie043TMk-\
    kLEV9bEhkVZ64I6jH3_Hdl1PQA_aBTGVZqLh0qgg7FPBHf0sXzS1n3PtTlPwvCj28QZs2EKpytFe5xR8sku63HMbefZ8w5ob243fCHVgbq6Q";
const PS256: &str = "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InIxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJtb2RlbGV0Ii\
    wic3ViIjoiYWxpY2UiLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoiaW52b2tlIn0.aKtvB2fnSBEZTRhKeavuHe-\
    N1O3G1D0814IkrJ1HHodE_KnCXlgZ4jz62nvb1h_fSA3782xvL3cU0ua2cjGJFxIl1-\
    fgdFzA5dkmpaCrvDLzBmDKCL54oF5UPqunOwIDBMAblroDyh40ghKwzesG7SLzhL-\
    jRCZ1jYxOdpQKJyPQ7YFIep8cUOgzQ4B2peCw9AHa7HvrbZLC7X80-S-Uk_8thfnjtzs71JPJjZ-Cqw608YHti-\
    bzYkF3PYoNFzh-7OQtL_TGyEGNnxpRnHPHNgVolVPLa3Imacqskv33N5ZZ9SdWBOSJdWsE1hLTc9Ku5WEB0z90ba661-cIf_a4Pg";

struct Signer {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self { id, pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap() }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "alg": "ES256", "x": x, "y": y })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "typ": "JWT", "kid": self.id }), claims)
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({ "iss": "https://id.example", "aud": "modelet", "sub": "alice", "exp": NOW_S + 600, "org": "acme",
        "scope": "openid invoke read" });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

struct Place {
    dir: tempfile::TempDir,
    store: Store,
    tenants: Arc<ArcSwap<Book>>,
    issuers: Arc<Issuers>,
}

impl Place {
    fn new(keys: &[Value]) -> Self {
        Self::with(keys, |_| {})
    }

    fn with(keys: &[Value], change: impl FnOnce(&mut JwtIssuer)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        store.by(&Actor::Server).create_tenant(&"acme".parse().unwrap(), &Claims::default()).unwrap();
        let tenants = Arc::new(ArcSwap::from_pointee(Book::read(&store).unwrap()));
        let file = dir.path().join("jwks.json");
        std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
        let mut issuer = JwtIssuer {
            name: None,
            issuer: "https://id.example".to_owned(),
            audience: "modelet".to_owned(),
            jwks: JwksFrom::File(file),
            tenant: TenantRule::Claim { claim: "org".to_owned(), map: BTreeMap::new() },
            scopes: ScopeRule { claim: "scope".to_owned(), map: BTreeMap::new() },
        };
        change(&mut issuer);
        let issuers =
            Issuers::open(&[issuer], &tenants, &KeyHasher::new([5; 32]), Arc::new(NoJwks), &mut Registry::default());
        Self { dir, store, tenants, issuers: issuers.unwrap().unwrap() }
    }

    fn lay(&self, text: &str) {
        std::fs::write(self.dir.path().join("jwks.json"), text).unwrap();
        self.issuers.reload();
    }

    fn opens(&self, token: &str) -> bool {
        self.issuers.find(token, NOW).is_some()
    }

    /// Why a token is worth nothing.
    fn refused(&self, token: &str) -> Option<Refused> {
        assert!(!self.opens(token));
        self.issuers.look(token, NOW)?.err()
    }
}

#[test]
fn a_token_is_worth_what_its_claims_say_until_it_ends() {
    let signer = Signer::new("k1");
    let place = Place::new(&[signer.jwk()]);
    let token = signer.token(&claims(&json!({})));
    let key = place.issuers.find(&token, NOW).unwrap();
    assert_eq!((key.id.as_str(), key.tenant.as_str(), &key.bound), ("jwt:alice", "acme", &None));
    assert_eq!(key.scopes, [Scope::Invoke, Scope::Read]);
    let again = place.issuers.find(&token, NOW + 1).unwrap();
    assert!(Arc::ptr_eq(&key, &again), "it is verified once");
    let end = (NOW_S + 600 + token::LEEWAY_S) * 1000;
    assert!(place.issuers.find(&token, end - 1).is_some() && place.issuers.find(&token, end).is_none());
    let several = claims(&json!({ "aud": ["other", "modelet"], "nbf": NOW_S + 29, "exp": (NOW_S + 5) as f64 + 0.5 }));
    assert!(place.opens(&signer.token(&several)));
    let list = signer.token(&claims(&json!({ "scope": ["deploy", "unknown"] })));
    assert_eq!(place.issuers.find(&list, NOW).unwrap().scopes, [Scope::Deploy]);
    let none = signer.token(&claims(&json!({ "scope": null })));
    assert!(place.issuers.find(&none, NOW).unwrap().scopes.is_empty(), "known, and may do nothing");
}

#[test]
fn a_token_that_is_not_as_it_must_be_is_worth_nothing() {
    let (signer, stranger) = (Signer::new("k1"), Signer::new("k1"));
    let place = Place::new(&[signer.jwk(), Signer::new("k2").jwk()]);
    for (changes, why) in [
        (json!({ "aud": "other" }), Refused::Audience),
        (json!({ "aud": null }), Refused::Audience),
        (json!({ "exp": NOW_S - 31 }), Refused::Expired),
        (json!({ "exp": null }), Refused::Malformed),
        (json!({ "exp": "4102444800" }), Refused::Malformed),
        (json!({ "exp": -1 }), Refused::Malformed),
        (json!({ "nbf": NOW_S + 31 }), Refused::NotYet),
        (json!({ "nbf": "0" }), Refused::Malformed),
        (json!({ "sub": null }), Refused::Malformed),
        (json!({ "sub": "" }), Refused::Malformed),
        (json!({ "sub": "x".repeat(201) }), Refused::Malformed),
        (json!({ "org": null }), Refused::Tenant),
        (json!({ "org": ["acme"] }), Refused::Tenant),
        (json!({ "org": "Not A Name" }), Refused::Tenant),
    ] {
        assert_eq!(place.refused(&signer.token(&claims(&changes))), Some(why), "{changes}");
    }
    let held = claims(&json!({}));
    assert_eq!(place.refused(&stranger.token(&held)), Some(Refused::Signature));
    for (header, why) in [
        (json!({ "alg": "none", "kid": "k1" }), Refused::Algorithm),
        (json!({ "alg": "HS256", "kid": "k1" }), Refused::Algorithm),
        (json!({ "alg": "RS256", "kid": "k1" }), Refused::Key),
        (json!({ "alg": "ES384", "kid": "k1" }), Refused::Key),
        (json!({ "alg": "ES256", "kid": "k3" }), Refused::Key),
        (json!({ "alg": "ES256" }), Refused::Key),
        (json!({ "alg": "ES256", "kid": "k2" }), Refused::Signature),
        (json!({ "alg": "ES256", "kid": "k1", "crit": ["b64"], "b64": false }), Refused::Malformed),
        (json!({ "alg": "ES256", "kid": "k1", "typ": "dpop+jwt" }), Refused::Malformed),
    ] {
        assert_eq!(place.refused(&signer.sign(&header, &held)), Some(why), "{header}");
    }
    let unsigned = format!("{}.", message(&json!({ "alg": "none" }), &held));
    assert_eq!(place.refused(&unsigned), Some(Refused::Algorithm));
    let good = signer.token(&held);
    let changed = good.replacen('.', "A.", 1);
    assert!(
        !place.opens(&changed) && !place.opens(&format!("{good}.x")) && !place.opens("a.b.c") && !place.opens("..")
    );
    assert!(place.opens(&good));
}

#[test]
fn a_false_signature_is_looked_at_once_as_long_as_the_keys_are_the_same() {
    let (signer, stranger) = (Signer::new("k1"), Signer::new("k1"));
    let place = Place::new(&[signer.jwk()]);
    let token = stranger.token(&claims(&json!({})));
    let looked_at = || place.issuers.outcomes.get_or_create(&[("outcome", "signature")]).get();
    for _ in 0..3 {
        assert!(!place.opens(&token));
    }
    assert_eq!(looked_at(), 1);
    place.lay(&json!({ "keys": [stranger.jwk()] }).to_string());
    assert!(place.opens(&token), "what nobody had signed by the keys before");
}

#[test]
fn a_token_of_another_issuer_or_for_no_tenant_opens_nothing_and_is_told_apart() {
    let signer = Signer::new("k1");
    let place = Place::new(&[signer.jwk()]);
    let foreign = signer.token(&claims(&json!({ "iss": "https://else.example" })));
    assert!(!place.opens(&foreign) && !place.issuers.is_ours(&foreign), "a guest may get it");
    let ended = signer.token(&claims(&json!({ "exp": 1 })));
    assert!(!place.opens(&ended) && place.issuers.is_ours(&ended), "and never this one");
    assert!(!place.opens(&signer.token(&claims(&json!({ "org": "ghost" })))));
    let token = signer.token(&claims(&json!({})));
    assert!(place.opens(&token));
    place.store.by(&Actor::Server).remove_tenant(&"acme".parse().unwrap(), true).unwrap();
    place.tenants.store(Arc::new(Book::read(&place.store).unwrap()));
    assert!(!place.opens(&token), "also one that was verified before");
}

#[test]
fn claims_are_mapped_as_configured() {
    let signer = Signer::new("k1");
    let fixed = Place::with(&[signer.jwk()], |issuer| {
        issuer.tenant = TenantRule::Fixed("acme".parse().unwrap());
        issuer.name = Some("corp".to_owned());
        let map = BTreeMap::from([("ml-callers".to_owned(), Scope::Invoke)]);
        issuer.scopes = ScopeRule { claim: "groups".to_owned(), map };
    });
    let token = signer.token(&claims(&json!({ "org": null, "groups": ["ml-callers", "admin"], "scope": "admin" })));
    let key = fixed.issuers.find(&token, NOW).unwrap();
    assert_eq!((key.id.as_str(), key.scopes.as_slice()), ("jwt:corp/alice", [Scope::Invoke].as_slice()));
    let mapped = Place::with(&[signer.jwk()], |issuer| {
        let map = BTreeMap::from([("org-1".to_owned(), "acme".parse::<TenantName>().unwrap())]);
        issuer.tenant = TenantRule::Claim { claim: "org".to_owned(), map };
    });
    assert!(mapped.opens(&signer.token(&claims(&json!({ "org": "org-1" })))));
    assert_eq!(
        mapped.refused(&signer.token(&claims(&json!({})))),
        Some(Refused::Tenant),
        "a name that the map has not"
    );
}

#[test]
fn keys_roll_over_and_the_last_good_ones_stay() {
    let (first, second) = (Signer::new("k1"), Signer::new("k2"));
    let place = Place::new(&[first.jwk()]);
    let (old, new) = (first.token(&claims(&json!({}))), second.token(&claims(&json!({}))));
    assert!(place.opens(&old) && !place.opens(&new));
    for damaged in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#] {
        place.lay(damaged);
        assert!(place.opens(&old), "{damaged}");
    }
    place.lay(&json!({ "keys": [first.jwk(), second.jwk()] }).to_string());
    assert!(place.opens(&old) && place.opens(&new));
    place.lay(&json!({ "keys": [second.jwk()] }).to_string());
    assert!(!place.opens(&old) && place.opens(&new), "what was verified by a key that is gone is worth nothing");
}

#[test]
fn every_kind_of_key_verifies_what_it_signed() {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key()) });
    let message = message(&json!({ "alg": "EdDSA" }), &claims(&json!({})));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()));
    assert!(Place::new(&[ed]).opens(&format!("{message}.{signature}")), "the only key need not be named");
    let rsa = |more: Value| {
        let mut key = json!({ "kty": "RSA", "kid": "r1", "n": RSA_N, "e": "AQAB" });
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Place::with(&[key], |issuer| issuer.tenant = TenantRule::Fixed(TenantName::default_tenant()))
    };
    let any = rsa(json!({}));
    assert!(any.opens(RS256) && any.opens(PS256));
    let only = rsa(json!({ "alg": "RS256" }));
    assert!(only.opens(RS256));
    assert_eq!(only.refused(PS256), Some(Refused::Key));
    for other in [json!({ "use": "enc" }), json!({ "alg": "RSA-OAEP" }), json!({ "key_ops": ["encrypt"] })] {
        let mut key = json!({ "kty": "RSA", "n": RSA_N, "e": "AQAB" });
        key.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        assert!(Jwks::parse(json!({ "keys": [key] }).to_string().as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn a_set_of_keys_that_cannot_be_used_is_told() {
    let key = Signer::new("k1").jwk();
    let nameless = {
        let mut key = key.clone();
        key.as_object_mut().unwrap().remove("kid");
        key
    };
    for (keys, why) in [
        (json!({ "keys": [] }), "has no key for signatures"),
        (json!({}), "no set of keys"),
        (json!({ "keys": [key, nameless] }), "without `kid`"),
        (json!({ "keys": [key, key] }), "two keys with one `kid`"),
        (json!({ "keys": vec![json!({}); 101] }), "101 keys"),
    ] {
        let refused = Jwks::parse(keys.to_string().as_bytes()).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    let missing = check_jwks(Path::new("no-such-file")).unwrap_err();
    assert!(missing.contains("no-such-file cannot be read"), "{missing}");
}

/// Answers what it was told to, and counts.
#[derive(Default)]
struct Given {
    answers: std::sync::Mutex<Vec<Result<Vec<u8>, String>>>,
    asked: AtomicU64,
}

impl FetchJwks for Given {
    fn fetch(&self, url: &str, _: &[modelet_spec::outbound::OutboundRule]) -> Fetching {
        assert_eq!(url, "https://id.example/keys");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let next = self.answers.lock().unwrap().pop().unwrap_or_else(|| Err("nobody answers".to_owned()));
        Box::pin(async move { next })
    }
}

#[tokio::test]
async fn keys_are_fetched_until_they_are_there_and_again_for_one_that_is_not() {
    let (first, second) = (Signer::new("k1"), Signer::new("k2"));
    let given = Arc::new(Given::default());
    let set = |keys: &[Value]| Ok(json!({ "keys": keys }).to_string().into_bytes());
    // The last is the first.
    *given.answers.lock().unwrap() = vec![
        set(&[first.jwk(), second.jwk()]),
        Err("down".to_owned()),
        set(&[first.jwk()]),
        Ok(b"<html>".to_vec()),
        Err("down".to_owned()),
    ];
    let place = Place::new(&[first.jwk()]);
    let url = JwksFrom::Url { url: "https://id.example/keys".to_owned(), allow: Vec::new() };
    let tenant = TenantRule::Fixed("acme".parse().unwrap());
    let scopes = ScopeRule { claim: "scope".to_owned(), map: BTreeMap::new() };
    let (issuer, audience) = ("https://id.example".to_owned(), "modelet".to_owned());
    let issuer = JwtIssuer { name: None, issuer, audience, jwks: url, tenant, scopes };
    let fetch = Arc::clone(&given) as Arc<dyn FetchJwks>;
    let opened = Issuers::open(&[issuer], &place.tenants, &KeyHasher::new([5; 32]), fetch, &mut Registry::default());
    let mut issuers = Arc::into_inner(opened.unwrap().unwrap()).unwrap();
    let ms = Duration::from_millis;
    issuers.pauses = source::Pauses { every: ms(60_000), again: ms(1), least: ms(20) };
    let issuers = Arc::new(issuers);
    issuers.start();
    let (old, new) = (first.token(&claims(&json!({}))), second.token(&claims(&json!({}))));
    let opens = |token: &str| issuers.find(token, NOW).is_some();
    let asked = || given.asked.load(Ordering::SeqCst);
    assert!(!opens(&old), "nothing is there yet");
    let until = async |is_so: &dyn Fn() -> bool| {
        let waited = async {
            while !is_so() {
                tokio::time::sleep(ms(1)).await;
            }
        };
        tokio::time::timeout(ms(60_000), waited).await.expect("it is so within a minute");
    };
    until(&|| opens(&old)).await;
    assert_eq!(asked(), 3);
    // Wanted, since a token names a key that is not there; and not as often as tokens come.
    let began = std::time::Instant::now();
    until(&|| {
        assert!(opens(&old), "the last good ones stay");
        opens(&new)
    })
    .await;
    assert_eq!(asked(), 5);
    assert!(began.elapsed() >= ms(20), "{:?}", began.elapsed());
    assert!(opens(&old));
}
