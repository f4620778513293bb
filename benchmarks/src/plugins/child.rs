//! The child: runs plugins' code for a command that must outlive it.

use super::message::{Created, Question, READY};
use crate::process::{Messages, Reporter, messages_from_stdin};
use nemesis_core::Result;
use nemesis_core::method::testing::ToyHost;
use nemesis_core::plugin::Plugin;
use nemesis_core::record::has_row_for_each;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Answers questions about plugins until standard input ends: loads each when it is first asked about, and creates its
/// methods for a toy task. It may be told to compute cells then, which `work` does: a Python takes seconds to import PyTorch,
/// which it has done.
///
/// # Errors
///
/// When standard output cannot be taken over, or as a worker has them. A problem with a plugin is an answer, not an error.
pub(crate) fn answer(work: impl FnOnce(&Reporter, &Messages) -> Result<()>) -> Result<()> {
    let reporter = Reporter::take_over_stdout()?;
    let questions = messages_from_stdin()?;
    reporter.send(&READY);
    let mut plugins = BTreeMap::new();
    while let Some(question) = questions.next() {
        match question {
            Question::Describe(file) => {
                reporter.send(&loaded(&file, &mut plugins).map(|plugin| plugin.descriptor().clone()));
            }
            Question::Create(file, options) => {
                reporter.send(&loaded(&file, &mut plugins).and_then(|plugin| created(plugin, &options)));
            }
            Question::Work => return work(&reporter, &questions),
        }
    }
    Ok(())
}

/// Creates a method, and compares what it can learn for three classes and for four: a tensor that has a row for each in
/// both is one that other classes lack.
fn created(plugin: &Plugin, options: &Map<String, Value>) -> Result<Created> {
    let create = |classes| {
        let toy = ToyHost::new(classes);
        plugin.create(&toy.task(), options, &toy)
    };
    create(2)?;
    // What cannot say yet what it learns is found out in an evaluation.
    let state = |classes| create(classes).and_then(|method| Ok(method.state()?)).unwrap_or_default();
    let (three, four) = (state(3), state(4));
    let grows = |(name, tensor): &&(String, Tensor)| {
        has_row_for_each(tensor, 3) && four.iter().any(|(other, more)| other == name && has_row_for_each(more, 4))
    };
    Ok(Created { by_class: three.iter().find(grows).map(|(name, _)| name.clone()) })
}

fn loaded<'a>(file: &Path, plugins: &'a mut BTreeMap<PathBuf, Plugin>) -> Result<&'a Plugin> {
    if !plugins.contains_key(file) {
        plugins.insert(file.to_owned(), Plugin::load(file)?);
    }
    Ok(&plugins[file])
}
