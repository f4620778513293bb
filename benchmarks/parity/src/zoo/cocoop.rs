//! `cocoop`: `trainers/cocoop.py` of KaiyangZhou/CoOp.

use super::file::Case;
use super::subject::{Subject, context_options};
use nemesis_core::Result;
use serde_json::{Map, Value};

/// Context vectors that depend on the image.
#[derive(Debug)]
pub(super) struct CoCoOp;

impl Subject for CoCoOp {
    fn files(&self) -> &'static [&'static str] {
        &["cocoop"]
    }

    fn method(&self) -> &'static str {
        "cocoop"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        context_options(case)
    }
}
