//! Statistics over the few runs of a cell: spread, intervals, paired comparison, collapsed runs, and whether methods can
//! be told apart.

pub mod bootstrap;
mod crossed;
mod paired_tests;
mod power;
mod ranks;

pub use crossed::{Component, Crossed};
pub use paired_tests::{McNemar, SignedRanks, holm};
pub use power::{MOST_RUNS, POWER, RunsNeeded, power, runs_needed};
pub use ranks::{comparable, friedman, mean_ranks, nemenyi_critical_difference};

use special::{Beta, Error as _, Gamma as _};

/// Mean and spread of accuracies, one of each seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many values there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample deviation (divided by `count - 1`); none for a single value.
    pub deviation: Option<f64>,
}

impl Summary {
    /// Summarises `values`; none when there is no value.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        Some(Self { count, mean, deviation })
    }

    /// Half the width of Student's interval for the mean: it holds the true mean with probability `confidence`
    /// (for instance 0.95) if the values are normal. None for a single value.
    pub fn half_interval(&self, confidence: f64) -> Option<f64> {
        let degrees = (self.count - 1) as f64;
        self.deviation.map(|deviation| student_quantile(confidence, degrees) * deviation / (self.count as f64).sqrt())
    }

    /// The deviation divided by `count`, which the authors' script prints (`parse_test_res.py`: NumPy's `std`). For
    /// three seeds it is a fifth smaller than the sample deviation.
    pub fn population_deviation(&self) -> f64 {
        let factor = ((self.count - 1) as f64 / self.count as f64).sqrt();
        self.deviation.map_or(0.0, |deviation| deviation * factor)
    }
}

/// How far from zero Student's t with `degrees` of freedom lies with probability `1 - confidence`, both sides together.
fn student_quantile(confidence: f64, degrees: f64) -> f64 {
    let (p, q) = (degrees / 2.0, 0.5);
    let x = (1.0 - confidence).inv_inc_beta(p, q, p.ln_beta(q));
    (degrees * (1.0 - x) / x).sqrt()
}

/// The probability that Student's t with `degrees` of freedom is at least as far from zero as `t`.
fn student_tails(t: f64, degrees: f64) -> f64 {
    let (p, q) = (degrees / 2.0, 0.5);
    (degrees / (degrees + t * t)).inc_beta(p, q, p.ln_beta(q))
}

/// The probability that a standard normal number is below `z`.
fn normal_cdf(z: f64) -> f64 {
    0.5 * (-z / 2f64.sqrt()).compl_error()
}

/// The probability that chi-squared with `degrees` of freedom is above `x`.
fn chi_squared_tail(x: f64, degrees: usize) -> f64 {
    if x <= 0.0 { 1.0 } else { 1.0 - (x / 2.0).inc_gamma(degrees as f64 / 2.0) }
}

/// Two methods compared on the same data sets, shots and seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// The differences, second minus first: their number, mean and deviation.
    pub difference: Summary,
    /// Pairs in which the second was better.
    pub wins: usize,
    /// Pairs in which the first was better.
    pub losses: usize,
    /// The two-sided probability of a mean difference this far from zero if there is none (paired t-test); none for a
    /// single pair, or when all differences are zero.
    pub p_value: Option<f64>,
}

impl Paired {
    /// Compares pairs `(first, second)`; none when there is no pair.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let differences: Vec<f64> = pairs.iter().map(|(first, second)| second - first).collect();
        let difference = Summary::of(&differences)?;
        let p_value = difference.deviation.and_then(|deviation| {
            let t = difference.mean / (deviation / (difference.count as f64).sqrt());
            // Zero over zero: there is nothing to test.
            (!t.is_nan()).then(|| student_tails(t, (difference.count - 1) as f64))
        });
        Some(Self {
            difference,
            wins: differences.iter().filter(|d| **d > 0.0).count(),
            losses: differences.iter().filter(|d| **d < 0.0).count(),
            p_value,
        })
    }
}

