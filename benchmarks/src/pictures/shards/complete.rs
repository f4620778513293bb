//! Whether all shards of a set are there, as far as their names or a file beside them tell.

use nemesis_core::{Error, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How many shards a message names.
const MOST_NAMED: usize = 5;

/// Refuses shards called `NAME-00000-of-00003` that are not all there, those called `0.tar`, `1.tar`, … with a gap between
/// them, and folders with another number of tars than their `nshards.txt` says.
pub(super) fn refuse_incomplete(shards: &[&Path]) -> Result<()> {
    let mut sets: BTreeMap<String, (usize, BTreeSet<usize>)> = BTreeMap::new();
    let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
    let mut counted: BTreeMap<(&Path, &str), BTreeMap<usize, &str>> = BTreeMap::new();
    for shard in shards {
        let folder = shard.parent().unwrap_or(Path::new("."));
        *folders.entry(folder).or_default() += 1;
        if let Some((name, at, count)) = numbered(shard) {
            sets.entry(format!("{name}-of-{count:05}")).or_insert((count, BTreeSet::new())).1.insert(at);
        } else if let Some((name, digits, at)) = number_at_the_end(shard) {
            counted.entry((folder, name)).or_default().insert(at, digits);
        }
    }
    let of = |name: &str| name.rsplit_once("-of-").map(|(name, _)| name.to_owned());
    for (first, second) in sets.keys().zip(sets.keys().skip(1)) {
        if of(first) == of(second) {
            return Err(Error::new(format!("there are shards called `{first}` and shards called `{second}`"))
                .expected("the shards of one revision: others may hold the same pictures")
                .help("move those that are out of date away"));
        }
    }
    for (name, (count, there)) in sets {
        let missing: Vec<usize> = (0..count).filter(|at| !there.contains(at)).collect();
        if !missing.is_empty() {
            let which = listed(missing.iter().map(|at| format!("{at:05}")));
            return Err(Error::new(format!("{} of {count} shards `{name}` are not there: {which}", missing.len()))
                .help("download them, too"));
        }
    }
    for ((folder, name), there) in counted {
        refuse_gaps(folder, name, &there)?;
    }
    for (folder, found) in folders {
        let file = folder.join("nshards.txt");
        if !files::exists(&file)? {
            continue;
        }
        let text = files::read_text(&file)?;
        let count = text
            .trim()
            .parse::<usize>()
            .map_err(|_| Error::new(format!("`{}` is not a number of shards", text.trim())).at(&file).line(1))?;
        if count != found {
            return Err(Error::new(format!("the folder holds {found} shards, and `nshards.txt` says {count}"))
                .at(folder)
                .help("download those that are missing; move away what does not belong to the data set"));
        }
    }
    Ok(())
}

/// Refuses a gap between numbers. Whether there should be lower or higher ones, they do not say.
fn refuse_gaps(folder: &Path, name: &str, there: &BTreeMap<usize, &str>) -> Result<()> {
    let (Some((&first, digits)), Some((&last, _))) = (there.first_key_value(), there.last_key_value()) else {
        return Ok(());
    };
    if last - first == there.len() - 1 {
        return Ok(());
    }
    let width = if digits.starts_with('0') { digits.len() } else { 1 };
    let which = listed((first..last).filter(|at| !there.contains_key(at)).map(|at| format!("`{name}{at:0width$}`")));
    Err(Error::new(format!("of the shards numbered from {first} to {last}, these are missing: {which}"))
        .at(folder)
        .help("download them, too; or rename the shards, if these are all of them"))
}

/// The first few of these numbers.
fn listed(numbers: impl Iterator<Item = String>) -> String {
    let mut named: Vec<String> = numbers.take(MOST_NAMED + 1).collect();
    if named.len() > MOST_NAMED {
        named[MOST_NAMED] = "…".into();
    }
    named.join(", ")
}

/// What is before the number at the end of `train-000012.tar` or `12.tar`, its digits, and the number. In `cifar10.tar`,
/// nothing is counted.
fn number_at_the_end(shard: &Path) -> Option<(&str, &str, usize)> {
    let stem = shard.file_stem()?.to_str()?;
    let name = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_counted = name.is_empty() || name.ends_with(['-', '_', '.']);
    let digits = &stem[name.len()..];
    is_counted.then(|| digits.parse().ok()).flatten().map(|at| (name, digits, at))
}

/// Folder and name, number and count of `train-00000-of-00003.parquet`.
fn numbered(shard: &Path) -> Option<(String, usize, usize)> {
    let stem = shard.file_stem()?.to_str()?;
    let (before, count) = stem.rsplit_once("-of-")?;
    // The hub may put a hash behind the count.
    let count = count.split('-').next()?.parse().ok()?;
    let (name, at) = before.rsplit_once('-')?;
    Some((shard.with_file_name(name).display().to_string(), at.parse().ok()?, count))
}
