//! `promptsrc`: `trainers/promptsrc.py` of muzairkhattak/PromptSRC.

use super::compare::{Comparison, VALUES};
use super::file::Case;
use super::subject::Subject;
use nemesis_core::Result;
use nemesis_core::method::AverageKind;
use nemesis_core::train::ResolvedProtocol;
use serde_json::{Map, Value};

/// Prompts in both towers, held by the frozen model.
#[derive(Debug)]
pub(super) struct PromptSrc;

impl Subject for PromptSrc {
    fn files(&self) -> &'static [&'static str] {
        &["promptsrc"]
    }

    fn method(&self) -> &'static str {
        "promptsrc"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let names = [
            ("n_ctx", "n_ctx_text"),
            ("n_ctx_vision", "n_ctx_vision"),
            ("depth_text", "depth_text"),
            ("depth_vision", "depth_vision"),
            ("text_loss_weight", "text_loss_weight"),
            ("image_loss_weight", "image_loss_weight"),
        ];
        let mut options = case.options(&names)?;
        options.insert("ctx_init".to_owned(), case.text("ctx_init").unwrap_or_default().into());
        Ok(options)
    }

    fn protocol(&self, case: &Case) -> ResolvedProtocol {
        ResolvedProtocol {
            average: AverageKind::Gaussian,
            average_mean: case.number("gpa_mean").ok(),
            average_deviation: case.number("gpa_std").ok(),
            ..case.protocol()
        }
    }

    fn parts(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("cross_entropy", "cross_entropy"),
            ("scl_text", "scl_text"),
            ("scl_image", "scl_image"),
            ("scl_logits", "scl_logits"),
        ]
    }

    fn compare(&self, _case: &Case, comparison: &mut Comparison<'_>) {
        comparison.tensors("average over epochs", "gpa_final.", self, |taken| Ok(&taken.learned));
        comparison.tensor("gpa_logits_eval", VALUES, |taken| Ok(&taken.after));
    }
}
