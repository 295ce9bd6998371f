//! Registries that lie, stop half way, or have too much to do.

use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::support::{Answer, Head, Server, answer, partial};
use super::{Images, LARGE};
use crate::image::noise;
use rootforge::cache::Cache;
use rootforge::digest::Digest;
use rootforge::hint::Hint as _;
use rootforge::oci::{Layout, OciError, Platforms, Pulled, Remote, pull, push};
use rootforge::progress::Silent;
use rootforge::registry::{CHUNK, CredentialFiles, Fault, Places, Reference, Registry};
use rootforge::transport::TransportOptions;
use serde_json::json;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A place at a server, with a cache and a layout beside it, quick to try again.
pub(super) struct Place {
    directory: tempfile::TempDir,
    remote: Remote,
}

impl Place {
    pub(super) fn at(host: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = TransportOptions {
            backoff: Duration::from_millis(5),
            read_timeout: Duration::from_secs(5),
            ..TransportOptions::default()
        };
        let reference = Reference::parse(&format!("{host}/team/web:1")).unwrap();
        let registry = Registry::new(host, options, CredentialFiles::default()).unwrap();
        let places = Places::new(Cache::open(directory.path().join("cache")).unwrap(), host);
        Place { directory, remote: Remote { registry, reference, places } }
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::open_or_create(self.directory.path().join("images")).unwrap()
    }

    pub(super) fn pull(&self) -> Result<Pulled, OciError> {
        pull(&self.remote, Platforms::All, &self.layout(), &Silent)
    }

    fn partial(&self) -> PathBuf {
        self.directory.path().join("cache/partial")
    }

    /// How many blobs are half there.
    pub(super) fn kept(&self) -> usize {
        std::fs::read_dir(self.partial()).map_or(0, Iterator::count)
    }

    /// Leaves something in the place of a half of a blob.
    pub(super) fn leave(&self, digest: &Digest, bytes: &[u8]) {
        std::fs::create_dir_all(self.partial()).unwrap();
        std::fs::write(self.partial().join(digest.hex()), bytes).unwrap();
    }

    /// Fails to pull: the error, and that nothing half-written is left, and no name.
    #[track_caller]
    pub(super) fn fails(&self) -> (Fault, String) {
        let OciError::Remote(error) = self.pull().unwrap_err() else { panic!("another error") };
        let layout = self.layout();
        assert!(partial(layout.directory()).is_empty() && layout.tags().unwrap().is_empty());
        let text = error.to_string();
        assert!(text.starts_with(&format!("`{}/team/web`, ", self.remote.registry.name())), "{text}");
        assert!(!error.hints().is_empty(), "{text}");
        (error.fault, text)
    }
}

/// An image of one layer: manifest, config, layer.
fn image(layer: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let config = json!({ "os": "linux", "architecture": "amd64" }).to_string().into_bytes();
    let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    });
    (manifest.to_string().into_bytes(), config)
}

/// A server with an image, whose layer is answered for by the test.
pub(super) fn serving(
    layer: Vec<u8>,
    answer_layer: impl Fn(&Head, &[u8]) -> Answer + Send + Sync + 'static,
) -> Server {
    let (manifest, config) = image(&layer);
    let name = Digest::of(&layer).to_string();
    Server::new(move |head, _| {
        if head.path.contains("/manifests/") {
            answer(200, &[("Content-Type", MANIFEST)], &manifest)
        } else if head.path.ends_with(&name) {
            answer_layer(head, &layer)
        } else {
            answer(200, &[], &config)
        }
    })
}

#[test]
fn what_comes_with_another_digest_is_not_kept() {
    let server = serving(noise(100_000), |_, layer| {
        let mut other = layer.to_vec();
        other[50_000] ^= 1;
        answer(200, &[], &other)
    });
    let place = Place::at(&server.host);
    let (fault, text) = place.fails();
    let digest = Digest::of(&noise(100_000));
    assert!(matches!(fault, Fault::Digest { expected, .. } if expected == digest), "{text}");
    assert!(text.contains(&format!("blob {digest}: its bytes have the digest sha256:")), "{text}");
    assert!(!place.layout().has_blob(&digest));
    // Too long, too short.
    for size in [99_999, 100_001] {
        let server = serving(noise(100_000), move |_, _| answer(200, &[], &noise(size)));
        let (fault, text) = Place::at(&server.host).fails();
        assert!(matches!(fault, Fault::Size { expected: 100_000, found } if found == size as u64), "{text}");
    }
}

