//! Images against what Pillow and torchvision made of the very same files.

use nemesis_core::backbone::clip;
use nemesis_core::image::{
    DecodedCache, Interpolation, Rect, Rgb8, decode, decode_with_alpha, load_batch, read, resize, resize_crop,
};
use safetensors::SafeTensors;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Where two images differ first, if they do.
fn difference(ours: &[u8], expected: &[u8]) -> Option<String> {
    if ours.len() != expected.len() {
        return Some(format!("{} bytes instead of {}", ours.len(), expected.len()));
    }
    let at = ours.iter().zip(expected).position(|(a, b)| a != b)?;
    let count = ours.iter().zip(expected).filter(|(a, b)| a != b).count();
    Some(format!("{count} bytes differ, first byte {at}: {} instead of {}", ours[at], expected[at]))
}

#[test]
fn every_format_decodes_as_pillow_decodes_it() {
    let folder = fixtures().join("images");
    let expected = fs::read(folder.join("expected.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&expected).unwrap();
    let mut failures = vec![];
    for (name, tensor) in expected.iter() {
        match read(&folder.join("good").join(name)) {
            Ok(image) if [image.height(), image.width(), 3] == tensor.shape() => {
                failures.extend(difference(image.data(), tensor.data()).map(|d| format!("{name}: {d}")));
            }
            other => failures.push(format!("{name}: {other:?} instead of {:?}", tensor.shape())),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(expected.len() > 40);
}

#[test]
fn what_pillow_refuses_is_an_error_that_names_the_file() {
    let folder = fixtures().join("images/bad");
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let messages: Vec<String> = names
        .iter()
        .map(|name| {
            let error = read(&folder.join(name)).expect_err(&format!("{name:?} is broken"));
            assert_eq!(error.file().unwrap().file_name().unwrap(), name.as_os_str());
            format!("{}: {}", name.display(), error.what())
        })
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @r"
    data-broken.png: the PNG image is damaged: the image data are truncated
    empty.jpg: the image file is empty
    header-checksum.png: the PNG image is damaged: wrong checksum of its chunk IHDR
    header-only.jpg: the JPEG image is damaged: the file is truncated before the image data
    header-only.png: the PNG image is damaged: the file is truncated
    huge.png: the image has a size of 60000×60000 pixels
    no-end-444.jpg: the JPEG image is damaged: the file is truncated
    no-end-grey.jpg: the JPEG image is damaged: the file is truncated
    no-end-progressive.jpg: the JPEG image is damaged: the file is truncated
    no-image.jpg: the JPEG image is damaged: the file is truncated before the image data
    no-tables.jpg: the JPEG image is damaged: quantization table 0 was not defined
    text.jpg: the file is not an image
    too-little-data.png: the PNG image is damaged: the image data are truncated
    truncated-progressive.jpg: the JPEG image is damaged: the file is truncated
    truncated.jpg: the JPEG image is damaged: the file is truncated
    truncated.png: the PNG image is damaged: the image data are truncated
    twelve-bit.jpg: the JPEG image has 12 bits per sample
    two-components.jpg: the JPEG image has 2 components
    zero-wide.png: the image has a size of 0×18 pixels
    ");
}

#[test]
fn other_formats_are_named() {
    let message = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    insta::assert_snapshot!(message(b"GIF89a..."), @r"
    GIF images are not supported
      expected: a JPEG or PNG image
      help: download the file again from the data set's home page, or convert it to PNG
    ");
    assert!(message(b"RIFF\x10\0\0\0WEBPVP8 ").starts_with("WebP images are not supported"));
    assert!(message(b"BM......").starts_with("BMP images are not supported"));
    assert!(message(b"II*\0....").starts_with("TIFF images are not supported"));
}

#[test]
fn no_prefix_and_no_flipped_byte_of_an_image_panics() {
    let folder = fixtures().join("images/good");
    for name in ["rgb420.jpg", "progressive.jpg", "ycck.jpg", "rgb8.png", "palette4.png", "interlaced-grey2.png"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        for end in 0..bytes.len() {
            let _ = decode(&bytes[..end]);
            let mut changed = bytes.clone();
            changed[end] ^= 0x55;
            let _ = decode(&changed);
        }
    }
}

#[test]
fn preprocessing_equals_the_golden_values() {
    let folder = fixtures().join("parity");
    let cases: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("preprocess.json")).unwrap()).unwrap();
    let expected = fs::read(folder.join("preprocess/expected.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&expected).unwrap();
    let mut checked = 0;
    let mut check = |key: &str, image: &Rgb8| {
        let planes: Vec<u8> = (0..3).flat_map(|c| image.data().iter().skip(c).step_by(3).copied()).collect();
        let difference = difference(&planes, expected.tensor(key).unwrap().data());
        assert_eq!(difference, None, "{key}");
        checked += 1;
    };
    for case in cases["images"].as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let image = decode_with_alpha(&fs::read(folder.join("preprocess").join(file)).unwrap()).unwrap();
        for side in [32, 96] {
            check(&format!("{file}.eval{side}"), &clip::preprocess(side).eval_before_conversion(&image));
        }
        let number = |key: &str| case["crop"][key].as_u64().unwrap() as usize;
        let [top, left, height, width] = ["top", "left", "height", "width"].map(number);
        check(
            &format!("{file}.crop32"),
            &resize_crop(&image.rgb, Rect { top, left, height, width }, 32, Interpolation::Bicubic),
        );
    }
    assert_eq!(checked, expected.len());
}

#[test]
fn a_size_that_stays_changes_nothing_and_a_plain_image_stays_plain() {
    let image = read(&fixtures().join("images/good/rgb8.png")).unwrap();
    assert_eq!(resize(&image, image.width(), image.height()), image);
    let plain = Rgb8::new(50, 40, [7, 130, 255].repeat(2000)).unwrap();
    for (width, height) in [(1, 1), (13, 90), (64, 3)] {
        assert_eq!(resize(&plain, width, height).data(), [7, 130, 255].repeat(width * height));
    }
}

#[test]
fn training_images_are_a_pure_function_of_seed_epoch_and_item() {
    let image = read(&fixtures().join("parity/preprocess/im1.jpg")).unwrap();
    let preprocess = clip::preprocess(32);
    let first = preprocess.train(&image, 1, 0, 5);
    assert_eq!((first.width(), first.height()), (32, 32));
    assert_eq!(first, preprocess.train(&image, 1, 0, 5));
    for (seed, epoch, item) in [(2, 0, 5), (1, 1, 5), (1, 0, 6)] {
        assert_ne!(first, preprocess.train(&image, seed, epoch, item));
    }
}

#[test]
fn tensors_hold_what_torchvision_computes() {
    let folder = fixtures().join("parity/preprocess");
    let paths = ["im0.png", "im1.jpg", "im3.png"].map(|name| folder.join(name));
    let preprocess = clip::preprocess(32);
    let images = load_batch(&paths, &DecodedCache::new(0), |_, image| preprocess.eval(image)).unwrap();
    for kind in [Kind::Float, Kind::Double] {
        // ToTensor, then Normalize, operation by operation.
        let column = |v: [f64; 3]| Tensor::from_slice(&v).to_kind(kind).view([3, 1, 1]);
        let bytes: Vec<u8> = images.iter().flat_map(|i| i.data().to_vec()).collect();
        let pixels = Tensor::from_slice(&bytes).view([3, 32, 32, 3]).permute([0, 3, 1, 2]).to_kind(kind) / 255;
        let expected = (pixels - column(preprocess.mean)) / column(preprocess.std);
        let ours = preprocess.tensor(&images, kind).unwrap();
        assert_eq!((ours.kind(), ours.size()), (kind, vec![3, 3, 32, 32]));
        assert!(ours.equal(&expected));
    }
    assert_eq!(preprocess.tensor(&images, Kind::Half).unwrap().kind(), Kind::Half);
    assert!(clip::preprocess(64).tensor(&images, Kind::Float).is_err());
}

#[test]
fn of_several_broken_files_the_first_is_named() {
    let folder = fixtures().join("images");
    let paths = ["good/rgb8.png", "bad/truncated.jpg", "good/grey.jpg", "bad/missing.jpg", "bad/empty.jpg"];
    let paths = paths.map(|name| folder.join(name));
    let error = load_batch(&paths, &DecodedCache::new(0), |_, image| image.clone()).unwrap_err();
    assert_eq!(error.file().unwrap(), paths[1]);
    let names = load_batch(&paths[..1], &DecodedCache::new(0), |n, image| resize(image, n + 1, 2)).unwrap();
    assert_eq!((names[0].width(), names[0].height()), (1, 2));
}

#[test]
fn decoded_images_are_kept_up_to_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let source = fixtures().join("images/good/rgb8.png");
    let paths = ["a.png", "b.png", "c.png"].map(|name| folder.path().join(name));
    let image = read(&source).unwrap();
    let cache = DecodedCache::new(2 * image.data().len() + 5);
    for path in &paths {
        fs::copy(&source, path).unwrap();
        assert_eq!(*cache.read(path).unwrap(), image);
        fs::remove_file(path).unwrap();
    }
    let kept = paths.map(|path| cache.read(&path).is_ok());
    assert_eq!(kept, [true, true, false]);
}
