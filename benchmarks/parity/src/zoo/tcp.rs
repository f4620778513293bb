//! `tcp`: `trainers/tcp.py` of htyao89/Textual-based_Class-aware_prompt_tuning.

use super::file::Case;
use super::subject::{Subject, context_options};
use nemesis_core::{Error, Result};
use serde_json::{Map, Value};

/// Tokens of each class inside of the text tower.
#[derive(Debug)]
pub(super) struct Tcp;

impl Subject for Tcp {
    fn files(&self) -> &'static [&'static str] {
        &["tcp"]
    }

    fn method(&self) -> &'static str {
        "tcp"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let mut options = context_options(case)?;
        let prompt = case.text("prompt_template");
        let prompt = prompt.ok_or_else(|| Error::new(format!("case {} has no `prompt_template`", case.id)))?;
        options.insert("prompt".to_owned(), prompt.into());
        options.insert("weight".to_owned(), case.setting("kg_weight")?.clone());
        options.insert("layer".to_owned(), case.setting("insert_before_layer")?.clone());
        Ok(options)
    }

    fn parts(&self) -> &'static [(&'static str, &'static str)] {
        &[("cross_entropy", "cross_entropy"), ("kg_score", "distance")]
    }
}
