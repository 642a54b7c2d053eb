//! The admin API's client: blocking, one request at a time, every failure a line for a person.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use modelet_control::wire::{Blob, Problem};
use modelet_spec::TenantName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::WithBody;
use ureq::{Agent, Body, RequestBuilder, SendBody};
use zeroize::Zeroizing;

use super::ServerArgs;
use super::change::Held;
use super::find::{Found, Trust};
use super::output::Progress;
use crate::certificates;

/// A server that does not take a connection in this time is taken for gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// More than any answer of the admin API has.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A client of one server.
pub(crate) struct Client {
    agent: Agent,
    found: Found,
    tenant: Option<TenantName>,
    /// The thing that it changes, where others must not have changed it.
    held: Option<Held>,
}

impl Client {
    /// A client of the server that the flags mean.
    pub(crate) fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        let found = Found::of(args)?;
        Ok(Self { agent: agent(&found.trust)?, found, tenant: args.tenant.clone(), held: None })
    }

    /// The same, sending what belongs to another tenant.
    pub(crate) fn speaking_for(&self, tenant: &TenantName) -> Self {
        let (agent, found, held) = (self.agent.clone(), self.found.clone(), self.held.clone());
        Self { agent, found, tenant: Some(tenant.clone()), held }
    }

    /// The same, changing a thing only as it was read.
    pub(crate) fn holding(&self, held: &Held) -> Self {
        let (agent, found, tenant) = (self.agent.clone(), self.found.clone(), self.tenant.clone());
        Self { agent, found, tenant, held: Some(held.clone()) }
    }

    /// The thing that it changes.
    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Whose certificates are believed.
    pub(crate) fn trust(&self) -> &Trust {
        &self.found.trust
    }

    /// The address of the admin API.
    pub(crate) fn admin_url(&self) -> &str {
        &self.found.admin_url
    }

    /// The address of the data plane.
    pub(crate) fn data_url(&self) -> anyhow::Result<String> {
        match &self.found.data_url {
            Some(url) => Ok(url.clone()),
            None => Ok(self.get::<modelet_control::wire::Server>("/v1/server")?.data_url),
        }
    }

    /// Reads a resource.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let request = self.agent.get(self.url(path));
        self.answer(self.signed(request).call())
    }

    /// Sends JSON.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.change(|change| Ok(change.signed(self.agent.post(self.url(path))).send_json(body)))
    }

    /// Asks for something that needs no body, by POST.
    pub(crate) fn post_nothing<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.change(|change| Ok(change.signed(self.agent.post(self.url(path))).send_empty()))
    }

    /// Asks for something that needs no body, by PUT.
    pub(crate) fn put<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.change(|change| Ok(change.signed(self.agent.put(self.url(path))).send_empty()))
    }

    /// Sends JSON to a resource.
    pub(crate) fn put_json<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.change(|change| Ok(change.signed(self.agent.put(self.url(path))).send_json(body)))
    }

    /// Changes a part of a resource.
    pub(crate) fn patch_json<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.change(|change| Ok(change.signed(self.agent.patch(self.url(path))).send_json(body)))
    }

    /// Takes something away.
    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.change(|change| Ok(change.signed(self.agent.delete(self.url(path))).call()))
    }

    /// Sends a file as a new blob.
    pub(crate) fn push_blob(&self, file: &Path) -> anyhow::Result<Blob> {
        let path = query("/v1/blobs", &[("tenant", self.tenant.as_ref().map(ToString::to_string))]);
        self.change_nothing_held(|change| send_file(change.signed(self.agent.post(self.url(&path))), file))
    }

    /// Sends a file to `path`.
    pub(crate) fn put_file<T: DeserializeOwned>(&self, path: &str, file: &Path) -> anyhow::Result<T> {
        self.change(|change| send_file(change.signed(self.agent.put(self.url(path))), file))
    }

    /// Sends bytes to `path`.
    pub(crate) fn put_bytes<T: DeserializeOwned>(&self, path: &str, bytes: &[u8]) -> anyhow::Result<T> {
        self.change(|change| {
            let request = change.signed(self.agent.put(self.url(path)));
            Ok(request.header("content-type", "application/octet-stream").send(bytes))
        })
    }

    /// Sends an archive to `path`, by POST, perhaps with the passphrase of what is in it.
    pub(crate) fn post_archive<T: DeserializeOwned>(
        &self,
        path: &str,
        file: &Path,
        passphrase: Option<&[u8]>,
    ) -> anyhow::Result<T> {
        let request = || with_passphrase(self.agent.post(self.url(path)), passphrase);
        self.change(|change| send_file(change.signed(request()), file))
    }

    /// Reads a resource of any length, in pieces, perhaps under a passphrase.
    pub(crate) fn stream(&self, path: &str, passphrase: Option<&[u8]>) -> anyhow::Result<impl Read + 'static> {
        let result = with_passphrase(self.signed(self.agent.get(self.url(path))), passphrase).call();
        let response = result.map_err(|e| unreachable(&self.found.admin_url, &e))?;
        if response.status().is_success() {
            return Ok(response.into_body().into_with_config().limit(u64::MAX).reader());
        }
        Err(self.answered(Ok(response)).err().unwrap_or_else(|| anyhow!("the server gave no answer")))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.found.admin_url)
    }

    pub(super) fn signed<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.found.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
    }

    /// Reads a resource that is no JSON.
    pub(crate) fn text(&self, path: &str) -> anyhow::Result<String> {
        let request = self.agent.get(self.url(path));
        self.answered(self.signed(request).call())
    }

    pub(super) fn answer<T: DeserializeOwned>(&self, result: Result<Response<Body>, ureq::Error>) -> anyhow::Result<T> {
        serde_json::from_str(&self.answered(result)?)
            .with_context(|| format!("{} does not answer like a Modelet server of this version", self.found.admin_url))
    }

    fn answered(&self, result: Result<Response<Body>, ureq::Error>) -> anyhow::Result<String> {
        let response = result.map_err(|e| unreachable(&self.found.admin_url, &e))?;
        let status = response.status();
        let text = read(response)?;
        if status.is_success() {
            return Ok(text);
        }
        Err(self.refusal(status, &text))
    }

    /// What an answer says that is none of those that were hoped for.
    pub(super) fn refusal(&self, status: StatusCode, text: &str) -> anyhow::Error {
        let none = || anyhow!("{} answered {status}: is it a Modelet server?", self.found.admin_url);
        refused(text).unwrap_or_else(none)
    }
}

