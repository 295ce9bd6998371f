//! What a node would pull were the fleet's images layered without a plan: what a plan is compared with.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::fleet::Pulls;
use crate::oci::Piece;

use super::survey::{Survey, changes_of};

/// Adds an image that is one layer.
pub(super) fn and_one_layer(pulls: Pulls, image: &Survey) -> Pulls {
    let bytes = image.layers.iter().map(|layer| layer.bytes).sum();
    pulls.and(bytes, image.changes(image.pieces().map(|piece| piece.package.as_str())))
}

/// Images with a layer for each package, as far as their number goes. Which packages get one is tried in two ways: the
/// largest of each image, or those of which a layer of their own would be shared by most bytes.
pub(super) struct Packaged {
    layers: usize,
    images: Vec<PackagedImage>,
}

struct PackagedImage {
    /// What each package's files come to, and how often they change.
    pieces: Vec<(Piece, u64)>,
    /// All other bytes.
    rest: u64,
    /// How often each source changes, by package.
    updates: BTreeMap<String, (String, u64)>,
}

impl Packaged {
    pub(super) fn new(layers: usize) -> Self {
        Packaged { layers, images: Vec::new() }
    }

    pub(super) fn add(&mut self, image: &Survey) {
        let updates = image.updates();
        let alone = |piece: &Piece| (piece.clone(), changes_of(&updates, [piece.package.as_str()]));
        let pieces: Vec<(Piece, u64)> = image.pieces().map(alone).collect();
        let all: u64 = image.layers.iter().map(|layer| layer.bytes).sum();
        let rest = all - pieces.iter().map(|(piece, _)| piece.bytes).sum::<u64>();
        self.images.push(PackagedImage { pieces, rest, updates });
    }

    /// The better of the two ways.
    pub(super) fn pulls(&self) -> Pulls {
        let mut having: BTreeMap<Digest, u64> = BTreeMap::new();
        for (piece, _) in self.images.iter().flat_map(|image| &image.pieces) {
            *having.entry(piece.key).or_default() += 1;
        }
        let by_size = self.ranked_by(|piece| piece.bytes);
        let by_use =
            self.ranked_by(|piece| piece.bytes * having.get(&piece.key).map_or(0, |count| count - 1));
        if by_use.total() < by_size.total() { by_use } else { by_size }
    }

    fn ranked_by(&self, rank: impl Fn(&Piece) -> u64) -> Pulls {
        let mut single: BTreeMap<Digest, (u64, u64)> = BTreeMap::new();
        let mut pulls = Pulls::default();
        for image in &self.images {
            let mut pieces: Vec<&(Piece, u64)> = image.pieces.iter().collect();
            pieces.sort_by_key(|(piece, _)| (std::cmp::Reverse(rank(piece)), piece.key));
            let (own, others) = pieces.split_at(pieces.len().min(self.layers.saturating_sub(1)));
            for (piece, again) in own {
                single.insert(piece.key, (piece.bytes, *again));
            }
            let bytes = image.rest + others.iter().map(|(piece, _)| piece.bytes).sum::<u64>();
            let names = others.iter().map(|(piece, _)| piece.package.as_str());
            pulls = pulls.and(bytes, changes_of(&image.updates, names));
        }
        single.values().fold(pulls, |pulls, (bytes, again)| pulls.and(*bytes, *again))
    }
}
