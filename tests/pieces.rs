//! What a package gives to a layer is compressed once, whatever layer it comes to be in: the bytes are those that a build
//! without any cache gives.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{Archive, Image, Rig};
use rootforge::arch::Arch;
use rootforge::cache::Cache;
use rootforge::digest::Digest;

/// A file of some millions of bytes, and two small ones. What is above 8 MiB is never held as a whole.
fn packages(version: &str) -> String {
    let numbers = |count: u64| {
        (0..count).fold(String::new(), |mut text, number| {
            let _ = write!(text, "{:x} ", (number % 1009).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            text
        })
    };
    format!(
        "Package: large\n /usr/share/large 0644 {}\n\nPackage: middle\n /usr/share/middle 0644 {}\n\n\
         Package: small\n Version: {version}\n /usr/share/small 0644 of {version}\n",
        numbers(600_000),
        numbers(100_000)
    )
}

fn recipe(compression: &str) -> String {
    format!(
        "name = \"r\"\nfrom = \"debian:trixie\"\narch = [\"amd64\"]\nkeys = [\"key.asc\"]\n\
         compression = \"{compression}\"\n[[layer]]\nname = \"all\"\npackages = [\"large\", \"middle\", \"small\"]\n\
         keep = \"all\"\n"
    )
}

fn archive(version: &str) -> Archive {
    let mut archive = Archive::new(&packages(version)).for_archs(&[Arch::Amd64]);
    archive.date += u64::from(version != "1.0") * 86_400;
    archive
}

/// How many pieces the cache knows the places of.
fn places(rig: &Rig) -> usize {
    std::fs::read_dir(rig.cache().join("derived/piece-place-2")).into_iter().flatten().count()
}

fn blob(rig: &Rig, hex: &str) -> PathBuf {
    rig.cache().join("blobs/sha256").join(hex)
}

/// Puts a damaged file in the place of another.
fn damage(path: &Path, change: impl Fn(&mut [u8])) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Changes every piece of a blob: of gzip only the time in the members' headers, which unpacks as before.
fn change_all(bytes: &mut [u8]) {
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let headers: Vec<usize> =
        bytes.windows(10).enumerate().filter(|(_, at)| **at == HEADER).map(|(at, _)| at).collect();
    if headers.is_empty() {
        let every = (bytes.len() / 50).clamp(1, 40);
        bytes.iter_mut().step_by(every).for_each(|byte| *byte ^= 1);
    }
    for at in headers {
        bytes[at + 4] = 1;
    }
}

/// The image, and the digest of its only layer.
fn build(rig: &Rig, output: &str, more: &[&str]) -> (Image, String) {
    let layout = rig.path(output);
    let output = format!("oci:{}", layout.display());
    rig.run(&[&["build", "r.toml", "--arch", "amd64", "--output", &output], more].concat()).ok();
    let image = Image::read(&layout, "r");
    image.assert_sound();
    let document = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(layout.join(name)).unwrap()).unwrap()
    };
    let digest = |descriptor: &serde_json::Value| {
        descriptor["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned()
    };
    let manifest = document(&format!("blobs/sha256/{}", digest(&document("index.json")["manifests"][0])));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    (image, digest(&manifest["layers"][0]))
}

#[test]
fn what_did_not_change_is_not_compressed_again() {
    for compression in ["gzip", "zstd"] {
        let rig = Rig::with(&archive("1.0"));
        rig.write("r.toml", recipe(compression));
        let (_, before) = build(&rig, "before", &[]);
        assert_eq!(places(&rig), 3, "{compression}");
        // These archives pass for sound, and are not: who reads them fails.
        for name in ["large", "middle"] {
            let digest = Digest::of(&archive("1.0").files()[&format!("pool/{name}_1.0_amd64.deb")]);
            let path = blob(&rig, &digest.hex());
            damage(&path, |bytes| bytes.iter_mut().step_by(100).for_each(|byte| *byte ^= 1));
            let later = SystemTime::now() + Duration::from_secs(60);
            let cache = Cache::open(rig.cache()).unwrap().at(later);
            assert!(cache.is_sound(&digest, &path, || Ok(true)).unwrap());
        }

        for (path, bytes) in archive("2.0").files() {
            let path = rig.path("archive").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        rig.run(&["lock", "r.toml", "--update", "--arch", "amd64"]).ok();
        let (image, after) = build(&rig, "after", &[]);
        assert_ne!(before, after);
        assert_eq!(image.text("/usr/share/small"), "of 2.0");
        assert_eq!(places(&rig), 4, "{compression}");

        let empty = rig.path("empty").display().to_string();
        let (_, cold) = build(&rig, "cold", &["--cache-dir", &empty]);
        assert_eq!(cold, after, "{compression}");

        // Every piece is damaged. What lies where it is known to be, and is not that, is found out: so the archives are
        // read, and that these are damaged is found out too, once each.
        for layer in [&before, &after] {
            damage(&blob(&rig, layer), change_all);
        }
        rig.forget("image-");
        rig.forget("layer-");
        let build_again = || rig.run(&["build", "r.toml", "--arch", "amd64", "--output", "oci:again"]);
        for name in ["large", "middle"] {
            let words = format!("error: the file of the package {name} 1.0 in the cache has changed");
            build_again().fails(1, &[&words, "hint: run it again"]);
        }
        build_again().ok();
        let (_, again) = build(&rig, "again", &[]);
        assert_eq!(cold, again, "{compression}");
    }
}
