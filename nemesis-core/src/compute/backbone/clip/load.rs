//! From a checkpoint to a model: what the file is, whether all of it is read, and the towers of it.

use super::buffers::{check_buffers, is_harmless};
use super::checked::{check_numbers, check_sizes, check_strangers};
use super::foreign::refuse_foreign;
use super::frozen::FrozenText;
use super::image::ImageTower;
use super::layout::{Layout, to_openai};
use super::text::TextTower;
use super::vit::VisionTransformer;
use super::weights::Weights;
use super::{Clip, TextPath};
use crate::backbone::described::{self, Described};
use crate::backbone::open::{Family, about};
use crate::backbone::origin::METADATA_KEY;
use crate::backbone::{Assumption, BackboneSpec, Checkpoint, Config, Origin, Request, known};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use tch::{Device, Kind};

/// CLIP among the families.
pub(in crate::compute::backbone) const FAMILY: Family = Family {
    // What is CLIP under other names is told so, too.
    knows: |_| true,
    inspect: |checkpoint, request| Ok(Read::new(checkpoint, request.weights, request.assume, request.rounds_to)?.spec),
    open: |checkpoint, request| Ok(Box::new(Clip::of(checkpoint, request)?)),
};

/// What a logit scale can be. Training starts from 14.3 and is held to 100 at most; a checkpoint that keeps 100 itself in place
/// of its logarithm would give e¹⁰⁰.
const LOGIT_SCALES: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

impl Clip {
    /// Reads a checkpoint: safetensors, OpenAI's TorchScript `.pt`, or a state dict of `torch.save`. The shape of the
    /// model is read off the tensors; all of them are converted to `kind`.
    ///
    /// # Errors
    ///
    /// When the file is missing, damaged, or does not hold a CLIP model; when it holds a weight that is not read, or one
    /// that is no finite number of `kind`; and when neither the file nor its form tells the activation, the width of
    /// heads and the preprocessing of the model ([`Self::load_assuming`] takes the user's word for them).
    pub fn load(path: &Path, device: Device, kind: Kind) -> Result<Self> {
        Self::load_assuming(path, None, device, kind)
    }

    /// The same with an assumption about what the file does not tell. A file that tells it is believed instead.
    ///
    /// # Errors
    ///
    /// As those of [`Self::load`].
    pub fn load_assuming(path: &Path, assume: Option<Assumption>, device: Device, kind: Kind) -> Result<Self> {
        Self::read(&Request::new(path, assume, device, kind))
    }

    /// The model as it trains in mixed precision, beside [`Self::load_assuming`] in single precision that evaluates: what
    /// `torch.autocast` makes of it, with products rounded to fp16. Its image tower is that of fp16, whose features it
    /// gives; between the products of its text tower everything stays in single precision.
    ///
    /// # Errors
    ///
    /// As those of [`Self::load`].
    pub fn load_mixed(path: &Path, assume: Option<Assumption>, device: Device) -> Result<Self> {
        Self::read(&Request::new(path, assume, device, Kind::Float).mixed())
    }

    fn read(request: &Request<'_>) -> Result<Self> {
        Self::of(Checkpoint::read(request.weights)?, request).map_err(|e| about(e, request.weights))
    }

    fn of(checkpoint: Checkpoint, request: &Request<'_>) -> Result<Self> {
        let Request { device, kind, rounds_to, .. } = *request;
        let Read { weights, spec } = Read::new(checkpoint, request.weights, request.assume, rounds_to)?;
        let _guard = tch::no_grad_guard();
        let (image, text) = towers(&weights.to(device, rounds_to))?;
        let text = text.map(|text| if kind == rounds_to { text } else { text.mixed() });
        let spec = BackboneSpec { device, kind, rounds_to, ..spec };
        let (image, text) = (image.frozen(), text.map(FrozenText::new));
        Ok(Self { spec, image, text, path: TextPath::default(), image_layers: OnceLock::new() })
    }
}

