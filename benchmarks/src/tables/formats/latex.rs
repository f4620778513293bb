//! Tables as LaTeX with the rules of `booktabs`: one tabular for each group of columns, as wide as a page takes.

use super::export::Exporter;
use super::markdown::capitalised;
use super::table::{Heading, Row, Table, Value};

/// A table for a paper, to be `\input` where `booktabs` is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Latex;

impl Exporter for Latex {
    fn extension(&self) -> &'static str {
        "tex"
    }

    fn export(&self, table: &Table) -> String {
        let mut lines = vec![
            r"\begin{table}".to_owned(),
            r"\centering".to_owned(),
            format!(r"\caption{{{}}}", escape(&table.title)),
        ];
        for (i, block) in table.blocks(|_| false).iter().enumerate() {
            if i > 0 {
                lines.push(r"\par\medskip".to_owned());
            }
            lines.extend(tabular(table, block));
        }
        let numbered = table.footnotes.iter().enumerate();
        let footnotes = numbered.map(|(i, note)| format!(r"\textsuperscript{{{}}}~{}", i + 1, escape(note)));
        let notes: Vec<String> = table.remarks.iter().map(|remark| escape(remark)).chain(footnotes).collect();
        if !notes.is_empty() {
            lines.push(r"\par\smallskip\raggedright\footnotesize".to_owned());
            lines.push(notes.join("\\par\n"));
        }
        lines.push(r"\end{table}".to_owned());
        lines.join("\n") + "\n"
    }
}

fn tabular(table: &Table, block: &[usize]) -> Vec<String> {
    let groups = || block.iter().map(|group| &table.groups[*group]);
    let columns: usize = groups().map(|group| group.columns.len()).sum();
    let mut lines = vec![format!(r"\begin{{tabular}}{{l{}}}", "r".repeat(columns)), r"\toprule".to_owned()];
    if groups().any(|group| !group.heading.is_empty()) {
        let mut first = 2;
        let mut rules = Vec::new();
        let mut cells = vec![String::new()];
        for group in groups() {
            let width = group.columns.len();
            cells.push(format!(r"\multicolumn{{{width}}}{{c}}{{{}}}", escape(&group.heading)));
            if !group.heading.is_empty() {
                rules.push(format!(r"\cmidrule(lr){{{first}-{}}}", first + width - 1));
            }
            first += width;
        }
        lines.push(line(&cells));
        lines.push(rules.join(""));
    }
    let names = groups().flat_map(|group| &group.columns).map(|column| escape(&column.label));
    lines.push(line(&[capitalised(&table.axes.row)].into_iter().chain(names).collect::<Vec<_>>()));
    lines.push(r"\midrule".to_owned());
    for (i, Row { heading: Heading { label, .. }, summary, values }) in table.rows.iter().enumerate() {
        if *summary && i > 0 {
            lines.push(r"\midrule".to_owned());
        }
        let values = block.iter().flat_map(|group| &values[*group]).map(cell);
        lines.push(line(&[escape(label)].into_iter().chain(values).collect::<Vec<_>>()));
    }
    lines.extend([r"\bottomrule".to_owned(), r"\end{tabular}".to_owned()]);
    lines
}

fn line(cells: &[String]) -> String {
    format!(r"{} \\", cells.join(" & "))
}

fn cell(value: &Value) -> String {
    let text = escape(&value.text());
    let best = value.measure().is_some_and(|measure| measure.best);
    let text = if best { format!(r"\textbf{{{text}}}") } else { text };
    match value.footnotes() {
        [] => text,
        marks => {
            let marks: Vec<String> = marks.iter().map(usize::to_string).collect();
            format!(r"{text}\textsuperscript{{{}}}", marks.join(","))
        }
    }
}

/// The text with what TeX would read as commands written out.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    // Backquotes come in pairs around code, or are none.
    let mut quotes =
        if text.matches('`').count().is_multiple_of(2) { [r"\texttt{", "}"] } else { ["'", "'"] }.into_iter().cycle();
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '\\' => escaped += r"\textbackslash{}",
            '~' => escaped += r"\textasciitilde{}",
            '^' => escaped += r"\textasciicircum{}",
            '±' => escaped += r"$\pm$",
            '×' => escaped += r"$\times$",
            '≈' => escaped += r"$\approx$",
            '–' => escaped += "--",
            '`' => escaped += quotes.next().unwrap_or_default(),
            '\n' => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
