//! How a file of golden values is read as one of our methods.

use super::compare::Comparison;
use super::file::{Case, File};
use super::replay::Drawn;
use super::steps::take;
use super::towers::Towers;
use crate::check::Check;
use crate::fixtures::{Fixtures, Tensors};
use crate::methods::Create;
use nemesis_core::Result;
use nemesis_core::engine::clean_names;
use nemesis_core::train::ResolvedProtocol;
use serde_json::{Map, Value};

/// One of our methods beside its authors' code.
pub(super) trait Subject: Sync {
    /// The names of the files that hold its golden values, without extension.
    fn files(&self) -> &'static [&'static str];

    /// The id of our method.
    fn method(&self) -> &'static str;

    /// The options that a case stands for.
    ///
    /// # Errors
    ///
    /// When the case lacks a setting.
    fn options(&self, case: &Case) -> Result<Map<String, Value>>;

    /// Whether a golden value of a case is to be compared, by its name without the case: `logits_eval`, or
    /// `grad0.PARAMETER`. Values of a known fault of the authors' code are not.
    fn compares(&self, case: &Case, golden: &Tensors, name: &str) -> bool {
        let _ = (case, golden, name);
        true
    }

    /// The template of the task: what the case says of a teacher or of its prompts.
    ///
    /// # Errors
    ///
    /// When the case lacks it, and the method needs one.
    fn template(&self, case: &Case) -> Result<String> {
        Ok(case.text("teacher_template").or(case.text("template")).unwrap_or("a photo of a {}.").to_owned())
    }

    /// The class names that the method is created for.
    fn class_names(&self, file: &File) -> Vec<String> {
        clean_names(&file.class_names)
    }

    /// Our name of a parameter of the authors'; nothing for what is not a parameter.
    fn parameter(&self, name: &str) -> Option<String> {
        Some(name.strip_prefix("prompt_learner.").unwrap_or(name).to_owned())
    }

    /// Whether the method looks at the first batch before it is trained.
    fn prepares(&self) -> bool {
        false
    }

    /// The optimiser and the schedule of a case.
    fn protocol(&self, case: &Case) -> ResolvedProtocol {
        case.protocol()
    }

    /// What the authors' code has drawn, for a method that would draw something else.
    ///
    /// # Errors
    ///
    /// When the case does not say.
    fn drawn(&self, case: &Case, golden: &Tensors) -> Result<Option<Drawn>> {
        let _ = (case, golden);
        Ok(None)
    }

    /// What comes before a parameter's name in that of its gradient in the first step.
    fn gradient(&self) -> &'static str {
        "grad0"
    }

    /// The names under which the loss may have been logged.
    fn loss(&self) -> &'static [&'static str] {
        &["total_loss", "loss"]
    }

    /// The parts of the loss: what the authors call each, and what we report it as.
    fn parts(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Compares what only this method has.
    fn compare(&self, case: &Case, comparison: &mut Comparison<'_>) {
        let _ = (case, comparison);
    }

    /// All checks of one of its files, for a method that is not trained step by step on batches of images. Others leave
    /// it to [`stepwise`].
    ///
    /// # Errors
    ///
    /// When the file is malformed or a checkpoint cannot be read. What our code cannot compute is a failed check.
    fn checks(
        &self,
        name: &str,
        fixtures: &Fixtures,
        towers: &mut Towers<'_>,
        create: &mut Create<'_>,
    ) -> Result<Option<Vec<Check>>> {
        let _ = (name, fixtures, towers, create);
        Ok(None)
    }
}

/// The options of a method that learns context vectors: how many, and what they start from.
///
/// # Errors
///
/// When the case does not say how many.
pub(super) fn context_options(case: &Case) -> Result<Map<String, Value>> {
    let mut options = Map::new();
    options.insert("n_ctx".to_owned(), case.setting("n_ctx")?.clone());
    // Without a text, contexts start from random vectors, whatever the method's default.
    options.insert("ctx_init".to_owned(), case.text("ctx_init").unwrap_or_default().into());
    Ok(options)
}

/// The checks of a method that is trained step by step: its logits, losses, gradients and parameters.
pub(super) fn stepwise(
    subject: &dyn Subject,
    name: &str,
    fixtures: &Fixtures,
    towers: &mut Towers<'_>,
    create: &mut Create<'_>,
) -> Result<Vec<Check>> {
    let (file, golden) = fixtures.pair::<File>(name)?;
    let towers = towers.of(&file.weights)?;
    let mut checks = Vec::new();
    for case in &file.cases {
        let taken = take(subject, &file, case, &golden, &towers, create);
        let mut comparison = Comparison::new(name, case, &golden, &taken);
        comparison.all(subject);
        subject.compare(case, &mut comparison);
        checks.extend(comparison.finish());
    }
    Ok(checks)
}
