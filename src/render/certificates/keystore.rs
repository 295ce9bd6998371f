//! Java's keystore of trusted certificates, in the format JKS: what ca-certificates-java makes, under the password
//! that every Java expects.
//!
//! ```text
//! 0xfeedfeed  version 2 (u32)  number of entries (u32)
//! each: 2 (u32)  alias (UTF)  milliseconds since the Unix epoch (u64)  "X.509" (UTF)  length (u32)  certificate
//! SHA-1 of the password in UTF-16, "Mighty Aphrodite", and all of the above
//! ```

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::super::EPOCH;
use super::{Certificate, x509};

const PASSWORD: &str = "changeit";

/// The keystore of some certificates; those that cannot be read are left out.
pub(in crate::render) fn keystore(certificates: &[Certificate<'_>]) -> Vec<u8> {
    let readable: Vec<(String, Vec<u8>)> = certificates
        .iter()
        .filter_map(|certificate| {
            let alias = format!("debian:{}", certificate.name.to_lowercase());
            Some((alias, x509::certificate(certificate.text)?.0))
        })
        .collect();
    let mut out = Vec::new();
    out.extend(0xfeed_feed_u32.to_be_bytes());
    out.extend(2_u32.to_be_bytes());
    out.extend(length(readable.len()));
    for (alias, der) in &readable {
        out.extend(2_u32.to_be_bytes());
        text(&mut out, alias);
        out.extend((EPOCH * 1000).to_be_bytes());
        text(&mut out, "X.509");
        out.extend(length(der.len()));
        out.extend(der);
    }
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    let password: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    context.update(&password);
    context.update(b"Mighty Aphrodite");
    context.update(&out);
    out.extend(context.finish().as_ref());
    out
}

fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}

/// A text as Java's `DataOutput` writes it; names of files are far shorter than it can hold.
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(text.as_bytes());
}
