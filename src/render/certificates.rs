//! The certificate authorities that an image trusts: what update-ca-certificates(8) makes of certificates.
//!
//! * `/etc/ssl/certs/ca-certificates.crt`, all of them in one file;
//! * `/etc/ssl/certs/NAME.pem`, a link to each;
//! * `/etc/ssl/certs/HASH.0`, a link to that by the subject's hash, as `openssl rehash` makes them and OpenSSL
//!   looks for (`X509_NAME_hash`: the SHA-1 of the subject's names in their canonical form);
//! * `/etc/ssl/certs/java/cacerts`, Java's keystore, where the image is to have one (`keystore`).

use std::collections::{BTreeMap, BTreeSet};

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::root_path::RootPath;

use super::image_tree::ImageTree;
use super::{Made, MadeFile, fixed};

mod keystore;
mod x509;

pub(super) use keystore::keystore;

/// The list of certificates to be trusted, below the packaged ones.
pub(super) const CONFIG: &str = "/etc/ca-certificates.conf";
/// Where packages have certificates.
pub(super) const PACKAGED: &str = "/usr/share/ca-certificates";
/// Where a recipe's own go.
pub(super) const LOCAL: &str = "/usr/local/share/ca-certificates";
const DIRECTORY: &str = "/etc/ssl/certs";
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The certificates of an image, and its list of those to be trusted.
pub(super) fn sources(tree: &ImageTree) -> BTreeSet<RootPath> {
    let (packaged, local) = (fixed(PACKAGED), fixed(LOCAL));
    let all = tree.within(&packaged).chain(tree.within(&local)).map(|(path, _)| path);
    let mut sources: BTreeSet<RootPath> =
        all.filter(|path| path.as_str().strip_suffix(".crt").is_some()).cloned().collect();
    if !sources.is_empty() && tree.get(&fixed(CONFIG)).is_some() {
        sources.insert(fixed(CONFIG));
    }
    sources
}

/// A certificate to be trusted.
pub(super) struct Certificate<'c> {
    /// The name of its link: `NAME.pem`.
    pub(super) name: String,
    path: &'c RootPath,
    text: &'c [u8],
}

/// Those that are trusted, in their order: the packaged ones that the list does not leave out, then the local.
pub(super) fn trusted(contents: &BTreeMap<RootPath, Vec<u8>>) -> Vec<Certificate<'_>> {
    let (packaged, local) = (fixed(PACKAGED), fixed(LOCAL));
    let config = contents.get(&fixed(CONFIG)).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let is_certificate = |path: &RootPath| path.as_str().strip_suffix(".crt").is_some();
    let by_bytes = |directory: &RootPath| {
        let mut paths: Vec<&RootPath> =
            contents.keys().filter(|path| path.is_within(directory) && is_certificate(path)).collect();
        paths.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        paths
    };
    let mut paths: Vec<&RootPath> = match &config {
        None => by_bytes(&packaged),
        Some(config) => {
            let listed = config
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
            let listed = listed.filter_map(|line| packaged.join(line).ok());
            listed.filter_map(|path| contents.get_key_value(&path).map(|(path, _)| path)).collect()
        }
    };
    paths.extend(by_bytes(&local));
    let certificate = |path: &'_ RootPath| {
        contents.get_key_value(path).map(|(path, text)| Certificate {
            name: link_name(path.file_name()),
            path,
            text,
        })
    };
    paths.into_iter().filter_map(certificate).collect()
}

/// The bundle and the links. `is_there` tells which certificates the image has beside the bundle.
pub(super) fn files(certificates: &[Certificate<'_>], is_there: impl Fn(&RootPath) -> bool) -> Made {
    let mut made = Made::new();
    let mut bundle = Vec::new();
    let mut hashed: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, &Certificate<'_>> = BTreeMap::new();
    for certificate in certificates {
        bundle.extend(certificate.text);
        if !certificate.text.ends_with(b"\n") {
            bundle.push(b'\n');
        }
        if is_there(certificate.path) {
            by_name.insert(&certificate.name, certificate);
        }
    }
    let mut put = |file: MadeFile| made.insert(file.entry.path.clone(), file);
    put(MadeFile::file(fixed(BUNDLE), 0o644, bundle));
    for (name, certificate) in by_name {
        let Ok(link) = fixed(DIRECTORY).join(name) else { continue };
        put(MadeFile::symlink(link, certificate.path.as_str()));
        let Some((der, subject)) = x509::certificate(certificate.text) else { continue };
        // Those of one subject are told apart by a number; one that is there twice counts once.
        let same = hashed.entry(subject_hash(&subject)).or_default();
        if same.contains(&der) {
            continue;
        }
        if let Ok(link) = fixed(DIRECTORY).join(&format!("{:08x}.{}", subject_hash(&subject), same.len())) {
            put(MadeFile::symlink(link, name));
        }
        same.push(der);
    }
    made
}

/// The name of a certificate's link.
fn link_name(file: &str) -> String {
    let stem = file.strip_suffix(".crt").unwrap_or(file);
    let name: String = stem
        .chars()
        .map(|c| match c {
            ' ' | ',' => '_',
            '(' | ')' => '=',
            c => c,
        })
        .collect();
    format!("{name}.pem")
}

fn subject_hash(canonical: &[u8]) -> u32 {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, canonical);
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    u32::from_le_bytes(first)
}

#[cfg(test)]
mod tests;
