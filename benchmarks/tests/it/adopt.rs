//! `nemesis adopt`: records of another build are used where a sample comes out the same, and only then.

use crate::command::{assert_command, nemesis, told};
use crate::toy::{data_root, run, weights};
use nemesis_core::record::{Build, Cell, CellId, EvaluationCell, Store, Subject, TrainingCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs on a toy data set and gives the records to another build, after `edit` changed the cells.
fn records_of_another_build(folder: &Path, protocol: &str, edit: impl Fn(&mut TrainingCell)) {
    data_root(folder, &["toy", "other"]);
    let weights = weights();
    let ran = nemesis(folder, &by(protocol, run(&weights, &OPTIONS))).output().unwrap();
    assert!(ran.status.success(), "{}", told(&ran));
    let store = Store::open(folder.join("out")).unwrap();
    let other =
        Build { engine: "other".to_owned(), methods: BTreeMap::from([("coop".to_owned(), "other".to_owned())]) };
    for id in store.ids().unwrap() {
        let cell = if let Ok(record) = store.get::<TrainingCell>(&id) {
            let mut cell = other.training(&record.unwrap().cell);
            edit(&mut cell);
            Cell::Training(cell)
        } else {
            let mut cell = other.evaluation(&store.get::<EvaluationCell>(&id).unwrap().unwrap().cell);
            if let Subject::Training { cell } = &mut cell.subject {
                edit(cell);
            }
            Cell::Evaluation(cell)
        };
        rename(&folder.join("out"), &id, &cell);
    }
}

/// Makes the record of `id` one of `cell`, by hand.
fn rename(out: &Path, id: &CellId, cell: &Cell) {
    let record = out.join(format!("records/{id}.json"));
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    let mut content = serde_json::to_value(cell).unwrap();
    content.as_object_mut().unwrap().remove("kind");
    json["id"] = cell.id().to_string().into();
    json["cell"] = content;
    // As earlier versions wrote it.
    json.as_object_mut().unwrap().remove("checksum");
    fs::write(out.join(format!("records/{}.json", cell.id())), json.to_string()).unwrap();
    fs::remove_file(record).unwrap();
    let predictions = |id: &CellId| out.join(format!("predictions/{id}.bin"));
    if predictions(id).exists() {
        fs::rename(predictions(id), predictions(&cell.id())).unwrap();
    }
}

/// The same arguments with another protocol.
fn by<'a>(protocol: &'a str, arguments: Vec<&'a str>) -> Vec<&'a str> {
    arguments.into_iter().map(|word| if word == "mini" { protocol } else { word }).collect()
}

/// `adopt` for what [`run`] runs.
fn adopt<'a>(weights: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    std::iter::once("adopt").chain(run(weights, more).into_iter().skip(1)).collect()
}

const OPTIONS: [&str; 4] = ["--datasets", "toy,other", "--seeds", "1,2"];

#[test]
fn records_whose_sample_comes_out_the_same_are_used() {
    let folder = tempfile::tempdir().unwrap();
    records_of_another_build(folder.path(), "mini", |_| {});
    let weights = weights();
    assert_command!(folder.path(), &adopt(&weights, &[&OPTIONS[..], &["--cells", "2"]].concat()));
    // All is there now, and the table says how.
    assert_command!(folder.path(), &run(&weights, &OPTIONS));
    assert_command!(folder.path(), &adopt(&weights, &OPTIONS));
}

/// A build in which the learning rate was another, whatever its protocol says.
#[test]
fn records_that_come_out_differently_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mini = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/mini.yaml")).unwrap();
    let own = mini.replace("name: mini", "name: own");
    fs::write(folder.path().join("own.yaml"), &own).unwrap();
    let faster = own.replace("\nlearning_rate: 0.002", "\nlearning_rate: 0.004");
    assert_ne!(own, faster);
    fs::write(folder.path().join("faster.yaml"), faster).unwrap();
    let slow = serde_json::json!(0.002);
    records_of_another_build(folder.path(), "faster.yaml", |cell| cell.protocol["learning_rate"] = slow.clone());
    let weights = weights();
    let before = crate::files::tree(&folder.path().join("out/records"));
    let adopt = adopt(&weights, &[&OPTIONS[..], &["--cells", "2"]].concat());
    assert_command!(folder.path(), &by("own.yaml", adopt.clone()));
    assert_eq!(crate::files::tree(&folder.path().join("out/records")), before);
    assert!(!folder.path().join("out/adoptions").exists());

    // Trainings that nothing has evaluated are not adopted unseen, beside evaluations of zero-shot that are the same.
    let store = Store::open(folder.path().join("out")).unwrap();
    for id in store.ids().unwrap() {
        let evaluation = store.get::<EvaluationCell>(&id).ok().flatten();
        if evaluation.is_some_and(|record| record.cell.subject.training().is_some()) {
            fs::remove_file(folder.path().join(format!("out/records/{id}.json"))).unwrap();
        }
    }
    let output = nemesis(folder.path(), &by("own.yaml", adopt)).output().unwrap();
    let told = told(&output);
    assert!(output.status.code() == Some(1) && told.contains("the learned state differs"), "{told}");
    assert!(!folder.path().join("out/adoptions").exists());
}

#[test]
fn a_kill_while_the_sample_is_computed_adopts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    records_of_another_build(folder.path(), "mini", |_| {});
    let weights = weights();
    let records = folder.path().join("out/records");
    let before = crate::files::tree(&records);
    let is_scratch = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".adopt-");

    // What a signal leaves undone does not differ.
    let mut adopting = nemesis(folder.path(), &adopt(&weights, &OPTIONS));
    let mut child = adopting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let has_a_job = |entry: fs::DirEntry| {
        let jobs = fs::read_dir(entry.path().join("leases/jobs"));
        is_scratch(entry) && jobs.is_ok_and(|mut jobs| jobs.next().is_some())
    };
    while !fs::read_dir(folder.path().join("out")).unwrap().any(|entry| has_a_job(entry.unwrap())) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was told to");
        std::thread::yield_now();
    }
    Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = told(&output);
    assert!(output.status.code() == Some(130) && said.contains("nothing was adopted"), "{said}");
    assert!(output.stdout.is_empty(), "{said}");
    assert_eq!(crate::files::tree(&records), before);

    let mut child = nemesis(folder.path(), &adopt(&weights, &OPTIONS)).spawn().unwrap();
    while !fs::read_dir(folder.path().join("out")).unwrap().any(|entry| is_scratch(entry.unwrap())) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(crate::files::tree(&records), before);
    assert!(!folder.path().join("out/adoptions").exists());
    // The next one starts over, and leaves nothing of the first.
    let output = nemesis(folder.path(), &adopt(&weights, &OPTIONS)).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert!(!fs::read_dir(folder.path().join("out")).unwrap().any(|entry| is_scratch(entry.unwrap())));
}
