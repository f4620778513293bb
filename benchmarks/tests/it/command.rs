//! Running `nemesis` in a folder of its own, and what snapshots leave out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// `nemesis` with these arguments, in `folder`, without settings from the environment.
///
/// A command that would paint the mini data sets finds a link to those that all tests share. Whoever changes images makes
/// a root of its own, with `nemesis mini data`.
pub(crate) fn nemesis(folder: &Path, arguments: &[&str]) -> Command {
    if let [command, rest @ ..] = arguments
        && PAINTING.contains(command)
        && !rest.contains(&"--data")
    {
        let out = rest.windows(2).find(|pair| pair[0] == "--out").map_or("out", |pair| pair[1]);
        share_mini_root(&folder.join(out));
    }
    nemesis_by_itself(folder, arguments)
}

/// The same, without anything that was made before.
pub(crate) fn nemesis_by_itself(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = without_settings(Command::new(program()));
    command.args(arguments).current_dir(folder);
    command
}

/// The same command, which sees no settings in the environment.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NEMESIS_") {
            command.env_remove(name);
        }
    }
    command
}

/// Commands that make the mini data sets where no others are named.
const PAINTING: [&str; 3] = ["run", "plan", "evaluate"];

/// Painting seven thousand pictures takes seconds, which most runs in these tests would spend before anything else.
pub(crate) fn share_mini_root(out: &Path) {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mini");
        let mut mini = without_settings(Command::new(program()));
        let made = mini.args(["mini", "data", "--out"]).arg(&root).output().unwrap();
        assert!(made.status.success(), "{}", told(&made));
        root
    });
    // What cannot be linked is not this helper's to judge: the test may have put something else there on purpose.
    let _ = fs::create_dir_all(out).and_then(|()| symlink(root, out.join("mini")));
}

/// Whether commands have written nothing into the folder of their records, where the link to the shared pictures may be.
pub(crate) fn wrote_nothing(folder: &Path) -> bool {
    let out = fs::read_dir(folder.join("out"));
    out.into_iter()
        .flatten()
        .all(|entry| entry.is_ok_and(|entry| entry.file_name() == "mini" && entry.path().is_symlink()))
}

/// The program under test. Its folder also holds the method plugins, which `cargo test --workspace` builds.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_nemesis"))
}

/// The file of a shared library of this workspace, which lies beside the program.
pub(crate) fn library(name: &str) -> String {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    program().with_file_name(format!("{prefix}{name}{suffix}")).display().to_string()
}

/// Exit code, standard output and standard error in one text, for snapshots.
pub(crate) fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
    format!("exit code {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
}

/// Asserts a snapshot of a whole command, in which the test's folder is `[DIR]` and durations are `[TIME]`.
macro_rules! assert_command {
    ($folder:expr, $arguments:expr) => {{
        let output = $crate::command::nemesis($folder, $arguments).output().unwrap();
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(&$crate::command::regex_escape($folder), "[DIR]");
        settings.add_filter(r"in \d+ (s|min)\b", "in [TIME]");
        // How often progress is told depends on the machine.
        settings.add_filter(r"(?m)^ *\d+ %  \d+ of \d+ cells .*\n", "");
        // The name of a question ends in a hash that data roots, which lie in folders of the test's, are part of.
        settings.add_filter(r"(wrote \S+)-[0-9a-f]{6}\.", "$1-[HASH].");
        settings.bind(|| insta::assert_snapshot!($crate::command::told(&output)));
    }};
}
pub(crate) use assert_command;

/// The file with this ending that a command says it wrote.
pub(crate) fn written(folder: &Path, output: &Output, ending: &str) -> PathBuf {
    let told = String::from_utf8_lossy(&output.stderr);
    let mut files = told.lines().filter_map(|line| line.strip_prefix("wrote "));
    let file = files.rfind(|file| file.ends_with(ending));
    folder.join(file.unwrap_or_else(|| panic!("no file ends in {ending}: {told}")))
}

/// How many cells a run in `folder` has finished by now.
pub(crate) fn records(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder.join("out/records")).into_iter().flatten();
    let is_record = |path: &Path| path.extension().is_some_and(|ending| ending == "json");
    names.filter(|entry| entry.as_ref().is_ok_and(|entry| is_record(&entry.path()))).count()
}

/// A path as a regular expression that matches it alone.
pub(crate) fn regex_escape(path: &Path) -> String {
    path.display()
        .to_string()
        .chars()
        .flat_map(|c| (!c.is_alphanumeric()).then_some('\\').into_iter().chain([c]))
        .collect()
}
