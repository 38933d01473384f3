use super::*;
use crate::tenants::{Registered, TenantConfig};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::Jwk;
use openclaw_pipeline::TenantSettings;
use openclaw_routing::{Receiver, RouteTree, Routing};
use openclaw_state::Scope;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

const NOW_S: i64 = 1_800_000_000;
const NOW: Timestamp = Timestamp::from_secs(NOW_S);

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Somebody who signs.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    id: Option<&'static str>,
}

/// Making an RSA key takes long.
fn rsa_key() -> EncodingKey {
    static KEY: OnceLock<EncodingKey> = OnceLock::new();
    KEY.get_or_init(new_rsa_key).clone()
}

fn new_rsa_key() -> EncodingKey {
    /// What PKCS#8 puts in front of a key of 2048 bits.
    const WRAPPING_BYTES: usize = 26;
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    EncodingKey::from_rsa_der(&der.as_ref()[WRAPPING_BYTES..])
}

impl Signer {
    fn new(algorithm: Algorithm, id: Option<&'static str>) -> Self {
        let key = match algorithm {
            Algorithm::HS256 => EncodingKey::from_secret(SECRET.as_bytes()),
            Algorithm::RS256 => rsa_key(),
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            _ => EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref()),
        };
        Self { algorithm, key, id }
    }

    /// What verifies it, as published.
    fn jwk(&self) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = self.id.map_or(Value::Null, Into::into);
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = self.id.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({ "tenant": "acme", "exp": NOW_S + 60 });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn set_of(signers: &[&Signer]) -> TokenKeys {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    TokenKeys::of_set(&Secret::new(json!({ "keys": keys }).to_string())).unwrap()
}

fn settings(keys: TokenKeys) -> TokenSettings {
    TokenSettings { keys, issuer: None, audience: None, may_operate: false }
}

fn secret() -> TokenSettings {
    settings(TokenKeys::of_secret(Secret::new(SECRET)).unwrap())
}

fn config(name: &str, tokens: Option<TokenSettings>) -> TenantConfig {
    let routing = Routing::new(RouteTree::single("ops"), vec![Receiver::new("ops", &[])]);
    TenantConfig {
        settings: Arc::new(TenantSettings::new(TenantName::new(name).unwrap(), routing)),
        receivers: Vec::new(),
        origins: Vec::new(),
        takes_alerts: true,
        routing_yaml: String::new(),
        sources: crate::tenants::Sources::default(),
        limits: openclaw_admission::LimitSettings::default(),
        tokens: tokens.map(|settings| Arc::new(TokenIssuer::new(settings))),
        certificates: Vec::new(),
        version: 0,
    }
}

fn tokens(tenants: Vec<(&str, Option<TokenSettings>)>) -> Tokens {
    let registered = tenants
        .into_iter()
        .map(|(name, tokens)| Registered { config: config(name, tokens), senders: HashMap::new() });
    Tokens::new(Arc::new(Tenants::new(registered)))
}

fn acme(settings: TokenSettings) -> Tokens {
    tokens(vec![("acme", Some(settings)), ("globex", None)])
}

fn fault(tokens: &Tokens, text: &str) -> TokenFault {
    tokens.verify(text, NOW).err().unwrap()
}

const ALGORITHMS: [Algorithm; 4] = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

#[test]
fn each_algorithm_verifies_its_own_keys_alone() {
    let signers = ALGORITHMS.map(|algorithm| Signer::new(algorithm, None));
    for signer in &signers {
        for other in &signers {
            let tokens = acme(settings(set_of(&[other])));
            let verified = tokens.verify(&signer.sign(&claims(&json!({ "sub": "ann" }))), NOW);
            assert_eq!(verified.is_ok(), signer.algorithm == other.algorithm, "{:?}", signer.algorithm);
            if let Ok(token) = verified {
                assert_eq!(token.tenant.as_str(), "acme");
                assert_eq!(token.scopes, Some(Scope::Ingest | Scope::Read));
                assert_eq!(token.who.to_string(), "token of ann");
            }
        }
    }
}