/// A path with those parameters that have a value. Names need no escaping: their grammar is narrower than a query's.
pub(crate) fn query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
    let given: Vec<String> = given.collect();
    if given.is_empty() { path.to_owned() } else { format!("{path}?{}", given.join("&")) }
}

/// A request that says how much will come and waits for a word before it comes: a refusal (too large, no key) is then
/// an answer, and not a connection that breaks while a gigabyte is being sent.
fn announced<B>(request: RequestBuilder<B>, bytes: String) -> RequestBuilder<B> {
    request.header("content-length", bytes).header("expect", "100-continue")
}

/// Sends a file.
fn send_file(request: RequestBuilder<WithBody>, file: &Path) -> anyhow::Result<Result<Response<Body>, ureq::Error>> {
    let (reader, bytes) = open(file)?;
    Ok(announced(request, bytes).send(SendBody::from_owned_reader(reader)))
}

/// In base64: any text fits a header then.
fn with_passphrase<B>(request: RequestBuilder<B>, passphrase: Option<&[u8]>) -> RequestBuilder<B> {
    match passphrase {
        Some(passphrase) => {
            let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(passphrase));
            request.header("modelet-passphrase", encoded.as_str())
        }
        None => request,
    }
}

/// An agent that leaves the judgement of a status to its user.
pub(crate) fn agent(trust: &Trust) -> anyhow::Result<Agent> {
    let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(CONNECT_TIMEOUT));
    // No proxy: a local server is not to be asked for through one, and its key not to be shown to it.
    Ok(config.proxy(None).tls_config(tls(trust)?).build().into())
}

fn tls(trust: &Trust) -> anyhow::Result<TlsConfig> {
    let config = TlsConfig::builder();
    Ok(match trust {
        Trust::Own => config.disable_verification(true).build(),
        Trust::Authorities(None) => config.root_certs(RootCerts::WebPki).build(),
        Trust::Authorities(Some(file)) => {
            let read = certificates::read(file).map_err(|why| anyhow!("--ca-file {why}"))?;
            let certificates: Vec<Certificate<'static>> =
                read.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            config.root_certs(RootCerts::new_with_certs(&certificates)).build()
        }
    })
}

/// A problem as an error.
pub(crate) fn refused(body: &str) -> Option<anyhow::Error> {
    let problem: Problem = serde_json::from_str(body).ok()?;
    Some(Refused { detail: problem.detail, code: problem.code }.into())
}

/// What a server refused.
#[derive(Debug)]
pub(crate) struct Refused {
    detail: String,
    /// Why, for a program.
    pub(crate) code: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

impl std::error::Error for Refused {}

/// A transport's failure as an error.
pub(crate) fn unreachable(url: &str, error: &ureq::Error) -> anyhow::Error {
    match error {
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
            anyhow!(
                "no server listens at {url}: start one with `modelet serve`, or name another by --data-dir or --url"
            )
        }
        other => anyhow!("{url} could not be asked: {other}"),
    }
}

/// An answer's text.
pub(super) fn read(mut response: Response<Body>) -> anyhow::Result<String> {
    response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().context("the server's answer broke off")
}

fn open(file: &Path) -> anyhow::Result<(impl Read + 'static, String)> {
    let open = || -> std::io::Result<_> {
        let handle = std::fs::File::open(file)?;
        let metadata = handle.metadata()?;
        Ok((handle, metadata))
    };
    let (handle, metadata) = open().map_err(|e| anyhow!("{} cannot be sent: {e}", file.display()))?;
    if metadata.is_dir() {
        bail!("{} is a folder: name a file", file.display());
    }
    let bytes = metadata.len();
    Ok((Progress::new(handle.take(bytes), &format!("sending {}", file.display()), bytes), bytes.to_string()))
}
