//! The Low-Norm Effect by position and setting: what changing the norm of one context vector does to the accuracy.

use super::Figure;
use crate::tables::{BySeed, Contents, Entry};
use nemesis_core::record::statistics::Summary;
use nemesis_core::record::{Corruption, CorruptionKind};
use nemesis_core::shots::{in_words, written};
use nemesis_figures::{HeatMap, HeatPanel};
use std::collections::BTreeMap;

/// A corruption in the order of rows and columns: kind, value (its bits; all are positive), position.
type Key = (CorruptionKind, u64, u32);

/// A heat map for each method and number of shots.
pub(in crate::tables) fn low_norm_effect(contents: &Contents, entries: &[Entry]) -> Vec<Figure> {
    let mut accuracies: BTreeMap<(&str, String, u32, Option<Key>), BySeed> = BTreeMap::new();
    for entry in entries {
        let (Some(shots), Some(accuracy)) = (entry.place.shots(), entry.outcome.accuracy()) else { continue };
        let (method, seeds) = entry.place.column();
        let key = entry.corruption.as_ref().map(key);
        accuracies.entry((&entry.dataset, method, shots, key)).or_default().insert(seeds, accuracy);
    }
    let mut keys: Vec<Key> = accuracies.keys().filter_map(|(_, _, _, key)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut settings: Vec<(CorruptionKind, u64)> = keys.iter().map(|(kind, value, _)| (*kind, *value)).collect();
    settings.dedup();
    let mut positions: Vec<u32> = keys.iter().map(|(_, _, position)| *position).collect();
    positions.sort_unstable();
    positions.dedup();
    if positions.is_empty() {
        return Vec::new();
    }
    let by_seed = |dataset: &str, method: &str, shots: u32, key: Option<Key>| {
        // Keys borrow data sets from the entries, so that a search has to go over them.
        let found =
            accuracies.iter().find(|((d, m, s, k), _)| *d == dataset && m == method && *s == shots && *k == key);
        found.map(|(_, values)| values)
    };
    let mut figures: Vec<Figure> = Vec::new();
    for method in &contents.methods {
        for shots in &contents.shots {
            let mut is_whole = true;
            let panel = |(name, title): &(String, String)| {
                let learned = by_seed(name, &method.label, *shots, None);
                let mut value = |position: u32, (kind, bits): &(CorruptionKind, u64)| {
                    let corrupted = by_seed(name, &method.label, *shots, Some((*kind, *bits, position)))?;
                    let (difference, seeds) = difference(learned?, corrupted)?;
                    is_whole &= seeds == contents.seeds.len();
                    Some(difference)
                };
                let row = |position: &u32| settings.iter().map(|setting| value(*position, setting)).collect();
                HeatPanel { key: name.clone(), title: title.clone(), values: positions.iter().map(row).collect() }
            };
            let panels: Vec<HeatPanel> = contents.datasets.iter().map(panel).collect();
            let chart = HeatMap {
                title: format!("{}: {}, {}", contents.title, method.label, in_words(*shots)),
                columns: settings.iter().map(|(kind, value)| words(*kind, *value)).collect(),
                rows: positions.iter().map(|position| format!("v{}", position + 1)).collect(),
                value_label: "points of accuracy, mean over seeds".to_owned(),
                panels,
            };
            let lacking = if is_whole { "" } else { " Some differences are means over fewer seeds than were planned." };
            let caption = format!(
                "What changing the norm of one context vector does to the accuracy of {} with {} per \
                 class: rows are context vectors, columns what is done to one of them.{lacking}",
                method.label,
                counted_images(*shots)
            );
            let label = method.label.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            let of = unused(&format!("{label}-{}", written(*shots)), &figures);
            figures.push(Figure {
                of,
                method: Some(method.label.clone()),
                shots: Some(written(*shots)),
                ..Figure::new("low-norm-effect", caption, Box::new(chart))
            });
        }
    }
    figures
}

/// How much higher the mean accuracy of the corrupted context is than that of the learned one, over the seeds that both
/// have, and how many these are.
fn difference(learned: &BySeed, corrupted: &BySeed) -> Option<(f64, usize)> {
    let both = corrupted.iter().filter_map(|(seed, after)| Some((*learned.get(seed)?, *after)));
    let (before, after): (Vec<f64>, Vec<f64>) = both.unzip();
    Some((Summary::of(&after)?.mean - Summary::of(&before)?.mean, after.len()))
}

/// The name, with a number behind it if a figure has it already: labels may differ in what no name of a file has.
fn unused(name: &str, figures: &[Figure]) -> String {
    let mut unused = name.to_owned();
    let mut number = 2;
    while figures.iter().any(|figure| figure.of == unused) {
        unused = format!("{name}-{number}");
        number += 1;
    }
    unused
}

fn key(corruption: &Corruption) -> Key {
    (corruption.kind, corruption.value.to_bits(), corruption.position)
}

fn words(kind: CorruptionKind, value: u64) -> String {
    let value = f64::from_bits(value);
    match kind {
        CorruptionKind::Replace => format!("noise {value}"),
        CorruptionKind::Rescale => format!("× {value}"),
    }
}

fn counted_images(shots: u32) -> String {
    match shots {
        1 => "1 training image".to_owned(),
        shots => format!("{} training images", written(shots)),
    }
}
