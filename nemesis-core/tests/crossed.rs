//! Components of variance against those from statsmodels' analysis of variance and scipy's distributions, kept in
//! `fixtures/statistics`.

use nemesis_core::record::statistics::{Component, Crossed};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    values: Vec<Vec<f64>>,
    mean: f64,
    by_row: Source,
    by_column: Source,
    rest: Source,
    half_interval: f64,
}

#[derive(Deserialize)]
struct Source {
    variance: f64,
    p_value: Option<f64>,
    low: f64,
    high: f64,
}

#[track_caller]
fn equal(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < 1e-9 * theirs.abs().max(1.0), "{ours} is not {theirs}");
}

#[track_caller]
fn same(ours: &Component, theirs: &Source) {
    equal(ours.variance, theirs.variance);
    assert_eq!(ours.p_value.is_some(), theirs.p_value.is_some());
    equal(ours.p_value.unwrap_or_default(), theirs.p_value.unwrap_or_default());
    equal(ours.low, theirs.low);
    equal(ours.high, theirs.high);
}

#[test]
fn components_are_those_of_an_analysis_of_variance() {
    let reference: Reference = serde_json::from_str(include_str!("fixtures/statistics/crossed.json")).unwrap();
    let mut below_zero = 0;
    for case in &reference.cases {
        let ours = Crossed::of(&case.values).unwrap();
        equal(ours.mean, case.mean);
        same(&ours.by_row, &case.by_row);
        same(&ours.by_column, &case.by_column);
        same(&ours.rest, &case.rest);
        equal(ours.half_interval(0.95), case.half_interval);
        below_zero += ours.components().iter().filter(|component| component.variance < 0.0).count();
    }
    assert!(below_zero > 2, "the fixture holds estimates below zero");
}
