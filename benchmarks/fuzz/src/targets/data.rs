//! Readers of data sets, of lists, and of what people write by hand.

use super::{all_of, source};
use crate::chance::Chance;
use crate::repair;
use nemesis_bench::fetch::{Origin, fetch_part};
use nemesis_bench::pictures::{Shards, Unpacked, read_list};
use nemesis_bench::settings::{Layer, Settings};
use nemesis_bench::suite::{load_protocol, load_suite};
use nemesis_core::dataset::{Contents, Entry, Listed, Registry, Sample};
use nemesis_core::interchange::few_shot_lists;
use nemesis_core::{Error, Result, files};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Writes an input where its reader looks for it.
pub(super) fn put(path: &Path, input: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder", folder, &e))?;
    fs::write(path, input).map_err(|e| Error::io_write("write the file", path, &e))
}

/// A registry of a data set with a split file and an archive, whatever its number of classes.
static TOY: LazyLock<Registry> = LazyLock::new(|| {
    let text = "- name: toy\n  layout: {split_file: {file: split.json, images: images}}\n  fetch:\n    - gives: [images]\n      \
                from:\n        - url: https://example.org/toy.zip\n    - gives: [images]\n      from:\n        - url: \
                https://example.org/toy.tar\n    - gives: [images]\n      from:\n        - url: https://example.org/toy.tar.gz\n";
    Registry::parse(text, Path::new("datasets.yaml")).expect("it is a registry")
});

fn toy() -> &'static Entry {
    &TOY.entries()[0]
}

pub(super) fn registries() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(source("datasets.yaml")).unwrap_or_default();
    text.split("\n- ").skip(1).map(|entry| format!("- {entry}").into_bytes()).collect()
}

pub(super) fn registry(_: &Path, input: &[u8]) -> Result<()> {
    Registry::parse(&String::from_utf8_lossy(input), Path::new("datasets.yaml")).map(drop)
}

pub(super) fn suites() -> Vec<Vec<u8>> {
    all_of("benchmarks/suites", &["yaml"])
}

pub(super) fn suite(folder: &Path, input: &[u8]) -> Result<()> {
    let file = folder.join("suite.yaml");
    put(&file, input)?;
    load_suite(&file.to_string_lossy()).map(drop)
}

pub(super) fn protocols() -> Vec<Vec<u8>> {
    // The names of built-in protocols are taken.
    let all = all_of("benchmarks/protocols", &["yaml"]);
    all.iter().map(|file| String::from_utf8_lossy(file).replacen("name: ", "name: own-", 1).into_bytes()).collect()
}

pub(super) fn protocol(folder: &Path, input: &[u8]) -> Result<()> {
    let file = folder.join("protocol.yaml");
    put(&file, input)?;
    load_protocol(&file.to_string_lossy()).map(drop)
}

pub(super) fn settings() -> Vec<Vec<u8>> {
    let text = "data: /data\nweights: [RN50=/w/RN50.pt, w2.pt]\ndatasets: eurosat, dtd\nmethods: [coop, nemesis-pen]\n\
                shots: [1, 2-4, 16]\nseeds: 1-3\nset: [coop.context=4, coop.protocol.batch_size=8]\njobs: 2\nmemory: 3GB\n\
                precision: fp16\nprotocol: paper\nout: out\npool_budget: 10GB\n";
    vec![text.into(), b"suite: few-shot\nlimit: 10\ndevice: cuda:0\nplugin: [a.so]\nlease-timeout: 120\n".to_vec()]
}

pub(super) fn setting(folder: &Path, input: &[u8]) -> Result<()> {
    let config = folder.join("nemesis.yaml");
    put(&config, input)?;
    Settings::gather(&Layer { config: Some(config), ..Layer::default() }).map(drop)
}

pub(super) fn splits() -> Vec<Vec<u8>> {
    vec![
        br#"{"train": [["a/1.jpg", 0, "ant"], ["b/1.jpg", 1, "bee"]], "val": [["a/2.jpg", 0, "ant"]], "test": [["b/3.jpg", 1, "bee"]]}"#.to_vec(),
        b"{\n  \"train\": [\n    [\"a/\xc3\xa4.jpg\", 3, \"a \\u00e4 \\ud83d\\ude00\"]\n  ],\n  \"val\": [],\n  \"test\": [[\"x.png\", 0, \"\"]]\n}\n".to_vec(),
    ]
}

pub(super) fn split(folder: &Path, input: &[u8]) -> Result<()> {
    put(&folder.join("toy/split.json"), input)?;
    let dataset = toy().open(folder)?;
    few_shot_lists::sample(&*dataset, None, 2, 1).map(drop)
}

