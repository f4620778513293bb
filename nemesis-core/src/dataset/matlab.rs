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
/// The largest annotation file holds a few MB, and one that takes more memory than this is a trap. A byte of a file
/// can be a number of eight.
const MAX_BYTES: usize = 256 << 20;

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

/// Reads the first variable of this name. Of the others no more is read than what they are called.
pub(crate) fn variable(bytes: &[u8], name: &str) -> Result<Array> {
    within(bytes, name, &mut Budget(MAX_BYTES))
}

fn within(bytes: &[u8], wanted: &str, budget: &mut Budget) -> Result<Array> {
    let header = bytes.get(..HEADER).ok_or_else(|| truncated("header"))?;
    if header.starts_with(b"MATLAB 7.3") {
        return Err(Error::new("the file is a MATLAB 7.3 file").expected("a MATLAB 5 file").help("save it with `-v6`"));
    }
    if &header[126..] != b"IM" || !header.starts_with(b"MATLAB 5.0") {
        return Err(Error::new("the file is not a MATLAB 5 file of a little-endian machine")
            .help("download it again: a server may have sent a message instead"));
    }
    let mut found = None;
    let mut others = Vec::new();
    let mut reader = Reader(&bytes[HEADER..]);
    while !reader.0.is_empty() {
        let (kind, data) = reader.element("variable")?;
        let unpacked;
        let data = match kind {
            // What follows only shows whether the file is whole.
            MATRIX | COMPRESSED if found.is_some() => continue,
            MATRIX => data,
            COMPRESSED => {
                unpacked = inflate(data, budget)?;
                match Reader(&unpacked).element("compressed variable")? {
                    (MATRIX, data) => data,
                    (kind, _) => {
                        return Err(Error::new(format!("a compressed element of type {kind} is not an array")));
                    }
                }
            }
            _ => return Err(Error::new(format!("an element of type {kind} stands where a variable should"))),
        };
        let name = if data.is_empty() { String::new() } else { Head::read(data, budget)?.name };
        if name == wanted {
            found = Some(array(data, 0, budget)?);
        } else {
            // The name, and its place in a message.
            budget.spend_on::<[String; 2]>(1)?;
            others.push(format!("`{name}`"));
        }
    }
    found.ok_or_else(|| {
        let has = if others.is_empty() { "none at all".to_owned() } else { others.join(", ") };
        Error::new(format!("the MATLAB file has no variable `{wanted}`, but {has}"))
            .expected(format!("the data set's own file, which has `{wanted}`"))
    })
}

/// How many more bytes of memory a file may take, for what is unpacked and what is read of it together.
struct Budget(usize);

impl Budget {
    fn spend(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            Error::new("the MATLAB file takes too much memory")
                .expected(format!("at most {} MB, and the data sets' own files take a few", MAX_BYTES >> 20))
        })?;
        Ok(())
    }

    fn spend_on<T>(&mut self, count: usize) -> Result<()> {
        self.spend(count.saturating_mul(size_of::<T>()))
    }
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

fn inflate(data: &[u8], budget: &mut Budget) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    ZlibDecoder::new(data)
        .take(budget.0 as u64 + 1)
        .read_to_end(&mut unpacked)
        .map_err(|e| Error::new(format!("a compressed variable of the MATLAB file is damaged: {e}")))?;
    budget.spend(unpacked.len())?;
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

    fn numbers(&mut self, what: &str, budget: &mut Budget) -> Result<Vec<f64>> {
        let (kind, data) = self.element(what)?;
        numbers(kind, data, budget)
    }
}

/// What stands before the content of an array.
struct Head<'a> {
    class: u8,
    dimensions: Vec<f64>,
    name: String,
    content: Reader<'a>,
}

impl<'a> Head<'a> {
    /// From the data of a matrix element that has some.
    fn read(data: &'a [u8], budget: &mut Budget) -> Result<Self> {
        let mut content = Reader(data);
        let (_, flags) = content.element("array's flags")?;
        let class = *flags.first().ok_or_else(|| truncated("array's flags"))?;
        let dimensions = content.numbers("array's dimensions", budget)?;
        let (_, name) = content.element("array's name")?;
        Ok(Self { class, dimensions, name: String::from_utf8_lossy(name).into_owned(), content })
    }
}

/// An array from the data of a matrix element.
fn array(data: &[u8], depth: usize, budget: &mut Budget) -> Result<Array> {
    if depth > MAX_DEPTH {
        return Err(Error::new("the arrays of the MATLAB file are nested too deep"));
    }
    if data.is_empty() {
        return Ok(Array::Numbers(Vec::new()));
    }
    let Head { class, dimensions, name, content: mut reader } = Head::read(data, budget)?;
    let size = dimensions.iter().try_fold(1_u32, |size, dimension| size.checked_mul(whole(*dimension)?));
    let count = size.ok_or_else(|| Error::new(format!("the array `{name}` has no sensible size")))? as usize;
    let array = match class {
        1 => Array::Cells(arrays(&mut reader, count, depth, budget)?),
        2 => structs(&mut reader, count, depth, budget)?,
        4 => Array::Text(text(&mut reader, &dimensions, budget)?),
        6..=15 => Array::Numbers(reader.numbers("array of numbers", budget)?),
        other => Array::Other(other),
    };
    if let Array::Numbers(numbers) = &array
        && numbers.len() != count
    {
        return Err(Error::new(format!("the array `{name}` has {} numbers where {count} should be", numbers.len())));
    }
    Ok(array)
}

