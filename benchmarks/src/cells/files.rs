//! The table of cells in the formats that other programs read.

use super::columns::{COLUMNS, Content, SCHEMA};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use nemesis_core::{Error, Result};
use serde_json::{Map, Value};
use std::sync::Arc;

/// CSV with a line of names. What a cell lacks is empty.
///
/// # Panics
///
/// Never: rows have as many values as there are columns, and memory can be written to.
pub fn csv(rows: &[Vec<Value>]) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let lines = std::iter::once(COLUMNS.iter().map(|column| column.name.to_owned()).collect::<Vec<_>>());
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    for line in lines.chain(rows.iter().map(|row| row.iter().map(text).collect())) {
        writer.write_record(&line).expect("memory can be written to, and lines are equally long");
    }
    String::from_utf8(writer.into_inner().expect("memory can be written to")).expect("names and values are UTF-8")
}

/// `{"schema": 1, "cells": [{…}, …]}`, a cell for each line.
pub fn json(rows: &[Vec<Value>]) -> String {
    let object = |row: &Vec<Value>| {
        let pairs = COLUMNS.iter().zip(row).map(|(column, value)| (column.name.to_owned(), value.clone()));
        Value::Object(pairs.collect::<Map<_, _>>()).to_string()
    };
    let cells: Vec<String> = rows.iter().map(object).collect();
    format!("{{\"schema\": {SCHEMA}, \"cells\": [\n{}\n]}}\n", cells.join(",\n"))
}

/// Parquet with one row group, compressed by zstd.
///
/// # Errors
///
/// When the library cannot write it.
pub fn parquet(rows: &[Vec<Value>]) -> Result<Vec<u8>> {
    write_parquet(rows).map_err(|error| Error::new(format!("the cells cannot be written as Parquet: {error}")))
}

fn write_parquet(rows: &[Vec<Value>]) -> std::result::Result<Vec<u8>, ParquetError> {
    let fields = COLUMNS.iter().map(|column| {
        let kind = match column.content {
            Content::Text => format!("binary {} (UTF8)", column.name),
            Content::Integer => format!("int64 {} (INTEGER(64,false))", column.name),
            Content::Number => format!("double {}", column.name),
        };
        format!("{} {kind};", if column.always { "required" } else { "optional" })
    });
    let schema = format!("message cells {{ {} }}", fields.collect::<Vec<_>>().join(" "));
    let said = vec![KeyValue::new("nemesis-cells".to_owned(), SCHEMA.to_string())];
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(said))
        .set_created_by("nemesis".to_owned())
        .build();
    let mut bytes = Vec::new();
    let schema = Arc::new(parse_message_type(&schema)?);
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (at, column) in COLUMNS.iter().enumerate() {
        let values = || rows.iter().map(move |row| &row[at]);
        let levels: Vec<i16> = values().map(|value| i16::from(!value.is_null())).collect();
        let levels = (!column.always).then_some(levels.as_slice());
        let Some(mut leaf) = group.next_column()? else { break };
        match column.content {
            Content::Text => {
                let texts: Vec<ByteArray> = values().filter_map(Value::as_str).map(ByteArray::from).collect();
                leaf.typed::<ByteArrayType>().write_batch(&texts, levels, None)?;
            }
            Content::Integer => {
                // The schema says that the bits are those of a number without a sign: seeds go up to 2^64 − 1.
                let numbers: Vec<i64> = values().filter_map(|value| Some(value.as_u64()?.cast_signed())).collect();
                leaf.typed::<Int64Type>().write_batch(&numbers, levels, None)?;
            }
            Content::Number => {
                let numbers: Vec<f64> = values().filter_map(Value::as_f64).collect();
                leaf.typed::<DoubleType>().write_batch(&numbers, levels, None)?;
            }
        }
        leaf.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}
