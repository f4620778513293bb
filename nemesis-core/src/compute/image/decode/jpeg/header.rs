//! What Pillow itself checks before it calls libjpeg (`JpegImagePlugin`): it refuses more than libjpeg does.

use crate::image::decode::broken;
use crate::{Error, Result};

/// Width and height from the file's last frame header before its first scan.
///
/// # Errors
///
/// When Pillow would not accept the file as a JPEG image.
pub(super) fn check(bytes: &[u8]) -> Result<(usize, usize)> {
    let mut reader = Reader { rest: &bytes[3..] };
    let mut size = None;
    let mut profiles: Vec<&[u8]> = vec![];
    loop {
        let marker = match reader.byte()? {
            0xff => continue,
            0 => {
                reader.next_marker()?;
                continue;
            }
            marker => marker,
        };
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xde => {
                size = Some(frame(reader.segment()?)?);
                check_profiles(&mut profiles)?;
            }
            0xc4 | 0xcc | 0xda | 0xdb..=0xdd | 0xdf | 0xfe => drop(reader.segment()?),
            0xe0..=0xef => {
                let data = reader.segment()?;
                application(marker, data)?;
                if marker == 0xe2 && data.starts_with(b"ICC_PROFILE\0") {
                    profiles.push(data);
                }
            }
            0xc8 | 0xd0..=0xd9 | 0xf0..=0xfd => {}
            _ => return Err(broken("JPEG", &format!("0x{marker:02x} is not a marker"))),
        }
        if marker == 0xda {
            return size.ok_or_else(|| broken("JPEG", "its image data come before the frame header"));
        }
        reader.next_marker()?;
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or_else(no_image)?;
        self.rest = rest;
        Ok(byte)
    }

    /// Skips everything up to the next 0xff.
    fn next_marker(&mut self) -> Result<()> {
        while self.byte()? != 0xff {}
        Ok(())
    }

    /// The data of a segment, without its length.
    fn segment(&mut self) -> Result<&'a [u8]> {
        let length = usize::from(u16::from_be_bytes([self.byte()?, self.byte()?])).saturating_sub(2);
        let (data, rest) = self.rest.split_at_checked(length).ok_or_else(no_image)?;
        self.rest = rest;
        Ok(data)
    }
}

fn no_image() -> Error {
    broken("JPEG", "the file is truncated before the image data")
}

fn frame(data: &[u8]) -> Result<(usize, usize)> {
    let &[precision, h1, h0, w1, w0, count, ..] = data else {
        return Err(broken("JPEG", "its frame header is too short"));
    };
    if precision != 8 {
        return Err(Error::new(format!("the JPEG image has {precision} bits per sample")).expected("8"));
    }
    if ![1, 3, 4].contains(&count) {
        return Err(Error::new(format!("the JPEG image has {count} components")).expected("1, 3 or 4"));
    }
    let side = |high, low| usize::from(u16::from_be_bytes([high, low]));
    Ok((side(w1, w0), side(h1, h0)))
}

/// Profiles are split into segments, each with a number and a count; Pillow needs those of the first.
fn check_profiles(profiles: &mut Vec<&[u8]>) -> Result<()> {
    profiles.sort_unstable();
    let is_short = profiles.first().is_some_and(|first| first.len() < 14);
    profiles.clear();
    if is_short { Err(broken("JPEG", "its colour profile is truncated")) } else { Ok(()) }
}

fn application(marker: u8, data: &[u8]) -> Result<()> {
    let is_short = match marker {
        0xe0 => data.starts_with(b"JFIF") && data.len() < 7,
        0xee => data.starts_with(b"Adobe") && data.len() < 7,
        0xed => data.starts_with(b"Photoshop 3.0\0") && ends_within_name(data),
        _ => false,
    };
    if is_short { Err(broken("JPEG", &format!("its application segment 0x{marker:02x} is truncated"))) } else { Ok(()) }
}

/// Whether the list of Photoshop's resources ends before the name of one begins. Truncation elsewhere is ignored.
fn ends_within_name(data: &[u8]) -> bool {
    let mut at = 14;
    while data.get(at..at + 4) == Some(b"8BIM") {
        let Some(code) = data.get(at + 4..at + 6) else { return false };
        let Some(&name) = data.get(at + 6) else { return true };
        at += 7 + usize::from(name);
        at += at & 1;
        let Some(size) = data.get(at..).and_then(|rest| rest.first_chunk()) else { return false };
        let size = u32::from_be_bytes(*size) as usize;
        // Parsing a resolution takes 14 bytes.
        if code == [0x03, 0xed] && size.min(data.len() - at - 4) < 14 {
            return false;
        }
        at += 4 + size;
        at += at & 1;
    }
    false
}
