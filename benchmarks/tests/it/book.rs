//! The table that `docs/your-own-method.md` ends with is the one that its command prints.

use crate::command::{nemesis, told};

const PAGE: &str = include_str!("../../../docs/your-own-method.md");

/// What stands between two texts, the last time that the first occurs.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    page.rsplit_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(text, _)| text)
}

#[test]
fn the_row_of_the_example_is_the_one_on_its_page() {
    let arguments = between(PAGE, "$ cargo xtask reproduce ", "\n");
    assert!(arguments.contains("--methods"), "the page has no command");
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<&str> = ["run"].into_iter().chain(arguments.split(' ')).collect();
    let output = nemesis(folder.path(), &all).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.trim_end(), between(PAGE, "```text\n", "\n```"));

    // The prose tells what the default does, in the same data set.
    let default = arguments.replace(" --set kg-coop.weight=1", "");
    let default: Vec<&str> = ["run"].into_iter().chain(default.split(' ')).collect();
    let output = nemesis(folder.path(), &default).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let row = table.lines().find(|line| line.starts_with("EuroSAT")).unwrap_or_default();
    let (one_shot, four_shots) = between(PAGE, "holds the context back to ", ". ").split_once(" and ").unwrap();
    let columns: Vec<&str> = row.split('│').skip(2).collect();
    assert!(columns[0].contains(one_shot) && columns[1].contains(four_shots), "{table}");
}
