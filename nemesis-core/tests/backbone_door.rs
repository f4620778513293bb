//! A backbone of another family than CLIP, with an image size and normalisation of its own: all that lies behind the trait
//! follows it.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use nemesis_core::Result;
use nemesis_core::backbone::{Activation, Assumption, Backbone, BackboneSpec, ClassPrompts, Config, Origin};
use nemesis_core::contents::Contents;
use nemesis_core::dataset::Sample;
use nemesis_core::image::{Interpolation, Preprocess, RandomCrop, ResizeMode};
use nemesis_core::method::ClassPosition;
use nemesis_core::pool::Pool;
use nemesis_core::train::{Features, encode_images, zero_shot_predictions};
use std::fs;
use std::io::Write;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// An image is the mean of its colours, and a text is the colour whose name stands in it.
struct Colours {
    spec: BackboneSpec,
}

impl Colours {
    fn new() -> Self {
        let crop = RandomCrop { scale: (1.0, 1.0), ratio: (1.0, 1.0) };
        let preprocess = Preprocess {
            size: 6,
            mean: [0.5; 3],
            std: [0.25; 3],
            resize: ResizeMode::Squash,
            interpolation: Interpolation::Bilinear,
            crop,
        };
        let spec = BackboneSpec {
            preprocess,
            embed_dim: 3,
            width: 3,
            context_length: 8,
            logit_scale: 10.0,
            device: Device::Cpu,
            kind: Kind::Double,
            rounds_to: Kind::Double,
            weights_hash: "colours".to_owned(),
            origin: Origin::Script,
            shape: "colours".to_owned(),
        };
        Self { spec }
    }
}

impl Backbone for Colours {
    fn spec(&self) -> &BackboneSpec {
        &self.spec
    }

    fn encode_images(&self, pixels: &Tensor) -> Result<Tensor> {
        assert_eq!(pixels.size()[1..], [3, 6, 6]);
        Ok(pixels.mean_dim([2i64, 3].as_slice(), false, Kind::Double))
    }

    fn encode_places(&self, pixels: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.encode_images(pixels)?, pixels.flatten(2, 3).transpose(1, 2)))
    }

    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        let colour = |prompt: &String| ["red", "green", "blue"].map(|name| f64::from(u8::from(prompt.contains(name))));
        Ok(Tensor::from_slice(&prompts.iter().flat_map(colour).collect::<Vec<_>>()).view([-1, 3]))
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        self.encode_strings(&[text.to_owned()])
    }

    fn embed_tokens(&self, tokens: &[i64]) -> Result<Tensor> {
        Ok(Tensor::eye(3, (Kind::Double, Device::Cpu)).index_select(0, &Tensor::from_slice(tokens)))
    }

    fn start_token(&self) -> i64 {
        0
    }

    fn class_prompts(&self, class_names: &[String], _context_vectors: usize) -> Result<ClassPrompts> {
        let tokens = (0..class_names.len() as i64).map(|class| vec![class]).collect();
        Ok(ClassPrompts { tokens, name_lengths: vec![1; class_names.len()] })
    }

    fn encode_contexts(&self, classes: &ClassPrompts, contexts: &Tensor, _position: ClassPosition) -> Result<Tensor> {
        let names = Tensor::from_slice(&classes.tokens.concat());
        let colours = Tensor::eye(3, (Kind::Double, Device::Cpu)).index_select(0, &names);
        Ok(contexts.sum_dim_intlist([2i64].as_slice(), false, Kind::Double) + colours)
    }

    fn graph_bytes(&self, _classes: &ClassPrompts, contexts: &Tensor, _position: ClassPosition) -> u64 {
        contexts.numel() as u64
    }
}

/// A picture of one colour, 9 by 7 pixels.
fn picture(folder: &Path, name: &str, colour: [u8; 3]) -> Sample {
    let row = [&[0u8][..], &colour.repeat(9)].concat();
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(&row.repeat(7)).unwrap();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [0, 0, 0, 9, 0, 0, 0, 7, 8, 2, 0, 0, 0];
    for (kind, data) in [(b"IHDR", &header[..]), (b"IDAT", &deflated.finish().unwrap()), (b"IEND", &[])] {
        let chunk = [&kind[..], data].concat();
        let mut sum = Crc::new();
        sum.update(&chunk);
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(chunk);
        png.extend(sum.sum().to_be_bytes());
    }
    fs::write(folder.join(name), png).unwrap();
    Sample { path: name.into(), label: 0 }
}

#[test]
fn features_follow_the_size_and_normalisation_of_the_backbone() {
    let folder = tempfile::tempdir().unwrap();
    let samples = [picture(folder.path(), "red.png", [200, 10, 20]), picture(folder.path(), "blue.png", [0, 100, 255])];
    let backbone = Colours::new();
    let wanted = Tensor::from_slice(&[200u8, 10, 20, 0, 100, 255]).view([2, 3]).to_kind(Kind::Double);
    let wanted = (wanted / 255.0 - 0.5) / 0.25;

    let contents = Contents::open(folder.path().join("contents"));
    let mut features = Features::new(backbone.spec(), None, 0, contents);
    let test = features.test(&backbone, folder.path(), &samples).unwrap();
    assert!(test.allclose(&wanted, 0.0, 1e-12, false), "{test}");
    // Random crops of one colour are that colour.
    let training = features.training(&backbone, folder.path(), &samples, 1, Some(3)).unwrap();
    assert!(training.allclose(&wanted, 0.0, 1e-12, false), "{training}");
    let paths: Vec<_> = samples.iter().map(|sample| folder.path().join(&sample.path)).collect();
    assert_eq!(encode_images(&backbone, &paths).unwrap(), test);

    let names = ["green", "blue", "red"].map(str::to_owned);
    let predictions = zero_shot_predictions(&backbone, &test, &[2, 1], &names, &["a {} picture"]).unwrap();
    assert_eq!(predictions.predicted, [2, 1]);
}

#[test]
fn weights_of_which_something_else_was_said_share_no_features() {
    let folder = tempfile::tempdir().unwrap();
    let samples = [picture(folder.path(), "red.png", [200, 10, 20])];
    let pool = || Pool::open(&folder.path().join("pool"), u64::MAX).unwrap();
    let gelu = Config { activation: Activation::Gelu, ..Config::OPENAI };
    let beside = Origin::Beside("open_clip_config.json", gelu);
    // A configuration is the same whether a file beside the weights says it, or the user.
    for (origin, parts) in [
        (Origin::Script, 1),
        (Origin::Assumed(Assumption::OpenAi), 2),
        (Origin::Assumed(Assumption::Config(gelu)), 3),
        (beside, 3),
        (Origin::Script, 3),
    ] {
        let backbone = Colours { spec: BackboneSpec { origin, ..Colours::new().spec } };
        let contents = Contents::open(folder.path().join("contents"));
        let mut features = Features::new(backbone.spec(), Some(pool()), 0, contents);
        let _ = features.test(&backbone, folder.path(), &samples).unwrap();
        assert_eq!(pool().list().unwrap().len(), parts, "{origin}");
    }
}
