//! The factor on a loss under which small gradients do not vanish in fp16, after `torch.amp.GradScaler`, which `tch`
//! does not offer.

/// A loss scale that is halved when a gradient is not finite, and doubled after many good steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GradScaler {
    scale: f32,
    /// Good steps since the last change of scale.
    good_steps: u32,
    /// Whether there was a good step, and whether there was a bad one.
    any: (bool, bool),
}

impl GradScaler {
    /// The defaults of `PyTorch`.
    const INITIAL: f32 = 65536.0;
    const GROWTH_INTERVAL: u32 = 2000;

    pub(super) fn new() -> Self {
        Self { scale: Self::INITIAL, good_steps: 0, any: (false, false) }
    }

    /// The factor on the loss.
    pub(super) fn scale(&self) -> f64 {
        f64::from(self.scale)
    }

    /// The scale's bits, the good steps since its last change, and whether there were good and bad steps.
    pub(super) fn numbers(&self) -> (u32, u32, (bool, bool)) {
        (self.scale.to_bits(), self.good_steps, self.any)
    }

    /// One that goes on from [`Self::numbers`].
    pub(super) fn recall((scale, good_steps, any): (u32, u32, (bool, bool))) -> Self {
        Self { scale: f32::from_bits(scale), good_steps, any }
    }

    /// Whether there were steps, and all of them were bad.
    pub(super) fn took_no_step(&self) -> bool {
        self.any == (false, true)
    }

    /// Records whether all gradients of a step were finite. The caller skips the step if they were not.
    pub(super) fn update(&mut self, finite: bool) {
        self.any = (self.any.0 || finite, self.any.1 || !finite);
        if !finite {
            self.scale /= 2.0;
            self.good_steps = 0;
            return;
        }
        self.good_steps += 1;
        if self.good_steps == Self::GROWTH_INTERVAL {
            self.good_steps = 0;
            let doubled = 2.0 * self.scale;
            self.scale = if doubled.is_finite() { doubled } else { self.scale };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_halved_at_once_and_doubled_after_two_thousand_good_steps() {
        let mut scaler = GradScaler::new();
        scaler.update(false);
        assert!((scaler.scale() - 32768.0).abs() < f64::EPSILON);
        (0..1999).for_each(|_| scaler.update(true));
        scaler.update(false);
        assert!((scaler.scale() - 16384.0).abs() < f64::EPSILON, "a bad step restarts the count");
        (0..1999).for_each(|_| scaler.update(true));
        assert!((scaler.scale() - 16384.0).abs() < f64::EPSILON);
        scaler.update(true);
        assert!((scaler.scale() - 32768.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_scale_stays_finite() {
        let good_steps = GradScaler::GROWTH_INTERVAL - 1;
        let mut scaler = GradScaler { scale: 2.0_f32.powi(127), good_steps, ..GradScaler::new() };
        scaler.update(true);
        assert_eq!(scaler, GradScaler { scale: 2.0_f32.powi(127), good_steps: 0, any: (true, false) });
    }
}
