//! Broken inputs of every kind, a test each: each gets one message that names it, and nothing is written anywhere.
//!
//! Archives are in `harmful_archives.rs`; mistakes of the command line are in `bad_input.rs`.

use crate::command::{nemesis_by_itself, regex_escape, told};
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

/// Files of a folder, by name, and the command that meets them, words parted by spaces.
struct Case {
    files: Vec<(&'static str, Vec<u8>)>,
    command: &'static str,
}

impl Case {
    fn new(command: &'static str, files: impl Into<Vec<(&'static str, Vec<u8>)>>) -> Self {
        Self { files: files.into(), command }
    }

    /// Runs the command: it fails with one message, and leaves the folder as it was.
    fn check(self, name: &str) {
        let (folder, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, bytes) in self.files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        let before = tree(folder.path());
        let arguments: Vec<&str> = self.command.split(' ').collect();
        let output = nemesis_by_itself(folder.path(), &arguments).env("TMPDIR", temporary.path()).output().unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{}", told(&output));
        assert_eq!(tree(folder.path()), before, "something was written");
        assert!(tree(temporary.path()).is_empty(), "something was written for a while, and left");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots/broken");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.add_filter(&regex_escape(folder.path()), "[DIR]");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        settings.bind(|| insta::assert_snapshot!(name, said));
    }
}

/// Tests of one kind of input, each with a name and what is made a [`Case`] of by the function of the kind's name.
macro_rules! broken {
    ($kind:ident { $($name:ident: $input:expr),+ $(,)? }) => {
        mod $kind {
            #[allow(unused_imports, reason = "some inputs are texts that need nothing of this file")]
            use super::*;
            $(#[test]
            fn $name() {
                super::$kind($input).check(concat!(stringify!($kind), "__", stringify!($name)));
            })+
        }
    };
}

fn fixture(folder: &str, name: &str) -> Vec<u8> {
    fs::read(format!("{folder}/{name}")).unwrap()
}

