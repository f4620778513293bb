//! Mean and spread of the runs behind a value, whether each has a seed of its own or samples and initialisations are
//! crossed.

use super::measure::BySeed;
use nemesis_core::record::statistics::{Crossed, Summary};
use nemesis_core::seeds::Seeds;
use std::collections::{BTreeMap, BTreeSet};

/// The mean of some runs and how far they are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    /// How far one training is from another of other seeds: over runs with seeds of their own their sample deviation, over
    /// crossed ones the root of all components of variance, from those that are complete among them. None if that cannot
    /// be told.
    pub(crate) deviation: Option<f64>,
    /// Half of the 95 % interval of the mean.
    pub(crate) half_interval: Option<f64>,
    /// The deviation that the authors' script prints; not defined over crossed runs.
    pub(crate) population_deviation: Option<f64>,
}

impl Spread {
    /// Of runs by their seeds; none without a run.
    pub(crate) fn of(runs: &BySeed) -> Option<Self> {
        let summary = Summary::of(&runs.values().copied().collect::<Vec<f64>>())?;
        if is_crossed(runs.keys()) {
            // Runs that share a sample or an initialisation are not independent, as Student's interval would have it.
            let crossed = crossed(runs);
            return Some(Self {
                mean: summary.mean,
                deviation: crossed.map(|crossed| crossed.variance().sqrt()),
                half_interval: crossed.map(|crossed| crossed.half_interval(0.95)),
                population_deviation: None,
            });
        }
        Some(Self {
            mean: summary.mean,
            deviation: summary.deviation,
            half_interval: summary.half_interval(0.95),
            population_deviation: summary.deviation.map(|_| summary.population_deviation()),
        })
    }
}

/// Whether some run has a sample of one seed and an initialisation of another.
pub(crate) fn is_crossed<'a>(seeds: impl IntoIterator<Item = &'a Option<Seeds>>) -> bool {
    seeds.into_iter().flatten().any(|seeds| !seeds.are_equal())
}

/// Samples as rows and initialisations as columns: of the samples that have the same initialisations, as many values as
/// possible; of as many, those with more initialisations. None if fewer than two of either are left.
pub(crate) fn crossed(runs: &BySeed) -> Option<Crossed> {
    let mut samples: BTreeMap<u64, BTreeMap<u64, f64>> = BTreeMap::new();
    for (seeds, value) in runs {
        let Seeds { sample, initialisation } = (*seeds)?;
        samples.entry(sample).or_default().insert(initialisation, *value);
    }
    // A run that is not complete has all initialisations of some samples, or some of all.
    let held: BTreeSet<BTreeSet<u64>> = samples.values().map(|values| values.keys().copied().collect()).collect();
    let choices: BTreeSet<BTreeSet<u64>> =
        held.iter().flat_map(|one| held.iter().map(move |other| one & other)).collect();
    let of_choice = |initialisations: &BTreeSet<u64>| -> Vec<Vec<f64>> {
        let row = |values: &BTreeMap<u64, f64>| initialisations.iter().map(|seed| values.get(seed).copied()).collect();
        samples.values().filter_map(row).collect()
    };
    let complete = choices.iter().filter(|choice| choice.len() > 1).map(of_choice).filter(|rows| rows.len() > 1);
    Crossed::of(&complete.max_by_key(|rows| (rows.len() * rows[0].len(), rows[0].len()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(values: &[(u64, u64, f64)]) -> BySeed {
        let of = |&(sample, initialisation, value)| (Some(Seeds { sample, initialisation }), value);
        values.iter().map(of).collect()
    }

    #[test]
    fn runs_with_seeds_of_their_own_are_summarised_as_ever() {
        let found = Spread::of(&runs(&[(1, 1, 60.0), (2, 2, 62.0)])).unwrap();
        assert!((found.deviation.unwrap() - 2f64.sqrt()).abs() < 1e-12);
        assert!((found.population_deviation.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn crossed_runs_are_as_far_apart_as_runs_with_seeds_of_their_own_would_be() {
        // Samples are 4 apart and initialisations not at all: the four runs' own deviation would be 2.3.
        let found = Spread::of(&runs(&[(1, 1, 60.0), (1, 2, 60.0), (2, 1, 64.0), (2, 2, 64.0)])).unwrap();
        assert!((found.mean - 62.0).abs() < 1e-12 && (found.deviation.unwrap() - 8f64.sqrt()).abs() < 1e-12);
        assert_eq!(found.population_deviation, None);
    }

    #[test]
    fn a_sample_that_lacks_an_initialisation_does_not_tell_the_spread() {
        let whole = [(1, 1, 60.0), (1, 2, 61.0), (2, 1, 64.0), (2, 2, 64.0), (3, 1, 50.0)];
        assert_eq!(crossed(&runs(&whole)), crossed(&runs(&whole[..4])));
        assert_eq!(crossed(&runs(&whole[1..])), None);
        assert_eq!(Spread::of(&runs(&whole[1..])).unwrap().deviation, None);
    }

    /// Another initialisation is computed for one sample after the other.
    #[test]
    fn an_initialisation_that_samples_lack_does_not_hide_the_others() {
        let complete = [(1, 1, 60.0), (1, 2, 61.0), (2, 1, 64.0), (2, 2, 64.5), (3, 1, 62.0), (3, 2, 61.0)];
        let more = [&complete[..], &[(1, 3, 59.0)]].concat();
        let found = crossed(&runs(&more)).unwrap();
        assert_eq!((found.rows, found.columns), (3, 2));
        assert_eq!(Some(found), crossed(&runs(&complete)));
        // As soon as it has as many values, the larger number of initialisations counts.
        let more = [&more[..], &[(2, 3, 63.0)]].concat();
        let found = crossed(&runs(&more)).unwrap();
        assert_eq!((found.rows, found.columns), (2, 3));
    }
}
