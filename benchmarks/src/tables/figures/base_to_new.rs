//! Base and new classes: bars of the averages, and each data set as a point.

use super::{Figure, lacking, number_of, series, spread};
use crate::tables::{Row, Table};
use nemesis_figures::{Bar, BarChart, BarGroup, Chart, ScatterChart, ScatterPoint};

/// For each number of shots of a base-to-new table, bars and points.
pub(in crate::tables) fn base_to_new(table: &Table) -> Vec<Figure> {
    // Three groups for each number of shots: base, new, and their harmonic mean.
    (0..table.groups.len() / 3).flat_map(|triple| [bars(table, triple * 3), points(table, triple * 3)]).collect()
}

/// The number of shots of a triple of groups, where there are several.
fn shots(table: &Table, base: usize) -> Option<String> {
    table.groups[base].key.split_once(' ').map(|(shots, _)| shots.to_owned())
}

/// The table's title, with the number of shots where there are several.
fn title(table: &Table, base: usize) -> String {
    let heading = table.groups[base].heading.split_once(", ").filter(|_| shots(table, base).is_some());
    heading.map_or_else(|| table.title.clone(), |(shots, _)| format!("{}, {shots}", table.title))
}

/// The figure of a triple of groups.
fn figure(table: &Table, base: usize, what: &str, caption: &str, chart: Box<dyn Chart>) -> Figure {
    let shots = shots(table, base);
    let of = shots.as_ref().map_or_else(|| what.to_owned(), |shots| format!("{what}-{shots}-shots"));
    let with = shots.as_ref().map_or_else(String::new, |shots| match shots.as_str() {
        "1" => " With 1 training image per class.".to_owned(),
        shots => format!(" With {shots} training images per class."),
    });
    Figure { of, shots, ..Figure::new("base-to-new", format!("{caption}{with}"), chart) }
}

fn bars(table: &Table, base: usize) -> Figure {
    let series = series(table);
    let row = table.rows.iter().find(|row| row.summary).or(table.rows.first());
    let group = |index: usize| {
        let group = &table.groups[index];
        let bar = |(column, heading): (usize, &crate::tables::Column)| {
            let measure = row?.values[index][column].measure()?;
            Some(Bar { number: number_of(&series, &heading.label), value: measure.mean, spread: measure.deviation })
        };
        BarGroup {
            key: group.key.clone(),
            label: group.heading.clone(),
            bars: group.columns.iter().enumerate().filter_map(bar).collect(),
        }
    };
    let groups = (base..base + 3).map(group).collect();
    let over = row.map_or("", |row| row.heading.label.as_str()).to_lowercase();
    let chart = BarChart { title: title(table, base), y_label: "Accuracy (%)".to_owned(), groups, series };
    let caption = format!(
        "Accuracy on base and new classes and its harmonic mean, {over}; lines: {}.{}",
        spread(table),
        lacking(table)
    );
    // Bars are of the averages.
    Figure { summary: true, ..figure(table, base, "bars", &caption, Box::new(chart)) }
}

fn points(table: &Table, base: usize) -> Figure {
    let series = series(table);
    let point = |row: &Row, column: usize| {
        let [x, y] = [base, base + 1].map(|group| row.values[group][column].measure().map(|measure| measure.mean));
        let label = &table.groups[base].columns[column].label;
        let number = number_of(&series, label);
        let (key, label) = (row.heading.key.clone(), row.heading.label.clone());
        Some(ScatterPoint { number, key, label, x: x?, y: y?, labelled: row.summary })
    };
    let columns = table.groups[base].columns.len();
    let points = table.rows.iter().flat_map(|row| (0..columns).filter_map(move |column| point(row, column)));
    let chart = ScatterChart {
        title: title(table, base),
        x_label: "Accuracy on base classes (%)".to_owned(),
        y_label: "Accuracy on new classes (%)".to_owned(),
        points: points.collect(),
        series: series.clone(),
    };
    let caption = "Each data set's accuracy on base and on new classes; on the dotted line both are equal.";
    Figure { narrow: true, ..figure(table, base, "points", caption, Box::new(chart)) }
}
