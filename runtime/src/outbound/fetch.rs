//! Small documents that the server itself fetches: the keys of issuers of tokens.
//!
//! By the rules of what functions send: the name is resolved once, and exactly an address that may be connected to is. One that is not
//! public must be named beside the URL. No redirect is followed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT, HOST, USER_AGENT};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use modelet_control::{FetchJwks, Fetching, JWKS_BYTES_MAX};
use modelet_engine::ports::{OutboundError, OutboundFault};
use modelet_spec::outbound::{OutboundRule, OutboundRules};

use super::Private;
use super::connect::Connector;
use super::resolve::SystemResolver;
use super::target::Target;

/// From the look-up of the name to the last byte.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Of the head of the answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Fetches keys.
pub(crate) struct Fetcher {
    connector: Arc<Connector>,
}

impl Fetcher {
    /// One that trusts these authorities.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(roots: rustls::RootCertStore) -> Result<Self, rustls::Error> {
        let resolver = Arc::new(SystemResolver::default());
        Ok(Self { connector: Arc::new(Connector::new(resolver, Private::Named, roots)?) })
    }
}

impl FetchJwks for Fetcher {
    fn fetch(&self, url: &str, allow: &[OutboundRule]) -> Fetching {
        let (connector, url, allow) = (Arc::clone(&self.connector), url.to_owned(), allow.to_vec());
        Box::pin(async move {
            let late = |_| format!("it took longer than {} s", TIME_MAX.as_secs());
            tokio::time::timeout(TIME_MAX, get(&connector, &url, allow)).await.map_err(late)?
        })
    }
}

async fn get(connector: &Connector, url: &str, allow: Vec<OutboundRule>) -> Result<Vec<u8>, String> {
    let request = http::Request::get(url).header(ACCEPT, "application/json").header(USER_AGENT, "modelet");
    let mut request = request.body(Empty::<hyper::body::Bytes>::new()).map_err(|error| error.to_string())?;
    let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    request.headers_mut().insert(HOST, authority.parse().map_err(|_| "its host is no host".to_owned())?);
    let target = Target::of(&request).map_err(|error| error.why)?;
    let rules = OutboundRules::new(allow);
    let stream = connector.connect(&rules, &target, Instant::now() + TIME_MAX).await.map_err(told)?;
    *request.uri_mut() = target.path;
    let mut client = http1::Builder::new();
    client.max_buf_size(HEAD_BYTES_MAX);
    let broken = |error: hyper::Error| format!("the exchange failed: {error}");
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    if status.is_redirection() {
        return Err(format!("it answered {status}, and no redirect is followed: name the place itself"));
    }
    if !status.is_success() {
        return Err(format!("it answered {status}"));
    }
    let max = usize::try_from(JWKS_BYTES_MAX).unwrap_or(usize::MAX);
    let body = Limited::new(response.into_body(), max).collect().await.map_err(|error| error.to_string())?;
    drop(driver);
    Ok(body.to_bytes().to_vec())
}

/// What functions are told, in the words of this place.
fn told(error: OutboundError) -> String {
    match error.fault {
        OutboundFault::AddressDenied => {
            let what = error.why.split(';').next().unwrap_or_default();
            format!("{what}; if that is meant, name the address in `jwks_allow`")
        }
        _ => error.why,
    }
}

/// Ends the connection with the exchange.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
