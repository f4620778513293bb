//! A disk that fills up or becomes read-only.

use super::{OnDisk, Undisturbed, faults, is_left_to_the_campaign, lend_pictures, report, within};
use crate::command::{nemesis, told};
use crate::processes::left_behind;
use nemesis_disk::Refusal;
use std::collections::BTreeMap;
use std::time::Duration;

/// A folder on a disk of its own, without faults yet.
fn on_disk(test: &str) -> Option<OnDisk> {
    let disk = OnDisk::mount(1, Duration::ZERO, test)?;
    lend_pictures(&disk.at[0]);
    Some(disk)
}

#[test]
fn a_full_disk_costs_a_run_and_no_result() {
    let test = "disk::a_full_disk_costs_a_run_and_no_result";
    let undisturbed = Undisturbed::small();
    let Some(disk) = on_disk(test) else { return };
    let before = disk.faults().writes();
    let whole = within(300, &mut undisturbed.run(&disk.at[0], &[]));
    assert!(whole.status.success(), "{}", told(&whole));
    let writes = (disk.faults().writes() - before) as usize;
    assert_eq!(left_behind(&disk.at[0]), [""; 0]);
    drop(disk);

    let points = faults(1).min(writes);
    let mut struck = 0;
    let mut table = Vec::new();
    let mut refused = BTreeMap::<String, u64>::new();
    let mut codes = BTreeMap::<Option<i32>, usize>::new();
    for point in 0..points {
        let after = (writes * (2 * point + 1)) / (2 * points);
        let Some(disk) = on_disk(test) else { return };
        let at = &disk.at[0];
        // Half of the disks are full for good, the others for a moment.
        let count = if point % 2 == 0 { u64::MAX } else { 1 };
        disk.faults().refuse(Refusal::Full, after as u64, count);
        let output = within(120, &mut undisturbed.run(at, &[]));
        disk.faults().end();
        let told = told(&output);
        println!("full after {after} of {writes} writes: {:?} {:?}", output.status, disk.faults().refused());
        assert!(matches!(output.status.code(), Some(0..=2)) && !told.contains("panicked"), "{told}");
        if !output.status.success() {
            assert!(told.contains("No space left on device") && told.contains("free some disk space"), "{told}");
        }
        *codes.entry(output.status.code()).or_default() += 1;
        struck += usize::from(!disk.faults().refused().is_empty());
        for (what, times) in disk.faults().refused() {
            *refused.entry(what).or_default() += times;
        }
        table = undisturbed.assert_in(at, &[]);
    }
    // Heartbeats make one run write a little less than another, so that the last points may come after its end.
    assert!(2 * struck > points, "only {struck} of {points} disks refused a write");
    let places: Vec<String> = refused.keys().cloned().collect();
    let details = format!("of {points} disks; exit codes {codes:?}; refused: {}", places.join(", "));
    report("disk full", struck, &table, &details);
}

/// What only reads works on a disk that nobody can write to, and what writes says why it does not.
#[test]
fn a_read_only_disk_is_told_and_can_be_read() {
    if is_left_to_the_campaign("disk::a_read_only_disk_is_told_and_can_be_read") {
        return;
    }
    let undisturbed = Undisturbed::small();
    let test = "disk::a_read_only_disk_is_told_and_can_be_read";
    let Some(disk) = on_disk(test) else { return };
    let at = &disk.at[0];
    let table = undisturbed.assert_in(at, &[]);
    disk.faults().refuse(Refusal::ReadOnly, 0, u64::MAX);
    for command in [&["report", "--list"][..], &["status"], &["diff", "out", "out"], &["cells"], &["clean"]] {
        let told = told(&within(60, &mut nemesis(at, command)));
        assert!(told.starts_with("exit code 0"), "{command:?}: {told}");
    }
    let output = within(60, &mut undisturbed.run(at, &["--seeds", "1,2"]));
    let told = told(&output);
    assert!(output.status.code() == Some(2) && told.contains("Read-only file system"), "{told}");
    disk.faults().end();
    undisturbed.assert_in(at, &[]);
    report("disk read-only", 1, &table, "");
}