#[test]
fn the_key_decides_the_algorithm() {
    let rsa = Signer::new(Algorithm::RS256, None);
    let tokens = acme(settings(set_of(&[&rsa])));
    let good = rsa.sign(&claims(&json!({})));
    tokens.verify(&good, NOW).ok().unwrap();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let payload = message.split_once('.').unwrap().1;
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":""}"#,
        r#"{}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"RS512"}"#,
        r#"{"alg":"PS256"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
    ] {
        let header = URL_SAFE_NO_PAD.encode(header);
        for signature in [signature, ""] {
            assert_eq!(fault(&tokens, &format!("{header}.{payload}.{signature}")), TokenFault::Unverified);
        }
    }
    // The published key as the secret of HS256, in each form that libraries took it in.
    let jwk = rsa.jwk();
    let modulus = jwk["n"].as_str().unwrap();
    for public in
        [modulus.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(modulus).unwrap(), jwk.to_string().into()]
    {
        let forged = Signer { algorithm: Algorithm::HS256, key: EncodingKey::from_secret(&public), id: None };
        assert_eq!(fault(&tokens, &forged.sign(&claims(&json!({})))), TokenFault::Unverified);
    }
    // Keys in a token's own header are nobody's.
    let mut header = Header::new(Algorithm::RS256);
    let other = new_rsa_key();
    header.jwk = Jwk::from_encoding_key(&other, Algorithm::RS256).ok();
    let own = jsonwebtoken::encode(&header, &claims(&json!({})), &other).unwrap();
    assert_eq!(fault(&tokens, &own), TokenFault::Unverified);
}

#[test]
fn claims_are_checked() {
    use TokenFault::{Audience, Expired, Issuer, NotYet, Unverified};
    let signer = Signer::new(Algorithm::HS256, None);
    let both = TokenSettings {
        issuer: Some("https://login.example".to_owned()),
        audience: Some("openclaw".to_owned()),
        ..secret()
    };
    let (plain, strict) = (acme(secret()), acme(both));
    let check = |tokens: &Tokens, more: Value| tokens.verify(&signer.sign(&claims(&more)), NOW).err();
    for (more, want) in [
        (json!({}), None),
        (json!({ "exp": NOW_S - 29 }), None),
        (json!({ "exp": NOW_S - 30 }), Some(Expired)),
        (json!({ "exp": 0 }), Some(Expired)),
        (json!({ "exp": -1 }), Some(Expired)),
        (json!({ "exp": 1e300 }), Some(Expired)),
        (json!({ "exp": (NOW_S + 60) as f64 + 0.5 }), None),
        (json!({ "exp": null }), Some(Unverified)),
        (json!({ "exp": "soon" }), Some(Unverified)),
        (json!({ "nbf": NOW_S + 30 }), None),
        (json!({ "nbf": NOW_S + 31 }), Some(NotYet)),
        (json!({ "nbf": 1e300 }), Some(NotYet)),
        (json!({ "nbf": "soon" }), Some(Unverified)),
        (json!({ "iss": "anybody" }), None),
        (json!({ "aud": "anybody" }), Some(Audience)),
        (json!({ "aud": [] }), Some(Audience)),
        (json!({ "tenant": "globex" }), Some(Unverified)),
        (json!({ "tenant": "nobody" }), Some(Unverified)),
        (json!({ "tenant": "ACME" }), Some(Unverified)),
        (json!({ "tenant": ["acme"] }), Some(Unverified)),
        (json!({ "tenant": null }), Some(Unverified)),
    ] {
        assert_eq!(check(&plain, more.clone()), want, "{more}");
    }
    let (iss, aud) = ("https://login.example", "openclaw");
    for (more, want) in [
        (json!({ "iss": iss, "aud": aud }), None),
        (json!({ "iss": iss, "aud": ["other", aud] }), None),
        (json!({ "iss": iss, "aud": ["other"] }), Some(Audience)),
        (json!({ "iss": iss, "aud": "openclaw2" }), Some(Audience)),
        (json!({ "iss": iss }), Some(Audience)),
        (json!({ "iss": "https://login.example/", "aud": aud }), Some(Issuer)),
        (json!({ "aud": aud }), Some(Issuer)),
    ] {
        assert_eq!(check(&strict, more.clone()), want, "{more}");
    }
    let twice = format!(r#"{{"tenant":"globex","tenant":"acme","exp":{}}}"#, NOW_S + 60);
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(twice));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &signer.key, Algorithm::HS256).unwrap();
    assert_eq!(fault(&plain, &format!("{message}.{signature}")), Unverified);
}

