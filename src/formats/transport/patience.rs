//! How an attempt failed, and whether another is worth it.
//!
//! What passes by itself is waited for with growing pauses: time-outs, connections that break, servers that are
//! busy. A server that cannot be reached at all, because nobody listens or nobody knows its name, is asked once
//! more and at once.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::TransportError;

/// The longest wait that a server may ask for, before it is taken to be closed.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(300);

/// The wait before an unreachable server is asked once more.
const BRIEF: Duration = Duration::from_millis(300);

/// How an attempt failed.
pub(crate) enum Failure<E = TransportError> {
    /// The next one would fail alike.
    Final(E),
    /// A second one may be luckier, a third will not.
    Unreachable(E),
    /// It may pass; the server may say after how long.
    Passing {
        /// What to tell if it does not.
        error: E,
        /// How long the server asks to wait.
        wait: Option<Duration>,
    },
}

impl<E> Failure<E> {
    pub(crate) fn passing(error: E) -> Self {
        Failure::Passing { error, wait: None }
    }

    /// Of a request without an answer, to be told so.
    pub(crate) fn of_request(told: E, error: &reqwest::Error) -> Self {
        if error.is_builder() || error.is_redirect() {
            Failure::Final(told)
        } else if error.is_connect() && !error.is_timeout() && !is_broken(error) {
            Failure::Unreachable(told)
        } else {
            Failure::passing(told)
        }
    }
}

/// Whether a connection was there, or about to be, and broke.
fn is_broken(error: &(dyn Error + 'static)) -> bool {
    let kind = std::iter::successors(Some(error), |error| (*error).source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind)
        .last();
    kind.is_some_and(|kind| {
        matches!(
            kind,
            io::ErrorKind::TimedOut
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::Interrupted
        )
    })
}

/// Repeats what failed for a passing reason at most `retries` times, with pauses from `backoff` on, each twice
/// as long as the one before.
pub(crate) fn persist<T, E>(
    retries: u32,
    mut backoff: Duration,
    mut attempt: impl FnMut() -> Result<T, Failure<E>>,
) -> Result<T, E> {
    let (mut left, mut reached) = (retries, true);
    loop {
        let (error, wait) = match attempt() {
            Ok(value) => return Ok(value),
            Err(Failure::Unreachable(error)) if reached => {
                reached = false;
                (error, Some(BRIEF.min(backoff)))
            }
            Err(Failure::Final(error) | Failure::Unreachable(error)) => return Err(error),
            Err(Failure::Passing { error, wait }) => (error, wait),
        };
        if left == 0 || wait.is_some_and(|wait| wait > MAX_WAIT) {
            return Err(error);
        }
        std::thread::sleep(wait.unwrap_or(backoff));
        left -= 1;
        backoff = backoff.saturating_mul(2);
    }
}

/// As [`persist`], for what is large and goes on where it broke off: an attempt gives how much there is, and where that
/// grows it begins to count its retries anew. A server that is out of reach is waited for as well: it was there before.
pub(crate) fn persist_while<E>(
    retries: u32,
    pause: Duration,
    mut attempt: impl FnMut() -> (u64, Result<(), Failure<E>>),
) -> Result<(), E> {
    let (mut left, mut backoff, mut most) = (retries, pause, 0);
    loop {
        let (reached, result) = attempt();
        let (error, wait) = match result {
            Ok(()) => return Ok(()),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Unreachable(error)) => (error, None),
            Err(Failure::Passing { error, wait }) => (error, wait),
        };
        if reached > most {
            (left, backoff, most) = (retries, pause, reached);
        }
        if left == 0 || wait.is_some_and(|wait| wait > MAX_WAIT) {
            return Err(error);
        }
        std::thread::sleep(wait.unwrap_or(backoff));
        (left, backoff) = (left - 1, backoff.saturating_mul(2));
    }
}
