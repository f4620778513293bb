//! Tests of paired measurements: Wilcoxon's signed ranks, McNemar's for images, and Holm's correction for many tests.

use super::{chi_squared_tail, normal_cdf};

/// Wilcoxon's signed-rank test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignedRanks {
    /// The differences that are not zero; others say nothing and are left out.
    pub count: usize,
    /// The smaller of the two sums of ranks.
    pub statistic: f64,
    /// Whether the positive differences have the larger sum.
    pub is_positive: bool,
    /// The two-sided probability of a smaller or equal sum if both signs are equally likely.
    pub p_value: f64,
}

/// Up to how many differences all signs are enumerated; beyond, the sum of ranks is taken for normal.
const ENUMERATED: usize = 50;

impl SignedRanks {
    /// Tests whether differences are symmetric around zero. None if all of them are zero. They are ranked as they are:
    /// [`comparable`](super::comparable) makes equal what only the order of a sum has set apart.
    ///
    /// Up to 50 differences the probability is exact, given the ranks, whether or not some are tied. scipy's `wilcoxon`
    /// does the same without ties, and with ties up to 13 differences.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
        sorted.sort_by(|one, two| one.abs().total_cmp(&two.abs()));
        let count = sorted.len();
        if count == 0 {
            return None;
        }
        // Twice the mean ranks, which are whole numbers.
        let mut ranks = vec![0_usize; count];
        let mut ties = 0.0;
        let mut first = 0;
        while first < count {
            let is_tied = |i: &usize| sorted[*i].abs().total_cmp(&sorted[first].abs()).is_eq();
            let last = (first..count).take_while(is_tied).last().unwrap_or(first);
            ranks[first..=last].fill(first + last + 2);
            let alike = (last - first + 1) as f64;
            ties += alike.powi(3) - alike;
            first = last + 1;
        }
        let doubled: usize = sorted.iter().zip(&ranks).filter(|(d, _)| **d > 0.0).map(|(_, rank)| rank).sum();
        let total = count * (count + 1);
        let statistic = doubled.min(total - doubled) as f64 / 2.0;
        let p_value = if count <= ENUMERATED {
            exact(&ranks, doubled)
        } else {
            let n = count as f64;
            let deviation = ((n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0).sqrt();
            2.0 * normal_cdf((statistic - n * (n + 1.0) / 4.0) / deviation)
        };
        Some(Self { count, statistic, is_positive: doubled > total - doubled, p_value })
    }
}

/// Twice the smaller probability of a sum of the positive ranks this low or this high, over all signs.
fn exact(ranks: &[usize], sum: usize) -> f64 {
    let total: usize = ranks.iter().sum();
    // How many choices of signs have which sum. The counts are below 2^50, so they are exact.
    let mut ways = vec![0.0_f64; total + 1];
    ways[0] = 1.0;
    for rank in ranks {
        for at in (*rank..=total).rev() {
            ways[at] += ways[at - rank];
        }
    }
    let all = 2f64.powi(ranks.len() as i32);
    let low: f64 = ways[..=sum].iter().sum::<f64>() / all;
    let high: f64 = ways[sum..].iter().sum::<f64>() / all;
    (2.0 * low.min(high)).min(1.0)
}

/// Holm's step-down correction: the probabilities that several tests must be judged by together, in the same order.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, two| p_values[*one].total_cmp(&p_values[*two]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        largest = largest.max((p_values.len() - place) as f64 * p_values[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// McNemar's test of two classifiers on the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct McNemar {
    /// Images that only the first got right.
    pub only_first: usize,
    /// Images that only the second got right.
    pub only_second: usize,
    /// The two-sided binomial probability of a split this uneven if each side is equally likely.
    pub exact: f64,
    /// The same from chi-squared with Edwards' continuity correction; none if the classifiers agree on every image.
    pub chi_squared: Option<f64>,
}

impl McNemar {
    /// Compares classifiers that are right alone on so many images each.
    pub fn of(only_first: usize, only_second: usize) -> Self {
        let (fewer, all) = (only_first.min(only_second), only_first + only_second);
        let log = |n: usize| special::Gamma::ln_gamma(n as f64 + 1.0).0;
        let term = |k: usize| (log(all) - log(k) - log(all - k) - all as f64 * 2f64.ln()).exp();
        let exact = (2.0 * (0..=fewer).map(term).sum::<f64>()).min(1.0);
        let apart = only_first.abs_diff(only_second) as f64;
        let chi_squared = (all > 0).then(|| chi_squared_tail((apart - 1.0).powi(2) / all as f64, 1));
        Self { only_first, only_second, exact, chi_squared }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_rank_is_no_test() {
        assert_eq!(SignedRanks::of(&[]), None);
        assert_eq!(SignedRanks::of(&[0.0, -0.0]), None);
        assert!((SignedRanks::of(&[1.0]).unwrap().p_value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn corrected_probabilities_keep_their_order_and_stay_below_one() {
        assert_eq!(holm(&[0.04, 0.01, 0.9]), [0.08, 0.03, 0.9]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn classifiers_that_agree_cannot_be_told_apart() {
        assert_eq!(McNemar::of(0, 0), McNemar { only_first: 0, only_second: 0, exact: 1.0, chi_squared: None });
    }
}
