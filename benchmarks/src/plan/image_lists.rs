//! What the lists of images hold that cells name by digests, and how stores come to keep them.

use super::PlannedCell;
use blake3::Hash;
use nemesis_core::Result;
use nemesis_core::record::Store;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

/// What lists of images hold, by the digests that cells name them by. Lists overlap, so that each image is kept once.
#[derive(Clone, Debug, Default)]
pub struct ImageLists {
    /// Path and blake3 of each image.
    images: Vec<(PathBuf, Hash)>,
    /// The places of a list's images among these.
    lists: BTreeMap<Arc<str>, Box<[u32]>>,
}

impl ImageLists {
    /// Adds an image; returns its place.
    pub(super) fn add_image(&mut self, path: PathBuf, hash: Hash) -> u32 {
        self.images.push((path, hash));
        (self.images.len() - 1) as u32
    }

    /// The hash of the image at this place.
    pub(super) fn hash(&self, place: u32) -> Hash {
        self.images[place as usize].1
    }

    /// Adds the list with this digest, whose images are at these places.
    pub(super) fn add_list(&mut self, digest: Arc<str>, places: Box<[u32]>) {
        self.lists.entry(digest).or_insert(places);
    }

    /// Keeps lists in a store, cell by cell.
    ///
    /// # Errors
    ///
    /// When the store cannot be listed.
    pub(crate) fn keeper<'a>(&'a self, store: &'a Store) -> Result<Keeper<'a>> {
        Ok(Keeper { lists: self, store, kept: store.image_lists()? })
    }
}

/// Keeps lists in a store, where `nemesis data check` finds what records saw. Each waits for the disk, and a plan may name a
/// hundred thousand. So they are kept when their cells are about to get records, and not all at once.
#[derive(Debug)]
pub(crate) struct Keeper<'a> {
    lists: &'a ImageLists,
    store: &'a Store,
    kept: HashSet<String>,
}

impl Keeper<'_> {
    /// Keeps the lists that a cell names.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub(crate) fn keep(&mut self, cell: &PlannedCell) -> Result<()> {
        for digest in cell.image_lists() {
            let Some(places) = self.lists.lists.get(digest).filter(|_| !self.kept.contains(digest)) else { continue };
            let image = |place: &u32| {
                let (path, hash) = &self.lists.images[*place as usize];
                (path.clone(), hash.to_hex().to_string())
            };
            self.store.put_images(digest, || places.iter().map(image).collect())?;
            self.kept.insert(digest.to_owned());
        }
        Ok(())
    }
}
