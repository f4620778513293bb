//! How much of the spread comes from either of two things that were crossed, each value of one with each of the other:
//! the two-way random-effects model without repetition, by its analysis of variance (Searle, Casella and `McCulloch`,
//! "Variance Components", 1992, chapters 3 and 4).

use super::student_quantile;
use special::{Beta, Gamma as _};

/// Values of every pair of a row and a column, at least two of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossed {
    /// How many rows there are.
    pub rows: usize,
    /// How many columns there are.
    pub columns: usize,
    /// The mean of all values.
    pub mean: f64,
    /// What differs between rows, whatever the column.
    pub by_row: Component,
    /// What differs between columns, whatever the row.
    pub by_column: Component,
    /// What depends on the pair. Nothing is repeated, so that it holds any noise as well.
    pub rest: Component,
}

/// One source of variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    /// Its mean square.
    pub mean_square: f64,
    /// The degrees of freedom of that.
    pub degrees: usize,
    /// The estimate of its variance. It is unbiased, and so may be below zero if the source contributes little.
    pub variance: f64,
    /// The lower end of the 95 % interval of its deviation (Williams and Tukey; exact for the rest). At least 0.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The probability of a mean square this large beside that of the rest if the source contributes nothing (F-test);
    /// none for the rest itself, and if nothing varies.
    pub p_value: Option<f64>,
}

impl Component {
    /// The estimate of its deviation, where a variance below zero counts as zero.
    pub fn deviation(&self) -> f64 {
        self.variance.max(0.0).sqrt()
    }
}

/// What lies outside of an interval.
const OUTSIDE: f64 = 0.05;

impl Crossed {
    /// Takes apart the variance of values by row and column. None with fewer than two rows or columns, and if rows differ
    /// in length.
    pub fn of(values: &[Vec<f64>]) -> Option<Self> {
        let (rows, columns) = (values.len(), values.first()?.len());
        if rows < 2 || columns < 2 || values.iter().any(|row| row.len() != columns) {
            return None;
        }
        let mean_of = |values: &mut dyn Iterator<Item = f64>, count: usize| values.sum::<f64>() / count as f64;
        let row_means: Vec<f64> = values.iter().map(|row| mean_of(&mut row.iter().copied(), columns)).collect();
        let column_means: Vec<f64> =
            (0..columns).map(|at| mean_of(&mut values.iter().map(|row| row[at]), rows)).collect();
        let mean = mean_of(&mut row_means.iter().copied(), rows);
        // What rounding leaves of equal values is nothing.
        let nothing = 1e-20 * (1.0 + mean * mean);
        let squares = |sum: f64| if sum < nothing * (rows * columns) as f64 { 0.0 } else { sum };
        let around = |means: &[f64]| means.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let leftover = |row: usize, column: usize| values[row][column] - row_means[row] - column_means[column] + mean;
        let pairs = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let of_rest = squares(pairs.map(|(row, column)| leftover(row, column).powi(2)).sum());
        let rest = (of_rest, (rows - 1) * (columns - 1));
        let component = |means: &[f64], each: usize| {
            Component::of((squares(each as f64 * around(means)), means.len() - 1), each, rest)
        };
        Some(Self {
            rows,
            columns,
            mean,
            by_row: component(&row_means, columns),
            by_column: component(&column_means, rows),
            rest: Component::of_rest(rest),
        })
    }

    /// Row, column and rest.
    pub fn components(&self) -> [&Component; 3] {
        [&self.by_row, &self.by_column, &self.rest]
    }

    /// The variance of a value with a row and a column of its own: the sum of all components, where those below zero count
    /// as zero.
    pub fn variance(&self) -> f64 {
        self.components().iter().map(|component| component.variance.max(0.0)).sum()
    }

    /// Half the width of an interval that holds the mean over all rows and columns, seen and unseen, with probability
    /// `confidence`: Student's, with Satterthwaite's degrees of freedom.
    pub fn half_interval(&self, confidence: f64) -> f64 {
        let kept: Vec<&Component> =
            [&self.by_row, &self.by_column].into_iter().filter(|component| component.variance > 0.0).collect();
        // With both sources, MS(row) + MS(column) - MS(rest) estimates the variance of the mean, times all values.
        let of_rest = (1.0 - kept.len() as f64, &self.rest);
        let terms: Vec<(f64, &Component)> = kept.into_iter().map(|one| (1.0, one)).chain([of_rest]).collect();
        let total: f64 = terms.iter().map(|(factor, one)| factor * one.mean_square).sum();
        if total <= 0.0 {
            return 0.0;
        }
        let spread = |(factor, one): &(f64, &Component)| (factor * one.mean_square).powi(2) / one.degrees as f64;
        let degrees = total.powi(2) / terms.iter().map(spread).sum::<f64>();
        student_quantile(confidence, degrees) * (total / (self.rows * self.columns) as f64).sqrt()
    }
}

