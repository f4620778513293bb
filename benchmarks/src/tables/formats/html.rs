//! Tables as HTML elements, for pages: what rows and columns are of stands in attributes that a page filters by.

use super::{Format, capitalised, joined};
use crate::tables::sheet::Sheet;
use crate::tables::table::{Column, Group, Row, Table, Value};
use nemesis_core::shots::{parse, written};
use std::fmt::Write as _;

/// An HTML table with its notes, without a page around it.
#[derive(Clone, Copy, Debug)]
pub struct Html;

impl Format for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn about(&self) -> &'static str {
        "an HTML table, without a page around it"
    }

    /// The page that a run writes holds every table already.
    fn extension(&self) -> Option<&'static str> {
        None
    }

    fn table(&self, table: &Table) -> String {
        let name = escape(&table.title);
        let mut html = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\">\n<table>\n<caption>{name}</caption>\n<thead>\n"
        );
        let grouped = table.groups.iter().any(|group| !group.heading.is_empty());
        let axis = escape(&capitalised(&table.axes.row));
        let spans = if grouped { " rowspan=\"2\"" } else { "" };
        let _ = write!(html, "<tr><th scope=\"col\"{spans}>{axis}</th>");
        if grouped {
            for group in &table.groups {
                let (key, heading, count) = (escape(&group.key), escape(&group.heading), group.columns.len());
                let _ = write!(html, "<th scope=\"colgroup\" colspan=\"{count}\" data-group=\"{key}\">{heading}</th>");
            }
            html.push_str("</tr>\n<tr>");
        }
        for group in &table.groups {
            for column in &group.columns {
                let (of, label) = (escape(&group.key), escape(&column.label));
                let _ = write!(html, "<th scope=\"col\" data-of=\"{of}\"{}>{label}</th>", keys(table, group, column));
            }
        }
        html.push_str("</tr>\n</thead>\n<tbody>\n");
        for row in &table.rows {
            html.push_str(&body_row(table, row));
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
        notes(&mut html, &table.remarks, &table.footnotes);
        html
    }

    fn sheets(&self, sheets: &[Sheet]) -> String {
        joined(sheets, sheet)
    }
}

fn body_row(table: &Table, row: &Row) -> String {
    let label = escape(&row.heading.label);
    let mut html = if row.summary {
        format!("<tr class=\"summary\"><th scope=\"row\">{label}</th>")
    } else {
        // A row may be of a data set and something else, as an epoch.
        let dataset = row.heading.key.split(' ').next().unwrap_or_default();
        format!("<tr data-dataset=\"{}\"><th scope=\"row\">{label}</th>", escape(dataset))
    };
    for (group, values) in table.groups.iter().zip(&row.values) {
        for (column, value) in group.columns.iter().zip(values) {
            let class = match value {
                Value::Done(measure) if measure.best => " class=\"best\"",
                Value::Failed { .. } => " class=\"failed\"",
                _ => "",
            };
            let _ = write!(html, "<td{class}{}>{}", keys(table, group, column), escape(&value.text()));
            if !value.footnotes().is_empty() {
                let marks: Vec<String> = value.footnotes().iter().map(usize::to_string).collect();
                let _ = write!(html, "<sup>{}</sup>", marks.join(","));
            }
            html.push_str("</td>");
        }
    }
    html.push_str("</tr>\n");
    html
}

/// What a column is of, as attributes: a method, and a number of shots.
fn keys(table: &Table, group: &Group, column: &Column) -> String {
    let (method, shots) =
        if table.axes.column == "shots" { (&group.key, &column.key) } else { (&column.method, &group.key) };
    let shots = match shots.split(' ').next().and_then(|shots| parse(shots).ok()) {
        Some(shots) if shots > 0 => format!(" data-shots=\"{}\"", written(shots)),
        _ => String::new(),
    };
    format!(" data-column=\"{}\"{shots}", escape(method))
}

fn sheet(sheet: &Sheet) -> String {
    let mut html = format!("<table>\n<caption>{}</caption>\n<thead>\n<tr>", escape(&sheet.title));
    for column in &sheet.columns {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(column.heading));
    }
    let has_marks = sheet.rows.iter().any(|row| !row.footnotes.is_empty());
    if has_marks {
        html.push_str("<th scope=\"col\">Notes</th>");
    }
    html.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in &sheet.rows {
        html.push_str("<tr>");
        for (i, field) in row.fields.iter().enumerate() {
            let class = if sheet.is_text(i) { " class=\"text\"" } else { "" };
            let _ = write!(html, "<td{class}>{}</td>", escape(&field.text()));
        }
        if has_marks {
            let _ = write!(html, "<td class=\"text\">{}</td>", escape(&row.marks()));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
    notes(&mut html, &sheet.remarks, &sheet.footnotes);
    html
}

fn notes(html: &mut String, remarks: &[String], footnotes: &[String]) {
    for (element, texts) in [("ul", remarks), ("ol", footnotes)] {
        if !texts.is_empty() {
            let _ = writeln!(html, "<{element} class=\"notes\">");
            for text in texts {
                let _ = writeln!(html, "<li>{}</li>", escape(text));
            }
            let _ = writeln!(html, "</{element}>");
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