/// Weights that are all those of a CLIP model, and what it is.
struct Read {
    weights: Weights,
    spec: BackboneSpec,
}

impl Read {
    /// Checks everything that can be wrong about a checkpoint whose numbers are to be of type `kind`.
    fn new(mut checkpoint: Checkpoint, path: &Path, assume: Option<Assumption>, kind: Kind) -> Result<Self> {
        let layout = to_openai(&mut checkpoint)?;
        refuse_foreign(&checkpoint, &checkpoint.file)?;
        let described = described_beside(&checkpoint, layout)?;
        let origin = origin(&checkpoint, path, assume, layout, described.as_ref());
        // Where nothing is known, heads of any width are, until what else is wrong has been told.
        let unknown = Config { image_head_width: 1, text_head_width: 1, ..Config::OPENAI };
        let config = origin.as_ref().map_or(unknown, |origin| origin.config());
        if let Ok(Origin::Metadata(Assumption::OpenAi) | Origin::Assumed(Assumption::OpenAi)) = origin {
            refuse_other_activation(&checkpoint.metadata)?;
        }
        let Checkpoint { tensors, hash, beside, .. } = checkpoint;
        let weights = Weights::new(tensors).with_config(config);
        let (image, text) = towers(&weights)?;
        let logit_scale = weights.get("logit_scale", &[])?;
        check_sizes(&image, text.as_ref(), &config, origin.is_ok())?;
        if let (Ok(Origin::Beside(file, _)), Some(described)) = (&origin, &described) {
            let who = format!("`{file}` beside the weights");
            check_described(&who, &described.sizes, &image, text.as_ref())?;
        }
        if let (Ok(Origin::Assumed(_)), Some(assumed)) = (&origin, assume) {
            check_described("--weights-config", &assumed.config().sizes.named(), &image, text.as_ref())?;
        }
        let shape = shape(&image, text.as_ref());
        if let Ok(Origin::Metadata(Assumption::OpenAi) | Origin::Assumed(Assumption::OpenAi)) = origin
            && let Some(differs) = known::other_depth(&shape)
        {
            return Err(Error::new(differs).expected("one of OpenAI's models, or a model of other sizes").help(
                "a model whose other sizes are all those of one of OpenAI's has lost layers, or was given more; give the whole",
            ));
        }
        // The published files were read whole by the code that they were published with, whatever else is in them.
        let published = matches!(origin, Ok(Origin::Published(_)));
        if !published {
            check_buffers(&weights, &image, text.as_ref())?;
            check_strangers(&weights, &beside)?;
        }
        check_numbers(&weights, kind)?;
        let logit_scale = logit_scale.to_kind(Kind::Double).exp().double_value(&[]);
        if !LOGIT_SCALES.contains(&logit_scale) {
            return Err(Error::new(format!("the exponential of the weight `logit_scale` is {logit_scale:e}"))
                .expected("a factor from 0.01 to 1000: 100 in OpenAI's models")
                .help("checkpoints keep the factor's natural logarithm, such as 4.6052 for 100"));
        }
        let spec = BackboneSpec {
            preprocess: config.preprocess(image.image_size() as usize),
            embed_dim: image.embed_dim(),
            width: text.as_ref().map_or(0, TextTower::width),
            context_length: text.as_ref().map_or(0, TextTower::context_length),
            logit_scale,
            device: Device::Cpu,
            kind,
            rounds_to: kind,
            weights_hash: hash,
            shape,
            // Whoever gives another model's file learns more from what is wrong with it than from what it leaves open.
            origin: origin?,
        };
        Ok(Self { weights, spec })
    }
}

