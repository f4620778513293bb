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

/// The number of the group of each data set, by its key: data sets with the same key are drawn together.
pub fn groups<K: PartialEq>(keys: &[K]) -> Vec<usize> {
    let mut known: Vec<&K> = Vec::new();
    let number = |key| {
        known.iter().position(|other| *other == key).unwrap_or_else(|| {
            known.push(key);
            known.len() - 1
        })
    };
    keys.iter().map(number).collect()
}

/// A [`resample`] that draws once for each group of data sets: their runs are of the same trainings, in the same order.
fn resample_together(seed: u64, number: usize, runs: &[usize], groups: &[usize]) -> Resample {
    let count = groups.iter().max().map_or(0, |last| last + 1);
    let firsts = (0..count).filter_map(|group| groups.iter().position(|known| *known == group));
    let drawn = resample(seed, number, &firsts.map(|at| runs[at]).collect::<Vec<_>>());
    groups.iter().map(|group| drawn[*group].clone()).collect()
}

/// Whether runs tell how much they differ: there are two or more of each data set, and as many in all of a group.
fn can_be_drawn(runs: &[usize], groups: &[usize]) -> bool {
    let is_alike = |(count, group): (&usize, &usize)| {
        runs.iter().zip(groups).all(|(other, of_other)| of_other != group || other == count)
    };
    runs.iter().all(|count| *count >= 2) && runs.iter().zip(groups).all(is_alike)
}

/// The mean over data sets with its stratified bootstrap interval: runs are drawn again within each data set, and
/// once for all data sets of a group. None if a data set has fewer than two runs, which do not tell how much runs differ.
pub fn average_interval(datasets: &[Vec<f64>], groups: &[usize], seed: u64) -> Option<Interval> {
    let estimate = mean_of_means(datasets)?;
    let runs: Vec<usize> = datasets.iter().map(Vec::len).collect();
    if !can_be_drawn(&runs, groups) {
        return None;
    }
    let again = |number| mean_of_means(&chosen(datasets, &resample_together(seed, number, &runs, groups)));
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
/// its own, and once for all data sets of a group. None if a data set has fewer than two runs of a method.
pub fn improvement_interval(first: &[Vec<f64>], second: &[Vec<f64>], groups: &[usize], seed: u64) -> Option<Interval> {
    let estimate = probability_of_improvement(first, second)?;
    let runs: Vec<usize> = first.iter().chain(second).map(Vec::len).collect();
    let count = groups.iter().max().map_or(0, |last| last + 1);
    let groups: Vec<usize> = groups.iter().copied().chain(groups.iter().map(|group| count + group)).collect();
    if !can_be_drawn(&runs, &groups) {
        return None;
    }
    let again = |number| {
        let mut places = resample_together(seed, number, &runs, &groups);
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
        let found = average_interval(&datasets, &[0, 1], 1).unwrap();
        assert!((found.estimate - 51.0).abs() < 1e-12);
        // The mean of three resampled runs lies between their extremes.
        assert!(49.5 <= found.low && found.low < 51.0 && 51.0 < found.high && found.high <= 53.0, "{found:?}");
        assert_eq!(average_interval(&datasets, &[0, 1], 1), average_interval(&datasets, &[0, 1], 1));
        assert_eq!(average_interval(&[vec![60.0], vec![40.0, 41.0]], &[0, 1], 1), None);
        assert_eq!(average_interval(&[], &[], 1), None);
    }

    /// Ten targets of one training are as uncertain as one, not a tenth of that.
    #[test]
    fn data_sets_of_the_same_trainings_are_drawn_together() {
        let one = vec![60.0, 61.0, 65.0];
        let ten = vec![one.clone(); 10];
        let alone = average_interval(std::slice::from_ref(&one), &[0], 1).unwrap();
        let (together, apart) =
            (average_interval(&ten, &[0; 10], 1).unwrap(), average_interval(&ten, &NUMBERS, 1).unwrap());
        assert!((together.low - alone.low).abs() < 1e-9 && (together.high - alone.high).abs() < 1e-9, "{together:?}");
        assert!(apart.high - apart.low < 0.5 * (alone.high - alone.low), "{apart:?}");
        let better = vec![vec![60.5, 62.0, 64.0]; 10];
        let width = |groups: &[usize]| {
            let found = improvement_interval(&ten, &better, groups, 1).unwrap();
            found.high - found.low
        };
        assert!(width(&NUMBERS) < 0.5 * width(&[0; 10]));
        assert_eq!(average_interval(&[vec![1.0, 2.0], vec![1.0, 2.0, 3.0]], &[0, 0], 1), None);
        assert_eq!(groups(&["a", "b", "a"]), [0, 1, 0]);
    }

    const NUMBERS: [usize; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

    #[test]
    fn each_data_set_is_drawn_from_its_own_runs() {
        for number in 0..50 {
            let places = resample(3, number, &[3, 5]);
            assert_eq!((places[0].len(), places[1].len()), (3, 5));
            assert!(places[0].iter().all(|place| *place < 3) && places[1].iter().all(|place| *place < 5));
        }
    }
}
