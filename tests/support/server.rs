//! A small HTTP/1.1 server on loopback that can misbehave.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a client asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// How often the path was asked for before.
    pub(crate) earlier: usize,
}

/// What a client gets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Break the connection after this many bytes of the body.
    pub(crate) cut: Option<usize>,
    pub(crate) delay: Duration,
    /// Do not announce the length.
    pub(crate) chunked: bool,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Answer { status, body: b"sorry".to_vec(), ..Answer::default() }
    }

    pub(crate) fn body(body: impl Into<Vec<u8>>) -> Self {
        Answer { status: 200, body: body.into(), ..Answer::default() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The content, or the range of it that was asked for if the tag still fits.
    pub(crate) fn ranged(request: &Request, body: &[u8], tag: &str) -> Self {
        let fits = request.headers.get("if-range").is_none_or(|wanted| wanted == tag);
        let start = request
            .headers
            .get("range")
            .filter(|_| fits)
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        match start {
            Some(start) if start >= body.len() => Answer::status(416),
            Some(start) => Answer { status: 206, body: body[start..].to_vec(), ..Answer::default() }
                .with("Content-Range", format!("bytes {start}-{}/{}", body.len() - 1, body.len()))
                .with("ETag", tag),
            None => Answer::body(body).with("ETag", tag),
        }
    }
}

/// A server that stops when it is dropped.
pub(crate) struct Server {
    address: String,
    stop: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<Request>>>,
    most: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Server { address, stop: Arc::default(), log: Arc::default(), most: Arc::default() };
        let (stop, log, most) = (server.stop.clone(), server.log.clone(), server.most.clone());
        let (answer, active) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (answer, log, active, most) = (answer.clone(), log.clone(), active.clone(), most.clone());
                std::thread::spawn(move || {
                    most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = serve(&stream, &*answer, &log);
                    active.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// Serves files by their paths.
    pub(crate) fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::new(move |request| {
            files
                .get(request.path.trim_start_matches('/'))
                .map_or(Answer::status(404), |body| Answer::ranged(request, body, "\"1\""))
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn log(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.log().into_iter().map(|request| request.path).collect()
    }

    /// The most requests that were answered at the same time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

/// Answers one request and closes.
fn serve(
    mut stream: &TcpStream,
    answer: &(dyn Fn(&Request) -> Answer + Send + Sync),
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(()) };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let request = {
        let mut log = log.lock().unwrap();
        let earlier = log.iter().filter(|request| request.path == path).count();
        log.push(Request { path, headers, earlier });
        log.last().unwrap().clone()
    };
    let answer = answer(&request);
    std::thread::sleep(answer.delay);
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", answer.status);
    if !answer.chunked {
        let _ = write!(head, "Content-Length: {}\r\n", answer.body.len());
    }
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&answer.body[..answer.cut.unwrap_or(answer.body.len())])
}
