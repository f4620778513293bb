//! How many runs it takes to tell two methods apart.

use super::{Summary, normal_cdf, student_quantile};

/// With how many runs a paired t-test at 5 % is likely enough to see a difference like this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsNeeded {
    /// So many.
    Runs(usize),
    /// More than [`MOST_RUNS`].
    TooMany,
}

/// The most runs that are considered.
pub const MOST_RUNS: usize = 1000;

/// How likely the difference has to be seen.
pub const POWER: f64 = 0.8;

/// How many paired runs show a difference at 5 % with a probability of 80 %, if the true one has this mean and
/// deviation. None without a deviation, and if there is no difference.
pub fn runs_needed(difference: &Summary) -> Option<RunsNeeded> {
    let deviation = difference.deviation?;
    if difference.mean == 0.0 {
        return None;
    }
    if deviation == 0.0 {
        return Some(RunsNeeded::Runs(2));
    }
    let effect = difference.mean.abs() / deviation;
    let enough = |runs: usize| power(effect, runs) >= POWER;
    if !enough(MOST_RUNS) {
        return Some(RunsNeeded::TooMany);
    }
    let (mut too_few, mut many) = (1, MOST_RUNS);
    while many - too_few > 1 {
        let middle = usize::midpoint(too_few, many);
        if enough(middle) { many = middle } else { too_few = middle }
    }
    Some(RunsNeeded::Runs(many))
}

/// How likely a two-sided paired t-test at 5 % with so many runs (two or more) sees a difference of `effect` deviations.
pub fn power(effect: f64, runs: usize) -> f64 {
    let degrees = (runs - 1) as f64;
    let (limit, shift) = (student_quantile(0.95, degrees), effect * (runs as f64).sqrt());
    1.0 - noncentral_student_cdf(limit, degrees, shift) + noncentral_student_cdf(-limit, degrees, shift)
}

/// The probability that Student's t with `degrees` of freedom and this shift is below `t`: the mean of `Φ(t s − shift)` over
/// `s`, where `degrees s²` is chi-squared.
///
/// Over `ln s` the integrand is smooth and falls off on both sides, for which the trapezoidal rule converges faster than
/// any power of its step.
fn noncentral_student_cdf(t: f64, degrees: f64, shift: f64) -> f64 {
    const STEP: f64 = 1.0 / 64.0;
    let half = degrees / 2.0;
    let scale = 2f64.ln() + half * half.ln() - special::Gamma::ln_gamma(half).0;
    let density = |log: f64| (scale + degrees * log - half * (2.0 * log).exp()).exp();
    let first = -(45.0 / degrees).max(3.0);
    let count = ((3.0 - first) / STEP) as usize;
    let places = (0..=count).map(|i| first + i as f64 * STEP);
    STEP * places.map(|log| density(log) * normal_cdf(t * log.exp() - shift)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_difference_needs_no_runs_and_a_constant_one_two() {
        let difference = |mean, deviation| Summary { count: 3, mean, deviation };
        assert_eq!(runs_needed(&difference(0.0, Some(1.0))), None);
        assert_eq!(runs_needed(&difference(1.0, None)), None);
        assert_eq!(runs_needed(&difference(1.0, Some(0.0))), Some(RunsNeeded::Runs(2)));
        assert_eq!(runs_needed(&difference(0.01, Some(1.0))), Some(RunsNeeded::TooMany));
    }

    #[test]
    fn without_a_shift_it_is_students_distribution() {
        // With two degrees of freedom the quantile has a closed form.
        let quantile = 0.95 * (2.0 / (1.0 - 0.95f64.powi(2))).sqrt();
        assert!((noncentral_student_cdf(quantile, 2.0, 0.0) - 0.975).abs() < 1e-12);
        assert!((power(0.0, 3) - 0.05).abs() < 1e-9);
    }
}
