//! The chunks of a PNG file, as Pillow reads them: which ones it checks, and which errors it tolerates.

use crate::Result;
use crate::image::decode::broken;
use flate2::{Decompress, FlushDecompress, Status};

/// Pillow's limits for compressed texts and profiles, and for all texts together (`MAX_TEXT_CHUNK`, `MAX_TEXT_MEMORY`).
const MOST_TEXT: usize = 1 << 20;
const MOST_TEXTS: usize = 64 << 20;

/// The type of a chunk.
pub(super) type Kind = [u8; 4];

/// What a chunk was.
pub(super) enum Chunk<'a> {
    /// A chunk with information about the image, or one to ignore, with the data that its checksum covers.
    About(&'a [u8]),
    /// The start of image data, with its number of bytes.
    Image(usize),
    End,
}

/// Depth and colour type.
pub(super) type Format = (u8, u8);

/// What the chunks before the image data say.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) format: Option<Format>,
    pub(super) is_interlaced: bool,
    pub(super) palette: Option<Vec<u8>>,
    /// Exactly one entry of the palette is transparent.
    pub(super) has_transparent_entry: bool,
    /// The part of the image that the first frame of an animation covers: left, top, right, bottom.
    pub(super) window: Option<[u32; 4]>,
    /// The number of frames of an animation, as far as it is valid.
    pub(super) frames: Option<u32>,
    sequence: Option<u32>,
    texts: usize,
}

/// A position among the chunks of a file.
pub(super) struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(super) about: About,
}

