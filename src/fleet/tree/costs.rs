//! What bases cost and save, and the search for those that save most.

use std::collections::BTreeMap;

use super::super::bits::Bits;
use super::super::{PER_BASE, PER_IMAGE, PER_LAYER};

/// How many candidates are looked at for a base, and how many of them are mended.
const CANDIDATES: usize = 48;
const MENDED: usize = 6;

/// Files whose place is not settled while the tree grows: their members among the images at work.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) members: Bits,
    pub(super) weight: i64,
    /// They are in a base below, which holds them for this many images that need them, at this cost.
    pub(super) held: Option<(i64, i64)>,
}

/// What is dear, and to whom.
#[derive(Clone, Copy)]
pub(super) struct Costs {
    /// How much dearer an unused byte is than one that is pulled.
    pub(super) unused: i64,
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX >> 20)
}

/// What a base costs, whatever it holds.
pub(super) fn price(members: &Bits) -> i64 {
    signed(PER_BASE + PER_LAYER) + signed(PER_IMAGE) * members.count()
}

impl Costs {
    /// What files cost in a base of `size` images of which `count` need them.
    pub(super) fn in_base(self, weight: i64, size: i64, count: i64) -> i64 {
        weight + self.unused * weight * (size - count)
    }

    /// What it saves to have files in a base of these images instead of where they are.
    pub(super) fn saving(self, open: &Open, size: i64, count: i64) -> i64 {
        let here = self.in_base(open.weight, size, count);
        match open.held {
            None => open.weight * count - here,
            Some((all, cost)) => cost - here - open.weight * (all - count),
        }
    }

    /// What a base of these images saves.
    pub(super) fn gain(self, members: &Bits, open: &[Open]) -> i64 {
        let size = members.count();
        let mut gain = -price(members);
        for one in open {
            let count = members.common(&one.members);
            if count > 0 {
                gain += self.saving(one, size, count).max(0);
            }
        }
        gain
    }

    /// Finds the bases of images that stand on `parent`, and what stands on those: what each stands on, and its images.
    pub(super) fn divide(
        self,
        parent: Option<usize>,
        members: &Bits,
        mut open: Vec<Open>,
        depth: usize,
        room: &[usize],
        bases: &mut Vec<(Option<usize>, Bits)>,
    ) {
        let mut free = members.filtered(|image| room[*image] >= depth);
        while free.count() > 1 {
            open.retain(|one| one.held.is_some() || free.common(&one.members) > 1);
            let Some(best) = self.best(&free, &open) else { break };
            free = free.without(&best);
            let at = bases.len();
            bases.push((parent, best.clone()));
            let above = self.above(&best, &open);
            self.divide(Some(at), &best, above, depth + 1, room, bases);
        }
    }

    /// What is open above a base of these images.
    pub(super) fn above(self, members: &Bits, open: &[Open]) -> Vec<Open> {
        let size = members.count();
        // What the same images share is one from here on.
        let mut merged: BTreeMap<(Bits, Option<(i64, i64)>), i64> = BTreeMap::new();
        for one in open {
            let count = members.common(&one.members);
            if count == 0 {
                continue;
            }
            let restricted = one.members.and(members);
            let here = self.saving(one, size, count) > 0;
            if here && count == size {
                // All of them need it: there is no better place.
                continue;
            }
            let held = if here { Some((count, self.in_base(1, size, count))) } else { None };
            if held.is_none() && (count < 2 || one.held.is_some()) {
                continue;
            }
            *merged.entry((restricted, held)).or_default() += one.weight;
        }
        merged
            .into_iter()
            .map(|((members, held), weight)| Open {
                members,
                weight,
                held: held.map(|(count, cost)| (count, cost * weight)),
            })
            .collect()
    }

    /// The set of images among those that are free for which a base saves most, if any does.
    pub(super) fn best(self, free: &Bits, open: &[Open]) -> Option<Bits> {
        let mut candidates: BTreeMap<Bits, i64> = BTreeMap::new();
        for one in open {
            let members = one.members.and(free);
            let count = members.count();
            if count > 1 {
                *candidates.entry(members).or_default() += one.weight * (count - 1);
            }
        }
        let mut ranked: Vec<(i64, Bits)> =
            candidates.into_iter().map(|(members, weight)| (-weight, members)).collect();
        ranked.sort();
        ranked.truncate(CANDIDATES);
        ranked.push((0, free.clone()));
        let mut judged: Vec<(i64, Bits)> =
            ranked.into_iter().map(|(_, members)| (-self.gain(&members, open), members)).collect();
        judged.sort();
        let mended: Vec<(i64, Bits)> = judged
            .iter()
            .take(MENDED)
            .map(|(_, members)| self.mend(members, free, open))
            .filter(|members| members.count() > 1)
            .map(|members| (-self.gain(&members, open), members))
            .collect();
        let (loss, best) = judged.into_iter().chain(mended).min()?;
        (loss < 0).then_some(best)
    }

    /// Takes in the images that gain by what a base would hold, and leaves out those that lose.
    pub(super) fn mend(self, members: &Bits, free: &Bits, open: &[Open]) -> Bits {
        let size = members.count();
        let bound = free.ones().last().map_or(0, |last| last + 1);
        let mut needed = vec![0_i64; bound];
        let mut all = 0_i64;
        for one in open.iter().filter(|one| one.held.is_none()) {
            let count = members.common(&one.members);
            if count > 1 && self.saving(one, size, count) > 0 {
                all += one.weight;
                one.members.and(free).ones().for_each(|image| needed[image] += one.weight);
            }
        }
        let gains = |image: &usize| {
            let needed = needed[*image];
            needed - self.unused * (all - needed) > signed(PER_IMAGE)
        };
        free.filtered(gains)
    }
}
