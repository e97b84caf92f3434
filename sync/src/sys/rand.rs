//! A small generator for choices that have to be spread, not secret: which victim to steal from, which branch of a
//! `select!` to poll first. It is seeded by hand, so a model and a replay see the same choices.

use std::cell::Cell;

/// xorshift64* (Vigna, 2016): a period of 2^64 − 1, eight bytes.
#[derive(Debug, Clone)]
pub struct Rand(Cell<u64>);

impl Rand {
    /// Makes a generator whose whole sequence follows from `seed`.
    pub fn new(seed: u64) -> Self {
        // Zero is the one state that xorshift never leaves.
        Self(Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
    }

    /// A number below `bound`, which must not be 0. The bias is below `bound / 2^32`.
    #[inline]
    pub fn below(&self, bound: u32) -> u32 {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        let high = x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Rand;

    #[test]
    fn stays_below_the_bound_and_reaches_all_of_it() {
        let rand = Rand::new(0);
        let mut seen = [0u32; 7];
        for _ in 0..7_000 {
            seen[rand.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n > 700), "{seen:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let (a, b) = (Rand::new(42), Rand::new(42));
        assert!((0..100).all(|_| a.below(1_000) == b.below(1_000)));
    }
}
