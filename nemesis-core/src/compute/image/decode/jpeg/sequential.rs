//! Huffman-coded coefficients of baseline and extended sequential images.

use super::bits::{Bits, FastBits, Huffman};
use super::frame::{NATURAL_ORDER, ScanHeader, Tables};
use super::input::{Input, Step};
use super::scan::{Block, Coefficients, Place, Restarts};

pub(super) struct Sequential {
    /// For DC and for AC, by the component's index in the scan.
    tables: Vec<(Huffman, Huffman)>,
    state: State,
}

#[derive(Clone, Copy)]
struct State {
    bits: Bits,
    /// The last DC value of each component.
    dc: [i32; 4],
    restarts: Restarts,
}

impl Sequential {
    pub(super) fn new(header: &ScanHeader, tables: &Tables) -> Step<Self> {
        let both = |&(_, dc, ac): &(usize, u8, u8)| {
            let codes = |tables: &[Option<super::bits::Codes>; 4], n| tables.get(usize::from(n)).cloned().flatten();
            let dc = Huffman::new(codes(&tables.dc, dc).as_ref(), dc, 15)?;
            Ok((dc, Huffman::new(codes(&tables.ac, ac).as_ref(), ac, 255)?))
        };
        let state = State { bits: Bits::default(), dc: [0; 4], restarts: Restarts::new(tables.restart_interval) };
        Ok(Self { tables: header.components.iter().map(both).collect::<Step<_>>()?, state })
    }

    pub(super) fn is_starved(&self) -> bool {
        self.state.bits.is_starved
    }

    pub(super) fn read_unit(
        &mut self,
        input: &mut Input<'_>,
        places: &[Place],
        coefficients: &mut [Coefficients],
    ) -> Step<()> {
        input.again(self, |it| &mut it.state, |it, input| it.try_unit(input, places, coefficients))
    }

    fn try_unit(&mut self, input: &mut Input<'_>, places: &[Place], coefficients: &mut [Coefficients]) -> Step<()> {
        let State { bits, dc, restarts } = &mut self.state;
        if restarts.step(input)? {
            bits.clear();
            *dc = [0; 4];
            bits.is_starved &= input.marker != 0;
        }
        if bits.is_starved {
            return Ok(());
        }
        // No block takes more than 512 bytes.
        if !restarts.are_used() && input.left() >= 512 * places.len() && input.marker == 0 {
            let (mut fast, mut last) = (FastBits::new(*bits, input), *dc);
            let done = places.iter().try_for_each(|place| {
                let (dc_table, ac_table) = &self.tables[place.nth];
                let block = &mut coefficients[place.component].blocks[place.block];
                read_fast(&mut fast, dc_table, ac_table, &mut last[place.nth], block)
            });
            if done.is_ok() {
                fast.finish(bits, input);
                *dc = last;
                return Ok(());
            }
            // Read the blocks again from the start.
        }
        for place in places {
            let (dc_table, ac_table) = &self.tables[place.nth];
            let block = &mut coefficients[place.component].blocks[place.block];
            read_slowly(bits, input, dc_table, ac_table, &mut dc[place.nth], block)?;
        }
        Ok(())
    }
}

fn read_slowly(
    bits: &mut Bits,
    input: &mut Input<'_>,
    dc_table: &Huffman,
    ac_table: &Huffman,
    dc: &mut i32,
    block: &mut Block,
) -> Step<()> {
    let size = bits.symbol(input, dc_table)?;
    if size != 0 {
        *dc = dc.wrapping_add(bits.number(input, u32::from(size))?);
    }
    block[0] = *dc as i16;
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(input, ac_table)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        k += run;
        if size != 0 {
            block[NATURAL_ORDER[k]] = bits.number(input, size)? as i16;
        } else if run != 15 {
            break;
        }
        k += 1;
    }
    Ok(())
}

#[inline]
fn read_fast(
    bits: &mut FastBits<'_>,
    dc_table: &Huffman,
    ac_table: &Huffman,
    dc: &mut i32,
    block: &mut Block,
) -> Step<()> {
    let size = bits.symbol(dc_table)?;
    if size != 0 {
        *dc = dc.wrapping_add(bits.number(u32::from(size))?);
    }
    block[0] = *dc as i16;
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(ac_table)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        k += run;
        if size != 0 {
            block[NATURAL_ORDER[k]] = bits.number(size)? as i16;
        } else if run != 15 {
            break;
        }
        k += 1;
    }
    Ok(())
}
