//! Tables as CSV, one line per value, so that a spreadsheet or a script can pivot them.

use super::Format;
use crate::tables::sheet::{Field, Sheet, SheetColumn};
use crate::tables::table::{Measured, Table, Value};

/// Comma-separated values as in RFC 4180, but with line feeds.
#[derive(Clone, Copy, Debug)]
pub struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "Comma-separated values, a line for each row"
    }

    fn extension(&self) -> Option<&'static str> {
        Some("csv")
    }

    fn holds_one(&self) -> bool {
        true
    }

    fn table(&self, table: &Table) -> String {
        let axes = [&table.axes.row, &table.axes.group, &table.axes.column].map(|axis| axis.replace(' ', "_"));
        let counts = table.groups.iter().all(|group| group.measured == Measured::Count);
        let numbers: &[&str] = if counts { &COUNTS } else { &NUMBERS };
        let headings =
            axes.iter().map(String::as_str).chain(["status"]).chain(numbers.iter().copied()).chain(["notes"]);
        // Methods are named as people know them, numbers of shots as values: `16`, not `16 shots`.
        let of_shots = table.axes.column == "shots";
        let mut text = line(headings.map(str::to_owned));
        for row in &table.rows {
            for (group, values) in table.groups.iter().zip(&row.values) {
                for (column, value) in group.columns.iter().zip(values) {
                    let column = if of_shots { &column.key } else { &column.label };
                    let place = [&row.heading.key, &group.key, column, status(value)].map(str::to_owned);
                    let notes: Vec<&str> = value.footnotes().iter().map(|n| table.footnotes[n - 1].as_str()).collect();
                    text += &line(place.into_iter().chain(numbers_of(value, counts)).chain([notes.join("; ")]));
                }
            }
        }
        text
    }

    fn sheets(&self, sheets: &[Sheet]) -> String {
        let mut text = String::new();
        let mut columns: &[SheetColumn] = &[];
        for sheet in sheets {
            // Sheets of one kind have the same columns, and share one line of headings.
            if columns != sheet.columns {
                columns = &sheet.columns;
                let keys = columns.iter().map(|column| column.key);
                text += &line(["sheet"].into_iter().chain(keys).chain(["notes"]).map(str::to_owned));
            }
            for row in &sheet.rows {
                let fields = row.fields.iter().map(Field::plain);
                text += &line([sheet.name.clone()].into_iter().chain(fields).chain([sheet.notes_of(row).join("; ")]));
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

/// What is told of a mean.
const NUMBERS: [&str; 6] = ["mean", "deviation", "half_interval_95", "population_deviation", "runs", "planned"];

/// What is told of a count: it, and how high it could have been.
const COUNTS: [&str; 2] = ["count", "of"];

fn numbers_of(value: &Value, counts: bool) -> Vec<String> {
    if counts {
        return match value {
            Value::Count { count, of } => vec![count.to_string(), of.to_string()],
            _ => vec![String::new(); COUNTS.len()],
        };
    }
    let Some(measure) = value.measure() else { return vec![String::new(); NUMBERS.len()] };
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
    vec![
        number(Some(measure.mean)),
        number(measure.deviation),
        number(measure.half_interval),
        number(measure.population_deviation),
        measure.runs.len().to_string(),
        measure.planned.to_string(),
    ]
}

fn line(fields: impl Iterator<Item = String>) -> String {
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
