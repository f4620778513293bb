//! Scales a component's samples to the size of the image, for the cases [`super::colour::to_rgb`] does not cover.

use super::colour::{Plane, add_rows, widen_row, widen_sums};
use super::frame::{Component, Frame, Process};
use super::input::{Step, broken};

/// How a component is scaled to the size of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Samples are repeated this many times, across and down.
    Repeat(usize, usize),
    /// Twice as wide, with smooth transitions.
    Wider,
    /// Twice as high, with smooth transitions.
    Higher,
    /// Both.
    Both,
}

impl Method {
    /// What libjpeg chooses for a component (`jinit_upsampler`).
    pub(super) fn of(component: &Component, frame: &Frame) -> Step<Self> {
        let is_lossy = frame.process != Process::Lossless;
        let is_smooth = is_lossy && component.width > 2;
        let (across, down) = (frame.across, frame.down);
        if across % component.across != 0 || down % component.down != 0 {
            return broken("its components' sizes are not multiples of each other");
        }
        Ok(match (across / component.across, down / component.down) {
            (2, 1) if is_smooth => Self::Wider,
            (1, 2) if is_lossy => Self::Higher,
            (2, 2) if is_smooth => Self::Both,
            (across, down) => Self::Repeat(across, down),
        })
    }

    /// The samples of a plane in `width`×`height`.
    pub(super) fn apply(self, plane: &Plane, width: usize, height: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(width * height);
        let mut wide = vec![0; 2 * plane.width];
        let mut sums = vec![0; plane.width];
        for y in 0..height {
            // The nearer row has three times the weight.
            let near = y / 2;
            let far = if y % 2 == 0 { near.saturating_sub(1) } else { near + 1 };
            match self {
                Self::Repeat(across, down) => {
                    let row = plane.row(y / down);
                    out.extend((0..width).map(|x| row[x / across]));
                }
                Self::Wider => {
                    widen_row(plane.row(y), &mut wide);
                    out.extend_from_slice(&wide[..width]);
                }
                Self::Higher => {
                    let bias = 1 + (y % 2) as u16;
                    add_rows(plane.row(near), plane.row(far), &mut sums);
                    out.extend(sums.iter().map(|sum| ((sum + bias) >> 2) as u8));
                }
                Self::Both => {
                    add_rows(plane.row(near), plane.row(far), &mut sums);
                    widen_sums(&sums, &mut wide);
                    out.extend_from_slice(&wide[..width]);
                }
            }
        }
        out
    }
}
