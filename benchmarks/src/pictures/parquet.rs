//! Tables in Parquet: lists of pictures, and the hub's shards, whose rows hold pictures themselves.

mod pages;
mod thrift;

use super::columns::{CLASS, Columns, no_column, refuse_captions, refuse_ignored_split};
use super::repeated;
use nemesis_core::dataset::{Picture, Pictures, SPLIT_NAMES, Split, split_named};
use nemesis_core::method::border::{catch, report_panics};
use nemesis_core::{Error, Result, files};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open table.
pub(super) struct Table {
    file: PathBuf,
    reader: SerializedFileReader<File>,
    /// What the library `datasets` says of each column, by its name.
    features: Value,
}

/// The columns of a shard.
pub(super) struct PictureColumns {
    picture: String,
    pub(super) label: String,
    split: Option<String>,
}

/// A row of a shard.
pub(super) struct PictureRow {
    /// Counted from one.
    pub(super) number: usize,
    pub(super) bytes: Vec<u8>,
    /// A name, or a number as text.
    pub(super) class: String,
    pub(super) split: Option<Split>,
}

/// Whether a table holds pictures, not the paths of some.
///
/// # Errors
///
/// When it is not Parquet.
pub(super) fn holds_pictures(file: &Path) -> Result<bool> {
    let table = Table::open(file)?;
    Ok(table.columns().iter().any(holds_bytes))
}

/// Reads a list. `label` is the column of classes, if it is not found by its name.
pub(super) fn read(file: &Path, images: &Path, label: Option<&str>) -> Result<Pictures> {
    let table = Table::open(file)?;
    let names: Vec<&str> = table.columns().iter().map(|column| column.name()).collect();
    let mut columns = Columns::find(&names, label).map_err(|e| e.at(file))?;
    let class_names = table.class_names(names[columns.class])?;
    let mut wanted: Vec<&str> = columns.places().into_iter().map(|place| names[place]).collect();
    if !columns.has_split() {
        let others = table.columns().iter().filter(|column| column.is_primitive() && !holds_bytes(column));
        wanted.extend(others.map(|column| column.name()));
    }
    let mut rows_without_split: Vec<Vec<String>> = Vec::new();
    let mut rows: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<Picture> = Vec::new();
    table.each(&wanted, &mut |number, row| {
        let mut fields = vec![String::new(); names.len()];
        for (name, field) in row.get_column_iter() {
            let place = names.iter().position(|known| known == name).unwrap_or_default();
            fields[place] = text(name, field)?;
        }
        let class = &mut fields[columns.class];
        if let (Ok(at), Some(known)) = (class.parse::<usize>(), &class_names) {
            let name = known.get(at).cloned();
            *class = name.ok_or_else(|| Error::new(format!("the class {at} has no name in the file's metadata")))?;
        }
        let picture = columns.picture(&fields.iter().map(String::as_str).collect::<Vec<_>>(), images)?;
        if let Some(first) = rows.insert(picture.path.clone(), number) {
            return Err(Error::new(format!("`{}` is in row {first} already", picture.path))
                .expected("each picture once: it has one class and one split"));
        }
        all.push(picture);
        if !columns.has_split() {
            rows_without_split.push(fields);
        }
        Ok(())
    })?;
    if all.is_empty() {
        return Err(Error::new("the list names no picture").at(file));
    }
    let remark = refuse_ignored_split(&names, &columns, &rows_without_split).map_err(|e| e.at(file))?;
    Ok(Pictures { all, remarks: remark.map(|remark| remark.at(file)).into_iter().collect() })
}

