//! Ranks of methods over measurements, and how far mean ranks must be apart (Demšar, "Statistical Comparisons of
//! Classifiers over Multiple Data Sets", JMLR 2006).

use super::{chi_squared_tail, normal_cdf};

/// A value to the ninth digit behind the point, by which values are compared: means of the same accuracies may differ in the
/// last bit, since the order in which they are added up matters.
pub fn comparable(value: f64) -> f64 {
    // Zero has no sign then.
    (value * 1e9).round() / 1e9 + 0.0
}

/// The mean rank of each method over measurements, each of which has a value for every method: 1 is the highest, and
/// equal values share the mean of their ranks.
pub fn mean_ranks(measurements: &[Vec<f64>]) -> Vec<f64> {
    let methods = measurements.first().map_or(0, Vec::len);
    let mut sums = vec![0.0; methods];
    for values in measurements {
        let values: Vec<f64> = values.iter().copied().map(comparable).collect();
        for (sum, value) in sums.iter_mut().zip(&values) {
            let better = values.iter().filter(|other| *other > value).count();
            let worse = values.iter().filter(|other| *other < value).count();
            let equal = values.len() - better - worse;
            *sum += better as f64 + f64::midpoint(equal as f64, 1.0);
        }
    }
    sums.into_iter().map(|sum| sum / measurements.len().max(1) as f64).collect()
}

/// The probability of mean ranks this far apart if all methods are equally good (Friedman's test, chi-squared with the
/// correction for ties). None for fewer than three methods or two measurements, and if all values are equal.
pub fn friedman(measurements: &[Vec<f64>]) -> Option<f64> {
    let (k, n) = (measurements.first().map_or(0, Vec::len), measurements.len());
    if k < 3 || n < 2 {
        return None;
    }
    let (methods, count) = (k as f64, n as f64);
    let is_equal = |one: f64, two: f64| comparable(one).total_cmp(&comparable(two)).is_eq();
    // The sum of t³ − t over groups of t equal values is that of t² − 1 over their members.
    let ties: f64 = measurements
        .iter()
        .flat_map(|values| {
            values.iter().map(|value| values.iter().filter(|other| is_equal(**other, *value)).count() as f64)
        })
        .map(|equal| equal.powi(2) - 1.0)
        .sum();
    let correction = 1.0 - ties / (methods * (methods.powi(2) - 1.0) * count);
    let squares: f64 = mean_ranks(measurements).iter().map(|rank| (rank * count).powi(2)).sum();
    let statistic = 12.0 / (methods * count * (methods + 1.0)) * squares - 3.0 * count * (methods + 1.0);
    (correction > 0.0).then(|| chi_squared_tail(statistic / correction, k - 1))
}

/// By how much two mean ranks must differ to be told apart with error probability `alpha`: Nemenyi's test, `q √(k (k+1) /
/// (6 N))`, where `q` is the quantile of the studentised range of `k` methods over √2. None for fewer than two methods or
/// without measurements.
pub fn nemenyi_critical_difference(methods: usize, measurements: usize, alpha: f64) -> Option<f64> {
    if methods < 2 || measurements == 0 {
        return None;
    }
    let (k, n) = (methods as f64, measurements as f64);
    Some(studentised_range_quantile(1.0 - alpha, methods) / 2f64.sqrt() * (k * (k + 1.0) / (6.0 * n)).sqrt())
}

/// The value that the range of `count` standard normal numbers stays below with probability `probability`.
fn studentised_range_quantile(probability: f64, count: usize) -> f64 {
    let (mut low, mut high) = (0.0, 20.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if range_below(middle, count) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The probability that the range of `count` standard normal numbers is below `q`: `k ∫ φ(z) [Φ(z) − Φ(z − q)]^(k−1) dz`.
///
/// The integrand is smooth and falls off like a normal density, for which the trapezoidal rule converges faster than any
/// power of its step.
fn range_below(q: f64, count: usize) -> f64 {
    const STEP: f64 = 0.01;
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let sum: f64 = (-900..=900)
        .map(|i| {
            let z = f64::from(i) * STEP;
            density(z) * (normal_cdf(z) - normal_cdf(z - q)).powi(count as i32 - 1)
        })
        .sum();
    count as f64 * sum * STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(mean_ranks(&[vec![3.0, 1.0, 3.0], vec![1.0, 2.0, 3.0]]), [2.25, 2.5, 1.25]);
        // So do values that are the same but for the order in which they were added up.
        let (one, two) = (0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1);
        assert!(one > two);
        assert_eq!(mean_ranks(&[vec![one, two]]), [1.5, 1.5]);
        let tied = vec![1.0, 1.0, 0.0];
        assert_eq!(friedman(&[vec![one, two, 0.0], tied.clone()]), friedman(&[tied.clone(), tied]));
    }

    /// `scipy.stats.studentized_range.ppf(0.95, k, numpy.inf)` of scipy 1.16.
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (count, quantile) in [(2, 2.771_807_648_699_355), (3, 3.314_493_155_398_122), (10, 4.474_124_221_725_907)] {
            let ours = studentised_range_quantile(0.95, count);
            assert!((ours - quantile).abs() < 1e-9, "{count}: {ours}");
        }
    }
}
