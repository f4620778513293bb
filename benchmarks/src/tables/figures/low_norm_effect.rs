//! The Low-Norm Effect by position and setting: what changing the norm of one context vector does to the accuracy.

use super::Figure;
use crate::tables::{Contents, Entry};
use nemesis_core::record::statistics::Summary;
use nemesis_core::record::{Corruption, CorruptionKind};
use nemesis_core::shots::{in_words, written};
use nemesis_figures::{HeatMap, HeatPanel};
use std::collections::BTreeMap;

/// A corruption in the order of rows and columns: kind, value (its bits; all are positive), position.
type Key = (CorruptionKind, u64, u32);

/// A heat map for each method and number of shots.
pub(in crate::tables) fn low_norm_effect(contents: &Contents, entries: &[Entry]) -> Vec<Figure> {
    let mut accuracies: BTreeMap<(&str, String, u32, Option<Key>), Vec<f64>> = BTreeMap::new();
    for entry in entries {
        let (Some(shots), Some(accuracy)) = (entry.place.shots(), entry.outcome.accuracy()) else { continue };
        let (method, _) = entry.place.column();
        let key = entry.corruption.as_ref().map(key);
        accuracies.entry((&entry.dataset, method, shots, key)).or_default().push(accuracy);
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
    let mean = |dataset: &str, method: &str, shots: u32, key: Option<Key>| {
        // Keys borrow data sets from the entries, so that a search has to go over them.
        let found =
            accuracies.iter().find(|((d, m, s, k), _)| *d == dataset && m == method && *s == shots && *k == key);
        found.and_then(|(_, values)| Summary::of(values)).map(|summary| summary.mean)
    };
    let mut figures: Vec<Figure> = Vec::new();
    for method in &contents.methods {
        for shots in &contents.shots {
            let panels = contents.datasets.iter().map(|(name, title)| {
                let learned = mean(name, &method.label, *shots, None);
                let difference = |kind, value, position| {
                    Some(mean(name, &method.label, *shots, Some((kind, value, position)))? - learned?)
                };
                let row = |position: &u32| {
                    settings.iter().map(|(kind, value)| difference(*kind, *value, *position)).collect()
                };
                HeatPanel { key: name.clone(), title: title.clone(), values: positions.iter().map(row).collect() }
            });
            let chart = HeatMap {
                title: format!("{}: {}, {}", contents.title, method.label, in_words(*shots)),
                columns: settings.iter().map(|(kind, value)| words(*kind, *value)).collect(),
                rows: positions.iter().map(|position| format!("v{}", position + 1)).collect(),
                value_label: "points of accuracy, mean over seeds".to_owned(),
                panels: panels.collect(),
            };
            let caption = format!(
                "What changing the norm of one context vector does to the accuracy of {} with {} per \
                 class: rows are context vectors, columns what is done to one of them.",
                method.label,
                counted_images(*shots)
            );
            let label = method.label.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            let of = unused(&format!("{label}-{}", written(*shots)), &figures);
            figures.push(Figure {
                kind: "low-norm-effect",
                of,
                shots: Some(written(*shots)),
                caption,
                chart: Box::new(chart),
            });
        }
    }
    figures
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
