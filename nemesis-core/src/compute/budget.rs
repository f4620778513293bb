//! How a process shares out the memory that it may take.

use crate::{Error, Result};

/// What may be kept of what could be computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Bytes of decoded images.
    pub(crate) decoded: usize,
    /// Bytes of the text tower's activations; nothing where they are not bounded.
    pub(crate) activations: Option<u64>,
}

/// Few-shot samples of most data sets fit; more than that brings little.
const MOST_DECODED: u64 = 1 << 29;

/// What everything else takes: a batch of images on its way through the tower, and what the allocator holds back.
const REST: u64 = 400 << 20;

/// With less for activations, a few classes at a time would be computed over and over again.
const LEAST: u64 = 64 << 20;

impl Budget {
    /// Without a bound on memory.
    pub(crate) const UNBOUNDED: Self = Self { decoded: MOST_DECODED as usize, activations: None };

    /// Shares out what is left of `memory` bytes beside what the process takes already, which is libtorch and the
    /// weights when this is called.
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
        let activations = left - decoded;
        if activations < LEAST {
            let megabytes = |bytes: u64| format!("{} MB", bytes.div_ceil(1_000_000));
            let needed = taken + REST + LEAST * 4 / 3;
            return Err(Error::new(format!("{} of memory are too few for a worker", megabytes(memory)))
                .expected(format!(
                    "at least {}, of which it takes {} before any work",
                    megabytes(needed),
                    megabytes(taken)
                ))
                .help("give a larger `--memory`, and fewer `--jobs` if the machine has no more"));
        }
        Ok(Self { decoded: decoded as usize, activations: Some(activations) })
    }
}

/// The bytes of memory that this process takes, as Linux tells them.
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
        assert_eq!(budget.decoded as u64 + activations + REST + 900_000_000, 3_000_000_000);
        assert!(budget.decoded as u64 <= activations / 3 + 1);
        let large = Budget::share(u64::MAX, 0).unwrap();
        assert_eq!(large.decoded, Budget::UNBOUNDED.decoded);
    }

    #[test]
    fn too_little_is_refused_and_what_is_asked_for_is_enough() {
        let error = Budget::share(1_000_000_000, 900_000_000).unwrap_err();
        insta::assert_snapshot!(error, @r"
        1000 MB of memory are too few for a worker
          expected: at least 1409 MB, of which it takes 900 MB before any work
          help: give a larger `--memory`, and fewer `--jobs` if the machine has no more
        ");
        assert!(Budget::share(1_410_000_000, 900_000_000).is_ok());
    }
}
