//! URLs to bytes: `http`, `https`, `file:` and plain paths.
//!
//! Knows nothing of what it carries, save the size and SHA-256 that a download must have. Follows RFC 9110
//! for ranges (section 14), conditions (13.1.5) and `Retry-After` (10.2.3). Proxies are taken from the usual
//! environment variables, as reqwest reads them. Left out: authentication, and caching, which is
//! [`crate::cache`]'s.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, ClientBuilder, Response};
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};

mod download;
mod error;
mod location;
mod patience;

pub use error::{Expected, Mismatch, TransportError};
use location::Location;
pub use location::{below, is_remote, malformed, without_credentials};
pub(crate) use patience::{Failure, MAX_WAIT, persist, persist_while};

/// How to reach servers.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Refuse whatever is not on this machine.
    pub offline: bool,
    /// Servers are asked through a proxy that is itself reached by `https`.
    pub has_secure_proxy: bool,
    /// How often a request that failed for a passing reason is repeated; one that reaches no server, once at most.
    pub retries: u32,
    /// The wait before the first repetition; each further one is twice as long.
    pub backoff: Duration,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long a server may stay silent.
    pub read_timeout: Duration,
}

impl Default for TransportOptions {
    fn default() -> Self {
        TransportOptions {
            offline: false,
            has_secure_proxy: false,
            retries: 4,
            backoff: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(20),
            read_timeout: Duration::from_secs(60),
        }
    }
}

/// What a server sends at once, before it knows how fast the line is, and some more, in bytes (RFC 6928).
const AT_ONCE: u64 = 16 << 10;

/// Fetches. Clones share one pool of connections and can be used by several threads.
#[derive(Clone, Debug)]
pub struct Transport {
    options: Arc<TransportOptions>,
    /// Made when a server is first asked, each: reading the system's CA certificates takes longer than a build that asks
    /// none, and most mirrors are asked without.
    plain: Arc<OnceLock<Client>>,
    secure: Arc<OnceLock<Http>>,
    /// The most that came in a second, in bytes.
    rate: Arc<AtomicU64>,
}

/// What servers are asked with.
#[derive(Debug)]
struct Http {
    client: Client,
    /// Why `https` cannot be used, if so.
    tls: Option<Arc<str>>,
}

impl Transport {
    /// Nothing is set up yet, and no connection is made.
    ///
    /// Where the system has no CA certificates, `http` works and `https` is an error when it is used.
    pub fn new(options: TransportOptions) -> Result<Self, TransportError> {
        let (plain, secure, rate) = Default::default();
        Ok(Transport { options: Arc::new(options), plain, secure, rate })
    }

    /// The client that knows the system's CA certificates, if there are any.
    fn secure(&self) -> Result<&Http, TransportError> {
        if let Some(http) = self.secure.get() {
            return Ok(http);
        }
        let (client, tls) = client(&self.options, |builder| builder)?;
        Ok(self.secure.get_or_init(|| Http { client, tls }))
    }

    /// A client that knows none, and stops where it is sent on to `https`.
    fn plain(&self) -> Result<&Client, TransportError> {
        if let Some(client) = self.plain.get() {
            return Ok(client);
        }
        let usual = Policy::default();
        let policy = Arc::new(move |attempt: Attempt<'_>| {
            if attempt.url().scheme() == "https" { attempt.stop() } else { usual.redirect(attempt) }
        });
        let (client, _) = client(&self.options, |builder| {
            let policy = Arc::clone(&policy);
            builder.tls_certs_only([]).redirect(Policy::custom(move |attempt| policy(attempt)))
        })?;
        Ok(self.plain.get_or_init(|| client))
    }

    /// The answer to one request, whatever its status.
    fn ask(&self, url: &str, headers: &HeaderMap) -> Result<Response, Failure> {
        let send = |client: &Client| {
            let sent = client.get(url).headers(headers.clone()).send();
            sent.map_err(|error| Failure::of_request(network(url, &error), &error))
        };
        let is_secure = |url: &str| url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"));
        if !is_secure(url) && !self.options.has_secure_proxy {
            let response = send(self.plain().map_err(Failure::Final)?)?;
            if !response.headers().contains_key(LOCATION) {
                return Ok(response);
            }
        }
        let http = self.secure().map_err(Failure::Final)?;
        if let Some(cause) = http.tls.as_ref().filter(|_| is_secure(url)) {
            let (url, cause) = (url.to_owned(), cause.to_string());
            return Err(Failure::Final(TransportError::Tls { url, cause }));
        }
        send(&http.client)
    }

    /// Whether only this machine is used.
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// All bytes of a file of at most `limit` bytes.
    pub fn read(&self, url: &str, limit: u64) -> Result<Vec<u8>, TransportError> {
        match Location::parse(url)? {
            Location::File(path) => {
                let file = open(url, &path)?;
                read_bounded(file, url, limit)
                    .map_err(|broken| broken.into_error(|source| TransportError::Read { path, source }))
            }
            Location::Http => self.persist(|| {
                let asked = Instant::now();
                let response = self.get(url, &HeaderMap::new())?;
                let answered = Instant::now();
                let bytes = read_bounded(response, url, limit).map_err(|broken| match broken {
                    Broken::Final(error) => Failure::Final(error),
                    Broken::Io(error) => Failure::passing(network(url, &error)),
                })?;
                let rate = rate_of(bytes.len() as u64, asked.elapsed(), answered.elapsed());
                self.rate.fetch_max(rate, Ordering::Relaxed);
                Ok(bytes)
            }),
        }
    }

    /// How many bytes came in a second of what [`Transport::read`] had from servers, where it was most, of larger files
    /// without the time that the answer took to begin; 0 if nothing was read. Files that are larger come faster.
    pub fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// Downloads into a file that may hold the start of it already; `progress` is told how many bytes of the
    /// file are there, now and then.
    ///
    /// On success the file's size and digest are as expected, and what it is then is given: the file at that path may be
    /// another by now. Otherwise it holds what may be continued, or nothing. It is not synced.
    pub fn download(
        &self,
        url: &str,
        into: &Path,
        expected: Expected,
        progress: &dyn Fn(u64),
    ) -> Result<Metadata, TransportError> {
        download::download(self, url, into, expected, progress)
    }

    /// Sends one request; the status of the answer is a success.
    fn get(&self, url: &str, headers: &HeaderMap) -> Result<Response, Failure> {
        if self.options.offline {
            return Err(Failure::Final(TransportError::Offline { url: url.to_owned() }));
        }
        let response = self.ask(url, headers)?;
        let status = response.status();
        let url = url.to_owned();
        match status {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => {
                Err(Failure::Final(TransportError::Missing { url, status: status.to_string() }))
            }
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Failure::Passing {
                error: TransportError::Status { url, status },
                wait: retry_after(response.headers()),
            }),
            status => Err(Failure::Final(TransportError::Status { url, status })),
        }
    }

    /// Repeats what failed for a passing reason.
    fn persist<T>(&self, attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, TransportError> {
        persist(self.options.retries, self.options.backoff, attempt)
    }
}

