//! `data add` from Parquet: lists of paths, and the hub's shards with pictures in them.

use crate::command::{assert_command, nemesis, told};
use crate::files::tree;
use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const PNG: &[u8] = include_bytes!("../../../nemesis-core/tests/fixtures/parity/preprocess/im2.png");

/// What a column holds; `None` is null.
enum Column<'a> {
    Bytes(Vec<Option<&'a [u8]>>),
    Numbers(Vec<i64>),
}

fn text<'a>(values: &[&'a str]) -> Column<'a> {
    Column::Bytes(values.iter().map(|value| Some(value.as_bytes())).collect())
}

/// Writes a table whose optional leaves are `columns` in turn, with what the library `datasets` says of them.
fn write(file: &Path, schema: &str, columns: &[Column<'_>], features: &str, compression: Compression) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let said = format!("{{\"info\": {{\"features\": {features}}}}}");
    let metadata = vec![KeyValue::new("huggingface".to_owned(), said)];
    let properties =
        WriterProperties::builder().set_compression(compression).set_key_value_metadata(Some(metadata)).build();
    let mut writer =
        SerializedFileWriter::new(fs::File::create(file).unwrap(), Arc::clone(&schema), Arc::new(properties)).unwrap();
    let leaves = ::parquet::schema::types::SchemaDescriptor::new(schema);
    let mut rows = writer.next_row_group().unwrap();
    for (at, values) in columns.iter().enumerate() {
        let most = leaves.column(at).max_def_level();
        let mut column = rows.next_column().unwrap().unwrap();
        match values {
            Column::Bytes(values) => {
                let levels: Vec<i16> =
                    values.iter().map(|value| if value.is_some() { most } else { most - 1 }).collect();
                let there: Vec<ByteArray> =
                    values.iter().flatten().map(|value| ByteArray::from(value.to_vec())).collect();
                column.typed::<ByteArrayType>().write_batch(&there, Some(&levels), None).unwrap();
            }
            Column::Numbers(values) => {
                let levels = vec![most; values.len()];
                column.typed::<Int64Type>().write_batch(values, Some(&levels), None).unwrap();
            }
        }
        column.close().unwrap();
    }
    rows.close().unwrap();
    writer.close().unwrap();
}

const SHARD: &str = "message shard { optional group image { optional binary bytes; optional binary path (UTF8); } \
                     optional int64 label; }";
const NAMES: &str =
    r#"{"image": {"_type": "Image"}, "label": {"names": ["red_fox", "badger"], "_type": "ClassLabel"}}"#;

/// A shard of pictures of these classes, as the library `datasets` writes one.
fn shard(file: &Path, labels: &[i64]) {
    let paths: Vec<String> = (0..labels.len()).map(|at| format!("{at}.png")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let columns = [Column::Bytes(vec![Some(PNG); labels.len()]), text(&paths), Column::Numbers(labels.to_vec())];
    write(file, SHARD, &columns, NAMES, Compression::SNAPPY);
}

fn add<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["data", "add", "foxes"], more, &["--data", "data"]].concat()
}

#[test]
fn shards_of_the_hub_are_unpacked_and_compared_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let hub = dir.join("hub/data");
    shard(&hub.join("train-00000-of-00002.parquet"), &[0, 1, 0, 1]);
    shard(&hub.join("train-00001-of-00002.parquet"), &[0, 1]);
    shard(&hub.join("validation-00000-of-00001-a1b2c3.parquet"), &[0, 1]);
    shard(&hub.join("test-00000-of-00001.parquet"), &[1, 0, 1]);
    fs::write(dir.join("hub/README.md"), "---\n").unwrap();
    assert_command!(dir, &add(&["hub"]));
    assert_command!(dir, &["data", "check", "foxes", "--data", "data"]);
    let before = tree(dir);
    assert_command!(dir, &add(&["hub"]));
    assert_eq!(tree(dir), before);
    // Pictures of a shard that has changed are not taken for those that are there.
    shard(&hub.join("test-00000-of-00001.parquet"), &[1, 0, 1, 1]);
    let before = tree(dir);
    assert_command!(dir, &add(&["hub"]));
    assert_eq!(tree(dir), before);
    assert_command!(dir, &add(&["hub", "--replace"]));
    assert!(!tree(&dir.join("data")).iter().any(|name| name.contains(".unpacking")));
    // A damaged one leaves what was there before.
    shard(&hub.join("test-00000-of-00001.parquet"), &[1, 0, 7]);
    let before = tree(dir);
    assert_command!(dir, &add(&["hub", "--replace"]));
    assert_eq!(tree(dir), before);
}

