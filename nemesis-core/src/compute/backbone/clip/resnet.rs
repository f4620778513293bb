//! CLIP's residual network, after `ModifiedResNet` in `clip/model.py` of openai/CLIP: a stem of three convolutions, average
//! pooling before every stride, and attention in place of the last pooling.

use super::half::is_half;
use super::layers::{Linear, attend, rounded};
use super::weights::Weights;
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// Every stage widens the channels by this factor at its end.
const EXPANSION: i64 = 4;

/// How much the stem and the stages shrink a side of the image.
const REDUCTION: i64 = 32;

/// A residual network with attention pooling. Batch normalisation uses the checkpoint's running statistics.
#[derive(Debug)]
pub struct ModifiedResNet {
    stem: Vec<Convolution>,
    blocks: Vec<Bottleneck>,
    pool: AttentionPool,
    /// Channels after the stem.
    width: i64,
    /// The number of blocks of each stage.
    stages: [usize; 4],
}

impl ModifiedResNet {
    /// Reads the tower and its sizes off the weights `visual.*`.
    ///
    /// # Errors
    ///
    /// When a weight is missing or has another shape than the others ask for.
    pub fn from_weights(weights: &Weights) -> Result<Self> {
        let [width, _, _, _] = weights.sizes("visual.layer1.0.conv1.weight")?;
        let stem = |number: u8, from, to, stride| {
            Convolution::from_weights(weights, "visual", number, [to, from, 3, 3], stride)
        };
        let stem = vec![stem(1, 3, width / 2, 2)?, stem(2, width / 2, width / 2, 1)?, stem(3, width / 2, width, 1)?];
        let mut blocks = Vec::new();
        let mut channels = width;
        let mut stages = [0; 4];
        for (stage, count) in stages.iter_mut().enumerate() {
            let name = format!("visual.layer{}", stage + 1);
            let planes = width << stage;
            *count = weights.count_modules(&format!("{name}."))?;
            for block in 0..*count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(Bottleneck::from_weights(weights, &format!("{name}.{block}"), channels, planes, stride)?);
                channels = planes * EXPANSION;
            }
        }
        Ok(Self { stem, blocks, pool: AttentionPool::from_weights(weights, channels)?, width, stages })
    }

    /// The same tower arranged for speed, given that its weights do not change: normalisation is folded into the
    /// convolutions before it, and channels lie side by side, as vector units want them. Features stay the same up to
    /// rounding.
    #[must_use]
    pub fn frozen(self) -> Self {
        let stem = self.stem.into_iter().map(Convolution::frozen).collect();
        let blocks = self.blocks.into_iter().map(Bottleneck::frozen).collect();
        Self { stem, blocks, ..self }
    }

    /// Side of the input image in pixels.
    pub fn image_size(&self) -> i64 {
        REDUCTION * (self.pool.positions.size()[0] - 1).isqrt()
    }

    /// The places that attention pooling knows: their mean's, and those of the last layer's pixels.
    pub(super) fn places(&self) -> i64 {
        self.pool.positions.size()[0]
    }

    /// Its sizes in words.
    pub(super) fn shape(&self) -> String {
        let ([first, second, third, last], width) = (self.stages, self.width);
        format!(
            "ResNet of width {width} with {first}, {second}, {third} and {last} blocks, {} pixels",
            self.image_size()
        )
    }

    /// Width of the shared embedding space.
    pub fn embed_dim(&self) -> i64 {
        self.pool.project.bias.size()[0]
    }

    /// Features `[images, embed_dim]`, not normalised, of pixels `[images, 3, image_size, image_size]`.
    pub fn forward(&self, pixels: &Tensor) -> Tensor {
        self.pool.forward(&self.convolved(pixels))
    }

    /// Features as of [`Self::forward`], and dense features `[images, places, embed_dim]`, not normalised, of the pixels
    /// of the last layer: each attends over all of them as their mean does (`AttentionPool2d` in
    /// `plot-coop/clip/model.py` of CHENGY12/PLOT).
    pub fn forward_places(&self, pixels: &Tensor) -> (Tensor, Tensor) {
        let x = self.convolved(pixels);
        (self.pool.forward(&x), self.pool.forward_places(&x))
    }

    /// The last layer's pixels `[images, channels, height, width]`.
    fn convolved(&self, pixels: &Tensor) -> Tensor {
        let mut x = pixels.shallow_clone();
        for convolution in &self.stem {
            x = convolution.forward(&x).relu_();
        }
        x = average_pool(&x, 2);
        for block in &self.blocks {
            x = block.forward(&x);
        }
        x
    }
}

