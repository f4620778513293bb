//! A reader of MATLAB 5 files, as far as the annotations of StanfordCars and Flowers102 need one.
//!
//! A file is a header of 128 bytes and a list of elements, each a type, a length and data; an array is an element made
//! of elements (MathWorks, "MAT-File Format", chapter 1). Numbers, text, cells and structs are read; other classes
//! (sparse matrices, objects) are kept by name only.

use crate::{Error, Result};
use flate2::read::ZlibDecoder;
use std::io::Read;

/// What a variable, a cell or a field holds. Arrays are flattened, columns first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Array {
    /// Numbers of any type.
    Numbers(Vec<f64>),
    /// A line of text.
    Text(String),
    /// A cell array.
    Cells(Vec<Array>),
    /// A struct array: for each struct the values of its fields, in the order of `fields`.
    Structs { fields: Vec<String>, elements: Vec<Vec<Array>> },
    /// Something that no data set needs, by the number of its class.
    Other(u8),
}

const HEADER: usize = 128;
/// Arrays nest a few levels deep in any real file; more would only exhaust the stack.
const MAX_DEPTH: usize = 16;
/// The largest annotation file holds a few MB; a compressed one that unpacks to more than this is a trap.
const MAX_UNPACKED: u64 = 256 << 20;

// Types of elements.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const SINGLE: u32 = 7;
const DOUBLE: u32 = 9;
const INT64: u32 = 12;
const UINT64: u32 = 13;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const UTF8: u32 = 16;
const UTF16: u32 = 17;

/// Reads the variables of a file, with their names, in order.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, Array)>> {
    let header = bytes.get(..HEADER).ok_or_else(|| truncated("header"))?;
    if header.starts_with(b"MATLAB 7.3") {
        return Err(Error::new("the file is a MATLAB 7.3 file").expected("a MATLAB 5 file").help("save it with `-v6`"));
    }
    if &header[126..] != b"IM" || !header.starts_with(b"MATLAB 5.0") {
        return Err(Error::new("the file is not a MATLAB 5 file of a little-endian machine")
            .help("download it again: a server may have sent a message instead"));
    }
    let mut variables = Vec::new();
    let mut reader = Reader(&bytes[HEADER..]);
    while !reader.0.is_empty() {
        let (kind, data) = reader.element("variable")?;
        match kind {
            MATRIX => variables.push(array(data, 0)?),
            COMPRESSED => {
                let unpacked = inflate(data)?;
                match Reader(&unpacked).element("compressed variable")? {
                    (MATRIX, data) => variables.push(array(data, 0)?),
                    (kind, _) => {
                        return Err(Error::new(format!("a compressed element of type {kind} is not an array")));
                    }
                }
            }
            _ => return Err(Error::new(format!("an element of type {kind} stands where a variable should"))),
        }
    }
    Ok(variables)
}

/// The variable of this name.
pub(crate) fn variable(variables: Vec<(String, Array)>, name: &str) -> Result<Array> {
    let names: Vec<String> = variables.iter().map(|(name, _)| format!("`{name}`")).collect();
    variables.into_iter().find(|(n, _)| n == name).map(|(_, array)| array).ok_or_else(|| {
        let has = if names.is_empty() { "none at all".to_owned() } else { names.join(", ") };
        Error::new(format!("the MATLAB file has no variable `{name}`, but {has}"))
            .expected(format!("the data set's own file, which has `{name}`"))
    })
}

impl Array {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a single whole one that is not negative.
    pub(crate) fn index(&self) -> Option<u32> {
        match self {
            Self::Numbers(numbers) if numbers.len() == 1 => whole(numbers[0]),
            _ => None,
        }
    }
}

/// A number that is whole and fits.
pub(crate) fn whole(number: f64) -> Option<u32> {
    (number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0).then_some(number as u32)
}

fn truncated(what: &str) -> Error {
    Error::new(format!("the MATLAB file ends in the middle of a {what}"))
        .help("download it again: the last download may have been interrupted")
}

fn inflate(data: &[u8]) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    ZlibDecoder::new(data)
        .take(MAX_UNPACKED + 1)
        .read_to_end(&mut unpacked)
        .map_err(|e| Error::new(format!("a compressed variable of the MATLAB file is damaged: {e}")))?;
    if unpacked.len() as u64 > MAX_UNPACKED {
        return Err(Error::new("a compressed variable of the MATLAB file is too large")
            .expected(format!("at most {} MB", MAX_UNPACKED >> 20)));
    }
    Ok(unpacked)
}

/// Reads elements off the front of some bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(|| truncated(what))?;
        self.0 = tail;
        Ok(head)
    }

    /// An element's type and data. Small ones share eight bytes with their type; others are padded to eight.
    fn element(&mut self, what: &str) -> Result<(u32, &'a [u8])> {
        let tag = self.take(8, what)?;
        let word = |i| u32::from_le_bytes([tag[i], tag[i + 1], tag[i + 2], tag[i + 3]]);
        let (kind, small) = (word(0) & 0xffff, (word(0) >> 16) as usize);
        if small > 0 {
            return Ok((kind, tag.get(4..4 + small).ok_or_else(|| truncated(what))?));
        }
        let data = self.take(word(4) as usize, what)?;
        if kind != COMPRESSED {
            // The last element of a file may come without its padding.
            self.0 = &self.0[self.0.len().min(data.len().next_multiple_of(8) - data.len())..];
        }
        Ok((kind, data))
    }

    fn numbers(&mut self, what: &str) -> Result<Vec<f64>> {
        let (kind, data) = self.element(what)?;
        numbers(kind, data)
    }
}

