//! How libjpeg estimates coefficients missing from a progressive image: smooth transitions between blocks.
//!
//! Each missing one is estimated from the DC values of the 5×5 blocks around it (`decompress_smooth_data`).

use super::frame::{Component, Frame};
use super::scan::{Block, Coefficients};

/// How precisely the first ten coefficients of a component are known, in the order of a scan: the number of their bits
/// that are missing, or -1 for a coefficient that no scan has had.
type Known = [i32; 10];

/// What scans have contained so far, by component.
pub(super) struct Progress {
    now: Vec<[i32; 64]>,
    /// Before the last scan of the component.
    before: Vec<[i32; 64]>,
}

impl Progress {
    pub(super) fn new(components: usize) -> Self {
        Self { now: vec![[-1; 64]; components], before: vec![[0; 64]; components] }
    }

    /// Records a scan, the file's `number`-th.
    pub(super) fn note(&mut self, header: &super::frame::ScanHeader, number: usize) {
        let (first, last) = (usize::from(header.first), usize::from(header.last));
        for &(at, ..) in &header.components {
            for k in first.min(1)..=last.max(9) {
                self.before[at][k] = if number > 1 { self.now[at][k] } else { 0 };
            }
            self.now[at][first..=last].fill(i32::from(header.low));
        }
    }

    /// Whether the image should be smoothed.
    pub(super) fn asks_for_smoothing(&self, frame: &Frame) -> bool {
        // The quantisation of what is estimated, and of DC.
        const USED: [usize; 10] = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24];
        let can_be = |component: &Component, known: &[i32; 64]| {
            known[0] >= 0 && component.quantisation.is_some_and(|table| USED.iter().all(|&at| table[at] != 0))
        };
        frame.components.iter().zip(&self.now).all(|(component, known)| can_be(component, known))
            && self.now.iter().any(|known| known[1..10].iter().any(|&bits| bits != 0))
    }

    /// What is known about a component; if the last scan broke off, as of the scan before it.
    fn known(&self, at: usize, is_good: bool, scans: usize) -> Known {
        std::array::from_fn(|k| match (is_good, scans > 1) {
            (true, _) => self.now[at][k],
            (false, true) => self.before[at][k],
            (false, false) => -1,
        })
    }
}

/// Smooths one row of a component's blocks, which lies in a row of units.
pub(super) struct Smoothing<'a> {
    pub(super) frame: &'a Frame,
    pub(super) progress: &'a Progress,
    /// The last row of units that the last scan had data for.
    pub(super) last_good_row: usize,
    /// How many scans there were.
    pub(super) scans: usize,
}

impl Smoothing<'_> {
    /// The blocks of row `unit_row * down + y` of a component, of which `rows` are in this row of units.
    pub(super) fn row(&self, at: usize, stored: &Coefficients, unit_row: usize, y: usize, rows: usize) -> Vec<Block> {
        let component = &self.frame.components[at];
        let known = self.progress.known(at, unit_row <= self.last_good_row, self.scans);
        let table = component.quantisation.unwrap_or([1; 64]).map(i64::from);
        // libjpeg counts rows by those of this row of units, the last of which may have fewer.
        let (here, all) = (unit_row * rows + y, rows * self.frame.unit_rows);
        let row = unit_row * component.down + y;
        let above = if here > 0 { row - 1 } else { row };
        let above_that = if here > 1 { row - 2 } else { above };
        let below = if here + 1 < all { row + 1 } else { row };
        let below_that = if here + 2 < all { row + 2 } else { below };
        let lines = [above_that, above, row, below, below_that].map(|y| stored.row(y));
        let last = component.width_in_blocks - 1;
        let mut out = stored.row(row)[..=last].to_vec();
        for (x, block) in out.iter_mut().enumerate() {
            let columns = [x.saturating_sub(2), x.saturating_sub(1), x, (x + 1).min(last), (x + 2).min(last)];
            let dc = lines.map(|line| columns.map(|x| i64::from(line[x][0])));
            estimate(block, &dc, &known, &table);
        }
        out
    }
}

/// The weights of DC values for one coefficient, in units of 1/256 of its own quantisation.
type Weights = [[i64; 5]; 5];

