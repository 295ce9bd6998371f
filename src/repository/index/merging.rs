//! The packages of several parts in one order.

use std::cmp::Ordering;

use crate::deb::version;

use super::part::{Part, partition_point};
use super::{IndexOrigin, OriginKind};

/// Where a package is: the part, and the place among its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) part: u16,
    pub(super) at: u32,
}

/// The packages by name, local ones first, then newest first, then by kind and place of their origin; of
/// equal versions only the first.
///
/// Each part has its own in order: those of the largest are taken over in runs, between the names that others have too.
pub(super) fn merged(parts: &[impl AsRef<Part>], origins: &[IndexOrigin]) -> Vec<Place> {
    let numbers = 0..u16::try_from(parts.len()).unwrap_or(u16::MAX);
    let part = |number: u16| parts[usize::from(number)].as_ref();
    let name = |place: &Place| part(place.part).name_bytes(place.at);
    let Some(largest) = numbers.clone().max_by_key(|number| part(*number).len()) else { return Vec::new() };
    let places = |number: u16| (0..part(number).len()).map(move |at| Place { part: number, at });
    let mut others: Vec<Place> = numbers.filter(|number| *number != largest).flat_map(places).collect();
    others.sort_by(|a, b| name(a).cmp(name(b)));

    let large = part(largest);
    let run = |from: u32, to: u32| (from..to).map(|at| Place { part: largest, at });
    let mut all = Vec::with_capacity(others.len() + large.len() as usize);
    let mut from = 0;
    for same in others.chunk_by(|a, b| name(a) == name(b)) {
        let wanted = name(&same[0]);
        let before = from;
        from += partition_point(large.len() - from, |at| large.name_bytes(from + at) < wanted);
        all.extend(run(before, from));
        let to = (from..large.len()).find(|at| large.name_bytes(*at) != wanted).unwrap_or(large.len());
        let mut same: Vec<Place> = same.iter().copied().chain(run(from, to)).collect();
        from = to;
        same.sort_by_key(|place| place.part);
        in_order(&mut same, part, origins);
        all.extend(same);
    }
    all.extend(run(from, large.len()));
    all
}

/// Puts the packages of one name in order.
fn in_order<'p>(same: &mut Vec<Place>, part: impl Fn(u16) -> &'p Part, origins: &[IndexOrigin]) {
    let kind = |place: &Place| origins[usize::from(place.part)].kind;
    let version = |place: &Place| part(place.part).version(place.at);
    let newest_first = |a: &Place, b: &Place| version::compare(version(b), version(a));
    same.sort_by(|a, b| {
        let local_first = (kind(a) != OriginKind::Local).cmp(&(kind(b) != OriginKind::Local));
        local_first.then_with(|| newest_first(a, b)).then_with(|| kind(a).cmp(&kind(b)))
    });
    same.dedup_by(|later, first| newest_first(first, later) == Ordering::Equal);
}
