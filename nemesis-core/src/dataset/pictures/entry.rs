//! An entry put into the text of a `datasets.yaml`, whose other lines stay as their author wrote them.

use crate::dataset::registry::{Entry, FILE_NAME, Registry};
use crate::dataset::written;
use crate::{Error, Result};
use std::path::Path;

/// The text with the lines of `entry` in place of those of the entry of the same name, or at its end.
///
/// # Errors
///
/// When the text is not a registry, or is not written an entry a line, so that nothing can be put into it.
pub(super) fn put(text: &str, file: &Path, name: &str, entry: &str) -> Result<String> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Ok(format!("{text}{end}{entry}"));
    }
    let before = Registry::parse(text, file)?;
    let unfit = || {
        Error::new("no entry can be put into the file, as its entries do not stand in lines of their own")
            .at(file)
            .expected("a list whose entries each begin with `- name: NAME`")
            .help(format!("add these lines yourself:\n{}", entry.trim_end()))
    };
    let starts = written::lines(text, before.entries().len()).ok_or_else(unfit)?;
    let lines: Vec<&str> = text.lines().collect();
    let first = lines[starts[0] - 1];
    let indent = &first[..first.len() - first.trim_start().len()];
    let new: Vec<String> = entry.lines().map(|line| format!("{indent}{line}")).collect();
    let mut kept: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    match before.entries().iter().position(|entry| entry.name == name) {
        Some(at) => {
            let start = starts[at] - 1;
            let next = starts.get(at + 1).map_or(lines.len(), |next| next - 1);
            let is_beside = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
            let end = next - lines[start..next].iter().rev().take_while(|line| is_beside(line)).count();
            kept.splice(start..end, new);
        }
        None => kept.extend(new),
    }
    let after = kept.join("\n") + "\n";
    // What was put in is read again before it is written, and all else must be as it was.
    let others = |registry: &Registry| -> Vec<Entry> {
        registry.entries().iter().filter(|entry| entry.name != name).cloned().collect()
    };
    match Registry::parse(&after, file) {
        Ok(read) if others(&read) == others(&before) && read.get(name).ok() == only(entry)?.as_ref() => Ok(after),
        _ => Err(unfit()),
    }
}

/// The one entry of a text of its own.
pub(super) fn only(entry: &str) -> Result<Option<Entry>> {
    Ok(Registry::parse(entry, Path::new(FILE_NAME))?.entries().first().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "- name: birds\n  layout: {variant_lists: {images: .}}\n";

    #[test]
    fn what_stands_there_stays() {
        let file = Path::new("datasets.yaml");
        let old = "# mine\n- name: a\n  layout: {variant_lists: {images: .}}\n\n# the second\n- name: b\n  \
                   layout: {variant_lists: {images: x}}\n";
        let with = put(old, file, "birds", NEW).unwrap();
        assert_eq!(with, format!("{old}{NEW}"));
        let a = "- name: a\n  layout: {variant_lists: {images: y}}\n";
        insta::assert_snapshot!(put(&with, file, "a", a).unwrap(), @r"
        # mine
        - name: a
          layout: {variant_lists: {images: y}}

        # the second
        - name: b
          layout: {variant_lists: {images: x}}
        - name: birds
          layout: {variant_lists: {images: .}}
        ");
        assert_eq!(put("# nothing yet\n", file, "birds", NEW).unwrap(), format!("# nothing yet\n{NEW}"));
        assert_eq!(put("# no line end", file, "birds", NEW).unwrap(), format!("# no line end\n{NEW}"));
        assert!(put("[{name: a, layout: {variant_lists: {images: .}}}]\n", file, "birds", NEW).is_err());
    }
}
