//! Tables as Markdown: one table for each group of columns, since a heading cannot span columns there.

use super::export::Exporter;
use super::table::{Table, Value};

/// Markdown as GitHub renders it.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

impl Exporter for Markdown {
    fn extension(&self) -> &'static str {
        "md"
    }

    fn export(&self, table: &Table) -> String {
        let mut lines = vec![format!("## {}", escape(&table.title))];
        for block in table.blocks(|_| false) {
            let groups = || block.iter().map(|group| &table.groups[*group]);
            for group in groups().filter(|group| !group.heading.is_empty()) {
                lines.extend([String::new(), format!("### {}", escape(&group.heading))]);
            }
            let columns: Vec<_> =
                groups().flat_map(|group| &group.columns).map(|column| escape(&column.label)).collect();
            lines.push(String::new());
            lines.push(line([capitalised(&table.axes.row)].into_iter().chain(columns.iter().cloned())));
            lines.push(line(["---"].into_iter().chain(columns.iter().map(|_| "--:"))));
            for row in &table.rows {
                let label = if row.summary {
                    format!("**{}**", escape(&row.heading.label))
                } else {
                    escape(&row.heading.label)
                };
                let values = block.iter().flat_map(|group| &row.values[*group]).map(cell);
                lines.push(line([label].into_iter().chain(values)));
            }
        }
        for remark in &table.remarks {
            lines.extend([String::new(), escape(remark)]);
        }
        if !table.footnotes.is_empty() {
            lines.push(String::new());
        }
        lines.extend(table.footnotes.iter().enumerate().map(|(i, text)| format!("- [{}] {}", i + 1, escape(text))));
        lines.join("\n") + "\n"
    }
}

pub(super) fn line(cells: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let cells: Vec<String> = cells.map(|cell| format!(" {cell} ")).collect();
    format!("|{}|", cells.join("|"))
}

fn cell(value: &Value) -> String {
    let best = value.measure().is_some_and(|measure| measure.best);
    let text = if best { format!("**{}**", value.text()) } else { value.text() };
    text + &value.marks()
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What would end a cell or start an element is escaped. Code spans and emphasis are left to the texts.
pub(super) fn escape(text: &str) -> String {
    text.replace('|', r"\|").replace('<', r"\<").replace('\n', " ")
}
