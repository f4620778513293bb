//! PNG of every colour type and depth, as Pillow reads it, including damaged files.
//!
//! Pillow checks the checksums of the chunks before the image data, and that of the image data as a whole if it gets
//! that far. It checks neither the checksums of single IDAT chunks nor those after them. `tests/pillow` checks that
//! this reader does the same.

mod chunks;
mod rows;

use super::{Decoded, broken, check_size, grey_to_rgb};
use crate::Result;
use crate::image::Rgb8;
use chunks::{About, Chunk, Chunks, Format};
use rows::{Layout, Rows, Window};

/// How many bytes Pillow inflates at once (`ImageFile.MAXBLOCK`).
const PORTION: usize = 65_536;

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    let mut chunks = Chunks::new(bytes);
    let length = read_header(&mut chunks)?;
    let about = std::mem::take(&mut chunks.about);
    let (width, height) = (about.width as usize, about.height as usize);
    check_size(width, height)?;
    let Some(format) = about.format else { return Err(broken("PNG", "its bit depth or colour type is unknown")) };
    let palette = palette(&about, format)?;
    let window = window(&about)?;
    let rows = Rows::new(width, height, window, layout(format), about.is_interlaced);
    let is_animated = about.frames.is_some_and(|frames| frames > 1 || about.window.is_none());
    chunks.about = about;
    let pixels = read_image(&mut chunks, length, rows, is_animated)?;
    let (data, alpha) = colours(format, pixels, &palette);
    Ok(Decoded { rgb: Rgb8::new(width, height, data)?, alpha })
}

/// Reads the chunks before the image data, and returns how many bytes the first image data chunk has.
fn read_header(chunks: &mut Chunks<'_>) -> Result<usize> {
    loop {
        let Some((length, kind)) = chunks.next() else { return Err(broken("PNG", "the file is truncated")) };
        match chunks.read(length, kind)? {
            Chunk::About(data) => chunks.check(kind, data)?,
            Chunk::Image(length) => return Ok(length),
            Chunk::End => return Err(broken("PNG", "it has no image data")),
        }
    }
}

/// Reads the image data, `left` bytes of the current chunk and all that follow, and checks what comes after.
fn read_image(chunks: &mut Chunks<'_>, mut left: usize, mut rows: Rows, is_animated: bool) -> Result<Vec<u8>> {
    let cut_off = || broken("PNG", "the image data are truncated");
    loop {
        while left == 0 {
            chunks.skip_checksum();
            left = match chunks.next() {
                Some((length, kind)) if kind == *b"fdAT" => match chunks.read(length, kind)? {
                    Chunk::Image(length) => length,
                    _ => return Err(cut_off()),
                },
                Some((length, kind)) if [*b"IDAT", *b"DDAT"].contains(&kind) => length,
                _ => return Err(cut_off()),
            };
        }
        let length = left.min(PORTION);
        let data = chunks.data_at_hand(length);
        if data.is_empty() {
            return Err(cut_off());
        }
        left -= length;
        if rows.feed(data)? {
            chunks.data_at_hand(left);
            read_rest(chunks, is_animated)?;
            return Ok(rows.into_pixels());
        }
    }
}

/// Reads what follows the image data. It need not end properly, but every chunk there must be complete.
fn read_rest(chunks: &mut Chunks<'_>, is_animated: bool) -> Result<()> {
    loop {
        chunks.skip_checksum();
        let Some((length, kind)) = chunks.next() else { return Ok(()) };
        if kind == *b"fcTL" && is_animated {
            return Ok(());
        }
        match chunks.read(length, kind)? {
            Chunk::About(_) => {}
            Chunk::Image(length) => drop(chunks.data(length)?),
            Chunk::End => return Ok(()),
        }
    }
}

fn window(about: &About) -> Result<Window> {
    let [left, top, right, bottom] = about.window.unwrap_or([0, 0, about.width, about.height]).map(|v| v as usize);
    if left >= right || top >= bottom || right > about.width as usize || bottom > about.height as usize {
        return Err(broken("PNG", "the first frame of the animation has no pixels"));
    }
    Ok(Window { left, top, width: right - left, height: bottom - top })
}

/// All 256 colours; Pillow shows entries beyond the palette's end in black.
fn palette(about: &About, (_, colour): Format) -> Result<[[u8; 3]; 256]> {
    let mut palette = [[0; 3]; 256];
    let given = about.palette.as_deref().unwrap_or_default().as_chunks().0;
    if colour == 3 && about.palette.is_none() && about.has_transparent_entry {
        return Err(broken("PNG", "it has a transparent colour but no palette"));
    }
    if given.len() > palette.len() {
        return Err(broken("PNG", &format!("its palette has {} entries", given.len())));
    }
    palette[..given.len()].copy_from_slice(given);
    Ok(palette)
}

fn layout((depth, colour): Format) -> Layout {
    // Pillow truncates grey that does not fit, and takes the high bytes of everything else.
    let narrow = if colour == 0 { |wide| u16::from_be_bytes(wide).min(255) as u8 } else { |[high, _]: [u8; 2]| high };
    Layout { samples: [1, 0, 3, 1, 2, 0, 4][usize::from(colour)], depth: usize::from(depth), narrow }
}

/// Colours and opacity of pixels, of which each sample is a byte.
fn colours((depth, colour): Format, pixels: Vec<u8>, palette: &[[u8; 3]; 256]) -> (Vec<u8>, Option<Vec<u8>>) {
    match colour {
        0 => {
            let factor = 255 / (u8::MAX >> (8 - depth.min(8)));
            (grey_to_rgb(pixels.iter().map(|v| v * factor)), None)
        }
        2 => (pixels, None),
        3 => (pixels.iter().flat_map(|v| palette[usize::from(*v)]).collect(), None),
        4 => {
            let pixels = pixels.as_chunks().0;
            (grey_to_rgb(pixels.iter().map(|&[grey, _]| grey)), Some(pixels.iter().map(|&[_, alpha]| alpha).collect()))
        }
        _ => {
            let pixels = pixels.as_chunks().0;
            let rgb = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
            (rgb, Some(pixels.iter().map(|&[_, _, _, alpha]| alpha).collect()))
        }
    }
}