impl Table {
    /// Opens a table and reads what is in it, but for its rows.
    pub(super) fn open(file: &Path) -> Result<Self> {
        let mut opened = files::open(file).map_err(|e| Error::io("read the file", file, &e))?;
        pages::check_footer(&mut opened).map_err(|e| e.at(file))?;
        let reader = guarded(|| SerializedFileReader::new(opened)).map_err(|e| e.at(file))?;
        let metadata = reader.metadata().file_metadata().key_value_metadata();
        let said = metadata.into_iter().flatten().find(|entry| entry.key == "huggingface");
        let said = said.and_then(|entry| serde_json::from_str::<Value>(entry.value.as_deref()?).ok());
        let features = said.map(|said| said["info"]["features"].clone()).unwrap_or_default();
        Ok(Self { file: file.to_owned(), reader, features })
    }

    fn columns(&self) -> &[TypePtr] {
        self.reader.metadata().file_metadata().schema().get_fields()
    }

    /// The names of a column's classes, in the order of their numbers, if the metadata tell them.
    ///
    /// # Errors
    ///
    /// When two classes have one name: their pictures would become one class.
    pub(super) fn class_names(&self, column: &str) -> Result<Option<Vec<String>>> {
        let names = self.features[column]["names"].as_array();
        let names = names.and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        let Some(names): Option<Vec<String>> = names else { return Ok(None) };
        if let Some((first, second, name)) = repeated(names.iter().enumerate()) {
            let what = format!("the file's metadata call the classes {first} and {second} both `{name}`");
            return Err(Error::new(what).at(&self.file).expected("a name of its own for each class"));
        }
        Ok(Some(names))
    }

    /// The columns of pictures, classes and splits.
    pub(super) fn picture_columns(&self, label: Option<&str>) -> Result<PictureColumns> {
        let names: Vec<&str> = self.columns().iter().map(|column| column.name()).collect();
        let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let pictures: Vec<&str> =
            self.columns().iter().filter(|column| holds_bytes(column)).map(|column| column.name()).collect();
        let picture = match pictures[..] {
            [one] => one,
            [] => {
                return Err(Error::new(format!("no column holds pictures; there are {}", quoted(&names)))
                    .expected("a column `image` with the bytes of each picture"));
            }
            _ => {
                return Err(Error::new(format!("several columns hold pictures: {}", quoted(&pictures)))
                    .expected("one picture in a row"));
            }
        };
        let numbered: Vec<&str> =
            names.iter().copied().filter(|name| self.features[*name]["_type"] == "ClassLabel").collect();
        let usual = || CLASS.iter().find_map(|usual| names.iter().find(|name| name.eq_ignore_ascii_case(usual)));
        let label = match (label, &numbered[..]) {
            (Some(asked), _) => names.iter().find(|name| **name == asked).ok_or_else(|| no_column(asked, &names))?,
            (None, [one]) => one,
            (None, []) => usual().ok_or_else(|| {
                let error = Error::new(format!("no column holds classes; there are {}", quoted(&names)));
                refuse_captions(error, &names).expected("a column `label`, or --label COLUMN")
            })?,
            (None, several) => {
                return Err(Error::new(format!("several columns hold classes: {}", quoted(several)))
                    .help("name the one that counts with --label COLUMN"));
            }
        };
        let split = names.iter().find(|name| name.eq_ignore_ascii_case("split"));
        Ok(PictureColumns {
            picture: picture.to_owned(),
            label: (*label).to_owned(),
            split: split.map(|split| (*split).to_owned()),
        })
    }

    /// Hands on each picture in turn.
    pub(super) fn each_picture(
        &self,
        columns: &PictureColumns,
        hand_on: &mut dyn FnMut(PictureRow) -> Result<()>,
    ) -> Result<()> {
        let PictureColumns { picture, label, split } = columns;
        let wanted = [Some(picture), Some(label), split.as_ref()];
        let wanted: Vec<&str> = wanted.into_iter().flatten().map(String::as_str).collect();
        self.each(&wanted, &mut |number, row| {
            let mut read = PictureRow { number, bytes: Vec::new(), class: String::new(), split: None };
            for (name, field) in row.into_columns() {
                if name == *picture {
                    read.bytes = bytes(field)?;
                } else if name == *label {
                    read.class = text(&name, &field)?;
                } else {
                    let said = text(&name, &field)?;
                    let split = split_named(&said)
                        .ok_or_else(|| Error::new(format!("`{said}` is not a split")).expected(SPLIT_NAMES))?;
                    read.split = Some(split);
                }
            }
            if read.class.is_empty() {
                return Err(Error::new("the picture has no class"));
            }
            hand_on(read)
        })
    }