/// An array with its name, from the data of a matrix element.
fn array(data: &[u8], depth: usize) -> Result<(String, Array)> {
    if depth > MAX_DEPTH {
        return Err(Error::new("the arrays of the MATLAB file are nested too deep"));
    }
    if data.is_empty() {
        return Ok((String::new(), Array::Numbers(Vec::new())));
    }
    let mut reader = Reader(data);
    let (_, flags) = reader.element("array's flags")?;
    let class = *flags.first().ok_or_else(|| truncated("array's flags"))?;
    let dimensions = reader.numbers("array's dimensions")?;
    let (_, name) = reader.element("array's name")?;
    let name = String::from_utf8_lossy(name).into_owned();
    let size = dimensions.iter().try_fold(1_u32, |size, dimension| size.checked_mul(whole(*dimension)?));
    let count = size.ok_or_else(|| Error::new(format!("the array `{name}` has no sensible size")))? as usize;
    let array = match class {
        1 => Array::Cells(arrays(&mut reader, count, depth)?),
        2 => structs(&mut reader, count, depth)?,
        4 => Array::Text(text(&mut reader, &dimensions)?),
        6..=15 => Array::Numbers(reader.numbers("array of numbers")?),
        other => Array::Other(other),
    };
    if let Array::Numbers(numbers) = &array
        && numbers.len() != count
    {
        return Err(Error::new(format!("the array `{name}` has {} numbers where {count} should be", numbers.len())));
    }
    Ok((name, array))
}

/// `count` unnamed arrays one after the other.
fn arrays(reader: &mut Reader<'_>, count: usize, depth: usize) -> Result<Vec<Array>> {
    // Each takes eight bytes at least, so that a count that is a lie cannot make this allocate much.
    if count > reader.0.len() / 8 {
        return Err(truncated("list of arrays"));
    }
    (0..count)
        .map(|_| match reader.element("array")? {
            (MATRIX, data) => Ok(array(data, depth + 1)?.1),
            (kind, _) => Err(Error::new(format!("an element of type {kind} stands where an array should"))),
        })
        .collect()
}

fn structs(reader: &mut Reader<'_>, count: usize, depth: usize) -> Result<Array> {
    let width = reader.numbers("struct's field name length")?;
    let (_, names) = reader.element("struct's field names")?;
    let width = width.first().map_or(0, |width| *width as usize);
    if width == 0 {
        return Err(Error::new("a struct of the MATLAB file has no length for its field names"));
    }
    let trimmed = |name: &[u8]| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
    let fields: Vec<String> = names.chunks(width).map(trimmed).collect();
    let values = arrays(reader, count.saturating_mul(fields.len()), depth)?;
    let elements =
        if fields.is_empty() { Vec::new() } else { values.chunks(fields.len()).map(<[_]>::to_vec).collect() };
    Ok(Array::Structs { fields, elements })
}

fn text(reader: &mut Reader<'_>, dimensions: &[f64]) -> Result<String> {
    let (kind, data) = reader.element("text")?;
    if dimensions.first().is_some_and(|rows| *rows > 1.0) {
        return Err(Error::new("a text of the MATLAB file has several lines").expected("one line"));
    }
    let text = match kind {
        UTF8 => String::from_utf8(data.to_vec()).ok(),
        // Bytes are ISO 8859-1.
        INT8 | UINT8 => Some(data.iter().map(|byte| char::from(*byte)).collect()),
        UINT16 | UTF16 => {
            let units: Vec<u16> = data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        other => return Err(Error::new(format!("a text of the MATLAB file is stored as type {other}"))),
    };
    text.ok_or_else(|| Error::new("a text of the MATLAB file is not Unicode"))
}

fn numbers(kind: u32, data: &[u8]) -> Result<Vec<f64>> {
    fn all<const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let (chunks, rest) = data.as_chunks::<N>();
        rest.is_empty().then(|| chunks.iter().map(|chunk| convert(*chunk)).collect())
    }
    let numbers = match kind {
        INT8 => all(data, |b: [u8; 1]| f64::from(b[0].cast_signed())),
        UINT8 => all(data, |b: [u8; 1]| f64::from(b[0])),
        INT16 => all(data, |b| f64::from(i16::from_le_bytes(b))),
        UINT16 => all(data, |b| f64::from(u16::from_le_bytes(b))),
        INT32 => all(data, |b| f64::from(i32::from_le_bytes(b))),
        UINT32 => all(data, |b| f64::from(u32::from_le_bytes(b))),
        SINGLE => all(data, |b| f64::from(f32::from_le_bytes(b))),
        DOUBLE => all(data, f64::from_le_bytes),
        INT64 => all(data, |b| i64::from_le_bytes(b) as f64),
        UINT64 => all(data, |b| u64::from_le_bytes(b) as f64),
        other => return Err(Error::new(format!("numbers of the MATLAB file are stored as type {other}"))),
    };
    numbers.ok_or_else(|| truncated("number"))
}
