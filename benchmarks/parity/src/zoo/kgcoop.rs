//! `kgcoop`: `KgCoOp/trainers/kgcoop.py` of htyao89/KgCoOp.

use super::file::Case;
use super::subject::{Subject, context_options};
use nemesis_core::Result;
use serde_json::{Map, Value};

/// Context vectors kept close to a hand-written prompt.
#[derive(Debug)]
pub(super) struct KgCoop;

impl Subject for KgCoop {
    fn files(&self) -> &'static [&'static str] {
        &["kgcoop"]
    }

    fn method(&self) -> &'static str {
        "kg-coop"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let mut options = context_options(case)?;
        options.insert("weight".to_owned(), case.setting("w")?.clone());
        Ok(options)
    }

    fn parts(&self) -> &'static [(&'static str, &'static str)] {
        &[("cross_entropy", "cross_entropy"), ("kg_score", "distance")]
    }
}
