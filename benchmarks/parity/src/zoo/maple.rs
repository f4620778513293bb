//! `maple`: `trainers/maple.py` of muzairkhattak/multimodal-prompt-learning; `vpt`: `trainers/vpt.py` there.

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
        let options = [("n_ctx", "n_ctx_vision"), ("depth", "depth")];
        options.iter().map(|(ours, theirs)| Ok(((*ours).to_owned(), case.setting(theirs)?.clone()))).collect()
    }
}
