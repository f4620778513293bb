//! Arithmetic-coded coefficients (T.81, annex D), sequential and progressive.

use super::frame::{Conditioning, NATURAL_ORDER, Process, ScanHeader, Tables};
use super::input::{Input, Step, Stop};
use super::progressive;
use super::scan::{Block, Coefficients, Place, Restarts};

pub(super) struct Arithmetic {
    header: ScanHeader,
    is_progressive: bool,
    conditioning: Conditioning,
    coder: Coder,
    restarts: Restarts,
    /// The last DC value of each component and its context.
    dc: [(u16, usize); 4],
    dc_states: Box<[[u8; 64]; 16]>,
    ac_states: Box<[[u8; 256]; 16]>,
    /// Invalid data were found: everything up to the next restart is left unchanged.
    is_lost: bool,
}

impl Arithmetic {
    pub(super) fn new(header: &ScanHeader, process: Process, tables: &Tables) -> Step<Self> {
        let is_progressive = process == Process::Progressive;
        if is_progressive {
            progressive::check(header)?;
        }
        Ok(Self {
            header: header.clone(),
            is_progressive,
            conditioning: tables.conditioning.clone(),
            coder: Coder::default(),
            restarts: Restarts::new(tables.restart_interval),
            dc: [(0, 0); 4],
            dc_states: Box::new([[0; 64]; 16]),
            ac_states: Box::new([[0; 256]; 16]),
            is_lost: false,
        })
    }

    pub(super) fn read_unit(
        &mut self,
        input: &mut Input<'_>,
        places: &[Place],
        coefficients: &mut [Coefficients],
    ) -> Step<()> {
        self.try_unit(input, places, coefficients).map_err(|stop| match stop {
            // libjpeg cannot suspend within arithmetic-coded data.
            Stop::Input => Stop::Broken("its arithmetic-coded data are truncated, or too long for Pillow".to_owned()),
            broken @ Stop::Broken(_) => broken,
        })
    }

