//! The child: runs plugins' code for a command that must outlive it.

use super::message::{Question, READY};
use crate::process::{Reporter, lines_from_stdin};
use nemesis_core::Result;
use nemesis_core::method::testing::ToyHost;
use nemesis_core::plugin::Plugin;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Answers questions about plugins until standard input ends: loads each when it is first asked about, and creates its
/// methods for a toy task.
///
/// # Errors
///
/// When standard output cannot be taken over. A problem with a plugin is an answer, not an error.
pub fn answer() -> Result<()> {
    let reporter = Reporter::take_over_stdout()?;
    let questions = lines_from_stdin();
    reporter.send(&READY);
    let mut plugins = BTreeMap::new();
    while let Ok(question) = questions.recv() {
        match question {
            Question::Describe(file) => {
                reporter.send(&loaded(&file, &mut plugins).map(|plugin| plugin.descriptor().clone()));
            }
            Question::Create(file, options) => {
                let toy = ToyHost::new(2);
                let create = |plugin: &Plugin| plugin.create(&toy.task(), &options, &toy).map(drop);
                reporter.send(&loaded(&file, &mut plugins).and_then(create));
            }
        }
    }
    Ok(())
}

fn loaded<'a>(file: &Path, plugins: &'a mut BTreeMap<PathBuf, Plugin>) -> Result<&'a Plugin> {
    if !plugins.contains_key(file) {
        plugins.insert(file.to_owned(), Plugin::load(file)?);
    }
    Ok(&plugins[file])
}
