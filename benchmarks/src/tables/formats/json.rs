//! Tables as JSON, whole: every run behind every mean.

use super::export::Exporter;
use super::table::Table;
use serde_json::{Number, Value};

/// JSON with indentation; numbers are rounded to four decimals.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Exporter for Json {
    fn extension(&self) -> &'static str {
        "json"
    }

    fn export(&self, table: &Table) -> String {
        let mut value = serde_json::to_value(table).expect("a table is structs of strings and numbers");
        round(&mut value);
        format!("{value:#}\n")
    }
}

pub(super) fn round(value: &mut Value) {
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
