//! Transport, repositories and fetching against servers on loopback, with archives built and signed here.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "all of it is test code")]

mod apk_repositories;
mod fetch;
mod repositories;
mod transport;

use std::time::Duration;

use rootforge::transport::{Transport, TransportOptions};

/// Quick to repeat and to give up, so that failures take no time.
fn options() -> TransportOptions {
    TransportOptions {
        backoff: Duration::from_millis(5),
        read_timeout: Duration::from_secs(5),
        ..TransportOptions::default()
    }
}

fn online() -> Transport {
    Transport::new(options()).unwrap()
}

fn offline() -> Transport {
    Transport::new(TransportOptions { offline: true, ..options() }).unwrap()
}