    /// Hands on each row, as far as these columns go, with its number from one on.
    fn each(&self, columns: &[&str], hand_on: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
        let place = |error: Error| error.at(&self.file);
        let mut opened = files::open(&self.file).map_err(|e| Error::io("read the file", &self.file, &e))?;
        pages::check_pages(&mut opened, self.reader.metadata(), columns).map_err(place)?;
        let wanted = self.columns().iter().filter(|column| columns.contains(&column.name())).cloned().collect();
        let schema = self.reader.metadata().file_metadata().schema();
        let projection = Type::group_type_builder(schema.name()).with_fields(wanted).build();
        let rows = || projection.and_then(|projection| self.reader.get_row_iter(Some(projection)));
        let mut rows = guarded(rows).map_err(place)?;
        let mut number = 0;
        while let Some(row) = guarded(|| rows.next().transpose()).map_err(place)? {
            number += 1;
            hand_on(number, row).map_err(|e| place(e).entry(format!("row {number}")))?;
        }
        Ok(())
    }
}

/// Whether a column holds bytes that are not text: itself, or in its part `bytes`, as `datasets` stores pictures.
fn holds_bytes(column: &Arc<Type>) -> bool {
    if column.is_group() {
        return column.get_fields().iter().any(|part| part.name() == "bytes" && holds_bytes(part));
    }
    let info = column.get_basic_info();
    let is_text = matches!(info.logical_type_ref(), Some(LogicalType::String | LogicalType::Json | LogicalType::Enum))
        || info.converted_type() == ConvertedType::UTF8;
    column.get_physical_type() == Physical::BYTE_ARRAY && !is_text
}

/// The bytes of a picture.
fn bytes(field: Field) -> Result<Vec<u8>> {
    match field {
        Field::Bytes(bytes) => Ok(bytes.data().to_vec()),
        Field::Group(parts) => {
            let mut path = String::new();
            for (name, part) in parts.into_columns() {
                match (name.as_str(), part) {
                    ("bytes", Field::Bytes(bytes)) => return Ok(bytes.data().to_vec()),
                    ("path", Field::Str(said)) => path = said,
                    _ => {}
                }
            }
            let what = if path.is_empty() {
                "there is no picture".to_owned()
            } else {
                format!("there is only a picture's path, `{path}`, and not the picture")
            };
            Err(Error::new(what).help("if pictures lie in files, give a list with the columns path and label"))
        }
        _ => Err(Error::new("there is no picture")),
    }
}

/// A field as a list in text would have it.
fn text(column: &str, field: &Field) -> Result<String> {
    match field {
        Field::Null => Ok(String::new()),
        Field::Str(text) => Ok(text.clone()),
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec())
            .map_err(|_| Error::new(format!("what stands under `{column}` is not text"))),
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => {
            Err(Error::new(format!("what stands under `{column}` is not one value, but several")))
        }
        // The crate writes zero as `0E0`, and whole numbers with a point.
        Field::Float(number) => Ok(number.to_string()),
        Field::Double(number) => Ok(number.to_string()),
        field => Ok(field.to_string()),
    }
}

/// Has the library read something. At some damaged pages it panics.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    report_panics();
    let outcome = catch(|| Ok(read())).unwrap_or_else(|_| Err(ParquetError::General("a page is damaged".to_owned())));
    outcome.map_err(|e| unreadable(&e))
}

fn unreadable(error: &ParquetError) -> Error {
    let error = Error::new(format!("the Parquet file cannot be read: {error}"));
    error.help(
        "the download may have been interrupted; compressed by Snappy, Zstandard, gzip or not at all, it can be read",
    )
}
