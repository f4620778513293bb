//! `preprocess.json` and `preprocess/`: images decoded and resized as Pillow and torchvision do.

use super::check::{Check, differing};
use super::fixtures::Fixtures;
use nemesis_core::backbone::clip;
use nemesis_core::image::{Interpolation, Rect, Rgb8, decode_with_alpha, resize_crop};
use nemesis_core::{Error, Result, files};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    images: Vec<Case>,
    mean: [f64; 3],
    std: [f64; 3],
}

#[derive(Deserialize)]
struct Case {
    file: String,
    crop: Crop,
}

#[derive(Clone, Copy, Deserialize)]
struct Crop {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

pub(super) fn checks(fixtures: &Fixtures) -> Result<Vec<Check>> {
    let cases: Cases = fixtures.json("preprocess.json")?;
    let golden = fixtures.tensors("preprocess/expected.safetensors")?;
    let ours = clip::preprocess(1);
    let wrong = differing(&ours.mean, &cases.mean) + differing(&ours.std, &cases.std);
    let mut checks = vec![Check::exact("preprocess, mean and deviation", Ok(wrong))];
    for case in &cases.images {
        let prefix = format!("{}.", case.file);
        for (name, wanted) in golden.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            let wrong = transformed(fixtures, case, &name[prefix.len()..]).and_then(|found| {
                let wanted = Vec::<u8>::try_from(wanted.flatten(0, -1))?;
                Ok(differing(&found, &wanted))
            });
            checks.push(Check::exact(format!("preprocess, {name}"), wrong));
        }
    }
    Ok(checks)
}

/// The image after the transform `evalSIDE` or `cropSIDE`, as bytes `[3, side, side]`.
fn transformed(fixtures: &Fixtures, case: &Case, transform: &str) -> Result<Vec<u8>> {
    let unknown = || Error::new(format!("the transform `{transform}` is unknown")).expected("`evalSIDE` or `cropSIDE`");
    let (kind, side) = transform.split_at_checked(4).ok_or_else(unknown)?;
    let side: usize = side.parse().map_err(|_| unknown())?;
    let file = fixtures.path("preprocess").join(&case.file);
    let image = decode_with_alpha(&files::read(&file)?).map_err(|e| e.at(&file))?;
    let Crop { top, left, height, width } = case.crop;
    let found = match kind {
        // The golden test images were converted to colour last, the cropped ones first.
        "eval" => clip::preprocess(side).eval_before_conversion(&image),
        "crop" => resize_crop(&image.rgb, Rect { top, left, height, width }, side, Interpolation::Bicubic),
        _ => return Err(unknown()),
    };
    Ok(planes(&found))
}

/// The bytes of an image as `[3, height, width]`.
fn planes(image: &Rgb8) -> Vec<u8> {
    (0..3).flat_map(|channel| image.data().iter().skip(channel).step_by(3).copied()).collect()
}
