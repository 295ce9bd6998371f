//! Registries of images: a client of the OCI distribution-spec v1.1.
//!
//! | to | use |
//! |---|---|
//! | read `HOST/REPOSITORY:TAG` | [`Reference`] |
//! | talk to a registry | [`Registry`] |
//! | find who is logged in | [`CredentialFiles`] |
//! | remember where blobs lie | [`Places`] |
//!
//! Blobs stream: memory is bounded by one chunk ([`CHUNK`]) for each blob under way. What is received is compared with
//! its digest; what breaks off is continued. Credentials and tokens go to the registry and to the token server that it
//! names, over https or within this machine, and to no other host: redirects are followed without them.
//!
//! Left out: the referrers API, deletion, and digests other than SHA-256. Docker's own API of version 1 is not spoken.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::blocking::{Body, Client, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};

use crate::transport::{
    Failure, MAX_WAIT, TransportError, TransportOptions, chain, client, persist, persist_while, retry_after,
};

mod authorization;
mod blob;
mod challenge;
mod credentials;
mod error;
mod manifest;
mod places;
mod reference;
mod upload;

use authorization::{Authorization, Scope};
pub use credentials::{CredentialError, CredentialFiles, Credentials};
pub use error::{Fault, Item, RegistryError};
pub use manifest::{INDEX_TYPES, MANIFEST_TYPES, Manifest};
pub use places::Places;
use reference::{DOCKER_HUB, is_loopback};
pub use reference::{Reference, ReferenceError};
pub use upload::{CHUNK, Mounted, Upload};

/// Where Docker Hub's registry is.
const HUB_HOST: &str = "registry-1.docker.io";
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;
/// How much of an error's body is read.
const MAX_ERROR: u64 = 8 << 10;
/// The slowest that bytes may go, in bytes a second, before a request counts as dead.
const SLOWEST: u64 = 16 << 10;

/// One registry. Clones share connections and tokens, and can be used by several threads.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    base: Url,
    options: TransportOptions,
    /// For this machine's own addresses: without proxies.
    near: Client,
    /// For all others, and why it cannot use https, if so.
    far: (Client, Option<Arc<str>>),
    files: CredentialFiles,
    authorization: Mutex<Authorization>,
}

/// A request to be sent, once or several times.
struct Call<'a> {
    method: Method,
    url: Url,
    scope: &'a Scope,
    headers: HeaderMap,
    /// Makes the body, with its length.
    body: Option<&'a dyn Fn() -> Result<(Body, u64), Fault>>,
}

impl<'a> Call<'a> {
    fn new(method: Method, url: Url, scope: &'a Scope) -> Self {
        Call { method, url, scope, headers: HeaderMap::new(), body: None }
    }
}

impl Registry {
    /// The registry of a reference; no connection is made yet.
    pub fn new(
        registry: &str,
        options: TransportOptions,
        files: CredentialFiles,
    ) -> Result<Self, TransportError> {
        let host = if registry == DOCKER_HUB { HUB_HOST } else { registry };
        let scheme = if is_loopback(host) { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/v2/"))
            .map_err(|_| TransportError::Scheme { url: registry.to_owned() })?;
        let none = reqwest::redirect::Policy::none;
        let (near, _) = client(&options, |builder| builder.redirect(none()).no_proxy().tls_certs_only([]))?;
        let far = client(&options, |builder| builder.redirect(none()))?;
        let authorization = Mutex::new(Authorization::default());
        let name = registry.to_owned();
        Ok(Registry { inner: Arc::new(Inner { name, base, options, near, far, files, authorization }) })
    }

    /// Its host and port, as references have it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    fn url(&self, path: &str) -> Result<Url, Fault> {
        self.inner.base.join(path).map_err(|_| Fault::Answer(format!("`{}` is no path", error::words(path))))
    }

