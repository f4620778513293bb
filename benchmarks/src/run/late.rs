//! What another machine has written, and this one does not see yet.

use nemesis_core::record::{Cell, CellId, Store, TrainingCell};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How late a network file system shows the changes of other machines, at most: as NFS does unless it is mounted otherwise.
const LATE: Duration = Duration::from_secs(60);

/// Whether an evaluation failed for nothing but a learned state that it now sees. Records are seen as soon as this machine
/// writes one itself, while the folder of states may still be shown as it was.
///
/// Only what a training of `job` has learned is waited for: this worker was to train it, so that another run can just have
/// done so. What was learned earlier, and is not there, is gone.
pub(super) fn has_come(store: &Store, job: &HashSet<CellId>, cell: &Cell) -> bool {
    let Cell::Evaluation(evaluation) = cell else { return false };
    let training = evaluation.subject.training().map(TrainingCell::id);
    let Some(training) = training.filter(|training| job.contains(training)) else { return false };
    let Ok(Some(record)) = store.get::<TrainingCell>(&training) else { return false };
    let Ok(hash) = store.hash_of_learned(&record, evaluation.epoch) else { return false };
    comes(&store.state_path(hash), LATE)
}

/// Waits for a file that is not there; says whether it came.
fn comes(path: &Path, within: Duration) -> bool {
    let start = Instant::now();
    if path.is_file() {
        return false;
    }
    while start.elapsed() < within {
        // Network file systems ask the server anew about a folder that is opened.
        let _ = path.parent().map(fs::read_dir);
        if path.is_file() {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    false
}

const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_seen_late_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert!(!comes(&path, 2 * PAUSE), "it does not come");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| comes(&path, LATE));
            std::thread::sleep(PAUSE);
            fs::write(&path, "").unwrap();
            assert!(waiting.join().unwrap());
        });
        assert!(!comes(&path, LATE), "it has been there");
    }
}