/// Refuses a file whose metadata tell an activation that OpenAI's models do not have.
fn refuse_other_activation(metadata: &BTreeMap<String, String>) -> Result<()> {
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' ', '"'], "");
    for (key, value) in metadata {
        let other = match &*plain(key) {
            "activation" | "hiddenact" | "act" | "actlayer" => plain(value) != "quickgelu",
            "quickgelu" => matches!(&*plain(value), "false" | "0" | "no"),
            _ => false,
        };
        if other {
            return Err(Error::new(format!("the file's metadata say `{key}` is `{value}`"))
                .expected("QuickGELU, the activation of OpenAI's models")
                .help("models of another activation are not read yet; give one of OpenAI's"));
        }
    }
    Ok(())
}

/// The towers of a model; checkpoints of an image tower alone lack the other.
fn towers(weights: &Weights) -> Result<(ImageTower, Option<TextTower>)> {
    let image = ImageTower::from_weights(weights)?;
    let of_text = |name: &str| {
        let parts = ["token_embedding.", "positional_embedding", "text_projection", "ln_final.", "transformer."];
        parts.iter().any(|part| name.starts_with(part)) && !is_harmless(name)
    };
    let has_text = weights.iter().any(|(name, _)| of_text(name));
    Ok((image, has_text.then(|| TextTower::from_weights(weights)).transpose()?))
}

/// What a file beside the weights says of them, in the form that belongs to their layout.
fn described_beside(checkpoint: &Checkpoint, layout: Layout) -> Result<Option<Described>> {
    let path = checkpoint.file.with_file_name(layout.config_file());
    if path.is_file() { described::file(&path).map(Some) } else { Ok(None) }
}

/// Refuses a configuration that is about a model of other sizes.
fn check_described(who: &str, sizes: &[(&str, i64)], image: &ImageTower, text: Option<&TextTower>) -> Result<()> {
    let vision = match image {
        ImageTower::VisionTransformer(tower) => Some(tower),
        ImageTower::ModifiedResNet(_) => None,
    };
    for (name, said) in sizes {
        let found = match *name {
            "dimensions" => Some(image.embed_dim()),
            "image size" => Some(image.image_size()),
            "image width" => vision.map(VisionTransformer::width),
            "image layers" => vision.map(VisionTransformer::layers),
            "patch size" => vision.map(VisionTransformer::patch),
            "text width" => text.map(TextTower::width),
            "text layers" => text.map(|text| text.blocks.len() as i64),
            _ => None,
        };
        if let Some(found) = found.filter(|found| found != said) {
            return Err(Error::new(format!("{who} says {name} {said}, and the weights have {found}"))
                .help("it is about another model, or the weights are not those that it came with"));
        }
    }
    Ok(())
}

