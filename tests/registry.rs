//! Images to and from registries: against Debian's docker-registry, other people's clients, and servers that fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "functions beside the tests fail like tests")]

mod archives;
mod damage;
mod engines;
mod faults;
mod gallery;
mod logins;
mod real;
pub(crate) mod support;

use std::path::Path;

use crate::image::{config, directory, file, noise, sample, spec, write_compressed, write_layer};
use crate::support::Rig;
use rootforge::arch::Arch;
use rootforge::oci::{Descriptor, LayerBlob, Layout};
use rootforge::recipe::LayerCompression;

/// Bytes of the lowest layer's large file: several chunks.
const LARGE: usize = 9_000_000;

/// Three images in the layout of a rig: `one` and `two` share their lowest layer, of some 9 MB; `all` is an index of `one`
/// and an image for another architecture, whose own layer is compressed with zstd.
struct Images {
    rig: Rig,
    layout: Layout,
    base: LayerBlob,
}

impl Images {
    fn new() -> Self {
        let rig = Rig::new();
        let layout = Layout::open_or_create(rig.work("images")).unwrap();
        let mut lowest = sample()[0].clone();
        lowest.push(directory("/srv"));
        lowest.push(file("/srv/large", 0o644, &noise(LARGE)));
        let base = write_layer(&layout, &lowest, "base");
        let mut images = Vec::new();
        for (name, arch) in [("one", Arch::Amd64), ("two", Arch::Amd64), ("arm", Arch::Arm64)] {
            let own = vec![directory("/opt"), file("/opt/name", 0o644, name.as_bytes())];
            let compression = if name == "arm" { LayerCompression::Zstd } else { LayerCompression::Gzip };
            let layers = vec![base.clone(), write_compressed(&layout, compression, &own, name)];
            let image = layout.write_image(&spec(arch, layers)).unwrap();
            layout.tag(name, image).unwrap();
            images.push(image);
        }
        layout.tag("all", layout.write_index(&[images[0], images[2]]).unwrap()).unwrap();
        assert!(config().entrypoint.is_some() && base.size > LARGE as u64);
        Images { rig, layout, base }
    }

    fn find(&self, name: &str) -> Descriptor {
        self.layout.find(Some(name)).unwrap()
    }

    /// Runs the program, which has to succeed: what it prints as JSON.
    #[track_caller]
    fn json(&self, args: &[&str]) -> serde_json::Value {
        let ran = crate::support::rig::run(&mut self.rig.bare(&[args, &["--json"]].concat())).ok();
        serde_json::from_str(&ran.out).unwrap()
    }

    /// Runs the program in the rig's directory.
    fn run(&self, args: &[&str]) -> crate::support::rig::Ran {
        crate::support::rig::run(&mut self.rig.bare(args))
    }
}

/// The digest that a layout has under a name.
fn digest(layout: &Path, name: &str) -> String {
    Layout::open_or_create(layout).unwrap().find(Some(name)).unwrap().digest().to_string()
}