impl Component {
    /// Of a source with a sum of squares and its degrees of freedom, each of whose means is over `each` values.
    fn of((squares, degrees): (f64, usize), each: usize, rest: (f64, usize)) -> Self {
        let (mean_square, of_rest) = (squares / degrees as f64, rest.0 / rest.1 as f64);
        let end = |probability| {
            let f = f_quantile(probability, degrees, rest.1);
            let chi_squared = chi_squared_quantile(probability, degrees);
            ((squares - f * degrees as f64 * of_rest) / (each as f64 * chi_squared)).max(0.0).sqrt()
        };
        let (low, high) = (end(1.0 - OUTSIDE / 2.0), end(OUTSIDE / 2.0));
        let p_value = (mean_square > 0.0 || of_rest > 0.0).then(|| f_tail(mean_square / of_rest, degrees, rest.1));
        let variance = (mean_square - of_rest) / each as f64;
        Self { mean_square, degrees, variance, low, high, p_value }
    }

    fn of_rest((squares, degrees): (f64, usize)) -> Self {
        let end = |probability| (squares / chi_squared_quantile(probability, degrees)).sqrt();
        let variance = squares / degrees as f64;
        let (low, high) = (end(1.0 - OUTSIDE / 2.0), end(OUTSIDE / 2.0));
        Self { mean_square: variance, degrees, variance, low, high, p_value: None }
    }
}

/// The probability that F with these degrees of freedom is above `f`, which may be infinite.
fn f_tail(f: f64, above: usize, below: usize) -> f64 {
    let (p, q) = (below as f64 / 2.0, above as f64 / 2.0);
    (below as f64 / (below as f64 + above as f64 * f)).inc_beta(p, q, p.ln_beta(q))
}

/// The value that F with these degrees of freedom stays below with probability `probability`.
fn f_quantile(probability: f64, above: usize, below: usize) -> f64 {
    // In between, the tail falls from 1 to 0 as this rises from 0 to 1.
    let value = |part: f64| part / (1.0 - part);
    value(bisect(|part| f_tail(value(part), above, below) > 1.0 - probability))
}

/// The same of chi-squared.
fn chi_squared_quantile(probability: f64, degrees: usize) -> f64 {
    let value = |part: f64| degrees as f64 * part / (1.0 - part);
    value(bisect(|part| (value(part) / 2.0).inc_gamma(degrees as f64 / 2.0) < probability))
}

/// The end of the numbers from 0 on, below 1, that are too small.
fn bisect(is_too_small: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0 - 1e-12);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if is_too_small(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows 0, 3 and 6 apart, columns 0 and 1, and nothing else.
    #[test]
    fn what_only_rows_and_columns_do_is_found_exactly() {
        let values: Vec<Vec<f64>> = [50.0, 53.0, 56.0].iter().map(|row| vec![*row, row + 1.0]).collect();
        let found = Crossed::of(&values).unwrap();
        assert!((found.mean - 53.5).abs() < 1e-12);
        assert!((found.by_row.deviation() - 3.0).abs() < 1e-12 && found.rest.deviation() < 1e-12, "{found:?}");
        assert!((found.by_column.variance - 0.5).abs() < 1e-12, "{found:?}");
        assert_eq!((found.by_row.p_value, found.by_column.p_value), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn what_does_not_vary_has_no_components_and_no_test() {
        let found = Crossed::of(&[vec![70.1; 3], vec![70.1; 3]]).unwrap();
        assert!(found.variance().abs() < 1e-30 && found.half_interval(0.95).abs() < 1e-30, "{found:?}");
        assert_eq!((found.by_row.p_value, found.by_column.p_value), (None, None));
        // Rows that differ and columns that do not: a method that draws nothing.
        let found = Crossed::of(&[vec![70.1; 3], vec![72.3; 3]]).unwrap();
        assert_eq!((found.by_row.p_value, found.by_column.p_value), (Some(0.0), None));
    }

    #[test]
    fn too_few_rows_or_columns_show_nothing() {
        for values in [vec![], vec![vec![1.0, 2.0]], vec![vec![1.0], vec![2.0]], vec![vec![1.0, 2.0], vec![3.0]]] {
            assert_eq!(Crossed::of(&values), None);
        }
    }

    proptest! {
        /// The sums of squares of the three sources are all there is.
        #[test]
        fn squares_add_up(values in (2usize..6, 2usize..6).prop_flat_map(|(rows, columns)| {
            prop::collection::vec(prop::collection::vec(0.0f64..100.0, columns), rows)
        })) {
            let found = Crossed::of(&values).unwrap();
            let sum: f64 = found.components().iter().map(|one| one.mean_square * one.degrees as f64).sum();
            let all: f64 = values.iter().flatten().map(|value| (value - found.mean).powi(2)).sum();
            prop_assert!((sum - all).abs() < 1e-8 * (1.0 + all));
            for one in found.components() {
                prop_assert!(0.0 <= one.low && one.low <= one.high && one.high.is_finite(), "{one:?}");
                prop_assert!(one.p_value.is_none_or(|p| (0.0..=1.0).contains(&p)));
            }
            prop_assert!(found.half_interval(0.95).is_finite());
        }

        #[test]
        fn order_does_not_matter(values in prop::collection::vec(prop::collection::vec(0.0f64..100.0, 3), 4)) {
            let mut turned = values.clone();
            turned.reverse();
            for row in &mut turned {
                row.reverse();
            }
            let (one, two) = (Crossed::of(&values).unwrap(), Crossed::of(&turned).unwrap());
            prop_assert!((one.by_row.variance - two.by_row.variance).abs() < 1e-9);
            prop_assert!((one.by_column.variance - two.by_column.variance).abs() < 1e-9);
        }
    }
}
