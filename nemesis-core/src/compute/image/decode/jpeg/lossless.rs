//! Lossless JPEG (SOF3): each sample is predicted from those before it, and the difference is Huffman-coded.

use super::bits::{Bits, Huffman};
use super::colour::Plane;
use super::frame::{Frame, ScanHeader, Tables};
use super::input::{Input, Step, broken};
use super::scan::check_unit;

pub(super) struct Lossless {
    header: ScanHeader,
    tables: Vec<Huffman>,
    bits: Bits,
    units_across: usize,
    /// Rows of units from one restart to the next, or none.
    restart_rows: Option<usize>,
    rows_to_go: usize,
    next_restart: u8,
    /// By component of the scan: whether the next row is predicted like the first one.
    begins: Vec<bool>,
    /// By component of the scan: rows of differences, and of samples with 16 bits, as many as a row of units has.
    differences: Vec<Vec<Vec<i32>>>,
    samples: Vec<Vec<Vec<i32>>>,
}

impl Lossless {
    pub(super) fn new(header: &ScanHeader, frame: &Frame, tables: &Tables) -> Step<Self> {
        check_unit(header, frame)?;
        let ScanHeader { first, last, high, low, .. } = *header;
        let table = |&(_, dc, _): &(usize, u8, u8)| {
            Huffman::new(tables.dc.get(usize::from(dc)).and_then(Option::as_ref), dc, 16)
        };
        let huffman = header.components.iter().map(table).collect::<Step<_>>()?;
        if !(1..=7).contains(&first) || last != 0 || high != 0 || low >= 8 {
            return broken(format!("invalid prediction {first}, {last}, {high}, {low}"));
        }
        let units_across = match header.components[..] {
            [(at, ..)] => frame.components[at].width_in_blocks,
            _ => frame.width.div_ceil(frame.across),
        };
        let interval = usize::from(tables.restart_interval);
        if interval % units_across != 0 {
            return broken("restarts are inside rows");
        }
        let rows = |&(at, ..): &(usize, u8, u8)| {
            let component = &frame.components[at];
            vec![vec![0; component.width_in_blocks.next_multiple_of(component.across)]; component.down]
        };
        let rows: Vec<_> = header.components.iter().map(rows).collect();
        Ok(Self {
            header: header.clone(),
            tables: huffman,
            bits: Bits::default(),
            units_across,
            restart_rows: (interval > 0).then_some(interval / units_across),
            rows_to_go: interval / units_across,
            next_restart: 0,
            begins: vec![true; header.components.len()],
            differences: rows.clone(),
            samples: rows,
        })
    }

    /// Reads a row of units into the planes of the scan's components.
    pub(super) fn read_row(
        &mut self,
        input: &mut Input<'_>,
        frame: &Frame,
        row: usize,
        planes: &mut [Plane],
    ) -> Step<()> {
        let rows_here = |at: usize| {
            let component = &frame.components[at];
            component.down.min(component.height_in_blocks - row * component.down)
        };
        let count = if let [(at, ..)] = self.header.components[..] { rows_here(at) } else { 1 };
        for y in 0..count {
            self.restart(input)?;
            self.read_differences(input, frame, y)?;
        }
        for nth in 0..self.header.components.len() {
            let at = self.header.components[nth].0;
            let component = &frame.components[at];
            for y in 0..rows_here(at) {
                self.sum_up(nth, y, component.width_in_blocks);
                let out = planes[at].row_mut(row * component.down + y);
                for (out, sample) in out.iter_mut().zip(&self.samples[nth][y]) {
                    *out = (sample << self.header.low) as u8;
                }
            }
        }
        Ok(())
    }

    fn restart(&mut self, input: &mut Input<'_>) -> Step<()> {
        let Some(rows) = self.restart_rows else { return Ok(()) };
        if self.rows_to_go == 0 {
            self.bits.clear();
            let expected = self.next_restart;
            input.again(&mut self.bits, |bits| bits, |_, input| input.restart_marker(expected))?;
            self.next_restart = (self.next_restart + 1) & 7;
            self.bits.is_starved &= input.marker != 0;
            self.begins.fill(true);
            self.rows_to_go = rows;
        }
        self.rows_to_go -= 1;
        Ok(())
    }

    /// Reads one row of units. For the only component of a scan, `y` is the row within it.
    fn read_differences(&mut self, input: &mut Input<'_>, frame: &Frame, y: usize) -> Step<()> {
        let is_alone = self.header.components.len() == 1;
        let size = |&(at, ..): &(usize, u8, u8)| {
            if is_alone { (1, 1) } else { (frame.components[at].across, frame.components[at].down) }
        };
        let (across, down): (Vec<_>, Vec<_>) = self.header.components.iter().map(size).unzip();
        if self.bits.is_starved {
            for nth in 0..self.header.components.len() {
                for n in 0..down[nth] {
                    self.differences[nth][y + n][..self.units_across * across[nth]].fill(0);
                }
            }
            self.begins.fill(true);
            return Ok(());
        }
        for unit in 0..self.units_across {
            input.again(self, |it| &mut it.bits, |it, input| it.read_unit(input, unit, y, &across, &down))?;
        }
        Ok(())
    }

    fn read_unit(
        &mut self,
        input: &mut Input<'_>,
        unit: usize,
        y: usize,
        across: &[usize],
        down: &[usize],
    ) -> Step<()> {
        for nth in 0..self.tables.len() {
            for n in 0..down[nth] {
                for x in 0..across[nth] {
                    let size = self.bits.symbol(input, &self.tables[nth])?;
                    self.differences[nth][y + n][unit * across[nth] + x] = match size {
                        0 => 0,
                        16 => 32768,
                        size => self.bits.number(input, u32::from(size))?,
                    };
                }
            }
        }
        Ok(())
    }

    /// Adds the prediction of each sample in a row to its difference.
    fn sum_up(&mut self, nth: usize, y: usize, width: usize) {
        let begins = std::mem::take(&mut self.begins[nth]);
        let rows = &mut self.samples[nth];
        let above = rows[if y == 0 { rows.len() - 1 } else { y - 1 }].clone();
        let (out, differences) = (&mut rows[y], &self.differences[nth][y]);
        let (mut a, mut c) = (0, 0);
        for x in 0..width {
            let b = above[x];
            let guess = match (begins, x, self.header.first) {
                (true, 0, _) => 1 << (8 - self.header.low - 1),
                (true, ..) | (false, 1.., 1) => a,
                (false, 0, _) | (false, _, 2) => b,
                (false, _, 3) => c,
                (false, _, 4) => a + b - c,
                (false, _, 5) => a + ((b - c) >> 1),
                (false, _, 6) => b + ((a - c) >> 1),
                (false, ..) => (a + b) >> 1,
            };
            a = (differences[x] + guess) & 0xffff;
            out[x] = a;
            c = b;
        }
    }
}