#[test]
fn one_file_and_classes_as_text_and_other_columns() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let schema = "message m { optional binary img; optional int64 coarse_label; optional int64 fine_label; }";
    let features = r#"{"img": {"_type": "Image"}, "coarse_label": {"names": ["a"], "_type": "ClassLabel"},
                       "fine_label": {"names": ["fox", "cat"], "_type": "ClassLabel"}}"#;
    let columns =
        [Column::Bytes(vec![Some(PNG); 8]), Column::Numbers(vec![0; 8]), Column::Numbers(vec![0, 0, 0, 0, 1, 1, 1, 1])];
    let zstd = Compression::ZSTD(ZstdLevel::default());
    write(&dir.join("all.parquet"), schema, &columns, features, zstd);
    assert_command!(dir, &add(&["all.parquet"]));
    assert_command!(dir, &add(&["all.parquet", "--label", "fine"]));
    assert!(!dir.join("data").exists());
    assert_command!(dir, &add(&["all.parquet", "--label", "fine_label"]));

    let schema = "message m { optional group image { optional binary bytes; } optional binary label (UTF8);
                   optional binary split (UTF8); }";
    let splits = ["train", "test", "train", "validation", "train", "test", "train", "validation"];
    let columns = [
        Column::Bytes(vec![Some(PNG); 8]),
        text(&["fox", "fox", "fox", "fox", "cat", "cat", "cat", "cat"]),
        text(&splits),
    ];
    write(&dir.join("named.parquet"), schema, &columns, "{}", Compression::UNCOMPRESSED);
    assert_command!(dir, &["data", "add", "named", "named.parquet", "--data", "data"]);
}

const LIST: &str = "message list { optional binary path (UTF8); optional binary label (UTF8); \
                    optional binary split (UTF8); optional int64 width; }";

#[test]
fn a_list_in_parquet_is_read_as_one_in_text_is() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut paths = Vec::new();
    for (class, at) in ["cat", "dog"].iter().flat_map(|class| (0..4).map(move |at| (class, at))) {
        let path = format!("{class}/{at}.png");
        fs::create_dir_all(dir.join("photos").join(class)).unwrap();
        fs::write(dir.join("photos").join(&path), PNG).unwrap();
        paths.push(path);
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let labels = ["cat", "cat", "cat", "cat", "dog", "dog", "dog", "dog"];
    let splits = ["train", "train", "valid", "test"].repeat(2);
    let columns = || [text(&paths), text(&labels), text(&splits), Column::Numbers(vec![5; 8])];
    let gzip = Compression::GZIP(GzipLevel::default());
    write(&dir.join("list.parquet"), LIST, &columns(), "{}", gzip);
    assert_command!(dir, &["data", "add", "pets", "list.parquet", "--images", "photos", "--data", "data"]);
    let rows: Vec<String> = (0..8).map(|at| format!("{},{},{}\n", paths[at], labels[at], splits[at])).collect();
    fs::write(dir.join("list.csv"), format!("path,label,split\n{}", rows.concat())).unwrap();
    assert_command!(dir, &["data", "add", "pets", "list.csv", "--images", "photos", "--data", "data"]);

    // Numbers have the names that the table's metadata give.
    let schema = "message m { optional binary file_name (UTF8); optional int64 label; }";
    let numbers = [text(&paths), Column::Numbers(vec![1, 1, 1, 1, 0, 0, 0, 0])];
    write(&dir.join("numbers.parquet"), schema, &numbers, NAMES, Compression::SNAPPY);
    assert_command!(dir, &["data", "add", "foxes", "numbers.parquet", "--images", "photos", "--data", "data"]);
    // Two classes of one name would become one.
    let twice = NAMES.replace("badger", "red_fox");
    write(&dir.join("numbers.parquet"), schema, &numbers, &twice, Compression::SNAPPY);
    assert_command!(dir, &["data", "add", "twice", "numbers.parquet", "--images", "photos", "--data", "data"]);
    // A column that says what is for testing is not passed over.
    let schema = "message m { optional binary path (UTF8); optional binary label (UTF8); optional int64 is_test; }";
    let flags = [text(&paths), text(&labels), Column::Numbers(vec![0, 0, 0, 1, 0, 0, 0, 1])];
    write(&dir.join("flags.parquet"), schema, &flags, "{}", Compression::SNAPPY);
    assert_command!(dir, &["data", "add", "flags", "flags.parquet", "--images", "photos", "--data", "data"]);
}

