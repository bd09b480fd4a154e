//! The generator behind everything that is drawn at random: PCG-64 (XSL RR 128/64), the same on every platform.
//!
//! A seed is the state of a generator with the stream number [`STREAM`]. Floats are the upper 53 bits of a word; a
//! number below `n` is the upper half of the product of a word and `n`, drawn again in the few cases that would make
//! some numbers likelier.

/// The number of the stream.
const STREAM: u128 = 0x0a02_bdbf_7bb3_c0a7_ac28_fa16_a64a_bf96;
/// What a state is multiplied by.
const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

/// A generator.
///
/// ```
/// use aether_eval::Random;
///
/// let (mut one, mut other) = (Random::new(7), Random::new(7));
/// assert_eq!(one.word(), other.word());
/// assert!(one.below(6) < 6);
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    state: u128,
    increment: u128,
}

impl Random {
    /// A generator that begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self::with_stream(seed.into(), STREAM)
    }

    fn with_stream(seed: u128, stream: u128) -> Self {
        let increment = stream << 1 | 1;
        let mut random = Self {
            state: seed.wrapping_add(increment),
            increment,
        };
        random.step();
        random
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// Fills a buffer with the next bits, the lowest byte of each word first.
    pub fn fill(&mut self, out: &mut [u8]) {
        for piece in out.chunks_mut(8) {
            piece.copy_from_slice(&self.word().to_le_bytes()[..piece.len()]);
        }
    }

    /// A float from 0 up to but not including 1.
    pub fn float(&mut self) -> f64 {
        /// 2^-53.
        const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;
        (self.word() >> 11) as f64 * UNIT
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let draw = |word: u64| {
            let product = u128::from(word) * u128::from(end);
            ((product >> 64) as u64, product as u64)
        };
        let (mut number, mut rest) = draw(self.word());
        if rest < end {
            let least = end.wrapping_neg() % end;
            while rest < least {
                (number, rest) = draw(self.word());
            }
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that the generator's author publishes for this seed and stream.
    #[test]
    fn the_stream_is_the_published_one() {
        let mut random = Random::with_stream(42, 54);
        let words: Vec<u64> = (0..6).map(|_| random.word()).collect();
        assert_eq!(
            words,
            [
                0x86b1_da1d_7206_2b68,
                0x1304_aa46_c985_3d39,
                0xa367_0e9e_0dd5_0358,
                0xf909_0e52_9a7d_ae00,
                0xc85b_9fd8_3799_6f2c,
                0x6061_21f8_e391_9196
            ]
        );
    }

    #[test]
    fn numbers_below_an_end_are_equally_likely() {
        let mut random = Random::new(1);
        let mut counts = [0; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
        assert!((0..1000).all(|_| random.below(1) == 0));
        // Half of the words would make some numbers twice as likely.
        let end = (1 << 63) + 1;
        assert!((0..1000).all(|_| random.below(end) < end));
    }
}
