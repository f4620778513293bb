//! L-BFGS for smooth convex functions (Liu and Nocedal, "On the limited memory BFGS method for large scale
//! optimization", 1989), with a line search by bisection for the weak Wolfe conditions.

use nemesis_sdk::Result;
use nemesis_sdk::tch::{Kind, Tensor};
use std::collections::VecDeque;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest number of iterations.
    pub(crate) iterations: u64,
    /// The largest element of the gradient that is as good as zero.
    pub(crate) gradient: f64,
}

/// How many steps are remembered, as in scikit-learn.
const MEMORY: usize = 10;
/// The relative decrease that is none: 64 times the distance of neighbouring numbers, as in scikit-learn.
const NO_DECREASE: f64 = 64.0 * f64::EPSILON;
/// The line search: the share of the expected decrease that is enough, the share of the slope that may stay, and the
/// number of tries.
const DECREASE: f64 = 1e-4;
const SLOPE: f64 = 0.9;
const TRIES: usize = 50;

/// The point where `function`, which returns its value and gradient, is smallest, from `start` on.
pub(crate) fn minimise(
    start: &Tensor,
    limits: Limits,
    function: impl Fn(&Tensor) -> Result<(f64, Tensor)>,
) -> Result<Tensor> {
    let mut point = start.copy();
    let (mut value, mut gradient) = function(&point)?;
    let mut memory = VecDeque::with_capacity(MEMORY);
    for _ in 0..limits.iterations {
        if f64::try_from(gradient.abs().max())? <= limits.gradient {
            break;
        }
        let mut direction = direction(&gradient, &memory)?;
        let mut slope = dot(&gradient, &direction)?;
        if slope >= 0.0 {
            memory.clear();
            (direction, slope) = (-&gradient, -dot(&gradient, &gradient)?);
        }
        // Nothing is known of the scale before the first step.
        let first = if memory.is_empty() { (1.0 / (-slope).sqrt()).min(1.0) } else { 1.0 };
        let Some(next) = search(&point, value, slope, &direction, first, &function)? else { break };
        let (step, change) = (&next.point - &point, &next.gradient - &gradient);
        let curvature = dot(&step, &change)?;
        if curvature > f64::EPSILON * dot(&change, &change)? {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back(Pair { step, change, curvature });
        }
        let decrease = (value - next.value) / value.abs().max(next.value.abs()).max(1.0);
        (point, value, gradient) = (next.point, next.value, next.gradient);
        if decrease <= NO_DECREASE {
            break;
        }
    }
    Ok(point)
}

/// A step that was taken, the change of the gradient along it, and their product.
struct Pair {
    step: Tensor,
    change: Tensor,
    curvature: f64,
}

/// The two loops over what is remembered: minus the inverse curvature times the gradient.
fn direction(gradient: &Tensor, memory: &VecDeque<Pair>) -> Result<Tensor> {
    let mut direction = -gradient;
    let mut shares = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let share = dot(&pair.step, &direction)? / pair.curvature;
        direction -= &pair.change * share;
        shares.push(share);
    }
    if let Some(pair) = memory.back() {
        direction *= pair.curvature / dot(&pair.change, &pair.change)?;
    }
    for (pair, share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = dot(&pair.change, &direction)? / pair.curvature;
        direction += &pair.step * (share - back);
    }
    Ok(direction)
}

struct Found {
    point: Tensor,
    value: f64,
    gradient: Tensor,
}

/// A point along `direction` with enough decrease and little enough slope; the best with a decrease if none is found in
/// time, and `None` if there is none.
fn search(
    point: &Tensor,
    value: f64,
    slope: f64,
    direction: &Tensor,
    first: f64,
    function: &impl Fn(&Tensor) -> Result<(f64, Tensor)>,
) -> Result<Option<Found>> {
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, first);
    let mut best: Option<Found> = None;
    for _ in 0..TRIES {
        let at = point + direction * length;
        let (reached, gradient) = function(&at)?;
        if reached <= value + DECREASE * length * slope {
            let flat = dot(&gradient, direction)? >= SLOPE * slope;
            if best.as_ref().is_none_or(|best| reached < best.value) {
                best = Some(Found { point: at, value: reached, gradient });
            }
            if flat {
                return Ok(best);
            }
            low = length;
        } else {
            high = length;
        }
        length = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * length };
    }
    Ok(best)
}

fn dot(one: &Tensor, two: &Tensor) -> Result<f64> {
    Ok(f64::try_from((one * two).sum(Kind::Double))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::tch::Device;

    #[test]
    fn the_minimum_of_a_narrow_valley_is_found() {
        // Curvatures from 1 to 10,000, and a minimum at (1, 2, 3, 4, 5).
        let curvature = Tensor::from_slice(&[1.0, 10.0, 100.0, 1000.0, 10_000.0]);
        let lowest = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let function = |point: &Tensor| {
            let away = point - &lowest;
            let value = (&away * &away * &curvature).sum(Kind::Double) / 2.0 + 7.0;
            Ok((f64::try_from(value)?, away * &curvature))
        };
        let limits = Limits { iterations: 200, gradient: 1e-9 };
        let found = minimise(&Tensor::zeros([5], (Kind::Double, Device::Cpu)), limits, function).unwrap();
        assert!(found.allclose(&lowest, 0.0, 1e-6, false), "{found:?}");
    }

    #[test]
    fn a_start_without_slope_is_the_minimum() {
        let start = Tensor::from_slice(&[3.0]);
        let limits = Limits { iterations: 10, gradient: 1e-4 };
        assert_eq!(minimise(&start, limits, |_| Ok((1.0, Tensor::from_slice(&[0.0])))).unwrap(), start);
    }
}
