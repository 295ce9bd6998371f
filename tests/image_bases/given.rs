//! Images as others make them, of packages made in code, with dpkg's database.

use rootforge::arch::Arch;
use rootforge::oci::{ImageRef, Layout};
use serde_json::Value;

use crate::image::{Member, directory, file, member, spec, symlink, write_layer};
use crate::support::package::Package;
use crate::support::rig::Ran;
use crate::support::{Archive, Image, Rig};
use rootforge::tarball::EntryKind;

/// What the archive has.
pub(super) const PACKAGES: &str = "Package: low
 Depends: libx1, libc6
 /usr/bin/low elf program needed=libx.so.1 interp=/usr/lib/ld.so

 Package: libx1
 /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
 /usr/lib/{triplet}/libx-extra.so.1 elf soname=libx-extra.so.1
 /usr/share/doc/libx1/copyright 0644 free

 Package: libc6
 /usr/lib/ld.so elf soname=ld.so

 Package: app
 Depends: libx1, liby1
 /usr/bin/app elf program needed=libx.so.1,liby.so.1 interp=/usr/lib/ld.so

 Package: liby1
 Depends: libx1
 /usr/lib/{triplet}/liby.so.1 elf soname=liby.so.1 needed=libx-extra.so.1

 Package: tool
 Depends: libx1
 /usr/bin/tool elf program needed=libx.so.1 interp=/usr/lib/ld.so

 Package: newer
 Depends: libx1 (>= 2)

 Package: libx1
 Version: 2.0
 /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
 /usr/lib/{triplet}/libx-extra.so.1 elf soname=libx-extra.so.1

 Package: newest
 Depends: libx1 (>= 3)

 Package: data
 /usr/share/data/x 0644 x";

pub(super) fn rig() -> Rig {
    Rig::with(&Archive::new(PACKAGES).for_archs(&[Arch::Amd64, Arch::Arm64]))
}

/// A recipe on the image `low`, with one layer.
pub(super) fn above(name: &str, more: &str) -> String {
    on("oci:images:low", name, more)
}

/// A recipe on an image.
pub(super) fn on(base: &str, name: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\nfrom = \"debian:trixie\"\nkeys = [\"key.asc\"]\nbase = \"{base}\"\n\
         [[layer]]\nname = \"{name}\"\n{more}"
    )
}

pub(super) fn build(rig: &Rig, more: &[&str]) -> Ran {
    rig.build(more)
}

/// An image that was built, in which nothing is wrong.
pub(super) fn image(rig: &Rig, tag: &str) -> Image {
    let image = Image::read(&rig.work("images"), tag);
    image.assert_sound();
    rig.run(&["check", &format!("oci:images:{tag}")]).ok();
    image
}

/// The manifest of a tag.
pub(super) fn manifest(rig: &Rig, tag: &str) -> Value {
    let layout = Layout::open_or_create(rig.work("images")).unwrap();
    let digest = layout.find(Some(tag)).unwrap().digest();
    serde_json::from_slice(&std::fs::read(layout.blob_path(&digest)).unwrap()).unwrap()
}

/// A Debian image with dpkg's database, in one layer and those added.
pub(super) struct Debian {
    packages: Vec<Package>,
    pub(super) version: &'static str,
    pub(super) os_release: String,
    pub(super) passwd: String,
    pub(super) group: String,
    pub(super) shadow: Option<String>,
    /// Paths that the lists have and the image does not.
    pub(super) without: Vec<&'static str>,
    more: Vec<Member>,
    layers: Vec<Vec<Member>>,
}

impl Debian {
    /// With some of the archive's packages.
    pub(super) fn new(names: &str) -> Self {
        let all = Package::parse(PACKAGES);
        let named = names.split(' ').map(|name| all.iter().find(|one| one.name() == name).unwrap().clone());
        let mut packages: Vec<Package> = named.collect();
        packages.sort_by_key(|package| package.name().to_owned());
        Debian {
            packages,
            version: "1.0",
            os_release: "ID=debian\nVERSION_ID=\"13\"\n".to_owned(),
            passwd: "root:x:0:0:root:/root:/bin/sh\nbase:x:150:150::/:/x\n".to_owned(),
            group: "root:x:0:\nbase:x:150:\n".to_owned(),
            shadow: None,
            without: Vec::new(),
            more: Vec::new(),
            layers: vec![vec![directory("/opt"), file("/opt/of-base", 0o644, b"x")]],
        }
    }

    /// With more in its lowest layer.
    pub(super) fn and(mut self, members: &[Member]) -> Self {
        self.more.extend_from_slice(members);
        self
    }

    /// With one more layer.
    pub(super) fn layer(mut self, members: Vec<Member>) -> Self {
        self.layers.push(members);
        self
    }

    /// Its lowest layer.
    fn lowest(&self, arch: Arch) -> Vec<Member> {
        let distro = "debian:trixie".parse().unwrap();
        let mut all: Vec<Member> = Vec::new();
        for path in ["/etc", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/var", "/var/lib"] {
            all.push(directory(path));
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            all.push(symlink(&format!("/{name}"), &format!("usr/{name}")));
        }
        all.push(member("/tmp", 0o1777, EntryKind::Directory, b""));
        for path in ["/var/lib/dpkg", "/var/lib/dpkg/info"] {
            all.push(directory(path));
        }
        let mut status = String::new();
        for package in &self.packages {
            let control = package
                .control(distro_arch(arch))
                .replace("Version: 1.0", &format!("Version: {}", self.version));
            status.push_str(&control.replacen('\n', "\nStatus: install ok installed\n", 1));
            status.push('\n');
            let mut list = "/.\n".to_owned();
            for one in package.members(distro, arch) {
                let path = one.0.path.to_string();
                list.push_str(&format!("{path}\n"));
                if path != "/"
                    && !self.without.contains(&&*path)
                    && !all.iter().any(|(entry, _)| entry.path == one.0.path)
                {
                    all.push(one);
                }
            }
            all.push(file(&format!("/var/lib/dpkg/info/{}.list", package.name()), 0o644, list.as_bytes()));
        }
        for (path, text) in [
            ("/var/lib/dpkg/status", &status),
            ("/etc/os-release", &self.os_release),
            ("/etc/passwd", &self.passwd),
            ("/etc/group", &self.group),
        ] {
            all.push(file(path, 0o644, text.as_bytes()));
        }
        all.extend(self.shadow.iter().map(|text| file("/etc/shadow", 0o640, text.as_bytes())));
        all.extend_from_slice(&self.more);
        all
    }

    /// Writes it for amd64, under a name.
    pub(super) fn write(&self, rig: &Rig, tag: &str) -> ImageRef {
        self.write_for(rig, tag, Arch::Amd64)
    }

    pub(super) fn write_for(&self, rig: &Rig, tag: &str, arch: Arch) -> ImageRef {
        let layout = Layout::open_or_create(rig.work("images")).unwrap();
        let lowest = self.lowest(arch);
        let layers = std::iter::once(&lowest).chain(&self.layers);
        let layers = layers.map(|layer| write_layer(&layout, layer, "made `elsewhere`")).collect();
        let mut spec = spec(arch, layers);
        spec.config.entrypoint = None;
        spec.config.user = Some("base".to_owned());
        spec.config.env = [("PATH", "/base"), ("A", "base"), ("B", "base")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let image = layout.write_image(&spec).unwrap();
        layout.tag(tag, image).unwrap();
        image
    }
}

fn distro_arch(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "amd64",
        _ => "arm64",
    }
}