/// Coefficients by their place in a block, if no scan had more than DC.
#[rustfmt::skip]
const FROM_DC_ALONE: [(usize, Weights); 9] = [
    (1, [[-1, -1, 0, 1, 1], [-3, 13, 0, -13, 3], [-3, 38, 0, -38, 3], [-3, 13, 0, -13, 3], [-1, -1, 0, 1, 1]]),
    (8, [[-1, -3, -3, -3, -1], [-1, 13, 38, 13, -1], [0; 5], [1, -13, -38, -13, 1], [1, 3, 3, 3, 1]]),
    (16, [[0, 0, 1, 0, 0], [0, 2, 7, 2, 0], [0, -5, -14, -5, 0], [0, 2, 7, 2, 0], [0, 0, 1, 0, 0]]),
    (9, [[-1, 0, 0, 0, 1], [0, 9, 0, -9, 0], [0; 5], [0, -9, 0, 9, 0], [1, 0, 0, 0, -1]]),
    (2, [[0; 5], [0, 2, -5, 2, 0], [1, 7, -14, 7, 1], [0, 2, -5, 2, 0], [0; 5]]),
    (3, [[0; 5], [0, 1, 0, -1, 0], [0, 2, 0, -2, 0], [0, 1, 0, -1, 0], [0; 5]]),
    (10, [[0; 5], [0, 1, -3, 1, 0], [0; 5], [0, -1, 3, -1, 0], [0; 5]]),
    (17, [[0; 5], [0, 1, 0, -1, 0], [0, -3, 0, 3, 0], [0, 1, 0, -1, 0], [0; 5]]),
    (24, [[0; 5], [0, 1, 2, 1, 0], [0; 5], [0, -1, -2, -1, 0], [0; 5]]),
];

/// Coefficients by their place in a block, if others are known.
#[rustfmt::skip]
const FROM_DC: [(usize, Weights); 5] = [
    (1, [[0; 5], [0; 5], [-7, 50, 0, -50, 7], [0; 5], [0; 5]]),
    (8, [[0, 0, -7, 0, 0], [0, 0, 50, 0, 0], [0; 5], [0, 0, -50, 0, 0], [0, 0, 7, 0, 0]]),
    (16, [[0, 0, -1, 0, 0], [0, 0, 13, 0, 0], [0, 0, -24, 0, 0], [0, 0, 13, 0, 0], [0, 0, -1, 0, 0]]),
    (9, [[0, -1, 0, 1, 0], [-1, 10, 0, -10, 1], [0; 5], [1, -10, 0, 10, -1], [0, 1, 0, -1, 0]]),
    (2, [[0; 5], [0; 5], [-1, 13, -24, 13, -1], [0; 5], [0; 5]]),
];

/// DC itself, if no scan had more.
#[rustfmt::skip]
const DC: Weights = [
    [-2, -6, -8, -6, -2], [-6, 6, 42, 6, -6], [-8, 42, 152, 42, -8], [-6, 6, 42, 6, -6], [-2, -6, -8, -6, -2],
];

fn estimate(block: &mut Block, dc: &[[i64; 5]; 5], known: &Known, table: &[i64; 64]) {
    let is_dc_alone = known[1..].iter().all(|&bits| bits == -1);
    let all: &[(usize, Weights)] = if is_dc_alone { &FROM_DC_ALONE } else { &FROM_DC };
    for (n, (at, weights)) in all.iter().enumerate() {
        let missing = known[n + 1];
        if missing != 0 && block[*at] == 0 {
            block[*at] = weigh(dc, weights, table[0], table[*at], missing);
        }
    }
    if is_dc_alone {
        block[0] = weigh(dc, &DC, table[0], table[0], 0);
    }
}

/// A coefficient limited to its `missing` bits, if that is positive.
fn weigh(dc: &[[i64; 5]; 5], weights: &Weights, dc_step: i64, step: i64, missing: i32) -> i16 {
    let products = dc.as_flattened().iter().zip(weights.as_flattened()).map(|(dc, weight)| dc * weight);
    let sum = dc_step * products.sum::<i64>();
    let mut size = ((step << 7) + sum.abs()) / (step << 8);
    if missing > 0 {
        size = size.min((1 << missing) - 1);
    }
    (if sum < 0 { -size } else { size }) as i16
}