/// How many points below its best sibling a run must be to count as collapsed …
pub const COLLAPSE_POINTS: f64 = 15.0;
/// … and at what fraction of that sibling, at most.
pub const COLLAPSE_FRACTION: f64 = 0.75;

/// Which of the runs (of one data set, method and number of shots, each with another seed) collapsed: far below the
/// best of them, by both [`COLLAPSE_POINTS`] and [`COLLAPSE_FRACTION`].
///
/// The best is the measure, not the median, because most of three seeds may collapse: CoOp's users saw 12.0, 15.2 and
/// 63.4 % on DTD (its issue 24).
pub fn collapsed(accuracies: &[f64]) -> Vec<bool> {
    let best = accuracies.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    accuracies.iter().map(|a| *a < best - COLLAPSE_POINTS && *a < best * COLLAPSE_FRACTION).collect()
}

/// The harmonic mean of base and new accuracy; zero when either is.
pub fn harmonic_mean(base: f64, new: f64) -> f64 {
    if base <= 0.0 || new <= 0.0 { 0.0 } else { 2.0 * base * new / (base + new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3 * b.abs().max(1.0)
    }

    #[test]
    fn spread_of_three_seeds() {
        // The CoOp author's Caltech101 runs at 16 shots (COOP.md), where the script prints 92.00 +- 0.15.
        let summary = Summary::of(&[91.81, 92.01, 92.17]).unwrap();
        assert!(near(summary.mean, 91.997));
        assert!(near(summary.deviation.unwrap(), 0.1804));
        assert!(near(summary.population_deviation(), 0.1473));
        assert!(near(summary.half_interval(0.95).unwrap(), 4.3027 * 0.1804 / 3f64.sqrt()));
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (count, quantile) in [(2, 12.706), (3, 4.303), (5, 2.776), (11, 2.228)] {
            let summary = Summary { count, mean: 0.0, deviation: Some((count as f64).sqrt()) };
            assert!(near(summary.half_interval(0.95).unwrap(), quantile), "{count}");
        }
    }

    #[test]
    fn one_value_has_no_spread_and_none_no_mean() {
        let summary = Summary::of(&[50.0]).unwrap();
        assert_eq!((summary.deviation, summary.half_interval(0.95)), (None, None));
        assert!(summary.population_deviation().abs() < f64::EPSILON);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn paired_comparison() {
        // Differences 1, 2, 3: t = 2 / (1 / sqrt 3) = 3.4641 with two degrees of freedom.
        let paired = Paired::of(&[(50.0, 51.0), (60.0, 62.0), (70.0, 73.0)]).unwrap();
        assert_eq!((paired.wins, paired.losses), (3, 0));
        assert!(near(paired.p_value.unwrap(), 0.0742));
        let constant = Paired::of(&[(1.0, 2.0), (2.0, 3.0)]).unwrap();
        assert!(constant.p_value.unwrap().abs() < f64::EPSILON);
        assert_eq!(Paired::of(&[(1.0, 1.0), (2.0, 2.0)]).unwrap().p_value, None);
        assert_eq!(Paired::of(&[(1.0, 2.0)]).unwrap().p_value, None);
        assert_eq!(Paired::of(&[]), None);
    }

    #[test]
    fn a_run_far_below_its_best_sibling_collapsed() {
        assert_eq!(collapsed(&[12.0, 15.19, 63.42]), [true, true, false]);
        assert_eq!(collapsed(&[44.5, 93.87, 94.97]), [true, false, false]);
        // One-shot runs of EuroSAT scatter by more than ten points without anything wrong.
        assert_eq!(collapsed(&[45.0, 58.0, 51.0]), [false; 3]);
        assert_eq!(collapsed(&[8.0, 20.0]), [false; 2]);
        assert!(collapsed(&[]).is_empty());
    }

    #[test]
    fn harmonic_mean_of_base_and_new() {
        // CoCoOp's averages in the MaPLe repository.
        assert!(near(harmonic_mean(80.47, 71.69), 75.83));
        assert!(harmonic_mean(0.0, 50.0).abs() < f64::EPSILON);
    }
}
