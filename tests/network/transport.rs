//! `transport` against a server that breaks off, refuses, and lies.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rootforge::digest::Digest;
use rootforge::hint::Hint as _;
use rootforge::transport::{Expected, Transport, TransportError, TransportOptions};

use crate::network::{offline, online, options};
use crate::support::server::{Answer, Server};

fn content() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn expected(bytes: &[u8]) -> Expected {
    Expected { digest: Some(Digest::of(bytes)), size: bytes.len() as u64 }
}

#[test]
fn passing_failures_are_repeated_and_others_are_not() {
    let server = Server::new(|request| match (&request.path[..], request.earlier) {
        ("/busy", 0) => Answer::status(503),
        ("/busy", 1) => Answer { cut: Some(2), ..Answer::body("hello") },
        ("/busy", _) => Answer::body("hello"),
        ("/down", _) => Answer::status(502),
        ("/teapot", _) => Answer::status(418),
        ("/forbidden", _) => Answer::status(403),
        ("/gone", _) => Answer::status(410),
        _ => Answer::status(404),
    });
    assert_eq!(online().read(&server.url("busy"), 10).unwrap(), b"hello");
    let error = online().read(&server.url("down"), 10).unwrap_err();
    assert!(matches!(&error, TransportError::Status { status, .. } if status.as_u16() == 502), "{error}");
    assert_eq!(
        error.to_string(),
        format!("`{}` cannot be fetched: the server answered 502 Bad Gateway", server.url("down"))
    );
    for path in ["missing", "forbidden", "gone"] {
        assert!(online().read(&server.url(path), 10).unwrap_err().is_missing(), "{path}");
    }
    assert!(!online().read(&server.url("teapot"), 10).unwrap_err().is_missing());
    let count = |path| server.paths().iter().filter(|asked| *asked == path).count();
    assert_eq!(
        ["/busy", "/down", "/missing", "/forbidden", "/gone", "/teapot"].map(count),
        [3, 5, 1, 1, 1, 1]
    );
}

#[test]
fn a_server_that_answers_late_is_not_taken_for_a_slow_line() {
    let late = |_: &_| Answer { delay: Duration::from_millis(300), ..Answer::body(&content()[..200_000]) };
    let server = Server::new(late);
    let transport = online();
    assert_eq!(transport.rate(), 0);
    transport.read(&server.url("late"), 1 << 20).unwrap();
    // With the wait it is no more than 670,000 in a second.
    assert!(transport.rate() > 2_000_000, "{}", transport.rate());
}

#[test]
fn a_server_may_say_how_long_to_wait() {
    let server = Server::new(|request| match (&request.path[..], request.earlier) {
        ("/seconds", 0) => Answer::status(429).with("Retry-After", "1"),
        ("/date", 0) => Answer::status(503)
            .with("Date", "Sun, 01 Nov 2026 10:00:00 GMT")
            .with("Retry-After", "Sun, 01 Nov 2026 10:00:01 GMT"),
        ("/long", _) => Answer::status(429).with("Retry-After", "86400"),
        _ => Answer::body("ok"),
    });
    for path in ["seconds", "date"] {
        let start = Instant::now();
        assert_eq!(online().read(&server.url(path), 10).unwrap(), b"ok");
        assert!(start.elapsed() >= Duration::from_secs(1), "{path}");
    }
    assert!(online().read(&server.url("long"), 10).is_err());
    assert_eq!(server.paths().iter().filter(|path| *path == "/long").count(), 1);
}

#[test]
fn what_is_read_is_bounded_and_redirects_are_followed() {
    let server = Server::new(|request| match &request.path[..] {
        "/a" => Answer::status(302).with("Location", "/b"),
        "/loop" => Answer::status(302).with("Location", "/loop"),
        _ => Answer::body("hello"),
    });
    assert_eq!(online().read(&server.url("a"), 5).unwrap(), b"hello");
    assert!(matches!(online().read(&server.url("a"), 4), Err(TransportError::TooLarge { limit: 4, .. })));
    assert!(matches!(online().read(&server.url("loop"), 4), Err(TransportError::Network { .. })));
}

