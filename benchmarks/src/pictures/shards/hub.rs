//! Parquet shards of the Hugging Face hub: rows of pictures' bytes and classes.

use super::unpack::{Destination, named};
use crate::pictures::parquet::Table;
use nemesis_core::{Error, Result};
use std::path::Path;

/// Unpacks a table. Classes that are numbers have the names that its metadata gives, or else `names`; `label` is the
/// column of classes, if it is not found by its name.
pub(super) fn unpack(
    shard: &Path,
    names: Option<&[String]>,
    label: Option<&str>,
    into: &mut Destination<'_>,
) -> Result<()> {
    let table = Table::open(shard)?;
    let columns = table.picture_columns(label)?;
    let own = table.class_names(&columns.label)?;
    if let (Some(own), Some(names)) = (&own, names)
        && own != names
    {
        return Err(Error::new("`classnames.txt` names other classes than the file's metadata, or in another order")
            .at(shard)
            .help("remove `classnames.txt`, or make it say what the metadata say"));
    }
    let (names, of) = match &own {
        Some(own) => (Some(own.as_slice()), "the file's metadata"),
        None => (names, "`classnames.txt`"),
    };
    table.each_picture(&columns, &mut |row| {
        let which = format!("the picture in row {}", row.number);
        // Numbers without names are refused with those of folders, where names can be given for both.
        let class = named(&row.class, names, &which, of)?;
        into.put(&which, &class, row.split, &row.bytes)
    })?;
    if into.count == 0 {
        return Err(Error::new("the shard holds no picture"));
    }
    Ok(())
}