    fn try_unit(&mut self, input: &mut Input<'_>, places: &[Place], coefficients: &mut [Coefficients]) -> Step<()> {
        let ScanHeader { first, last, high, low, .. } = self.header;
        if self.restarts.step(input)? {
            // All tables are reset; resetting those that the scan does not use is harmless.
            if !self.is_progressive || (first == 0 && high == 0) {
                for &(_, dc, _) in &self.header.components {
                    self.dc_states[usize::from(dc)] = [0; 64];
                }
                self.dc = [(0, 0); 4];
            }
            if !self.is_progressive || first != 0 {
                for &(_, _, ac) in &self.header.components {
                    self.ac_states[usize::from(ac)] = [0; 256];
                }
            }
            self.coder = Coder::default();
            self.is_lost = false;
        }
        // Refining DC continues with what follows.
        let refines_dc = self.is_progressive && first == 0 && high != 0;
        if self.is_lost && !refines_dc {
            return Ok(());
        }
        for place in places {
            let block = &mut coefficients[place.component].blocks[place.block];
            let (_, dc, ac) = self.header.components[place.nth];
            let (dc, ac) = (usize::from(dc), usize::from(ac));
            if refines_dc {
                if self.coder.fixed(input)? {
                    block[0] |= 1 << low;
                }
                continue;
            }
            let is_good = if !self.is_progressive {
                self.read_dc(input, place.nth, dc, block, 0)? && self.read_ac(input, ac, 1, 63, block, 0)?
            } else if first == 0 {
                self.read_dc(input, place.nth, dc, block, low)?
            } else if high == 0 {
                self.read_ac(input, ac, usize::from(first), usize::from(last), block, low)?
            } else {
                self.refine_ac(input, ac, usize::from(first), usize::from(last), block, low)?
            };
            if !is_good {
                self.is_lost = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the data were valid; likewise for the functions below.
    fn read_dc(&mut self, input: &mut Input<'_>, nth: usize, table: usize, block: &mut Block, low: u8) -> Step<bool> {
        let (states, coder) = (&mut self.dc_states[table], &mut self.coder);
        let (last, context) = &mut self.dc[nth];
        let at = *context;
        if coder.bit(input, &mut states[at])? {
            let is_negative = coder.bit(input, &mut states[at + 1])?;
            let mut state = at + 2 + usize::from(is_negative);
            let mut magnitude = i32::from(coder.bit(input, &mut states[state])?);
            if magnitude != 0 {
                state = 20;
                while coder.bit(input, &mut states[state])? {
                    magnitude <<= 1;
                    if magnitude == 0x8000 {
                        return Ok(false);
                    }
                    state += 1;
                }
            }
            let bound = |bits: u8| (1 << bits) >> 1;
            let sign = 4 * usize::from(is_negative);
            *context = if magnitude < bound(self.conditioning.dc_low[table]) {
                0
            } else if magnitude > bound(self.conditioning.dc_high[table]) {
                12 + sign
            } else {
                4 + sign
            };
            let value = coder.magnitude(input, &mut states[state + 14], magnitude)?;
            *last = last.wrapping_add((if is_negative { -value } else { value }) as u16);
        } else {
            *context = 0;
        }
        block[0] = (i32::from(*last) << low) as i16;
        Ok(true)
    }

    fn read_ac(
        &mut self,
        input: &mut Input<'_>,
        table: usize,
        first: usize,
        last: usize,
        block: &mut Block,
        low: u8,
    ) -> Step<bool> {
        let (states, coder) = (&mut self.ac_states[table], &mut self.coder);
        let mut k = first;
        while k <= last {
            if coder.bit(input, &mut states[3 * (k - 1)])? {
                break;
            }
            while !coder.bit(input, &mut states[3 * (k - 1) + 1])? {
                k += 1;
                if k > last {
                    return Ok(false);
                }
            }
            let is_negative = coder.fixed(input)?;
            let mut state = 3 * (k - 1) + 2;
            let mut magnitude = i32::from(coder.bit(input, &mut states[state])?);
            if magnitude != 0 && coder.bit(input, &mut states[state])? {
                magnitude <<= 1;
                state = if k <= usize::from(self.conditioning.ac[table]) { 189 } else { 217 };
                while coder.bit(input, &mut states[state])? {
                    magnitude <<= 1;
                    if magnitude == 0x8000 {
                        return Ok(false);
                    }
                    state += 1;
                }
            }
            let value = coder.magnitude(input, &mut states[state + 14], magnitude)?;
            block[NATURAL_ORDER[k]] = ((if is_negative { -value } else { value }) << low) as i16;
            k += 1;
        }
        Ok(true)
    }

    fn refine_ac(
        &mut self,
        input: &mut Input<'_>,
        table: usize,
        first: usize,
        last: usize,
        block: &mut Block,
        low: u8,
    ) -> Step<bool> {
        let (states, coder) = (&mut self.ac_states[table], &mut self.coder);
        let (plus, minus) = (1_i16 << low, -1_i16 << low);
        // Up to here the earlier scans had coefficients.
        let known = (1..=last).rev().find(|&k| block[NATURAL_ORDER[k]] != 0).unwrap_or(0);
        let mut k = first;
        while k <= last {
            if k > known && coder.bit(input, &mut states[3 * (k - 1)])? {
                break;
            }
            loop {
                let coefficient = &mut block[NATURAL_ORDER[k]];
                if *coefficient != 0 {
                    if coder.bit(input, &mut states[3 * (k - 1) + 2])? {
                        *coefficient = coefficient.wrapping_add(if *coefficient < 0 { minus } else { plus });
                    }
                    break;
                }
                if coder.bit(input, &mut states[3 * (k - 1) + 1])? {
                    *coefficient = if coder.fixed(input)? { minus } else { plus };
                    break;
                }
                k += 1;
                if k > last {
                    return Ok(false);
                }
            }
            k += 1;
        }
        Ok(true)
    }
}

/// The registers of the decoder, as libjpeg arranges them.
struct Coder {
    code: i64,
    interval: i64,
    /// Bits until the next byte.
    count: i32,
    /// The state for decisions of even odds.
    even: u8,
}

impl Default for Coder {
    fn default() -> Self {
        Self { code: 0, interval: 0, count: -16, even: 113 }
    }
}

impl Coder {
    /// A decision with even odds.
    fn fixed(&mut self, input: &mut Input<'_>) -> Step<bool> {
        let mut state = self.even;
        let bit = self.bit(input, &mut state);
        self.even = state;
        bit
    }

    /// The bits of a number below its highest one, plus one.
    fn magnitude(&mut self, input: &mut Input<'_>, state: &mut u8, highest: i32) -> Step<i32> {
        let (mut value, mut bit) = (highest, highest >> 1);
        while bit != 0 {
            if self.bit(input, state)? {
                value |= bit;
            }
            bit >>= 1;
        }
        Ok(value + 1)
    }

    /// A decision with the odds of `state`.
    fn bit(&mut self, input: &mut Input<'_>, state: &mut u8) -> Step<bool> {
        while self.interval < 0x8000 {
            self.count -= 1;
            if self.count < 0 {
                self.code = self.code << 8 | i64::from(next_byte(input)?);
                self.count += 8;
                if self.count < 0 {
                    self.count += 1;
                    if self.count == 0 {
                        self.interval = 0x8000;
                    }
                }
            }
            self.interval <<= 1;
        }
        let (odds, if_less, if_more, does_switch) = ODDS[usize::from(*state & 0x7f)];
        let (odds, top) = (i64::from(odds), *state & 0x80);
        let mut bit = top != 0;
        // After the less probable symbol, the next state may swap which one is more probable.
        let less = (top ^ if does_switch { 0x80 } else { 0 }) ^ if_less;
        let more = top ^ if_more;
        self.interval -= odds;
        let lower = self.interval << self.count;
        if self.code >= lower {
            self.code -= lower;
            if self.interval < odds {
                *state = more;
            } else {
                *state = less;
                bit = !bit;
            }
            self.interval = odds;
        } else if self.interval < 0x8000 {
            if self.interval < odds {
                *state = less;
                bit = !bit;
            } else {
                *state = more;
            }
        }
        Ok(bit)
    }
}

/// The next byte of data, or zero once a marker is reached.
fn next_byte(input: &mut Input<'_>) -> Step<u8> {
    if input.marker != 0 {
        return Ok(0);
    }
    let byte = input.byte()?;
    if byte != 0xff {
        return Ok(byte);
    }
    let mut code = 0xff;
    while code == 0xff {
        code = input.byte()?;
    }
    if code == 0 {
        return Ok(0xff);
    }
    input.marker = code;
    Ok(0)
}

/// T.81, table D.3: the less probable symbol's part of the interval, the next states, and whether symbols are swapped.
/// The last line is for even odds, which never change.
#[rustfmt::skip]
const ODDS: [(u16, u8, u8, bool); 114] = [
    (0x5a1d, 1, 1, true), (0x2586, 14, 2, false), (0x1114, 16, 3, false), (0x080b, 18, 4, false),
    (0x03d8, 20, 5, false), (0x01da, 23, 6, false), (0x00e5, 25, 7, false), (0x006f, 28, 8, false),
    (0x0036, 30, 9, false), (0x001a, 33, 10, false), (0x000d, 35, 11, false), (0x0006, 9, 12, false),
    (0x0003, 10, 13, false), (0x0001, 12, 13, false), (0x5a7f, 15, 15, true), (0x3f25, 36, 16, false),
    (0x2cf2, 38, 17, false), (0x207c, 39, 18, false), (0x17b9, 40, 19, false), (0x1182, 42, 20, false),
    (0x0cef, 43, 21, false), (0x09a1, 45, 22, false), (0x072f, 46, 23, false), (0x055c, 48, 24, false),
    (0x0406, 49, 25, false), (0x0303, 51, 26, false), (0x0240, 52, 27, false), (0x01b1, 54, 28, false),
    (0x0144, 56, 29, false), (0x00f5, 57, 30, false), (0x00b7, 59, 31, false), (0x008a, 60, 32, false),
    (0x0068, 62, 33, false), (0x004e, 63, 34, false), (0x003b, 32, 35, false), (0x002c, 33, 9, false),
    (0x5ae1, 37, 37, true), (0x484c, 64, 38, false), (0x3a0d, 65, 39, false), (0x2ef1, 67, 40, false),
    (0x261f, 68, 41, false), (0x1f33, 69, 42, false), (0x19a8, 70, 43, false), (0x1518, 72, 44, false),
    (0x1177, 73, 45, false), (0x0e74, 74, 46, false), (0x0bfb, 75, 47, false), (0x09f8, 77, 48, false),
    (0x0861, 78, 49, false), (0x0706, 79, 50, false), (0x05cd, 48, 51, false), (0x04de, 50, 52, false),
    (0x040f, 50, 53, false), (0x0363, 51, 54, false), (0x02d4, 52, 55, false), (0x025c, 53, 56, false),
    (0x01f8, 54, 57, false), (0x01a4, 55, 58, false), (0x0160, 56, 59, false), (0x0125, 57, 60, false),
    (0x00f6, 58, 61, false), (0x00cb, 59, 62, false), (0x00ab, 61, 63, false), (0x008f, 61, 32, false),
    (0x5b12, 65, 65, true), (0x4d04, 80, 66, false), (0x412c, 81, 67, false), (0x37d8, 82, 68, false),
    (0x2fe8, 83, 69, false), (0x293c, 84, 70, false), (0x2379, 86, 71, false), (0x1edf, 87, 72, false),
    (0x1aa9, 87, 73, false), (0x174e, 72, 74, false), (0x1424, 72, 75, false), (0x119c, 74, 76, false),
    (0x0f6b, 74, 77, false), (0x0d51, 75, 78, false), (0x0bb6, 77, 79, false), (0x0a40, 77, 48, false),
    (0x5832, 80, 81, true), (0x4d1c, 88, 82, false), (0x438e, 89, 83, false), (0x3bdd, 90, 84, false),
    (0x34ee, 91, 85, false), (0x2eae, 92, 86, false), (0x299a, 93, 87, false), (0x2516, 86, 71, false),
    (0x5570, 88, 89, true), (0x4ca9, 95, 90, false), (0x44d9, 96, 91, false), (0x3e22, 97, 92, false),
    (0x3824, 99, 93, false), (0x32b4, 99, 94, false), (0x2e17, 93, 86, false), (0x56a8, 95, 96, true),
    (0x4f46, 101, 97, false), (0x47e5, 102, 98, false), (0x41cf, 103, 99, false), (0x3c3d, 104, 100, false),
    (0x375e, 99, 93, false), (0x5231, 105, 102, false), (0x4c0f, 106, 103, false), (0x4639, 107, 104, false),
    (0x415e, 103, 99, false), (0x5627, 105, 106, true), (0x50e7, 108, 107, false), (0x4b85, 109, 103, false),
    (0x5597, 110, 109, false), (0x504f, 111, 107, false), (0x5a10, 110, 111, true), (0x5522, 112, 109, false),
    (0x59eb, 112, 111, true), (0x5a1d, 113, 113, false),
];
