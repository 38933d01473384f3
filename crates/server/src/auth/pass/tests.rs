use super::key::FILE;
use super::*;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};

fn bearer<'a>(tenant: &'a TenantName, who: &'a Who, client: &'a str) -> Bearer<'a> {
    Bearer { tenant, who, scopes: Some(Scope::Limit.into()), client }
}

fn acme() -> TenantName {
    TenantName::new("acme").unwrap()
}

/// The token of what is written.
fn token(passes: &Passes, bearer: Bearer<'_>, at: Timestamp) -> String {
    let mut out = Vec::new();
    passes.write(bearer, at, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.rsplit_once("x-openclaw-token: ").unwrap().1.trim_end().to_owned()
}

fn verified(passes: &Passes, token: &str) -> Value {
    let set: JwkSet = serde_json::from_str(passes.published()).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_issuer(&["openclaw"]);
    rules.validate_exp = false;
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &rules).unwrap().claims
}

#[test]
fn a_pass_is_verified_by_what_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let passes = Passes::load(folder.path()).unwrap();
    let (tenant, who) = (acme(), Who::Key("ocAAAAAAAA".parse().unwrap()));
    let at = Timestamp::from_secs(1_772_368_496);
    let claims = verified(&passes, &token(&passes, bearer(&tenant, &who, "shop"), at));
    assert_eq!(claims["tenant"], "acme");
    assert_eq!(claims["client"], "shop");
    assert_eq!(claims["sub"], "key ocAAAAAAAA");
    assert_eq!(claims["scopes"], json!(["limit"]));
    assert_eq!((&claims["iat"], &claims["exp"]), (&at.secs().into(), &(at.secs() + 300).into()));
}

#[test]
fn a_pass_is_signed_again_while_it_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    let passes = Passes::load(folder.path()).unwrap();
    let (tenant, who) = (acme(), Who::token(Some("ci")));
    let (given, most) = (GIVEN.as_secs() as i64, (GIVEN + GIVEN_MORE).as_secs() as i64);
    let at = |s: i64| token(&passes, bearer(&tenant, &who, "a"), Timestamp::from_secs(1000 + s));
    let first = at(0);
    assert_eq!(at(given - 1), first);
    let second = at(most);
    assert_ne!(second, first);
    assert_eq!(at(most + 1), second);
    // A clock that was set back doesn't make passes of the future.
    assert_ne!(at(-100), second);
}

#[test]
fn those_that_were_signed_together_are_not_signed_together_again() {
    let folder = tempfile::tempdir().unwrap();
    let passes = Passes::load(folder.path()).unwrap();
    let (tenant, who) = (acme(), Who::token(None));
    let names: Vec<_> = (0..200).map(|number| format!("client-{number}")).collect();
    let at = |s| -> Vec<_> {
        names
            .iter()
            .map(|name| token(&passes, bearer(&tenant, &who, name), Timestamp::from_secs(s)))
            .collect()
    };
    let (first, later) = (at(0), at((GIVEN + GIVEN_MORE / 2).as_secs() as i64));
    let again = first.iter().zip(&later).filter(|(before, now)| now != before).count();
    assert!((40..160).contains(&again), "{again}");
}

#[test]
fn nobody_gets_the_pass_of_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let passes = Passes::load(folder.path()).unwrap();
    let (acme, globex) = (acme(), TenantName::new("globex").unwrap());
    let (key, ci) = (Who::Key("ocAAAAAAAA".parse().unwrap()), Who::token(Some("ci")));
    let mut bearers = vec![Bearer { scopes: None, ..bearer(&acme, &ci, "a") }];
    for (tenant, who) in [(&acme, &key), (&acme, &ci), (&globex, &ci)] {
        bearers.extend(["a", "b", ""].map(|client| bearer(tenant, who, client)));
    }
    // Whose names are the same in one piece.
    let [c, cc, empty] = ["c", "cc", ""].map(|subject| Who::token(Some(subject)));
    let certificate = Who::Certificate("c".into());
    let same = [(&c, "bc"), (&cc, "b"), (&certificate, "bc"), (&empty, "bcc"), (&empty, "a")];
    bearers.extend(same.map(|(who, client)| bearer(&acme, who, client)));
    let now = Timestamp::from_secs(1000);
    for round in 0..2 {
        let tokens: HashSet<_> = bearers.iter().map(|bearer| token(&passes, *bearer, now)).collect();
        assert_eq!(tokens.len(), bearers.len(), "{round}");
        for bearer in &bearers {
            let claims = verified(&passes, &token(&passes, *bearer, now));
            assert_eq!(claims["client"], bearer.client);
            assert_eq!(claims["tenant"], bearer.tenant.as_str());
            assert_eq!(claims["sub"], bearer.who.to_string());
        }
    }
}

/// Far more bearers than there is room for, from several threads.
#[test]
fn a_crowd_is_served_from_a_bounded_table() {
    let kept = Kept::default();
    let (tenant, who, clock) = (acme(), Who::token(None), AtomicI64::new(0));
    let serve = |name: &str| {
        let now = Timestamp::from_nanos(clock.fetch_add(1, Ordering::Relaxed));
        let bearer = bearer(&tenant, &who, name);
        let place = kept.place(bearer);
        let known = kept.get(place, bearer).is_some_and(|pass| pass.as_ref().unwrap().is_of(bearer));
        if !known {
            kept.put(place, bearer, Arc::new(Pass::new(bearer, now, GIVEN, "")));
        }
        known
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let serve = &serve;
            scope.spawn(move || {
                for number in 0..20_000 {
                    serve(&format!("{}", number * (1 + thread % 2)));
                }
            });
        }
    });
    // Few, asked for again and again, all have their place.
    let few: Vec<_> = (0..10_000).map(|number| format!("few-{number}")).collect();
    few.iter().for_each(|name| {
        serve(name);
    });
    let again = few.iter().filter(|name| serve(name)).count();
    assert!(again > 9_900, "{again}");
}

#[test]
fn a_folder_keeps_its_key_and_nobody_else_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let published = || Passes::load(folder.path()).unwrap().published().to_owned();
    let first = published();
    assert_eq!(published(), first);
    let path = folder.path().join(FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, b"cut").unwrap();
    assert_ne!(published(), first);
}

#[test]
fn a_name_can_add_no_header() {
    assert_eq!(visible("a\r\nx: y%ü").to_string(), "a%0D%0Ax:%20y%25%C3%BC");
}
