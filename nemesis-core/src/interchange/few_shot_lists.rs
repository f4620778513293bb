//! Few-shot samples from lists instead of sampling: `split_fewshot/shot_N-seed_M.pkl`, which `CoOp` leaves in a data
//! set's folder, or the same name with `.json` and what `nemesis data sample --json` prints.

use crate::backbone::clip::checkpoint::pickle::{Id, Pickle, Value};
use crate::dataset::few_shot::draw;
use crate::dataset::{Dataset, FewShot, Sample, Split};
use crate::{Error, Result, files, json};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A list's image, and its label where the list tells it.
type Listed = (String, Option<i64>);

/// The few-shot sample of these shots and seed: drawn, or, with a root of lists, read from
/// `ROOT/FOLDER/split_fewshot/shot_N-seed_M.pkl` (or `.json`), where FOLDER is the data set's.
///
/// # Errors
///
/// When there is no such list, it cannot be read, or it names an image that the data set lacks or labels otherwise.
pub fn sample(dataset: &dyn Dataset, lists: Option<&Path>, shots: usize, seed: u64) -> Result<FewShot> {
    let Some(root) = lists else { return Ok(draw(dataset, shots, seed)) };
    let folder = root.join(dataset.folder().file_name().unwrap_or_default()).join("split_fewshot");
    let stem = folder.join(format!("shot_{shots}-seed_{seed}"));
    let [pickle, json] = ["pkl", "json"].map(|extension| stem.with_extension(extension));
    let (file, [train, val]) = if json.is_file() {
        let Lists { train, val } = json::parse(&files::read_text(&json)?, &json)?;
        let unlabelled = |paths: Vec<String>| paths.into_iter().map(|path| (path, None)).collect::<Vec<_>>();
        (json, [unlabelled(train), unlabelled(val)])
    } else if pickle.is_file() {
        let lists = read_pickle(&files::read(&pickle)?).map_err(|e| e.at(&pickle))?;
        (pickle, lists)
    } else {
        return Err(Error::new(format!("there is no few-shot list of {shots} shots and seed {seed}"))
            .at(&pickle)
            .expected("a list that CoOp left there, or the same name with `.json`")
            .help("leave out `--few-shot-lists` to have the sample drawn"));
    };
    let of = |listed: &[Listed], split| matched(listed, dataset.samples(split)).map_err(|e| e.at(&file));
    let sample = FewShot { train: of(&train, Split::Train)?, val: of(&val, Split::Val)? };
    if sample.train.is_empty() {
        return Err(Error::new("the few-shot list names no training image").at(&file));
    }
    Ok(sample)
}

/// The fingerprint of a sample that is not the one that is drawn; none of one that is. Validation images count where the
/// method asks for them.
pub fn fingerprint(
    dataset: &dyn Dataset,
    sample: &FewShot,
    shots: usize,
    seed: u64,
    validation: bool,
) -> Option<String> {
    let drawn = draw(dataset, shots, seed);
    if sample.train == drawn.train && (!validation || sample.val == drawn.val) {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    let mut add = |samples: &[Sample]| {
        for Sample { path, label } in samples {
            hasher.update(format!("{} {label}\n", path.display()).as_bytes());
        }
    };
    add(&sample.train);
    if validation {
        add(&sample.val);
    }
    Some(hasher.finalize().to_hex().to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    train: Vec<String>,
    #[serde(default)]
    val: Vec<String>,
}

/// `{"train": [Datum, …], "val": […]}`, where Dassl's `Datum` stays opaque: its attributes are read, its code is not.
fn read_pickle(bytes: &[u8]) -> Result<[Vec<Listed>; 2]> {
    let wanted =
        || Error::new("the pickle is no few-shot list").expected("a dictionary with a list of images under `train`");
    let pickle = Pickle::parse(bytes).map_err(|_| wanted())?;
    let datum = |id: &Id| {
        let Value::Object { state: Some(state), .. } = pickle.value(*id) else { return None };
        let path = pickle.text(pickle.entry(*state, "_impath")?)?;
        Some((path.to_owned(), pickle.entry(*state, "_label").and_then(|label| pickle.int(label))))
    };
    let list = |id: Id| -> Result<Vec<Listed>> {
        let items = pickle.sequence(id).ok_or_else(wanted)?;
        items.iter().map(|item| datum(item).ok_or_else(wanted)).collect()
    };
    let train = pickle.entry(pickle.root(), "train").ok_or_else(wanted)?;
    let val = pickle.entry(pickle.root(), "val").map_or_else(|| Ok(Vec::new()), list)?;
    Ok([list(train)?, val])
}

/// The samples that a list names, in its order. Lists hold absolute paths of the machine that they come from, of which
/// the end is the sample's path.
fn matched(listed: &[Listed], samples: &[Sample]) -> Result<Vec<Sample>> {
    let known: HashMap<PathBuf, &Sample> = samples.iter().map(|sample| (sample.path.clone(), sample)).collect();
    let mut seen = HashSet::new();
    let find = |(path, label): &Listed| {
        let parts: Vec<_> = Path::new(path).components().collect();
        let mut ends = (0..parts.len()).map(|from| parts[from..].iter().collect::<PathBuf>());
        let sample = ends.find_map(|end| known.get(&end).copied()).ok_or_else(|| {
            Error::new(format!("the few-shot list names `{path}`, which the data set's split does not hold"))
                .help("the list may be of another split file")
        })?;
        if label.is_some_and(|label| label != i64::from(sample.label)) {
            return Err(Error::new(format!("the few-shot list gives `{path}` another label than the data set"))
                .expected(sample.label.to_string()));
        }
        if !seen.insert(sample.path.clone()) {
            return Err(Error::new(format!("the few-shot list names `{path}` twice")));
        }
        Ok(sample.clone())
    };
    listed.iter().map(find).collect()
}
