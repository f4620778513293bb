//! `tokenizer.json`: texts and their tokens.

use super::check::Check;
use super::fixtures::Fixtures;
use nemesis_core::Result;
use nemesis_core::backbone::clip::{END, START, Tokenizer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: String,
    /// With start and end token.
    ids: Vec<i64>,
}

pub(super) fn checks(fixtures: &Fixtures) -> Result<Vec<Check>> {
    let cases: Vec<Case> = fixtures.json("tokenizer.json")?;
    let tokens = |text| [vec![START], Tokenizer::clip().encode(text), vec![END]].concat();
    let wrong = cases.iter().filter(|case| tokens(&case.text) != case.ids).count();
    Ok(vec![Check::exact(format!("tokenizer, {} texts", cases.len()), Ok(wrong))])
}