/// A convolution and the batch normalisation after it.
#[derive(Debug)]
struct Convolution {
    kernel: Tensor,
    stride: i64,
    then: Then,
    /// The type that its input and output are rounded to.
    kind: Kind,
}

/// What is left to do after the sums of a convolution.
#[derive(Debug)]
enum Then {
    /// Weight, bias, running mean, running variance.
    Normalise([Tensor; 4]),
    /// Nothing but adding this: the rest of the normalisation is in the kernel, whose channels lie side by side.
    Add(Tensor),
}

/// The constant under the root of a variance: PyTorch's default, which CLIP keeps.
const EPSILON: f64 = 1e-5;

impl Convolution {
    /// Reads `{name}.conv{number}` and `{name}.bn{number}`.
    fn from_weights(weights: &Weights, name: &str, number: u8, shape: [i64; 4], stride: i64) -> Result<Self> {
        Self::named(weights, &format!("{name}.conv{number}"), &format!("{name}.bn{number}"), shape, stride)
    }

    fn named(weights: &Weights, convolution: &str, norm: &str, shape: [i64; 4], stride: i64) -> Result<Self> {
        let part = |part: &str| weights.get(&format!("{norm}.{part}"), &shape[..1]);
        let kernel = weights.get(&format!("{convolution}.weight"), &shape)?;
        Ok(Self {
            kind: weights.rounds_to(&kernel),
            kernel,
            stride,
            then: Then::Normalise([part("weight")?, part("bias")?, part("running_mean")?, part("running_var")?]),
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let padding = self.kernel.size()[2] / 2;
        let convolve = |bias: Option<&Tensor>| {
            let product = |x: &Tensor| x.conv2d(&self.kernel, bias, self.stride, padding, 1, 1);
            rounded(x, &self.kernel, self.kind, product)
        };
        match &self.then {
            Then::Normalise([weight, bias, mean, variance]) => {
                let [weight, bias, mean, variance] = [weight, bias, mean, variance].map(Some);
                convolve(None).batch_norm(weight, bias, mean, variance, false, 0.0, EPSILON, false)
            }
            Then::Add(bias) => convolve(Some(bias)),
        }
    }

    /// Folds the normalisation `w (x - mean) / √(variance + ε) + b` into kernel and bias. Kernels of half types stay as
    /// they are, since they would be rounded once more.
    fn frozen(self) -> Self {
        if is_half(self.kind) {
            return self;
        }
        let Self { kernel, stride, then, kind } = self;
        let Then::Normalise([weight, bias, mean, variance]) = then else {
            return Self { kernel, stride, then, kind };
        };
        let scale = weight / (variance + EPSILON).sqrt();
        let kernel = kernel * scale.view([-1, 1, 1, 1]);
        // A view with the channels last, made contiguous, and seen with the channels second again.
        let kernel = kernel.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        Self { kernel, stride, then: Then::Add(bias - mean * scale), kind }
    }
}

#[derive(Debug)]
struct Bottleneck {
    convolutions: [Convolution; 3],
    shortcut: Option<Convolution>,
    stride: i64,
}

impl Bottleneck {
    fn from_weights(weights: &Weights, name: &str, from: i64, planes: i64, stride: i64) -> Result<Self> {
        let to = planes * EXPANSION;
        let convolution = |number, shape| Convolution::from_weights(weights, name, number, shape, 1);
        let shortcut = (stride > 1 || from != to).then(|| {
            let [convolution, norm] = [format!("{name}.downsample.0"), format!("{name}.downsample.1")];
            Convolution::named(weights, &convolution, &norm, [to, from, 1, 1], 1)
        });
        Ok(Self {
            convolutions: [
                convolution(1, [planes, from, 1, 1])?,
                convolution(2, [planes, planes, 3, 3])?,
                convolution(3, [to, planes, 1, 1])?,
            ],
            shortcut: shortcut.transpose()?,
            stride,
        })
    }

    fn frozen(self) -> Self {
        let Self { convolutions, shortcut, stride } = self;
        Self {
            convolutions: convolutions.map(Convolution::frozen),
            shortcut: shortcut.map(Convolution::frozen),
            stride,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let [first, second, third] = &self.convolutions;
        let inner = second.forward(&first.forward(x).relu_()).relu_();
        let inner = third.forward(&average_pool(&inner, self.stride));
        match &self.shortcut {
            Some(shortcut) => (inner + shortcut.forward(&average_pool(x, self.stride))).relu_(),
            None => (inner + x).relu_(),
        }
    }
}

fn average_pool(x: &Tensor, side: i64) -> Tensor {
    if side == 1 { x.shallow_clone() } else { x.avg_pool2d([side, side], [side, side], [0, 0], false, true, None) }
}

/// Attention of the mean pixel over all pixels.
#[derive(Debug)]
struct AttentionPool {
    /// `[1 + pixels, channels]`
    positions: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    project: Linear,
    heads: i64,
}

impl AttentionPool {
    fn from_weights(weights: &Weights, channels: i64) -> Result<Self> {
        let [positions, _] = weights.sizes("visual.attnpool.positional_embedding")?;
        let [embed_dim, _] = weights.sizes("visual.attnpool.c_proj.weight")?;
        if (positions - 1).max(0).isqrt().pow(2) != positions - 1 || channels % 64 != 0 {
            return Err(Error::new(format!("attention pooling over {positions} positions of {channels} channels"))
                .expected("the mean and a square of pixels, and a multiple of 64 channels")
                .help("give a checkpoint of a CLIP model with OpenAI's weight names"));
        }
        let linear = |name: &str, to| Linear::from_weights(weights, &format!("visual.attnpool.{name}"), channels, to);
        Ok(Self {
            positions: weights.get("visual.attnpool.positional_embedding", &[positions, channels])?,
            query: linear("q_proj", channels)?,
            key: linear("k_proj", channels)?,
            value: linear("v_proj", channels)?,
            project: linear("c_proj", embed_dim)?,
            heads: channels / 64,
        })
    }

    /// `[images, channels, height, width]` to `[images, embed_dim]`.
    fn forward(&self, x: &Tensor) -> Tensor {
        self.project.forward(&self.gather(x, 0, 1).squeeze_dim(1))
    }

    /// `[images, channels, height, width]` to `[images, height × width, embed_dim]`.
    fn forward_places(&self, x: &Tensor) -> Tensor {
        self.project.forward(&self.gather(x, 1, self.positions.size()[0] - 1))
    }

    /// What the mean pixel (zero) or the pixels (from one on) from `start` on gather, `[images, count, channels]`.
    fn gather(&self, x: &Tensor, start: i64, count: i64) -> Tensor {
        let pixels = x.flatten(2, 3).transpose(1, 2);
        let mean = pixels.mean_dim(1, true, None);
        let x = Tensor::cat(&[mean, pixels], 1) + self.positions.to_kind(x.kind());
        let images = x.size()[0];
        let split = |x: Tensor| x.view([images, -1, self.heads, 64]).transpose(1, 2);
        let query = split(self.query.forward(&x.narrow(1, start, count)));
        let (keys, values) = (split(self.key.forward(&x)), split(self.value.forward(&x)));
        let gathered = attend([&query, &keys, &values], None, false, None);
        gathered.transpose(1, 2).reshape([images, count, -1])
    }
}
