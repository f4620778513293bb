//! Readers of the labels in official archives: text, and MATLAB files.

use super::data::put;
use super::{all_of, source};
use crate::chance::Chance;
use crate::repair;
use nemesis_core::dataset::{Registry, prepare};
use nemesis_core::{Error, Result};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// The built-in data sets, of any number of classes.
static ANY_SIZE: LazyLock<Registry> = LazyLock::new(|| {
    let text = fs::read_to_string(source("datasets.yaml")).expect("the registry is there");
    let lines = text.lines().filter(|line| !line.starts_with("  classes:") && !line.starts_with("  samples:"));
    Registry::parse(&lines.collect::<Vec<_>>().join("\n"), Path::new("datasets.yaml")).expect("it is a registry")
});

/// The lists of official archives that are text, by data set.
const TEXTS: [(&str, &[&str]); 4] = [
    ("oxford_pets", &["annotations/trainval.txt", "annotations/test.txt"]),
    ("sun397", &["ClassName.txt", "Training_01.txt", "Testing_01.txt"]),
    (
        "ucf101",
        &["ucfTrainTestlist/classInd.txt", "ucfTrainTestlist/trainlist01.txt", "ucfTrainTestlist/testlist01.txt"],
    ),
    (
        "fgvc_aircraft",
        &["variants.txt", "images_variant_train.txt", "images_variant_val.txt", "images_variant_test.txt"],
    ),
];

/// The lists of one data set, with a form feed between them.
pub(super) fn texts() -> Vec<Vec<u8>> {
    [
        "Abyssinian_100 1 1 1\nsaint_bernard_2 2 2 1\n\x0cAbyssinian_7 1 1 1\n",
        "/a/abbey\n/a/apse/indoor\n\x0c/a/abbey/sun_aaa.jpg\n/a/apse/indoor/sun_b.jpg\n\x0c/a/abbey/sun_c.jpg\n",
        "1 ApplyEyeMakeup\n2 Archery\n\x0cApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\n\x0cArchery/v_Archery_g01_c01.avi\n",
        "707-320\nA330-200\n\x0c0034309 707-320\n\x0c1 A330-200\n\x0c2 707-320\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// As the lists of each data set in turn; one is enough to accept them.
pub(super) fn read_texts(folder: &Path, input: &[u8]) -> Result<()> {
    let mut outcome = Err(Error::new("no data set has such lists"));
    for (name, files) in TEXTS {
        let root = folder.join(name);
        let parts = input.split(|byte| *byte == b'\x0c').chain(std::iter::repeat(&b""[..]));
        for (file, part) in files.iter().zip(parts) {
            put(&root.join(file), part)?;
        }
        let entry = ANY_SIZE.get(name)?;
        let read = if entry.raw.is_some() { prepare(entry, folder, 1).map(drop) } else { entry.open(folder).map(drop) };
        outcome = outcome.or(read);
        let _ = fs::remove_dir_all(root);
    }
    outcome
}

/// Unpacked, as packed ones can hardly be changed: [`pack_matlab`] packs them again.
pub(super) fn matlab() -> Vec<Vec<u8>> {
    let all = all_of("nemesis-core/tests/fixtures/matlab", &["mat"]);
    all.iter().cloned().chain(all.iter().filter_map(|file| repair::unpack_matlab(file))).collect()
}

pub(super) fn pack_matlab(input: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(2) { repair::pack_matlab(&input) } else { input }
}

/// In turn as each of the files that are in this format; one reader is enough to accept it.
pub(super) fn read_matlab(folder: &Path, input: &[u8]) -> Result<()> {
    let fixture = |name: &str| fs::read(source("nemesis-core/tests/fixtures/matlab").join(name)).unwrap_or_default();
    let cars = folder.join("stanford_cars");
    let names = ["devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_test_annos_withlabels.mat"];
    let flowers = folder.join("oxford_flowers");
    put(&flowers.join("imagelabels.mat"), input)?;
    put(&flowers.join("cat_to_name.json"), br#"{"1": "pink primrose", "2": "rose", "3": "tulip"}"#)?;
    let mut outcome = prepare(ANY_SIZE.get("oxford_flowers")?, folder, 1).map(drop);
    for replaced in names {
        for name in names {
            let file = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
            put(&cars.join(name), &if name == replaced { input.to_vec() } else { fixture(&file) })?;
        }
        outcome = outcome.or(prepare(ANY_SIZE.get("stanford_cars")?, folder, 1).map(drop));
        let _ = fs::remove_file(cars.join("split_prepared.json"));
    }
    let _ = fs::remove_dir_all(flowers);
    let _ = fs::remove_dir_all(cars);
    outcome
}
