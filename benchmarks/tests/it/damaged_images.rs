//! Damaged images are what Pillow makes of them: the same pixels, or none.

use crate::command::{assert_command, nemesis, told};
use crate::toy::{data_root, paint};
use safetensors::SafeTensors;
use std::fs;
use std::path::Path;

/// A white picture as a JPEG whose quantisation table was multiplied by five: its samples leave the range by far.
fn glaring_jpeg() -> Vec<u8> {
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_GRAYSCALE);
    encoder.set_size(32, 32);
    encoder.set_quality(100.0);
    let mut encoder = encoder.start_compress(Vec::new()).unwrap();
    encoder.write_scanlines(&[255; 32 * 32]).unwrap();
    let mut bytes = encoder.finish().unwrap();
    let table = bytes.windows(2).position(|marker| marker == [0xff, 0xdb]).unwrap() + 5;
    assert_eq!(bytes[table], 1, "the first entry of a table of quality 100");
    bytes[table] = 5;
    bytes
}

/// The features that `nemesis encode` writes of two images.
fn features(folder: &Path, images: [&str; 2]) -> [Vec<u8>; 2] {
    let arguments = ["encode", images[0], images[1], "--weights", "mini", "--output", "features.safetensors"];
    let output = nemesis(folder, &arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let bytes = fs::read(folder.join("features.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (_, features) = file.iter().find(|(_, view)| view.shape().len() == 2).unwrap();
    let (one, other) = features.data().split_at(features.data().len() / 2);
    [one.to_vec(), other.to_vec()]
}

#[test]
fn samples_out_of_range_are_white_and_not_black() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("glaring.jpg"), glaring_jpeg()).unwrap();
    paint(&folder.path().join("white.png"), [255; 3]);
    paint(&folder.path().join("black.png"), [0; 3]);
    let [glaring, white] = features(folder.path(), ["glaring.jpg", "white.png"]);
    let [_, black] = features(folder.path(), ["glaring.jpg", "black.png"]);
    assert_eq!(glaring, white);
    assert_ne!(glaring, black);
}

/// The pixels' checksum is at the end of the compressed data, in front of the chunk's own and of the last chunk.
#[test]
fn a_png_whose_pixels_do_not_match_their_checksum_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = data_root(folder.path(), &["toy"]);
    let image = root.join("toy/red/test_0.png");
    let mut bytes = fs::read(&image).unwrap();
    let checksum = bytes.len() - 12 - 4 - 1;
    bytes[checksum] ^= 1;
    fs::write(&image, bytes).unwrap();
    assert_command!(folder.path(), &["data", "check", "toy", "--data", "data", "--decode"]);
    assert_command!(
        folder.path(),
        &["encode", "data/toy/red/test_0.png", "--weights", "mini", "--output", "f.safetensors"]
    );
}
