//! Sets of images that share files -> a tree of bases, and where in it each file is cheapest.
//!
//! The tree is grown from the root. Among images that stand on the same base (at first: on none) the set is sought that
//! saves most by a base of its own; candidates are the sets of images that share files, each mended by taking in images that
//! gain by it and leaving out those that lose. What remains beside it is treated likewise, then what its images have in
//! common above it. Then bases that stand side by side are joined by one below them, and those that save least make room
//! for others, where that saves more. All weights are bytes; the same input gives the same tree.

use std::sync::Arc;

use rayon::prelude::*;

use super::PER_IMAGE;
use super::bits::Bits;

mod costs;

use costs::{Costs, Open, price, signed};

/// How many bases are tried to be replaced by others.
const TRIED: usize = 8;

/// Files that the same images need.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// The images, by their place in the family.
    pub(super) members: Bits,
    /// What it costs to pull the files, in bytes.
    pub(super) weight: u64,
}

/// Images on a base.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The base that theirs stands on.
    pub(super) parent: Option<usize>,
    pub(super) members: Bits,
    /// For each [`Shared`], how many of them need it: counted once, and asked for in every tree that has them.
    counts: Arc<[i64]>,
}

impl Group {
    fn new(parent: Option<usize>, members: Bits, shared: &[Shared]) -> Self {
        let counts = shared.iter().map(|one| members.common(&one.members)).collect();
        Group { parent, members, counts }
    }
}

/// A tree of bases, parents first, and what they hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Grown {
    pub(super) groups: Vec<Group>,
    /// For each [`Shared`] the bases that hold it; images that need it and are on none of them have it themselves.
    pub(super) places: Vec<Vec<usize>>,
}

/// Where files that the same images need are cheapest.
struct Placed {
    /// The bases that hold them, and what would be lost without each.
    held: Vec<(usize, i64)>,
    /// What all of them save.
    saved: i64,
}

/// Grows the tree. `room` says how many layers each image may have more.
pub(super) fn grow(shared: &[Shared], room: &[usize], unused: i64) -> Grown {
    let costs = Costs { unused };
    let all = Bits::of(room.len(), 0..room.len());
    let open: Vec<Open> = shared
        .iter()
        .map(|one| Open { members: one.members.clone(), weight: signed(one.weight), held: None })
        .collect();
    let mut bases = Vec::new();
    costs.divide(None, &all, open, 1, room, &mut bases);
    let groups = bases.into_iter().map(|(parent, members)| Group::new(parent, members, shared));
    let mut grown = Grown { groups: groups.collect(), places: Vec::new() };
    grown.join(shared, room, costs);
    grown.mend(shared, room, costs);
    loop {
        let savings = grown.place(shared, costs).0;
        let pays = |at: usize| savings[at] >= price(&grown.groups[at].members);
        // Of those that do not pay the ones that stand on others wait: they may pay when those are gone.
        let idle: Vec<usize> = (0..savings.len())
            .filter(|at| !pays(*at) && grown.groups[*at].parent.is_none_or(&pays))
            .collect();
        if idle.is_empty() {
            return grown;
        }
        idle.into_iter().rev().for_each(|at| grown.dissolve(at));
    }
}

impl Grown {
    /// Puts a base below bases that stand side by side, where that saves more than it costs: while the tree grew, each
    /// of them was found by itself.
    fn join(&mut self, shared: &[Shared], room: &[usize], costs: Costs) {
        let parents: Vec<Option<usize>> =
            std::iter::once(None).chain((0..self.groups.len()).map(Some)).collect();
        let mut best = self.worth_of_all(shared, costs);
        for parent in parents.into_iter().rev() {
            let siblings: Vec<usize> =
                (0..self.groups.len()).filter(|at| self.groups[*at].parent == parent).collect();
            if siblings.is_empty() {
                continue;
            }
            let members = self.with_gaining(parent, &siblings, shared, room);
            if siblings.iter().chain(&parent).any(|group| self.groups[*group].members == members)
                || members.ones().any(|image| self.depth(image) >= room[image])
            {
                continue;
            }
            let base = Group::new(parent, members, shared);
            if self.worth(&siblings, &base, shared, costs) <= price(&base.members) {
                continue;
            }
            // It comes right before the first of them, so that parents still come first.
            let (at, mut joined) = (siblings[0], self.clone());
            for group in &mut joined.groups {
                group.parent = group.parent.map(|parent| if parent >= at { parent + 1 } else { parent });
            }
            joined.groups.insert(at, base);
            for sibling in &siblings {
                joined.groups[sibling + 1].parent = Some(at);
            }
            let all = joined.worth_of_all(shared, costs);
            if all > best {
                best = all;
                *self = joined;
            }
        }
    }

    /// Takes out bases that save least, if others save more in their place: a set of images that was found first
    /// stands in the way of those that have some of its images and some beside.
    fn mend(&mut self, shared: &[Shared], room: &[usize], costs: Costs) {
        let mut best = self.worth_of_all(shared, costs);
        for _ in 0..TRIED {
            let (savings, _) = self.place(shared, costs);
            let mut order: Vec<usize> = (0..savings.len()).collect();
            order.sort_by_key(|at| savings[*at] - price(&self.groups[*at].members));
            order.truncate(TRIED);
            // All at once; what counts is the first of them that is better.
            let better = order.into_par_iter().find_map_first(|at| {
                let mut other = self.clone();
                other.dissolve(at);
                other.join(shared, room, costs);
                let all = other.worth_of_all(shared, costs);
                (all > best).then_some((all, other))
            });
            let Some((all, other)) = better else { return };
            (best, *self) = (all, other);
        }
    }

