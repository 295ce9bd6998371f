//! Sets of small numbers.

/// A set of numbers below a bound that all sets of a family share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// The empty set of numbers below a bound.
    pub(super) fn none(bound: usize) -> Self {
        Bits(vec![0; bound.div_ceil(64)])
    }

    /// A set of given numbers.
    pub(super) fn of(bound: usize, numbers: impl IntoIterator<Item = usize>) -> Self {
        let mut bits = Bits::none(bound);
        numbers.into_iter().for_each(|number| bits.insert(number));
        bits
    }

    pub(super) fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    /// The numbers of it that pass.
    pub(super) fn filtered(&self, passes: impl Fn(&usize) -> bool) -> Bits {
        let mut bits = Bits(vec![0; self.0.len()]);
        self.ones().filter(passes).for_each(|number| bits.insert(number));
        bits
    }

    pub(super) fn count(&self) -> i64 {
        self.0.iter().map(|word| i64::from(word.count_ones())).sum()
    }

    /// How many numbers both have.
    pub(super) fn common(&self, other: &Bits) -> i64 {
        let mut count = 0;
        // The loop that all of planning spends its time in.
        for (at, word) in self.0.iter().enumerate() {
            if *word != 0 {
                count += (word & other.0[at]).count_ones();
            }
        }
        i64::from(count)
    }

    /// What both have.
    pub(super) fn and(&self, other: &Bits) -> Bits {
        Bits(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    /// What either has.
    pub(super) fn or(&self, other: &Bits) -> Bits {
        Bits(self.0.iter().zip(&other.0).map(|(a, b)| a | b).collect())
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    /// What the other has not.
    pub(super) fn without(&self, other: &Bits) -> Bits {
        Bits(self.0.iter().zip(&other.0).map(|(a, b)| a & !b).collect())
    }

    /// The numbers, from the smallest.
    pub(super) fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().filter(|(_, word)| **word != 0).flat_map(|(at, word)| {
            let word = *word;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        })
    }
}
