//! From a guest's `wasi:http` request to the port that sends it, and back: words and bodies, and a line in the invocation's
//! log for every request that did not come whole.

use std::sync::Arc;
use std::time::Instant;

use http_body_util::BodyExt;
use modelet_spec::InvocationId;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::log::GuestLog;
use crate::ports::{Outbound, OutboundCall, OutboundError, OutboundFault, OutboundTimes, Place, Stream};

/// An answer as wasmtime takes it, with what is left to do for the request: nothing, the port sees to it.
pub(super) type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// A guest's request in the words of the port.
pub(super) fn call(
    place: &Arc<Place>,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
    deadline: Instant,
    nth: u32,
) -> OutboundCall {
    let own = |error: Error| OutboundError::new(OutboundFault::OwnBody, format!("the request's own body: {error}"));
    let request = request.map(|body| body.map_err(own).boxed_unsync());
    let times = options.map(|options| OutboundTimes {
        connect: options.connect_timeout,
        first_byte: options.first_byte_timeout,
        between_bytes: options.between_bytes_timeout,
    });
    OutboundCall { place: place.clone(), request, deadline, nth, times: times.unwrap_or_default() }
}

/// Sends it. Where that fails, the guest learns the kind, and the log why.
pub(super) async fn send(port: Arc<dyn Outbound>, call: OutboundCall, log: Arc<GuestLog>) -> Sent {
    let (name, invocation) = (name(&call.request), log.invocation());
    match port.send(call).await {
        Ok(response) => {
            let told = move |error: OutboundError| tell(&log, invocation, &name, &error);
            Ok((response.map(|body| body.map_err(told).boxed_unsync()), Box::new(std::future::ready(Ok(())))))
        }
        Err(error) => Err(tell(&log, invocation, &name, &error)),
    }
}

/// The request as logs name it: without path and query, which may hold what no log should.
fn name<B>(request: &http::Request<B>) -> String {
    let uri = request.uri();
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{} {}://{host}{port}", request.method(), uri.scheme_str().unwrap_or_default())
}

fn tell(log: &GuestLog, invocation: InvocationId, name: &str, error: &OutboundError) -> Error {
    // On one line, whatever a server far away has put into it.
    let why: String = error.why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    log.write_of(invocation, Stream::Err, format!("[outbound] {name}: {why}\n").as_bytes());
    code(error.fault)
}

fn code(fault: OutboundFault) -> Error {
    match fault {
        OutboundFault::Denied => Error::HttpRequestDenied,
        OutboundFault::AddressDenied => Error::DestinationIpProhibited,
        OutboundFault::Malformed => Error::HttpRequestUriInvalid,
        OutboundFault::Unresolved => Error::DnsError { rcode: None, info_code: None },
        OutboundFault::Refused => Error::ConnectionRefused,
        OutboundFault::Unreachable => Error::DestinationUnavailable,
        OutboundFault::ConnectTimeout => Error::ConnectionTimeout,
        OutboundFault::Certificate => Error::TlsCertificateError,
        OutboundFault::Tls => Error::TlsProtocolError,
        OutboundFault::TooMany => Error::ConnectionLimitReached,
        OutboundFault::FirstByteTimeout | OutboundFault::BetweenBytesTimeout => Error::ConnectionReadTimeout,
        OutboundFault::TooLong { limit } => Error::HttpResponseBodySize(Some(limit)),
        OutboundFault::Protocol | OutboundFault::OwnBody => Error::HttpProtocolError,
        OutboundFault::Broken => Error::HttpResponseIncomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_names_a_request_without_its_path_query_and_user() {
        let request = http::Request::post("https://u:secret@api.example:8443/reset?token=secret").body(()).unwrap();
        assert_eq!(name(&request), "POST https://api.example:8443");
    }
}
