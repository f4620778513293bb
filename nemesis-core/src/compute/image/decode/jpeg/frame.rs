//! What the markers of a JPEG file say: tables, the frame and its components, scans.

use super::bits::Codes;
use super::input::{Input, Step, broken};

/// How the coefficients are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Sequential,
    Progressive,
    /// Samples are predicted from their neighbours; there are no coefficients.
    Lossless,
}

/// One colour component of the frame.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors.
    pub(super) across: usize,
    pub(super) down: usize,
    quantisation_number: u8,
    /// The table in effect when the component's first scan began, in natural order.
    pub(super) quantisation: Option<[u16; 64]>,
    /// Size in blocks, or in samples of a lossless image.
    pub(super) width_in_blocks: usize,
    pub(super) height_in_blocks: usize,
    /// Size in samples.
    pub(super) width: usize,
    pub(super) height: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) process: Process,
    pub(super) is_arithmetic: bool,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
    /// The largest sampling factors.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Rows of interleaved units.
    pub(super) unit_rows: usize,
}

/// A scan's header: components with their tables for DC and AC, and a part of the coefficients.
#[derive(Clone, Debug)]
pub(super) struct ScanHeader {
    pub(super) components: Vec<(usize, u8, u8)>,
    pub(super) first: u8,
    pub(super) last: u8,
    pub(super) high: u8,
    pub(super) low: u8,
}

/// Tables and settings read so far.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) dc: [Option<Codes>; 4],
    pub(super) ac: [Option<Codes>; 4],
    quantisation: [Option<[u16; 64]>; 4],
    pub(super) restart_interval: u16,
    /// Conditioning of arithmetic coding: bounds for DC, and the threshold for AC.
    pub(super) conditioning: Conditioning,
}

#[derive(Clone, Debug)]
pub(super) struct Conditioning {
    pub(super) dc_low: [u8; 16],
    pub(super) dc_high: [u8; 16],
    pub(super) ac: [u8; 16],
}

impl Default for Conditioning {
    fn default() -> Self {
        Self { dc_low: [0; 16], dc_high: [1; 16], ac: [5; 16] }
    }
}

/// Where reading markers stopped.
pub(super) enum Reached {
    Scan(ScanHeader),
    End,
}

/// The markers of one image.
#[derive(Debug, Default)]
pub(super) struct Markers {
    pub(super) tables: Tables,
    pub(super) frame: Option<Frame>,
    pub(super) has_jfif: bool,
    /// The colour transform that an Adobe marker names.
    pub(super) adobe_transform: Option<u8>,
    pub(super) scans: usize,
    has_begun: bool,
}

impl Markers {
    /// Forgets everything but the tables, for a stream that follows a tables-only one.
    fn begin(&mut self) {
        self.tables.restart_interval = 0;
        self.tables.conditioning = Conditioning::default();
        (self.has_jfif, self.adobe_transform) = (false, None);
        self.has_begun = true;
    }

    /// Reads up to the next scan or the end of the image. After [`super::input::Stop::Input`] it can be called again.
    pub(super) fn read(&mut self, input: &mut Input<'_>) -> Step<Reached> {
        loop {
            if input.marker == 0 {
                let (at, _) = input.place();
                let found = if self.has_begun { input.next_marker() } else { first_marker(input) };
                if let Err(stop) = found {
                    input.go_to(at, 0);
                    return Err(stop);
                }
            }
            let (at, marker) = input.place();
            match self.marker(input, marker) {
                Ok(None) => input.marker = 0,
                Ok(Some(reached)) => {
                    input.marker = 0;
                    return Ok(reached);
                }
                Err(stop) => {
                    input.go_to(at, marker);
                    return Err(stop);
                }
            }
        }
    }

    fn marker(&mut self, input: &mut Input<'_>, marker: u8) -> Step<Option<Reached>> {
        match marker {
            0xd8 if self.has_begun => return broken("a second image begins inside it"),
            0xd8 => self.begin(),
            0xc0 | 0xc1 => self.frame(input, Process::Sequential, false)?,
            0xc2 => self.frame(input, Process::Progressive, false)?,
            0xc3 => self.frame(input, Process::Lossless, false)?,
            0xc9 => self.frame(input, Process::Sequential, true)?,
            0xca => self.frame(input, Process::Progressive, true)?,
            0xcb => self.frame(input, Process::Lossless, true)?,
            0xc5..=0xc8 | 0xcd..=0xcf => return broken(format!("unsupported coding process (marker 0x{marker:02x})")),
            0xda => return self.scan(input).map(|header| Some(Reached::Scan(header))),
            0xd9 => return Ok(Some(Reached::End)),
            0xc4 => self.tables.huffman(input)?,
            0xcc => self.tables.conditioning(input)?,
            0xdb => self.tables.quantisation(input)?,
            0xdd => self.tables.restarts(input)?,
            0xe0 | 0xee => self.application(input, marker)?,
            0xe1..=0xef | 0xfe | 0xdc => {
                let length = usize::from(input.word()?);
                input.skip(length.saturating_sub(2));
            }
            0xd0..=0xd7 | 0x01 => {}
            _ => return broken(format!("unsupported marker 0x{marker:02x}")),
        }
        Ok(None)
    }

