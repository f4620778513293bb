//! Where a training's data and weights are, according to the runs of the folder. They are checked by hash before use.

use crate::plan::{SavedPlan, mini_root};
use crate::report::saved_plans;
use nemesis_core::backbone::Checkpoint;
use nemesis_core::dataset::{Dataset, Registry, manifest_hash};
use nemesis_core::record::{Store, TrainingCell};
use nemesis_core::{Error, Result};
use std::path::{Path, PathBuf};

/// What the plans in a folder of records say about where things are.
pub(super) struct Sources<'a> {
    out: &'a Path,
    plans: Vec<SavedPlan>,
}

impl<'a> Sources<'a> {
    pub(super) fn of(store: &'a Store) -> Self {
        let out = store.folder();
        // Records may have been copied here without plans; then the user has to say where things are.
        let plans = saved_plans(out, None).unwrap_or_default().into_iter().map(|(_, plan)| plan).collect();
        Self { out, plans }
    }

    /// The checkpoint that a context was learned with.
    ///
    /// # Errors
    ///
    /// When the given one differs, or that of the run is not where it was; the message says which hash is wanted.
    pub(super) fn weights(&self, cell: &TrainingCell, given: Option<&Path>) -> Result<PathBuf> {
        let wanted = &cell.backbone.weights;
        let expected = |error: Error| {
            error.expected(format!("the file whose blake3 is {wanted}")).help("give it with `--weights FILE`")
        };
        if let Some(file) = given {
            if Checkpoint::hash_of(file)? != *wanted {
                return Err(expected(Error::new("the context was learned with a different checkpoint").at(file)));
            }
            return Ok(file.to_owned());
        }
        if nemesis_mini::is_mini(wanted) {
            return nemesis_mini::ensure_weights(self.out);
        }
        let checkpoints = self.plans.iter().filter_map(|plan| Some(&plan.asked.as_ref()?.checkpoint));
        let mut moved = None;
        for file in checkpoints.filter(|checkpoint| checkpoint.hash == *wanted).filter_map(|c| c.file.as_ref()) {
            if !file.exists() {
                moved = Some(expected(Error::new("the checkpoint of the run is not where it was").at(file)));
            } else if Checkpoint::hash_of(file)? == *wanted {
                return Ok(file.clone());
            } else {
                moved = Some(expected(Error::new("the checkpoint of the run has changed since").at(file)));
            }
        }
        let unknown = || expected(Error::new("no run in this folder says where its checkpoint is").at(self.out));
        Err(moved.unwrap_or_else(unknown))
    }

    /// The data set that a context was learned on.
    ///
    /// # Errors
    ///
    /// When that in the given data root differs, or the run's is not where it was.
    pub(super) fn dataset(&self, cell: &TrainingCell, given: Option<&Path>) -> Result<Box<dyn Dataset>> {
        let open = |root: &Path| Registry::load(root)?.get(&cell.dataset)?.open(root);
        let expected = |error: Error| {
            error
                .expected(format!("`{}` whose manifest has the hash {}", cell.dataset, cell.manifest))
                .help("give its data root with `--data ROOT`")
        };
        if let Some(root) = given {
            let dataset = open(root)?;
            if manifest_hash(&*dataset) != cell.manifest {
                let what =
                    format!("the context was learned on a different `{}` than the one in the data root", cell.dataset);
                return Err(expected(Error::new(what).at(root)));
            }
            return Ok(dataset);
        }
        let mut moved = None;
        for asked in self.plans.iter().filter_map(|plan| plan.asked.as_ref()) {
            if asked.splits.get(&cell.dataset).is_none_or(|split| split.manifest != cell.manifest) {
                continue;
            }
            let root = match &asked.data {
                Some(root) => root.clone(),
                None => mini_root(self.out)?,
            };
            match open(&root) {
                Ok(dataset) if manifest_hash(&*dataset) == cell.manifest => return Ok(dataset),
                Ok(_) => moved = Some(expected(Error::new("the data set of the run has changed since").at(&root))),
                Err(_) => moved = Some(expected(Error::new("the data set of the run is not where it was").at(&root))),
            }
        }
        let unknown = || expected(Error::new("no run in this folder says where its data are").at(self.out));
        Err(moved.unwrap_or_else(unknown))
    }
}
