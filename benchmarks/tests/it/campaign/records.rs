//! Records that are damaged: they are named, and computed again once they are gone.

use super::{Chance, Undisturbed, faults, files, is_left_to_the_campaign, lend_pictures, report, within};
use crate::command::told;
use std::fs;

#[test]
fn a_damaged_record_is_named_and_computed_again() {
    if is_left_to_the_campaign("records::a_damaged_record_is_named_and_computed_again") {
        return;
    }
    let undisturbed = Undisturbed::small();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lend_pictures(folder);
    let mut table = undisturbed.assert_in(folder, &[]);
    let mut all = files(&folder.join("out/records"), "json");
    all.sort();
    let (mut chance, count) = (Chance::new(), faults(2));
    for fault in 0..count {
        let record = &all[fault % all.len()];
        let sound = fs::read(record).unwrap();
        let mut bytes = sound.clone();
        match fault % 3 {
            0 => {
                let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
                bytes[digits[chance.below(digits.len())]] ^= 1;
            }
            1 => bytes.truncate(chance.below(bytes.len())),
            _ => bytes = fs::read(&all[(fault + 1) % all.len()]).unwrap(),
        }
        fs::write(record, bytes).unwrap();
        let refused = told(&within(60, &mut undisturbed.run(folder, &[])));
        let name = record.file_name().unwrap().to_str().unwrap();
        assert!(refused.starts_with("exit code 2") && refused.contains(name), "{fault}: {refused}");
        fs::remove_file(record).unwrap();
        table = undisturbed.assert_in(folder, &[]);
    }
    report("records flipped, truncated, replaced", count, &table, "each was refused by name");
}
