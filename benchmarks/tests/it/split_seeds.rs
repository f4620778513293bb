//! `--split-seeds`: samples and initialisations with seeds of their own, and where the spread comes from.

use crate::command::{assert_command, nemesis, told};
use crate::report_page;
use crate::synthetic::Synthetic;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const COOP: (&str, &str) = ("coop", "CoOp");
const PEN: (&str, &str) = ("nemesis-pen", "Nemesis-PEN");

/// Four samples with three initialisations: those of the first method differ by sample, those of the second by neither. One
/// data set has too few.
fn crossed(folder: &Path) -> Synthetic {
    let mut records = Synthetic::new(folder);
    let noise = [[0.1, -0.2, 0.05], [-0.15, 0.1, 0.0], [0.2, 0.05, -0.1], [0.0, -0.1, 0.15]];
    for (dataset, accuracy) in [("dtd", 60.0), ("eurosat", 80.0)] {
        let of = |sample: f64, each: f64| {
            let row = |(at, row): (usize, &[f64; 3])| {
                row.iter().map(|noise| accuracy + sample * [1.5, -2.0, 0.5, 0.0][at] + each * noise).collect()
            };
            noise.iter().enumerate().map(row).collect::<Vec<Vec<f64>>>()
        };
        records.zero_shot(dataset, accuracy - 20.0);
        records.crossed(COOP, dataset, 16, &of(1.0, 1.0));
        records.crossed(PEN, dataset, 16, &of(0.0, 4.0));
    }
    records.crossed(COOP, "dtd", 1, &[vec![45.0, 46.0, 47.0]]);
    records.samples = 4;
    records.save();
    records
}

#[test]
fn where_the_spread_comes_from() {
    const NAME: &str = "split_seeds::where_the_spread_comes_from (page)";
    let folder = tempfile::tempdir().unwrap();
    crossed(folder.path());
    assert_command!(folder.path(), &["stats"]);
    assert_command!(folder.path(), &["report", "--format", "markdown"]);
    assert_command!(folder.path(), &["report", "--statistics", "--format", "csv"]);
    assert_command!(folder.path(), &["report", "--paired", "coop,nemesis-pen"]);
    assert_command!(folder.path(), &["compare"]);
    assert_command!(folder.path(), &["report", "--list"]);

    nemesis(folder.path(), &["report", "--html", "page.html"]).output().unwrap();
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("where the spread comes from") && page.contains("\"seed\":\"1×2\""), "the page has neither");
    let page = folder.path().join("page.html");
    let Some(filtered) = report_page::dom(NAME, &page, "#table=few-shot&datasets=dtd") else { return };
    assert!(filtered.contains("<section data-summary=\"\" hidden"), "its tests are over all data sets: {filtered}");
}

/// Crossed runs and runs with seeds of their own are never in one mean.
#[test]
fn a_report_over_both_kinds_of_runs_keeps_them_apart() {
    let folder = tempfile::tempdir().unwrap();
    crossed(folder.path());
    let plans = folder.path().join("out/plans");
    fs::rename(plans.join("few-shot.json"), plans.join("few-shot-split-seeds.json")).unwrap();
    let mut plain = Synthetic::new(folder.path());
    plain.few_shot(COOP, "dtd", 16, &[61.5, 58.0, 60.5]);
    plain.save();
    assert_command!(folder.path(), &["report", "--datasets", "dtd", "--shots", "16", "--seeds", "1-3"]);
}

#[test]
fn what_cannot_be_crossed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--seeds", "1", "--split-seeds"][..], &["--split-seeds", "yes"], &["--split-seeds=2-1"]] {
        assert_command!(folder.path(), &[&["plan"], arguments].concat());
    }
    fs::write(folder.path().join("nemesis.yaml"), "seeds: [1]\nsplit_seeds: true\n").unwrap();
    assert_command!(folder.path(), &["plan"]);
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// At a learning rate of nearly nothing, what is learned is the initial context: the initialisation's seed alone decides it,
/// and the sample's seed which images are seen. Cells with equal seeds are those of runs without the option.
#[test]
fn each_seed_decides_its_part_and_equal_seeds_are_ordinary_cells() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let asked = ["run", "--datasets", "dtd", "--methods", "coop", "--shots", "1", "--limit", "2", "--seeds", "1,2"];
    let still = ["--set", "coop.protocol.learning_rate=1e-300", "--set", "coop.protocol.warmup_learning_rate=1e-300"];
    let asked = [&asked[..], &still].concat();
    done(folder, &asked);
    let rows = |kind: &str| -> Vec<Value> {
        let cells: Value = serde_json::from_str(&done(folder, &["cells", "--format", "json"])).unwrap();
        let cells = cells["cells"].as_array().unwrap().iter().filter(|cell| cell["kind"] == kind);
        cells.cloned().collect()
    };
    let ordinary = rows("training");
    assert_eq!(ordinary.len(), 2);

    done(folder, &[&asked[..], &["--split-seeds"]].concat());
    let all = rows("training");
    assert_eq!(all.len(), 4);
    assert!(ordinary.iter().all(|cell| all.contains(cell)), "cells with equal seeds are not computed again");
    let of = |seed: u64, initialisation: u64| {
        let is = |cell: &&Value| cell["seed"] == seed && cell["initialisation"] == initialisation;
        all.iter().find(is).unwrap()
    };
    for seed in [1, 2] {
        assert_eq!(of(1, seed)["state"], of(2, seed)["state"], "initialisation {seed}");
        assert_eq!(of(seed, 1)["images"], of(seed, 2)["images"], "sample {seed}");
    }
    assert_ne!(of(1, 1)["state"], of(1, 2)["state"]);
    assert_ne!(of(1, 1)["images"], of(2, 1)["images"]);
    let ids: BTreeSet<String> = all.iter().map(|cell| cell["id"].to_string()).collect();
    assert_eq!(ids.len(), 4);

    // Both seeds say which training is meant.
    let log = done(folder, &["log", of(1, 2)["id"].as_str().unwrap()]);
    assert!(log.contains("sample seed 1, initialisation seed 2"), "{log}");
    let export = ["export", "--dataset", "dtd", "--method", "coop", "--shots", "1", "--seed", "1", "--to", "exported"];
    done(folder, &[&export[..], &["--initialisation", "2"]].concat());
    fs::remove_dir_all(folder.join("exported")).unwrap();
    done(folder, &export);
    let listed = done(folder, &["report", "--list"]);
    assert!(listed.contains("seeds 1, 2 × 1, 2"), "{listed}");
}

/// Samples and initialisations may have different seeds: one that only the samples have is no hole among the others.
#[test]
fn seeds_of_one_kind_are_no_holes_in_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    records.zero_shot("dtd", 40.0);
    records.crossed(COOP, "dtd", 16, &[vec![60.0, 61.0], vec![62.0, 63.0], vec![61.0, 60.5]]);
    records.save();
    let shown = done(folder.path(), &["report", "--seeds", "1-3", "--shots", "16"]);
    assert!(!shown.contains("not complete") && !shown.contains("of 9 seeds"), "{shown}");
}