/// How many bytes of a file of so many come in a second: of one that is large enough to tell, without what comes at once
/// and what it took to connect and until the answer began. What lay ready, as with a proxy that had all of it before it
/// answered, does not count for more than eight times what it was with that.
fn rate_of(size: u64, whole: Duration, body: Duration) -> u64 {
    let in_a_second = |bytes: u64, time: Duration| {
        let rate = u128::from(bytes) * 1_000_000 / time.as_micros().max(1);
        u64::try_from(rate).unwrap_or(u64::MAX)
    };
    let whole = in_a_second(size, whole);
    let rest = size.saturating_sub(AT_ONCE);
    let body = in_a_second(rest, body).min(whole.saturating_mul(8));
    if rest < 4 * AT_ONCE { whole } else { whole.max(body) }
}

/// A client of HTTP, and why it cannot use `https`, if so.
pub(crate) fn client(
    options: &TransportOptions,
    configure: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<(Client, Option<Arc<str>>), TransportError> {
    // A second caller finds the same provider in place.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        configure(
            Client::builder()
                .user_agent(concat!("rootforge/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(options.connect_timeout)
                .timeout(options.read_timeout),
        )
    };
    match builder().build() {
        Ok(client) => Ok((client, None)),
        Err(error) => {
            let cause = chain(&error);
            let plain = builder().tls_certs_only([]).build();
            let client = plain.map_err(|error| TransportError::Setup { cause: chain(&error) })?;
            Ok((client, Some(cause.into())))
        }
    }
}

/// How reading a stream failed.
enum Broken {
    Final(TransportError),
    Io(io::Error),
}

impl Broken {
    fn into_error(self, wrap: impl FnOnce(io::Error) -> TransportError) -> TransportError {
        match self {
            Broken::Final(error) => error,
            Broken::Io(error) => wrap(error),
        }
    }
}

fn read_bounded(reader: impl Read, url: &str, limit: u64) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Broken::Io)?;
    if bytes.len() as u64 > limit {
        return Err(Broken::Final(TransportError::TooLarge { url: url.to_owned(), limit }));
    }
    Ok(bytes)
}

fn open(url: &str, path: &Path) -> Result<File, TransportError> {
    let read = |source| TransportError::Read { path: path.to_owned(), source };
    // Opening a pipe would wait for somebody to write to it.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return Err(read(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    match File::open(path) {
        Ok(file) if file.metadata().map_err(read)?.is_dir() => {
            Err(read(io::Error::from(io::ErrorKind::IsADirectory)))
        }
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(TransportError::Missing { url: url.to_owned(), status: error.to_string() })
        }
        Err(source) => Err(read(source)),
    }
}

fn network(url: &str, error: &dyn std::error::Error) -> TransportError {
    TransportError::Network { url: url.to_owned(), cause: chain(error) }
}

/// An error's innermost causes, which name what happened; the outer ones repeat the URL.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        next = cause.source();
    }
    if texts.len() > 1 {
        texts.remove(0);
    }
    texts.join(": ")
}

/// How long a server asks to wait: seconds, or a date, which is read against the answer's own.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let value = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| {
        let text = text.strip_suffix("GMT").map(|text| format!("{text}+0000"))?;
        jiff::fmt::rfc2822::parse(&text).ok().map(|time| time.timestamp().as_second())
    };
    let seconds = date(value)?.saturating_sub(date(text(DATE)?)?);
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_answers_late_is_not_slow_for_that() {
        let rate = |size, [whole, body]: [u64; 2]| {
            rate_of(size, Duration::from_millis(whole), Duration::from_millis(body))
        };
        assert_eq!(rate(AT_ONCE + 100_000, [60, 10]), 10_000_000);
        assert_eq!(rate(AT_ONCE + 103_616, [60, 0]), 16_000_000);
        assert_eq!(rate(AT_ONCE + 100_000, [160, 100]), 1_000_000);
        // What comes at once says nothing of the line.
        assert_eq!(rate(40_000, [40, 0]), 1_000_000);
        assert_eq!(rate(0, [0, 0]), 0);
        assert_eq!(rate(u64::MAX, [0, 0]), u64::MAX);
    }
}