#[test]
fn errors_name_the_system_cause() {
    // A port that was just free.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/x");
    let error = online().read(&url, 10).unwrap_err();
    assert!(error.to_string().starts_with(&format!("`{url}` cannot be fetched: ")), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert_eq!(error.hints(), ["check the network, or pass `--mirror` another mirror"]);

    // With the pauses that users have: nobody listens, or has the name, which is too long to be asked for.
    let patient = TransportOptions { backoff: Duration::from_millis(500), ..options() };
    for url in [url, format!("http://{}.invalid/x", "a".repeat(64))] {
        let start = Instant::now();
        let error = Transport::new(patient.clone()).unwrap().read(&url, 10).unwrap_err();
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(300) && took < Duration::from_millis(1500),
            "{took:?}: {error}"
        );
    }

    // A connection that breaks before the answer is worth more patience.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert!(online().read(&url, 10).is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 5);

    let silent = Server::new(|_| Answer { delay: Duration::from_secs(2), ..Answer::body("late") });
    let options = TransportOptions { read_timeout: Duration::from_millis(100), retries: 1, ..options() };
    let error = Transport::new(options).unwrap().read(&silent.url("x"), 10).unwrap_err();
    assert!(error.to_string().contains("timed out"), "{error}");
    assert_eq!(silent.paths().len(), 2);
}

/// A server that does not speak TLS: the handshake is begun, and its failure is told. So it is where another sends there.
#[test]
fn https_is_spoken() {
    let plain = Server::new(|_| Answer::body("hello"));
    let options = TransportOptions { retries: 0, ..options() };
    let url = plain.url("x").replace("http:", "https:");
    let secure = url.clone();
    let sending = Server::new(move |_| Answer::status(302).with("Location", &secure));
    for url in [url, sending.url("y")] {
        let error = Transport::new(options.clone()).unwrap().read(&url, 10).unwrap_err();
        assert!(
            matches!(&error, TransportError::Network { cause, .. } if cause.contains("tls handshake")),
            "{error}"
        );
    }
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let bytes = content();
    let body = bytes.clone();
    let server = Server::new(move |request| {
        let answer = Answer::ranged(request, &body, "\"v1\"");
        let cut = (request.earlier < 2).then_some(200_000);
        Answer { cut, ..answer }
    });
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("file");
    let seen = RefCell::new(Vec::new());
    online()
        .download(&server.url("f"), &into, expected(&bytes), &|present| seen.borrow_mut().push(present))
        .unwrap();
    assert_eq!(std::fs::read(&into).unwrap(), bytes);
    let ranges: Vec<_> = server.log().iter().map(|request| request.headers.get("range").cloned()).collect();
    assert_eq!(ranges, [None, Some("bytes=200000-".to_owned()), Some("bytes=400000-".to_owned())]);
    assert_eq!(server.log()[1].headers.get("if-range").map(String::as_str), Some("\"v1\""));
    assert!(seen.borrow().is_sorted());
    assert_eq!(seen.borrow().last(), Some(&(bytes.len() as u64)));
    // A complete file is not asked for again.
    online().download(&server.url("f"), &into, expected(&bytes), &|_| {}).unwrap();
    assert_eq!(server.log().len(), 3);
}

#[test]
fn a_part_of_another_file_is_thrown_away() {
    let bytes = content();
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("file");
    let body = bytes.clone();
    let resuming = Server::new(move |request| Answer::ranged(request, &body, "\"v1\""));
    std::fs::write(&into, b"something else").unwrap();
    online().download(&resuming.url("f"), &into, expected(&bytes), &|_| {}).unwrap();
    assert_eq!(std::fs::read(&into).unwrap(), bytes);
    let ranges: Vec<_> = resuming.log().iter().map(|request| request.headers.get("range").cloned()).collect();
    assert_eq!(ranges, [Some("bytes=14-".to_owned()), None]);

    // A longer one, too; and a server that knows no ranges.
    let body = bytes.clone();
    let plain = Server::new(move |_| Answer::body(&body[..]));
    for start in [vec![b'x'; bytes.len() + 1], b"something else".to_vec()] {
        std::fs::write(&into, start).unwrap();
        online().download(&plain.url("f"), &into, expected(&bytes), &|_| {}).unwrap();
        assert_eq!(std::fs::read(&into).unwrap(), bytes);
    }

    // The file changes on the server between two parts.
    let body = bytes.clone();
    let changing = Server::new(move |request| {
        let answer = Answer::ranged(request, &body, if request.earlier == 0 { "\"v1\"" } else { "\"v2\"" });
        Answer { cut: (request.earlier == 0).then_some(1000), ..answer }
    });
    std::fs::remove_file(&into).unwrap();
    online().download(&changing.url("f"), &into, expected(&bytes), &|_| {}).unwrap();
    assert_eq!(std::fs::read(&into).unwrap(), bytes);

    // A server that sends another range than it was asked for.
    let body = bytes.clone();
    let lying = Server::new(move |request| match request.headers.get("range") {
        Some(_) => Answer { status: 206, body: body[7..].to_vec(), ..Answer::default() }
            .with("Content-Range", format!("bytes 7-{}/{}", body.len() - 1, body.len())),
        None => Answer { cut: (request.earlier == 0).then_some(1000), ..Answer::body(&body[..]) },
    });
    std::fs::remove_file(&into).unwrap();
    online().download(&lying.url("f"), &into, expected(&bytes), &|_| {}).unwrap();
    assert_eq!(std::fs::read(&into).unwrap(), bytes);
}

