//! Few-shot samples from lists instead of sampling: `split_fewshot/shot_N-seed_M.pkl`, which `CoOp` writes to a data
//! set's folder, a `.json` file of the same name with the output of `nemesis data sample --json`, or 2SFS's
//! `shot_N-seed_M_{train,val}.jsonl`.

use super::{json_lines, pickled_list};
use crate::backbone::class_words;
use crate::backbone::clip::clean_text;
use crate::dataset::few_shot::{ALL_SHOTS, MAX_VAL_SHOTS, draw};
use crate::dataset::{Dataset, FewShot, Sample, Split, class_title};
use crate::shots::{in_words, written};
use crate::{Error, Result, files, json};
use serde::Deserialize;
use serde_json::Value;
use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// An image in a list, with its label and class name if the list gives them.
type Listed = (String, Option<i64>, Option<String>);

/// The few-shot sample with these shots and seed: drawn, or, given a root of lists, read from
/// `ROOT/FOLDER/split_fewshot/shot_N-seed_M.pkl` (or `.json`, or `_train.jsonl` and `_val.jsonl`), where FOLDER is the data
/// set's. The list of all images is called `shot_all`.
///
/// A list must hold as many images of every class as would be drawn. It may hold no validation images at all, because
/// most methods use none: see [`lacks_validation`].
///
/// # Errors
///
/// When there is no such list, it cannot be read, it names an image that the data set's split lacks or labels
/// differently, or it holds more or fewer images of a class than it should; and when there are lists in two forms that
/// differ.
pub fn sample(dataset: &dyn Dataset, lists: Option<&Path>, shots: usize, seed: u64) -> Result<FewShot> {
    let Some(root) = lists else { return Ok(draw(dataset, shots, seed)) };
    let folder = root.join(dataset.folder().file_name().unwrap_or_default()).join("split_fewshot");
    let count = written(shots as u32);
    let stem = folder.join(format!("shot_{count}-seed_{seed}"));
    let lines = ["train", "val"].map(|split| folder.join(format!("shot_{count}-seed_{seed}_{split}.jsonl")));
    let [pickle, json] = ["pkl", "json"].map(|extension| stem.with_extension(extension));
    let mut found: Vec<([&Path; 2], FewShot)> = Vec::new();
    if files::exists(&json)? {
        found.push(([&json, &json], of_json(&json, dataset)?));
    }
    if files::exists(&lines[0])? {
        found.push(([&lines[0], &lines[1]], of_lines(&lines, dataset)?));
    }
    if files::exists(&pickle)? {
        found.push(([&pickle, &pickle], of_pickle(&pickle, dataset)?));
    }
    let mut found = found.into_iter();
    let Some((names, sample)) = found.next() else {
        return Err(Error::new(format!("there is no few-shot list for {} and seed {seed}", in_words(shots as u32)))
            .at(&pickle)
            .expected("a list that CoOp wrote there, the same name with `.json`, or 2SFS's with `_train.jsonl`")
            .help(elsewhere(root, &folder).unwrap_or_else(|| DRAW.to_owned())));
    };
    if let Some(([other, _], _)) = found.find(|(_, other)| *other != sample) {
        let other = other.file_name().unwrap_or_default().display();
        return Err(Error::new(format!("`{other}` beside this few-shot list names other images, or in another order"))
            .at(names[0])
            .expected("one list for each number of shots and seed")
            .help("move the one that you do not want away"));
    }
    checked(sample, dataset, shots, names)
}

fn of_json(file: &Path, dataset: &dyn Dataset) -> Result<FewShot> {
    let text = files::read_text(file)?;
    if text.trim_start().starts_with('[') {
        return Err(Error::new("the few-shot list is a plain list, not split into `train` and `val`")
            .at(file)
            .expected(WANTED));
    }
    let Lists { train, val } = json::parse(&text, file)?;
    let sample = || Ok((rows(train, Split::Train)?, rows(val, Split::Val)?));
    let (train, val) = sample().map_err(|e: Error| e.at(file))?;
    in_dataset(&train, &val, dataset, file)
}

fn of_lines([train, val]: &[PathBuf; 2], dataset: &dyn Dataset) -> Result<FewShot> {
    let of = |file: &Path, split| matched(&listed_lines(file)?, dataset, split).map_err(|e| e.at(file));
    let train = of(train, Split::Train)?;
    let val = if files::exists(val)? { of(val, Split::Val)? } else { Vec::new() };
    Ok(FewShot { train, val })
}

