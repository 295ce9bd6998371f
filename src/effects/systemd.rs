//! What packages declare for systemd's tools, as effects.

pub(crate) mod sysusers;
pub(crate) mod tmpfiles;
pub(crate) mod words;