/// Each fault is one message, and leaves everything as it was.
#[test]
fn malformed_tables_are_refused() {
    let mut all = String::new();
    let mut refused = |what: &str, make: &dyn Fn(&Path), source: &str| {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        make(dir);
        let before = tree(dir);
        let output = nemesis(dir, &add(&[source])).output().unwrap();
        assert_eq!(tree(dir), before, "{what}");
        let said = String::from_utf8(output.stderr).unwrap();
        all.extend(["# ", what, ": exit code ", &output.status.code().unwrap().to_string(), "\n", &said, "\n"]);
        assert!(output.stdout.is_empty());
    };
    let train = "hub/train-00000-of-00001.parquet";
    let table = |dir: &Path, schema: &str, columns: &[Column<'_>]| {
        write(&dir.join(train), schema, columns, "{}", Compression::SNAPPY);
    };
    refused("something else", &|dir| fs::write(dir.join("x.parquet"), "PK").unwrap(), "x.parquet");
    let cut = |dir: &Path| {
        shard(&dir.join(train), &[0, 1, 0, 1]);
        let whole = fs::read(dir.join(train)).unwrap();
        fs::write(dir.join(train), &whole[..whole.len() / 2]).unwrap();
    };
    refused("a download that broke off", &cut, "hub");
    refused("a shard that is missing", &|dir| shard(&dir.join("hub/train-00001-of-00003.parquet"), &[0, 1]), "hub");
    let unlabelled = |dir: &Path| {
        shard(&dir.join(train), &[0, 1]);
        shard(&dir.join("hub/test-00000-of-00001.parquet"), &[-1, -1]);
    };
    refused("test pictures without classes", &unlabelled, "hub");
    refused("a number without a name", &|dir| shard(&dir.join(train), &[0, 1, 2]), "hub");
    let numbers = |dir: &Path| {
        let columns =
            [Column::Bytes(vec![Some(PNG); 8]), text(&["x"; 8]), Column::Numbers(vec![0, 0, 0, 0, 1, 1, 1, 1])];
        write(&dir.join("hub/all.parquet"), SHARD, &columns, "{}", Compression::SNAPPY);
    };
    refused("numbers and no names", &numbers, "hub");
    let paths = |dir: &Path| {
        table(dir, SHARD, &[Column::Bytes(vec![None; 2]), text(&["a.png", "b.png"]), Column::Numbers(vec![0, 1])]);
    };
    refused("paths in place of pictures", &paths, "hub");
    let text_for_pictures = |dir: &Path| {
        table(dir, SHARD, &[Column::Bytes(vec![Some(b"<html>")]), text(&["a.png"]), Column::Numbers(vec![0])]);
    };
    refused("a picture that is none", &text_for_pictures, "hub");
    let captions = "message m { optional binary jpg; optional binary caption (UTF8); optional binary url (UTF8); }";
    let of_img2dataset = |dir: &Path| {
        table(dir, captions, &[Column::Bytes(vec![Some(PNG)]), text(&["a red fox"]), text(&["https://x.org/a.jpg"])]);
    };
    refused("captions", &of_img2dataset, "hub");
    let list =
        |dir: &Path| table(dir, LIST, &[text(&["a.png"]), text(&["cat"]), text(&["train"]), Column::Numbers(vec![1])]);
    refused("paths in a folder of shards", &list, "hub");
    refused(
        "an unknown column",
        &|dir| {
            let columns = [text(&["a.png"]), text(&["cat"]), text(&["hold-out"]), Column::Numbers(vec![1])];
            write(&dir.join("list.parquet"), LIST, &columns, "{}", Compression::SNAPPY);
        },
        "list.parquet",
    );
    refused(
        "two configurations",
        &|dir| {
            shard(&dir.join("hub/plain/train-00000-of-00001.parquet"), &[0, 1]);
            shard(&dir.join("hub/cropped/train-00000-of-00001.parquet"), &[0, 1]);
        },
        "hub",
    );
    refused(
        "a shard of no split",
        &|dir| {
            shard(&dir.join(train), &[0, 1]);
            shard(&dir.join("hub/extra-00000-of-00001.parquet"), &[0, 1]);
        },
        "hub",
    );
    refused(
        "tars as well",
        &|dir| {
            shard(&dir.join(train), &[0, 1]);
            fs::write(dir.join("hub/0.tar"), "").unwrap();
        },
        "hub",
    );
    insta::assert_snapshot!(all);
}

/// Whatever is damaged in a table, the command says so and does not break down.
#[test]
fn damaged_tables_are_told_in_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let file = dir.join("train.parquet");
    shard(&file, &[0, 1]);
    let whole = fs::read(&file).unwrap();
    // The beginning of the first page, and the metadata at the end.
    let places = (4..40).step_by(6).chain((whole.len() - 300..whole.len()).step_by(23));
    for at in places {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&file, damaged).unwrap();
        let output = nemesis(dir, &add(&["train.parquet"])).output().unwrap();
        let said = told(&output);
        assert!(matches!(output.status.code(), Some(0 | 2)), "byte {at}: {said}");
        assert!(!said.contains("panicked"), "byte {at}: {said}");
        let _ = fs::remove_dir_all(dir.join("data"));
    }
}
