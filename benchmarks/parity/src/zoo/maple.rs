//! `maple`: `trainers/maple.py` of muzairkhattak/multimodal-prompt-learning; `vpt` and `ivlp`: `trainers/vpt.py` and
//! `trainers/independentVL.py` there.

use super::file::Case;
use super::subject::{Subject, context_options};
use nemesis_core::Result;
use serde_json::{Map, Value};

/// Prompts in both towers, coupled.
#[derive(Debug)]
pub(super) struct Maple;

/// Prompts in the image tower.
#[derive(Debug)]
pub(super) struct Vpt;

/// Prompts in both towers, independent of each other.
#[derive(Debug)]
pub(super) struct Ivlp;

impl Subject for Maple {
    fn files(&self) -> &'static [&'static str] {
        &["maple"]
    }

    fn method(&self) -> &'static str {
        "maple"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let mut options = context_options(case)?;
        options.insert("depth".to_owned(), case.setting("depth")?.clone());
        Ok(options)
    }
}

impl Subject for Vpt {
    fn files(&self) -> &'static [&'static str] {
        &["vpt"]
    }

    fn method(&self) -> &'static str {
        "vpt"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        case.options(&[("n_ctx", "n_ctx_vision"), ("depth", "depth")])
    }
}

impl Subject for Ivlp {
    fn files(&self) -> &'static [&'static str] {
        &["ivlp"]
    }

    fn method(&self) -> &'static str {
        "ivlp"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let names = [
            ("n_ctx", "n_ctx_text"),
            ("n_ctx_vision", "n_ctx_vision"),
            ("depth_text", "depth_text"),
            ("depth_vision", "depth_vision"),
        ];
        let mut options = case.options(&names)?;
        options.insert("ctx_init".to_owned(), case.text("ctx_init").unwrap_or_default().into());
        Ok(options)
    }
}
