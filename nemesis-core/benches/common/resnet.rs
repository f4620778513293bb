//! An image tower of random weights in the sizes of RN50, or a very small one where benches are only tried out.

use super::common::is_trial;
use nemesis_core::backbone::clip::{ModifiedResNet, Weights};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// The tower, arranged for speed.
pub(crate) fn random_resnet() -> ModifiedResNet {
    let blocks = if is_trial() { [1; 4] } else { [3, 4, 6, 3] };
    let (width, embed_dim) = (64, 1024);
    tch::manual_seed(3);
    let random = |shape: &[i64], from: i64| Tensor::randn(shape, (Kind::Float, Device::Cpu)) / (from as f64).sqrt();
    let mut weights = BTreeMap::new();
    let mut convolution = |convolution: &str, norm: &str, [to, from, side]: [i64; 3]| {
        let kernel = random(&[to, from, side, side], from * side * side);
        weights.insert(format!("visual.{convolution}.weight"), kernel);
        for (part, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            let tensor = Tensor::full([to], value, (Kind::Float, Device::Cpu));
            weights.insert(format!("visual.{norm}.{part}"), tensor);
        }
    };
    let half = width / 2;
    for (number, shape) in [(1, [half, 3, 3]), (2, [half, half, 3]), (3, [width, half, 3])] {
        convolution(&format!("conv{number}"), &format!("bn{number}"), shape);
    }
    let mut channels = width;
    for (stage, count) in blocks.into_iter().enumerate() {
        let planes = width << stage;
        for block in 0..count {
            let name = format!("layer{}.{block}", stage + 1);
            for (number, shape) in [(1, [planes, channels, 1]), (2, [planes, planes, 3]), (3, [4 * planes, planes, 1])]
            {
                convolution(&format!("{name}.conv{number}"), &format!("{name}.bn{number}"), shape);
            }
            if block == 0 {
                let shape = [4 * planes, channels, 1];
                convolution(&format!("{name}.downsample.0"), &format!("{name}.downsample.1"), shape);
            }
            channels = 4 * planes;
        }
    }
    for (name, to) in [("q_proj", channels), ("k_proj", channels), ("v_proj", channels), ("c_proj", embed_dim)] {
        weights.insert(format!("visual.attnpool.{name}.weight"), random(&[to, channels], channels));
        weights.insert(format!("visual.attnpool.{name}.bias"), Tensor::zeros([to], (Kind::Float, Device::Cpu)));
    }
    weights.insert("visual.attnpool.positional_embedding".to_owned(), random(&[1 + 7 * 7, channels], channels));
    ModifiedResNet::from_weights(&Weights::new(weights)).expect("these are the weights of a tower").frozen()
}
