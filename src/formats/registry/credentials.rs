//! Who asks: what `docker login` and `podman login` have written.
//!
//! Files are Docker's `config.json` and its likeness `auth.json` (containers-auth.json(5)): `auths`, `credHelpers` and
//! `credsStore`, and the helpers' protocol (docker-credential-helpers: the server on stdin of `get`, JSON on stdout).
//! The first file that has something decides; in a file, the most specific key: `HOST/team/web` before `HOST/team`
//! before `HOST`. Nothing is ever written. Left out: the encrypted forms of Docker Desktop's own stores, which are
//! helpers anyway, and `~/.dockercfg`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde::Deserialize;

use super::reference::DOCKER_HUB;

/// The key of Docker Hub in Docker's own files and helpers.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// A file or an answer that is longer is not one of these.
const MAX_FILE: u64 = 1 << 20;

/// What shows a registry who asks. Its secrets are not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user's name and password.
    Password {
        /// The name.
        user: String,
        /// The password, or a token in its place.
        password: String,
    },
    /// What a token server takes in place of a password (OAuth 2's refresh token).
    IdentityToken(String),
    /// What the registry itself takes.
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Password { .. } => "Password",
            Credentials::IdentityToken(_) => "IdentityToken",
            Credentials::RegistryToken(_) => "RegistryToken",
        })
    }
}

/// Why it cannot be told who asks.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file is there and cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not of the form that Docker and podman give it.
    #[error("`{}` is wrong: {reason}", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the secret.
        reason: String,
    },
    /// A helper that a file names did not do its work.
    #[error("the credential helper `{program}`, which `{}` names, failed: {reason}", .path.display())]
    Helper {
        /// The file that names it.
        path: PathBuf,
        /// The helper.
        program: String,
        /// What happened.
        reason: String,
    },
}

/// The files that are looked into, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialFiles(Vec<PathBuf>);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    auths: BTreeMap<String, Auth>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    #[serde(rename = "auth")]
    pair: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl CredentialFiles {
    /// These files, those that are not there included.
    pub const fn new(files: Vec<PathBuf>) -> Self {
        CredentialFiles(files)
    }

    /// Where the environment says that they are: what a variable names outright first, then podman's, then Docker's.
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME");
        let below_home = |below: &str| home.as_ref().map(|home| home.join(below));
        let config = path("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        let files = [
            path("REGISTRY_AUTH_FILE"),
            path("DOCKER_CONFIG").map(|directory| directory.join("config.json")),
            path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json")),
            config.map(|directory| directory.join("containers/auth.json")),
            below_home(".docker/config.json"),
        ];
        CredentialFiles(files.into_iter().flatten().collect())
    }

    /// Who asks for a repository of a registry; none if nobody in particular.
    pub fn find(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, CredentialError> {
        for path in &self.0 {
            let Some(file) = File::read(path)? else { continue };
            if let Some(found) = file.find(path, registry, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl File {
    fn read(path: &Path) -> Result<Option<Self>, CredentialError> {
        let failed = |source| CredentialError::Read { path: path.to_owned(), source };
        let mut text = Vec::new();
        match std::fs::File::open(path) {
            Ok(file) => file.take(MAX_FILE).read_to_end(&mut text).map_err(failed)?,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        // serde's own words may quote a secret.
        let reason = |error: serde_json::Error| {
            format!("line {}, column {} is not what belongs there", error.line(), error.column())
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| CredentialError::Form { path: path.to_owned(), reason: reason(error) })
    }

    fn find(
        &self,
        path: &Path,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, CredentialError> {
        for wanted in candidates(registry, repository) {
            for (key, auth) in self.auths.iter().filter(|(key, _)| normal(key) == wanted) {
                if let Some(found) = auth.read(path, key)? {
                    return Ok(Some(found));
                }
            }
            if let Some((key, name)) = self.helpers.iter().find(|(key, _)| normal(key) == wanted) {
                return ask(path, name, key);
            }
        }
        let server = if registry == DOCKER_HUB { HUB_KEY } else { registry };
        self.store.as_ref().map_or(Ok(None), |name| ask(path, name, server))
    }
}

/// What keys may cover a repository, the most specific first.
fn candidates(registry: &str, repository: &str) -> Vec<String> {
    let whole = format!("{registry}/{repository}");
    let ends = whole.char_indices().filter(|(_, character)| *character == '/').map(|(at, _)| at);
    let mut keys: Vec<String> = ends.map(|end| whole[..end].to_owned()).collect();
    keys.push(whole);
    keys.reverse();
    keys
}

/// A key without what older clients have put around the host.
fn normal(key: &str) -> String {
    let bare = ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme));
    let mut name = bare.unwrap_or(key).trim_end_matches('/');
    if bare.is_some() {
        name = ["/v1", "/v2"].iter().find_map(|version| name.strip_suffix(version)).unwrap_or(name);
    }
    match name {
        "index.docker.io" | "registry-1.docker.io" | "index.docker.io/v1" => DOCKER_HUB.to_owned(),
        _ => name.to_owned(),
    }
}

impl Auth {
    /// An entry without content only says that a store has it.
    fn read(&self, path: &Path, key: &str) -> Result<Option<Credentials>, CredentialError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Credentials::RegistryToken(token)));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credentials::IdentityToken(token)));
        }
        let Some(auth) = given(&self.pair) else {
            let pair = given(&self.username).zip(given(&self.password));
            return Ok(pair.map(|(user, password)| Credentials::Password { user, password }));
        };
        let decoded = base64::engine::general_purpose::STANDARD.decode(auth.trim()).ok();
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = text.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
        let (user, password) = pair.ok_or_else(|| CredentialError::Form {
            path: path.to_owned(),
            reason: format!("`auth` of `{key}` is no base64 of USER:PASSWORD"),
        })?;
        Ok(Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() }))
    }
}

