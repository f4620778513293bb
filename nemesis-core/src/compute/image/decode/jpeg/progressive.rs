//! Huffman-coded coefficients of progressive images: a part of each coefficient's bits in each scan.

use super::bits::{Bits, Codes, Huffman};
use super::frame::{NATURAL_ORDER, ScanHeader, Tables};
use super::input::{Input, Step, Stop, broken};
use super::scan::{Block, Coefficients, Place, Restarts};

pub(super) struct Progressive {
    header: ScanHeader,
    /// By the component's index in the scan; `None` for refining DC.
    tables: Vec<Huffman>,
    state: State,
}

#[derive(Clone, Copy)]
struct State {
    bits: Bits,
    dc: [i32; 4],
    /// How many more blocks have no further coefficients in their band.
    end_of_band_run: u32,
    restarts: Restarts,
}

/// Checks a progressive scan's range of coefficients and bits.
pub(super) fn check(header: &ScanHeader) -> Step<()> {
    let ScanHeader { first, last, high, low, .. } = *header;
    let is_band = if first == 0 { last == 0 } else { first <= last && last < 64 && header.components.len() == 1 };
    if !is_band || (high != 0 && low + 1 != high) || low > 13 {
        return broken(format!("invalid progression: coefficients {first} to {last}, bits {high} to {low}"));
    }
    Ok(())
}

impl Progressive {
    pub(super) fn new(header: &ScanHeader, tables: &Tables) -> Step<Self> {
        check(header)?;
        let table = |&(_, dc, ac): &(usize, u8, u8)| {
            let (codes, number, most): (&[Option<Codes>; 4], _, _) =
                if header.first == 0 { (&tables.dc, dc, 15) } else { (&tables.ac, ac, 255) };
            Huffman::new(codes.get(usize::from(number)).and_then(Option::as_ref), number, most)
        };
        let needed = header.first != 0 || header.high == 0;
        let tables_used = if needed { header.components.iter().map(table).collect::<Step<_>>()? } else { vec![] };
        let restarts = Restarts::new(tables.restart_interval);
        let state = State { bits: Bits::default(), dc: [0; 4], end_of_band_run: 0, restarts };
        Ok(Self { header: header.clone(), tables: tables_used, state })
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
        let state = &mut self.state;
        if state.restarts.step(input)? {
            state.bits.clear();
            state.dc = [0; 4];
            state.end_of_band_run = 0;
            state.bits.is_starved &= input.marker != 0;
        }
        let (is_dc, is_first) = (self.header.first == 0, self.header.high == 0);
        // Refining DC continues even without data: the bits are then zeros.
        if state.bits.is_starved && (!is_dc || is_first) {
            return Ok(());
        }
        for place in places {
            let block = &mut coefficients[place.component].blocks[place.block];
            match (is_dc, is_first) {
                (true, true) => {
                    let size = state.bits.symbol(input, &self.tables[place.nth])?;
                    let difference = if size == 0 { 0 } else { state.bits.number(input, u32::from(size))? };
                    let Some(dc) = state.dc[place.nth].checked_add(difference) else {
                        return broken("a coefficient is out of range");
                    };
                    state.dc[place.nth] = dc;
                    block[0] = (dc << self.header.low) as i16;
                }
                (true, false) => {
                    if state.bits.bits(input, 1)? != 0 {
                        block[0] |= 1 << self.header.low;
                    }
                }
                (false, true) => first_band(state, input, &self.tables[0], &self.header, block)?,
                (false, false) => {
                    let mut new = vec![];
                    let done = refine_band(state, input, &self.tables[0], &self.header, block, &mut new);
                    if let Err(Stop::Input) = done {
                        // In refinement, an old coefficient is recognised by being nonzero.
                        for at in new {
                            block[at] = 0;
                        }
                        return Err(Stop::Input);
                    }
                    done?;
                }
            }
        }
        Ok(())
    }
}

fn first_band(
    state: &mut State,
    input: &mut Input<'_>,
    table: &Huffman,
    header: &ScanHeader,
    block: &mut Block,
) -> Step<()> {
    if state.end_of_band_run > 0 {
        state.end_of_band_run -= 1;
        return Ok(());
    }
    let mut k = usize::from(header.first);
    while k <= usize::from(header.last) {
        let symbol = state.bits.symbol(input, table)?;
        let (run, size) = (symbol >> 4, u32::from(symbol & 15));
        if size == 0 && run != 15 {
            state.end_of_band_run = (1 << run) - 1;
            if run != 0 {
                state.end_of_band_run += state.bits.bits(input, u32::from(run))? as u32;
            }
            break;
        }
        k += usize::from(run);
        if size != 0 {
            block[NATURAL_ORDER[k]] = (state.bits.number(input, size)? << header.low) as i16;
        }
        k += 1;
    }
    Ok(())
}

fn refine_band(
    state: &mut State,
    input: &mut Input<'_>,
    table: &Huffman,
    header: &ScanHeader,
    block: &mut Block,
    new: &mut Vec<usize>,
) -> Step<()> {
    let (plus, minus) = (1_i16 << header.low, -1_i16 << header.low);
    let last = usize::from(header.last);
    let mut k = usize::from(header.first);
    let refine = |bits: &mut Bits, input: &mut Input<'_>, coefficient: &mut i16| {
        if bits.bits(input, 1)? != 0 && *coefficient & plus == 0 {
            *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { plus } else { minus });
        }
        Ok(())
    };
    if state.end_of_band_run == 0 {
        while k <= last {
            let symbol = state.bits.symbol(input, table)?;
            let (mut run, size) = (i32::from(symbol >> 4), symbol & 15);
            let mut value = 0;
            if size != 0 {
                value = if state.bits.bits(input, 1)? != 0 { plus } else { minus };
            } else if run != 15 {
                state.end_of_band_run = 1 << run;
                if run != 0 {
                    state.end_of_band_run += state.bits.bits(input, run as u32)? as u32;
                }
                break;
            }
            // Refine the old coefficients on the way, and skip as many zeros as the run says.
            loop {
                let coefficient = &mut block[NATURAL_ORDER[k]];
                if *coefficient != 0 {
                    refine(&mut state.bits, input, coefficient)?;
                } else {
                    run -= 1;
                    if run < 0 {
                        break;
                    }
                }
                k += 1;
                if k > last {
                    break;
                }
            }
            if value != 0 {
                block[NATURAL_ORDER[k]] = value;
                new.push(NATURAL_ORDER[k]);
            }
            k += 1;
        }
    }
    if state.end_of_band_run > 0 {
        for &at in NATURAL_ORDER.get(k..=last).unwrap_or_default() {
            if block[at] != 0 {
                refine(&mut state.bits, input, &mut block[at])?;
            }
        }
        state.end_of_band_run -= 1;
    }
    Ok(())
}
