//! A small image made in code, with one of everything that tools have got wrong. Shared by tests.

#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "it fails like a test")]

use std::collections::BTreeMap;
use std::path::Path;

use rootforge::arch::Arch;
use rootforge::oci::{ImageRef, ImageSpec, LayerBlob, Layout};
use rootforge::recipe::{ExposedPort, ImageConfig, LayerCompression};
use rootforge::root_path::RootPath;
use rootforge::tarball::{Entry, EntryKind, Metadata, Writer};

/// What the image's program prints.
pub(crate) const GREETING: &str = "hello from a static program\n";

pub(crate) fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

/// An entry and its content.
pub(crate) type Member = (Entry, Vec<u8>);

pub(crate) fn member(name: &str, mode: u32, kind: EntryKind, content: &[u8]) -> Member {
    let metadata = Metadata { mode, uid: 0, gid: 0, mtime: 315_619_200, xattrs: BTreeMap::new() };
    (Entry { path: path(name), metadata, kind }, content.to_vec())
}

pub(crate) fn directory(name: &str) -> Member {
    member(name, 0o755, EntryKind::Directory, b"")
}

pub(crate) fn file(name: &str, mode: u32, content: &[u8]) -> Member {
    member(name, mode, EntryKind::File { size: content.len() as u64 }, content)
}

pub(crate) fn symlink(name: &str, target: &str) -> Member {
    member(name, 0o777, EntryKind::Symlink { target: target.to_owned() }, b"")
}

pub(crate) fn hard_link(name: &str, target: &str) -> Member {
    member(name, 0o644, EntryKind::HardLink { target: path(target) }, b"")
}

/// Bytes that hardly compress, the same each time.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(size)
    .collect()
}

/// The layers of the sample, from the lowest.
pub(crate) fn sample() -> Vec<Vec<Member>> {
    let base = vec![
        directory("/bin"),
        file("/bin/hello", 0o755, &static_program()),
        directory("/etc"),
        file("/etc/group", 0o644, b"root:x:0:\nplayers:x:60:\n"),
        file("/etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/hello\npulse:x:100:60::/:/bin/hello\n"),
        member("/tmp", 0o1777, EntryKind::Directory, b""),
        directory("/usr"),
        directory("/usr/lib"),
        file("/usr/lib/data", 0o644, b"lower"),
        symlink("/lib", "usr/lib"),
    ];
    let deep = format!("/{}", "d".repeat(80)).repeat(4);
    let mut owned = file("/opt/owned", 0o640, b"of a player");
    (owned.0.metadata.uid, owned.0.metadata.gid) = (100, 60);
    let mut capable = file("/opt/capable", 0o755, b"cap_net_bind_service");
    let mut capability = vec![1, 0, 0, 2, 0, 4];
    capability.resize(20, 0);
    capable.0.metadata.xattrs.insert("security.capability".into(), capability);
    let mut dated = file("/opt/dated", 0o644, b"2001");
    dated.0.metadata.mtime = 1_000_000_000;
    let mut top = vec![
        directory("/opt"),
        capable,
        dated,
        file("/opt/empty", 0o600, b""),
        file("/opt/large", 0o644, &noise(5 << 20)),
        hard_link("/opt/large-again", "/opt/large"),
        symlink("/opt/link", "../bin/hello"),
        symlink("/opt/far", &"t/".repeat(70)),
        file(&format!("/opt/{}", "n".repeat(150)), 0o644, b"over 100"),
        member("/opt/null", 0o666, EntryKind::CharDevice { major: 1, minor: 3 }, b""),
        owned,
        member("/opt/pipe", 0o600, EntryKind::Fifo, b""),
        file("/opt/setuid", 0o4755, b"setuid"),
        file("/opt/setgid", 0o2755, b"setgid"),
        directory("/usr"),
        directory("/usr/lib"),
        file("/usr/lib/data", 0o600, b"upper"),
    ];
    for end in 1..=4 {
        top.push(directory(&deep[..81 * end]));
    }
    top.push(file(&format!("{deep}/over-256"), 0o644, b"over 256"));
    vec![base, top]
}

pub(crate) fn write_layer(layout: &Layout, members: &[Member], created_by: &str) -> LayerBlob {
    write_compressed(layout, LayerCompression::Gzip, members, created_by)
}

pub(crate) fn write_compressed(
    layout: &Layout,
    compression: LayerCompression,
    members: &[Member],
    created_by: &str,
) -> LayerBlob {
    let mut tar = Writer::new(layout.compressing_writer(compression).unwrap());
    for (entry, content) in members {
        tar.append(entry, &mut content.as_slice()).unwrap();
    }
    tar.finish().unwrap().complete(created_by.to_owned()).unwrap()
}

