//! `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, read as Docker reads it.
//!
//! Follows the grammar of distribution/reference and, for repositories and tags, distribution-spec v1.1 ("Pulling
//! manifests"). What stands before the first slash is a host if it has a dot or a colon or is `localhost`; else the
//! image is Docker Hub's, whose own names lie under `library/`. Digests are SHA-256 alone.
//!
//! Unlike Docker, a host alone is refused: `localhost:5000` would be the tag `5000` of Docker Hub's image `localhost`,
//! which nobody means.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::digest::Digest;
use crate::hint::Hint;

/// Docker Hub, as references name it.
pub(super) const DOCKER_HUB: &str = "docker.io";
/// The longest name of a repository, with its host.
const MAX_NAME: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;
/// What is wrong with a host alone.
const NO_REPOSITORY: &str = "it is a host without a repository";

/// An image in a registry, or a place for one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The text names no image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no image in a registry: {reason}")]
pub struct ReferenceError {
    /// As given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Hint for ReferenceError {
    fn hints(&self) -> Vec<String> {
        if self.reason == NO_REPOSITORY {
            let host = self.text.trim_start_matches("docker://").trim_end_matches('/');
            return vec![format!(
                "write `docker://{host}/REPOSITORY:TAG`, such as `docker://{host}/team/web:1.0`"
            )];
        }
        vec![
            "write `docker://HOST/REPOSITORY:TAG`, such as `docker://registry.example.org/team/web:1.0`"
                .to_owned(),
        ]
    }
}

impl Reference {
    /// Reads a reference, with or without skopeo's `docker://` before it.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason| ReferenceError { text: text.to_owned(), reason };
        let rest = text.strip_prefix("docker://").unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, digest)) => {
                let is_sha256 = digest.starts_with("sha256:");
                let digest = Digest::parse(digest).ok().filter(|_| is_sha256);
                (rest, Some(digest.ok_or_else(|| wrong("what follows the `@` is no SHA-256 digest"))?))
            }
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("a tag is up to 128 letters, digits, `_`, `.` and `-`"));
        }
        let host = rest.trim_end_matches('/');
        if !host.contains('/') && (host != rest || looks_like_host(host)) {
            return Err(wrong(if host.is_empty() { "it is empty" } else { NO_REPOSITORY }));
        }
        let (registry, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                (host.to_ascii_lowercase(), path.to_owned())
            }
            Some(_) => (DOCKER_HUB.to_owned(), name.to_owned()),
            None => (DOCKER_HUB.to_owned(), format!("library/{name}")),
        };
        let registry = match &*registry {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
            _ => registry,
        };
        let is_official = registry == DOCKER_HUB && !path.contains('/');
        let repository = if is_official { format!("library/{path}") } else { path };
        if !is_host(&registry) {
            return Err(wrong("before the first slash is no host"));
        }
        if !repository.split('/').all(is_component) || registry.len() + repository.len() >= MAX_NAME {
            return Err(wrong(
                "a repository is lower-case letters and digits, joined by `/` and by `.`, `_`, `__` or `-`",
            ));
        }
        Ok(Reference { registry, repository, tag: tag.map(str::to_owned), digest })
    }

    /// The registry's host and port; `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one is given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is given: it decides, whatever the tag.
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same repository under another tag, without a digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            let reason = "a tag is up to 128 letters, digits, `_`, `.` and `-`";
            return Err(ReferenceError { text: tag.to_owned(), reason });
        }
        Ok(Reference { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// What a registry is asked for: the digest, the tag, or `latest`.
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    /// In full, without `docker://`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (&self.digest, &self.tag) {
            (Some(digest), _) => write!(f, "@{digest}"),
            (None, tag) => write!(f, ":{}", tag.as_deref().unwrap_or("latest")),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Whether a host, with or without a port, is this machine: there plain http is used.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host_name(host);
    name == "localhost"
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || name.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

/// Whether what stands alone is a host, with or without a port: no image of Docker Hub's own is called so.
fn looks_like_host(text: &str) -> bool {
    text.starts_with('[') || host_name(text).contains('.') || host_name(text) == "localhost"
}

/// A host without its port; an address of version 6 without its brackets.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_host(host: &str) -> bool {
    let name = host_name(host);
    let (known, port) = match host.strip_prefix('[') {
        Some(_) => (name.parse::<Ipv6Addr>().is_ok(), host.split_once(']').map_or("", |(_, port)| port)),
        None => (name.split('.').all(is_label), &host[name.len()..]),
    };
    known && (port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let mut separators = bytes.split(is_word).filter(|run| !run.is_empty());
    bytes.first().is_some_and(is_word)
        && bytes.last().is_some_and(is_word)
        && separators.all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.bytes().next().is_some_and(is_word)
        && tag.len() <= MAX_TAG
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_read_as_docker_reads_them() {
        let digest = Digest::of(b"x");
        for (text, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("docker://team/web:1.0", "docker.io/team/web:1.0"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/team/web", "docker.io/team/web:latest"),
            ("docker://localhost/x", "localhost/x:latest"),
            ("localhost:5000/a/b-c__d.e:V_1", "localhost:5000/a/b-c__d.e:V_1"),
            ("[::1]:5000/x:1", "[::1]:5000/x:1"),
            ("Example.ORG/x", "example.org/x:latest"),
            (&format!("example.org/x:1@{digest}"), &format!("example.org/x@{digest}")),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.to_string(), full);
            assert_eq!(Reference::parse(full).unwrap().to_string(), full);
        }
        for text in [
            "",
            "docker://",
            "Upper",
            "example.org/",
            "example.org//x",
            "example.org/a..b",
            "example.org/-a",
            "example.org/x:",
            "example.org/x:.a",
            "example.org/x@sha512:00",
            "example.org/x@sha256:00",
            "exam_ple.org/x",
            "example.org:port/x",
            "-example.org/x",
            "example.org/x y",
            "[::1/x",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_alone_is_no_image() {
        for host in
            ["localhost", "localhost:5000", "127.0.0.1:5000", "registry.example.org", "[::1]:5000", "web/"]
        {
            let error = Reference::parse(&format!("docker://{host}")).unwrap_err();
            assert!(error.to_string().ends_with("it is a host without a repository"), "{error}");
            let host = host.trim_end_matches('/');
            assert!(error.hints()[0].starts_with(&format!("write `docker://{host}/REPOSITORY:TAG`")));
        }
        for image in ["redis:7.2.1", "amazonlinux:2023", "docker.io/library/a.b"] {
            Reference::parse(image).unwrap();
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.1:80", "[::2]", "128.0.0.1", ""]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,60}") {
            let _ = Reference::parse(&text);
        }

        #[test]
        fn what_is_read_reads_back(text in "[a-z\\[\\]:.]{0,12}/?[a-z_./-]{0,12}(:[a-zA-Z0-9.]{0,4})?") {
            if let Ok(reference) = Reference::parse(&text) {
                let full = reference.to_string();
                prop_assert_eq!(Reference::parse(&full).unwrap().to_string(), full);
            }
        }
    }
}
