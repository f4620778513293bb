//! Ranks of methods over measurements, and how far mean ranks must be apart (Demšar, "Statistical Comparisons of
//! Classifiers over Multiple Data Sets", JMLR 2006).

use special::Error as _;

/// The mean rank of each method over measurements, each of which has a value for every method: 1 is the highest, and
/// equal values share the mean of their ranks.
pub fn mean_ranks(measurements: &[Vec<f64>]) -> Vec<f64> {
    let methods = measurements.first().map_or(0, Vec::len);
    let mut sums = vec![0.0; methods];
    for values in measurements {
        for (sum, value) in sums.iter_mut().zip(values) {
            let better = values.iter().filter(|other| *other > value).count();
            let worse = values.iter().filter(|other| *other < value).count();
            let equal = values.len() - better - worse;
            *sum += better as f64 + f64::midpoint(equal as f64, 1.0);
        }
    }
    sums.into_iter().map(|sum| sum / measurements.len().max(1) as f64).collect()
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
    let phi = |z: f64| 0.5 * (1.0 + (z / 2f64.sqrt()).error());
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let sum: f64 = (-900..=900)
        .map(|i| {
            let z = f64::from(i) * STEP;
            density(z) * (phi(z) - phi(z - q)).powi(count as i32 - 1)
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
