/// Numbers from one seed (SplitMix64): the only chance in a simulation.
#[derive(Clone, Debug)]
pub struct SimulationRandom {
    state: u64,
}

impl SimulationRandom {
    /// The same seed gives the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator of its own for one part of the simulation, so that what one part draws does not
    /// change what another gets.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.next_u64())
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The low half of the next number.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() & u64::from(u32::MAX)) as u32
    }

    /// The low quarter of the next number.
    pub fn next_u16(&mut self) -> u16 {
        (self.next_u64() & u64::from(u16::MAX)) as u16
    }

    /// At least 0 and less than 1.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this share of cases. Draws nothing if that is none.
    pub fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.unit() < share
    }

    /// Fills bytes, as an engine's source of randomness.
    pub fn fill(&mut self, target: &mut [u8]) {
        for chunk in target.chunks_mut(8) {
            let drawn = self.next_u64().to_be_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}
