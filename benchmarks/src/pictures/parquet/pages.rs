//! Looks at the layout of a Parquet file before the library does.

use super::thrift::{Numbers, structure};
use nemesis_core::{Error, Result};
use parquet::file::metadata::ParquetMetaData;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// What the footer ends with: the length of the layout before it, and a mark.
const END: usize = 8;

/// A page's header is shorter, unless it tells the smallest and the largest of long values.
const HEADER: u64 = 16 << 10;

/// The fields of a page's header.
const UNPACKED: (i16, i16) = (0, 2);
const PACKED: (i16, i16) = (0, 3);
/// How many values the pages hold: of data in two versions, and of a dictionary.
const VALUES: [(i16, i16); 3] = [(5, 1), (8, 1), DICTIONARY];
const DICTIONARY: (i16, i16) = (7, 1);

/// A page may take this when unpacked, and [`GROWTH`] times its size in the file.
const PAGE: i64 = 64 << 20;
const GROWTH: i64 = 64;

/// Refuses a file whose layout claims lists that are longer than it is.
///
/// # Errors
///
/// When it does, or the file cannot be read. What is otherwise no Parquet file passes: the library says why.
pub(super) fn check_footer(file: &mut File) -> Result<()> {
    let read = || -> io::Result<Option<Vec<u8>>> {
        let size = file.seek(SeekFrom::End(0))?;
        if size < END as u64 {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(size - END as u64))?;
        let mut end = [0; END];
        file.read_exact(&mut end)?;
        let [a, b, c, d, mark @ ..] = end;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        if &mark != b"PAR1" || length > size - END as u64 {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(size - END as u64 - length))?;
        let mut layout = Vec::new();
        file.take(length).read_to_end(&mut layout)?;
        Ok(Some(layout))
    };
    let layout = { read }().map_err(|e| Error::new(format!("the Parquet file cannot be read: {e}")))?;
    file.rewind().map_err(|e| Error::new(format!("the Parquet file cannot be read: {e}")))?;
    match layout {
        Some(layout) if structure(&layout).is_none() => {
            Err(damaged("its layout is cut off, or tells of more than there is"))
        }
        _ => Ok(()),
    }
}

/// Refuses pages of these columns that claim more values or bytes than they can hold.
///
/// # Errors
///
/// When one does, or the file cannot be read.
pub(super) fn check_pages(file: &mut File, metadata: &ParquetMetaData, columns: &[&str]) -> Result<()> {
    for group in metadata.row_groups() {
        let is_wanted = |path: &[String]| path.first().is_some_and(|name| columns.contains(&name.as_str()));
        for chunk in group.columns().iter().filter(|chunk| is_wanted(chunk.column_path().parts())) {
            // The library's own function for this panics where a number is negative.
            let first = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
            let (Ok(start), Ok(length)) = (u64::try_from(first), u64::try_from(chunk.compressed_size())) else {
                return Err(damaged("a column lies before the beginning of the file"));
            };
            check_chunk(file, start, start.saturating_add(length))?;
        }
    }
    Ok(())
}

fn check_chunk(file: &mut File, mut at: u64, end: u64) -> Result<()> {
    while at < end {
        let header = match header(file, at, (end - at).min(HEADER))? {
            None => header(file, at, end - at)?,
            found => found,
        };
        let (numbers, length) = header.ok_or_else(|| damaged("the header of a page tells of more than there is"))?;
        let packed = check_page(&numbers).ok_or_else(|| damaged("a page tells of more values than it can hold"))?;
        at = at.saturating_add(length as u64).saturating_add(packed);
    }
    Ok(())
}

fn header(file: &mut File, at: u64, length: u64) -> Result<Option<(Numbers, usize)>> {
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.take(length).read_to_end(&mut bytes));
    read.map_err(|e| Error::new(format!("the Parquet file cannot be read: {e}")))?;
    Ok(structure(&bytes))
}

/// The size of a page in the file, if what its header says is possible.
fn check_page(numbers: &Numbers) -> Option<u64> {
    let get = |field| numbers.get(&field).copied();
    let (unpacked, packed) = (get(UNPACKED)?, get(PACKED)?);
    let is_size = |size: i64| (0..=i64::from(i32::MAX)).contains(&size);
    let counts = VALUES.into_iter().filter_map(get);
    let is_possible = is_size(unpacked)
        && is_size(packed)
        && unpacked <= PAGE + GROWTH * packed
        && counts.into_iter().all(is_size)
        // A value in a dictionary takes a byte or more; those of data may be many in a few.
        && get(DICTIONARY).is_none_or(|values| values <= unpacked);
    is_possible.then_some(packed as u64)
}

fn damaged(how: &str) -> Error {
    Error::new(format!("the Parquet file cannot be read: {how}"))
        .help("the download may have been interrupted: fetch it again")
}
