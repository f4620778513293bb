//! Accuracy and norm by epoch: two panels for each data set.

use super::{Figure, lacking, number_of, series, spread};
use crate::tables::{Contents, Entry, Measured, Place, Table};
use nemesis_figures::{LineChart, LinePanel, Series};
use std::collections::HashMap;

/// The curves of a table of accuracies and norms by epoch.
pub(in crate::tables) fn norm_curve(contents: &Contents, table: &Table, entries: &[Entry]) -> Option<Figure> {
    let last_epochs = last_epochs(entries);
    let series = series(table);
    // A row's key is a data set and an epoch, and the rows of a data set stand together.
    let split = |key: &str| key.rsplit_once(' ').map(|(dataset, epoch)| (dataset.to_owned(), epoch.to_owned()));
    let mut datasets: Vec<(String, String)> = Vec::new();
    for row in &table.rows {
        let (dataset, _) = split(&row.heading.key)?;
        if datasets.iter().all(|(known, _)| *known != dataset) {
            let title = row.heading.label.rsplit_once(", ").map_or(row.heading.label.as_str(), |(title, _)| title);
            datasets.push((dataset, title.to_owned()));
        }
    }
    // Each number of shots has a group of accuracies and one of norms.
    let is_one = table.groups.len() <= 2;
    let shots_of = |group: usize| contents.shots.get(group / 2).copied();
    let mut panels = Vec::new();
    for (dataset, title) in &datasets {
        let of_dataset = || {
            table
                .rows
                .iter()
                .filter_map(|row| split(&row.heading.key).filter(|(d, _)| d == dataset).map(|(_, e)| (row, e)))
        };
        let numbered = of_dataset().filter_map(|(_, epoch)| epoch.parse::<f64>().ok()).fold(0.0, f64::max);
        // Methods may be trained for different numbers of epochs, and so may numbers of shots.
        let place = |epoch: &str, shots: Option<u32>, column: &str| {
            let last = || last_epochs.get(&(dataset.as_str(), column, shots?)).copied();
            epoch.parse().ok().or_else(last).unwrap_or(numbered + 1.0)
        };
        let columns = || {
            let of_group = move |index: usize| {
                table.groups[index].columns.iter().map(move |column| (shots_of(index), column.label.as_str()))
            };
            (0..table.groups.len()).flat_map(of_group)
        };
        let mut x: Vec<f64> = of_dataset()
            .flat_map(|(_, epoch)| columns().map(move |(shots, label)| place(&epoch, shots, label)))
            .collect();
        x.sort_by(f64::total_cmp);
        x.dedup();
        let x: Vec<(f64, String)> = x.into_iter().map(|epoch| (epoch, epoch.to_string())).collect();
        for (index, group) in table.groups.iter().enumerate() {
            let curves = group.columns.iter().enumerate().map(|(column, heading)| Series {
                number: number_of(&series, &heading.label),
                points: of_dataset()
                    .filter_map(|(row, epoch)| {
                        let measure = row.values[index][column].measure()?;
                        Some((place(&epoch, shots_of(index), &heading.label), measure.mean, measure.deviation))
                    })
                    .collect(),
                reference: false,
            });
            let (what, decimals) = if group.measured == Measured::Norm { ("norm", 3) } else { ("accuracy (%)", 1) };
            panels.push(LinePanel {
                key: dataset.clone(),
                title: if is_one { title.clone() } else { format!("{title}: {}", group.heading) },
                x: x.clone(),
                y_label: Some(what.to_owned()),
                decimals,
                series: curves.filter(|curve| !curve.points.is_empty()).collect(),
                marks: Vec::new(),
            });
        }
    }
    let chart =
        LineChart { title: table.title.clone(), x_label: "Epoch".to_owned(), y_label: String::new(), panels, series };
    let (spread, lacking) = (spread(table), lacking(table));
    let caption = format!("Accuracy and mean norm of the context vectors by epoch; shaded: {spread}.{lacking}");
    Some(Figure::new("norm-curve", caption, Box::new(chart)))
}

/// How many epochs the trainings of a data set, column and number of shots had, which stands in their records and not in
/// the table.
fn last_epochs(entries: &[Entry]) -> HashMap<(&str, &str, u32), f64> {
    let mut epochs = HashMap::new();
    for entry in entries {
        let Place::Trained { method, shots, .. } = &entry.place else { continue };
        let training = entry.outcome.record().and_then(|record| record.cell.subject.training());
        let last = training.and_then(|training| training.protocol.get("epochs")?.as_f64());
        epochs.extend(last.map(|last| ((entry.dataset.as_str(), method.as_str(), *shots), last)));
    }
    epochs
}
