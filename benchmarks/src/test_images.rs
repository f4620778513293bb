//! The test images behind predictions: which they are, and their labels, if the data sets are where the run had them.

use crate::plan::SavedPlan;
use crate::results::Results;
use nemesis_core::dataset::{Dataset, Registry, Sample, limited_test, manifest_hash};
use nemesis_core::record::{EvaluationRecord, Store};
use nemesis_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a plan's data sets were.
pub(crate) fn root_of(plan: &SavedPlan, store: &Store) -> Option<PathBuf> {
    let asked = plan.asked.as_ref()?;
    Some(asked.data.clone().unwrap_or_else(|| store.folder().join("mini")))
}

/// The test images of an evaluation, in the order of its predictions. They are those that it saw if the data set's manifest
/// is still the record's.
pub(crate) fn samples_of(dataset: &dyn Dataset, record: &EvaluationRecord) -> Vec<Sample> {
    let cell = &record.cell;
    cell.classes.samples(&limited_test(dataset, cell.limit), dataset.class_names().len())
}

/// The data sets of a run, opened once.
pub struct TestImages {
    root: PathBuf,
    datasets: BTreeMap<String, Box<dyn Dataset>>,
}

impl std::fmt::Debug for TestImages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestImages").field("root", &self.root).finish_non_exhaustive()
    }
}

impl TestImages {
    /// The test images of a plan's data sets. None is opened yet.
    pub fn of(plan: &SavedPlan, store: &Store) -> Self {
        Self { root: root_of(plan, store).unwrap_or_default(), datasets: BTreeMap::new() }
    }

    /// The label of each test image of an evaluation, in the order of its predictions.
    ///
    /// # Errors
    ///
    /// When the data set is gone, or is not the one that was tested on.
    pub fn labels(&mut self, record: &EvaluationRecord, results: &Results) -> Result<Vec<u32>> {
        let name = &record.cell.dataset;
        let needs = |error: Error, root: &Path| {
            error
                .context(format!(
                    "the labels of {}'s test images are needed to compare predictions, and are not in the records",
                    results.title(name)
                ))
                .help(format!("the run had the data set in {}", root.display()))
        };
        if !self.datasets.contains_key(name) {
            let opened = Registry::load(&self.root).and_then(|registry| registry.get(name)?.open(&self.root));
            self.datasets.insert(name.clone(), opened.map_err(|error| needs(error, &self.root))?);
        }
        let dataset = &*self.datasets[name];
        if manifest_hash(dataset) != record.cell.manifest {
            let changed =
                Error::new(format!("the data set `{name}` is not the one that was tested on")).at(dataset.folder());
            return Err(changed.help("`nemesis data check` shows what has changed"));
        }
        Ok(samples_of(dataset, record).iter().map(|sample| sample.label).collect())
    }
}
