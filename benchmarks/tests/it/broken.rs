//! Broken inputs of every kind: each gets one message that names it, and nothing is written anywhere.
//!
//! Archives are in `fetch.rs`; mistakes of the command line are in `bad_input.rs`.

use crate::command::{nemesis, regex_escape, told};
use crate::files::tree;
use std::fs;

const MAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nemesis-core/tests/fixtures/matlab");
const PREPROCESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nemesis-core/tests/fixtures/parity/preprocess");
const CHECKPOINTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nemesis-core/tests/fixtures/checkpoints");

/// A data set `toy` of one class; with `pictures/a.png` and so on, if its split is as it should be.
const TOY: &str = "- name: toy\n  title: Toy\n  folder: toy\n  layout: {split_file: {file: split.json, images: pictures}}\n  \
    classes: 1\n  samples: {train: 1, val: 1, test: 1}\n  template: a {}.\n  licence: none\n  home: https://example.org\n";
const ROWS: &str = "{\"train\": [\n[\"a.png\", 0, \"ant\"]],\n\"val\": [\n[\"b.png\", 0, \"ant\"]],\n\"test\": [\n[\"c.png\", 0, \"ant\"]]}";
const SUITE: &str =
    "name: mine\ntitle: Mine\ntable: few-shot\ndatasets: [dtd]\nshots: [1]\nseeds: [1]\nmethods:\n  - method: coop\n";

/// A broken input: what it is, the files of the folder, and the command that meets it, words parted by spaces.
type Case = (&'static str, Vec<(&'static str, Vec<u8>)>, &'static str);

fn fixture(folder: &str, name: &str) -> Vec<u8> {
    fs::read(format!("{folder}/{name}")).unwrap()
}