    /// Starts reading a stream that follows a tables-only one.
    pub(super) fn next_stream(&mut self) -> Step<()> {
        if self.frame.is_some() {
            return broken("it has no image data");
        }
        self.has_begun = false;
        self.scans = 0;
        Ok(())
    }

    fn application(&mut self, input: &mut Input<'_>, marker: u8) -> Step<()> {
        let length = usize::from(input.word()?).saturating_sub(2);
        let mut head = [0; 14];
        let known = length.min(head.len());
        for byte in &mut head[..known] {
            *byte = input.byte()?;
        }
        if marker == 0xe0 && known >= 14 && head.starts_with(b"JFIF\0") {
            self.has_jfif = true;
        } else if marker == 0xee && known >= 12 && head.starts_with(b"Adobe") {
            self.adobe_transform = Some(head[11]);
        }
        input.skip(length - known);
        Ok(())
    }

    fn frame(&mut self, input: &mut Input<'_>, process: Process, is_arithmetic: bool) -> Step<()> {
        if self.frame.is_some() {
            return broken("it has two frame headers");
        }
        let length = usize::from(input.word()?);
        let precision = input.byte()?;
        let (height, width) = (usize::from(input.word()?), usize::from(input.word()?));
        let count = usize::from(input.byte()?);
        if height == 0 || width == 0 || count == 0 {
            return broken("it has no pixels");
        }
        if length != 8 + 3 * count {
            return broken("its frame header has the wrong length");
        }
        if precision != 8 {
            return broken(format!("unsupported precision of {precision} bits"));
        }
        let mut components = Vec::with_capacity(count);
        for _ in 0..count {
            let (id, factors, quantisation_number) = (input.byte()?, input.byte()?, input.byte()?);
            components.push(Component {
                id,
                across: usize::from(factors >> 4),
                down: usize::from(factors & 15),
                quantisation_number,
                quantisation: None,
                width_in_blocks: 0,
                height_in_blocks: 0,
                width: 0,
                height: 0,
            });
        }
        self.frame =
            Some(Frame { process, is_arithmetic, width, height, components, across: 1, down: 1, unit_rows: 0 });
        Ok(())
    }

    fn scan(&mut self, input: &mut Input<'_>) -> Step<ScanHeader> {
        let Some(frame) = &self.frame else { return broken("its image data come before the frame header") };
        let length = usize::from(input.word()?);
        let count = usize::from(input.byte()?);
        if length != 2 * count + 6 || !(1..=4).contains(&count) {
            return broken("a scan header has the wrong length");
        }
        let mut components: Vec<(usize, u8, u8)> = vec![];
        for n in 0..count {
            let (id, tables) = (input.byte()?, input.byte()?);
            // Two components may share an id. One that is already in the list is then skipped.
            let found = frame.components.iter().take(4).enumerate().find(|(at, c)| c.id == id && *at >= n);
            match found {
                Some((at, _)) if components.iter().all(|taken| taken.0 != at) => {
                    components.push((at, tables >> 4, tables & 15));
                }
                _ => return broken(format!("a scan names an invalid component {id}")),
            }
        }
        let (first, last, bits) = (input.byte()?, input.byte()?, input.byte()?);
        self.scans += 1;
        Ok(ScanHeader { components, first, last, high: bits >> 4, low: bits & 15 })
    }
}

fn first_marker(input: &mut Input<'_>) -> Step<u8> {
    let start = input.word()?;
    if start != 0xffd8 {
        return broken(format!("expected the start of an image, found 0x{start:04x}"));
    }
    input.marker = 0xd8;
    Ok(0xd8)
}

