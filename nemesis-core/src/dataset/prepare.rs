//! A split of one's own, by CoOp's rules, of a data set whose published split file is absent.

use super::Entry;
use super::division::{Labelled, split_trainval, split_whole};
use super::layouts::{Layout, PREPARED, Row, Rows};
use super::listed::Contents;
use super::python_random::PythonRandom;
use super::raw::Pool;
use crate::{Error, Result, files};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A split file that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The file, which [`Entry::open`] reads from now on unless the published one is there.
    pub file: PathBuf,
    /// The number of training samples.
    pub train: usize,
    /// The number of validation samples.
    pub val: usize,
    /// The number of test samples.
    pub test: usize,
    /// What lies among the images and was left out.
    pub others: Option<Error>,
    /// That images of the split are not there.
    pub missing: Option<Error>,
}

/// Divides a data set as CoOp does when its split file is absent, and writes the split beside the images.
///
/// Where the archive says which images are for testing, a fifth of the others goes to val; else all images are divided
/// 50/20/30, class by class. This is not the published split, which was drawn from images in the order in which
/// somebody's disk listed them, from a seed that is not known.
///
/// # Errors
///
/// When the data set needs no split, has its published one or another prepared one, or when a file of the archive is
/// missing or wrong. Nothing is written then.
pub fn prepare(entry: &Entry, root: &Path, seed: u64) -> Result<Prepared> {
    let (Layout::SplitFile { file, images }, Some(raw)) = (&entry.layout, &entry.raw) else {
        return Err(Error::new(format!("the data set `{}` needs no split: its own files say it", entry.name)));
    };
    let folder = entry.present(root)?;
    let published = folder.join(file);
    if files::exists(&published)? {
        return Err(Error::new(format!("the data set `{}` has its split file already", entry.name))
            .at(published)
            .help("nothing is to be prepared; move the file away for a split of your own"));
    }
    let context = format!("cannot prepare a split of `{}`", entry.name);
    let (pool, others) = raw.read(&folder, images.as_ref()).map_err(|e| e.context(&context))?;
    let divided = || {
        let rows = divide(pool, seed)?;
        // What could not be read again is not written.
        let contents = rows.contents(images.as_ref()).map_err(|(error, _)| error)?;
        entry.check_classes(&contents)?;
        Ok((rows, missing(&contents, &folder)))
    };
    let (rows, missing) = divided().map_err(|e: Error| e.at(&folder).context(&context))?;
    let text = render(&rows, &format!("CoOp's rules with seed {seed}; not the published split"))?;
    let prepared = folder.join(PREPARED);
    if files::exists(&prepared)? && files::read(&prepared)? != text.as_bytes() {
        return Err(Error::new(format!("the data set `{}` has another prepared split", entry.name))
            .at(prepared)
            .help("remove it first: records that were made with it stay as they are, and count as another data set"));
    }
    files::write_atomic(&prepared, text.as_bytes())?;
    Ok(Prepared {
        file: prepared,
        train: rows.train.len(),
        val: rows.val.len(),
        test: rows.test.len(),
        others,
        missing,
    })
}

/// Says how many of the pictures are not there. The split is the same without them: it is made of what the lists name.
fn missing(contents: &Contents, folder: &Path) -> Option<Error> {
    let all = || contents.train.iter().chain(contents.val.iter().flatten()).chain(&contents.test);
    let mut missing = all().filter(|sample| !folder.join(&sample.path).exists());
    let first = missing.next()?;
    let (count, of) = (1 + missing.count(), all().count());
    let what = format!("{count} of {of} pictures of the split are not there, such as `{}`", first.path.display());
    Some(Error::new(what).at(folder).help("unpack the whole archive; the split stays as it is"))
}

impl Labelled for Row {
    fn label(&self) -> u32 {
        self.1
    }
}

fn divide(pool: Pool, seed: u64) -> Result<Rows> {
    let mut random = PythonRandom::new(seed);
    let rows = match pool {
        Pool::Whole(rows) => {
            let [train, val, test] = split_whole(&rows, &mut random);
            Rows { train, val, test }
        }
        Pool::Tested { trainval, test } => {
            let (train, val) = split_trainval(&trainval, &mut random);
            Rows { train, val, test }
        }
    };
    let labels = |rows: &[Row]| rows.iter().map(Labelled::label).collect::<BTreeSet<u32>>();
    for (split, part) in [("train", labels(&rows.train)), ("val", labels(&rows.val)), ("test", labels(&rows.test))] {
        let all = rows.train.iter().chain(&rows.val).chain(&rows.test);
        if let Some((_, _, name)) = all.into_iter().find(|row| !part.contains(&row.label())) {
            return Err(Error::new(format!("the class `{name}` has too few images: none is left for {split}")));
        }
    }
    Ok(rows)
}

/// The split file's text, one sample a line, behind a note of where it comes from.
pub(super) fn render(rows: &Rows, origin: &str) -> Result<String> {
    let list = |rows: &[Row]| -> serde_json::Result<String> {
        Ok(rows.iter().map(serde_json::to_string).collect::<serde_json::Result<Vec<_>>>()?.join(",\n"))
    };
    let lists = || Ok((serde_json::to_string(origin)?, list(&rows.train)?, list(&rows.val)?, list(&rows.test)?));
    let (origin, train, val, test) =
        lists().map_err(|e: serde_json::Error| Error::new(format!("cannot write JSON: {e}")))?;
    Ok(format!(
        "{{\n\"origin\": {origin},\n\
         \"train\": [\n{train}\n],\n\"val\": [\n{val}\n],\n\"test\": [\n{test}\n]\n}}\n"
    ))
}
