//! Registries that ask who is there: Docker's and podman's files, helpers, and token servers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use super::Images;
use super::support::{DockerRegistry, PASSWORD, Server, USER, answer};
use crate::support::rig::{Ran, run};
use crate::tools::have;
use base64::Engine as _;
use rootforge::digest::Digest;
use serde_json::json;

fn auth(user: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
}

#[test]
fn logins_of_docker_podman_and_helpers() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::with_login();
    let (host, images) = (&registry.host, Images::new());
    let image = format!("docker://{host}/team/one");
    let push = |variables: &[(&str, &str)]| -> Ran {
        run(images.rig.bare(&["push", "one", &image]).envs(variables.iter().copied()))
    };
    push(&[]).fails(
        1,
        &[&format!("`{host}/team/one`"), "the registry asks for a login", "hint: log in with `docker login"],
    );

    let directory = |name: &str| images.rig.path(&format!("home/{name}")).display().to_string();
    let write = |name: &str, value: &serde_json::Value| {
        let path = images.rig.path(&format!("home/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    };
    let entry = |key: &str, password: &str| json!({ "auths": { key: { "auth": auth(USER, password) } } });
    write("wrong/config.json", &entry(host, "not-it"));
    push(&[("DOCKER_CONFIG", &directory("wrong"))])
        .fails(1, &["does not take the one that is known", "hint: log in with", "again"]);
    write("broken.json", &json!({ "auths": { host.as_str(): { "auth": "?" } } }));
    push(&[("REGISTRY_AUTH_FILE", &directory("broken.json"))])
        .fails(1, &["broken.json` is wrong", "hint: correct the file"]);

    // A helper, found by its name; it is told the registry.
    let bin = images.rig.path("home/bin");
    fs::create_dir_all(&bin).unwrap();
    let helper = bin.join("docker-credential-tests");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = get ] && read -r server || [ -n \"$server\" ]\n[ \"$server\" = {host} ] || {{ echo 'credentials not found in native keychain'; exit 1; }}\n\
         echo '{{\"ServerURL\":\"x\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n"
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    write("store/config.json", &json!({ "credsStore": "tests", "auths": { host.as_str(): {} } }));
    push(&[("DOCKER_CONFIG", &directory("store"))])
        .fails(1, &["`docker-credential-tests`", "hint: install the helper"]);
    push(&[("DOCKER_CONFIG", &directory("store")), ("PATH", &path)]).ok();

    // The most specific key, in Docker's file; then podman's files, in their places.
    let mut keys = entry(host, "not-it");
    keys["auths"][format!("{host}/team")] = json!({ "auth": auth(USER, PASSWORD) });
    write(".docker/config.json", &keys);
    push(&[]).ok();
    fs::remove_file(images.rig.path("home/.docker/config.json")).unwrap();
    write("run/containers/auth.json", &entry(host, PASSWORD));
    push(&[("XDG_RUNTIME_DIR", &directory("run"))]).ok();
    write(".config/containers/auth.json", &entry(host, PASSWORD));
    push(&[]).ok();
    images.run(&["pull", &image]).ok();
}

/// A registry with a token server: what is asked for, what is sent to whom.
#[test]
fn tokens_are_for_a_scope_and_go_to_nobody_else() {
    let blob = b"not to be seen by others".to_vec();
    let (config, layer) = (json!({ "os": "linux", "architecture": "amd64" }).to_string(), blob.clone());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::of(config.as_bytes()).to_string(), "size": config.len() },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": Digest::of(&layer).to_string(), "size": layer.len() }],
    })
    .to_string();
    // Another host by its port: where blobs are stored.
    let store = Server::new(move |_, _| answer(200, &[], &blob));
    let store_url = format!("http://{}/blob", store.host);
    let issued = Arc::new(Mutex::new(0));
    let count = issued.clone();
    let tokens = Server::new(move |_, _| {
        *count.lock().unwrap() += 1;
        answer(200, &[], format!("{{\"token\":\"t{}\"}}", count.lock().unwrap()).as_bytes())
    });
    let challenge = format!(
        "Bearer realm=\"http://{}/token?a=b\",service=\"tests\",scope=\"repository:x:pull\"",
        tokens.host
    );
    let digest = Digest::of(config.as_bytes()).to_string();
    let registry = Server::new(move |head, _| {
        // The first token does not last.
        if head
            .headers
            .get("authorization")
            .is_none_or(|value| value == "Bearer t1" && head.path.contains("/blobs/"))
        {
            return answer(401, &[("WWW-Authenticate", &challenge)], b"");
        }
        if head.path.contains("/manifests/") {
            return answer(
                200,
                &[("Content-Type", "application/vnd.oci.image.manifest.v1+json")],
                manifest.as_bytes(),
            );
        }
        if head.path.ends_with(&digest) {
            return answer(200, &[], config.as_bytes());
        }
        answer(307, &[("Location", &store_url)], b"")
    });
    let images = Images::new();
    let files = images.rig.path("home/auth.json");
    fs::write(&files, json!({ "auths": { &registry.host: { "auth": auth(USER, PASSWORD) } } }).to_string())
        .unwrap();
    let image = format!("docker://{}/team/web:1", registry.host);
    let pull = |file: &std::path::Path| {
        run(images.rig.bare(&["pull", &image, "--tag", "t"]).env("REGISTRY_AUTH_FILE", file))
    };
    pull(&files).ok();
    let asked = tokens.log();
    assert_eq!(
        (asked.len(), *issued.lock().unwrap()),
        (2, 2),
        "one that did not last, and one for all the rest"
    );
    assert_eq!(asked[0].path, "/token?a=b&service=tests&scope=repository%3Ateam%2Fweb%3Apull");
    assert_eq!(asked[0].headers["authorization"], format!("Basic {}", auth(USER, PASSWORD)));
    assert!(
        registry
            .log()
            .iter()
            .all(|head| !head.headers.get("authorization").is_some_and(|value| value.starts_with("Basic")))
    );
    assert!(store.log().iter().all(|head| !head.headers.contains_key("authorization")), "{:?}", store.log());
    assert_eq!(store.log().len(), 1);

    // An identity token is changed for a token by a form.
    fs::remove_dir_all(images.rig.work("images")).unwrap();
    fs::write(&files, json!({ "auths": { &registry.host: { "identitytoken": "i&d" } } }).to_string())
        .unwrap();
    *issued.lock().unwrap() = 5;
    pull(&files).ok();
    let asked = tokens.log().pop().unwrap();
    assert_eq!(
        (&*asked.method, asked.headers["content-type"].as_str()),
        ("POST", "application/x-www-form-urlencoded")
    );
}

/// A registry that names a token server without https elsewhere gets no password sent there.
#[test]
fn passwords_do_not_go_out_in_the_clear() {
    let registry = Server::new(|_, _| {
        answer(
            401,
            &[("WWW-Authenticate", "Bearer realm=\"http://tokens.example.org/t\",service=\"x\"")],
            b"",
        )
    });
    let images = Images::new();
    images
        .run(&["pull", &format!("docker://{}/x", registry.host)])
        .fails(1, &["`http://tokens.example.org/t`, which is neither https nor on this machine", "hint: "]);
    assert_eq!(registry.log().len(), 1);
}
