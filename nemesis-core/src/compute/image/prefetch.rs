//! Decodes the next batch while the caller encodes the current one.

use crate::Result;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Calls `consume(n, produce(n)?)` for `n` in `0..count`, in order, on this thread. `produce` runs ahead on another
/// thread by at most two batches: one that is ready and one in progress.
///
/// # Errors
///
/// The first error of either, which ends both.
pub fn prefetch<T: Send>(
    count: usize,
    produce: impl Fn(usize) -> Result<T> + Send,
    mut consume: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let (sender, batches) = sync_channel(1);
        scope.spawn(move || {
            for n in 0..count {
                let batch = produce(n);
                let failed = batch.is_err();
                // Sending fails if the consumer failed and is no longer listening.
                if sender.send(batch).is_err() || failed {
                    break;
                }
            }
        });
        batches.into_iter().enumerate().try_for_each(|(n, batch)| consume(n, batch?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn batches_arrive_in_order_and_are_made_ahead() {
        let made = AtomicUsize::new(0);
        let mut seen = vec![];
        prefetch(
            6,
            |n| {
                made.fetch_add(1, Ordering::SeqCst);
                Ok(10 * n)
            },
            |n, batch| {
                while made.load(Ordering::SeqCst) < (n + 2).min(6) {
                    thread::sleep(Duration::from_millis(1));
                }
                assert!(made.load(Ordering::SeqCst) <= n + 3);
                seen.push((n, batch));
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(seen, (0..6).map(|n| (n, 10 * n)).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_of_either_side_ends_both() {
        let made = AtomicUsize::new(0);
        let make = |n| {
            made.fetch_add(1, Ordering::SeqCst);
            if n == 3 { Err(Error::new("broken")) } else { Ok(n) }
        };
        let mut seen = 0;
        let error = prefetch(9, make, |_, _| {
            seen += 1;
            Ok(())
        });
        assert_eq!((error.unwrap_err().what(), seen, made.load(Ordering::SeqCst)), ("broken", 3, 4));
        let error = prefetch(usize::MAX, |_| Ok(()), |_, ()| Err(Error::new("full")));
        assert_eq!(error.unwrap_err().what(), "full");
    }
}
