//! What a node pulls: each layer once, and again whenever something in it has changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// How often images are thought to be built anew, in a year.
const BUILDS: u64 = 12;

/// One, in parts of a million.
const ONE: u64 = 1_000_000;

/// A layer, as it is pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledLayer {
    /// Equal for layers with the same bytes.
    pub key: Digest,
    /// Compressed bytes.
    pub bytes: u64,
    /// How often it is thought to be pulled again in a year, in millionths.
    pub again: u64,
}

/// Bytes that a node pulls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulls {
    /// At first.
    pub first: u64,
    /// For updates, in a year, as is expected.
    pub updates: u64,
}

impl Pulls {
    /// Both.
    pub fn total(self) -> u64 {
        self.first + self.updates
    }

    /// What a node pulls that runs images of these layers.
    pub fn of<'a>(layers: impl IntoIterator<Item = &'a PulledLayer>) -> Self {
        let distinct: BTreeMap<Digest, &PulledLayer> =
            layers.into_iter().map(|layer| (layer.key, layer)).collect();
        distinct.values().fold(Pulls::default(), |pulls, layer| pulls.and(layer.bytes, layer.again))
    }

    /// With one layer more.
    #[must_use]
    pub fn and(self, bytes: u64, again: u64) -> Self {
        let updates = u128::from(bytes) * u128::from(again) / u128::from(ONE);
        Pulls {
            first: self.first + bytes,
            updates: self.updates + u64::try_from(updates).unwrap_or(u64::MAX),
        }
    }
}

/// How often a layer changes in a year, in millionths, that holds what changes so often by itself, in thousandths: images
/// are built anew once a month, and what changed more than once meanwhile is pulled once.
pub fn expected_changes(updates: impl IntoIterator<Item = u64>) -> u64 {
    let whole = BUILDS * 1000;
    let same = updates.into_iter().fold(ONE, |same, updates| same * (whole - updates.min(whole)) / whole);
    BUILDS * (ONE - same)
}
