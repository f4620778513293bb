//! Averages over data sets and their uncertainty, as rliable computes them (Agarwal et al., "Deep Reinforcement Learning
//! at the Edge of the Statistical Precipice", NeurIPS 2021).

use crate::method::random;
use std::cmp::Ordering;

/// An estimate with an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// How often runs are drawn again for an interval.
pub const REPLICATES: usize = 10_000;

/// The values of each data set drawn again: one list of places for each data set.
pub type Resample = Vec<Vec<usize>>;

/// The `number`-th of the resamples that belong to a seed: from each data set as many runs as it has, with replacement.
pub fn resample(seed: u64, number: usize, runs: &[usize]) -> Resample {
    let mut draws = random::draws(seed, "bootstrap", number as u64, runs.iter().sum()).into_iter();
    let of =
        |count: &usize| draws.by_ref().take(*count).map(|draw| random::below(draw, *count as u64) as usize).collect();
    runs.iter().map(of).collect()
}

/// The mean over data sets of the means over their runs; none if a data set has no run, or there is none.
pub fn mean_of_means(datasets: &[Vec<f64>]) -> Option<f64> {
    let means: Option<Vec<f64>> =
        datasets.iter().map(|runs| (!runs.is_empty()).then(|| runs.iter().sum::<f64>() / runs.len() as f64)).collect();
    let means = means.filter(|means| !means.is_empty())?;
    Some(means.iter().sum::<f64>() / means.len() as f64)
}

/// The values at these places.
pub fn chosen(datasets: &[Vec<f64>], places: &Resample) -> Vec<Vec<f64>> {
    datasets.iter().zip(places).map(|(runs, places)| places.iter().map(|place| runs[*place]).collect()).collect()
}

/// The 95 % percentile interval of what `measure` makes of resamples.
pub fn interval(estimate: f64, mut replicates: Vec<f64>) -> Interval {
    replicates.sort_by(f64::total_cmp);
    Interval { estimate, low: quantile(&replicates, 0.025), high: quantile(&replicates, 0.975) }
}

/// A quantile of sorted values, between neighbours by their distance (NumPy's `percentile`).
fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let place = probability * sorted.len().saturating_sub(1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let value = |at: usize| sorted.get(at).or(sorted.last()).copied().unwrap_or(f64::NAN);
    value(below) + part * (value(below + 1) - value(below))
}

/// The mean over data sets with its stratified bootstrap interval: runs are drawn again within each data set. None if a
/// data set has fewer than two runs, which do not tell how much runs differ.
pub fn average_interval(datasets: &[Vec<f64>], seed: u64) -> Option<Interval> {
    let estimate = mean_of_means(datasets)?;
    let runs: Vec<usize> = datasets.iter().map(Vec::len).collect();
    if runs.iter().any(|count| *count < 2) {
        return None;
    }
    let again = |number| mean_of_means(&chosen(datasets, &resample(seed, number, &runs)));
    Some(interval(estimate, (0..REPLICATES).filter_map(again).collect()))
}

/// How likely a run of the second method is to beat a run of the first on the same data set, where ties count half;
/// averaged over data sets. None if a data set has no run.
pub fn probability_of_improvement(first: &[Vec<f64>], second: &[Vec<f64>]) -> Option<f64> {
    let of_dataset = |(first, second): (&Vec<f64>, &Vec<f64>)| {
        let pairs = first.iter().flat_map(|one| second.iter().map(move |two| (one, two)));
        let share = |(one, two): (&f64, &f64)| match two.total_cmp(one) {
            Ordering::Greater => 1.0,
            Ordering::Equal => 0.5,
            Ordering::Less => 0.0,
        };
        let wins: f64 = pairs.map(share).sum();
        let count = first.len() * second.len();
        (count > 0).then(|| wins / count as f64)
    };
    let all: Option<Vec<f64>> = first.iter().zip(second).map(of_dataset).collect();
    let all = all.filter(|all| !all.is_empty())?;
    Some(all.iter().sum::<f64>() / all.len() as f64)
}

/// [`probability_of_improvement`] with its stratified bootstrap interval; the runs of both methods are drawn again, each on
/// its own. None if a data set has fewer than two runs of a method.
pub fn improvement_interval(first: &[Vec<f64>], second: &[Vec<f64>], seed: u64) -> Option<Interval> {
    let estimate = probability_of_improvement(first, second)?;
    let runs: Vec<usize> = first.iter().chain(second).map(Vec::len).collect();
    if runs.iter().any(|count| *count < 2) {
        return None;
    }
    let again = |number| {
        let mut places = resample(seed, number, &runs);
        let of_second = places.split_off(first.len());
        probability_of_improvement(&chosen(first, &places), &chosen(second, &of_second))
    };
    Some(interval(estimate, (0..REPLICATES).filter_map(again).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_its_estimate_and_single_runs_have_none() {
        let datasets = [vec![60.0, 61.0, 65.0], vec![40.0, 41.0, 39.0]];
        let found = average_interval(&datasets, 1).unwrap();
        assert!((found.estimate - 51.0).abs() < 1e-12);
        // The mean of three resampled runs lies between their extremes.
        assert!(49.5 <= found.low && found.low < 51.0 && 51.0 < found.high && found.high <= 53.0, "{found:?}");
        assert_eq!(average_interval(&datasets, 1), average_interval(&datasets, 1));
        assert_eq!(average_interval(&[vec![60.0], vec![40.0, 41.0]], 1), None);
        assert_eq!(average_interval(&[], 1), None);
    }

    #[test]
    fn each_data_set_is_drawn_from_its_own_runs() {
        for number in 0..50 {
            let places = resample(3, number, &[3, 5]);
            assert_eq!((places[0].len(), places[1].len()), (3, 5));
            assert!(places[0].iter().all(|place| *place < 3) && places[1].iter().all(|place| *place < 5));
        }
    }
}
