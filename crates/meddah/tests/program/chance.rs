//! Random moments, the same in every run.

use std::time::Duration;

/// SplitMix64: small, and the same numbers for the same seed everywhere.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub async fn moment(&mut self, limit: Duration) {
        let limit = u64::try_from(limit.as_micros()).unwrap().max(1);
        tokio::time::sleep(Duration::from_micros(self.below(limit))).await;
    }
}