pub(crate) fn config() -> ImageConfig {
    ImageConfig {
        entrypoint: Some(vec!["/bin/hello".into()]),
        user: Some("pulse:players".into()),
        workdir: Some(RootPath::root()),
        env: BTreeMap::from([("PATH".into(), "/bin".into()), ("HOME".into(), "/tmp".into())]),
        expose: vec![ExposedPort { port: 4713, protocol: "tcp" }],
        labels: BTreeMap::from([("org.opencontainers.image.title".into(), "Sample".into())]),
        ..ImageConfig::default()
    }
}

pub(crate) fn spec(arch: Arch, layers: Vec<LayerBlob>) -> ImageSpec {
    ImageSpec {
        arch,
        config: config(),
        created: 1_700_000_000,
        given: None,
        layers,
        annotations: BTreeMap::new(),
    }
}

/// An image of these layers, called `sample`.
pub(crate) fn write_image(directory: &Path, layers: &[Vec<Member>]) -> (Layout, ImageRef) {
    write_image_with(directory, layers, LayerCompression::Gzip)
}

/// The same with another compression of the topmost layer.
pub(crate) fn write_image_with(
    directory: &Path,
    layers: &[Vec<Member>],
    topmost: LayerCompression,
) -> (Layout, ImageRef) {
    let layout = Layout::open_or_create(directory).unwrap();
    let blobs = layers.iter().enumerate().map(|(at, layer)| {
        let compression = if at + 1 == layers.len() { topmost } else { LayerCompression::Gzip };
        write_compressed(&layout, compression, layer, "a layer")
    });
    let blobs = blobs.collect();
    let image = layout.write_image(&spec(Arch::Amd64, blobs)).unwrap();
    layout.tag("sample", image).unwrap();
    (layout, image)
}

/// A whole ELF program for amd64: `write(1, GREETING)`, `exit(0)`.
fn static_program() -> Vec<u8> {
    const CODE_AT: u64 = 64 + 56;
    let length = u32::try_from(GREETING.len()).unwrap().to_le_bytes();
    let mut code = vec![0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0]; // mov eax, 1; mov edi, 1
    code.extend([0x48, 0x8d, 0x35, 16, 0, 0, 0, 0xba]); // lea rsi, [rip + 16]; mov edx, length
    code.extend(length);
    code.extend([0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05]); // syscall; exit(0)
    code.extend(GREETING.bytes());
    let base = 0x40_0000_u64;
    let mut elf = elf_header(2, base + CODE_AT, 1);
    let size = CODE_AT + code.len() as u64;
    program_header(&mut elf, 1, 5, 0, base, size);
    elf.extend(code);
    elf
}

/// A dynamic ELF object for amd64 that needs libraries, and names its loader if it is a program.
pub(crate) fn dynamic_object(soname: Option<&str>, needed: &[&str], interp: Option<&str>) -> Vec<u8> {
    let mut strings = vec![0];
    let mut string = |text: &str| {
        let at = strings.len() as u64;
        strings.extend(text.bytes());
        strings.push(0);
        at
    };
    let mut dynamic: Vec<(u64, u64)> = needed.iter().map(|name| (1, string(name))).collect();
    dynamic.extend(soname.map(|name| (14, string(name))));
    let interp = interp.map(|name| (string(name), name.len() as u64 + 1));
    let headers = 2 + u16::from(interp.is_some());
    let strings_at = 64 + 56 * u64::from(headers);
    let dynamic_at = (strings_at + strings.len() as u64).next_multiple_of(8);
    dynamic.extend([(5, strings_at), (10, strings.len() as u64), (0, 0)]);
    let size = dynamic_at + 16 * dynamic.len() as u64;
    let mut elf = elf_header(3, 0, headers);
    program_header(&mut elf, 1, 4, 0, 0, size);
    program_header(&mut elf, 2, 6, dynamic_at, dynamic_at, size - dynamic_at);
    if let Some((at, length)) = interp {
        program_header(&mut elf, 3, 4, strings_at + at, strings_at + at, length);
    }
    elf.extend(strings);
    elf.resize(usize::try_from(dynamic_at).unwrap(), 0);
    for (tag, value) in dynamic {
        elf.extend(tag.to_le_bytes());
        elf.extend(value.to_le_bytes());
    }
    elf
}

fn elf_header(kind: u16, entry: u64, headers: u16) -> Vec<u8> {
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    elf.resize(16, 0);
    elf.extend(kind.to_le_bytes());
    elf.extend(62_u16.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    elf.extend(entry.to_le_bytes());
    elf.extend(64_u64.to_le_bytes()); // e_phoff
    elf.extend(0_u64.to_le_bytes()); // e_shoff
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, headers, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf
}

fn program_header(elf: &mut Vec<u8>, kind: u32, flags: u32, offset: u64, address: u64, size: u64) {
    elf.extend(kind.to_le_bytes());
    elf.extend(flags.to_le_bytes());
    for word in [offset, address, address, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
}
