//! Tables as LaTeX with the rules of `booktabs`: one tabular for each group of columns, as wide as a page takes.

use super::{Format, capitalised, joined};
use crate::tables::sheet::Sheet;
use crate::tables::table::{Heading, Row, Table, Value};

/// A table for a paper, to be `\input` into a document that loads `booktabs`.
#[derive(Clone, Copy, Debug)]
pub struct Latex {
    /// Whether second best values are underlined. The best are always bold.
    pub second: bool,
}

impl Format for Latex {
    fn name(&self) -> &'static str {
        "latex"
    }

    fn about(&self) -> &'static str {
        "LaTeX with the rules of booktabs"
    }

    fn extension(&self) -> Option<&'static str> {
        Some("tex")
    }

    fn table(&self, table: &Table) -> String {
        let mut lines = Vec::new();
        for (i, block) in table.blocks(|_| false).iter().enumerate() {
            if i > 0 {
                lines.push(r"\par\medskip".to_owned());
            }
            lines.extend(self.tabular(table, block));
        }
        float(&table.title, lines, &table.remarks, &table.footnotes)
    }

    fn sheets(&self, sheets: &[Sheet]) -> String {
        joined(sheets, sheet)
    }
}

/// The lines between caption and notes.
fn float(title: &str, body: Vec<String>, remarks: &[String], footnotes: &[String]) -> String {
    let start = [r"\begin{table}".to_owned(), r"\centering".to_owned(), format!(r"\caption{{{}}}", escape(title))];
    let mut lines: Vec<String> = start.into_iter().chain(body).collect();
    let numbered = footnotes.iter().enumerate();
    let footnotes = numbered.map(|(i, note)| format!(r"\textsuperscript{{{}}}~{}", i + 1, escape(note)));
    let notes: Vec<String> = remarks.iter().map(|remark| escape(remark)).chain(footnotes).collect();
    if !notes.is_empty() {
        lines.push(r"\par\smallskip\raggedright\footnotesize".to_owned());
        lines.push(notes.join("\\par\n"));
    }
    lines.push(r"\end{table}".to_owned());
    lines.join("\n") + "\n"
}

/// A sheet as one tabular: words are aligned left, numbers right, and footnotes follow the last field.
fn sheet(sheet: &Sheet) -> String {
    let columns: String = (0..sheet.columns.len()).map(|i| if sheet.is_text(i) { 'l' } else { 'r' }).collect();
    let headings: Vec<String> = sheet.columns.iter().map(|column| escape(column.heading)).collect();
    let mut lines = vec![format!(r"\begin{{tabular}}{{{columns}}}"), r"\toprule".to_owned(), line(&headings)];
    lines.push(r"\midrule".to_owned());
    for (i, row) in sheet.rows.iter().enumerate() {
        if row.apart && i > 0 {
            lines.push(r"\midrule".to_owned());
        }
        let mut fields: Vec<String> = row.fields.iter().map(|field| escape(&field.text())).collect();
        if let Some(last) = fields.last_mut() {
            *last += &marks(&row.footnotes);
        }
        lines.push(line(&fields));
    }
    lines.extend([r"\bottomrule".to_owned(), r"\end{tabular}".to_owned()]);
    float(&sheet.title, lines, &sheet.remarks, &sheet.footnotes)
}

impl Latex {
    fn tabular(self, table: &Table, block: &[usize]) -> Vec<String> {
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
            let values = block.iter().flat_map(|group| &values[*group]).map(|value| self.cell(value));
            lines.push(line(&[escape(label)].into_iter().chain(values).collect::<Vec<_>>()));
        }
        lines.extend([r"\bottomrule".to_owned(), r"\end{tabular}".to_owned()]);
        lines
    }

    fn cell(self, value: &Value) -> String {
        let text = escape(&value.text());
        let text = match value.measure() {
            Some(measure) if measure.best => format!(r"\textbf{{{text}}}"),
            Some(measure) if measure.second && self.second => format!(r"\underline{{{text}}}"),
            _ => text,
        };
        text + &marks(value.footnotes())
    }
}

fn line(cells: &[String]) -> String {
    // Behind the end of a row, a bracket or a star would be read as an option of that row.
    let guard = if cells.first().is_some_and(|cell| cell.trim_start().starts_with(['[', '*'])) { "{}" } else { "" };
    format!(r"{guard}{} \\", cells.join(" & "))
}

/// The numbers of footnotes, raised.
fn marks(footnotes: &[usize]) -> String {
    match footnotes {
        [] => String::new(),
        marks => {
            let marks: Vec<String> = marks.iter().map(usize::to_string).collect();
            format!(r"\textsuperscript{{{}}}", marks.join(","))
        }
    }
}

/// The text with TeX's special characters escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    // Backquotes come in pairs around code; otherwise they are apostrophes.
    let mut quotes =
        if text.matches('`').count().is_multiple_of(2) { [r"\texttt{", "}"] } else { ["'", "'"] }.into_iter().cycle();
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '\\' => escaped += r"\textbackslash{}",
            '~' => escaped += r"\textasciitilde{}",
            '^' => escaped += r"\textasciicircum{}",
            '±' => escaped += r"$\pm$",
            // With LaTeX's default encoding these letters are others: ¡, ¿ and —.
            '<' => escaped += "$<$",
            '>' => escaped += "$>$",
            '|' => escaped += r"$\vert$",
            '×' => escaped += r"$\times$",
            '≈' => escaped += r"$\approx$",
            '–' => escaped += "--",
            '−' => escaped += "$-$",
            '`' => escaped += quotes.next().unwrap_or_default(),
            '≥' => escaped += r"$\geq$",
            '≤' => escaped += r"$\leq$",
            '√' => escaped += r"$\surd$",
            '→' => escaped += r"$\rightarrow$",
            'α'..='ω' => escaped += &greek(letter),
            '\n' | '\t' | '\u{a0}' => escaped.push(' '),
            // LaTeX knows these; others would stop it.
            ' '..='~' | '\u{a1}'..='\u{17f}' | '…' | '“' | '”' | '„' | '‘' | '’' | '—' => {
                escaped.push(letter);
            }
            letter => escaped.extend(format!("[U+{:04X}]", u32::from(letter)).chars()),
        }
    }
    escaped
}

/// A small Greek letter by its name.
fn greek(letter: char) -> String {
    const NAMES: [&str; 25] = [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "omicron", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    ];
    let name = NAMES.get(letter as usize - 'α' as usize).copied().unwrap_or_default();
    // TeX has no letter of its own where a Latin one looks the same.
    if name == "omicron" { "o".to_owned() } else { format!(r"$\{name}$") }
}
