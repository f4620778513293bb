//! Tables and sheets for a person at a terminal: aligned, tables broken into blocks that fit its width.

use super::{Format, capitalised, joined};
use crate::tables::sheet::{Field, Sheet};
use crate::tables::table::{Table, Value};
use anstyle::Style;
use std::io::IsTerminal;

/// How wide a table may be if there is no terminal to ask.
const DEFAULT_WIDTH: usize = 100;
const BETWEEN_COLUMNS: &str = "  ";
const BETWEEN_GROUPS: &str = " │ ";

/// Text for standard output, whatever it is.
#[derive(Clone, Copy, Debug)]
pub struct OnTerminal;

impl Format for OnTerminal {
    fn name(&self) -> &'static str {
        "terminal"
    }

    fn about(&self) -> &'static str {
        "Aligned text"
    }

    fn extension(&self) -> Option<&'static str> {
        None
    }

    fn table(&self, table: &Table) -> String {
        Terminal::of_stdout().render(table)
    }

    fn sheets(&self, sheets: &[Sheet]) -> String {
        joined(sheets, |sheet| Terminal::of_stdout().render_sheet(sheet))
    }
}

/// How a terminal shows tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// The width in columns.
    pub width: usize,
    /// Whether the best values are bold, and failures red.
    pub styled: bool,
}

