//! Names that lead elsewhere than they should, and what is then connected to. What a guest meets is in the tests through the
//! front door; here the resolver is the test's.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use modelet_engine::ports::{OutboundTimes, Place};
use modelet_spec::limits::{KeyValueQuota, OutboundLimits};
use modelet_spec::outbound::OutboundRules;
use modelet_spec::{FunctionName, TenantName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A function that may call what these rules name.
pub(super) fn place(rules: &[&str]) -> Place {
    Place {
        tenant: TenantName::default_tenant(),
        function: "f".parse::<FunctionName>().unwrap(),
        keyvalue: KeyValueQuota { keys: 0, bytes: 0, value_bytes: 0 },
        rules: OutboundRules::new(rules.iter().map(|rule| rule.parse().unwrap()).collect()),
        outbound: OutboundLimits { function: 2, tenant: 2, calls: 9, response_bytes: 1000, header_bytes: 8 << 10 },
    }
}

/// Gives these answers, one for each question; then none.
struct Scripted(Mutex<VecDeque<Vec<IpAddr>>>);

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parsed = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parsed).collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: &str) -> Pending<std::io::Result<Vec<IpAddr>>> {
        let answer = self.0.lock().unwrap().pop_front();
        Box::pin(std::future::ready(answer.ok_or_else(|| std::io::Error::other("no such name"))))
    }
}

fn client(resolver: &Arc<Scripted>, private: Private) -> HttpClient {
    let config = OutboundConfig { total: 10, private, roots: tls::roots(None).unwrap() };
    HttpClient::with(config, Arc::clone(resolver) as Arc<dyn Resolve>, &mut Registry::default()).unwrap()
}

async fn get(client: &HttpClient, place: &Place, uri: &str) -> Result<String, OutboundError> {
    nth(client, place, uri, 1).await
}

async fn nth(client: &HttpClient, place: &Place, uri: &str, nth: u32) -> Result<String, OutboundError> {
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get(uri).header("host", "x").body(body).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let call = OutboundCall { place: Arc::new(place.clone()), request, deadline, nth, times: OutboundTimes::default() };
    let body = client.send(call).await?.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

/// Answers each connection with the address that it came to.
async fn listener(address: &str) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let local = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await.unwrap();
            let here = stream.local_addr().unwrap().ip().to_string();
            let length = here.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{here}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    local
}

#[tokio::test]
async fn a_name_that_is_allowed_and_leads_inside_is_refused_and_nobody_is_connected_to() {
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = inside.local_addr().unwrap().port();
    let uri = format!("http://inside.test:{port}/");
    for answer in [&["127.0.0.1"][..], &["::1"], &["::ffff:127.0.0.1"], &["10.0.0.1", "169.254.169.254"]] {
        let client = client(&Scripted::new(&[answer]), Private::Named);
        let error = get(&client, &place(&[&format!("http://inside.test:{port}")]), &uri).await.unwrap_err();
        assert_eq!(error.fault, OutboundFault::AddressDenied, "{answer:?}: {error}");
        assert!(error.why.contains("[outbound] allow"), "the way to allow it is told: {error}");
    }
    let nobody = tokio::time::timeout(Duration::ZERO, inside.accept()).await;
    assert!(nobody.is_err(), "a connection was made");
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_asked_once_and_the_address_that_was_checked_is_used() {
    let port = listener("127.0.0.2:0").await.port();
    let _other = listener(&format!("127.0.0.1:{port}")).await;
    let names = [format!("http://rebind.test:{port}"), format!("http://127.0.0.2:{port}")];
    let place = place(&[&names[0], &names[1]]);
    let resolver = Scripted::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let client = client(&resolver, Private::Named);
    let uri = format!("http://rebind.test:{port}/");
    assert_eq!(get(&client, &place, &uri).await.unwrap(), "127.0.0.2");
    assert_eq!(resolver.left(), 1, "asked once for one request");
    assert_eq!(get(&client, &place, &uri).await.unwrap_err().fault, OutboundFault::AddressDenied);
    assert_eq!(get(&client, &place, &uri).await.unwrap_err().fault, OutboundFault::Unresolved);
}

#[tokio::test]
async fn of_the_addresses_of_a_name_only_the_allowed_ones_are_tried() {
    let port = listener("127.0.0.3:0").await.port();
    let _other = listener(&format!("127.0.0.1:{port}")).await;
    let rules = [format!("http://many.test:{port}"), format!("http://127.0.0.2/31:{port}")];
    let client = client(&Scripted::new(&[&["127.0.0.1", "127.0.0.2", "127.0.0.3"]]), Private::Named);
    let answer = get(&client, &place(&[&rules[0], &rules[1]]), &format!("http://many.test:{port}/")).await;
    assert_eq!(answer.unwrap(), "127.0.0.3", "the first refused by rule, the second by its host, the third answers");
}

#[tokio::test]
async fn an_invocation_sends_as_many_requests_as_it_may_and_no_more() {
    let port = listener("127.0.0.1:0").await.port();
    let origin = format!("http://127.0.0.1:{port}");
    let (client, place) = (client(&Scripted::new(&[]), Private::Named), place(&[&origin]));
    assert_eq!(nth(&client, &place, &format!("{origin}/"), 9).await.unwrap(), "127.0.0.1");
    let error = nth(&client, &place, &format!("{origin}/"), 10).await.unwrap_err();
    assert_eq!(error.fault, OutboundFault::TooMany);
    assert!(error.why.contains("outbound_calls"), "{error}");
}

#[tokio::test]
async fn an_operator_who_lets_nobody_inside_is_obeyed_whatever_a_manifest_names() {
    let port = listener("127.0.0.1:0").await.port();
    let origin = format!("http://127.0.0.1:{port}");
    let open = client(&Scripted::new(&[]), Private::Named);
    assert_eq!(get(&open, &place(&[&origin]), &origin).await.unwrap(), "127.0.0.1");
    let closed = client(&Scripted::new(&[]), Private::Never);
    let error = get(&closed, &place(&[&origin]), &origin).await.unwrap_err();
    assert!(error.fault == OutboundFault::AddressDenied && error.why.contains("private"), "{error}");
}

#[tokio::test]
async fn a_connection_is_given_back_with_the_end_of_its_answer() {
    let port = listener("127.0.0.1:0").await.port();
    let origin = format!("http://127.0.0.1:{port}");
    let client = client(&Scripted::new(&[]), Private::Named);
    for _ in 0..20 {
        assert_eq!(get(&client, &place(&[&origin]), &origin).await.unwrap(), "127.0.0.1");
        assert_eq!(client.shared.permits.open(), 0);
    }
}
