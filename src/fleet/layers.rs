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

/// Cuts all bases of a plan into layers, as far as the images on them have room: one cut after the other, each time
/// where it saves most.
pub(super) fn cut(fleet: &Fleet, plan: &mut FleetPlan) {
    let drawn: Vec<(Vec<Source>, Vec<Cuts>)> = plan
        .bases
        .iter()
        .map(|base| {
            let sources = ordered(fleet, &base.files);
            let images = base.images.len() as u64;
            let most = base.images.iter().map(|image| fleet.images[*image].room).min().unwrap_or(1);
            let ways = ways(&sources, most.max(1), PER_LAYER + PER_IMAGE * images);
            (sources, ways)
        })
        .collect();
    let mut room: Vec<usize> = fleet.images.iter().map(|image| image.room).collect();
    for base in &plan.bases {
        base.images.iter().for_each(|image| room[*image] = room[*image].saturating_sub(1));
    }
    let mut chosen: Vec<usize> = vec![0; plan.bases.len()];
    loop {
        let saving = |at: &usize| {
            let ways = &drawn[*at].1;
            let now = ways.get(chosen[*at])?;
            let next = ways.get(chosen[*at] + 1)?;
            now.cost.checked_sub(next.cost).filter(|saved| *saved > 0)
        };
        let has_room = |at: &usize| plan.bases[*at].images.iter().all(|image| room[*image] > 0);
        let candidates = (0..plan.bases.len()).filter(has_room).filter_map(|at| Some((saving(&at)?, at)));
        let Some((_, at)) = candidates.max_by_key(|(saved, at)| (*saved, std::cmp::Reverse(*at))) else {
            break;
        };
        chosen[at] += 1;
        for image in &plan.bases[at].images {
            room[*image] -= 1;
        }
    }
    for (base, ((sources, ways), way)) in plan.bases.iter_mut().zip(drawn.into_iter().zip(chosen)) {
        let mut start = 0;
        for end in ways.into_iter().nth(way).map(|cuts| cuts.ends).unwrap_or_default() {
            let layer = &sources[start..end];
            let mut files: Vec<FleetFile> =
                layer.iter().flat_map(|source| source.files.iter().copied()).collect();
            files.sort_unstable();
            base.layers.push(files);
            start = end;
        }
    }
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

/// A way to cut sources into layers.
#[derive(Clone)]
struct Cuts {
    /// What the layers cost.
    cost: u64,
    /// Where they end.
    ends: Vec<usize>,
}

/// The cheapest ways to cut an order of sources into one layer, two, and so on, each of which costs `price`.
fn ways(sources: &[Source], most: usize, price: u64) -> Vec<Cuts> {
    let count = sources.len();
    let cost = |start: usize, end: usize| {
        let layer = &sources[start..end];
        let bytes = layer.iter().map(|source| source.bytes).sum();
        let again = expected_changes(layer.iter().map(|source| source.updates));
        Pulls::default().and(bytes, again).total() + price
    };
    // Of what comes before each place.
    let mut best: Vec<Option<Cuts>> = vec![None; count + 1];
    best[0] = Some(Cuts { cost: 0, ends: Vec::new() });
    let mut ways = Vec::new();
    for _ in 0..most.min(count) {
        let mut next: Vec<Option<Cuts>> = vec![None; count + 1];
        for (end, cell) in next.iter_mut().enumerate() {
            let cheapest = best[..end]
                .iter()
                .enumerate()
                .filter_map(|(start, before)| Some((before.as_ref()?, start)))
                .map(|(before, start)| (before.cost + cost(start, end), before))
                .min_by_key(|(total, _)| *total);
            *cell = cheapest.map(|(cost, before)| Cuts {
                cost,
                ends: before.ends.iter().copied().chain([end]).collect(),
            });
        }
        ways.extend(next[count].clone());
        best = next;
    }
    ways
}
