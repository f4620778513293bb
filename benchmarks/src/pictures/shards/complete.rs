//! Whether all shards of a set are there, as far as their names or a file beside them say how many there are.

use nemesis_core::{Error, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How many shards a message names.
const MOST_NAMED: usize = 5;

/// Refuses shards called `NAME-00000-of-00003` that are not all there, and folders with another number of tars than their
/// `nshards.txt` says.
pub(super) fn refuse_incomplete(shards: &[&Path]) -> Result<()> {
    let mut sets: BTreeMap<String, (usize, BTreeSet<usize>)> = BTreeMap::new();
    let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
    for shard in shards {
        *folders.entry(shard.parent().unwrap_or(Path::new("."))).or_default() += 1;
        if let Some((name, at, count)) = numbered(shard) {
            sets.entry(format!("{name}-of-{count:05}")).or_insert((count, BTreeSet::new())).1.insert(at);
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
            let numbers: Vec<String> = missing.iter().take(MOST_NAMED).map(|at| format!("{at:05}")).collect();
            let more = if missing.len() > MOST_NAMED { ", …" } else { "" };
            return Err(Error::new(format!(
                "{} of {count} shards `{name}` are not there: {}{more}",
                missing.len(),
                numbers.join(", ")
            ))
            .help("download them, too"));
        }
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

/// Folder and name, number and count of `train-00000-of-00003.parquet`.
fn numbered(shard: &Path) -> Option<(String, usize, usize)> {
    let stem = shard.file_stem()?.to_str()?;
    let (before, count) = stem.rsplit_once("-of-")?;
    // The hub may put a hash behind the count.
    let count = count.split('-').next()?.parse().ok()?;
    let (name, at) = before.rsplit_once('-')?;
    Some((shard.with_file_name(name).display().to_string(), at.parse().ok()?, count))
}
