//! A registry of a test's own, what stands before it and counts, and one that misbehaves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::tools::Daemon;

/// A user of registries with a login.
pub(crate) const USER: &str = "tester";
/// The user's password.
pub(crate) const PASSWORD: &str = "made-up";
/// The same as a line of `htpasswd -B`.
const HTPASSWD: &str = "tester:$2y$05$klV4TtN8VdEbf3MctmbXpeIen4T04A9xY702bg28.ikNDdYvxtO7G\n";

/// Debian's docker-registry, which ends with the test.
pub(crate) struct DockerRegistry {
    _daemon: Daemon,
    directory: tempfile::TempDir,
    pub(crate) host: String,
}

impl DockerRegistry {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    pub(crate) fn with_login() -> Self {
        Self::with("auth:\n  htpasswd:\n    realm: tests\n    path: HTPASSWD\n")
    }

    fn with(auth: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        // Nobody else takes the port in the moment in between; if so, the daemon ends and the test says so.
        let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        fs::write(path("htpasswd"), HTPASSWD).unwrap();
        let config = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n  \
             secret: a-test\n{}",
            path("storage"),
            auth.replace("HTPASSWD", &path("htpasswd")),
        );
        fs::write(path("config.yml"), config).unwrap();
        let mut command = std::process::Command::new("docker-registry");
        command.arg("serve").arg(path("config.yml")).env("OTEL_TRACES_EXPORTER", "none");
        let mut daemon = Daemon::start(&mut command, &directory.path().join("log"));
        daemon.wait_until(|| TcpStream::connect(&host).is_ok());
        DockerRegistry { _daemon: daemon, directory, host }
    }

    /// Where it keeps what it has.
    pub(crate) fn storage(&self) -> std::path::PathBuf {
        self.directory.path().join("storage")
    }
}

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Head {
    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    pub(crate) fn length(&self) -> u64 {
        self.headers.get("content-length").map_or(0, |length| length.parse().unwrap())
    }
}

/// An answer: none breaks the connection.
pub(crate) type Answer = Option<Vec<u8>>;

/// An answer of this status, with headers and body.
#[allow(clippy::unnecessary_wraps, reason = "it is what a server's closure gives")]
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut bytes = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str("\r\n");
    Some([bytes.as_bytes(), body].concat())
}

/// A server on loopback whose every answer the test makes; it may read the body, or a part of it.
pub(crate) struct Server {
    pub(crate) host: String,
    stop: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<Head>>>,
}

impl Server {
    pub(crate) fn new(serve: impl Fn(&Head, &mut dyn Read) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = Server { host, stop: Arc::default(), log: Arc::default() };
        let (stop, log, serve) = (server.stop.clone(), server.log.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (log, serve) = (log.clone(), serve.clone());
                std::thread::spawn(move || one(&stream, &log, &*serve));
            }
        });
        server
    }

    pub(crate) fn log(&self) -> Vec<Head> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.log().iter().filter(|head| head.is(method, part)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.host);
    }
}

/// One request a connection.
fn one(
    mut stream: &TcpStream,
    log: &Mutex<Vec<Head>>,
    serve: &(dyn Fn(&Head, &mut dyn Read) -> Answer + Send + Sync),
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut text = String::new();
        reader.read_line(&mut text).ok().filter(|read| *read > 0).map(|_| text.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line()?.split_once(':') {
        let all: &mut String = headers.entry(name.to_ascii_lowercase()).or_default();
        // A name that comes twice is a list (RFC 9110 section 5.2).
        all.push_str(if all.is_empty() { "" } else { ", " });
        all.push_str(value.trim());
    }
    let head = Head { method, path, headers };
    log.lock().unwrap().push(head.clone());
    let mut body = reader.take(head.length());
    let bytes = serve(&head, &mut body)?;
    // What was not read would make the system break the connection before the answer is there.
    std::io::copy(&mut body, &mut std::io::sink()).ok()?;
    stream.write_all(&bytes).ok()
}

/// What a proxy has seen of one request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Head,
    /// Bytes of its body.
    pub(crate) sent: u64,
    /// Bytes of the answer, its head included.
    pub(crate) received: u64,
    /// It was passed on.
    pub(crate) passed: bool,
}

/// What a proxy does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// The connection breaks, and the registry hears nothing.
    Lost,
    /// The registry gets half of the body, and then both connections break.
    Halved,
}

/// Stands before a registry, takes each request whole, and counts.
pub(crate) struct Proxy {
    server: Server,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Proxy {
    /// One that passes everything.
    pub(crate) fn counting(upstream: &str) -> Self {
        Self::new(upstream, |_, _| Fate::Pass)
    }

    /// `fate` is told each request and those before it.
    pub(crate) fn new(upstream: &str, fate: impl Fn(&Head, &[Seen]) -> Fate + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (all, upstream) = (seen.clone(), upstream.to_owned());
        let server = Server::new(move |head, body| {
            let mut content = Vec::new();
            body.read_to_end(&mut content).unwrap();
            let fate = fate(head, &all.lock().unwrap());
            let passed = fate == Fate::Pass;
            if fate == Fate::Halved {
                send(&upstream, head, &content[..content.len() / 2]);
            }
            let answer = passed.then(|| {
                let mut answer = Vec::new();
                send(&upstream, head, &content).read_to_end(&mut answer).unwrap();
                answer
            });
            let received = answer.as_ref().map_or(0, Vec::len) as u64;
            let seen = Seen { head: head.clone(), sent: content.len() as u64, received, passed };
            all.lock().unwrap().push(seen);
            answer
        });
        Proxy { server, seen }
    }

    pub(crate) fn host(&self) -> &str {
        &self.server.host
    }

    /// What was seen since it was last asked.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Bytes of blobs that were sent.
pub(crate) fn sent(seen: &[Seen]) -> u64 {
    seen.iter().filter(|one| one.head.path.contains("/blobs/uploads/")).map(|one| one.sent).sum()
}

/// Bytes of answers to requests for blobs.
pub(crate) fn fetched(seen: &[Seen]) -> u64 {
    seen.iter().filter(|one| one.head.is("GET", "/blobs/")).map(|one| one.received).sum()
}

/// Sends a request, or the start of one.
fn send(upstream: &str, head: &Head, content: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(upstream).unwrap();
    let mut text = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", head.method, head.path);
    for (name, value) in head.headers.iter().filter(|(name, _)| *name != "connection") {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    stream.write_all(content).unwrap();
    stream
}

/// Files below a directory that are on their way to their names.
pub(crate) fn partial(layout: &Path) -> Vec<std::path::PathBuf> {
    let inside = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let mut all = inside(&layout.join("blobs"));
    all.extend(inside(layout).into_iter().filter(|path| path.display().to_string().contains(".partial-")));
    all
}