    /// An address that the registry has given, which may be relative to the one it was asked at.
    fn follow(&self, from: &Url, location: Option<&HeaderValue>) -> Result<Url, Fault> {
        let text = location
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| Fault::Answer("it has no Location".to_owned()))?;
        let url = from
            .join(text)
            .map_err(|_| Fault::Answer(format!("its Location `{}` is no URL", error::words(text))))?;
        self.check_address(&url).map(|()| url)
    }

    /// https, or http within this machine for a registry that is there itself.
    fn check_address(&self, url: &Url) -> Result<(), Fault> {
        let near = is_near(url) && is_near(&self.inner.base);
        if url.scheme() == "https" || url.scheme() == "http" && near {
            return Ok(());
        }
        Err(Fault::Insecure(error::words(url.as_str().split('?').next().unwrap_or_default())))
    }

    /// The error of something in a repository.
    fn error(&self, repository: &str, item: Option<Item>, fault: Fault) -> RegistryError {
        RegistryError { registry: self.inner.name.clone(), repository: repository.to_owned(), item, fault }
    }

    /// Repeats what failed for a passing reason.
    fn persist<T>(&self, attempt: impl FnMut() -> Result<T, Failure<Fault>>) -> Result<T, Fault> {
        persist(self.inner.options.retries, self.inner.options.backoff, attempt)
    }

    /// The same for a blob, as long as more and more of it goes or comes: an attempt tells how much there is.
    fn persist_while(&self, attempt: impl FnMut() -> (u64, Result<(), Failure<Fault>>)) -> Result<(), Fault> {
        persist_while(self.inner.options.retries, self.inner.options.backoff, attempt)
    }

    /// Sends a request to the registry, with what shows who asks. The answer is a success, a redirect, or one of
    /// 4xx that the caller has to judge.
    fn send(&self, call: &Call<'_>) -> Result<Response, Failure<Fault>> {
        let is_own = is_same_origin(&call.url, &self.inner.base);
        let authorization = if is_own { self.authorization(call.scope)? } else { None };
        let response = self.send_as(call, authorization.as_ref())?;
        if response.status() != StatusCode::UNAUTHORIZED || !is_own {
            return judge(response, self.is_known(call.scope));
        }
        let challenges = response.headers().get_all(WWW_AUTHENTICATE);
        let challenge = challenge::choose(challenges.iter().filter_map(|value| value.to_str().ok()));
        let again = self.challenged(call.scope, challenge, authorization.as_ref())?;
        let response = match again {
            Some(again) => self.send_as(call, Some(&again))?,
            None => response,
        };
        judge(response, self.is_known(call.scope))
    }

    fn send_as(
        &self,
        call: &Call<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Failure<Fault>> {
        if self.inner.options.offline && !is_near(&call.url) {
            return Err(Failure::Final(Fault::Offline));
        }
        let mut request = self.client(&call.url)?.request(call.method.clone(), call.url.clone());
        request = request.headers(call.headers.clone());
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(body) = call.body {
            let (body, length) = body().map_err(Failure::Final)?;
            // The answer comes after the whole body has gone.
            request = request
                .body(body)
                .timeout(self.inner.options.read_timeout + Duration::from_secs(length / SLOWEST));
        }
        request.send().map_err(|error| Failure::of_request(Fault::Network(chain(&error)), &error))
    }

    /// Follows redirects of a request that only reads.
    fn read(&self, mut call: Call<'_>) -> Result<Response, Failure<Fault>> {
        for _ in 0..MAX_REDIRECTS {
            let response = self.send(&call)?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            call.url = self.follow(&call.url, response.headers().get(LOCATION)).map_err(Failure::Final)?;
        }
        Err(Failure::Final(Fault::Answer(format!("it redirects more than {MAX_REDIRECTS} times"))))
    }

    fn client(&self, url: &Url) -> Result<&Client, Failure<Fault>> {
        if is_near(url) {
            return Ok(&self.inner.near);
        }
        match &self.inner.far {
            (_, Some(cause)) => Err(Failure::Final(Fault::Tls(cause.to_string()))),
            (client, None) => Ok(client),
        }
    }
}

fn is_near(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback)
}

fn is_same_origin(one: &Url, other: &Url) -> bool {
    let origin =
        |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    origin(one) == origin(other)
}

/// Sorts an answer: what may pass by itself, who may not, and the rest.
fn judge(response: Response, known: bool) -> Result<Response, Failure<Fault>> {
    let status = response.status();
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(may_pass(response)),
        StatusCode::NOT_IMPLEMENTED => Ok(response),
        status if status.is_server_error() => Err(may_pass(response)),
        StatusCode::UNAUTHORIZED => {
            Err(Failure::Final(Fault::Unauthorized { known, words: error_words(response) }))
        }
        StatusCode::FORBIDDEN => Err(Failure::Final(Fault::Denied { known, words: error_words(response) })),
        _ => Ok(response),
    }
}

/// The failure of an answer that another try may not meet: a registry that is busy, or one that has failed itself.
fn may_pass(response: Response) -> Failure<Fault> {
    let wait = retry_after(response.headers());
    let status = response.status();
    let is_busy = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let error = if is_busy {
        Fault::Busy { status, wait: wait.filter(|wait| *wait > MAX_WAIT) }
    } else {
        Fault::Status { status, words: error_words(response) }
    };
    Failure::Passing { error, wait }
}

/// The fault of an answer that is no success.
fn refused(response: Response) -> Fault {
    let status = response.status();
    let words = error_words(response);
    match status {
        StatusCode::NOT_FOUND => Fault::Missing { words },
        status => Fault::Status { status, words },
    }
}

/// What a registry says of an error (distribution-spec, "Error Codes"): codes and messages.
fn error_words(response: Response) -> String {
    use std::io::Read as _;
    let mut body = Vec::new();
    if response.take(MAX_ERROR).read_to_end(&mut body).is_err() {
        return String::new();
    }
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let errors = document["errors"].as_array().into_iter().flatten();
    let texts: Vec<String> = errors
        .map(|error| {
            let field = |name: &str| error[name].as_str().unwrap_or_default();
            format!("{} {}", field("code"), field("message"))
        })
        .collect();
    error::words(&texts.join("; "))
}
