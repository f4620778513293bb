//! Checks features from the image tower: no row may be zero, because everything after divides by its length.

use crate::{Error, Result};
use std::path::Path;
use tch::{Kind, Tensor};

/// Checks features `[images, …, embed_dim]` of image files, given in the order of the rows.
///
/// # Errors
///
/// When a feature is not finite, or zero everywhere; the message names the first such image.
pub(super) fn check<P: AsRef<Path>>(features: &Tensor, paths: &[P]) -> Result<()> {
    // Squares of half-precision numbers may exceed their range.
    let wide = if features.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let norms = features.to_kind(wide).f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), false)?;
    let sound = norms.f_isfinite()?.f_logical_and(&norms.f_gt(0.0)?)?;
    if bool::try_from(sound.f_all()?)? {
        return Ok(());
    }
    let rows = sound.f_reshape([paths.len() as i64, -1])?.f_all_dim(1, false)?;
    let row = i64::try_from(rows.to_kind(Kind::Int64).f_argmin(0, false)?)?;
    let finite = bool::try_from(features.get(row).f_isfinite()?.f_all()?)?;
    let what = if finite { "zero everywhere" } else { "not finite" };
    Err(Error::new(format!("the features of the image are {what}")).at(&paths[row as usize]).help(
        "the image was decoded, so check the checkpoint: its weights may be damaged, or too large for half precision \
         (try `--precision fp32`)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_image_without_a_direction_is_named() {
        let paths = ["a.jpg", "b.jpg", "c.jpg"];
        let told = |rows: [f32; 6], kind: Kind| {
            let features = Tensor::from_slice(&rows).to_kind(kind).view([3, 2]);
            check(&features, &paths).map_err(|error| error.to_string().lines().take(2).collect::<Vec<_>>().join(""))
        };
        for kind in [Kind::Float, Kind::Half, Kind::BFloat16, Kind::Double] {
            assert_eq!(told([1.0, 0.0, 60000.0, 60000.0, -1e-4, 0.0], kind), Ok(()));
            let nan = told([1.0, 0.0, 1.0, f32::NAN, 0.0, 0.0], kind);
            assert_eq!(nan.unwrap_err(), "the features of the image are not finite  --> b.jpg");
            let infinite = told([f32::INFINITY, 0.0, 1.0, f32::NAN, 0.0, 0.0], kind);
            assert_eq!(infinite.unwrap_err(), "the features of the image are not finite  --> a.jpg");
            let zero = told([1.0, 0.0, 1.0, 1.0, 0.0, 0.0], kind);
            assert_eq!(zero.unwrap_err(), "the features of the image are zero everywhere  --> c.jpg");
        }
        assert!(check(&Tensor::zeros([0, 2], (Kind::Float, tch::Device::Cpu)), &[] as &[&str]).is_ok());
    }

    #[test]
    fn places_of_an_image_are_looked_at_too() {
        let features = Tensor::ones([2, 3, 4], (Kind::Float, tch::Device::Cpu));
        assert!(check(&features, &["a.jpg", "b.jpg"]).is_ok());
        let _ = features.get(1).get(2).fill_(f64::NAN);
        let error = check(&features, &["a.jpg", "b.jpg"]).unwrap_err();
        assert_eq!(error.file(), Some(Path::new("b.jpg")));
    }
}
