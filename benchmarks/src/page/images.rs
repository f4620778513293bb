//! What cells got wrong: class names, confusions, and small pictures of test images on which methods differ.

use super::cells::Cells;
use crate::plan::SavedPlan;
use crate::test_images::{root_of, samples_of};
use base64::Engine as _;
use nemesis_core::Result;
use nemesis_core::dataset::{Dataset, Registry, Sample, manifest_hash};
use nemesis_core::image::{Interpolation, Rect, Rgb8, read, resize_crop};
use nemesis_core::record::Store;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A test image.
#[derive(Debug, Serialize)]
pub(super) struct Image {
    path: String,
    label: String,
    /// The columns that were right in some cell, whatever its shots and seed.
    right: BTreeSet<String>,
    /// A `data:` address.
    src: String,
}

/// The pictures of a page, each once.
#[derive(Debug, Default)]
pub(super) struct Images {
    images: Vec<Image>,
    /// Their places by path.
    places: BTreeMap<PathBuf, usize>,
}

/// Pictures of a data set at most: those on which methods differ most.
const OF_A_DATASET: usize = 16;
/// Their side in pixels.
const SIDE: usize = 48;
/// Confusions that are told of a cell.
const CONFUSIONS: usize = 10;

impl Images {
    /// Adds to cells what their predictions say, as far as their data sets are where they were and as they were, and
    /// returns the pictures.
    pub(super) fn look_at(plans: &[(String, SavedPlan)], store: &Store, cells: &mut Cells) -> Result<Vec<Image>> {
        let mut images = Self::default();
        let (mut opened, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for (_, plan) in plans {
            // Without its data sets a table is shown without pictures.
            let Some(root) = root_of(plan, store).filter(|root| root.is_dir()) else { continue };
            for (name, _) in &plan.datasets {
                if !opened.insert((root.clone(), name.clone())) {
                    continue;
                }
                // Without its data set a cell is shown without pictures.
                let Ok(dataset) = Registry::load(&root).and_then(|registry| registry.get(name)?.open(&root)) else {
                    continue;
                };
                // Another data root may hold the same.
                let manifest = manifest_hash(&*dataset);
                if seen.insert((name.clone(), manifest.clone())) {
                    images.of_dataset(&*dataset, &manifest, store, cells)?;
                }
            }
        }
        Ok(images.images)
    }

    fn of_dataset(&mut self, dataset: &dyn Dataset, manifest: &str, store: &Store, cells: &mut Cells) -> Result<()> {
        let of_dataset: Vec<String> = cells
            .records
            .iter()
            .filter(|(_, record)| record.cell.dataset == dataset.name() && record.cell.manifest == manifest)
            .map(|(key, _)| key.clone())
            .collect();
        // For each image who was right and who was not, of contexts as they were learned.
        let mut told: BTreeMap<PathBuf, Told> = BTreeMap::new();
        for key in &of_dataset {
            let record = &cells.records[key];
            let all = dataset.class_names();
            let samples = samples_of(dataset, record);
            let names = record.cell.classes.class_names(all);
            let predicted = store.predictions(record)?;
            if predicted.len() != samples.len() {
                continue;
            }
            let plain = record.cell.corruption.is_none() && record.cell.epoch.is_none();
            cells.name_classes(key, names);
            let cell = cells.evaluations.get_mut(key).expect("every record on the page has its cell");
            if plain {
                cell.confused = confusions(&samples, &predicted, names);
                for (sample, predicted) in samples.iter().zip(&predicted) {
                    let told =
                        told.entry(sample.path.clone()).or_insert_with(|| Told::new(&names[sample.label as usize]));
                    if *predicted == sample.label {
                        told.right.push(key.clone());
                    } else {
                        told.wrong.push((key.clone(), *predicted));
                    }
                }
            }
        }
        let mut differing: Vec<(&PathBuf, &Told)> =
            told.iter().filter(|(_, told)| !told.right.is_empty() && !told.wrong.is_empty()).collect();
        differing.sort_by_key(|(path, told)| (std::cmp::Reverse(told.right.len().min(told.wrong.len())), *path));
        for (path, told) in differing.into_iter().take(OF_A_DATASET) {
            let right = told.right.iter().flat_map(|key| &cells.columns[key]).cloned().collect();
            let Some(place) = self.picture(dataset.folder(), path, told, right) else { continue };
            for (key, said) in &told.wrong {
                let cell = cells.evaluations.get_mut(key).expect("every record on the page has its cell");
                cell.wrong.push((place, *said));
            }
        }
        Ok(())
    }

    /// The number of an image's picture; none if it cannot be read any more.
    fn picture(&mut self, folder: &Path, path: &Path, told: &Told, right: BTreeSet<String>) -> Option<usize> {
        let whole = folder.join(path);
        if let Some(place) = self.places.get(&whole) {
            return Some(*place);
        }
        let image = read(&whole).ok()?;
        let bytes = png(&resize_crop(&image, middle(&image), SIDE, Interpolation::Bicubic))?;
        let src = format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes));
        self.images.push(Image { path: path.display().to_string(), label: told.label.clone(), right, src });
        self.places.insert(whole, self.images.len() - 1);
        Some(self.images.len() - 1)
    }
}

/// What cells said of an image.
#[derive(Debug)]
struct Told {
    label: String,
    /// Cells that were right.
    right: Vec<String>,
    /// Cells that were not, and the label that they gave it.
    wrong: Vec<(String, u32)>,
}

impl Told {
    fn new(label: &str) -> Self {
        Self { label: label.to_owned(), right: Vec::new(), wrong: Vec::new() }
    }
}

/// The classes that were most often taken for others.
fn confusions(samples: &[Sample], predicted: &[u32], names: &[String]) -> Vec<(String, String, u32)> {
    let mut counts: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for (sample, predicted) in samples.iter().zip(predicted).filter(|(sample, predicted)| sample.label != **predicted) {
        *counts.entry((sample.label, *predicted)).or_default() += 1;
    }
    let mut counts: Vec<((u32, u32), u32)> = counts.into_iter().collect();
    counts.sort_by_key(|(pair, count)| (std::cmp::Reverse(*count), *pair));
    let name = |label: u32| names[label as usize].clone();
    counts.into_iter().take(CONFUSIONS).map(|((from, to), count)| (name(from), name(to), count)).collect()
}

/// The largest square in the middle of an image.
fn middle(image: &Rgb8) -> Rect {
    let side = image.width().min(image.height());
    Rect { top: (image.height() - side) / 2, left: (image.width() - side) / 2, height: side, width: side }
}

fn png(image: &Rgb8) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width() as u32, image.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.write_header().ok()?.write_image_data(image.data()).ok()?;
    Some(bytes)
}
