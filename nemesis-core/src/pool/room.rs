//! How much may be stored before the pool's folder is listed again.

/// Bytes that this process may store without a look at what the pool holds. To look is to ask the file system about every
/// part, which on a shared one costs a message each.
#[derive(Debug, Default)]
pub(super) struct Allowance(u64);

/// The part of the free room that one process takes at a time, so that as many processes together stay within the
/// budget.
const PART: u64 = 64;

impl Allowance {
    /// Takes this many bytes, if they are left.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }

    /// Begins again, given the bytes that are free in the pool.
    pub(super) fn renew(&mut self, free: u64) {
        self.0 = free / PART;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a pool of `budget` bytes is listed until it is full of parts of this size.
    fn listings(budget: u64, part: u64) -> (u64, u64) {
        let (mut allowance, mut stored, mut listings) = (Allowance::default(), 0, 0);
        loop {
            if !allowance.take(part) {
                listings += 1;
                let Some(free) = budget.checked_sub(stored + part) else { return (listings, stored) };
                allowance.renew(free);
            }
            stored += part;
        }
    }

    #[test]
    fn the_folder_is_not_listed_for_every_part() {
        let (listed, stored) = listings(1_000_000_000, 10_000);
        assert_eq!(stored / 10_000, 100_000);
        assert!(listed < 600, "{listed} listings for 100,000 parts");
    }

    #[test]
    fn one_process_never_exceeds_the_budget() {
        for budget in [0, 1, 63, 64, 1000, 12_345] {
            for part in [1, 7, 100, 20_000] {
                assert!(listings(budget, part).1 <= budget);
            }
        }
    }
}
