//! The gallery's services on their common base, from the real mirror: what two of them share lies once on disk, and
//! goes once over the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::support::{DockerRegistry, Proxy, fetched, sent};
use crate::gallery::bench;
use crate::tools::have;
use rootforge::oci::Layout;

/// The layers of an image in a layout: digest and size.
fn layers(layout: &Layout, name: &str) -> Vec<(String, u64)> {
    let manifest = fs::read(layout.blob_path(&layout.find(Some(name)).unwrap().digest())).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| (layer["digest"].as_str().unwrap().to_owned(), layer["size"].as_u64().unwrap()))
        .collect()
}

#[test]
fn services_share_their_base_on_disk_and_on_the_wire() {
    let Some(bench) = bench() else { return };
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::start();
    let proxy = Proxy::counting(&registry.host);
    let place = |name: &str| format!("docker://{}/team/{name}:1", proxy.host());
    let names = ["nginx", "redis", "python3"];
    for base in ["debian", "debian-services"] {
        bench.build(&[&format!("base/{base}.toml"), "--arch", "amd64"]);
    }
    for name in names {
        bench.build(&[&format!("{name}.toml"), "--arch", "amd64"]);
    }

    // On disk: every layer is one file, and all three have the base's, in the base's order.
    let layout = Layout::open_or_create(bench.path("images")).unwrap();
    let base = layers(&layout, "debian-services");
    assert_eq!(layers(&layout, "debian")[..], base[..1]);
    let images: BTreeMap<&str, _> = names.map(|name| (name, layers(&layout, name))).into();
    let mut all: BTreeSet<_> = base.iter().cloned().collect();
    for (name, own) in &images {
        assert_eq!(own[..base.len()], base[..], "{name}");
        all.extend(own.iter().cloned());
    }
    let packed = |blob: &fs::DirEntry| fs::read(blob.path()).unwrap().starts_with(&[0x1f, 0x8b]);
    let files = fs::read_dir(layout.directory().join("blobs/sha256")).unwrap().flatten().filter(packed);
    assert_eq!(files.count(), all.len());

    // On the wire: the first brings the base, the others what they have beside it, and not a byte of the base.
    let small = 20_000;
    let of_base: u64 = base.iter().map(|(_, size)| size).sum();
    for (number, name) in names.into_iter().enumerate() {
        let own: u64 = images[name][base.len()..].iter().map(|(_, size)| size).sum();
        let expected = if number == 0 { of_base + own } else { own };
        bench.run(&["push", name, &place(name)]).ok();
        let sent = sent(&proxy.take());
        assert!((expected..expected + small).contains(&sent), "{name}: {sent} of {expected}");
        println!("pushing {name}: {sent} bytes sent, its layers have {}", of_base + own);
    }
    for (number, name) in names.into_iter().enumerate() {
        let own: u64 = images[name][base.len()..].iter().map(|(_, size)| size).sum();
        let expected = if number == 0 { of_base + own } else { own };
        let into = format!("oci:pulled:{name}");
        bench.run(&["copy", &place(name), &into]).ok();
        let fetched = fetched(&proxy.take());
        assert!((expected..expected + small).contains(&fetched), "{name}: {fetched} of {expected}");
        println!("pulling {name}: {fetched} bytes fetched");
    }
}
