//! `clip_*_io.safetensors`: what goes into CLIP's towers and what comes out.

use super::check::{Check, largest_row_error};
use super::fixtures::Fixtures;
use nemesis_core::Result;
use nemesis_core::backbone::Checkpoint;
use nemesis_core::backbone::clip::{Clip, TextTower, Weights};
use nemesis_core::backbone::{Assumption, Backbone};
use tch::{Device, Kind, Tensor, no_grad};

/// Relative, in the norm of each feature.
const TOLERANCE: f64 = 1e-4;

pub(super) fn checks(fixtures: &Fixtures) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (name, has_text) in [("clip_vit", true), ("clip_rn", false)] {
        let golden = fixtures.tensors(&format!("{name}_io.safetensors"))?;
        let weights = fixtures.path(&format!("{name}.safetensors"));
        let (images, features) = (golden.get("images")?, golden.get("image_features")?);
        let error = Clip::load_assuming(&weights, Some(Assumption::OpenAi), Device::Cpu, Kind::Float)
            .and_then(|clip| clip.encode_images(&images))
            .map(|found| largest_row_error(&found, &features));
        checks.push(Check::relative(format!("{name}, image features, {} images", images.size()[0]), error, TOLERANCE));
        if has_text {
            let (tokens, features) = (golden.get("tokens")?, golden.get("text_features")?);
            let error = text_features(&weights, &tokens).map(|found| largest_row_error(&found, &features));
            checks.push(Check::relative(
                format!("{name}, text features, {} texts", tokens.size()[0]),
                error,
                TOLERANCE,
            ));
        }
    }
    Ok(checks)
}

fn text_features(weights: &std::path::Path, tokens: &Tensor) -> Result<Tensor> {
    let weights = Weights::new(Checkpoint::read(weights)?.tensors).to(Device::Cpu, Kind::Float);
    let tower = TextTower::from_weights(&weights)?;
    Ok(no_grad(|| tower.forward_tokens(tokens)))
}
