//! A data set as it is on the disk, against what the records of a folder saw of it.

use crate::report::all_plans;
use nemesis_core::contents::Contents;
use nemesis_core::dataset::{Dataset, manifest_hash};
use nemesis_core::record::{EvaluationCell, Store};
use nemesis_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the records behind the tables of a folder saw of its data sets.
#[derive(Debug)]
pub struct Records {
    store: Store,
    by_dataset: BTreeMap<String, Views>,
}

/// What was seen of one data set.
#[derive(Debug, Default)]
struct Views {
    /// The evaluations on its test images.
    evaluations: usize,
    manifests: BTreeSet<String>,
    /// Digests of lists of images.
    images: BTreeSet<String>,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// How many evaluations were made on the data set.
    pub evaluations: usize,
    /// Whether class names, template or splits differ for some of them.
    pub manifest: bool,
    /// The images whose contents differ, or that are gone.
    pub images: Vec<PathBuf>,
}

impl Records {
    /// Reads the records of the saved plans in `out`; none if there is no plan.
    ///
    /// # Errors
    ///
    /// When a plan or a record is damaged.
    pub fn read(out: &Path) -> Result<Option<Self>> {
        let plans = all_plans(out)?;
        if plans.is_empty() {
            return Ok(None);
        }
        let store = Store::open(out)?;
        let ids: BTreeSet<_> = plans.into_iter().flat_map(|(_, plan)| plan.cells).map(|cell| cell.id).collect();
        let mut by_dataset: BTreeMap<String, Views> = BTreeMap::new();
        for id in ids {
            let Some(record) = store.get::<EvaluationCell>(&id)? else { continue };
            let cell = record.cell;
            let tested = (&cell.dataset, &cell.manifest, &cell.images);
            let trained = cell.subject.training().map(|cell| (&cell.dataset, &cell.manifest, &cell.images));
            for (dataset, manifest, images) in std::iter::once(tested).chain(trained) {
                let views = by_dataset.entry(dataset.clone()).or_default();
                views.manifests.insert(manifest.clone());
                views.images.insert(images.clone());
            }
            by_dataset.entry(cell.dataset).or_default().evaluations += 1;
        }
        Ok(Some(Self { store, by_dataset }))
    }

    /// What differs in a data set; none if no record saw it.
    ///
    /// # Errors
    ///
    /// When an image cannot be read, or what records saw of it cannot.
    pub fn drift(&self, dataset: &dyn Dataset, contents: &mut Contents) -> Result<Option<Drift>> {
        let Some(views) = self.by_dataset.get(dataset.name()) else { return Ok(None) };
        let mut seen: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
        for digest in &views.images {
            let list = self.store.images(digest)?.ok_or_else(|| {
                Error::new("which images some records saw is no longer known").at(self.store.folder())
            })?;
            for (path, hash) in list {
                seen.entry(path).or_default().insert(hash);
            }
        }
        let paths: Vec<PathBuf> = seen.keys().map(|path| dataset.folder().join(path)).collect();
        let hashes = contents.hashes(&paths)?;
        let is_other = |(known, hash): &(&BTreeSet<String>, Option<blake3::Hash>)| {
            known.len() > 1 || hash.is_none_or(|hash| !known.contains(hash.to_hex().as_str()))
        };
        let manifest = manifest_hash(dataset);
        let differing = seen.values().zip(hashes).zip(seen.keys()).filter(|(pair, _)| is_other(pair));
        Ok(Some(Drift {
            evaluations: views.evaluations,
            manifest: views.manifests.iter().any(|seen| *seen != manifest),
            images: differing.map(|(_, path)| path.clone()).collect(),
        }))
    }
}

impl Drift {
    /// Whether the records saw exactly what there is.
    pub fn is_none(&self) -> bool {
        !self.manifest && self.images.is_empty()
    }
}
