//! How the command line changes something: under a name of its own, so that it can be sent again when the connection breaks and is done
//! once (`Idempotency-Key`); and where that is said, only if nobody else has changed the thing meanwhile (`If-Match`).

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;
use std::time::Duration;

use anyhow::anyhow;
use modelet_control::wire::Problem;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Body, RequestBuilder};

use super::client::{Client, read};

/// How long is waited before a request whose connection broke is sent again, once.
const BROKEN_PAUSE: Duration = Duration::from_millis(100);
/// How often is asked for the answer to a request that goes on at the server.
const UNDER_WAY_PAUSE: Duration = Duration::from_secs(1);
/// How often at most: nothing that is asked for takes longer than that.
const UNDER_WAY_MAX: u32 = 1800;
/// The code of the refusal as long as it goes on.
const UNDER_WAY: &str = "request-under-way";

/// A thing as it was read. Every change of it is made to that, or not at all; each answer says how it is then.
#[derive(Debug, Clone)]
pub(crate) struct Held(Rc<RefCell<Option<String>>>);

impl Held {
    /// With this ETag; `None`: it is not there.
    pub(crate) fn new(etag: Option<String>) -> Self {
        Self(Rc::new(RefCell::new(etag)))
    }

    fn condition(&self) -> (&'static str, String) {
        match &*self.0.borrow() {
            Some(etag) => ("if-match", etag.clone()),
            None => ("if-none-match", "*".to_owned()),
        }
    }

    fn changed(&self, response: &Response<Body>) {
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok());
        *self.0.borrow_mut() = etag.map(str::to_owned);
    }
}

/// What a change is sent with.
pub(crate) struct Change<'a> {
    client: &'a Client,
    name: String,
    condition: Option<(&'static str, String)>,
}

impl Change<'_> {
    /// A request with all of that.
    pub(crate) fn signed<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let request = self.client.signed(request).header("idempotency-key", &self.name);
        match &self.condition {
            Some((name, value)) => request.header(*name, value),
            None => request,
        }
    }
}

impl Client {
    /// Makes a change; `send` sends it, each time anew.
    pub(super) fn change<T: DeserializeOwned>(
        &self,
        send: impl Fn(&Change<'_>) -> anyhow::Result<Result<Response<Body>, ureq::Error>>,
    ) -> anyhow::Result<T> {
        self.change_held(self.held(), send)
    }

    /// The same for what has no ETag.
    pub(super) fn change_nothing_held<T: DeserializeOwned>(
        &self,
        send: impl Fn(&Change<'_>) -> anyhow::Result<Result<Response<Body>, ureq::Error>>,
    ) -> anyhow::Result<T> {
        self.change_held(None, send)
    }

    fn change_held<T: DeserializeOwned>(
        &self,
        held: Option<&Held>,
        send: impl Fn(&Change<'_>) -> anyhow::Result<Result<Response<Body>, ureq::Error>>,
    ) -> anyhow::Result<T> {
        let change = Change { client: self, name: name(), condition: held.map(Held::condition) };
        let mut sent = send(&change)?;
        if sent.as_ref().is_err_and(is_broken) {
            std::thread::sleep(BROKEN_PAUSE);
            sent = send(&change)?;
        }
        for _ in 0..UNDER_WAY_MAX {
            let Ok(response) = sent else { break };
            let status = response.status();
            if status.is_success() {
                held.iter().for_each(|held| held.changed(&response));
                return self.answer(Ok(response));
            }
            let text = read(response)?;
            if !is_under_way(&text) {
                return Err(self.refusal(status, &text));
            }
            std::thread::sleep(UNDER_WAY_PAUSE);
            sent = send(&change)?;
        }
        match sent {
            Ok(_) => Err(anyhow!("the server has not done it yet; look later whether it was done")),
            failed => self.answer(failed),
        }
    }
}

/// Whether the server may have had the request when its connection ended.
fn is_broken(error: &ureq::Error) -> bool {
    use std::io::ErrorKind as E;
    match error {
        ureq::Error::Io(error) => {
            matches!(error.kind(), E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe | E::UnexpectedEof)
        }
        _ => false,
    }
}

fn is_under_way(text: &str) -> bool {
    serde_json::from_str::<Problem>(text).is_ok_and(|problem| problem.code == UNDER_WAY)
}

/// A name that no other request has.
fn name() -> String {
    // Each state is seeded at random.
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_requests_have_one_name() {
        let names: BTreeSet<String> = (0..1000).map(|_| name()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == 32));
    }

    #[test]
    fn what_is_not_there_is_made_only_if_it_is_not_there() {
        assert_eq!(Held::new(None).condition(), ("if-none-match", "*".to_owned()));
        assert_eq!(Held::new(Some("\"1\"".to_owned())).condition(), ("if-match", "\"1\"".to_owned()));
    }
}
