//! A base's files -> its layers, by how often they change.
//!
//! What a layer lists brings its libraries along, so a layer must come after those that it depends on. Source packages
//! are put in such an order, those that change about as often side by side, and the order is cut.

use std::collections::{BTreeMap, BTreeSet};

use super::pulls::Pulls;
use super::{Fleet, FleetFile, FleetPlan, PER_IMAGE, PER_LAYER, expected_changes};

/// What a base has of one source package.
struct Source {
    bytes: u64,
    /// In thousandths a year.
    updates: u64,
    files: Vec<FleetFile>,
}

/// Cuts all bases of a plan into layers, the lower ones first, as far as the images on them have room.
pub(super) fn cut(fleet: &Fleet, plan: &mut FleetPlan) {
    for number in 0..plan.bases.len() {
        let most = room(fleet, plan, number).max(1);
        let sources = ordered(fleet, &plan.bases[number].files);
        let images = plan.bases[number].images.len() as u64;
        let mut layers = Vec::new();
        let mut start = 0;
        for end in ends(&sources, most, PER_LAYER + PER_IMAGE * images) {
            let mut files: Vec<FleetFile> =
                sources[start..end].iter().flat_map(|source| source.files.iter().copied()).collect();
            files.sort_unstable();
            layers.push(files);
            start = end;
        }
        plan.bases[number].layers = layers;
    }
}

/// How many layers a base may have: each base above it needs one, and those below have theirs.
fn room(fleet: &Fleet, plan: &FleetPlan, number: usize) -> usize {
    let room_of = |image: usize| {
        let mut room = fleet.images[image].room;
        let mut at = plan.base_of[image];
        let mut above = true;
        while let Some(base) = at {
            above &= base != number;
            // That of the base itself is what is asked for.
            let taken = if above {
                1
            } else if base == number {
                0
            } else {
                plan.bases[base].layers.len()
            };
            room = room.saturating_sub(taken);
            at = plan.bases[base].parent;
        }
        room
    };
    plan.bases[number].images.iter().map(|image| room_of(*image)).min().unwrap_or(1)
}

/// The sources of files, each after those that it depends on.
fn ordered(fleet: &Fleet, files: &[FleetFile]) -> Vec<Source> {
    let mut sources: BTreeMap<&str, Source> = BTreeMap::new();
    let mut source_of: BTreeMap<&str, &str> = BTreeMap::new();
    for file in files {
        let package = &fleet.packages[file.package as usize];
        source_of.insert(&package.name, &package.source);
        let new = || Source { bytes: 0, updates: 0, files: Vec::new() };
        let source = sources.entry(&package.source).or_insert_with(new);
        source.bytes += fleet.file(*file).bytes;
        source.updates = source.updates.max(package.updates);
        source.files.push(*file);
    }
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in files {
        let package = &fleet.packages[file.package as usize];
        let needed = package.requires.iter().filter_map(|name| source_of.get(name.as_str()).copied());
        let others = needed.filter(|other| *other != package.source);
        needs.entry(&package.source).or_default().extend(others);
    }
    let mut ordered: Vec<Source> = Vec::with_capacity(sources.len());
    let mut last = 0;
    while !sources.is_empty() {
        let rank = |(name, source): &(&&str, &Source)| {
            // Sources in a circle wait for each other: the largest of them goes first, as the C library does.
            let waits =
                needs.get(**name).is_some_and(|needs| needs.iter().any(|one| sources.contains_key(one)));
            (waits.then_some(u64::MAX - source.bytes), source.updates.abs_diff(last), source.updates)
        };
        let Some(next) = sources.iter().min_by_key(rank).map(|(name, _)| *name) else { break };
        if let Some(source) = sources.remove(next) {
            last = source.updates;
            ordered.push(source);
        }
    }
    ordered
}

/// Where to cut an order of sources into at most so many layers, each of which costs `price`: the ends of the layers.
fn ends(sources: &[Source], most: usize, price: u64) -> Vec<usize> {
    let count = sources.len();
    // cost[start][end]: of one layer of these sources.
    let cost = |start: usize, end: usize| {
        let layer = &sources[start..end];
        let bytes = layer.iter().map(|source| source.bytes).sum();
        let again = expected_changes(layer.iter().map(|source| source.updates));
        Pulls::default().and(bytes, again).total() + price
    };
    // best[end]: the cost of what comes before, and the cuts.
    let mut best: Vec<Option<(u64, Vec<usize>)>> = vec![None; count + 1];
    best[0] = Some((0, Vec::new()));
    let mut cheapest: Option<(u64, Vec<usize>)> = None;
    for _ in 0..most.min(count) {
        let mut next: Vec<Option<(u64, Vec<usize>)>> = vec![None; count + 1];
        for end in 1..=count {
            for start in 0..end {
                let Some((before, cuts)) = &best[start] else { continue };
                let total = before + cost(start, end);
                if next[end].as_ref().is_none_or(|(known, _)| total < *known) {
                    next[end] = Some((total, cuts.iter().copied().chain([end]).collect()));
                }
            }
        }
        if let Some(whole) = &next[count]
            && cheapest.as_ref().is_none_or(|(known, _)| whole.0 < *known)
        {
            cheapest = Some(whole.clone());
        }
        best = next;
    }
    cheapest.map(|(_, cuts)| cuts).unwrap_or_default()
}