/// As CoOp pickles them, as `nemesis data sample --json` prints them, and as 2SFS has them.
pub(super) fn lists() -> Vec<Vec<u8>> {
    let mut seeds = all_of("nemesis-core/tests/fixtures/coop", &["pkl"]);
    seeds.extend(all_of("nemesis-core/tests/fixtures/coop/labels", &["pkl"]));
    seeds.push(
        br#"{"train": ["2750/River/River_1.jpg", {"path": "2750/Forest/Forest_2.jpg", "label": 1}], "val": []}"#
            .to_vec(),
    );
    seeds.push(
        b"{\"path\": \"2750/River/River_1.jpg\", \"label\": 0, \"class\": \"River\"}\n[\"2750/Forest/Forest_2.jpg\", 1, \"Forest\"]\n"
            .to_vec(),
    );
    seeds
}

/// The data set of the pickled fixtures.
fn eurosat(folder: &Path) -> Listed {
    let sample = |path: &str, label| Sample { path: format!("2750/{path}.jpg").into(), label };
    Listed {
        name: "eurosat".into(),
        folder: folder.join("eurosat"),
        template: "a photo of a {}.".into(),
        own_templates: Vec::new(),
        contents: Contents {
            class_names: ["River", "Forest"].map(String::from).into(),
            train: vec![sample("River/River_1", 0), sample("Forest/Forest_2", 1)],
            val: Some(vec![sample("Forest/Forest_9", 1)]),
            test: vec![sample("River/River_7", 0)],
            ..Contents::default()
        },
    }
}

pub(super) fn list(folder: &Path, input: &[u8]) -> Result<()> {
    let name = match input {
        [b'{', b'"', b't', ..] => ".json",
        [b'{' | b'[', ..] => "_train.jsonl",
        _ => ".pkl",
    };
    let lists = folder.join("lists");
    put(&lists.join(format!("eurosat/split_fewshot/shot_1-seed_1{name}")), input)?;
    let outcome = few_shot_lists::sample(&eurosat(folder), Some(&lists), 1, 1).map(drop);
    let _ = fs::remove_dir_all(lists);
    outcome
}

pub(super) fn csv() -> Vec<Vec<u8>> {
    vec![
        b"path,label,split\na.jpg,ant,train\n\"b,1.jpg\",\"be\"\"e\",test\n".to_vec(),
        b"filename\tclass\r\nx/y.png\t3\r\n".to_vec(),
    ]
}

pub(super) fn read_csv(folder: &Path, input: &[u8]) -> Result<()> {
    let [comma, tab] = ["list.csv", "list.tsv"].map(|name| folder.join(name));
    put(&comma, input)?;
    put(&tab, input)?;
    let first = read_list(&comma, folder, None).map(drop);
    first.or(read_list(&tab, folder, Some("class")).map(drop))
}

/// As a list of pictures, and as a shard that holds them.
pub(super) fn read_parquet(folder: &Path, input: &[u8]) -> Result<()> {
    let file = folder.join("list.parquet");
    put(&file, input)?;
    let first = read_list(&file, folder, None).map(drop);
    let shards = Shards::find(&file).and_then(|shards| unpacked(folder, shards));
    first.or(shards)
}

pub(super) fn read_shard(folder: &Path, input: &[u8]) -> Result<()> {
    put(&folder.join("shards/train-0.tar"), input)?;
    put(&folder.join("shards/classnames.txt"), b"ant\nbee\n")?;
    Shards::find(&folder.join("shards")).and_then(|shards| unpacked(folder, shards))
}

fn unpacked(folder: &Path, shards: Option<Shards>) -> Result<()> {
    let into = folder.join("unpacked");
    let outcome = shards.map_or(Ok(()), |shards| Unpacked::new(&shards, &into, None, true).map(drop));
    let _ = fs::remove_dir_all(into);
    outcome
}

pub(super) fn pack_tar(mut input: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    if !chance.one_in(4) {
        repair::tar(&mut input);
    }
    input
}

pub(super) fn pack_tgz(input: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    let mut packed = repair::gzip(&pack_tar(input, chance));
    if chance.one_in(4) {
        let at = chance.below(packed.len());
        packed[at] ^= 1 << chance.below(8);
    }
    packed
}

pub(super) fn unpack_zip(folder: &Path, input: &[u8]) -> Result<()> {
    fetched(folder, "toy.zip", 0, input)
}

pub(super) fn unpack_tar(folder: &Path, input: &[u8]) -> Result<()> {
    fetched(folder, "toy.tar", 1, input)
}

pub(super) fn unpack_tgz(folder: &Path, input: &[u8]) -> Result<()> {
    fetched(folder, "toy.tar.gz", 2, input)
}

/// As `nemesis data fetch --from FOLDER` does.
fn fetched(folder: &Path, name: &str, part: usize, input: &[u8]) -> Result<()> {
    let root = folder.join("root");
    put(&folder.join("from").join(name), input)?;
    put(&root.join("toy/there"), b"")?;
    let origin = Origin::Folder(folder.join("from"));
    let outcome = fetch_part(toy(), &toy().fetch[part], &root, &origin, &mut |_| {});
    // Nothing is written but into the data set's folder.
    let beside = files::list(&root)?.len() != 1 || files::list(folder)?.len() != 2;
    assert!(!beside, "the archive has written beside its folder");
    let _ = fs::remove_dir_all(root);
    outcome
}
