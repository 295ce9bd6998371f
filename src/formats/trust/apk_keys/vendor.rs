//! The keys in `vendor-keys/alpine/`, and which architecture each signs for.

/// A key file's name and its bytes.
type KeyFile = (&'static str, &'static [u8]);

/// A file of `vendor-keys/alpine/`.
macro_rules! key {
    ($id:literal) => {
        (
            concat!("alpine-devel@lists.alpinelinux.org-", $id, ".rsa.pub"),
            include_bytes!(concat!(
                "../../../../vendor-keys/alpine/alpine-devel@lists.alpinelinux.org-",
                $id,
                ".rsa.pub"
            )),
        )
    };
}

const AARCH64: &[KeyFile] = &[key!("58199dcc"), key!("616ae350")];
const ARMHF: &[KeyFile] = &[key!("524d27bb"), key!("616a9724")];
const ARMV7: &[KeyFile] = &[key!("524d27bb"), key!("616adfeb")];
const PPC64LE: &[KeyFile] = &[key!("58cbb476"), key!("616abc23")];
const RISCV64: &[KeyFile] = &[key!("60ac2099"), key!("616db30d")];
const S390X: &[KeyFile] = &[key!("58e4f17d"), key!("616ac3bc")];
const X86: &[KeyFile] = &[key!("4a6a0840"), key!("5243ef4b"), key!("61666e3f")];
const X86_64: &[KeyFile] = &[key!("4a6a0840"), key!("5261cecb"), key!("6165ee59")];

/// The architectures by Alpine's names, each with its keys.
pub(super) const ALPINE: &[(&str, &[KeyFile])] = &[
    ("aarch64", AARCH64),
    ("armhf", ARMHF),
    ("armv7", ARMV7),
    ("ppc64le", PPC64LE),
    ("riscv64", RISCV64),
    ("s390x", S390X),
    ("x86", X86),
    ("x86_64", X86_64),
];

/// The keys of an architecture; none if there is no such architecture.
pub(super) fn alpine(arch_name: &str) -> &'static [KeyFile] {
    ALPINE.iter().find(|(name, _)| *name == arch_name).map_or(&[], |(_, keys)| keys)
}
