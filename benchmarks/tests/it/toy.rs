//! A data root with data sets of a few plain pictures, for runs of a second.

use std::fs;
use std::path::{Path, PathBuf};

/// Training, validation and test pictures of each class.
const SPLITS: [(&str, usize); 3] = [("train", 4), ("val", 2), ("test", 3)];
/// The colours of the classes, which are their names, too.
const COLOURS: [(&str, [u8; 3]); 3] = [("red", [220, 30, 30]), ("green", [30, 220, 30]), ("blue", [30, 30, 220])];

/// A data root in the folder `data`, in which each of `names` is a data set of three classes.
pub(crate) fn data_root(folder: &Path, names: &[&str]) -> PathBuf {
    let root = folder.join("data");
    let entry = |name: &&str| {
        make_data_set(&root.join(name));
        format!(
            "- {{name: {name}, title: {name}, folder: {name}, layout: {{split_file: {{file: split.json, images: .}}}}, \
             classes: 3, template: 'a photo of a {{}}.', licence: none, home: none}}\n"
        )
    };
    let registry = names.iter().map(entry).collect::<Vec<_>>().concat();
    fs::write(root.join("datasets.yaml"), registry).unwrap();
    root
}

fn make_data_set(folder: &Path) {
    let mut splits = serde_json::Map::new();
    for (split, count) in SPLITS {
        let mut rows = Vec::new();
        for (label, (class, colour)) in COLOURS.iter().enumerate() {
            for i in 0..count {
                let path = format!("{class}/{split}_{i}.png");
                // Each picture is of another shade, so that no two are equal.
                paint(&folder.join(&path), colour.map(|part| part - (5 * i + split.len()) as u8));
                rows.push(serde_json::json!([path, label, class]));
            }
        }
        splits.insert(split.to_owned(), rows.into());
    }
    fs::write(folder.join("split.json"), serde_json::Value::from(splits).to_string()).unwrap();
}

/// Writes a picture of one colour.
pub(crate) fn paint(file: &Path, colour: [u8; 3]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(fs::File::create(file).unwrap(), 8, 8);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&colour.repeat(64)).unwrap();
}

/// The small checkpoint of the mini suite, as an argument of `--weights`.
pub(crate) fn weights() -> String {
    format!("mini={}", Path::new(env!("CARGO_MANIFEST_DIR")).join("mini/mini-clip.safetensors").display())
}

/// `run` with a method that is trained quickly, on a data root made here.
pub(crate) fn run<'a>(weights: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let run =
        ["run", "--data", "data", "--weights", weights, "--protocol", "mini", "--methods", "coop", "--shots", "1"];
    run.iter().chain(more).copied().collect()
}
