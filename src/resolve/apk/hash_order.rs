//! The order in which apk walks over all names: that of its hash table.
//!
//! apk has 20,000 buckets, chosen by the 32-bit Murmur3 hash of the name, the newest name first in each. The
//! order decides nothing that apk documents, but its solver settles names in it where nothing else says which
//! comes first; so it has to be the same here for the same packages to come out.

const BUCKETS: u32 = 20_000;
const SEED: u32 = 5381;

/// The numbers of names in apk's order; the names are given in the order in which apk would first see them.
pub(super) fn table_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut placed: Vec<(u32, u32)> =
        (0..).zip(names).map(|(number, name)| (murmur3(name.as_bytes(), SEED) % BUCKETS, number)).collect();
    placed.sort_unstable_by_key(|(bucket, number)| (*bucket, u32::MAX - number));
    placed.into_iter().map(|(_, number)| number).collect()
}

/// Murmur3 for 32 bits, by its public description.
fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let scramble = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
    let mut blocks = bytes.chunks_exact(4);
    let mut hash = seed;
    for block in &mut blocks {
        hash ^= scramble(word(block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    hash ^= scramble(word(blocks.remainder()));
    hash ^= u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    for (shift, factor) in [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35)] {
        hash = (hash ^ (hash >> shift)).wrapping_mul(factor);
    }
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_first_in_a_bucket() {
        let names = ["b", "a", "c", "a"];
        let order = table_order(names.into_iter());
        let places: Vec<usize> = [3, 1].iter().filter_map(|n| order.iter().position(|at| at == n)).collect();
        assert_eq!(places[0] + 1, places[1]);
    }

    #[test]
    fn murmur3_as_published() {
        let fox = "The quick brown fox jumps over the lazy dog";
        let values = [
            ("", 0),
            ("a", 0x3c25_69b2),
            ("test", 0xba6b_d213),
            ("Hello, world!", 0xc036_3e43),
            (fox, 0x2e4f_f723),
        ];
        for (text, hash) in values {
            assert_eq!(murmur3(text.as_bytes(), 0), hash, "{text}");
        }
        assert_eq!(murmur3(fox.as_bytes(), 0x9747_b28c), 0x2fa8_26cd);
    }
}
