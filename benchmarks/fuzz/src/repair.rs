//! Makes checksums and lengths right again after a change, which would otherwise be all that is ever refused.

#![expect(clippy::ptr_arg, reason = "all repairs are functions of one type, and some change the length")]

use flate2::Crc;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::io::{Cursor, Read, Write};

/// The checksums of a PNG's chunks, as far as lengths still lead from one to the next.
pub(crate) fn png(input: &mut Vec<u8>) {
    let mut at = 8;
    while let Some(length) = input.get(at..at + 4).and_then(|bytes| Some(u32::from_be_bytes(bytes.try_into().ok()?))) {
        let (start, end) = (at + 4, (at + 8).saturating_add(length as usize));
        let Some(content) = input.get(start..end) else { return };
        let mut crc = Crc::new();
        crc.update(content);
        let sum = crc.sum().to_be_bytes();
        let Some(place) = input.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

/// The length before a safetensors header, which ends where the first byte follows that no JSON object has.
pub(crate) fn safetensors(input: &mut Vec<u8>) {
    let Some(header) = input.get(8..) else { return };
    let mut depth = 0_i64;
    let mut is_text = false;
    for (at, byte) in header.iter().enumerate() {
        match byte {
            b'"' => is_text = !is_text,
            b'{' if !is_text => depth += 1,
            b'}' if !is_text => depth -= 1,
            _ => {}
        }
        if depth == 0 && *byte == b'}' && !is_text {
            let length = (at + 1) as u64;
            input[..8].copy_from_slice(&length.to_le_bytes());
            return;
        }
    }
}

/// The checksums of a tar's headers.
pub(crate) fn tar(input: &mut Vec<u8>) {
    for header in input.chunks_exact_mut(512) {
        if &header[257..262] != b"ustar" {
            continue;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        let digits = format!("{sum:06o}\0 ");
        header[148..156].copy_from_slice(digits.as_bytes());
    }
}

/// A gzip stream around the input, so that what it holds is changed and not what it is packed in.
pub(crate) fn gzip(input: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(input).expect("writing to memory does not fail");
    packed.finish().expect("writing to memory does not fail")
}

/// The files of a zip, one after the other, each after a line with its name and length; the other way, [`zip`].
pub(crate) fn unzip(input: &[u8]) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(input)).ok()?;
    let mut flat = Vec::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).ok()?;
        let mut content = Vec::new();
        file.by_ref().take(1 << 20).read_to_end(&mut content).ok()?;
        flat.extend(format!("{}\n{}\n", file.name().ok()?, content.len()).as_bytes());
        flat.extend(content);
    }
    Some(flat)
}

/// A zip of the files in a text of [`unzip`]. A length that does not fit takes what is there.
pub(crate) fn zip(flat: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut rest = flat;
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    while let Some((name, after)) = line(rest) {
        let Some((length, content)) = line(after) else { break };
        let length = std::str::from_utf8(length).ok().and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX);
        let (content, others) = content.split_at(length.min(content.len()));
        // A name that comes twice is refused by the writer, and left out.
        if archive.start_file(String::from_utf8_lossy(name), stored).is_ok() {
            archive.write_all(content).expect("writing to memory does not fail");
        }
        rest = others;
    }
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some((&text[..end], &text[end + 1..]))
}

/// A MATLAB file with its compressed elements unpacked.
pub(crate) fn unpack_matlab(input: &[u8]) -> Option<Vec<u8>> {
    elements(input, |content| {
        let mut plain = Vec::new();
        ZlibDecoder::new(content).read_to_end(&mut plain).ok()?;
        Some(plain)
    })
}

/// A MATLAB file with each element after the first header packed.
pub(crate) fn pack_matlab(input: &[u8]) -> Vec<u8> {
    let Some((header, mut rest)) = input.split_at_checked(128) else { return input.to_vec() };
    let mut packed = header.to_vec();
    while let Some(length) = rest.get(4..8).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?))) {
        let (element, others) = rest.split_at((8 + length as usize).min(rest.len()));
        let mut content = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        content.write_all(element).expect("writing to memory does not fail");
        let content = content.finish().expect("writing to memory does not fail");
        packed.extend(15_u32.to_le_bytes());
        packed.extend((content.len() as u32).to_le_bytes());
        packed.extend(content);
        rest = others;
    }
    packed.extend(rest);
    packed
}

fn elements(input: &[u8], unpack: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (header, mut rest) = input.split_at_checked(128)?;
    let mut plain = header.to_vec();
    while rest.len() >= 8 {
        let kind = u32::from_le_bytes(rest[..4].try_into().ok()?);
        let length = u32::from_le_bytes(rest[4..8].try_into().ok()?) as usize;
        let content = rest.get(8..8 + length)?;
        if kind == 15 {
            plain.extend(unpack(content)?);
        } else {
            plain.extend(&rest[..8 + length]);
        }
        rest = &rest[8 + length..];
    }
    Some(plain)
}