#[test]
fn another_file_is_refused() {
    let bytes = content();
    let mut altered = bytes.clone();
    altered[77] ^= 1;
    let page = b"<!DOCTYPE html><title>Log in</title>".to_vec();
    let long = [&bytes[..], &vec![0; 1 << 20]].concat();
    let bodies = (altered.clone(), page.clone(), long);
    let server = Server::new(move |request| match &request.path[..] {
        "/altered" => Answer::body(&bodies.0[..]),
        "/page" => Answer::body(&bodies.1[..]).with("Content-Type", "text/html"),
        "/chunked-page" => Answer { chunked: true, ..Answer::body(&bodies.1[..]) },
        "/long" => Answer { chunked: true, ..Answer::body(&bodies.2[..]) },
        _ => Answer::body("short"),
    });
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("file");
    let fetch = |path| online().download(&server.url(path), &into, expected(&bytes), &|_| {}).unwrap_err();
    let error = fetch("altered");
    let text = error.to_string();
    assert_eq!(
        text,
        format!(
            "`{}` is not what it should be: expected 1200000 bytes with {}, found 1200000 bytes with {}",
            server.url("altered"),
            Digest::of(&bytes),
            Digest::of(&altered)
        )
    );
    assert!(error.hints()[0].contains("--mirror"));
    for path in ["page", "chunked-page"] {
        let error = fetch(path);
        assert!(error.to_string().ends_with("; the server sent an HTML page"), "{error}");
        assert!(error.hints()[0].contains("captive portal"));
    }
    assert!(
        matches!(fetch("short"), TransportError::Mismatch(wrong) if wrong.found.is_none() && wrong.found_size == 5)
    );
    // Hardly more than was wanted is read.
    assert!(matches!(fetch("long"), TransportError::Mismatch(wrong) if wrong.found_size < 1_300_000));
    assert_eq!(std::fs::metadata(&into).unwrap().len(), 0);
    assert_eq!(server.paths().len(), 5, "none of these is worth a second try");
}

#[test]
fn files_and_schemes() {
    let bytes = content();
    let directory = tempfile::tempdir().unwrap();
    let (from, into) = (directory.path().join("from it"), directory.path().join("into"));
    std::fs::write(&from, &bytes).unwrap();
    for url in
        [from.to_str().unwrap().to_owned(), format!("file://{}", from.to_str().unwrap().replace(' ', "%20"))]
    {
        for transport in [online(), offline()] {
            std::fs::write(&into, b"leftover").unwrap();
            transport.download(&url, &into, expected(&bytes), &|_| {}).unwrap();
            assert_eq!(std::fs::read(&into).unwrap(), bytes);
            assert_eq!(transport.read(&url, 1 << 30).unwrap(), bytes);
            assert!(matches!(transport.read(&url, 5), Err(TransportError::TooLarge { .. })));
        }
    }
    let missing = directory.path().join("missing");
    let error = online().read(missing.to_str().unwrap(), 5).unwrap_err();
    assert!(error.is_missing() && error.to_string().contains("No such file"), "{error}");
    let error = online().read(directory.path().to_str().unwrap(), 5).unwrap_err();
    assert!(matches!(error, TransportError::Read { .. }), "{error}");
    assert!(matches!(online().read("ftp://example.org/x", 5), Err(TransportError::Scheme { .. })));
    let error = offline().read("http://example.org/x", 5).unwrap_err();
    assert_eq!(error.to_string(), "`http://example.org/x` is not on this machine, and the build is offline");
}

/// `/dev/full` is a disk without space.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named() {
    let bytes = content();
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("from");
    std::fs::write(&from, &bytes).unwrap();
    let full = std::path::Path::new("/dev/full");
    let error = online().download(from.to_str().unwrap(), full, expected(&bytes), &|_| {}).unwrap_err();
    assert!(error.to_string().starts_with("cannot write `/dev/full`: No space left on device"), "{error}");
    assert_eq!(error.hints(), ["free some space; the cache can be deleted at any time"]);
}
