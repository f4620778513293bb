//! Tables as Markdown: one table for each group of columns, because a heading cannot span columns there.

use super::{Format, capitalised, joined};
use crate::tables::sheet::Sheet;
use crate::tables::table::{Table, Value};

/// Markdown as GitHub renders it.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

impl Format for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn about(&self) -> &'static str {
        "Markdown as GitHub renders it"
    }

    fn extension(&self) -> Option<&'static str> {
        Some("md")
    }

    fn table(&self, table: &Table) -> String {
        let mut lines = vec![format!("## {}", escape(&table.title))];
        for block in table.blocks(|_| false) {
            let groups = || block.iter().map(|group| &table.groups[*group]);
            for group in groups().filter(|group| !group.heading.is_empty()) {
                lines.extend([String::new(), format!("### {}", plain(&group.heading))]);
            }
            let columns: Vec<_> =
                groups().flat_map(|group| &group.columns).map(|column| plain(&column.label)).collect();
            lines.push(String::new());
            lines.push(line([capitalised(&table.axes.row)].into_iter().chain(columns.iter().cloned())));
            lines.push(line(["---"].into_iter().chain(columns.iter().map(|_| "--:"))));
            for row in &table.rows {
                let label =
                    if row.summary { format!("**{}**", plain(&row.heading.label)) } else { plain(&row.heading.label) };
                let values = block.iter().flat_map(|group| &row.values[*group]).map(cell);
                lines.push(line([label].into_iter().chain(values)));
            }
        }
        finished(lines, &table.remarks, &table.footnotes)
    }

    fn sheets(&self, sheets: &[Sheet]) -> String {
        joined(sheets, sheet)
    }
}

fn sheet(sheet: &Sheet) -> String {
    let mut lines = vec![format!("## {}", escape(&sheet.title)), String::new()];
    lines.push(line(sheet.columns.iter().map(|column| column.heading)));
    lines.push(line((0..sheet.columns.len()).map(|i| if sheet.is_text(i) { "---" } else { "--:" })));
    for row in &sheet.rows {
        let last = row.fields.len().saturating_sub(1);
        let marks =
            |i| if i == last && !row.footnotes.is_empty() { format!(" {}", row.marks()) } else { String::new() };
        let fields = row.fields.iter().enumerate().map(|(i, field)| plain(&field.text()) + &marks(i));
        lines.push(line(fields));
    }
    finished(lines, &sheet.remarks, &sheet.footnotes)
}

/// The lines, followed by what goes under tables and sheets.
fn finished(mut lines: Vec<String>, remarks: &[String], footnotes: &[String]) -> String {
    for remark in remarks {
        lines.extend([String::new(), escape(remark)]);
    }
    if !footnotes.is_empty() {
        lines.push(String::new());
    }
    lines.extend(footnotes.iter().enumerate().map(|(i, text)| format!("- [{}] {}", i + 1, escape(text))));
    lines.join("\n") + "\n"
}

fn line(cells: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let cells: Vec<String> = cells.map(|cell| format!(" {cell} ")).collect();
    format!("|{}|", cells.join("|"))
}

fn cell(value: &Value) -> String {
    let best = value.measure().is_some_and(|measure| measure.best);
    let text = if best { format!("**{}**", value.text()) } else { value.text() };
    text + &value.marks()
}

/// Escapes everything in a name that would be markup. An underscore within a word is none.
fn plain(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let is_word = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|letter| letter.is_alphanumeric());
    let mut escaped = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let within = || is_word(at.checked_sub(1)) && is_word(Some(at + 1));
        if matches!(letter, '\\' | '*' | '`' | '$' | '[' | ']' | '~') || *letter == '_' && !within() {
            escaped.push('\\');
        }
        escaped.push(*letter);
    }
    escape(&escaped)
}

/// Escapes what would end a cell or start an element. Code spans and emphasis stay as they are.
fn escape(text: &str) -> String {
    text.replace('|', r"\|").replace('<', r"\<").replace('\n', " ")
}
