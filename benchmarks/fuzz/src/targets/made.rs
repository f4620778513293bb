//! Seeds that are made, since no file of the repository is small and of this kind.

use super::{all_of, source};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs;
use std::io::{Cursor, Write};
use std::process::Command;
use std::sync::Arc;

const PNG: &str = "nemesis-core/tests/fixtures/parity/preprocess/im2.png";

/// A list of paths with names of classes, and a shard with pictures and numbers of classes.
pub(super) fn parquet() -> Vec<Vec<u8>> {
    let picture = fs::read(source(PNG)).unwrap_or_default();
    let list = table(
        "message m { required binary path (UTF8); required binary label (UTF8); }",
        &[b"a.jpg", b"b.jpg"],
        true,
        "{}",
    );
    let features = r#"{"image": {"_type": "Image"}, "label": {"names": ["ant", "bee"], "_type": "ClassLabel"}}"#;
    let small = &picture[..picture.len().min(2000)];
    let shard = table(
        "message m { optional group image { optional binary bytes; } optional int64 label; }",
        &[small, small],
        false,
        features,
    );
    vec![list, shard]
}

fn table(schema: &str, values: &[&[u8]], named: bool, features: &str) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).expect("it is a schema"));
    let said = format!("{{\"info\": {{\"features\": {features}}}}}");
    let metadata = vec![KeyValue::new("huggingface".to_owned(), said)];
    let properties = Arc::new(WriterProperties::builder().set_key_value_metadata(Some(metadata)).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).expect("memory can be written");
    let mut rows = writer.next_row_group().expect("memory can be written");
    let bytes: Vec<ByteArray> = values.iter().map(|value| ByteArray::from(value.to_vec())).collect();
    let mut column = rows.next_column().expect("memory can be written").expect("there is a column");
    let levels = (!named).then(|| vec![2_i16; bytes.len()]);
    column.typed::<ByteArrayType>().write_batch(&bytes, levels.as_deref(), None).expect("memory can be written");
    column.close().expect("memory can be written");
    let mut column = rows.next_column().expect("memory can be written").expect("there is a column");
    if named {
        let names: Vec<ByteArray> = ["ant", "bee"].map(ByteArray::from).to_vec();
        column.typed::<ByteArrayType>().write_batch(&names, None, None).expect("memory can be written");
    } else {
        column.typed::<Int64Type>().write_batch(&[0, 1], Some(&[1, 1]), None).expect("memory can be written");
    }
    column.close().expect("memory can be written");
    rows.close().expect("memory can be written");
    writer.into_inner().expect("memory can be written")
}

/// What an archive of a data set holds.
const FILES: [(&str, &[u8]); 4] = [
    ("toy/images/a/1.jpg", b"one"),
    ("toy/images/b/2.jpg", b"two and more"),
    ("toy/images/list.txt", b"a 1\nb 2\n"),
    ("toy/readme", b""),
];

pub(super) fn tar() -> Vec<Vec<u8>> {
    vec![tar_of(&FILES)]
}

/// Pictures with their classes, as webdataset has them.
pub(super) fn shards() -> Vec<Vec<u8>> {
    // How JPEG and PNG files begin is enough: nothing decodes them here.
    let (jpeg, png): (&[u8], &[u8]) = (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n");
    let named: [(&str, &[u8]); 4] = [("0.jpg", jpeg), ("0.cls", b"ant"), ("1.png", png), ("1.cls", b"bee")];
    let numbered: [(&str, &[u8]); 4] = [("a/0.jpg", jpeg), ("a/0.cls", b"0"), ("a/1.png", png), ("a/1.cls", b"1\n")];
    vec![tar_of(&named), tar_of(&numbered)]
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).expect("memory can be written");
    }
    archive.into_inner().expect("memory can be written")
}

pub(super) fn zip() -> Vec<Vec<u8>> {
    [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated].map(zip_of).to_vec()
}

fn zip_of(method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, content) in FILES {
        archive.start_file(name, options).expect("memory can be written");
        archive.write_all(content).expect("memory can be written");
    }
    archive.finish().expect("memory can be written").into_inner()
}

pub(super) fn jpeg() -> Vec<Vec<u8>> {
    let mut seeds = all_of("nemesis-core/tests/pillow/seeds", &["jpg"]);
    seeds.extend(all_of("nemesis-core/tests/fixtures/images/good", &["jpg", "jpeg"]));
    seeds.extend(all_of("nemesis-core/tests/fixtures/images/bad", &["jpg", "jpeg"]));
    seeds
}

pub(super) fn png() -> Vec<Vec<u8>> {
    let mut seeds = all_of("nemesis-core/tests/fixtures/images/good", &["png"]);
    seeds.extend(all_of("nemesis-core/tests/fixtures/images/bad", &["png"]));
    seeds
}

/// A plugin in C, as the C compiler makes it here.
pub(super) fn plugins() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let library = folder.path().join("plugin.so");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-nostdlib", r#"-DID="foreign""#, r#"-DLIBTORCH="2.11.0""#]);
    compile.arg(source("benchmarks/tests/it/foreign/foreign.c")).arg("-o").arg(&library);
    assert!(compile.status().is_ok_and(|status| status.success()), "a C compiler is needed");
    vec![fs::read(library).expect("it was compiled")]
}