/// Announces all of it and breaks the connection half way.
#[allow(clippy::unnecessary_wraps, reason = "it is what a server's closure gives")]
pub(super) fn cut(layer: &[u8], from: usize, bytes: usize, range: bool) -> Answer {
    let status = if range { "206" } else { "200" };
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n\r\n",
        layer.len() - 1,
        layer.len(),
        layer.len() - from
    );
    Some([head.as_bytes(), &layer[from..(from + bytes).min(layer.len())]].concat())
}

#[test]
fn a_registry_that_stops_half_way_is_asked_for_the_rest() {
    let layer = noise(300_000);
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let server = serving(layer.clone(), move |head, layer| {
        let from = head.headers.get("range").map_or(0, |range| {
            range.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().unwrap()
        });
        count.fetch_add((layer.len() - from).min(100_000), Ordering::SeqCst);
        cut(layer, from, 100_000, from > 0)
    });
    let place = Place::at(&server.host);
    let pulled = place.pull().unwrap();
    assert_eq!((pulled.fetched.blobs, sent.load(Ordering::SeqCst)), (2, layer.len()));

    // One that never gives more than the start, and one that knows no ranges.
    let server = serving(layer.clone(), |_, layer| cut(layer, 0, 1000, false));
    let (_, text) = Place::at(&server.host).fails();
    assert!(text.contains(&format!("blob {}", Digest::of(&layer))), "{text}");
    let tries = AtomicUsize::new(0);
    let server = serving(layer, move |_, layer| {
        let enough = if tries.fetch_add(1, Ordering::SeqCst) < 2 { 200_000 } else { 300_000 };
        cut(layer, 0, enough, false)
    });
    Place::at(&server.host).pull().unwrap();
}

#[test]
fn busy_registries_are_waited_for_as_long_as_they_say() {
    let tries = AtomicUsize::new(0);
    let server = serving(noise(1000), move |_, layer| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => answer(429, &[("Retry-After", "1")], b""),
        1 => answer(503, &[], b""),
        _ => answer(200, &[], layer),
    });
    let start = Instant::now();
    Place::at(&server.host).pull().unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    let server = serving(noise(1000), |_, _| answer(429, &[("Retry-After", "86400")], b""));
    let place = Place::at(&server.host);
    let (fault, text) = place.fails();
    assert!(
        matches!(fault, Fault::Busy { .. })
            && text.contains("429 Too Many Requests and asks to wait 86400 s"),
        "{text}"
    );
    let hints = place.pull().unwrap_err().hints().join(" ");
    assert!(hints.contains("wait and try again") && hints.contains("docker login"), "{hints}");
}

/// A registry that has failed is not busy: it is asked again, and what it says is told.
#[test]
fn registries_that_fail_say_so() {
    let body = br#"{"errors":[{"code":"UNKNOWN","message":"disk is full"}]}"#;
    let server = Server::new(|_, _| answer(500, &[], body));
    let place = Place::at(&server.host);
    let (fault, text) = place.fails();
    assert!(matches!(fault, Fault::Status { .. }), "{text}");
    assert!(
        text.ends_with("the registry answered 500 Internal Server Error: UNKNOWN disk is full"),
        "{text}"
    );
    assert_eq!(server.log().len(), 5);
    let hints = place.pull().unwrap_err().hints().join(" ");
    assert!(hints.contains("is at fault: try again later"), "{hints}");
    let server = Server::new(|_, _| answer(503, &[], b""));
    assert!(Place::at(&server.host).fails().1.contains("is busy: it answered 503 Service Unavailable"));
}

#[test]
fn refusals_say_what_the_registry_said() {
    let body = br#"{"errors":[{"code":"DENIED","message":"not \u001b[31mfor\nyou"}]}"#;
    for (status, kind) in [(401, "asks for a login"), (403, "refuses it"), (404, "does not have it")] {
        let server = Server::new(move |_, _| answer(status, &[], body));
        let (_, text) = Place::at(&server.host).fails();
        assert!(text.contains(kind) && text.ends_with(": DENIED not [31mfor you"), "{text}");
        assert_eq!(server.log().len(), 1, "{status} is not tried again");
    }
    // A blob that the registry lost.
    let server = serving(noise(1000), |_, _| answer(404, &[], b""));
    let (fault, text) = Place::at(&server.host).fails();
    assert!(matches!(fault, Fault::Missing { .. }) && text.contains(", blob sha256:"), "{text}");
}

