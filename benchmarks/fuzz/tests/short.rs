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
            "{:<12} {} inputs, {} accepted, {} of them seeds, {} outcomes, {:?}",
            target.name,
            tally.inputs,
            tally.accepted,
            tally.accepted_seeds,
            tally.outcomes,
            start.elapsed()
        );
        harmed.extend(tally.finds.iter().map(|find| format!("{}: {find}", target.name)));
        // What is refused at its beginning leads nowhere, and a reader that says the same of everything reads nothing.
        if tally.accepted_seeds == 0 {
            harmed.push(format!("{}: its seeds are refused: {tally:?}", target.name));
        }
        if tally.outcomes < 2 {
            harmed.push(format!("{}: it says the same of everything: {tally:?}", target.name));
        }
    }
    assert!(harmed.is_empty(), "{}", harmed.join("\n"));
}
