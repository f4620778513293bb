//! Thrift's compact protocol, in which Parquet tells its layout, as far as it takes to see that nothing claims to be longer
//! than the file. The library believes such claims: it allocates what they say, or goes through as many empty elements.

use std::collections::HashMap;

/// Structures within structures; Parquet needs six.
const DEEPEST: u32 = 32;

/// Whole numbers by the field that holds them: that of the structure around it, 0 if there is none, and its own.
pub(super) type Numbers = HashMap<(i16, i16), i64>;

/// Reads one structure; returns its numbers and its length in bytes. None if something in it is longer than what follows.
pub(super) fn structure(bytes: &[u8]) -> Option<(Numbers, usize)> {
    let mut walk = Walk { bytes, at: 0, numbers: Numbers::new() };
    walk.structure(0, 0)?;
    Some((walk.numbers, walk.at))
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    numbers: Numbers,
}

impl Walk<'_> {
    fn structure(&mut self, of: i16, depth: u32) -> Option<()> {
        let mut field = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            field = match head >> 4 {
                0 => i16::try_from(self.number()?).ok()?,
                more => field.checked_add(i16::from(more))?,
            };
            match head & 0xf {
                // The head of a field says whether it is true.
                1 | 2 => {}
                4..=6 => {
                    let number = self.number()?;
                    if depth < 2 {
                        self.numbers.insert((of, field), number);
                    }
                }
                kind => self.value(kind, field, depth)?,
            }
        }
    }

    /// Passes over a value of this kind.
    fn value(&mut self, kind: u8, field: i16, depth: u32) -> Option<()> {
        match kind {
            1..=3 => self.skip(1)?,
            4..=6 => drop(self.varint()?),
            7 => self.skip(8)?,
            8 => {
                let length = self.varint()?;
                self.skip(usize::try_from(length).ok()?)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..self.fits(count)? {
                    self.value(head & 0xf, field, depth + 1)?;
                }
            }
            11 => {
                let count = self.varint()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                for _ in 0..self.fits(count)? {
                    self.value(kinds >> 4, field, depth + 1)?;
                    self.value(kinds & 0xf, field, depth + 1)?;
                }
            }
            12 if depth < DEEPEST => self.structure(field, depth + 1)?,
            _ => return None,
        }
        Some(())
    }

    /// So many elements, of which each takes a byte or more.
    fn fits(&self, count: u64) -> Option<u64> {
        (count <= (self.bytes.len() - self.at) as u64).then_some(count)
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number: the lowest bit is its sign.
    fn number(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_fields() {
        // 1: 6, 2: [1, 2], 5: {1: -3, 20: "ab"}, 6: true.
        let bytes = [0x15, 12, 0x19, 0x25, 2, 4, 0x3c, 0x15, 5, 0x08, 40, 2, b'a', b'b', 0, 0x11, 0, 99];
        let (numbers, length) = structure(&bytes).unwrap();
        assert_eq!(numbers, Numbers::from([((0, 1), 6), ((5, 1), -3)]));
        assert_eq!(length, bytes.len() - 1);
        // Cut short anywhere, it is none.
        for length in 0..length {
            assert_eq!(structure(&bytes[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn what_is_longer_than_the_rest_is_refused() {
        // A list of 4,000,000,000 booleans, a text of as many bytes, and a structure that never ends.
        let long = [0x80, 0xa0, 0xaf, 0xee, 0x0e];
        for (head, tail) in [(&[0x19, 0xf1][..], &[1, 1, 0][..]), (&[0x18], &[b'a', 0])] {
            assert_eq!(structure(&[head, &long, tail].concat()), None);
        }
        assert_eq!(structure(&[0x1c; 1000]), None);
    }
}