    /// What all bases save, less what they cost.
    fn worth_of_all(&mut self, shared: &[Shared], costs: Costs) -> i64 {
        let saved = self.place(shared, costs).1;
        saved - self.groups.iter().map(|group| price(&group.members)).sum::<i64>()
    }

    /// The images of bases side by side, and those beside them that gain by what a base of them all would hold.
    fn with_gaining(
        &self,
        parent: Option<usize>,
        siblings: &[usize],
        shared: &[Shared],
        room: &[usize],
    ) -> Bits {
        let mut members = self.groups[siblings[0]].members.clone();
        for at in siblings {
            members = members.or(&self.groups[*at].members);
        }
        let all = match parent {
            Some(parent) => self.groups[parent].members.clone(),
            None => Bits::of(room.len(), 0..room.len()),
        };
        let is_below = |place: &usize| parent.is_some_and(|parent| self.stands_on(parent, *place));
        let mut gained = vec![0; room.len()];
        for (number, (one, places)) in shared.iter().zip(&self.places).enumerate() {
            // What others do not need stays in the bases above.
            let weight = signed(one.weight);
            let is_needed = siblings.iter().any(|at| self.groups[*at].counts[number] > 0);
            if is_needed && !places.iter().any(is_below) {
                one.members.and(&all).ones().for_each(|image| gained[image] += weight);
            }
        }
        let gains = |image: &usize| gained[*image] > signed(PER_IMAGE) && self.depth(*image) < room[*image];
        all.filtered(gains).or(&members)
    }

    /// Whether a base is another, or is below it.
    fn stands_on(&self, base: usize, below: usize) -> bool {
        let mut at = Some(base);
        while let Some(one) = at {
            if one == below {
                return true;
            }
            at = self.groups[one].parent;
        }
        false
    }

    /// What a base below these bases saves at most.
    fn worth(&self, siblings: &[usize], base: &Group, shared: &[Shared], costs: Costs) -> i64 {
        let size = base.members.count();
        let saving = |(number, one): (usize, &Shared)| {
            let (weight, all) = (signed(one.weight), base.counts[number]);
            if all < 2 {
                return 0;
            }
            // At first each image has it itself.
            let mut apart = weight * all;
            for at in siblings {
                let Group { members, counts, .. } = &self.groups[*at];
                let count = counts[number];
                if count > 0 {
                    apart -= (weight * count - costs.in_base(weight, members.count(), count)).max(0);
                }
            }
            (apart - costs.in_base(weight, size, all)).max(0)
        };
        shared.iter().enumerate().map(saving).sum()
    }

    /// How many bases an image stands on.
    fn depth(&self, image: usize) -> usize {
        self.groups.iter().filter(|group| group.members.contains(image)).count()
    }

    /// Finds the cheapest places of all files; says what would be lost without each base, and what all save.
    fn place(&mut self, shared: &[Shared], costs: Costs) -> (Vec<i64>, i64) {
        let sizes: Vec<i64> = self.groups.iter().map(|group| group.members.count()).collect();
        let place = |(number, one)| self.place_one(number, one, &sizes, costs);
        let placed: Vec<Placed> = shared.par_iter().enumerate().with_min_len(64).map(place).collect();
        let (mut savings, mut saved) = (vec![0; self.groups.len()], 0);
        for one in &placed {
            one.held.iter().for_each(|(at, saving)| savings[*at] += saving);
            saved += one.saved;
        }
        self.places =
            placed.into_iter().map(|one| one.held.into_iter().map(|(at, _)| at).collect()).collect();
        (savings, saved)
    }

    fn place_one(&self, number: usize, one: &Shared, sizes: &[i64], costs: Costs) -> Placed {
        let (mut saved, mut held) = (0, Vec::new());
        // What one image alone needs is its own.
        if one.members.count() < 2 {
            return Placed { held, saved };
        }
        let weight = signed(one.weight);
        let mut counts: Vec<i64> = vec![0; self.groups.len()];
        for (at, group) in self.groups.iter().enumerate() {
            if group.parent.is_none_or(|parent| counts[parent] > 1) {
                counts[at] = group.counts[number];
            }
        }
        // What it costs above each base: at first, that each image has it itself.
        let mut above: Vec<i64> = counts.iter().map(|count| count * weight).collect();
        for at in (0..self.groups.len()).rev().filter(|at| counts[*at] > 1) {
            let here = costs.in_base(weight, sizes[at], counts[at]);
            let best = above[at].min(here) - counts[at] * weight;
            match self.groups[at].parent {
                Some(parent) => above[parent] += best,
                None => saved -= best,
            }
        }
        let mut covered = vec![false; self.groups.len()];
        for at in 0..self.groups.len() {
            covered[at] = self.groups[at].parent.is_some_and(|parent| covered[parent]);
            let here = costs.in_base(weight, sizes[at], counts[at]);
            if !covered[at] && counts[at] > 1 && here < above[at] {
                covered[at] = true;
                held.push((at, above[at] - here));
            }
        }
        Placed { held, saved }
    }

    /// Takes out a base; what stood on it stands on what it stood on.
    fn dissolve(&mut self, at: usize) {
        let gone = self.groups.remove(at);
        for group in &mut self.groups {
            group.parent = match group.parent {
                Some(parent) if parent == at => gone.parent,
                Some(parent) if parent > at => Some(parent - 1),
                parent => parent,
            };
        }
    }

    /// What each image has without needing it.
    pub(super) fn unused(&self, shared: &[Shared], images: usize) -> Vec<u64> {
        let mut unused = vec![0; images];
        for (one, places) in shared.iter().zip(&self.places) {
            for place in places {
                let idle = self.groups[*place].members.without(&one.members);
                idle.ones().for_each(|image| unused[image] += one.weight);
            }
        }
        unused
    }
}
