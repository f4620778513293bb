//! Whether a heartbeat stands still, on the clock of the one who looks.

use std::time::{Duration, Instant};

/// What has been seen of a heartbeat so far.
#[derive(Debug)]
pub(super) struct Watch {
    /// The most that counts of the time between two looks. Whoever looks may have been stopped in between, and would find
    /// that a run's heartbeat has stood still for as long.
    most: Duration,
    seen: Option<(Option<u64>, Instant)>,
    unchanged: Duration,
    changed: bool,
}

impl Watch {
    pub(super) fn new(most: Duration) -> Self {
        Self { most, seen: None, unchanged: Duration::ZERO, changed: false }
    }

    /// Takes note of a heartbeat, which is `None` if it cannot be read.
    pub(super) fn look(&mut self, beat: Option<u64>, now: Instant) {
        if let Some((before, at)) = self.seen
            && before == beat
        {
            self.unchanged += now.duration_since(at).min(self.most);
        } else {
            self.unchanged = Duration::ZERO;
            self.changed = self.seen.is_some();
        }
        self.seen = Some((beat, now));
    }

    /// Whether the heartbeat was seen to change.
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// For how long the heartbeat has certainly stood still.
    pub(super) fn unchanged(&self) -> Duration {
        self.unchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_a_heartbeat_that_stands_still_adds_up() {
        let (mut watch, start) = (Watch::new(2 * SECOND), Instant::now());
        watch.look(Some(7), start);
        assert_eq!(watch.unchanged(), Duration::ZERO, "one look says nothing");
        assert!(!watch.has_changed(), "one look says nothing");
        watch.look(Some(7), start + SECOND);
        watch.look(Some(7), start + 2 * SECOND);
        assert_eq!(watch.unchanged(), 2 * SECOND);
        watch.look(Some(8), start + 3 * SECOND);
        assert_eq!(watch.unchanged(), Duration::ZERO);
        assert!(watch.has_changed());
        // A file that goes back, as a stale cache shows it, is a change as well.
        watch.look(Some(7), start + 4 * SECOND);
        assert_eq!(watch.unchanged(), Duration::ZERO);
        watch.look(None, start + 5 * SECOND);
        watch.look(None, start + 6 * SECOND);
        assert_eq!(watch.unchanged(), SECOND, "a file that cannot be read stands still, too");
    }

    #[test]
    fn time_in_which_nobody_looked_hardly_counts() {
        let (mut watch, start) = (Watch::new(2 * SECOND), Instant::now());
        watch.look(Some(1), start);
        watch.look(Some(1), start + 3600 * SECOND);
        assert_eq!(watch.unchanged(), 2 * SECOND);
    }
}
