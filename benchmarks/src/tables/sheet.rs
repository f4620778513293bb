//! Flat tables, one fact a line, for what does not fit the grid of a suite's table: comparisons and statistics.

use super::markdown::escape;
use super::terminal::{padded, right, width, wrap};
use super::{csv, json, markdown};
use anstyle::Style;
use serde_json::{Map, Value, json};

/// The formats that a sheet is printed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned text.
    #[default]
    Terminal,
    /// Markdown as GitHub renders it.
    Markdown,
    /// Comma-separated values, a line for each row.
    Csv,
    /// JSON with numbers to four decimals.
    Json,
}

/// A list of rows under named columns, with what is to be said about them.
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
    /// Whether the reader's eye should fall on it.
    pub alarm: bool,
    /// Whether a rule sets it apart from the rows above.
    pub apart: bool,
}

/// A field of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A word.
    Text(String),
    /// A number, shown with so many decimals.
    Number(f64, usize),
    /// A difference, shown with its sign and so many decimals.
    Signed(f64, usize),
    /// How many.
    Count(usize),
    /// Unknown or not defined.
    Nothing,
}

impl Field {
    /// A number where there is one.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        value.map_or(Self::Nothing, |value| Self::Number(value, decimals))
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value, decimals) => format!("{value:.decimals$}"),
            Self::Signed(value, decimals) => format!("{value:+.decimals$}"),
            Self::Count(count) => count.to_string(),
            Self::Nothing => "–".to_owned(),
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Number(value, _) | Self::Signed(value, _) => format!("{value:.4}"),
            Self::Nothing => String::new(),
            Self::Text(_) | Self::Count(_) => self.text(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(value, _) | Self::Signed(value, _) => json!(value),
            Self::Count(count) => json!(count),
            Self::Nothing => Value::Null,
        }
    }
}

impl SheetRow {
    fn marks(&self) -> String {
        self.footnotes.iter().map(|n| format!("[{n}]")).collect::<Vec<_>>().concat()
    }
}

/// The sheets one after the other.
pub fn render(sheets: &[Sheet], format: Format, terminal: super::Terminal) -> String {
    match format {
        Format::Terminal => sheets.iter().map(|sheet| to_terminal(sheet, terminal)).collect::<Vec<_>>().join("\n"),
        Format::Markdown => sheets.iter().map(to_markdown).collect::<Vec<_>>().join("\n"),
        Format::Csv => to_csv(sheets),
        Format::Json => to_json(sheets),
    }
}

fn to_terminal(sheet: &Sheet, terminal: super::Terminal) -> String {
    let texts: Vec<Vec<String>> = sheet.rows.iter().map(|row| row.fields.iter().map(Field::text).collect()).collect();
    let widths: Vec<usize> = (sheet.columns.iter().enumerate())
        .map(|(i, column)| texts.iter().map(|row| width(&row[i])).chain([width(column.heading)]).max().unwrap_or(0))
        .collect();
    // Words are aligned left, numbers right.
    let is_text = |i: usize| sheet.rows.iter().all(|row| matches!(row.fields[i], Field::Text(_)));
    let align = |i: usize, text: &str| if is_text(i) { padded(text, widths[i]) } else { right(text, widths[i]) };
    let joined = |texts: Vec<String>| texts.join("  ").trim_end().to_owned();
    let mut lines = vec![terminal.painted(Style::new().bold(), &sheet.title), String::new()];
    lines.push(joined(sheet.columns.iter().enumerate().map(|(i, column)| align(i, column.heading)).collect()));
    let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
    lines.push(rule.clone());
    for (i, (row, texts)) in sheet.rows.iter().zip(&texts).enumerate() {
        if row.apart && i > 0 {
            lines.push(rule.clone());
        }
        let fields = texts.iter().enumerate().map(|(i, text)| align(i, text)).chain([row.marks()]).collect();
        let style = if row.alarm { anstyle::AnsiColor::Red.on_default() } else { Style::new() };
        lines.push(terminal.painted(style, &joined(fields)));
    }
    let mut text = lines.join("\n") + "\n\n";
    for (i, remark) in sheet.remarks.iter().enumerate() {
        text += &wrap(remark, if i == 0 { "" } else { "- " }, terminal.width);
    }
    for (i, footnote) in sheet.footnotes.iter().enumerate() {
        text += &wrap(footnote, &format!("[{}] ", i + 1), terminal.width);
    }
    text
}

fn to_markdown(sheet: &Sheet) -> String {
    let mut lines = vec![format!("## {}", escape(&sheet.title)), String::new()];
    lines.push(markdown::line(sheet.columns.iter().map(|column| column.heading)));
    let is_text = |i: usize| sheet.rows.iter().all(|row| matches!(row.fields[i], Field::Text(_)));
    lines.push(markdown::line((0..sheet.columns.len()).map(|i| if is_text(i) { "---" } else { "--:" })));
    for row in &sheet.rows {
        let last = row.fields.len().saturating_sub(1);
        let marks =
            |i| if i == last && !row.footnotes.is_empty() { format!(" {}", row.marks()) } else { String::new() };
        let fields = row.fields.iter().enumerate().map(|(i, field)| escape(&field.text()) + &marks(i));
        lines.push(markdown::line(fields));
    }
    for remark in &sheet.remarks {
        lines.extend([String::new(), escape(remark)]);
    }
    if !sheet.footnotes.is_empty() {
        lines.push(String::new());
    }
    lines.extend(sheet.footnotes.iter().enumerate().map(|(i, text)| format!("- [{}] {}", i + 1, escape(text))));
    lines.join("\n") + "\n"
}

fn notes_of<'a>(sheet: &'a Sheet, row: &SheetRow) -> Vec<&'a str> {
    row.footnotes.iter().map(|n| sheet.footnotes[n - 1].as_str()).collect()
}

fn to_csv(sheets: &[Sheet]) -> String {
    let mut text = String::new();
    let mut columns: &[SheetColumn] = &[];
    for sheet in sheets {
        // Sheets of one kind have the same columns, and share one line of headings.
        if columns != sheet.columns {
            columns = &sheet.columns;
            let keys = columns.iter().map(|column| column.key);
            text += &csv::line(["sheet"].into_iter().chain(keys).chain(["notes"]).map(str::to_owned));
        }
        for row in &sheet.rows {
            let fields = row.fields.iter().map(Field::plain);
            text += &csv::line([sheet.name.clone()].into_iter().chain(fields).chain([notes_of(sheet, row).join("; ")]));
        }
    }
    text
}

fn to_json(sheets: &[Sheet]) -> String {
    let row = |sheet: &Sheet, row: &SheetRow| {
        let mut map: Map<String, Value> = sheet
            .columns
            .iter()
            .zip(&row.fields)
            .map(|(column, field)| (column.key.to_owned(), field.json()))
            .collect();
        map.insert("notes".to_owned(), json!(notes_of(sheet, row)));
        Value::Object(map)
    };
    let of = |sheet: &Sheet| {
        let rows: Vec<Value> = sheet.rows.iter().map(|r| row(sheet, r)).collect();
        json!({"sheet": sheet.name, "title": sheet.title, "rows": rows, "remarks": sheet.remarks})
    };
    let mut value = Value::Array(sheets.iter().map(of).collect());
    json::round(&mut value);
    format!("{value:#}\n")
}
