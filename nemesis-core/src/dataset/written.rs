//! Entries of `datasets.yaml` as they are written: a name and a layout, and what else its author knows.

use super::layouts::RelativePath;
use super::registry::TemplateList;
use super::{Entry, Layout, Part, Raw, SplitSizes, Template};
use crate::{Error, Result, yaml};
use serde::Deserialize;
use std::path::Path;

/// An entry, of which nothing is missing yet, so that all that is missing can be told at once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    title: Option<String>,
    folder: Option<RelativePath>,
    #[serde(default, with = "serde_yaml::with::singleton_map")]
    layout: Option<Layout>,
    #[serde(default, with = "serde_yaml::with::singleton_map")]
    raw: Option<Raw>,
    published: Option<String>,
    classes: Option<usize>,
    samples: Option<SplitSizes>,
    template: Option<Template>,
    #[serde(default)]
    templates: TemplateList,
    licence: Option<String>,
    home: Option<String>,
    #[serde(default)]
    fetch: Vec<Part>,
}

/// Parses the entries of a registry, and completes them with what can be guessed.
pub(super) fn parse(text: &str, file: &Path) -> Result<Vec<Entry>> {
    let all: Vec<Written> = yaml::parse(text, file)?;
    let lines = lines(text, all.len());
    let mut missing = Vec::new();
    let mut entries = Vec::with_capacity(all.len());
    for (at, written) in all.into_iter().enumerate() {
        let line = lines.as_ref().map(|lines| lines[at]);
        if let Some(entry) = complete(written, at, &mut missing, line) {
            entries.push(entry.map_err(|e| line.into_iter().fold(e.at(file), Error::line))?);
        }
    }
    if missing.is_empty() {
        return Ok(entries);
    }
    let what = missing.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>().join("; ");
    let error = Error::new(format!("keys are missing: {what}"))
        .at(file)
        .expected("`name` and `layout` for each data set")
        .help("`title`, `folder`, `classes`, `samples`, `template`, `templates`, `licence` and `home` may be left out");
    Err(missing[0].1.into_iter().fold(error, Error::line))
}

/// The entry, or nothing where keys are missing, which are noted.
fn complete(
    written: Written,
    at: usize,
    missing: &mut Vec<(String, Option<usize>)>,
    line: Option<usize>,
) -> Option<Result<Entry>> {
    let lacking: Vec<&str> = [("name", written.name.is_none()), ("layout", written.layout.is_none())]
        .into_iter()
        .filter_map(|(key, lacks)| lacks.then_some(key))
        .collect();
    if !lacking.is_empty() {
        let which = written.name.as_ref().map_or_else(|| format!("data set {}", at + 1), |name| format!("`{name}`"));
        let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
        let keys = lacking.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and ");
        missing.push((format!("{keys} of {which}{place}"), line));
    }
    let (name, layout) = (written.name?, written.layout?);
    Some(folder(written.folder, &name).map(|folder| Entry {
        title: written.title.unwrap_or_else(|| name.clone()),
        folder,
        layout,
        raw: written.raw,
        published: written.published,
        classes: written.classes,
        samples: written.samples,
        template: written.template,
        templates: written.templates,
        licence: written.licence,
        home: written.home,
        fetch: written.fetch,
        name,
    }))
}

/// The folder, which is called as the data set unless the registry says otherwise.
fn folder(written: Option<RelativePath>, name: &str) -> Result<RelativePath> {
    written.map_or_else(|| RelativePath::try_from(name.to_owned()), Ok).map_err(|_| {
        Error::new(format!("no folder can be called as the data set `{name}`"))
            .help("name it otherwise, or give its `folder`")
    })
}

/// The line on which each of the list's entries begins, where entries are written in lines of their own.
pub(super) fn lines(text: &str, entries: usize) -> Option<Vec<usize>> {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let is_item = |line: &str| line.trim_start_matches(' ').starts_with("- ") || line.trim() == "-";
    let items: Vec<(usize, &str)> = (1..).zip(text.lines()).filter(|(_, line)| is_item(line)).collect();
    let outermost = items.iter().map(|(_, line)| indent(line)).min()?;
    let lines: Vec<usize> =
        items.iter().filter(|(_, line)| indent(line) == outermost).map(|(number, _)| *number).collect();
    (lines.len() == entries).then_some(lines)
}