impl Frame {
    /// Checks the frame and computes the sizes of its components, once its first scan is known.
    pub(super) fn set_up(&mut self) -> Step<()> {
        if self.width.max(self.height) > 65_500 {
            return broken("its sides are longer than 65500 pixels");
        }
        if self.components.len() > 10 {
            return broken(format!("it has {} components", self.components.len()));
        }
        if self.components.iter().any(|c| !(1..=4).contains(&c.across) || !(1..=4).contains(&c.down)) {
            return broken("a sampling factor is invalid");
        }
        let unit = if self.process == Process::Lossless { 1 } else { 8 };
        self.across = self.components.iter().map(|c| c.across).max().unwrap_or(1);
        self.down = self.components.iter().map(|c| c.down).max().unwrap_or(1);
        for component in &mut self.components {
            component.width_in_blocks = (self.width * component.across).div_ceil(self.across * unit);
            component.height_in_blocks = (self.height * component.down).div_ceil(self.down * unit);
            component.width = (self.width * component.across).div_ceil(self.across);
            component.height = (self.height * component.down).div_ceil(self.down);
        }
        self.unit_rows = self.height.div_ceil(self.down * unit);
        Ok(())
    }

    /// Records the quantisation tables of a scan's components, unless an earlier scan had them.
    pub(super) fn latch_quantisation(&mut self, scan: &ScanHeader, tables: &Tables) -> Step<()> {
        for &(at, ..) in &scan.components {
            let component = &mut self.components[at];
            if component.quantisation.is_none() {
                let number = component.quantisation_number;
                let table = tables.quantisation.get(usize::from(number)).copied().flatten();
                if table.is_none() {
                    return broken(format!("quantization table {number} was not defined"));
                }
                component.quantisation = table;
            }
        }
        Ok(())
    }
}

impl Tables {
    fn huffman(&mut self, input: &mut Input<'_>) -> Step<()> {
        let mut length = i32::from(input.word()?) - 2;
        while length > 16 {
            let index = input.byte()?;
            let mut lengths = [0; 16];
            for count in &mut lengths {
                *count = input.byte()?;
            }
            length -= 17;
            let count: i32 = lengths.iter().map(|&n| i32::from(n)).sum();
            if count > 256 || count > length {
                return broken("a Huffman table is invalid");
            }
            let mut symbols = vec![0; count as usize];
            for symbol in &mut symbols {
                *symbol = input.byte()?;
            }
            length -= count;
            let (tables, number) = if index & 0x10 == 0 { (&mut self.dc, index) } else { (&mut self.ac, index - 0x10) };
            let Some(table) = tables.get_mut(usize::from(number)) else {
                return broken(format!("a Huffman table has the invalid number {number}"));
            };
            *table = Some(Codes::new(lengths, &symbols));
        }
        if length == 0 { Ok(()) } else { broken("a list of Huffman tables has the wrong length") }
    }

    fn quantisation(&mut self, input: &mut Input<'_>) -> Step<()> {
        let mut length = i32::from(input.word()?) - 2;
        while length > 0 {
            let head = input.byte()?;
            let (is_wide, number) = (head >> 4 != 0, head & 15);
            let Some(slot) = self.quantisation.get_mut(usize::from(number)) else {
                return broken(format!("a quantization table has the invalid number {number}"));
            };
            let table = slot.get_or_insert([0; 64]);
            for n in 0..64 {
                table[NATURAL_ORDER[n]] = if is_wide { input.word()? } else { u16::from(input.byte()?) };
            }
            length -= if is_wide { 129 } else { 65 };
        }
        if length == 0 { Ok(()) } else { broken("a list of quantization tables has the wrong length") }
    }

    fn restarts(&mut self, input: &mut Input<'_>) -> Step<()> {
        if input.word()? != 4 {
            return broken("a restart interval has the wrong length");
        }
        self.restart_interval = input.word()?;
        Ok(())
    }

    fn conditioning(&mut self, input: &mut Input<'_>) -> Step<()> {
        let mut length = i32::from(input.word()?) - 2;
        while length > 0 {
            let (index, value) = (usize::from(input.byte()?), input.byte()?);
            length -= 2;
            match index {
                0..16 => {
                    let (low, high) = (value & 15, value >> 4);
                    (self.conditioning.dc_low[index], self.conditioning.dc_high[index]) = (low, high);
                    if low > high {
                        return broken("a conditioning of arithmetic coding is invalid");
                    }
                }
                16..32 => self.conditioning.ac[index - 16] = value,
                _ => return broken("a conditioning of arithmetic coding is invalid"),
            }
        }
        if length == 0 { Ok(()) } else { broken("a conditioning of arithmetic coding has the wrong length") }
    }
}

/// The positions in a block of the coefficients in scan order; 16 more catch runs beyond its end.
#[rustfmt::skip]
pub(super) const NATURAL_ORDER: [usize; 80] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
];