fn of_pickle(file: &Path, dataset: &dyn Dataset) -> Result<FewShot> {
    let (train, val) = pickled_list::read(&files::read(file)?).map_err(|e| e.at(file))?;
    let listed = |data: Vec<pickled_list::Datum>| -> Vec<Listed> {
        data.into_iter().map(|(path, label, name)| (path, Some(label), name)).collect()
    };
    in_dataset(&listed(train), &listed(val.unwrap_or_default()), dataset, file)
}

fn in_dataset(train: &[Listed], val: &[Listed], dataset: &dyn Dataset, file: &Path) -> Result<FewShot> {
    let of = |listed: &[Listed], split| matched(listed, dataset, split).map_err(|e| e.at(file));
    Ok(FewShot { train: of(train, Split::Train)?, val: of(val, Split::Val)? })
}

const DRAW: &str = "leave out `--few-shot-lists` to draw the sample instead";

/// What is said of lists that lie in other folders than that of the data set.
fn elsewhere(root: &Path, wanted: &Path) -> Option<String> {
    let is_folder = |path: &Path| path.is_dir() && path != wanted;
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(root).ok()?.flatten().map(|entry| entry.path().join("split_fewshot")).collect();
    found.push(root.join("split_fewshot"));
    found.extend((root.file_name()? == "split_fewshot").then(|| root.to_owned()));
    found.retain(|path| is_folder(path));
    found.sort();
    let named: Vec<String> = found.iter().take(MOST_NAMED).map(|path| format!("`{}`", path.display())).collect();
    let more = if found.len() > MOST_NAMED { format!(" and {} more", found.len() - MOST_NAMED) } else { String::new() };
    (!found.is_empty()).then(|| {
        format!(
            "there are lists in {}{more}; those of this data set belong into `{}`",
            named.join(", "),
            wanted.display()
        )
    })
}

fn listed_lines(file: &Path) -> Result<Vec<Listed>> {
    Ok(json_lines::read(file)?.into_iter().map(|(path, label, name)| (path, Some(label), Some(name))).collect())
}

/// The sample, if it holds as many images as were asked for; files of training and validation images.
fn checked(sample: FewShot, dataset: &dyn Dataset, shots: usize, [train, val]: [&Path; 2]) -> Result<FewShot> {
    if sample.train.is_empty() {
        return Err(Error::new("the few-shot list names no training images").at(train));
    }
    check_counts(&sample.train, dataset, Split::Train, shots).map_err(|e| e.at(train))?;
    if !sample.val.is_empty() {
        let most = if shots == ALL_SHOTS as usize { shots } else { shots.min(MAX_VAL_SHOTS) };
        check_counts(&sample.val, dataset, Split::Val, most).map_err(|e| e.at(val))?;
    }
    Ok(sample)
}

/// Whether a sample holds no validation images although the data set has some: a list may leave them out, and a method
/// that uses them would go without.
pub fn lacks_validation(dataset: &dyn Dataset, sample: &FewShot) -> bool {
    sample.val.is_empty() && !dataset.val_is_test() && !dataset.samples(Split::Val).is_empty()
}

/// The fingerprint of a sample that differs from the one that would be drawn; `None` if it does not. Validation images
/// count only if the method asks for them.
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
    train: Vec<Value>,
    #[serde(default)]
    val: Vec<Value>,
}

const WANTED: &str = "an object with a list of images under `train`, and optionally one under `val`";

/// The images of a JSON list: paths, or rows as in split files.
fn rows(images: Vec<Value>, split: Split) -> Result<Vec<Listed>> {
    let row = |(at, image): (usize, Value)| {
        let listed = match &image {
            Value::String(path) => Some((path.clone(), None, None)),
            Value::Array(row) => match &row[..] {
                [Value::String(path), Value::Number(label), Value::String(name)] => {
                    label.as_i64().map(|label| (path.clone(), Some(label), Some(name.clone())))
                }
                _ => None,
            },
            _ => None,
        };
        listed.ok_or_else(|| {
            Error::new(format!("image {} of {} in the few-shot list is `{image}`", at + 1, split.name()))
                .expected("a path, or a row of a split file: `[path, label, class name]` with a whole number as label")
        })
    };
    images.into_iter().enumerate().map(row).collect()
}

/// The deepest folder that contains all images of a data set, by their paths.
fn common_folder(dataset: &dyn Dataset) -> PathBuf {
    let mut paths = Split::ALL.into_iter().flat_map(|split| dataset.samples(split)).map(|sample| &sample.path);
    let first = paths.next().and_then(|path| path.parent()).unwrap_or(Path::new(""));
    paths
        .fold(first, |folder, path| folder.ancestors().find(|folder| path.starts_with(folder)).unwrap_or(folder))
        .into()
}

