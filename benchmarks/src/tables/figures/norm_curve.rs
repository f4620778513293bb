//! Accuracy and norm by epoch: two panels for each data set.

use super::{Figure, number_of, series, spread};
use crate::tables::{Measured, Table};
use nemesis_figures::{LineChart, LinePanel, Series};

/// The curves of a table of accuracies and norms by epoch.
pub(in crate::tables) fn norm_curve(table: &Table) -> Option<Figure> {
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
    let mut panels = Vec::new();
    for (dataset, title) in &datasets {
        let of_dataset = || {
            table
                .rows
                .iter()
                .filter_map(|row| split(&row.heading.key).filter(|(d, _)| d == dataset).map(|(_, e)| (row, e)))
        };
        let numbered = of_dataset().filter_map(|(_, epoch)| epoch.parse::<f64>().ok()).fold(0.0, f64::max);
        // The last epoch's number is the protocol's, which the table does not hold.
        let place = |epoch: &str| epoch.parse().unwrap_or(numbered + 1.0);
        let x: Vec<(f64, String)> = of_dataset().map(|(_, epoch)| (place(&epoch), epoch)).collect();
        for (index, group) in table.groups.iter().enumerate() {
            let curves = group.columns.iter().enumerate().map(|(column, heading)| Series {
                number: number_of(&series, &heading.label),
                points: of_dataset()
                    .filter_map(|(row, epoch)| {
                        let measure = row.values[index][column].measure()?;
                        Some((place(&epoch), measure.mean, measure.deviation))
                    })
                    .collect(),
                reference: false,
            });
            let what = if group.measured == Measured::Norm { "norm" } else { "accuracy (%)" };
            panels.push(LinePanel {
                key: dataset.clone(),
                title: title.clone(),
                x: x.clone(),
                y_label: Some(what.to_owned()),
                series: curves.filter(|curve| !curve.points.is_empty()).collect(),
                marks: Vec::new(),
            });
        }
    }
    let chart =
        LineChart { title: table.title.clone(), x_label: "Epoch".to_owned(), y_label: String::new(), panels, series };
    let caption = format!("Accuracy and mean norm of the context vectors by epoch; shaded: {}.", spread(table));
    Some(Figure { kind: "norm-curve", of: String::new(), caption, chart: Box::new(chart) })
}
