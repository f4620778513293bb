//! Bits of entropy-coded data, and Huffman codes in them.

use super::input::{Input, Step, Stop, broken};

/// A Huffman table as in the file: the number of codes of each length, and their symbols.
#[derive(Clone, Debug)]
pub(super) struct Codes {
    pub(super) lengths: [u8; 17],
    pub(super) symbols: [u8; 256],
}

impl Codes {
    /// A table with `lengths[n]` codes of `n + 1` bits.
    pub(super) fn new(lengths: [u8; 16], symbols: &[u8]) -> Self {
        let mut codes = Self { lengths: [0; 17], symbols: [0; 256] };
        codes.lengths[1..].copy_from_slice(&lengths);
        codes.symbols[..symbols.len()].copy_from_slice(symbols);
        codes
    }
}

/// How many bits are looked up at once.
const LOOKAHEAD: u32 = 8;

/// A Huffman table prepared for decoding.
#[derive(Clone, Debug)]
pub(super) struct Huffman {
    /// By the next eight bits: the code's length times 256, plus its symbol; length 9 for a longer code.
    lookup: [u16; 1 << LOOKAHEAD],
    /// The largest code of each length, or -1.
    largest: [i32; 18],
    /// What to add to a code of each length to get its symbol's place.
    offset: [i32; 18],
    symbols: [u8; 256],
}

impl Huffman {
    /// The table, whose symbols must not exceed `largest_symbol`.
    pub(super) fn new(codes: Option<&Codes>, number: u8, largest_symbol: u8) -> Step<Self> {
        let Some(codes) = codes else { return broken(format!("Huffman table {number} was not defined")) };
        let bogus = || broken("a Huffman table is invalid");
        let count: usize = codes.lengths.iter().map(|&n| usize::from(n)).sum();
        if count > 256 {
            return bogus();
        }
        let mut table =
            Self { lookup: [9 << LOOKAHEAD; 256], largest: [-1; 18], offset: [0; 18], symbols: codes.symbols };
        let (mut code, mut place, mut begun) = (0_u32, 0, false);
        for length in 1..=16_u32 {
            let count = u32::from(codes.lengths[length as usize]);
            if count > 0 {
                begun = true;
                table.offset[length as usize] = place as i32 - code as i32;
                for n in 0..count {
                    if length <= LOOKAHEAD && code + n < 1 << length {
                        let symbol = u16::from(codes.symbols[place + n as usize]);
                        let first = ((code + n) << (LOOKAHEAD - length)) as usize;
                        table.lookup[first..first + (1 << (LOOKAHEAD - length))].fill((length as u16) << 8 | symbol);
                    }
                }
                code += count;
                place += count as usize;
                table.largest[length as usize] = code as i32 - 1;
            }
            // The code of all ones stays unused, at every length from the first used to the last.
            let is_used = codes.lengths[length as usize..].iter().any(|&n| n > 0);
            if begun && is_used && code >= 1 << length {
                return bogus();
            }
            code <<= 1;
        }
        table.largest[17] = 0xf_ffff;
        if codes.symbols[..count].iter().any(|&symbol| symbol > largest_symbol) {
            return bogus();
        }
        Ok(table)
    }
}

/// The minimum number of bits after a refill.
const FULL: u32 = 57;

/// Bits that were read and not yet used.
///
/// It reads ahead as far as libjpeg, because whether a file without an end marker counts as complete depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bits {
    buffer: u64,
    left: u32,
    /// A marker came before the data were complete: zeros replace the rest.
    pub(super) is_starved: bool,
}

impl Bits {
    /// Drops the remaining bits, at a restart.
    pub(super) fn clear(&mut self) {
        self.left = 0;
    }

    /// Reads ahead. If a marker ends the data, `needed` bits are filled in.
    #[cold]
    #[inline(never)]
    fn fill(&mut self, input: &mut Input<'_>, needed: u32) -> Step<()> {
        while input.marker == 0 {
            if self.left >= FULL {
                return Ok(());
            }
            let mut byte = input.byte()?;
            if byte == 0xff {
                while byte == 0xff {
                    byte = input.byte()?;
                }
                if byte != 0 {
                    input.marker = byte;
                    break;
                }
                byte = 0xff;
            }
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.left += 8;
        }
        if needed > self.left {
            self.is_starved = true;
            self.buffer <<= FULL - self.left;
            self.left = FULL;
        }
        Ok(())
    }