/// The samples that a list names, in its order. Lists hold absolute paths on the machine they were made on (which may
/// run Windows), ending with the sample's path, or paths relative to the image folder, as in split files.
fn matched(listed: &[Listed], dataset: &dyn Dataset, split: Split) -> Result<Vec<Sample>> {
    let by_path = |split| -> HashMap<&Path, &Sample> {
        dataset.samples(split).iter().map(|sample| (sample.path.as_path(), sample)).collect()
    };
    let known = by_path(split);
    // Most lists need no look at all samples.
    let images = LazyCell::new(|| common_folder(dataset));
    let find = |path: &str, known: &HashMap<&Path, &Sample>| -> Option<Sample> {
        let path = PathBuf::from(path.replace('\\', "/"));
        let parts: Vec<_> = path.components().collect();
        let mut ends = (0..parts.len()).map(|from| parts[from..].iter().collect::<PathBuf>());
        ends.find_map(|end| known.get(end.as_path()).copied().cloned())
            .or_else(|| images.ancestors().find_map(|folder| known.get(folder.join(&path).as_path()).copied().cloned()))
    };
    let mut seen = HashSet::new();
    let sample = |(path, label, name): &Listed| {
        let sample = find(path, &known).ok_or_else(|| {
            let other = Split::ALL.into_iter().find(|other| *other != split && find(path, &by_path(*other)).is_some());
            match other {
                Some(other) => Error::new(format!(
                    "the few-shot list has `{path}` in {}, but the data set's split has it in {}",
                    split.name(),
                    other.name()
                )),
                None => Error::new(format!("the few-shot list names `{path}`, which is not in the data set's split")),
            }
            .help("the list may have been made with a different split file")
        })?;
        if let Some(label) = label.filter(|label| *label != i64::from(sample.label)) {
            let title = |label: i64| {
                let name =
                    usize::try_from(label).ok().and_then(|label| Some((label, dataset.class_names().get(label)?)));
                name.map_or_else(|| format!("class {label}"), |(label, name)| class_title(label, name))
            };
            let what = format!("the few-shot list gives `{path}` the label of {}", title(label));
            return Err(Error::new(what)
                .expected(format!("the label of {}, as in the data set", title(i64::from(sample.label))))
                .help("the list may have been made with a different split file"));
        }
        let known_name = &dataset.class_names()[sample.label as usize];
        let words = |name: &str| clean_text(&class_words(name));
        if let Some(name) = name.as_ref().filter(|name| words(name) != words(known_name)) {
            return Err(Error::new(format!("the few-shot list calls the class of `{path}` `{name}`"))
                .expected(format!("`{known_name}`, as in the data set"))
                .help("the list may have been made for a different data set or with different class names"));
        }
        if !seen.insert(sample.path.clone()) {
            return Err(Error::new(format!("the few-shot list names `{path}` twice")));
        }
        Ok(sample)
    };
    listed.iter().map(sample).collect()
}

/// How many classes a message names.
const MOST_NAMED: usize = 3;

/// Refuses a list that does not hold `shots` images of every class, or all images of a class with fewer.
fn check_counts(listed: &[Sample], dataset: &dyn Dataset, split: Split, shots: usize) -> Result<()> {
    let counts = |samples: &[Sample]| {
        let mut counts = vec![0_usize; dataset.class_names().len()];
        for sample in samples {
            counts[sample.label as usize] += 1;
        }
        counts
    };
    let (found, all) = (counts(listed), counts(dataset.samples(split)));
    let wrong: Vec<usize> = (0..all.len()).filter(|label| found[*label] != all[*label].min(shots)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let of = |label: &usize| {
        let title = class_title(*label, &dataset.class_names()[*label]);
        format!("{} instead of {} of {title}", found[*label], all[*label].min(shots))
    };
    let named = wrong.iter().take(MOST_NAMED).map(of).collect::<Vec<_>>().join(", ");
    let more = wrong.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(", and {more} more classes are wrong") } else { String::new() };
    Err(Error::new(format!("in {}, the few-shot list has {named}{more}", split.name()))
        .expected(if shots == ALL_SHOTS as usize {
            "all images of every class".to_owned()
        } else {
            format!("{shots} of every class, or all images of a class with fewer")
        })
        .help(
            "the list may have been made for a different number of shots, with a different split file, or for some of \
             the classes",
        ))
}
