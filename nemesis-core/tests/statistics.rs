//! Statistics against scipy's, statsmodels', scikit-posthocs' and rliable's, kept in `fixtures/statistics`.

use nemesis_core::record::statistics::bootstrap::{chosen, interval, mean_of_means, probability_of_improvement};
use nemesis_core::record::statistics::{
    McNemar, RunsNeeded, SignedRanks, Summary, friedman, holm, mean_ranks, nemenyi_critical_difference, power,
    runs_needed,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    wilcoxon: Vec<Wilcoxon>,
    holm: Vec<Holm>,
    wilcoxon_holm: Pairwise,
    friedman: Vec<Friedman>,
    nemenyi: Pairwise,
    mcnemar: Vec<Images>,
    power: Vec<Seen>,
    runs_needed: Vec<Needed>,
    average: Average,
    improvement: Improvement,
}

#[derive(Deserialize)]
struct Wilcoxon {
    differences: Vec<f64>,
    statistic: f64,
    p_value: f64,
}

#[derive(Deserialize)]
struct Holm {
    p_values: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct Pairwise {
    measurements: Vec<Vec<f64>>,
    p_values: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Friedman {
    measurements: Vec<Vec<f64>>,
    p_value: f64,
}

#[derive(Deserialize)]
struct Images {
    only_first: usize,
    only_second: usize,
    exact: f64,
    chi_squared: f64,
}

#[derive(Deserialize)]
struct Seen {
    effect: f64,
    runs: usize,
    power: f64,
}

#[derive(Deserialize)]
struct Needed {
    effect: f64,
    runs: usize,
}

#[derive(Deserialize)]
struct Average {
    scores: Vec<Vec<f64>>,
    estimate: f64,
    low: f64,
    high: f64,
    drawn: Vec<Vec<Vec<usize>>>,
}

#[derive(Deserialize)]
struct Improvement {
    first: Vec<Vec<f64>>,
    second: Vec<Vec<f64>>,
    estimate: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("fixtures/statistics/reference.json")).unwrap()
}

#[track_caller]
fn equal(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < 1e-9, "{ours} is not {theirs}");
}

#[test]
fn signed_ranks_are_those_of_scipy() {
    for Wilcoxon { differences, statistic, p_value } in reference().wilcoxon {
        let ours = SignedRanks::of(&differences).unwrap();
        equal(ours.statistic, statistic);
        equal(ours.p_value, p_value);
    }
}

#[test]
fn holms_correction_is_that_of_statsmodels() {
    for Holm { p_values, adjusted } in reference().holm {
        for (ours, theirs) in holm(&p_values).into_iter().zip(adjusted) {
            equal(ours, theirs);
        }
    }
}

/// Every pair of columns: the upper triangle, row by row.
fn pairs(methods: usize) -> Vec<(usize, usize)> {
    (0..methods).flat_map(|one| (one + 1..methods).map(move |two| (one, two))).collect()
}

#[test]
fn pairwise_tests_are_those_of_scikit_posthocs() {
    let Pairwise { measurements, p_values } = reference().wilcoxon_holm;
    let pairs = pairs(p_values.len());
    let of = |(one, two): &(usize, usize)| {
        let differences: Vec<f64> = measurements.iter().map(|values| values[*one] - values[*two]).collect();
        SignedRanks::of(&differences).unwrap().p_value
    };
    let ours = holm(&pairs.iter().map(of).collect::<Vec<_>>());
    for ((one, two), ours) in pairs.iter().zip(ours) {
        equal(ours, p_values[*one][*two]);
    }
}

#[test]
fn ranks_are_those_of_scipy_and_scikit_posthocs() {
    for Friedman { measurements, p_value } in reference().friedman {
        equal(friedman(&measurements).unwrap(), p_value);
    }
    let Pairwise { measurements, p_values } = reference().nemenyi;
    let ranks = mean_ranks(&measurements);
    for (one, two) in pairs(ranks.len()) {
        // At the probability of a pair, the critical difference is the pair's.
        let critical = nemenyi_critical_difference(ranks.len(), measurements.len(), p_values[one][two]).unwrap();
        equal(critical, (ranks[one] - ranks[two]).abs());
    }
}

#[test]
fn mcnemars_test_is_that_of_statsmodels() {
    for Images { only_first, only_second, exact, chi_squared } in reference().mcnemar {
        let ours = McNemar::of(only_first, only_second);
        equal(ours.exact, exact);
        equal(ours.chi_squared.unwrap(), chi_squared);
    }
}

#[test]
fn power_is_that_of_scipy_and_runs_those_of_statsmodels() {
    for Seen { effect, runs, power: theirs } in reference().power {
        equal(power(effect, runs), theirs);
    }
    for Needed { effect, runs } in reference().runs_needed {
        let difference = Summary { count: 3, mean: -effect, deviation: Some(1.0) };
        assert_eq!(runs_needed(&difference), Some(RunsNeeded::Runs(runs)));
    }
}

#[test]
fn intervals_and_improvement_are_those_of_rliable() {
    let Average { scores, estimate, low, high, drawn } = reference().average;
    equal(mean_of_means(&scores).unwrap(), estimate);
    let replicates = drawn.iter().map(|places| mean_of_means(&chosen(&scores, places)).unwrap()).collect();
    let ours = interval(estimate, replicates);
    equal(ours.low, low);
    equal(ours.high, high);
    let Improvement { first, second, estimate } = reference().improvement;
    equal(probability_of_improvement(&first, &second).unwrap(), estimate);
}
