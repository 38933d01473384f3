//! `/auth`, as proxies ask.

use super::{Request, shown, world};
use crate::support::client::Response;
use insta::assert_snapshot;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

fn claims(server: &crate::support::server::Server, answer: &Response) -> Value {
    let published = Request::get("/.well-known/jwks.json").send(server.address).expect(200);
    let set: JwkSet = serde_json::from_slice(&published.body).unwrap();
    let token = answer.header("x-openclaw-token").unwrap();
    let header = decode_header(token).unwrap();
    let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_issuer(&["openclaw"]);
    decode(token, &DecodingKey::from_jwk(jwk).unwrap(), &rules).unwrap().claims
}

#[test]
fn who_may_go_on_is_told_to_what_stands_behind() {
    let world = world();
    let answer = Request::get("/auth")
        .key(&world.key)
        .header("X-OpenClaw-Client", "shop 1")
        .header("X-OpenClaw-Tenant", "globex")
        .header("X-OpenClaw-Token", "forged")
        .header("X-Original-URI", "/v1/orders?x=1")
        .header("X-Original-Method", "POST")
        .send(world.server.address);
    assert_snapshot!(shown(&answer), @r#"
    204
    cache-control: no-store
    x-openclaw-tenant: acme
    x-openclaw-client: shop%201
    x-openclaw-token: …
    ratelimit-policy: "default";q=1000;w=10
    ratelimit: "default";r=999;t=1
    connection: close
    "#);
    let claims = claims(&world.server, &answer);
    assert_eq!((&claims["tenant"], &claims["client"]), (&"acme".into(), &"shop 1".into()));
    assert_eq!(claims["scopes"], serde_json::json!(["limit"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
}

#[test]
fn over_the_limit_nginx_is_told_what_it_understands() {
    let world = world();
    let ask = |target: &str| world.get(target);
    ask("/auth?cost=1000").expect(204);
    let refused = ask("/auth?cost=1000").expect(403);
    assert_eq!(refused.header("x-openclaw-status"), Some("429"));
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert!(refused.header("ratelimit").is_some() && refused.header("x-openclaw-token").is_none());
    let for_others = ask("/auth?cost=1000&deny=429").expect(429);
    assert_eq!(for_others.header("retry-after"), Some("10"));
}

#[test]
fn a_bad_credential_is_told_from_none() {
    let world = world();
    for request in [Request::get("/auth"), Request::get("/auth").key("nobody's")] {
        let answer = request.send(world.server.address).expect(401);
        assert!(answer.header("www-authenticate").is_some());
    }
}

#[test]
fn any_method_may_be_asked_about() {
    let world = world();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        Request::new(method, "/auth").key(&world.key).send(world.server.address).expect(204);
    }
}

#[test]
fn a_name_that_a_proxy_hands_on_has_a_bound() {
    let world = world();
    for target in ["/auth", "/t/acme/auth"] {
        let ask = |bytes: usize| {
            let name = "x".repeat(bytes);
            let request = Request::get(target).key(&world.key).header("X-OpenClaw-Client", &name);
            request.send(world.server.address)
        };
        ask(256).expect(204);
        let refused = ask(257).expect(400);
        assert!(refused.text().contains("X-OpenClaw-Client"), "{}", refused.text());
    }
}