fn half(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

/// A text in which the first `from` is `to`.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

fn split(split: impl AsRef<[u8]>) -> Case {
    let files = [("datasets.yaml", TOY.into()), ("toy/split.json", split.as_ref().to_vec())];
    Case::new("data sample --dataset toy --shots 1 --seed 1 --data .", files)
}

broken!(split {
    cut_short: half(ROWS.as_bytes()),
    empty: "",
    a_list: "[]",
    a_label_is_a_text: changed(ROWS, "0", "\"0\""),
    a_label_is_negative: changed(ROWS, "0", "-1"),
    no_test_images: "{\"train\": [[\"a.png\", 0, \"ant\"]], \"val\": []}",
    a_split_twice: changed(ROWS, "\"val\"", "\"train\""),
    an_image_in_two_splits: changed(ROWS, "b.png", "a.png"),
    a_path_leads_out: changed(ROWS, "b.png", "../../b.png"),
    an_absolute_path: changed(ROWS, "b.png", "/etc/passwd"),
    not_utf8: b"{\"train\": [\n[\"\xff.png\", 0, \"ant\"]]}",
});

fn registry(text: impl AsRef<[u8]>) -> Case {
    Case::new("data list --data .", [("datasets.yaml", text.as_ref().to_vec())])
}

broken!(registry {
    empty: "",
    cut_short: half(TOY.as_bytes()),
    no_list: "toy: {}\n",
    a_data_set_twice: [TOY, TOY].concat(),
    a_folder_leads_out: changed(TOY, "folder: toy", "folder: ../toy"),
    not_utf8: [TOY.as_bytes(), b"# \xff\n"].concat(),
});

fn settings(text: impl AsRef<[u8]>) -> Case {
    Case::new("plan", [("nemesis.yaml", text.as_ref().to_vec())])
}

broken!(settings {
    a_wrong_type: "datasets: [dtd]\nshots: many\n",
    a_key_twice: "shots: 1\nshots: 2\n",
    cut_short: "shots: [1,\n",
    not_utf8: b"out: a\ndata: \xff\n",
});

fn suite(text: impl AsRef<[u8]>) -> Case {
    Case::new("plan --suite s.yaml", [("s.yaml", text.as_ref().to_vec())])
}

broken!(suite {
    empty: "",
    a_key_twice: [SUITE, "name: other\n"].concat(),
    a_wrong_type: changed(SUITE, "shots: [1]", "shots: [-1]"),
    a_misspelt_key: changed(SUITE, "seeds", "seds"),
    cut_short: &SUITE[..SUITE.len() - 12],
});

fn protocol(text: &str) -> Case {
    Case::new("plan --protocol p.yaml", [("p.yaml", text.into())])
}

broken!(protocol { empty: "", a_wrong_type: "name: mine\nbatch_size: big\n", cut_short: "name: mine\nepochs: {1: \n" });

fn cars(annotations: impl AsRef<[u8]>) -> Case {
    let files = [
        ("stanford_cars/devkit/cars_meta.mat", fixture(MAT, "cars_meta.mat")),
        ("stanford_cars/devkit/cars_train_annos.mat", annotations.as_ref().to_vec()),
    ];
    Case::new("data prepare stanford_cars --data .", files)
}

broken!(cars {
    annotations_cut_short: half(&fixture(MAT, "cars_train_annos.mat")),
    annotations_empty: "",
    annotations_are_another_file: fixture(MAT, "cars_meta.mat"),
    annotations_are_a_web_page: "<".repeat(400),
});

fn flowers(labels: impl AsRef<[u8]>) -> Case {
    let files = [("oxford_flowers/imagelabels.mat", labels.as_ref().to_vec())];
    Case::new("data prepare oxford_flowers --data .", files)
}

broken!(flowers {
    labels_cut_short: half(&fixture(MAT, "imagelabels.mat")),
    labels_in_a_newer_format: format!("MATLAB 7.3 MAT-file{}", " ".repeat(200)),
});

fn aircraft(list: impl AsRef<[u8]>) -> Case {
    let files = [
        ("fgvc_aircraft/variants.txt", b"707-320\nF-16A/B\n".to_vec()),
        ("fgvc_aircraft/images_variant_train.txt", list.as_ref().to_vec()),
    ];
    Case::new("data check fgvc_aircraft --data .", files)
}

broken!(aircraft {
    not_utf8: b"1 707-320\n2 F-16A\xff\n",
    an_image_twice: "1 707-320\n1 F-16A/B\n",
    a_path_leads_out: "../1 707-320\n",
    an_unknown_variant: "1 707-32\n",
});

fn pets(list: &str) -> Case {
    Case::new("data prepare oxford_pets --data .", [("oxford_pets/annotations/trainval.txt", list.into())])
}

broken!(pets {
    a_label_is_no_number: "Abyssinian_1 one 1 1\n",
    cut_short: "Abyssinian_1 1 1 1\nAbyssinian_2 1\n",
    empty: "",
});

fn scenes(list: &str) -> Case {
    let files = [("sun397/ClassName.txt", b"/a/abbey\n".to_vec()), ("sun397/Training_01.txt", list.into())];
    Case::new("data prepare sun397 --data .", files)
}

broken!(scenes {
    an_unknown_class: "/a/abby/sun_1.jpg\n",
    a_path_leads_out: "/a/abbey/../../sun_1.jpg\n",
    no_slashes: "sun_1.jpg\n",
});

fn actions(list: &str) -> Case {
    let files = [
        ("ucf101/ucfTrainTestlist/classInd.txt", b"1 YoYo\n".to_vec()),
        ("ucf101/ucfTrainTestlist/trainlist01.txt", list.into()),
    ];
    Case::new("data prepare ucf101 --data .", files)
}

broken!(actions { an_unknown_action: "YoYoo/v_1.avi 1\n", empty: "\n" });

fn imagenet(names: impl AsRef<[u8]>) -> Case {
    let files =
        [("imagenet/classnames.txt", names.as_ref().to_vec()), ("imagenet/images/train/n01/a.JPEG", Vec::new())];
    Case::new("data check imagenet --data .", files)
}

broken!(imagenet {
    a_class_without_a_name: "n01 tench\nn02\n",
    a_folder_twice: "n01 a\nn01 b\n",
    names_not_utf8: b"n01 \xff\n",
    names_empty: "",
    no_test_images: "n01 a\n",
});

fn image(image: impl AsRef<[u8]>) -> Case {
    let sound = fixture(PREPROCESS, "im2.png");
    let files = [
        ("datasets.yaml", TOY.into()),
        ("toy/split.json", ROWS.into()),
        ("toy/pictures/a.png", image.as_ref().to_vec()),
        ("toy/pictures/b.png", sound.clone()),
        ("toy/pictures/c.png", sound),
    ];
    Case::new("data check --data . --decode", files)
}

/// A PNG image whose header, with the checksum that belongs to it, tells of 65536 by 65536 pixels.
fn huge() -> Vec<u8> {
    let mut huge = fixture(PREPROCESS, "im2.png");
    huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    huge
}

broken!(image {
    a_jpeg_cut_short: half(&fixture(PREPROCESS, "im4.jpg")),
    a_png_cut_short: half(&fixture(PREPROCESS, "im2.png")),
    absurdly_large: huge(),
    empty: "",
    another_format: "GIF89a",
    a_web_page: "<html>",
});

fn checkpoint(bytes: impl AsRef<[u8]>) -> Case {
    let files = [("x.pt", bytes.as_ref().to_vec()), ("t.txt", b"a cat".to_vec())];
    Case::new("encode --texts t.txt --weights x.pt", files)
}

broken!(checkpoint {
    empty: "",
    cut_short: half(&fixture(CHECKPOINTS, "scripted.pt")),
    a_web_page: "<html>Not found</html>",
    something_else: fixture(CHECKPOINTS, "state_dict.pt"),
});

fn safetensors(bytes: impl AsRef<[u8]>) -> Case {
    let files = [("x.safetensors", bytes.as_ref().to_vec()), ("t.txt", b"a cat".to_vec())];
    Case::new("encode --texts t.txt --weights x.safetensors", files)
}

broken!(safetensors {
    cut_short: half(&fixture(CHECKPOINTS, "expected.safetensors")),
    something_else: fixture(CHECKPOINTS, "expected.safetensors"),
});
