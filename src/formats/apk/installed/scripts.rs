//! `scripts.tar`: the scripts of the installed packages, each named `NAME-VERSION.CHECKSUM.SCRIPT`.
//!
//! A checksum may hold slashes, doubled ones too, so the names are no paths of an image and the headers are
//! written here, byte for byte as apk does: old GNU magic, owner `root`. apk cuts names at 99 bytes and loses
//! such scripts; here they have GNU's long-name member, which apk reads.

use super::InstalledPackage;
use super::fields::label;

/// The scripts apk knows, in the order it writes them.
pub const SCRIPTS: [&str; 7] = [
    "pre-install",
    "post-install",
    "pre-deinstall",
    "post-deinstall",
    "pre-upgrade",
    "post-upgrade",
    "trigger",
];

const BLOCK: usize = 512;
/// Bytes of a header's name field.
const NAME: usize = 100;

/// The bytes of `scripts.tar`, with the packages in the order given.
pub fn scripts_tar(packages: &[InstalledPackage<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    for package in packages {
        let (label, built) = label(package.pkginfo);
        for script in SCRIPTS {
            let Some(content) = package.scripts.get(script) else { continue };
            let name = format!("{label}.{}.{script}", package.checksum);
            if name.len() >= NAME {
                let mut long = name.clone().into_bytes();
                long.push(0);
                append(&mut tar, b"././@LongLink", b'L', 0, 0, &long);
            }
            append(&mut tar, name.as_bytes(), b'0', 0o755, built, content);
        }
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

fn append(tar: &mut Vec<u8>, name: &[u8], kind: u8, mode: u32, time: u64, content: &[u8]) {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        header.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    };
    put(0, &name[..name.len().min(NAME - 1)]);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{:012o}", content.len()).as_bytes());
    put(136, format!("{:012o}", time & 0o7777_7777_7777).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar  ");
    put(265, b"root");
    put(297, b"root");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    header[148..156].iter_mut().zip(sum.bytes()).for_each(|(to, from)| *to = from);
    tar.extend_from_slice(&header);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}
