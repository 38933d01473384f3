//! gRPC from outside: Envoy's rate-limit service, health, reflection.

mod hostile;
mod leaving;
mod messages;

use crate::pki::Ca;
use crate::support::server::{SILENT, Server};
use crate::support::{Folder, until_some};
use messages::{Descriptor, Entry, RateLimitRequest, RateLimitResponse};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
const OK: i32 = 1;
const OVER_LIMIT: i32 = 2;

/// What every tenant has without settings of its own.
const POLICY: &str = "default";
const BURST: u32 = 1000;

struct World {
    server: Server,
    keys: [String; 2],
    channel: Channel,
    runtime: Runtime,
    _folder: Folder,
}

const PLAIN: &str = "listen: { http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\" }\n";

impl World {
    fn new(service: &str) -> Self {
        let folder = Folder::with_service(service, &[("acme", SILENT), ("globex", SILENT)]);
        let keys = [folder.key("acme", "limit"), folder.key("globex", "limit,read")];
        let server = folder.serve();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let target = format!("http://{}", server.grpc());
        let channel = runtime.block_on(Channel::from_shared(target).unwrap().connect()).unwrap();
        Self { server, keys, channel, runtime, _folder: folder }
    }

    fn ask_with(
        &self,
        metadata: &[(&'static str, &str)],
        request: RateLimitRequest,
    ) -> Result<RateLimitResponse, Status> {
        let mut request = Request::new(request);
        for (name, value) in metadata {
            request.metadata_mut().append(*name, value.parse().unwrap());
        }
        self.runtime.block_on(async {
            let mut client = tonic::client::Grpc::new(self.channel.clone());
            client.ready().await.unwrap();
            let path = SHOULD_RATE_LIMIT.parse().unwrap();
            let codec = ProstCodec::<RateLimitRequest, RateLimitResponse>::default();
            client.unary(request, path, codec).await.map(tonic::Response::into_inner)
        })
    }

    #[track_caller]
    fn ask(&self, descriptors: Vec<Descriptor>) -> RateLimitResponse {
        let bearer = format!("Bearer {}", self.keys[0]);
        self.ask_with(&[("authorization", &bearer)], asked(descriptors)).unwrap()
    }
}

fn asked(descriptors: Vec<Descriptor>) -> RateLimitRequest {
    RateLimitRequest { domain: POLICY.to_owned(), descriptors, hits_addend: 0 }
}

fn client(name: &str) -> Descriptor {
    let entry = Entry { key: "client".to_owned(), value: name.to_owned() };
    Descriptor { entries: vec![entry], ..Descriptor::default() }
}

fn hits(name: &str, hits: u32) -> Descriptor {
    Descriptor { hits_addend: Some(hits.into()), ..client(name) }
}

fn codes(response: &RateLimitResponse) -> Vec<i32> {
    response.statuses.iter().map(|status| status.code).collect()
}

#[test]
fn a_client_goes_on_until_its_bucket_is_empty() {
    let world = World::new(PLAIN);
    let first = world.ask(vec![hits("a", BURST / 2)]);
    assert_eq!((first.overall_code, codes(&first)), (OK, vec![OK]));
    let limit = first.statuses[0].current_limit.as_ref().unwrap();
    assert_eq!((limit.requests_per_unit, limit.unit, limit.name.as_str()), (100, 1, POLICY));
    assert!(first.statuses[0].limit_remaining < BURST);
    let headers: Vec<_> = first.response_headers_to_add.iter().map(|header| header.key.as_str()).collect();
    assert_eq!(headers, ["ratelimit-policy", "ratelimit"]);

    let over = world.ask(vec![hits("a", BURST)]);
    assert_eq!((over.overall_code, codes(&over)), (OVER_LIMIT, vec![OVER_LIMIT]));
    let retry = over.response_headers_to_add.iter().find(|header| header.key == "retry-after").unwrap();
    assert!(retry.value.parse::<u64>().unwrap() >= 1);
    // Nobody else is held, and a question takes nothing.
    assert_eq!(world.ask(vec![hits("b", BURST)]).overall_code, OK);
    let before = world.ask(vec![hits("c", 0)]).statuses[0].limit_remaining;
    assert_eq!((before, world.ask(vec![hits("c", 0)]).statuses[0].limit_remaining), (BURST, BURST));
}

#[test]
fn hits_of_a_descriptor_win_and_can_be_given_back() {
    let world = World::new(PLAIN);
    let bearer = format!("Bearer {}", world.keys[0]);
    let both = RateLimitRequest { hits_addend: 500, ..asked(vec![client("a"), hits("b", 900)]) };
    let said = world.ask_with(&[("authorization", &bearer)], both).unwrap();
    let left: Vec<_> = said.statuses.iter().map(|status| status.limit_remaining).collect();
    assert!((500..560).contains(&left[0]) && (100..160).contains(&left[1]), "{left:?}");
    let back = Descriptor { is_negative_hits: true, ..hits("b", 400) };
    let said = world.ask(vec![client("a"), back, client("c")]);
    assert_eq!(codes(&said), [OK; 3]);
    assert!((500..600).contains(&said.statuses[1].limit_remaining), "{said:?}");
}

#[test]
fn one_over_its_limit_holds_all_and_takes_from_none() {
    let world = World::new(PLAIN);
    assert_eq!(world.ask(vec![hits("a", BURST)]).overall_code, OK);
    let said = world.ask(vec![hits("b", 700), hits("a", 500), hits("c", 1)]);
    assert_eq!((said.overall_code, codes(&said)), (OVER_LIMIT, vec![OK, OVER_LIMIT, OK]));
    assert_eq!(world.ask(vec![hits("b", BURST)]).overall_code, OK, "nothing had been taken");
}

#[test]
fn entries_make_a_client_in_their_order_and_unknown_domains_are_free() {
    let world = World::new(PLAIN);
    let entry = |value: &str| Entry { key: "k".to_owned(), value: value.to_owned() };
    let of = |values: &[&str], hits| Descriptor {
        entries: values.iter().copied().map(entry).collect(),
        hits_addend: Some(hits),
        is_negative_hits: false,
    };
    assert_eq!(world.ask(vec![of(&["a", "b"], 1000)]).overall_code, OK);
    assert_eq!(world.ask(vec![of(&["a", "b"], 500)]).overall_code, OVER_LIMIT);
    for others in [&["b", "a"][..], &["ab"], &["a", "b", ""], &["a"]] {
        assert_eq!(world.ask(vec![of(others, 1000)]).overall_code, OK, "{others:?}");
    }
    let bearer = format!("Bearer {}", world.keys[0]);
    let elsewhere = RateLimitRequest { domain: "nobody's".to_owned(), ..asked(vec![hits("a", 5000)]) };
    let said = world.ask_with(&[("authorization", &bearer)], elsewhere).unwrap();
    assert_eq!((said.overall_code, codes(&said)), (OK, vec![OK]));
    assert_eq!(said.statuses[0].limit_remaining, u32::MAX);
}

#[test]
fn only_a_key_for_limits_is_taken_and_it_alone_names_the_tenant() {
    let world = World::new(PLAIN);
    let code = |metadata: &[(&'static str, &str)]| {
        world.ask_with(metadata, asked(vec![client("a")])).map_or_else(|refused| refused.code(), |_| Code::Ok)
    };
    let [acme, globex] = world.keys.each_ref().map(|key| format!("Bearer {key}"));
    let read = format!("Bearer {}", world._folder.key("acme", "read"));
    let forged = format!("Bearer {}x", &world.keys[0][..31]);
    for (metadata, want) in [
        (&[][..], Code::Unauthenticated),
        (&[("authorization", "Bearer nonsense")], Code::Unauthenticated),
        (&[("authorization", &forged)], Code::Unauthenticated),
        (&[("authorization", &acme)], Code::Ok),
        (&[("authorization", &acme), ("x-scope-orgid", "acme")], Code::Ok),
        (&[("authorization", &acme), ("x-scope-orgid", "globex")], Code::PermissionDenied),
        (&[("authorization", &acme), ("authorization", &globex)], Code::InvalidArgument),
    ] {
        assert_eq!(code(metadata), want, "{metadata:?}");
    }
    until_some("the new key is known", || {
        (code(&[("authorization", &read)]) == Code::PermissionDenied).then_some(())
    });
    // Each tenant's client of a name is another one.
    let take = |key: &str| {
        world.ask_with(&[("authorization", key)], asked(vec![hits("same", BURST)])).unwrap().overall_code
    };
    assert_eq!([take(&acme), take(&globex), take(&acme)], [OK, OK, OVER_LIMIT]);
}

#[test]
fn without_a_credential_the_anonymous_tenant_answers() {
    let world = World::new(&format!("{PLAIN}auth: {{ anonymous_tenant: acme }}\n"));
    let ask = |metadata: &[(&'static str, &str)]| world.ask_with(metadata, asked(vec![hits("a", BURST)]));
    assert_eq!(ask(&[]).unwrap().overall_code, OK);
    assert_eq!(ask(&[("x-scope-orgid", "acme")]).unwrap().overall_code, OVER_LIMIT);
    assert_eq!(ask(&[("x-scope-orgid", "globex")]).unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(ask(&[("authorization", "Bearer nonsense")]).unwrap_err().code(), Code::Unauthenticated);
    // What has been taken stays taken.
    let back = || asked(vec![client("other"), Descriptor { is_negative_hits: true, ..hits("a", BURST) }]);
    assert_eq!(world.ask_with(&[], back()).unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(ask(&[]).unwrap().overall_code, OVER_LIMIT);
    let bearer = format!("Bearer {}", world.keys[0]);
    world.ask_with(&[("authorization", &bearer)], back()).unwrap();
    assert_eq!(ask(&[]).unwrap().overall_code, OK);
}

#[test]
fn what_cannot_be_decided_is_refused_with_its_field() {
    let world = World::new(PLAIN);
    let bearer = format!("Bearer {}", world.keys[0]);
    for (request, field) in [
        (RateLimitRequest { domain: String::new(), ..asked(vec![client("a")]) }, "`domain`"),
        (asked(vec![]), "`descriptors`"),
        (asked(vec![Descriptor::default()]), "`entries`"),
    ] {
        let refused = world.ask_with(&[("authorization", &bearer)], request).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field), "{refused:?}");
    }
    let long = asked(vec![client(&"x".repeat(70 << 10))]);
    let refused = world.ask_with(&[("authorization", &bearer)], long).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
}

async fn health(channel: &Channel) -> Option<i32> {
    let service = "envoy.service.ratelimit.v3.RateLimitService".to_owned();
    let mut client = HealthClient::new(channel.clone());
    client.check(HealthCheckRequest { service }).await.ok().map(|said| said.into_inner().status)
}

#[test]
fn health_and_reflection_need_no_credential() {
    let world = World::new(PLAIN);
    let (channel, runtime) = (world.channel.clone(), &world.runtime);
    assert_eq!(runtime.block_on(health(&channel)), Some(ServingStatus::Serving as i32));
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let services = runtime.block_on(async {
        let mut client = ServerReflectionClient::new(channel);
        let said = client.server_reflection_info(tokio_stream_of(request)).await.unwrap();
        match said.into_inner().message().await.unwrap().unwrap().message_response {
            Some(MessageResponse::ListServicesResponse(said)) => said.service,
            other => panic!("{other:?}"),
        }
    });
    let mut names: Vec<_> = services.into_iter().map(|service| service.name).collect();
    names.sort();
    insta::assert_debug_snapshot!(names);
    let unknown = world.runtime.block_on(async {
        let mut client = tonic::client::Grpc::new(world.channel.clone());
        client.ready().await.unwrap();
        let codec = ProstCodec::<RateLimitRequest, RateLimitResponse>::default();
        let path = "/nobodys.Service/Method".parse().unwrap();
        client.unary(Request::new(asked(vec![])), path, codec).await.unwrap_err().code()
    });
    assert_eq!(unknown, Code::Unimplemented);
}

fn tokio_stream_of<T: Send + 'static>(one: T) -> impl tonic::IntoStreamingRequest<Message = T> {
    Request::new(tonic::codegen::tokio_stream::once(one))
}

#[test]
fn a_stop_says_so_to_those_who_watch_and_waits_for_nobody() {
    let mut world = World::new(PLAIN);
    let mut watched = world.runtime.block_on(async {
        let watch = HealthCheckRequest { service: String::new() };
        let mut statuses = HealthClient::new(world.channel.clone()).watch(watch).await.unwrap().into_inner();
        assert_eq!(statuses.message().await.unwrap().unwrap().status, ServingStatus::Serving as i32);
        statuses
    });
    let began = Instant::now();
    world.server.terminate();
    world.runtime.block_on(async {
        let status = watched.message().await.unwrap().unwrap().status;
        assert_eq!(status, ServingStatus::NotServing as i32);
        assert_eq!(watched.message().await.unwrap_err().code(), Code::Unavailable);
    });
    assert!(world.server.wait().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn tls_is_that_of_http_and_speaks_h2() {
    let ca = Ca::new("servers");
    let service = "listen: { http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\", \
                   tls: { cert_file: server.crt, key_file: server.key } }\n";
    let folder = Folder::with_service(service, &[("acme", SILENT)]);
    ca.server().write(folder.path(), "server");
    let server = folder.serve();
    // This client offers both.
    let client = crate::pki::Client::new(&ca, None);
    for (address, spoken) in [(server.grpc(), &b"h2"[..]), (server.address, b"http/1.1")] {
        assert_eq!(client.connect(address).unwrap().conn.alpn_protocol(), Some(spoken));
    }
}
