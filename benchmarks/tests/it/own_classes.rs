//! Classes of people's own data sets: names that were edited and not added, names that two classes share, and halves of one
//! class.

use crate::command::{assert_command, library, nemesis, told};
use crate::toy::paint;
use std::fs;
use std::path::Path;

/// Pictures of each class in `photos`, and no data set yet.
fn photos(folder: &Path, classes: &[&str]) {
    for (at, class) in classes.iter().enumerate() {
        for picture in 0..5u8 {
            let colour = [40 * at as u8, 200 - 10 * picture, 20 * picture];
            paint(&folder.join(format!("photos/{class}/{picture}.png")), colour);
        }
    }
}

const ADD: [&str; 6] = ["data", "add", "birds", "photos", "--data", "data"];

fn done(folder: &Path, arguments: &[&str]) {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

/// `nemesis plan` on the data set.
fn plan<'a>(coop: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let plan = ["plan", "--data", "data", "--datasets", "birds", "--weights", "mini", "--shots", "1", "--seeds", "1"];
    [&plan[..], &["--methods", "coop", "--plugin", coop], more].concat()
}

#[test]
fn class_names_that_were_edited_and_not_added_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let coop = library("nemesis_method_coop");
    photos(dir, &["barn owl", "robin", "wren"]);
    done(dir, &ADD);
    done(dir, &plan(&coop, &[]));
    let names = dir.join("data/birds/classnames.txt");
    let written = fs::read_to_string(&names).unwrap();
    let with = |text: String| {
        fs::write(&names, text).unwrap();
        nemesis(dir, &["data", "check", "birds", "--data", "data"]).output().unwrap()
    };
    // What says the same says nothing new, and a line that is gone or doubled does.
    assert!(with(written.replace('\t', "  ") + "\n").status.success());
    assert!(!with(written.replace("wren\twren\n", "")).status.success());
    assert!(!with(format!("{written}kite\tkite\n")).status.success());
    assert!(
        !with(written.replace("robin\trobin", "robin\twren").replace("wren\twren\n", "wren\trobin\n")).status.success()
    );

    fs::write(&names, written.replace("robin\trobin", "robin\tEuropean robin")).unwrap();
    assert_command!(dir, &plan(&coop, &[]));
    assert_command!(dir, &["data", "check", "birds", "--data", "data"]);
    // Adding again takes the new name over.
    done(dir, &ADD);
    done(dir, &plan(&coop, &[]));
    assert!(fs::read_to_string(dir.join("data/birds/split_zhou_birds.json")).unwrap().contains("European robin"));

    // A list of names beside somebody else's split is none of ours.
    let split = fs::read_to_string(dir.join("data/birds/split_zhou_birds.json")).unwrap();
    let foreign: String = split.lines().filter(|line| !line.starts_with("\"origin\"")).collect();
    fs::write(dir.join("data/birds/split_zhou_birds.json"), foreign).unwrap();
    fs::write(&names, "anything").unwrap();
    done(dir, &plan(&coop, &[]));
}

#[test]
fn class_names_that_two_classes_share_are_told_when_they_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    photos(dir, &["1_crane", "2_crane bird", "3_wren"]);
    fs::write(dir.join("names.txt"), "1_crane\tcrane\n2_crane bird\tCrane\n").unwrap();
    assert_command!(dir, &[&ADD[..], &["--class-names", "names.txt"]].concat());
}

#[test]
fn a_half_of_one_class_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let coop = library("nemesis_method_coop");
    photos(dir, &["owl", "robin", "wren"]);
    done(dir, &ADD);
    assert_command!(dir, &plan(&coop, &["--suite", "base-to-new"]));
    photos(dir, &["kite"]);
    done(dir, &[&ADD[..], &["--replace"]].concat());
    done(dir, &plan(&coop, &["--suite", "base-to-new"]));
}

#[test]
fn the_mini_checkpoint_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["backbone", "check", "mini"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing");
    assert_command!(folder.path(), &["backbone", "check", "./mini"]);
}
