//! A little of every target, the same every time; and what was found earlier.

use nemesis_fuzz::{Fuzzer, Limits, TARGETS, replay};

/// How many inputs each target gets. An hour of each is `cargo xtask fuzz --seconds 3600`.
const INPUTS: u64 = 300;

/// One test, since memory is counted for the whole process.
#[test]
fn no_reader_is_harmed() {
    for target in &TARGETS {
        for (name, input) in target.finds() {
            assert_eq!(replay(target, &input), None, "{}/{name}", target.name);
        }
        let start = std::time::Instant::now();
        let tally = Fuzzer::new(target, 1).run(Limits::Inputs(INPUTS), None);
        println!(
            "{:<12} {} inputs, {} accepted, {} outcomes, {:?}",
            target.name,
            tally.inputs,
            tally.accepted,
            tally.outcomes,
            start.elapsed()
        );
        assert_eq!(tally.finds, [], "{}", target.name);
        // A target whose reader refuses everything in the same way reads nothing.
        assert!(tally.outcomes > 1 && tally.accepted > 0, "{}: {tally:?}", target.name);
    }
}
