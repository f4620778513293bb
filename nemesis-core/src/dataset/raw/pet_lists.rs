//! OxfordPets' lists: `Abyssinian_100 1 1 1`, an image, its label, its species and its breed.

use super::{Pool, Row, from_one, malformed, parse_lines};
use crate::Result;
use std::path::Path;

/// Reads `trainval.txt` and `test.txt` in `annotations`.
pub(super) fn read(annotations: &Path) -> Result<Pool> {
    let list = |name| parse_lines(&annotations.join(name), parse);
    Ok(Pool::Tested { trainval: list("trainval.txt")?, test: list("test.txt")? })
}

/// The class is the image's name up to its number, in lower case (cats' are capitalised, dogs' are not).
fn parse(line: &str) -> Result<Row> {
    let [image, label, _species, _breed] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(malformed(line, "Abyssinian_100 1 1 1"));
    };
    let (name, _number) = image.rsplit_once('_').ok_or_else(|| malformed(line, "Abyssinian_100 1 1 1"))?;
    Ok((format!("{image}.jpg"), from_one(label)?, name.to_lowercase()))
}
