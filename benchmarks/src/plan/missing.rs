//! The images that a plan needs and that are not on disk.

use super::{Plan, PlannedCell};
use nemesis_core::dataset::{Registry, limited_test, missing_images, near_match};
use nemesis_core::interchange::few_shot_lists;
use nemesis_core::record::Cell;
use nemesis_core::{Error, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

impl Plan {
    /// The images that the plan needs and that are not on disk, by data set; data sets that lack none are left out.
    ///
    /// # Errors
    ///
    /// When a data set cannot be read.
    pub fn missing_images(&self) -> Result<Vec<(String, Vec<PathBuf>)>> {
        let registry = Registry::load(&self.data)?;
        let lists = self.few_shot_lists.as_deref();
        let mut missing = Vec::new();
        for (name, _) in &self.datasets {
            let dataset = registry.get(name)?.open(&self.data)?;
            let mut needed: BTreeSet<PathBuf> = BTreeSet::new();
            for cell in self.one_of_each_sample(name) {
                let samples = match &cell.cell {
                    Cell::Training(cell) => {
                        let mut sample = few_shot_lists::sample(&*dataset, lists, cell.shots as usize, cell.seed)?;
                        if self.validating.contains(&cell.method.id) {
                            sample.train.append(&mut sample.val);
                        }
                        cell.classes.samples(&sample.train, dataset.class_names().len())
                    }
                    Cell::Evaluation(cell) => limited_test(&*dataset, cell.limit),
                };
                needed.extend(missing_images(dataset.folder(), &samples).into_iter().map(|sample| sample.path.clone()));
            }
            if !needed.is_empty() {
                missing.push((name.clone(), needed.into_iter().collect()));
            }
        }
        Ok(missing)
    }

    /// Refuses to begin a run that would fail for want of images.
    ///
    /// # Errors
    ///
    /// When images are missing; the message names the first and counts the others.
    pub fn refuse_missing_images(&self) -> Result<()> {
        let missing = self.missing_images()?;
        let Some((dataset, images)) = missing.first() else { return Ok(()) };
        let count: usize = missing.iter().map(|(_, images)| images.len()).sum();
        let folder = Registry::load(&self.data)?.get(dataset)?.path(&self.data);
        // A link that leads nowhere and a folder that may not be entered are told as such.
        files::exists(&folder.join(&images[0]))?;
        let what = format!("{count} images that the run needs are missing; the first is of `{dataset}`");
        let error = Error::new(what).at(folder.join(&images[0]));
        if let Some(near) = near_match(&folder, &images[0]) {
            let help = "lists and files have to spell names the same, in upper and lower case and accents, too";
            return Err(error.expected(format!("what may be `{}` there", near.display())).help(help));
        }
        Err(error
            .help("`nemesis plan` with the same options counts them by data set; `--limit N` needs fewer test images"))
    }

    /// One cell of a data set for each set of images: methods share few-shot samples, those that look at validation
    /// images and those that do not, and all evaluations its test images.
    fn one_of_each_sample(&self, dataset: &str) -> impl Iterator<Item = &PlannedCell> {
        let key = |cell: &PlannedCell| match &cell.cell {
            Cell::Training(training) => (cell.sample(), self.validating.contains(&training.method.id)),
            Cell::Evaluation(_) => (None, false),
        };
        let cells = self.cells.iter().filter(|cell| cell.dataset() == dataset);
        cells.map(|cell| (key(cell), cell)).collect::<BTreeMap<_, _>>().into_values()
    }
}
