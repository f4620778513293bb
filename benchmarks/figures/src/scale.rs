//! From values to places, and the values that are written along an axis.

/// How values are spread along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Evenly, from the first to the second.
    Linear(f64, f64),
    /// Evenly by place in this list of values with what is written below them, as shots are: what is not in it lies
    /// between its neighbours.
    Steps(Vec<(f64, String)>),
}

impl Scale {
    /// A linear scale that holds all of `values` between round numbers, about `ticks` of them.
    pub fn around(values: impl IntoIterator<Item = f64>, ticks: usize) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-9 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let step = round_step((high - low) / ticks.max(1) as f64);
        Self::Linear((low / step).floor() * step, (high / step).ceil() * step)
    }

    /// The place of a value, from 0 to 1 for those on the scale.
    pub fn place(&self, value: f64) -> f64 {
        match self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Steps(steps) => {
                let last = steps.len().saturating_sub(1).max(1) as f64;
                let after = steps.partition_point(|(step, _)| *step < value);
                let index = match (after.checked_sub(1).map(|i| steps[i].0), steps.get(after).map(|(step, _)| step)) {
                    (Some(before), Some(next)) => (after as f64 - 1.0) + (value - before) / (next - before),
                    (None, _) => 0.0,
                    (Some(_), None) => last,
                };
                // A little room on both sides.
                0.06 + 0.88 * index / last
            }
        }
    }

    /// The values to be written along the axis, about `count` of them where it is linear, with their text.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        match self {
            Self::Steps(steps) => steps.clone(),
            Self::Linear(low, high) => {
                let step = round_step((high - low) / count.max(1) as f64);
                let decimals = (-step.log10().floor()).max(0.0) as usize;
                let first = (low / step - 1e-9).ceil() as i64;
                let last = (high / step + 1e-9).floor() as i64;
                (first..=last).map(|i| i as f64 * step).map(|value| (value, format!("{value:.decimals$}"))).collect()
            }
        }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below a number.
fn round_step(at_least: f64) -> f64 {
    let power = 10f64.powf(at_least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= at_least * 0.999)
        .unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale, count: usize) -> Vec<String> {
        scale.ticks(count).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn linear_scales_end_at_round_numbers() {
        let scale = Scale::around([47.3, 63.9], 4);
        assert_eq!(scale, Scale::Linear(45.0, 65.0));
        assert_eq!(texts(&scale, 4), ["45", "50", "55", "60", "65"]);
        assert_eq!(texts(&Scale::around([0.157, 0.232], 4), 4), ["0.15", "0.20"]);
        assert_eq!(texts(&Scale::around([5.0], 4), 2), ["4.5", "5.0", "5.5"]);
        assert_eq!(Scale::around([], 4), Scale::Linear(0.0, 1.0));
    }

    #[test]
    fn steps_are_evenly_spread() {
        let scale = Scale::Steps([0.0, 1.0, 2.0, 4.0, 8.0].map(|step| (step, step.to_string())).to_vec());
        let places: Vec<f64> = [0.0, 1.0, 3.0, 8.0].map(|value| scale.place(value)).to_vec();
        assert!((places[0] - 0.06).abs() < 1e-12 && (places[3] - 0.94).abs() < 1e-12);
        assert!((places[2] - (0.06 + 0.88 * 2.5 / 4.0)).abs() < 1e-12);
        assert_eq!(texts(&scale, 9), ["0", "1", "2", "4", "8"]);
    }
}