/// Asks a helper. None where it knows nobody.
fn ask(path: &Path, name: &str, server: &str) -> Result<Option<Credentials>, CredentialError> {
    let program = format!("docker-credential-{name}");
    let failed =
        |reason: String| CredentialError::Helper { path: path.to_owned(), program: program.clone(), reason };
    if name.is_empty() || name.contains('/') {
        return Err(failed("this is no program's name".to_owned()));
    }
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    // One that does not read is not worth an error of its own: what it answers counts.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(server.as_bytes()));
    let mut answer = Vec::new();
    let read = child.stdout.take().map_or(Ok(0), |out| out.take(MAX_FILE).read_to_end(&mut answer));
    let status = child.wait();
    read.map_err(|error| failed(error.to_string()))?;
    if !status.map_err(|error| failed(error.to_string()))?.success() {
        let words = String::from_utf8_lossy(&answer);
        if words.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(super::error::words(&words)));
    }
    let answer: Answer = serde_json::from_slice(&answer)
        .map_err(|_| failed("its answer is not what the protocol asks for".to_owned()))?;
    Ok(match (&*answer.username, answer.secret) {
        ("", _) => None,
        ("<token>", token) => Some(Credentials::IdentityToken(token)),
        (user, password) => Some(Credentials::Password { user: user.to_owned(), password }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(credentials: Option<Credentials>) -> String {
        match credentials {
            Some(Credentials::Password { user, password }) => format!("{user}:{password}"),
            Some(Credentials::IdentityToken(token)) => format!("identity {token}"),
            Some(Credentials::RegistryToken(token)) => format!("registry {token}"),
            None => "nobody".to_owned(),
        }
    }

    fn auth(text: &str) -> String {
        base64::engine::general_purpose::STANDARD.encode(text)
    }

    #[test]
    fn the_most_specific_key_of_the_first_file_wins() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("auth.json"), directory.path().join("config.json"));
        let text = serde_json::json!({ "auths": {
            "r.example.org": { "auth": auth("host:1") },
            "r.example.org/team": { "auth": auth("team:2:3") },
            "r.example.org/team/web": { "identitytoken": "t", "auth": auth("x:y") },
            "empty.example.org": {},
        } });
        std::fs::write(&first, text.to_string()).unwrap();
        let text = serde_json::json!({ "auths": {
            HUB_KEY: { "auth": auth("hub:1") },
            "https://old.example.org/v2/": { "username": "old", "password": "p" },
            "r.example.org/team/other": { "auth": auth("never:1") },
            "empty.example.org": { "registrytoken": "r" },
        } });
        std::fs::write(&second, text.to_string()).unwrap();
        let files = CredentialFiles::new(vec![directory.path().join("none"), first, second]);
        for (registry, repository, expected) in [
            ("r.example.org", "team/web", "identity t"),
            ("r.example.org", "team/web/x", "identity t"),
            ("r.example.org", "team/webb", "team:2:3"),
            ("r.example.org", "team/other", "team:2:3"),
            ("r.example.org", "teams/x", "host:1"),
            ("docker.io", "library/nginx", "hub:1"),
            ("old.example.org", "x", "old:p"),
            ("empty.example.org", "x", "registry r"),
            ("other.example.org", "x", "nobody"),
        ] {
            assert_eq!(user(files.find(registry, repository).unwrap()), expected, "{registry}/{repository}");
        }
    }

    /// That helpers are asked is shown where a `PATH` can be given: in the tests of the program.
    #[test]
    fn helpers_that_are_no_programs_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let files = CredentialFiles::new(vec![path.clone()]);
        for (config, words) in [
            (serde_json::json!({ "credHelpers": { "a.example.org": "../x" } }), "this is no program's name"),
            (serde_json::json!({ "credsStore": "rootforge-none" }), "`docker-credential-rootforge-none`"),
        ] {
            std::fs::write(&path, config.to_string()).unwrap();
            let error = files.find("a.example.org", "x").unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn files_of_another_form_are_told_without_their_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        for text in
            ["{", "[1]", "{\"auths\":{\"h\":{\"auth\":\"c2VjcmV0\"}}}", "{\"auths\":{\"h\":\"secret\"}}"]
        {
            std::fs::write(&path, text).unwrap();
            let error = CredentialFiles::new(vec![path.clone()]).find("h", "x").unwrap_err().to_string();
            assert!(error.contains("config.json") && !error.contains("secret"), "{error}");
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(CredentialFiles::new(vec![path]).find("h", "x").unwrap(), None);
        let debug = format!("{:?}", Credentials::Password { user: "u".into(), password: "secret".into() });
        assert!(!debug.contains("secret"));
    }

    #[test]
    fn where_files_are_looked_for() {
        let files = |pairs: &[(&str, &str)]| {
            let pairs: BTreeMap<String, String> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            CredentialFiles::from_environment(&|name| pairs.get(name).map(OsString::from)).0
        };
        assert_eq!(
            files(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/u"), ("DOCKER_CONFIG", "/d")]),
            [
                "/d/config.json",
                "/run/u/containers/auth.json",
                "/h/.config/containers/auth.json",
                "/h/.docker/config.json"
            ]
            .map(PathBuf::from)
        );
        assert_eq!(files(&[("REGISTRY_AUTH_FILE", "/f")]), [PathBuf::from("/f")]);
        assert!(files(&[]).is_empty());
    }
}
