//! `prograd`: `ProGrad.public/trainers/prograd.py` of BeierZhu/Prompt-align.

use super::compare::{Comparison, STEPS, reported, worst};
use super::file::Case;
use super::subject::Subject;
use nemesis_core::{Error, Result};
use serde_json::{Map, Value, json};

/// Context vectors that never learn against a hand-written prompt.
#[derive(Debug)]
pub(super) struct ProGrad;

impl Subject for ProGrad {
    fn files(&self) -> &'static [&'static str] {
        &["prograd"]
    }

    fn method(&self) -> &'static str {
        "prograd"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let mut options = Map::new();
        options.insert("n_ctx".to_owned(), case.setting("n_ctx")?.clone());
        options.insert("words".to_owned(), json!(case.flag("ctx_init")));
        options.insert("lambda".to_owned(), case.setting("lambda")?.clone());
        options.insert("temperature".to_owned(), case.setting("temperature")?.clone());
        Ok(options)
    }

    fn gradient(&self) -> &'static str {
        "grad0_final"
    }

    fn loss(&self) -> &'static [&'static str] {
        &["xe_loss"]
    }

    fn parts(&self) -> &'static [(&'static str, &'static str)] {
        &[("kl_loss", "kl_loss")]
    }

    fn compare(&self, case: &Case, comparison: &mut Comparison<'_>) {
        // In single precision, the cosine of two long vectors is a sum with cancellation.
        comparison.check("cosine of both gradients", STEPS, |taken| {
            worst(taken.steps.iter().zip(&case.trace).map(|(step, traced)| {
                let golden = traced.number(&["cos"]).ok_or_else(|| Error::new("a step has no `cos`"))?;
                Ok((reported(step, "cosine")? - golden).abs())
            }))
        });
        comparison.trace("projected", &["projected"], |step| reported(step, "projected"));
        for number in 1..case.trace.len() {
            let prefix = format!("grad{number}_final.");
            comparison.tensors(&format!("gradient of step {number}"), &prefix, self, |taken| {
                taken.steps.get(number).map(|step| &step.gradients).ok_or_else(|| Error::new("there is no such step"))
            });
        }
    }
}
