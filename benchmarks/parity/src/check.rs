//! What a check is, how far values are apart, and the line that tells of it.

use std::fmt;
use tch::{Kind, Tensor};

/// How far a value may be from the golden one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// Not at all; the error counts the items that differ.
    Exact,
    /// By this much, relative to the golden value.
    Relative(f64),
}

/// One comparison with golden values.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was compared.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How large the error may be.
    pub tolerance: Tolerance,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The largest error.
    Error(f64),
    /// Our side could not be computed, and why.
    Impossible(String),
    /// Nothing was compared, and why.
    Skipped(String),
}

impl Check {
    /// A check that allows no difference; `differing` counts the items that differ.
    pub(super) fn exact(name: impl Into<String>, differing: nemesis_core::Result<usize>) -> Self {
        Self::new(name, differing.map(|count| count as f64), Tolerance::Exact)
    }

    /// A check of a relative error.
    pub(super) fn relative(name: impl Into<String>, error: nemesis_core::Result<f64>, tolerance: f64) -> Self {
        Self::new(name, error, Tolerance::Relative(tolerance))
    }

    fn new(name: impl Into<String>, error: nemesis_core::Result<f64>, tolerance: Tolerance) -> Self {
        let in_one_line = |e: nemesis_core::Error| e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let outcome = error.map_or_else(|e| Outcome::Impossible(in_one_line(e)), Outcome::Error);
        Self { name: name.into(), outcome, tolerance }
    }

    /// What is not compared, and why.
    pub(super) fn skipped(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Skipped(reason.into()), tolerance: Tolerance::Exact }
    }

    /// Whether the error is within the tolerance. What is not a number never is, nor is what was skipped.
    pub fn passed(&self) -> bool {
        let most = match self.tolerance {
            Tolerance::Exact => 0.0,
            Tolerance::Relative(most) => most,
        };
        matches!(self.outcome, Outcome::Error(error) if error <= most)
    }

    /// Whether nothing was compared.
    pub fn was_skipped(&self) -> bool {
        matches!(self.outcome, Outcome::Skipped(_))
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Outcome::Skipped(reason) = &self.outcome {
            return write!(f, "{:<56} {:>8} {:>6}  skipped: {reason}", self.name, "-", "-");
        }
        let verdict = if self.passed() { "ok" } else { "FAIL" };
        let error = match (&self.outcome, self.tolerance) {
            (Outcome::Error(error), Tolerance::Exact) => format!("{error}"),
            (Outcome::Error(error), Tolerance::Relative(_)) => format!("{error:.1e}"),
            _ => "-".to_owned(),
        };
        let tolerance = match self.tolerance {
            Tolerance::Exact => "exact".to_owned(),
            Tolerance::Relative(most) => format!("{most:.0e}"),
        };
        write!(f, "{:<56} {error:>8} {tolerance:>6}  {verdict}", self.name)?;
        match &self.outcome {
            Outcome::Impossible(reason) => write!(f, ": {reason}"),
            _ => Ok(()),
        }
    }
}

/// How many items differ, those that one side lacks included.
pub(super) fn differing<T: PartialEq>(found: &[T], golden: &[T]) -> usize {
    let paired = found.iter().zip(golden).filter(|(found, golden)| found != golden).count();
    paired + found.len().abs_diff(golden.len())
}

/// The norm of the difference over the norm of the golden tensor; infinite when their shapes differ.
pub(super) fn norm_error(found: &Tensor, golden: &Tensor) -> f64 {
    if found.size() != golden.size() {
        return f64::INFINITY;
    }
    let (found, golden) = (found.detach().to_kind(Kind::Double), golden.to_kind(Kind::Double));
    let difference = (found - &golden).norm().double_value(&[]);
    relative(difference, golden.norm().double_value(&[]))
}

/// The largest [`norm_error`] of a row.
pub(super) fn largest_row_error(found: &Tensor, golden: &Tensor) -> f64 {
    if found.size() != golden.size() {
        return f64::INFINITY;
    }
    largest((0..golden.size()[0]).map(|row| norm_error(&found.get(row), &golden.get(row))))
}

/// The distance of two numbers, relative to the golden one unless that is zero.
pub(super) fn number_error(found: f64, golden: f64) -> f64 {
    relative((found - golden).abs(), golden.abs())
}

fn relative(difference: f64, golden: f64) -> f64 {
    if golden > 0.0 { difference / golden } else { difference }
}

/// The largest of some errors: zero when there is none, and no number when one is none.
pub(super) fn largest(errors: impl IntoIterator<Item = f64>) -> f64 {
    errors.into_iter().fold(0.0, |most, error| if error.is_nan() || error > most { error } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_name_error_tolerance_and_verdict() {
        let lines = [
            Check::exact("tokenizer, 3 texts", Ok(0)),
            Check::exact("tokenizer, 3 texts", Ok(2)),
            Check::relative("features", Ok(1.234e-6), 1e-4),
            Check::relative("features", Ok(f64::NAN), 1e-4),
            Check::relative("features", Err(nemesis_core::Error::new("no\nsuch thing")), 1e-4),
            Check::skipped("features", "no tower"),
        ];
        insta::assert_snapshot!(lines.map(|check| check.to_string()).join("\n"), @r"
        tokenizer, 3 texts                                              0  exact  ok
        tokenizer, 3 texts                                              2  exact  FAIL
        features                                                   1.2e-6   1e-4  ok
        features                                                      NaN   1e-4  FAIL
        features                                                        -   1e-4  FAIL: no such thing
        features                                                        -      -  skipped: no tower
        ");
    }

    #[test]
    fn no_error_hides_behind_another() {
        assert!(largest([1.0, f64::NAN, 2.0]).is_nan());
        assert!(largest([f64::NAN, 1.0]).is_nan());
        assert!((largest([1.0, 3.0, 2.0]) - 3.0).abs() < f64::EPSILON);
        assert_eq!(differing(&[1, 2, 3], &[1, 5]), 2);
        let (found, golden) = (Tensor::from_slice(&[3.0, 4.0]), Tensor::from_slice(&[3.0, 5.0]));
        assert!((norm_error(&found, &golden) - 1.0 / 34f64.sqrt()).abs() < 1e-12);
        assert!(norm_error(&found, &golden.unsqueeze(0)).is_infinite());
    }
}
