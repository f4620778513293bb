//! What a plan's cells see: the content of each list of images, and which images are missing.

use super::image_lists::ImageLists;
use nemesis_core::contents::{Contents, digest};
use nemesis_core::dataset::{Dataset, Sample, near_match};
use nemesis_core::{Error, Result, files};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// So many images are read without a word.
const QUIET: usize = 5000;

/// Collects what cells see.
pub(super) struct Seen<'a> {
    contents: Contents,
    tell: &'a dyn Fn(&str),
    /// The lists that are whole.
    pub(super) lists: ImageLists,
    /// The place of each image among those of the lists, by data set and path; none if it is missing. Every file is looked at
    /// once. Paths are keys as text, since hashing them part by part took long in plans of a million cells.
    places: HashMap<String, HashMap<OsString, Option<u32>>>,
    /// The images that are not on disk, by data set.
    pub(super) missing: BTreeMap<String, BTreeSet<PathBuf>>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(contents: Contents, tell: &'a dyn Fn(&str)) -> Self {
        Self { contents, tell, lists: ImageLists::default(), places: HashMap::new(), missing: BTreeMap::new() }
    }

    /// The digest of what some images of a data set hold. A list with missing images gets one, too, so that the plan can
    /// be shown; nothing can be computed from it.
    pub(super) fn images(&mut self, dataset: &dyn Dataset, samples: &[&Sample]) -> Result<Arc<str>> {
        let mut known = self.places.remove(dataset.name()).unwrap_or_default();
        let looked = self.look_at_new(dataset, samples, &mut known);
        let places: Vec<Option<u32>> =
            samples.iter().map(|sample| known.get(sample.path.as_os_str()).copied().flatten()).collect();
        self.places.insert(dataset.name().to_owned(), known);
        looked?;
        let hash = |place: &Option<u32>| place.map(|place| self.lists.hash(place));
        let digest: Arc<str> = digest(places.iter().map(hash)).into();
        if let Some(whole) = places.into_iter().collect::<Option<Box<[u32]>>>() {
            self.lists.add_list(Arc::clone(&digest), whole);
        }
        Ok(digest)
    }

    /// Looks at the images that no list so far had.
    fn look_at_new(
        &mut self,
        dataset: &dyn Dataset,
        samples: &[&Sample],
        known: &mut HashMap<OsString, Option<u32>>,
    ) -> Result<()> {
        let is_new = |sample: &&&Sample| !known.contains_key(sample.path.as_os_str());
        let new: Vec<&Sample> = samples.iter().filter(is_new).copied().collect();
        let paths: Vec<PathBuf> = new.iter().map(|sample| dataset.folder().join(&sample.path)).collect();
        if paths.len() > QUIET {
            let unread = self.contents.unread(&paths)?;
            if unread > QUIET {
                (self.tell)(&format!(
                    "reading {unread} images of {}, so that a later run notices when one was changed; this is done once",
                    dataset.name()
                ));
            }
        }
        for (sample, hash) in new.into_iter().zip(self.contents.hashes(&paths)?) {
            let place = hash.map(|hash| self.lists.add_image(sample.path.clone(), hash));
            if place.is_none() {
                self.missing.entry(dataset.name().to_owned()).or_default().insert(sample.path.clone());
            }
            known.insert(sample.path.clone().into(), place);
        }
        Ok(())
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
