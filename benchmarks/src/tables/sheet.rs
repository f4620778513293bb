//! Flat tables, one fact per line, for what does not fit the grid of a suite's table: comparisons and statistics.

use serde_json::{Value, json};

/// A list of rows under named columns, with remarks.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The name for programs, one word.
    pub name: String,
    /// What the sheet shows.
    pub title: String,
    /// The columns, from left to right.
    pub columns: Vec<SheetColumn>,
    /// The rows, from top to bottom.
    pub rows: Vec<SheetRow>,
    /// Sentences about the whole sheet.
    pub remarks: Vec<String>,
    /// Sentences about single rows, which refer to them by their place, counted from one.
    pub footnotes: Vec<String>,
}

/// A column of a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetColumn {
    /// The name for programs.
    pub key: &'static str,
    /// The heading.
    pub heading: &'static str,
}

/// A row of a sheet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SheetRow {
    /// One field for each column.
    pub fields: Vec<Field>,
    /// The footnotes that belong to the row.
    pub footnotes: Vec<usize>,
    /// Whether it is highlighted.
    pub alarm: bool,
    /// Whether a rule sets it apart from the rows above.
    pub apart: bool,
}

/// A field of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A word.
    Text(String),
    /// A number and the decimals to show.
    Number(f64, usize),
    /// A difference, shown with its sign, and the decimals to show.
    Signed(f64, usize),
    /// A probability.
    Probability(f64),
    /// How many.
    Count(usize),
    /// Unknown or not defined.
    Nothing,
}

impl Field {
    /// A number if there is one.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        value.map_or(Self::Nothing, |value| Self::Number(value, decimals))
    }

    /// As it is shown.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value, decimals) => format!("{:.decimals$}", without_sign_of_zero(*value, *decimals)),
            Self::Signed(value, decimals) => format!("{:+.decimals$}", without_sign_of_zero(*value, *decimals)),
            Self::Probability(value) if *value < 1e-4 => "< 0.0001".to_owned(),
            Self::Probability(value) => format!("{value:.4}"),
            Self::Count(count) => count.to_string(),
            Self::Nothing => "–".to_owned(),
        }
    }

    /// As programs read it.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Number(value, _) | Self::Signed(value, _) => format!("{:.4}", without_sign_of_zero(*value, 4)),
            // Small ones matter, so that no digit is cut off.
            Self::Probability(value) => value.to_string(),
            Self::Nothing => String::new(),
            Self::Text(_) | Self::Count(_) => self.text(),
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(value, _) | Self::Signed(value, _) => {
                json!((without_sign_of_zero(*value, 4) * 1e4).round() / 1e4)
            }
            // Small ones matter, as in `plain`.
            Self::Probability(value) => json!(value),
            Self::Count(count) => json!(count),
            Self::Nothing => Value::Null,
        }
    }
}

/// The value, or zero if all digits that are shown are zeros: `-0.00` is no number that people write.
fn without_sign_of_zero(value: f64, decimals: usize) -> f64 {
    let digits = format!("{:.decimals$}", value.abs());
    if digits.bytes().all(|digit| matches!(digit, b'0' | b'.')) { 0.0 } else { value }
}

impl SheetRow {
    /// The numbers of the footnotes: `[1][3]`, or nothing.
    pub(super) fn marks(&self) -> String {
        self.footnotes.iter().map(|n| format!("[{n}]")).collect::<Vec<_>>().concat()
    }
}

impl Sheet {
    /// Whether a column is of words.
    pub(super) fn is_text(&self, column: usize) -> bool {
        self.rows.iter().all(|row| matches!(row.fields[column], Field::Text(_)))
    }

    /// The footnotes of a row.
    pub(super) fn notes_of(&self, row: &SheetRow) -> Vec<&str> {
        row.footnotes.iter().map(|n| self.footnotes[n - 1].as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_no_minus() {
        let told = [-0.004, -0.006, 0.004].map(|value| Field::Signed(value, 2).text());
        assert_eq!(told, ["+0.00", "-0.01", "+0.00"]);
        assert_eq!((Field::Number(-1e-9, 2).text(), Field::Number(-1e-9, 2).plain()), ("0.00".into(), "0.0000".into()));
    }
}