#[test]
fn scopes_are_what_the_token_and_the_operator_say() {
    let signer = Signer::new(Algorithm::HS256, None);
    let (plain, operator) = (acme(secret()), acme(TokenSettings { may_operate: true, ..secret() }));
    let scopes = |tokens: &Tokens, more: Value| {
        tokens.verify(&signer.sign(&claims(&more)), NOW).ok().unwrap().scopes.map(|scopes| scopes.to_string())
    };
    for (more, want) in [
        (json!({}), Some("ingest,read")),
        (json!({ "scope": "respond" }), Some("respond")),
        (json!({ "scope": "openid read  profile" }), Some("read")),
        (json!({ "scopes": ["read", "limit"] }), Some("read,limit")),
        (json!({ "scope": "ingest", "scopes": ["read"] }), Some("ingest,read")),
        (json!({ "scope": "" }), None),
        (json!({ "scopes": [] }), None),
        (json!({ "scope": "openid" }), None),
        (json!({ "scope": "operator" }), None),
        (json!({ "scope": "read operator" }), Some("read")),
        (json!({ "scopes": ["operator", "read"] }), Some("read")),
    ] {
        assert_eq!(scopes(&plain, more.clone()).as_deref(), want, "{more}");
    }
    assert_eq!(scopes(&operator, json!({ "scope": "read operator" })).as_deref(), Some("read,operator"));
    assert_eq!(scopes(&operator, json!({})).as_deref(), Some("ingest,read"));
}

#[test]
fn a_tenants_keys_never_speak_for_another() {
    let (ours, theirs) = (Signer::new(Algorithm::ES256, Some("k")), Signer::new(Algorithm::ES256, Some("k")));
    let tokens = tokens(vec![
        ("acme", Some(settings(set_of(&[&ours])))),
        ("globex", Some(settings(set_of(&[&theirs])))),
    ]);
    for (signer, tenant, is_good) in
        [(&ours, "acme", true), (&theirs, "globex", true), (&ours, "globex", false), (&theirs, "acme", false)]
    {
        let token = signer.sign(&claims(&json!({ "tenant": tenant })));
        assert_eq!(tokens.verify(&token, NOW).is_ok(), is_good, "{tenant}");
    }
}

#[test]
fn key_ids_are_honoured() {
    let [a, b, c, nameless] =
        [Some("a"), Some("b"), Some("c"), None].map(|id| Signer::new(Algorithm::EdDSA, id));
    let tokens = acme(settings(set_of(&[&a, &b])));
    let good = |signer: &Signer| tokens.verify(&signer.sign(&claims(&json!({}))), NOW).is_ok();
    assert!(good(&a) && good(&b) && !good(&c) && !good(&nameless));
    // Without an id all of its kind are tried; with another's it is refused.
    let key = |signer: &Signer| EncodingKey::from_ed_der(signer.key.as_bytes());
    let signer = |signed: &Signer, id| Signer { algorithm: Algorithm::EdDSA, key: key(signed), id };
    assert!(good(&signer(&b, None)));
    assert!(!good(&signer(&b, Some("a"))));
}

