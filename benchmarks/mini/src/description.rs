//! The root's own `datasets.yaml`: that of the real data sets, with the mini ones' numbers.

use super::items::SPLITS;
use super::sets;
use nemesis_core::{Error, Result};
use serde_yaml::{Mapping, Value};

/// What of a real data set's entry is about its own files, and does not hold for its mini one.
const DROPPED: [&str; 2] = ["published", "fetch"];

/// The text of the file.
pub(super) fn describe() -> Result<String> {
    let failed = |e| Error::new(format!("cannot describe the mini data sets: {e}"));
    let real: Vec<Mapping> = serde_yaml::from_str(include_str!("../../../datasets.yaml")).map_err(failed)?;
    let mut entries = Vec::new();
    for mut entry in real {
        let Some(set) = sets::all().find(|set| entry["name"] == *set.name) else { continue };
        entry.retain(|key, _| key.as_str().is_none_or(|key| !DROPPED.contains(&key)));
        let classes = set.classes.len();
        let counts = [0, 1, 2].map(|split| if set.has(split) { SPLITS[split].1 * classes } else { 0 });
        // ImageNet is validated on its test pictures, and has no others.
        let [train, val, test] = counts;
        let folders = entry["layout"].get("class_folders").is_some();
        let counts = if folders { [train + val, test, test] } else { counts };
        let samples: Mapping = SPLITS.iter().zip(counts).map(|((name, _), n)| ((*name).into(), n.into())).collect();
        entry.insert("classes".into(), classes.into());
        entry.insert("samples".into(), Value::Mapping(samples));
        entry.insert("licence".into(), "MIT OR Apache-2.0".into());
        entry.insert("home".into(), "drawn by `nemesis mini data`".into());
        entries.push(entry);
    }
    Ok(format!("# Written by `nemesis mini data`.\n{}", serde_yaml::to_string(&entries).map_err(failed)?))
}
