//! Tables as JSON, whole: every run behind every mean.

use super::Format;
use crate::tables::sheet::{Sheet, SheetRow};
use crate::tables::table::Table;
use serde_json::{Map, Number, Value, json};

/// JSON with indentation; numbers are rounded to four decimals, but for probabilities.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "JSON with numbers to four decimals"
    }

    fn extension(&self) -> Option<&'static str> {
        Some("json")
    }

    fn table(&self, table: &Table) -> String {
        text(serde_json::to_value(table).expect("a table is structs of strings and numbers"))
    }

    /// One table is an object, and several are a list of them.
    fn tables(&self, tables: &[Table]) -> String {
        match tables {
            [table] => self.table(table),
            tables => text(serde_json::to_value(tables).expect("tables are structs of strings and numbers")),
        }
    }

    fn sheets(&self, sheets: &[Sheet]) -> String {
        let row = |sheet: &Sheet, row: &SheetRow| {
            let mut map: Map<String, Value> = sheet
                .columns
                .iter()
                .zip(&row.fields)
                .map(|(column, field)| (column.key.to_owned(), field.json()))
                .collect();
            map.insert("notes".to_owned(), json!(sheet.notes_of(row)));
            Value::Object(map)
        };
        let of = |sheet: &Sheet| {
            let rows: Vec<Value> = sheet.rows.iter().map(|r| row(sheet, r)).collect();
            json!({"sheet": sheet.name, "title": sheet.title, "rows": rows, "remarks": sheet.remarks})
        };
        format!("{:#}\n", Value::Array(sheets.iter().map(of).collect()))
    }
}

fn text(mut value: Value) -> String {
    round(&mut value);
    format!("{value:#}\n")
}

fn round(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(map) => map.values_mut().for_each(round),
        Value::Number(number) if number.is_f64() => {
            if let Some(rounded) = number.as_f64().and_then(|n| Number::from_f64((n * 1e4).round() / 1e4)) {
                *number = rounded;
            }
        }
        _ => {}
    }
}
