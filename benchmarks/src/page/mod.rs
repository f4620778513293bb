//! A page of results: one file without a network, with every table of a folder, its figures, and the cells behind it.

mod cells;
mod data;
mod images;
mod nearest;

pub(crate) use data::Shown;

use crate::plan::SavedPlan;
use nemesis_core::record::Store;
use nemesis_core::{Result, files};
use std::path::Path;

const PAGE: &str = include_str!("web/page.html");
const STYLE: &str = include_str!("web/style.css");
/// Plain scripts, in the order in which they use each other.
const SCRIPTS: [&str; 6] = [
    include_str!("web/dom.js"),
    include_str!("web/address.js"),
    include_str!("web/filters.js"),
    include_str!("web/question.js"),
    include_str!("web/cell.js"),
    include_str!("web/main.js"),
];

/// Writes a page of saved plans and their records to a file.
///
/// # Errors
///
/// When a record is damaged or the file cannot be written.
pub(crate) fn write(plans: &[(String, SavedPlan)], store: &Store, shown: Shown, file: &Path) -> Result<()> {
    files::write_output(file, page(plans, store, shown)?.as_bytes())
}

fn page(plans: &[(String, SavedPlan)], store: &Store, shown: Shown) -> Result<String> {
    let data = data::data(plans, store, shown)?;
    // Within a script, the only text that ends it is that of its end tag.
    let data =
        serde_json::to_string(&data).expect("a page's data are structs of strings and numbers").replace('<', "\\u003c");
    let parts =
        [("title", "Results of prompt tuning"), ("style", STYLE), ("script", &SCRIPTS.join("\n")), ("data", &data)];
    // What is put in may hold braces, so that nothing is looked for in it.
    let mut rest = PAGE;
    let mut page = String::with_capacity(data.len() + 64 * 1024);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("the page closes what it opens");
        let (_, part) = parts.iter().find(|(known, _)| *known == name).expect("the page asks for what there is");
        page.push_str(before);
        page.push_str(part.trim_end());
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}
