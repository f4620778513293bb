//! A little of every target, the same every time; and what was found earlier.

use nemesis_fuzz::{TARGETS, fuzz, replay};

/// How many changed inputs each target gets. An hour of each is `cargo xtask fuzz --in-all 3600`.
const CHANGES: u64 = 300;

/// One test, since memory is counted for the whole process.
#[test]
fn no_reader_is_harmed() {
    let mut harmed = Vec::new();
    for target in &TARGETS {
        for (name, input) in target.finds() {
            assert_eq!(replay(target, &input), None, "{}/{name}", target.name);
        }
        let start = std::time::Instant::now();
        let tally = fuzz(target, 1, CHANGES);
        println!(
            "{:<12} {} inputs, {} accepted, {} outcomes, {:?}",
            target.name,
            tally.inputs,
            tally.accepted,
            tally.outcomes,
            start.elapsed()
        );
        harmed.extend(tally.finds.iter().map(|find| format!("{}: {find}", target.name)));
        // A target whose reader says the same of everything reads nothing.
        if tally.outcomes < 2 {
            harmed.push(format!("{}: its seeds are refused: {tally:?}", target.name));
        }
    }
    assert!(harmed.is_empty(), "{}", harmed.join("\n"));
}