    fn take(&mut self, count: u32) -> i32 {
        self.left -= count;
        ((self.buffer >> self.left) & ((1 << count) - 1)) as i32
    }

    /// The next `count` bits, at most 16.
    pub(super) fn bits(&mut self, input: &mut Input<'_>, count: u32) -> Step<i32> {
        if self.left < count {
            self.fill(input, count)?;
        }
        Ok(self.take(count))
    }

    /// The next symbol, or zero for an undefined code.
    pub(super) fn symbol(&mut self, input: &mut Input<'_>, table: &Huffman) -> Step<u8> {
        let mut length = 1;
        if self.left < LOOKAHEAD {
            self.fill(input, 0)?;
        }
        if self.left >= LOOKAHEAD {
            let entry = table.lookup[(self.buffer >> (self.left - LOOKAHEAD)) as usize & 0xff];
            length = u32::from(entry >> 8);
            if length <= LOOKAHEAD {
                self.left -= length;
                return Ok(entry as u8);
            }
        }
        let mut code = self.bits(input, length)?;
        while code > table.largest[length as usize] {
            code = code << 1 | self.bits(input, 1)?;
            length += 1;
        }
        Ok(symbol_of(table, code, length))
    }

    /// A number of `count` bits in the representation that T.81 calls EXTEND.
    pub(super) fn number(&mut self, input: &mut Input<'_>, count: u32) -> Step<i32> {
        Ok(extend(self.bits(input, count)?, count))
    }
}

/// A faster reader for input with enough bytes left and no marker: it reads several bytes at once.
pub(super) struct FastBits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    left: u32,
}

impl<'a> FastBits<'a> {
    pub(super) fn new(bits: Bits, input: &Input<'a>) -> Self {
        Self { bytes: input.rest(), at: 0, buffer: bits.buffer, left: bits.left }
    }

    /// Hands back what was read.
    pub(super) fn finish(self, bits: &mut Bits, input: &mut Input<'_>) {
        (bits.buffer, bits.left) = (self.buffer, self.left);
        input.skip(self.at);
    }

    /// Reads six more bytes if few bits are left. Fails at a marker; the caller then uses the slow reader.
    #[inline]
    fn fill(&mut self) -> Step<()> {
        if self.left > 16 {
            return Ok(());
        }
        let Some(next) = self.bytes[self.at..].first_chunk::<8>() else { return Err(Stop::Input) };
        let word = u64::from_be_bytes(*next) >> 16;
        // Whether one of the six bytes is 0xff.
        let inverse = !word & 0xffff_ffff_ffff;
        if inverse.wrapping_sub(0x0101_0101_0101) & !inverse & 0x8080_8080_8080 == 0 {
            self.buffer = self.buffer << 48 | word;
            self.left += 48;
            self.at += 6;
            return Ok(());
        }
        for _ in 0..6 {
            let &[byte, after, ..] = &self.bytes[self.at..] else { return Err(Stop::Input) };
            self.at += 1;
            if byte == 0xff {
                if after != 0 {
                    return Err(Stop::Input);
                }
                self.at += 1;
            }
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.left += 8;
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self, count: u32) -> i32 {
        self.left -= count;
        ((self.buffer >> self.left) & ((1 << count) - 1)) as i32
    }

    #[inline]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Step<u8> {
        self.fill()?;
        let entry = table.lookup[(self.buffer >> (self.left - LOOKAHEAD)) as usize & 0xff];
        let mut length = u32::from(entry >> 8);
        if length <= LOOKAHEAD {
            self.left -= length;
            return Ok(entry as u8);
        }
        let mut code = self.take(length);
        while code > table.largest[length as usize] {
            code = code << 1 | self.take(1);
            length += 1;
        }
        Ok(symbol_of(table, code, length))
    }

    #[inline]
    pub(super) fn number(&mut self, count: u32) -> Step<i32> {
        self.fill()?;
        let bits = self.take(count);
        Ok(extend(bits, count))
    }
}

fn symbol_of(table: &Huffman, code: i32, length: u32) -> u8 {
    if length > 16 { 0 } else { table.symbols[(code + table.offset[length as usize]) as usize & 0xff] }
}

#[inline]
fn extend(bits: i32, count: u32) -> i32 {
    if bits < 1 << (count - 1) { bits - (1 << count) + 1 } else { bits }
}