#[test]
fn keys_for_something_else_are_passed_over() {
    let signer = Signer::new(Algorithm::EdDSA, Some("a"));
    let with = |more: Value| {
        let mut jwk = signer.jwk();
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        json!({ "keys": [{ "kty": "EC", "crv": "P-384", "x": "", "y": "" }, 5, "k", {}, jwk] })
    };
    let set = |document: Value| TokenKeys::of_set(&Secret::new(document.to_string()));
    for (more, is_good) in [
        (json!({}), true),
        (json!({ "use": "sig", "alg": "EdDSA" }), true),
        (json!({ "use": "enc" }), false),
        (json!({ "alg": "ES256" }), false),
        (json!({ "x": "%%%" }), false),
    ] {
        let keys = set(with(more.clone()));
        assert_eq!(keys.is_ok(), is_good, "{more}");
        let Ok(keys) = keys else { continue };
        acme(settings(keys)).verify(&signer.sign(&claims(&json!({}))), NOW).ok().unwrap();
    }
    assert_eq!(set(json!({ "keys": [] })), Err(KeySetError::NoKey));
    assert!(matches!(set(json!([])), Err(KeySetError::Syntax { .. })));
    let shared = json!({ "keys": [{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) }] });
    assert!(set(shared.clone()).is_ok());
    let public = KeySet::parse(shared.to_string().as_bytes(), keys::Place::Public);
    assert_eq!(public.err(), Some(KeySetError::NoKey), "a published secret is none");
    let short = json!({ "keys": [{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode("short") }] });
    assert_eq!(set(short), Err(KeySetError::NoKey));
    assert_eq!(TokenKeys::of_secret(Secret::new(&SECRET[1..])), Err(KeySetError::ShortSecret { bytes: 31 }));
}

#[test]
fn what_was_verified_is_forgotten_with_its_keys_and_its_time() {
    let [a, b] = [Some("a"), Some("b")].map(|id| Signer::new(Algorithm::EdDSA, id));
    let tokens = acme(settings(set_of(&[&a])));
    let text = a.sign(&claims(&json!({})));
    let first = tokens.verify(&text, NOW).ok().unwrap();
    assert!(Arc::ptr_eq(&first, &tokens.verify(&text, NOW).ok().unwrap()), "verified once");
    let later = NOW.plus(Duration::from_secs(89));
    assert!(Arc::ptr_eq(&first, &tokens.verify(&text, later).ok().unwrap()));
    let over = NOW.plus(Duration::from_secs(90));
    assert_eq!(tokens.verify(&text, over).err(), Some(TokenFault::Expired));

    tokens.verify(&text, NOW).ok().unwrap();
    let issuer = tokens.tenants.find("acme").unwrap().tokens.clone().unwrap();
    let set = |signer: &Signer| {
        KeySet::parse(json!({ "keys": [signer.jwk()] }).to_string().as_bytes(), keys::Place::Public).unwrap()
    };
    issuer.install(set(&b));
    assert_eq!(fault(&tokens, &text), TokenFault::Unverified, "its key has gone");
    issuer.install(set(&a));
    let again = tokens.verify(&text, NOW).ok().unwrap();
    issuer.install(set(&a));
    assert!(Arc::ptr_eq(&again, &tokens.verify(&text, NOW).ok().unwrap()), "the same keys change nothing");
}

#[test]
fn new_settings_forget_and_the_same_ones_dont() {
    let signer = Signer::new(Algorithm::HS256, None);
    let tokens = acme(secret());
    let text = signer.sign(&claims(&json!({})));
    let first = tokens.verify(&text, NOW).ok().unwrap();
    let put = |settings: Option<TokenSettings>| {
        let before = tokens.tenants.find("acme");
        let config = Arc::new(config("acme", settings).following(before.as_ref()));
        tokens.tenants.set_configs([(config.name().clone(), config)].into());
    };
    put(Some(secret()));
    assert!(Arc::ptr_eq(&first, &tokens.verify(&text, NOW).ok().unwrap()));
    put(Some(TokenSettings { issuer: Some("them".to_owned()), ..secret() }));
    assert_eq!(fault(&tokens, &text), TokenFault::Issuer);
    put(None);
    assert_eq!(fault(&tokens, &text), TokenFault::Unverified);
    put(Some(secret()));
    tokens.verify(&text, NOW).ok().unwrap();
    tokens.tenants.set_configs(HashMap::new());
    assert_eq!(fault(&tokens, &text), TokenFault::Unverified, "the tenant has gone");
}

