//! Whole commands on a folder of 100,000 records: a run that finds all of them, and what reads them.
//!
//! The records are of real cells, as `nemesis plan --json` lists them. What came out of them is made up.

#[path = "../../nemesis-core/benches/common/mod.rs"]
#[allow(dead_code, reason = "the other bench needs the rest")]
mod common;
#[path = "../../nemesis-core/benches/common/provenance.rs"]
mod provenance;

use common::is_trial;
use criterion::{Criterion, criterion_group, criterion_main};
use nemesis_core::record::{Cell, Evaluated, Store, Trained};
use provenance::provenance;
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use tch::{Device, Kind, Tensor};

/// What is asked for, beside the seeds: ten cells for each seed, and a zero-shot one.
const ASKED: [&str; 6] = ["--datasets", "dtd", "--methods", "coop", "--shots", "1,2,4,8,16"];

#[derive(Deserialize)]
struct Planned {
    cell: Cell,
}

fn nemesis(folder: &Path, command: &str, arguments: &[&str]) -> Command {
    let mut nemesis = Command::new(env!("CARGO_BIN_EXE_nemesis"));
    nemesis.current_dir(folder).arg(command).args(arguments).args(["--out", "out"]);
    nemesis
}

/// Puts a record for each planned cell into the folder.
fn fill(folder: &Path, seeds: &str) -> usize {
    let plan = nemesis(folder, "plan", &[&ASKED[..], &["--seeds", seeds, "--json"]].concat());
    let output = { plan }.stderr(Stdio::inherit()).output().expect("the program starts");
    let planned: Vec<Planned> = serde_json::from_slice(&output.stdout).expect("a plan is a list of cells");
    let store = Store::open(folder.join("out")).expect("the folder is new");
    let provenance = provenance();
    let labels: Vec<u32> = (0..300).map(|image| image % 10).collect();
    let written = planned.par_iter().map(|Planned { cell }| match cell {
        Cell::Training(cell) => {
            let state = vec![("ctx".to_owned(), Tensor::zeros([8, 8], (Kind::Float, Device::Cpu)))];
            let trained = Trained { epochs: Vec::new(), state: &state, classes: &[], kept: BTreeMap::new() };
            store.put_training(cell, trained, provenance.clone()).map(drop)
        }
        Cell::Evaluation(cell) => {
            let evaluated = Evaluated { predicted: &labels, labels: &labels, classes: 10, context_norms: Vec::new() };
            store.put_evaluation(cell, evaluated, provenance.clone()).map(drop)
        }
    });
    written.collect::<Result<(), _>>().expect("the folder can be written");
    planned.len()
}

fn commands(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let seeds: Vec<String> = (0..if is_trial() { 1 } else { 10 })
        .map(|part| if is_trial() { "1".to_owned() } else { format!("{}-{}", part * 1000 + 1, part * 1000 + 1000) })
        .collect();
    let seeds = seeds.join(",");
    let records = fill(folder.path(), &seeds);
    let run = [&ASKED[..], &["--seeds", &seeds]].concat();
    let mut group = criterion.benchmark_group(format!("{records} records"));
    group.sample_size(10);
    // The run comes first: it leaves the plan that the others show.
    let commands = [("run", &run[..]), ("report", &[]), ("status", &[]), ("cells", &[]), ("clean", &[])];
    for (command, arguments) in commands {
        group.bench_function(command, |bencher| {
            bencher.iter(|| {
                let status =
                    nemesis(folder.path(), command, arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
                assert!(status.is_ok_and(|status| status.success()), "nemesis {command} failed");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, commands);
criterion_main!(benches);
