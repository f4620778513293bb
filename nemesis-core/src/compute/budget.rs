//! How a process divides the memory it may use.

use crate::{Error, Result};

/// How much may be kept of what could be recomputed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Bytes of decoded images.
    pub(crate) decoded: usize,
    /// Bytes of the text tower's activations; `None` if unbounded.
    pub(crate) activations: Option<u64>,
}

/// Enough for the few-shot samples of most data sets; more gains little.
const MOST_DECODED: u64 = 1 << 29;

/// What everything else takes: a batch of images passing through the tower, and what the allocator retains.
const REST: u64 = 400 << 20;

/// With less for activations, training would keep recomputing a few classes at a time.
const LEAST: u64 = 64 << 20;

impl Budget {
    /// The budget without a memory limit.
    pub(crate) const UNBOUNDED: Self = Self { decoded: MOST_DECODED as usize, activations: None };

    /// Divides what is left of `memory` bytes after what the process already uses: libtorch and the weights, at the
    /// time of the call.
    ///
    /// # Errors
    ///
    /// When too little is left to work with.
    pub(crate) fn left_of(memory: u64) -> Result<Self> {
        Self::share(memory, resident().unwrap_or(0))
    }

    fn share(memory: u64, taken: u64) -> Result<Self> {
        let left = memory.saturating_sub(taken + REST);
        let decoded = MOST_DECODED.min(left / 4);
        // In steps, since what a process uses at first differs a little from one to the next, and what is computed in how
        // many pieces shows in the last digits.
        let activations = (left - decoded) / LEAST * LEAST;
        if activations < LEAST {
            let megabytes = |bytes: u64| format!("{} MB", bytes.div_ceil(1_000_000));
            let needed = taken + REST + LEAST * 4 / 3;
            return Err(Error::new(format!("{} of memory is not enough for a worker", megabytes(memory)))
                .expected(format!(
                    "at least {}, of which {} is used before any work starts",
                    megabytes(needed),
                    megabytes(taken)
                ))
                .help("use a larger `--memory`, or fewer `--jobs` if the machine has no more memory"));
        }
        Ok(Self { decoded: decoded as usize, activations: Some(activations) })
    }
}

/// The bytes of memory that this process uses, as Linux reports them.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_shared_out() {
        let budget = Budget::share(3_000_000_000, 900_000_000).unwrap();
        let activations = budget.activations.unwrap();
        let all = budget.decoded as u64 + activations + REST + 900_000_000;
        assert!((3_000_000_000 - LEAST..=3_000_000_000).contains(&all), "{all}");
        assert!(budget.decoded as u64 <= (activations + LEAST) / 3 + 1);
        let large = Budget::share(u64::MAX, 0).unwrap();
        assert_eq!(large.decoded, Budget::UNBOUNDED.decoded);
    }

    /// A training that is resumed has the same pieces, although another process uses some kilobytes more.
    #[test]
    fn what_is_left_comes_in_steps() {
        let taken = [900_000_000, 900_400_000, 900_123_456];
        let budgets = taken.map(|taken| Budget::share(3_000_000_000, taken).unwrap().activations);
        assert!(budgets.iter().all(|budget| *budget == budgets[0]), "{budgets:?}");
    }

    #[test]
    fn too_little_is_refused_and_what_is_asked_for_is_enough() {
        let error = Budget::share(1_000_000_000, 900_000_000).unwrap_err();
        insta::assert_snapshot!(error, @r"
        1000 MB of memory is not enough for a worker
          expected: at least 1409 MB, of which 900 MB is used before any work starts
          help: use a larger `--memory`, or fewer `--jobs` if the machine has no more memory
        ");
        assert!(Budget::share(1_410_000_000, 900_000_000).is_ok());
    }
}
