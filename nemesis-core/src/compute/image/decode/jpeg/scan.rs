//! The coefficients of a scan: which blocks it holds in which order, however they are coded.

use super::arithmetic::Arithmetic;
use super::frame::{Frame, Process, ScanHeader, Tables};
use super::input::{Input, Step, broken};
use super::progressive::Progressive;
use super::sequential::Sequential;

/// The coefficients of a block, in natural order.
pub(super) type Block = [i16; 64];

/// Coefficients of a component: all of them, or those of one row of units.
pub(super) struct Coefficients {
    pub(super) blocks: Vec<Block>,
    /// Blocks in a row.
    pub(super) stride: usize,
    /// The first row of blocks that is stored.
    pub(super) first: usize,
}

impl Coefficients {
    /// Room for all rows of each component, or for one row of units.
    pub(super) fn of(frame: &Frame, whole: bool) -> Vec<Self> {
        let new = |component: &super::frame::Component| {
            let stride = component.width_in_blocks.next_multiple_of(component.across);
            let rows = if whole { component.height_in_blocks.next_multiple_of(component.down) } else { component.down };
            Self { blocks: vec![[0; 64]; stride * rows], stride, first: 0 }
        };
        frame.components.iter().map(new).collect()
    }

    /// A row of blocks.
    pub(super) fn row(&self, y: usize) -> &[Block] {
        &self.blocks[(y - self.first) * self.stride..][..self.stride]
    }
}

/// A block of a unit: its component's index in the scan and in the frame, and its own index among the coefficients.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) nth: usize,
    pub(super) component: usize,
    pub(super) block: usize,
}

/// What codes a scan's coefficients.
enum Coding {
    Sequential(Sequential),
    Progressive(Progressive),
    Arithmetic(Arithmetic),
}

/// A scan that is being read.
pub(super) struct Scan {
    header: ScanHeader,
    coding: Coding,
    /// The last row of units that started with data available.
    pub(super) last_good_row: usize,
}

impl Scan {
    pub(super) fn new(header: ScanHeader, frame: &Frame, tables: &Tables) -> Step<Self> {
        check_unit(&header, frame)?;
        let coding = if frame.is_arithmetic {
            Coding::Arithmetic(Arithmetic::new(&header, frame.process, tables)?)
        } else if frame.process == Process::Progressive {
            Coding::Progressive(Progressive::new(&header, tables)?)
        } else {
            Coding::Sequential(Sequential::new(&header, tables)?)
        };
        Ok(Self { header, coding, last_good_row: 0 })
    }

    /// Reads a row of units.
    pub(super) fn read_row(
        &mut self,
        input: &mut Input<'_>,
        frame: &Frame,
        row: usize,
        coefficients: &mut [Coefficients],
    ) -> Step<()> {
        let mut places = Vec::with_capacity(10);
        if let [(at, ..)] = self.header.components[..] {
            let component = &frame.components[at];
            let first = row * component.down;
            for y in first..component.height_in_blocks.min(first + component.down) {
                let start = (y - coefficients[at].first) * coefficients[at].stride;
                for block in start..start + component.width_in_blocks {
                    self.read_unit(input, row, &[Place { nth: 0, component: at, block }], coefficients)?;
                }
            }
            return Ok(());
        }
        for column in 0..frame.width.div_ceil(8 * frame.across) {
            places.clear();
            for (nth, &(at, ..)) in self.header.components.iter().enumerate() {
                let (component, stored) = (&frame.components[at], &coefficients[at]);
                for y in 0..component.down {
                    let start = (row * component.down + y - stored.first) * stored.stride + column * component.across;
                    places.extend((0..component.across).map(|x| Place { nth, component: at, block: start + x }));
                }
            }
            self.read_unit(input, row, &places, coefficients)?;
        }
        Ok(())
    }

    #[inline]
    fn read_unit(
        &mut self,
        input: &mut Input<'_>,
        row: usize,
        places: &[Place],
        coefficients: &mut [Coefficients],
    ) -> Step<()> {
        let is_starved = match &self.coding {
            Coding::Sequential(coding) => coding.is_starved(),
            Coding::Progressive(coding) => coding.is_starved(),
            Coding::Arithmetic(_) => false,
        };
        if !is_starved {
            self.last_good_row = row;
        }
        match &mut self.coding {
            Coding::Sequential(coding) => coding.read_unit(input, places, coefficients),
            Coding::Progressive(coding) => coding.read_unit(input, places, coefficients),
            Coding::Arithmetic(coding) => coding.read_unit(input, places, coefficients),
        }
    }
}

/// An interleaved unit has at most ten blocks.
pub(super) fn check_unit(header: &ScanHeader, frame: &Frame) -> Step<()> {
    let blocks = |&(at, ..): &(usize, u8, u8)| frame.components[at].across * frame.components[at].down;
    if header.components.len() > 1 && header.components.iter().map(blocks).sum::<usize>() > 10 {
        return broken("its sampling factors are too large for an interleaved scan");
    }
    Ok(())
}

/// Counts units up to the next restart.
#[derive(Clone, Copy)]
pub(super) struct Restarts {
    interval: u16,
    to_go: u16,
    next: u8,
}

impl Restarts {
    pub(super) fn new(interval: u16) -> Self {
        Self { interval, to_go: interval, next: 0 }
    }

    /// Whether units are counted at all.
    pub(super) fn are_used(self) -> bool {
        self.interval != 0
    }

    /// Called before each unit: reads the restart marker if one is due, and returns whether it was.
    pub(super) fn step(&mut self, input: &mut Input<'_>) -> Step<bool> {
        if self.interval == 0 {
            return Ok(false);
        }
        let is_due = self.to_go == 0;
        if is_due {
            input.restart_marker(self.next)?;
            self.next = (self.next + 1) & 7;
            self.to_go = self.interval;
        }
        self.to_go -= 1;
        Ok(is_due)
    }
}