/// All sizes in words.
fn shape(image: &ImageTower, text: Option<&TextTower>) -> String {
    let parts = [Some(image.shape()), text.map(TextTower::shape), Some(format!("{} dimensions", image.embed_dim()))];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// How it is known what the tensors do not tell.
fn origin(
    checkpoint: &Checkpoint,
    path: &Path,
    assume: Option<Assumption>,
    layout: Layout,
    beside: Option<&Described>,
) -> Result<Origin> {
    if let Some(published) = checkpoint.sha256.as_deref().and_then(known::by_sha256) {
        return Ok(Origin::Published(published));
    }
    // The first is how OpenAI called the package when they published, the second how everybody can get it.
    let of_openai = |class: &String| ["multimodal.model.", "clip.model."].iter().any(|code| class.starts_with(code));
    if checkpoint.modules.iter().any(of_openai) {
        return Ok(Origin::Script);
    }
    if let Some(said) = checkpoint.metadata.get(METADATA_KEY) {
        return Assumption::said(said)
            .map(Origin::Metadata)
            .map_err(|e: Error| e.context(format!("metadata `{METADATA_KEY}`")));
    }
    if let Some(described) = beside {
        let file = layout.config_file();
        if let Some(other) = assume.map(Assumption::config).filter(|config| *config != described.config) {
            return Err(Error::new(format!("`{file}` beside the weights says {}", described.config))
                .expected(format!("{other}, by --weights-config"))
                .help("leave --weights-config out, or move the weights away from that file if it is not about them"));
        }
        return Ok(Origin::Beside(file, described.config));
    }
    assume.map(Assumption::alone).map(Origin::Assumed).ok_or_else(|| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Error::new(format!(
            "`{name}` does not tell its model's activation, nor the width of its attention heads, nor how its images are \
             prepared"
        ))
        .expected("a file that OpenAI published (`nemesis backbone fetch`), or a word on what this one leaves open")
        .help(
            format!(
                "others, such as open_clip's of LAION-2B and DataComp, have another activation: put their `{}` beside the \
                 file, or name it with `--weights-config FILE`; if it is OpenAI's model in another format, or was trained on \
                 from it, say `--weights-config openai`",
                layout.config_file()
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    /// Tensors that take no memory: one number is seen everywhere.
    #[derive(Default)]
    struct Model(BTreeMap<String, Tensor>);

    impl Model {
        fn add(&mut self, name: &str, shape: &[i64]) {
            let tensor = Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand(shape, false);
            self.0.insert(name.to_owned(), tensor);
        }

        fn layer(&mut self, name: &str, from: i64, to: i64) {
            self.add(&format!("{name}.weight"), &[to, from]);
            self.add(&format!("{name}.bias"), &[to]);
        }

        fn norm(&mut self, name: &str, width: i64) {
            self.add(&format!("{name}.weight"), &[width]);
            self.add(&format!("{name}.bias"), &[width]);
        }

        fn blocks(&mut self, prefix: &str, width: i64, layers: i64) {
            for layer in 0..layers {
                let name = format!("{prefix}transformer.resblocks.{layer}");
                self.norm(&format!("{name}.ln_1"), width);
                self.norm(&format!("{name}.ln_2"), width);
                self.add(&format!("{name}.attn.in_proj_weight"), &[3 * width, width]);
                self.add(&format!("{name}.attn.in_proj_bias"), &[3 * width]);
                self.layer(&format!("{name}.attn.out_proj"), width, width);
                self.layer(&format!("{name}.mlp.c_fc"), width, 4 * width);
                self.layer(&format!("{name}.mlp.c_proj"), 4 * width, width);
            }
        }

        fn text(mut self, width: i64, embed_dim: i64) -> Self {
            self.add("token_embedding.weight", &[49408, width]);
            self.add("positional_embedding", &[77, width]);
            self.add("text_projection", &[width, embed_dim]);
            self.norm("ln_final", width);
            self.blocks("", width, 12);
            self
        }

        fn vit([width, layers, patch, image]: [i64; 4], [text, embed_dim]: [i64; 2]) -> Self {
            let mut model = Self::default();
            model.add("visual.conv1.weight", &[width, 3, patch, patch]);
            model.add("visual.class_embedding", &[width]);
            model.add("visual.positional_embedding", &[1 + (image / patch).pow(2), width]);
            model.add("visual.proj", &[width, embed_dim]);
            model.norm("visual.ln_pre", width);
            model.norm("visual.ln_post", width);
            model.blocks("visual.", width, layers);
            model.text(text, embed_dim)
        }

        fn convolution(&mut self, convolution: &str, norm: &str, shape: [i64; 4]) {
            self.add(&format!("{convolution}.weight"), &shape);
            for part in ["weight", "bias", "running_mean", "running_var"] {
                self.add(&format!("{norm}.{part}"), &shape[..1]);
            }
        }

        fn resnet(stages: [i64; 4], [width, image]: [i64; 2], [text, embed_dim]: [i64; 2]) -> Self {
            let mut model = Self::default();
            let stem = [[width / 2, 3, 3, 3], [width / 2, width / 2, 3, 3], [width, width / 2, 3, 3]];
            for (i, shape) in (1..).zip(stem) {
                model.convolution(&format!("visual.conv{i}"), &format!("visual.bn{i}"), shape);
            }
            let mut from = width;
            for (stage, blocks) in (0..).zip(stages) {
                let planes = width << stage;
                for block in 0..blocks {
                    let name = format!("visual.layer{}.{block}", stage + 1);
                    let shapes = [[planes, from, 1, 1], [planes, planes, 3, 3], [4 * planes, planes, 1, 1]];
                    for (i, shape) in (1..).zip(shapes) {
                        model.convolution(&format!("{name}.conv{i}"), &format!("{name}.bn{i}"), shape);
                    }
                    let shortcut = [format!("{name}.downsample.0"), format!("{name}.downsample.1")];
                    model.convolution(&shortcut[0], &shortcut[1], [4 * planes, from, 1, 1]);
                    from = 4 * planes;
                }
            }
            model.add("visual.attnpool.positional_embedding", &[1 + (image / 32).pow(2), from]);
            for name in ["q_proj", "k_proj", "v_proj"] {
                model.layer(&format!("visual.attnpool.{name}"), from, from);
            }
            model.layer("visual.attnpool.c_proj", from, embed_dim);
            model.text(text, embed_dim)
        }
    }

    #[test]
    fn the_shapes_of_openais_models_are_told_as_the_table_has_them() {
        let models = [
            ("RN50", Model::resnet([3, 4, 6, 3], [64, 224], [512, 1024])),
            ("RN101", Model::resnet([3, 4, 23, 3], [64, 224], [512, 512])),
            ("RN50x4", Model::resnet([4, 6, 10, 6], [80, 288], [640, 640])),
            ("RN50x16", Model::resnet([6, 8, 18, 8], [96, 384], [768, 768])),
            ("RN50x64", Model::resnet([3, 15, 36, 10], [128, 448], [1024, 1024])),
            ("ViT-B/32", Model::vit([768, 12, 32, 224], [512, 512])),
            ("ViT-B/16", Model::vit([768, 12, 16, 224], [512, 512])),
            ("ViT-L/14", Model::vit([1024, 24, 14, 224], [768, 768])),
            ("ViT-L/14@336px", Model::vit([1024, 24, 14, 336], [768, 768])),
        ];
        for (name, model) in models {
            let (image, text) = towers(&Weights::new(model.0)).unwrap();
            let shape = shape(&image, text.as_ref());
            assert_eq!(known::by_shape(&shape).map(|published| published.name), Some(name), "{shape}");
        }
    }

    #[test]
    fn a_published_file_is_known_by_its_sum_whatever_else_is_said_of_it() {
        let mut checkpoint = Checkpoint {
            file: "B16.pt".into(),
            classes: None,
            tensors: BTreeMap::new(),
            epoch: None,
            hash: String::new(),
            sha256: Some(known::OPENAI[0].sha256.to_owned()),
            modules: vec!["multimodal.model.multimodal_transformer.Multimodal".to_owned()],
            metadata: BTreeMap::new(),
            beside: Vec::new(),
        };
        let path = Path::new("B16.pt");
        let found = origin(&checkpoint, path, Some(Assumption::OpenAi), Layout::OpenAi, None).unwrap();
        assert_eq!((found.known_as(), found.assumed()), (Some("RN50"), None));
        checkpoint.sha256 = Some(known::sha256(b"another"));
        assert_eq!(origin(&checkpoint, path, None, Layout::OpenAi, None).unwrap(), Origin::Script);
        checkpoint.modules = vec!["open_clip.model.CLIP".to_owned()];
        assert!(origin(&checkpoint, path, None, Layout::OpenAi, None).is_err());
        assert_eq!(
            origin(&checkpoint, path, Some(Assumption::OpenAi), Layout::OpenAi, None).unwrap(),
            Origin::Assumed(Assumption::OpenAi)
        );
    }
}