impl<'a> Chunks<'a> {
    /// After the signature.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 8, about: About::default() }
    }

    /// Length and type of the next chunk; `None` at the end of the file or if there is something else.
    pub(super) fn next(&mut self) -> Option<(usize, Kind)> {
        let (head, _) = self.bytes.get(self.at..)?.split_first_chunk::<8>()?;
        self.at += 8;
        let [a, b, c, d, kind @ ..] = *head;
        let is_type = kind.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        is_type.then_some((u32::from_be_bytes([a, b, c, d]) as usize, kind))
    }

    /// The next `length` bytes.
    pub(super) fn data(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let data = rest.get(..length).ok_or_else(|| broken("PNG", "the file is truncated"))?;
        self.at += length;
        Ok(data)
    }

    /// As many of the next `length` bytes as there are.
    pub(super) fn data_at_hand(&mut self, length: usize) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let data = &rest[..length.min(rest.len())];
        self.at += data.len();
        data
    }

    /// Skips a checksum without checking it.
    pub(super) fn skip_checksum(&mut self) {
        self.data_at_hand(4);
    }

    pub(super) fn check(&mut self, kind: Kind, data: &[u8]) -> Result<()> {
        let mut sum = flate2::Crc::new();
        sum.update(&kind);
        sum.update(data);
        if self.data(4)? != sum.sum().to_be_bytes() {
            return Err(broken("PNG", &format!("wrong checksum of its chunk {}", kind.escape_ascii())));
        }
        Ok(())
    }

    /// Records a chunk's data.
    ///
    /// # Errors
    ///
    /// When Pillow's reader of this chunk fails, before or after the image data.
    pub(super) fn read(&mut self, length: usize, kind: Kind) -> Result<Chunk<'a>> {
        match &kind {
            b"IDAT" if self.about.format.is_some() => return Ok(Chunk::Image(length)),
            b"fdAT" => return self.frame_data(length),
            b"IEND" => return Ok(Chunk::End),
            _ => {}
        }
        let data = self.data(length)?;
        let least = match &kind {
            b"IHDR" => 13,
            b"tRNS" => match self.about.format {
                Some((_, 0)) => 2,
                Some((_, 2)) => 6,
                _ => 0,
            },
            b"gAMA" => 4,
            b"cHRM" => 32,
            b"sRGB" => 1,
            b"pHYs" => 9,
            b"acTL" => 8,
            b"fcTL" => 26,
            _ => 0,
        };
        if data.len() < least {
            return Err(broken("PNG", &format!("its chunk {} is too short", kind.escape_ascii())));
        }
        match &kind {
            b"IHDR" => self.header(data)?,
            b"PLTE" if self.is_indexed() => self.about.palette = Some(data.to_vec()),
            b"tRNS" if self.is_indexed() => {
                let rest = data.iter().skip_while(|&&alpha| alpha == 255).collect::<Vec<_>>();
                let rest = rest.strip_suffix(&[&b'\n']).filter(|rest| !rest.is_empty()).unwrap_or(&rest);
                self.about.has_transparent_entry |= rest
                    .split_first()
                    .is_some_and(|(first, rest)| **first == 0 && rest.iter().all(|&&alpha| alpha == 255));
            }
            b"tEXt" => self.text(data)?,
            b"zTXt" => self.compressed_text(data)?,
            b"iTXt" => self.international_text(data)?,
            b"iCCP" => profile(data)?,
            b"acTL" => self.animation(data),
            b"fcTL" => self.frame(data)?,
            _ => {}
        }
        Ok(Chunk::About(data))
    }

    fn is_indexed(&self) -> bool {
        self.about.format.is_some_and(|(_, colour)| colour == 3)
    }

    fn header(&mut self, data: &[u8]) -> Result<()> {
        (self.about.width, self.about.height) = (number(data, 0), number(data, 4));
        let format = (data[8], data[9]);
        if matches!(format, (1 | 2 | 4 | 8 | 16, 0) | (1 | 2 | 4 | 8, 3) | (8 | 16, 2 | 4 | 6)) {
            self.about.format = Some(format);
        }
        self.about.is_interlaced |= data[12] != 0;
        if data[11] != 0 { Err(broken("PNG", &format!("unknown filter method {}", data[11]))) } else { Ok(()) }
    }

    fn animation(&mut self, data: &[u8]) {
        let frames = number(data, 0);
        if self.about.frames.take().is_none() && (1..=0x8000_0000).contains(&frames) {
            self.about.frames = Some(frames);
        }
    }

    fn frame(&mut self, data: &[u8]) -> Result<()> {
        self.in_sequence(number(data, 0))?;
        let [width, height, left, top] = [4, 8, 12, 16].map(|at| u64::from(number(data, at)));
        if left + width > u64::from(self.about.width) || top + height > u64::from(self.about.height) {
            return Err(broken("PNG", "a frame of the animation is outside the image"));
        }
        self.about.window = Some([left, top, left + width, top + height].map(|side| side as u32));
        Ok(())
    }

    fn frame_data(&mut self, length: usize) -> Result<Chunk<'a>> {
        if length < 4 {
            return Err(broken("PNG", "its chunk fdAT is too short"));
        }
        let sequence = number(self.data(4)?, 0);
        if self.about.sequence.is_none() {
            return Err(broken("PNG", "the frames of the animation are out of order"));
        }
        self.in_sequence(sequence)?;
        Ok(Chunk::Image(length - 4))
    }

    fn in_sequence(&mut self, number: u32) -> Result<()> {
        let is_next = match self.about.sequence {
            None => number == 0,
            Some(last) => last.checked_add(1) == Some(number),
        };
        self.about.sequence = Some(number);
        if is_next { Ok(()) } else { Err(broken("PNG", "the frames of the animation are out of order")) }
    }

    fn count_text(&mut self, length: usize) -> Result<()> {
        self.about.texts += length;
        if self.about.texts > MOST_TEXTS { Err(broken("PNG", "its texts are too long")) } else { Ok(()) }
    }

    fn text(&mut self, data: &[u8]) -> Result<()> {
        let (key, value) = split(data).unwrap_or((data, &[]));
        if key.is_empty() { Ok(()) } else { self.count_text(value.len()) }
    }

    fn compressed_text(&mut self, data: &[u8]) -> Result<()> {
        let (key, value) = split(data).unwrap_or((data, &[]));
        let (method, value) = value.split_first().unwrap_or((&0, &[]));
        if *method != 0 {
            return Err(broken("PNG", &format!("unknown compression {method} of its chunk zTXt")));
        }
        let length = decompressed_length(value)?.unwrap_or(0);
        if key.is_empty() { Ok(()) } else { self.count_text(length) }
    }

    fn international_text(&mut self, data: &[u8]) -> Result<()> {
        let Some((_, [is_compressed, method, rest @ ..])) = split(data) else { return Ok(()) };
        let Some((language, (key, text))) = split(rest).and_then(|(l, rest)| Some((l, split(rest)?))) else {
            return Ok(());
        };
        let is_text = |bytes| std::str::from_utf8(bytes).is_ok();
        if *is_compressed == 0 {
            let is_text = is_text(language) && is_text(key) && is_text(text);
            return if is_text { self.count_text(text.len()) } else { Ok(()) };
        }
        if *method == 0 {
            // Below the limit for all texts, it does not matter whether the result is text.
            self.about.texts += decompressed_length(text)?.unwrap_or(0);
        }
        Ok(())
    }
}

fn profile(data: &[u8]) -> Result<()> {
    // If the name has no end, Python takes the first byte as the method and skips none.
    let end = data.iter().position(|&byte| byte == 0);
    let start = end.map_or(0, |end| end + 1);
    let Some((method, data)) = data.get(start..).and_then(<[u8]>::split_first) else {
        return Err(broken("PNG", "its chunk iCCP is too short"));
    };
    if *method != 0 {
        return Err(broken("PNG", &format!("unknown compression {method} of its chunk iCCP")));
    }
    decompressed_length(data).map(drop)
}

/// The parts before and after the first zero.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..end], &data[end + 1..]))
}

/// The length of compressed data, or `None` if they are broken, which does not matter.
fn decompressed_length(data: &[u8]) -> Result<Option<usize>> {
    let mut inflate = Decompress::new(true);
    let mut out = vec![0; MOST_TEXT];
    match inflate.decompress(data, &mut out, FlushDecompress::Sync) {
        Err(_) => Ok(None),
        Ok(status) => {
            let is_longer = status != Status::StreamEnd && (inflate.total_in() as usize) < data.len();
            if is_longer && inflate.total_out() as usize == MOST_TEXT {
                return Err(broken("PNG", "a compressed text or profile is too long"));
            }
            Ok(Some(inflate.total_out() as usize))
        }
    }
}

/// Four bytes as a number.
fn number(data: &[u8], at: usize) -> u32 {
    data[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
