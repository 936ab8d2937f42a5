//! Chance that can be repeated.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Reproducible choices; shared by tasks, so the seed fixes them only up to the order in which they are taken.
pub(crate) struct Dice {
    pub(crate) seed: u64,
    next: AtomicU64,
}

impl Dice {
    /// With the seed of an earlier run (`MUISTI_CRASH_SEED`), or a new one.
    pub(crate) fn new() -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let seed = number("MUISTI_CRASH_SEED").unwrap_or_else(|| clock().into());
        Self { seed, next: AtomicU64::new(seed) }
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        let mut value = self.next.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % limit
    }

    pub(crate) fn millis_below(&self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }

    /// True once in so many times.
    pub(crate) fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&self, these: &'a [T]) -> &'a T {
        &these[usize::try_from(self.below(these.len() as u64)).unwrap()]
    }
}

/// A variable of the environment that holds a number.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