#[test]
fn garbage_is_no_manifest() {
    let deep = "[".repeat(100_000);
    for (body, words) in [
        (&b"<html>log in to the hotel</html>"[..], "it is no JSON"),
        (b"", "it is no JSON"),
        (b"{}", "is no image's media type"),
        (b"[]", "is no image's media type"),
        (br#"{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws"}"#, "no image's"),
        (br#"{"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#, "neither `manifests` nor `layers`"),
        (br#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}"#, "is no descriptor"),
        (br#"{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"sha256:00"}]}"#, "no descriptor"),
        (deep.as_bytes(), "it is no JSON"),
    ] {
        let body = body.to_vec();
        let server = Server::new(move |_, _| answer(200, &[("Content-Type", "text/plain")], &body));
        let (_, text) = Place::at(&server.host).fails();
        assert!(text.contains(words) && text.contains(", manifest "), "{text}");
    }
    // Another manifest than was asked for, and one that has no end.
    let (manifest, _) = image(b"layer");
    let server = Server::new(move |_, _| {
        answer(200, &[("Docker-Content-Digest", &Digest::of(b"other").to_string())], &manifest)
    });
    assert!(matches!(Place::at(&server.host).fails().0, Fault::Digest { .. }));
    let server = Server::new(|_, _| answer(200, &[], &vec![b' '; 17 << 20]));
    assert!(matches!(Place::at(&server.host).fails().0, Fault::TooLarge(_)));
    let server = Server::new(|_, _| answer(302, &[("Location", "/v2/again")], b""));
    assert!(Place::at(&server.host).fails().1.contains("redirects more than"));
    let server = Server::new(|_, _| answer(302, &[("Location", "http://registry.example.org/x")], b""));
    assert!(matches!(Place::at(&server.host).fails().0, Fault::Insecure(_)));
}

/// A registry that keeps what came of a chunk when its connection broke, as the specification has it.
#[derive(Default)]
struct Keeping {
    data: Vec<u8>,
    cuts: usize,
    /// Bytes that were read off the wire.
    read: u64,
    blobs: Vec<Digest>,
}

impl Keeping {
    fn serve(state: &Mutex<Keeping>, head: &Head, body: &mut dyn Read) -> Answer {
        let mut state = state.lock().unwrap();
        let location = [("Location", "/v2/team/web/blobs/uploads/1")];
        let range = format!("0-{}", state.data.len().saturating_sub(1));
        match &*head.method {
            "HEAD" => {
                let found = state.blobs.iter().any(|blob| head.path.ends_with(&blob.to_string()));
                answer(if found { 200 } else { 404 }, &[], b"")
            }
            "POST" => {
                state.data.clear();
                answer(202, &location, b"")
            }
            "GET" => answer(204, &[location[0], ("Range", &range)], b""),
            "PATCH" => {
                let start =
                    head.headers["content-range"].split('-').next().unwrap().parse::<usize>().unwrap();
                if start != state.data.len() {
                    return answer(416, &[("Range", &range)], b"");
                }
                let is_cut = state.cuts < 3;
                let most = if is_cut { 1_000_000 } else { u64::MAX };
                state.cuts += 1;
                let mut bytes = Vec::new();
                body.take(most).read_to_end(&mut bytes).unwrap();
                state.read += bytes.len() as u64;
                state.data.extend(bytes);
                let range = format!("0-{}", state.data.len() - 1);
                if is_cut { None } else { answer(202, &[location[0], ("Range", &range)], b"") }
            }
            "PUT" if head.path.contains("/manifests/") => answer(201, &[], b""),
            _ => {
                body.read_to_end(&mut state.data).unwrap();
                let digest = Digest::of(&state.data);
                let is_it = head.path.contains(&digest.to_string()) || head.path.contains(&digest.hex());
                state.blobs.push(digest);
                answer(if is_it { 201 } else { 400 }, &[], b"")
            }
        }
    }
}

/// Only the largest blob goes in chunks, and one at a time is enough here.
fn one_blob(images: &Images) -> Vec<Digest> {
    let target = images.find("one").digest();
    let manifest = std::fs::read(images.layout.blob_path(&target)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let all = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
    let digests = all.map(|descriptor| descriptor["digest"].as_str().unwrap().parse().unwrap());
    digests.filter(|digest| *digest != images.base.digest).collect()
}

#[test]
fn a_chunk_that_breaks_off_is_continued_in_its_middle() {
    let images = Images::new();
    let state = Arc::new(Mutex::new(Keeping { blobs: one_blob(&images), ..Keeping::default() }));
    let keeping = state.clone();
    let server = Server::new(move |head, body| Keeping::serve(&keeping, head, body));
    let place = Place::at(&server.host);
    let pushed = push(&images.layout, &images.find("one"), &place.remote, &Silent).unwrap();
    assert_eq!((pushed.sent.blobs, pushed.present.blobs), (1, 2));
    let state = state.lock().unwrap();
    assert_eq!(state.read, images.base.size, "every byte once");
    assert_eq!(server.count("POST", "/uploads/"), 1);
    assert_eq!(server.count("GET", "/uploads/"), 3);
    assert!(pushed.uploaded <= images.base.size + 3 * CHUNK);
}

#[test]
fn a_registry_without_chunks_gets_the_whole() {
    let images = Images::new();
    let known = one_blob(&images);
    let server = Server::new(move |head, body| match &*head.method {
        "HEAD" if known.iter().any(|blob| head.path.ends_with(&blob.to_string())) => answer(200, &[], b""),
        "HEAD" => answer(404, &[], b""),
        "POST" => answer(202, &[("Location", "uploads/1?state=a%26b")], b""),
        "DELETE" => answer(204, &[], b""),
        "PUT" if head.path.contains("/blobs/") => {
            let (digest, size) = Digest::of_reader(body).unwrap();
            let is_it = head.path.contains("state=a%26b") && head.path.contains(&digest.hex());
            answer(if is_it && size > LARGE as u64 { 201 } else { 400 }, &[], b"")
        }
        "PUT" => answer(201, &[], b""),
        _ => answer(405, &[], b""),
    });
    let place = Place::at(&server.host);
    let pushed = push(&images.layout, &images.find("one"), &place.remote, &Silent).unwrap();
    assert_eq!((pushed.sent.blobs, server.count("PATCH", ""), server.count("PUT", "/blobs/")), (1, 1, 1));
}

#[test]
fn an_upload_that_never_ends_well_is_an_error() {
    let images = Images::new();
    for status in [500, 404] {
        let server = Server::new(move |head, _| match &*head.method {
            "HEAD" => answer(404, &[], b""),
            "POST" => answer(202, &[("Location", "/v2/team/web/blobs/uploads/1")], b""),
            _ => answer(status, &[], b""),
        });
        let place = Place::at(&server.host);
        let error = push(&images.layout, &images.find("one"), &place.remote, &Silent).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("team/web`, blob sha256:") && !error.hints().is_empty(), "{text}");
        assert_eq!(server.count("PUT", "/manifests/"), 0);
        assert_eq!(place.remote.places.of(&images.base.digest), [""; 0]);
    }
    // Under a digest that is not its own nothing is pushed.
    let mut place = Place::at("127.0.0.1:1");
    let text = format!("127.0.0.1:1/team/web@{}", Digest::of(b"other"));
    place.remote.reference = Reference::parse(&text).unwrap();
    let error = push(&images.layout, &images.find("one"), &place.remote, &Silent).unwrap_err();
    assert!(matches!(error, OciError::OtherDigest { .. }), "{error}");
    // Nobody listens there, or it is somewhere else and the work is offline.
    images
        .run(&["push", "one", "docker://127.0.0.1:1/x"])
        .fails(1, &["`127.0.0.1:1/x`, manifest latest", "refused", "hint: check the host"]);
    images
        .run(&["pull", "docker://registry.example.org/x", "--offline"])
        .fails(2, &["is in a registry, and `--offline` asks none", "hint: leave out `--offline`"]);
}