/// `count` unnamed arrays one after the other.
fn arrays(reader: &mut Reader<'_>, count: usize, depth: usize, budget: &mut Budget) -> Result<Vec<Array>> {
    // Each takes eight bytes at least, so that a count that is a lie cannot make this allocate much.
    if count > reader.0.len() / 8 {
        return Err(truncated("list of arrays"));
    }
    budget.spend_on::<Array>(count)?;
    (0..count)
        .map(|_| match reader.element("array")? {
            (MATRIX, data) => array(data, depth + 1, budget),
            (kind, _) => Err(Error::new(format!("an element of type {kind} stands where an array should"))),
        })
        .collect()
}

fn structs(reader: &mut Reader<'_>, count: usize, depth: usize, budget: &mut Budget) -> Result<Array> {
    let width = reader.numbers("struct's field name length", budget)?;
    let (_, names) = reader.element("struct's field names")?;
    let width = width.first().map_or(0, |width| *width as usize);
    if width == 0 {
        return Err(Error::new("a struct of the MATLAB file has no length for its field names"));
    }
    let names = names.chunks(width);
    budget.spend_on::<String>(names.len())?;
    let trimmed = |name: &[u8]| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
    let fields: Vec<String> = names.map(trimmed).collect();
    let values = arrays(reader, count.saturating_mul(fields.len()), depth, budget)?;
    let count = values.len().checked_div(fields.len()).unwrap_or(0);
    budget.spend_on::<Vec<Array>>(count)?;
    let mut values = values.into_iter();
    let elements = (0..count).map(|_| values.by_ref().take(fields.len()).collect()).collect();
    Ok(Array::Structs { fields, elements })
}

fn text(reader: &mut Reader<'_>, dimensions: &[f64], budget: &mut Budget) -> Result<String> {
    let (kind, data) = reader.element("text")?;
    if dimensions.first().is_some_and(|rows| *rows > 1.0) {
        return Err(Error::new("a text of the MATLAB file has several lines").expected("one line"));
    }
    // A byte becomes two at most.
    budget.spend_on::<[u8; 2]>(data.len())?;
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

fn numbers(kind: u32, data: &[u8], budget: &mut Budget) -> Result<Vec<f64>> {
    fn all<const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let (chunks, rest) = data.as_chunks::<N>();
        rest.is_empty().then(|| chunks.iter().map(|chunk| convert(*chunk)).collect())
    }
    let width = match kind {
        INT8 | UINT8 => 1,
        INT16 | UINT16 => 2,
        INT32 | UINT32 | SINGLE => 4,
        _ => 8,
    };
    budget.spend_on::<f64>(data.len() / width)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    fn element(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
        bytes.extend(data);
        bytes.resize(if kind == COMPRESSED { bytes.len() } else { bytes.len().next_multiple_of(8) }, 0);
        bytes
    }

    /// A row of bytes.
    fn row(name: &str, kind: u32, data: &[u8]) -> Vec<u8> {
        let dimensions = [1_i32.to_le_bytes(), (data.len() as i32).to_le_bytes()].concat();
        let parts =
            [(UINT32, &[9, 0, 0, 0, 0, 0, 0, 0][..]), (INT32, &dimensions[..]), (INT8, name.as_bytes()), (kind, data)];
        element(MATRIX, &parts.map(|(kind, data)| element(kind, data)).concat())
    }

    fn compressed(variable: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(variable).unwrap();
        element(COMPRESSED, &encoder.finish().unwrap())
    }

    fn file(variables: &[Vec<u8>]) -> Vec<u8> {
        let mut header = b"MATLAB 5.0 MAT-file".to_vec();
        header.resize(HEADER, 0);
        header[124..].copy_from_slice(&[0, 1, b'I', b'M']);
        [header, variables.concat()].concat()
    }

    #[test]
    fn memory_is_counted_over_all_of_a_file() {
        let (first, second) = (row("first", UINT8, &[7; 1000]), row("second", UINT8, &[8; 1000]));
        let read = |bytes: &[u8], budget| within(bytes, "second", &mut Budget(budget));
        let plain = file(&[first.clone(), second.clone()]);
        assert_eq!(read(&plain, 8200).unwrap(), Array::Numbers(vec![8.0; 1000]));
        assert!(read(&plain, 7900).unwrap_err().to_string().starts_with("the MATLAB file takes too much memory"));
        // Of both, 1064 bytes are unpacked.
        let packed = file(&[compressed(&first), compressed(&second)]);
        assert_eq!(read(&packed, 10_300).unwrap(), Array::Numbers(vec![8.0; 1000]));
        assert!(read(&packed, 9_900).is_err());
        assert!(read(&packed, 1500).is_err());
    }

    #[test]
    fn other_variables_are_passed_over() {
        let unknown = row("unknown", 99, &[0; 8]);
        let bytes = file(&[compressed(&unknown), row("wanted", UINT8, &[1, 2]), unknown]);
        assert_eq!(variable(&bytes, "wanted").unwrap(), Array::Numbers(vec![1.0, 2.0]));
        assert!(variable(&bytes, "unknown").is_err());
        let missing = variable(&bytes, "missing").unwrap_err().to_string();
        assert!(missing.contains("but `unknown`, `wanted`, `unknown`"), "{missing}");
    }
}