#[test]
fn only_a_set_that_may_have_grown_is_waited_for() {
    let signer = Signer::new(Algorithm::EdDSA, Some("a"));
    let address = Target::parse(&Secret::new("https://keys.example/")).unwrap();
    let remote = acme(settings(TokenKeys::at(address)));
    let text = signer.sign(&claims(&json!({})));
    assert!(remote.waits_for(&text, NOW).is_some());
    let issuer = remote.tenants.find("acme").unwrap().tokens.clone().unwrap();
    let set = json!({ "keys": [signer.jwk()] }).to_string();
    issuer.install(KeySet::parse(set.as_bytes(), keys::Place::Public).unwrap());
    assert!(remote.waits_for(&text, NOW).is_none());
    let other = Signer::new(Algorithm::EdDSA, Some("b")).sign(&claims(&json!({})));
    assert!(remote.waits_for(&other, NOW).is_some());
    assert!(acme(settings(set_of(&[&signer]))).waits_for(&other, NOW).is_none());
    assert!(remote.waits_for("a.b.c", NOW).is_none());
}

#[test]
fn what_we_sign_we_verify() {
    let settings =
        TokenSettings { issuer: Some("us".to_owned()), audience: Some("openclaw".to_owned()), ..secret() };
    let tenant = TenantName::new("acme").unwrap();
    let ttl = Duration::from_secs(600);
    let scopes = Scope::Read | Scope::Respond;
    let new = NewToken { tenant: &tenant, scopes, subject: Some("ci"), from: NOW, ttl };
    let tokens = acme(settings.clone());
    let token = tokens.verify(&sign(&settings, &new).unwrap(), NOW).ok().unwrap();
    assert_eq!((token.scopes, token.who.to_string()), (Some(scopes), "token of ci".to_owned()));
    let operator = NewToken { scopes: Scope::Operator.into(), ..new.clone() };
    assert_eq!(sign(&settings, &operator), Err(SignError::Operator));
    let public = settings_of_public();
    assert_eq!(sign(&public, &new), Err(SignError::NoSecret));
}

fn settings_of_public() -> TokenSettings {
    settings(set_of(&[&Signer::new(Algorithm::ES256, None)]))
}

proptest::proptest! {
    /// Whatever is changed in a good token, it is refused.
    #[test]
    fn a_changed_token_is_refused(place in 0_usize..400, char in "[A-Za-z0-9_.=-]", cut in 0_usize..400) {
        let tokens = acme(secret());
        let good = Signer::new(Algorithm::HS256, None).sign(&claims(&json!({})));
        let mut changed = good.clone();
        let place = place % good.len();
        changed.replace_range(place..=place, &char);
        let decodes_alike = |a: &str, b: &str| {
            let decode = |text: &str| text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok()).collect::<Vec<_>>();
            decode(a) == decode(b)
        };
        proptest::prop_assert_eq!(tokens.verify(&changed, NOW).is_ok(), decodes_alike(&changed, &good));
        proptest::prop_assert!(tokens.verify(&good[..cut % good.len()], NOW).is_err());
    }

    #[test]
    fn random_text_is_no_token(text in proptest::prelude::prop_oneof![".{0,64}", "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}"]) {
        proptest::prop_assert_eq!(acme(secret()).verify(&text, NOW).err(), Some(TokenFault::Unverified));
    }
}
