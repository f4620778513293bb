//! `clip_adapter`: `clip_adapter.py` of gaopengcuhk/CLIP-Adapter.

use super::file::Case;
use super::subject::Subject;
use nemesis_core::Result;
use serde_json::{Map, Value};

/// A bottleneck on the image features.
#[derive(Debug)]
pub(super) struct ClipAdapter;

impl Subject for ClipAdapter {
    fn files(&self) -> &'static [&'static str] {
        &["clip_adapter"]
    }

    fn method(&self) -> &'static str {
        "clip-adapter"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        case.options(&[("ratio", "ratio"), ("reduction", "reduction")])
    }
}