fn half(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

fn splits() -> Vec<Case> {
    let case = |what, split: &[u8]| {
        let files = vec![("datasets.yaml", TOY.into()), ("toy/split.json", split.to_vec())];
        (what, files, "data sample --dataset toy --shots 1 --seed 1 --data .")
    };
    let changed = |from: &str, to: &str| {
        assert!(ROWS.contains(from));
        ROWS.replacen(from, to, 1).into_bytes()
    };
    vec![
        case("a split file cut short", &half(ROWS.as_bytes())),
        case("an empty split file", b""),
        case("a split file that is a list", b"[]"),
        case("a split file whose label is a text", &changed("0", "\"0\"")),
        case("a split file whose label is negative", &changed("0", "-1")),
        case("a split file without its test images", b"{\"train\": [[\"a.png\", 0, \"ant\"]], \"val\": []}"),
        case("a split file that names a split twice", &changed("\"val\"", "\"train\"")),
        case("a split file with an image in two splits", &changed("b.png", "a.png")),
        case("a split file whose path leads out", &changed("b.png", "../../b.png")),
        case("a split file with an absolute path", &changed("b.png", "/etc/passwd")),
        case("a split file that is not UTF-8", b"{\"train\": [\n[\"\xff.png\", 0, \"ant\"]]}"),
    ]
}

fn registries() -> Vec<Case> {
    let case = |what, text: &[u8]| (what, vec![("datasets.yaml", text.to_vec())], "data list --data .");
    vec![
        case("an empty datasets.yaml", b""),
        case("a datasets.yaml cut short", &half(TOY.as_bytes())),
        case("a datasets.yaml that is no list", b"toy: {}\n"),
        case("a datasets.yaml with a data set twice", [TOY, TOY].concat().as_bytes()),
        case("a datasets.yaml whose folder leads out", TOY.replace("folder: toy", "folder: ../toy").as_bytes()),
        case("a datasets.yaml that is not UTF-8", &[TOY.as_bytes(), b"# \xff\n"].concat()),
    ]
}

fn settings() -> Vec<Case> {
    let user = |what, text: &[u8]| (what, vec![("nemesis.yaml", text.to_vec())], "plan");
    let suite = |what, text: &str| (what, vec![("s.yaml", text.into())], "plan --suite s.yaml");
    let protocol = |what, text: &str| (what, vec![("p.yaml", text.into())], "plan --protocol p.yaml");
    vec![
        user("settings of a wrong type", b"datasets: [dtd]\nshots: many\n"),
        user("settings with a key twice", b"shots: 1\nshots: 2\n"),
        user("settings cut short", b"shots: [1,\n"),
        user("settings that are not UTF-8", b"out: a\ndata: \xff\n"),
        suite("an empty suite", ""),
        suite("a suite with a key twice", &format!("{SUITE}name: other\n")),
        suite("a suite of a wrong type", &SUITE.replace("shots: [1]", "shots: [-1]")),
        suite("a suite with a misspelt key", &SUITE.replace("seeds", "seds")),
        suite("a suite cut short", &SUITE[..SUITE.len() - 12]),
        protocol("an empty protocol", ""),
        protocol("a protocol of a wrong type", "name: mine\nbatch_size: big\n"),
        protocol("a protocol cut short", "name: mine\nepochs: {1: \n"),
    ]
}

fn archives_own_lists() -> Vec<Case> {
    let prepare = |what, files: Vec<(&'static str, Vec<u8>)>, command| (what, files, command);
    let meta = ("stanford_cars/devkit/cars_meta.mat", fixture(MAT, "cars_meta.mat"));
    let train = fixture(MAT, "cars_train_annos.mat");
    let cars = |what, annotations: Vec<u8>| {
        let files = vec![meta.clone(), ("stanford_cars/devkit/cars_train_annos.mat", annotations)];
        prepare(what, files, "data prepare stanford_cars --data .")
    };
    let flowers = |what, labels: Vec<u8>| {
        prepare(what, vec![("oxford_flowers/imagelabels.mat", labels)], "data prepare oxford_flowers --data .")
    };
    let aircraft = |what, list: &[u8]| {
        let files = vec![
            ("fgvc_aircraft/variants.txt", b"707-320\nF-16A/B\n".to_vec()),
            ("fgvc_aircraft/images_variant_train.txt", list.to_vec()),
        ];
        prepare(what, files, "data check fgvc_aircraft --data .")
    };
    let pets = |what, list: &str| {
        prepare(what, vec![("oxford_pets/annotations/trainval.txt", list.into())], "data prepare oxford_pets --data .")
    };
    let scenes = |what, list: &str| {
        let files = vec![("sun397/ClassName.txt", b"/a/abbey\n".to_vec()), ("sun397/Training_01.txt", list.into())];
        prepare(what, files, "data prepare sun397 --data .")
    };
    let actions = |what, list: &str| {
        let files = vec![
            ("ucf101/ucfTrainTestlist/classInd.txt", b"1 YoYo\n".to_vec()),
            ("ucf101/ucfTrainTestlist/trainlist01.txt", list.into()),
        ];
        prepare(what, files, "data prepare ucf101 --data .")
    };
    let imagenet = |what, names: &[u8], images: &'static str| {
        let files = vec![("imagenet/classnames.txt", names.to_vec()), (images, Vec::new())];
        prepare(what, files, "data check imagenet --data .")
    };
    vec![
        cars("StanfordCars' annotations cut short", half(&train)),
        cars("StanfordCars' annotations, empty", Vec::new()),
        cars("StanfordCars' annotations that are another file", fixture(MAT, "cars_meta.mat")),
        cars("StanfordCars' annotations that are a web page", vec![b'<'; 400]),
        flowers("Flowers102's labels cut short", half(&fixture(MAT, "imagelabels.mat"))),
        flowers("Flowers102's labels in a newer format", [b"MATLAB 7.3 MAT-file".to_vec(), vec![b' '; 200]].concat()),
        aircraft("FGVCAircraft's list that is not UTF-8", b"1 707-320\n2 F-16A\xff\n"),
        aircraft("FGVCAircraft's list with an image twice", b"1 707-320\n1 F-16A/B\n"),
        aircraft("FGVCAircraft's list whose path leads out", b"../1 707-320\n"),
        aircraft("FGVCAircraft's list with an unknown variant", b"1 707-32\n"),
        pets("OxfordPets' list with a label that is no number", "Abyssinian_1 one 1 1\n"),
        pets("OxfordPets' list cut short", "Abyssinian_1 1 1 1\nAbyssinian_2 1\n"),
        pets("OxfordPets' list, empty", ""),
        scenes("SUN397's list with an unknown class", "/a/abby/sun_1.jpg\n"),
        scenes("SUN397's list whose path leads out", "/a/abbey/../../sun_1.jpg\n"),
        scenes("SUN397's list without slashes", "sun_1.jpg\n"),
        actions("UCF101's list with an unknown action", "YoYoo/v_1.avi 1\n"),
        actions("UCF101's list, empty", "\n"),
        imagenet("ImageNet's class names without a name", b"n01 tench\nn02\n", "imagenet/images/train/n01/a.JPEG"),
        imagenet("ImageNet's class names with a folder twice", b"n01 a\nn01 b\n", "imagenet/images/train/n01/a.JPEG"),
        imagenet("ImageNet's class names that are not UTF-8", b"n01 \xff\n", "imagenet/images/train/n01/a.JPEG"),
        imagenet("ImageNet's class names, empty", b"", "imagenet/images/train/n01/a.JPEG"),
        imagenet("ImageNet without test images", b"n01 a\n", "imagenet/images/train/n01/a.JPEG"),
    ]
}

fn images() -> Vec<Case> {
    let jpeg = fixture(PREPROCESS, "im4.jpg");
    let png = fixture(PREPROCESS, "im2.png");
    let mut huge = png.clone();
    huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    let case = |what, image: Vec<u8>| {
        let files = vec![
            ("datasets.yaml", TOY.into()),
            ("toy/split.json", ROWS.into()),
            ("toy/pictures/a.png", image),
            ("toy/pictures/b.png", png.clone()),
            ("toy/pictures/c.png", png.clone()),
        ];
        (what, files, "data check --data . --decode")
    };
    vec![
        case("a JPEG image cut short", half(&jpeg)),
        case("a PNG image cut short", half(&png)),
        case("an image of absurd size", huge),
        case("an empty image", Vec::new()),
        case("an image of another format", b"GIF89a".to_vec()),
        case("a web page that is called an image", b"<html>".to_vec()),
    ]
}

fn checkpoints() -> Vec<Case> {
    let case = |what, name, bytes: Vec<u8>, command| (what, vec![(name, bytes), ("t.txt", b"a cat".to_vec())], command);
    let pt = |what, bytes| case(what, "x.pt", bytes, "encode --texts t.txt --weights x.pt");
    let safe = |what, bytes| case(what, "x.safetensors", bytes, "encode --texts t.txt --weights x.safetensors");
    vec![
        pt("an empty checkpoint", Vec::new()),
        pt("a checkpoint cut short", half(&fixture(CHECKPOINTS, "scripted.pt"))),
        pt("a checkpoint that is a web page", b"<html>Not found</html>".to_vec()),
        pt("a checkpoint of something else", fixture(CHECKPOINTS, "state_dict.pt")),
        safe("a safetensors file cut short", half(&fixture(CHECKPOINTS, "expected.safetensors"))),
        safe("a safetensors file of something else", fixture(CHECKPOINTS, "expected.safetensors")),
    ]
}

#[test]
fn every_broken_input_gets_one_message_and_nothing_is_written() {
    let cases = [splits(), registries(), settings(), archives_own_lists(), images(), checkpoints()].concat();
    assert!(cases.len() >= 40);
    let mut all = String::new();
    for (what, files, command) in cases {
        let (folder, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        let before = tree(folder.path());
        let arguments: Vec<&str> = command.split(' ').collect();
        let output = nemesis(folder.path(), &arguments).env("TMPDIR", temporary.path()).output().unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{what}: {}", told(&output));
        assert_eq!(tree(folder.path()), before, "{what}: something was written");
        assert!(tree(temporary.path()).is_empty(), "{what}: something was written for a while, and left");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let folder = regex::Regex::new(&regex_escape(folder.path())).unwrap();
        all.extend(["# ", what, "\n", &folder.replace_all(&said, "[DIR]"), "\n"]);
    }
    insta::assert_snapshot!(all);
}