impl Terminal {
    /// Fits standard output: its width and style when it is a terminal, plain text of a fixed width when it is not.
    pub fn of_stdout() -> Self {
        let styled =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0 as usize);
        Self { width: width.unwrap_or(DEFAULT_WIDTH), styled }
    }

    /// The table as lines of text.
    pub fn render(&self, table: &Table) -> String {
        let layout = Layout::of(table);
        let mut text = format!("{}\n", self.painted(Style::new().bold(), &table.title));
        for block in table.blocks(|groups| layout.width(groups) <= self.width) {
            text.push('\n');
            text += &self.block(table, &layout, &block);
        }
        text.push('\n');
        text + &self.notes(&table.remarks, &table.footnotes)
    }

    /// The sheet as lines of text.
    pub fn render_sheet(&self, sheet: &Sheet) -> String {
        let texts: Vec<Vec<String>> =
            sheet.rows.iter().map(|row| row.fields.iter().map(Field::text).collect()).collect();
        let widths: Vec<usize> = (sheet.columns.iter().enumerate())
            .map(|(i, column)| texts.iter().map(|row| width(&row[i])).chain([width(column.heading)]).max().unwrap_or(0))
            .collect();
        // Words are aligned left, numbers right.
        let align =
            |i: usize, text: &str| if sheet.is_text(i) { padded(text, widths[i]) } else { right(text, widths[i]) };
        let joined = |texts: Vec<String>| texts.join("  ").trim_end().to_owned();
        let mut lines = vec![self.painted(Style::new().bold(), &sheet.title), String::new()];
        lines.push(joined(sheet.columns.iter().enumerate().map(|(i, column)| align(i, column.heading)).collect()));
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
        lines.push(rule.clone());
        for (i, (row, texts)) in sheet.rows.iter().zip(&texts).enumerate() {
            if row.apart && i > 0 {
                lines.push(rule.clone());
            }
            let fields = texts.iter().enumerate().map(|(i, text)| align(i, text)).chain([row.marks()]).collect();
            let style = if row.alarm { anstyle::AnsiColor::Red.on_default() } else { Style::new() };
            lines.push(self.painted(style, &joined(fields)));
        }
        lines.join("\n") + "\n\n" + &self.notes(&sheet.remarks, &sheet.footnotes)
    }

    /// What goes under tables and sheets: the first remark is the caption, the others are notes.
    fn notes(&self, remarks: &[String], footnotes: &[String]) -> String {
        let head = |i| if i == 0 { String::new() } else { "- ".to_owned() };
        let remarks = remarks.iter().enumerate().map(|(i, remark)| wrap(remark, &head(i), self.width));
        let footnotes = footnotes.iter().enumerate().map(|(i, text)| wrap(text, &format!("[{}] ", i + 1), self.width));
        remarks.chain(footnotes).collect()
    }

    fn block(&self, table: &Table, layout: &Layout, block: &[usize]) -> String {
        let mut lines = Vec::new();
        if block.iter().any(|group| !table.groups[*group].heading.is_empty()) {
            let heading = |group: &usize| centred(&table.groups[*group].heading, layout.group_width(*group));
            lines.push(join(&padded("", layout.label), block.iter().map(heading)));
        }
        let names = |group: &usize| {
            let columns = table.groups[*group].columns.iter().zip(&layout.groups[*group]);
            columns.map(|(column, widths)| widths.heading(&column.label)).collect::<Vec<_>>().join(BETWEEN_COLUMNS)
        };
        lines.push(join(&padded(&capitalised(&table.axes.row), layout.label), block.iter().map(names)));
        let rule = || {
            let parts = block.iter().map(|group| "─".repeat(layout.group_width(*group)));
            std::iter::once("─".repeat(layout.label)).chain(parts).collect::<Vec<_>>().join("─┼─")
        };
        lines.push(rule());
        for (i, row) in table.rows.iter().enumerate() {
            if row.summary && i > 0 {
                lines.push(rule());
            }
            let values = |group: &usize| {
                let columns = row.values[*group].iter().zip(&layout.groups[*group]);
                columns.map(|(value, widths)| self.value(value, widths)).collect::<Vec<_>>().join(BETWEEN_COLUMNS)
            };
            lines.push(join(&padded(&row.heading.label, layout.label), block.iter().map(values)));
        }
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        lines.join("\n") + "\n"
    }

    fn value(&self, value: &Value, widths: &Widths) -> String {
        let text = widths.aligned(value);
        let style = match value {
            Value::Done(measure) if measure.best => Style::new().bold(),
            Value::Failed { .. } => anstyle::AnsiColor::Red.on_default(),
            _ => Style::new(),
        };
        // Blanks stay outside, so that no escape sequence ends a line.
        let bare = text.trim();
        let start = text.len() - text.trim_start().len();
        format!("{}{}{}", &text[..start], self.painted(style, bare), &text[start + bare.len()..])
    }

    fn painted(&self, style: Style, text: &str) -> String {
        if self.styled { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The widths of all parts of a table.
struct Layout {
    label: usize,
    groups: Vec<Vec<Widths>>,
}

/// The widths of a column's parts: footnotes are aligned left, everything else right.
struct Widths {
    mean: usize,
    deviation: usize,
    body: usize,
    marks: usize,
}

impl Layout {
    fn of(table: &Table) -> Self {
        let labels = table.rows.iter().map(|row| width(&row.heading.label));
        let label = labels.chain([width(&table.axes.row)]).max().unwrap_or(0);
        let groups = table.groups.iter().enumerate().map(|(g, group)| {
            let mut columns: Vec<Widths> = (group.columns.iter().enumerate())
                .map(|(c, column)| Widths::of(&column.label, table.rows.iter().map(|row| &row.values[g][c])))
                .collect();
            // A heading wider than its columns widens the first.
            let wide = total(&columns);
            if let Some(first) = columns.first_mut() {
                first.body += width(&group.heading).saturating_sub(wide);
            }
            columns
        });
        Self { label, groups: groups.collect() }
    }

    fn group_width(&self, group: usize) -> usize {
        total(&self.groups[group])
    }

    fn width(&self, groups: &[usize]) -> usize {
        self.label + groups.iter().map(|group| width(BETWEEN_GROUPS) + self.group_width(*group)).sum::<usize>()
    }
}

fn total(columns: &[Widths]) -> usize {
    let gaps = columns.len().saturating_sub(1) * width(BETWEEN_COLUMNS);
    columns.iter().map(|column| column.body + column.marks).sum::<usize>() + gaps
}

impl Widths {
    fn of<'a>(name: &str, values: impl Iterator<Item = &'a Value>) -> Self {
        let mut column = Self { mean: 0, deviation: 0, body: width(name), marks: 0 };
        let mut texts = 0;
        for value in values {
            column.marks = column.marks.max(width(&value.marks()));
            let text = value.text();
            match text.split_once(" ± ") {
                Some((mean, deviation)) => {
                    column.mean = column.mean.max(width(mean));
                    column.deviation = column.deviation.max(width(deviation));
                }
                None if value.measure().is_some() => column.mean = column.mean.max(width(&text)),
                None => texts = texts.max(width(&text)),
            }
        }
        let spread = if column.deviation > 0 { column.deviation + width(" ± ") } else { 0 };
        column.body = column.body.max(column.mean + spread).max(texts);
        column
    }

    fn heading(&self, name: &str) -> String {
        format!("{}{}", right(name, self.body), " ".repeat(self.marks))
    }

    fn aligned(&self, value: &Value) -> String {
        let text = value.text();
        let text = match text.split_once(" ± ") {
            Some((mean, deviation)) => {
                format!("{} ± {}", right(mean, self.mean), right(deviation, self.deviation))
            }
            None if value.measure().is_some() && self.deviation > 0 => {
                format!("{text}{}", " ".repeat(self.deviation + width(" ± ")))
            }
            None => text,
        };
        format!("{}{}", right(&text, self.body), padded(&value.marks(), self.marks))
    }
}

fn join(label: &str, groups: impl Iterator<Item = String>) -> String {
    std::iter::once(label.to_owned()).chain(groups).collect::<Vec<_>>().join(BETWEEN_GROUPS)
}

fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

fn right(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

fn centred(text: &str, to: usize) -> String {
    let room = to.saturating_sub(width(text));
    padded(&format!("{}{text}", " ".repeat(room / 2)), to)
}

/// The text in lines of at most `to` columns, `head` before the first and as many blanks before the others.
fn wrap(text: &str, head: &str, to: usize) -> String {
    let mut wrapped = String::new();
    let mut line = head.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && width(&line) + 1 + width(word) > to {
            wrapped += &line;
            wrapped.push('\n');
            line = " ".repeat(width(head));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    wrapped + &line + "\n"
}
