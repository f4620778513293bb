//! What a plan's cells see: the content of each list of images, and which images are missing.

use nemesis_core::contents::{Contents, digest};
use nemesis_core::dataset::{Dataset, Sample, near_match};
use nemesis_core::record::Store;
use nemesis_core::{Error, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// So many images are read without a word.
const QUIET: usize = 5000;

/// Path and blake3 of images, by the digest that cells name the list by.
pub type Lists = BTreeMap<String, Vec<(PathBuf, String)>>;

/// Collects what cells see.
pub(super) struct Seen<'a> {
    contents: Contents,
    tell: &'a dyn Fn(&str),
    /// The lists that are whole.
    pub(super) lists: Lists,
    /// The images that are not on disk, by data set.
    pub(super) missing: BTreeMap<String, BTreeSet<PathBuf>>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(contents: Contents, tell: &'a dyn Fn(&str)) -> Self {
        Self { contents, tell, lists: Lists::new(), missing: BTreeMap::new() }
    }

    /// The digest of what some images of a data set hold. A list with missing images gets one, too, so that the plan can
    /// be shown; nothing can be computed from it.
    pub(super) fn images(&mut self, dataset: &dyn Dataset, samples: &[Sample]) -> Result<String> {
        let paths: Vec<PathBuf> = samples.iter().map(|sample| dataset.folder().join(&sample.path)).collect();
        if paths.len() > QUIET {
            let unread = self.contents.unread(&paths);
            if unread > QUIET {
                (self.tell)(&format!(
                    "reading {unread} images of {}, so that a later run notices when one was changed; this is done once",
                    dataset.name()
                ));
            }
        }
        let hashes = self.contents.hashes(&paths)?;
        let digest = digest(hashes.iter().copied());
        let mut whole = Vec::with_capacity(samples.len());
        for (sample, hash) in samples.iter().zip(hashes) {
            if let Some(hash) = hash {
                whole.push((sample.path.clone(), hash.to_hex().to_string()));
            } else {
                self.missing.entry(dataset.name().to_owned()).or_default().insert(sample.path.clone());
            }
        }
        if whole.len() == samples.len() {
            self.lists.entry(digest.clone()).or_insert(whole);
        }
        Ok(digest)
    }

    /// The images that are missing of a data set, as an error that names the first and counts them.
    pub(super) fn refusal(&self, dataset: &dyn Dataset) -> Option<Error> {
        let images = self.missing.get(dataset.name())?;
        let first = dataset.folder().join(images.first()?);
        let what = match images.len() {
            1 => format!("1 image of `{}` that the run needs is missing", dataset.name()),
            count => format!("{count} images of `{}` that the run needs are missing", dataset.name()),
        };
        // A link that leads nowhere and a folder that may not be entered are told as such.
        if let Err(error) = files::exists(&first) {
            return Some(error);
        }
        let error = Error::new(what).at(first);
        Some(match near_match(dataset.folder(), images.first()?) {
            Some(near) => error
                .expected(format!("what may be `{}` there", near.display()))
                .help("lists and files have to spell names the same, in upper and lower case and accents, too"),
            None => error.help("`nemesis plan` counts them; `--limit N` needs fewer test images"),
        })
    }

    /// Writes down which images were read, so that the next command need not read them again.
    pub(super) fn remember(&mut self) -> Result<()> {
        self.contents.save()
    }
}

/// Keeps the lists in a store, where `nemesis data check` finds what records saw.
pub(super) fn keep(lists: &Lists, store: &Store) -> Result<()> {
    lists.iter().try_for_each(|(digest, images)| store.put_images(digest, images))
}
