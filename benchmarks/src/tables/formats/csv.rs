//! Tables as CSV, one line for each value, so that a spreadsheet or a script can pivot them.

use super::export::Exporter;
use super::table::{Table, Value};

/// Comma-separated values as RFC 4180 has them, with line feeds.
#[derive(Clone, Copy, Debug)]
pub struct Csv;

impl Exporter for Csv {
    fn extension(&self) -> &'static str {
        "csv"
    }

    fn export(&self, table: &Table) -> String {
        let axes = [&table.axes.row, &table.axes.group, &table.axes.column].map(|axis| axis.replace(' ', "_"));
        let numbers = ["mean", "deviation", "half_interval_95", "population_deviation", "runs", "planned"];
        let headings = axes.iter().map(String::as_str).chain(["status"]).chain(numbers).chain(["notes"]);
        let mut text = line(headings.map(str::to_owned));
        for row in &table.rows {
            for (group, values) in table.groups.iter().zip(&row.values) {
                for (column, value) in group.columns.iter().zip(values) {
                    let place = [&row.heading.key, &group.key, &column.label, status(value)].map(str::to_owned);
                    let notes: Vec<&str> = value.footnotes().iter().map(|n| table.footnotes[n - 1].as_str()).collect();
                    text += &line(place.into_iter().chain(numbers_of(value)).chain([notes.join("; ")]));
                }
            }
        }
        text
    }
}

fn status(value: &Value) -> &'static str {
    match value {
        Value::Done(_) | Value::Count { .. } => "done",
        Value::Failed { .. } => "failed",
        Value::Missing { .. } => "missing",
    }
}

/// A count stands in the column of means, and what it is a count of in that of planned runs.
fn numbers_of(value: &Value) -> [String; 6] {
    if let Value::Count { count, of } = value {
        let [deviation, half_interval, population_deviation, runs] = [const { String::new() }; 4];
        return [count.to_string(), deviation, half_interval, population_deviation, runs, of.to_string()];
    }
    let Some(measure) = value.measure() else { return Default::default() };
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
    [
        number(Some(measure.mean)),
        number(measure.deviation),
        number(measure.half_interval),
        number(measure.population_deviation),
        measure.runs.len().to_string(),
        measure.planned.to_string(),
    ]
}

pub(super) fn line(fields: impl Iterator<Item = String>) -> String {
    let fields: Vec<String> = fields.map(|field| quoted(&field)).collect();
    fields.join(",") + "\n"
}

fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
