//! `cargo xtask reproduce`: from a fresh clone to the table.

use crate::failure::Result;
use crate::{setup, workspace};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The suite that is run when none is named.
const DEFAULT_SUITE: &str = "few-shot";

/// Options of `nemesis run` that may bring in other methods than the default suite's.
const CHOICES: [&str; 4] = ["--suite", "--methods", "--plugin", "--config"];

/// Builds all that a run needs and runs `nemesis run` with these arguments; returns its exit code.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    let mut methods = workspace::methods()?;
    if runs_the_default_suite(&arguments) {
        let named = suite_methods(DEFAULT_SUITE);
        methods.retain(|package| named.iter().any(|method| *package == format!("nemesis-method-{method}")));
    }
    workspace::build_release_of(&libtorch, &methods)?;
    workspace::nemesis([OsString::from("run")].into_iter().chain(arguments))
}

/// Whether nothing says which methods to run: neither an argument, nor a variable, nor a file in this folder. Then the
/// methods of other suites need not be built before the first table.
fn runs_the_default_suite(arguments: &[OsString]) -> bool {
    let chooses = |argument: &OsString| CHOICES.iter().any(|choice| starts_with(argument, choice));
    let variable = std::env::vars_os().any(|(name, _)| starts_with(&name, "NEMESIS_"));
    !arguments.iter().any(chooses) && !variable && !Path::new("nemesis.yaml").exists()
}

fn starts_with(text: &OsStr, start: &str) -> bool {
    text.as_encoded_bytes().starts_with(start.as_bytes())
}

/// The methods in the file of a suite. They are read by their lines; `nemesis` itself checks the file.
fn suite_methods(suite: &str) -> Vec<String> {
    let file = workspace::root().join("benchmarks/suites").join(format!("{suite}.yaml"));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let method = |line: &str| line.trim().strip_prefix("- method: ").map(|name| name.trim().to_owned());
    text.lines().filter_map(method).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_suites_methods_are_packages_of_this_workspace() {
        let packages = workspace::methods().unwrap();
        let named = suite_methods(DEFAULT_SUITE);
        assert_eq!(named, ["coop", "nemesis-pen", "nemesis-pan"]);
        assert!(named.iter().all(|method| packages.contains(&format!("nemesis-method-{method}"))), "{packages:?}");
    }

    #[test]
    fn an_option_that_chooses_methods_builds_them_all() {
        let run =
            |arguments: &[&str]| runs_the_default_suite(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(run(&["--shots", "16", "--datasets", "eurosat"]));
        assert!(!run(&["--suite", "base-to-new"]));
        assert!(!run(&["--plugin=mine.so"]));
    }
}
