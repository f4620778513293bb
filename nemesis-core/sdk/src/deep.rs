//! What methods with prompts in several layers share: `MaPLe`, VPT and their successors, whose code is one.

mod independent;

pub use independent::IndependentPrompts;

use crate::parameters::normal;
use crate::prompt::unit;
use crate::towers::{Changes, LayerPrompt, of};
use crate::{
    ClassPosition, Error, Host, LogLevel, OptimiserKind, ProtocolPatch, Result, ScheduleKind, Task, WarmupKind,
};
use tch::Tensor;

/// The largest number of context vectors that words initialise.
const MOST_WORDS: usize = 4;

/// The standard deviation of random prompts (`nn.init.normal_(ctx_vectors, std=0.02)`).
pub const DEVIATION: f64 = 0.02;

/// How these methods are published: SGD with a constant warm-up of an epoch at 1e-5, and a cosine by epochs
/// (`configs/trainers` of the authors' code).
pub fn protocol(learning_rate: f64, epochs: u64) -> ProtocolPatch {
    ProtocolPatch {
        optimiser: Some(OptimiserKind::Sgd),
        learning_rate: Some(learning_rate),
        momentum: Some(0.9),
        weight_decay: Some(5e-4),
        schedule: Some(ScheduleKind::Cosine),
        warmup: Some(WarmupKind::Constant),
        warmup_epochs: Some(1),
        warmup_learning_rate: Some(1e-5),
        batch_size: Some(4),
        epochs: Some(epochs.into()),
        ..ProtocolPatch::default()
    }
}

/// The beginning of a context, which is learned, and the rest, which stays.
#[derive(Debug)]
pub struct Context {
    /// `[vectors, width]`.
    pub learned: Tensor,
    /// `[tokens, width]`, none or more.
    pub rest: Tensor,
}

/// The context that training starts from: the first `n_ctx` tokens of the text `ctx_init`, whose other tokens stay. With
/// more than four vectors, or without text, all vectors are random, and none stay (`MultiModalPromptLearner` and
/// `VLPromptLearner` of the authors' code).
///
/// # Errors
///
/// When there would be no vectors, or the text has fewer tokens than there are vectors. The code would then learn on its
/// end token and cut off class names.
pub fn context(task: &Task, n_ctx: usize, ctx_init: &str, host: &dyn Host) -> Result<Context> {
    if n_ctx == 0 {
        return Err(Error::option("n_ctx", "there must be at least one context vector"));
    }
    let (vectors, words) = (n_ctx as i64, ctx_init.replace('_', " "));
    let words = words.trim();
    if words.is_empty() || n_ctx > MOST_WORDS {
        let learned = normal(&[vectors, task.width], DEVIATION, host, "context", 0);
        return Ok(Context { learned, rest: Tensor::zeros([0, task.width], (task.kind, task.device)) });
    }
    let embedded = host.embed_text(words)?.detach().to_device(task.device).to_kind(task.kind);
    let tokens = embedded.size()[0];
    if tokens < vectors {
        return Err(Error::option("ctx_init", format_args!("`{words}` has {tokens} tokens, but `n_ctx` is {vectors}")));
    }
    Ok(Context { learned: embedded.narrow(0, 0, vectors), rest: embedded.narrow(0, vectors, tokens - vectors) })
}

/// The number of layers with prompts, as the option `option` asks for. It is lowered to the number of layers there are,
/// with a warning.
///
/// # Errors
///
/// When there are no layers, as in a residual network, or none are asked for.
pub fn depth(option: &str, asked: usize, layers: usize, host: &dyn Host) -> Result<usize> {
    if layers == 0 {
        return Err(Error::new("the image tower is a residual network, which takes no prompts; use a ViT"));
    }
    if asked == 0 {
        return Err(Error::option(option, "prompts must be in at least one layer"));
    }
    if asked > layers {
        host.log(LogLevel::Warn, &format!("`{option}` is lowered from {asked} to {layers}, the number of layers"));
    }
    Ok(asked.min(layers))
}

/// Random prompt tokens `[tokens, width]` of a layer.
pub fn random_prompt(tokens: usize, width: i64, host: &dyn Host, purpose: &str, layer: usize) -> Tensor {
    normal(&[tokens as i64, width], DEVIATION, host, purpose, layer as u64)
}

/// Text features `[classes, embed_dim]` of length one, of prompts `[vectors, width]` by layer: the context, which `rest`
/// `[tokens, width]` follows, and those of later layers.
///
/// # Errors
///
/// When there is no context, or the host cannot encode it.
pub fn text_features(prompts: &[Tensor], rest: &Tensor, host: &dyn Host) -> Result<Tensor> {
    let (context, later) = prompts.split_first().ok_or_else(|| Error::new("there is no context to encode"))?;
    let later = later.iter().enumerate().map(|(before, prompt)| for_text(before + 1, prompt));
    let changes = Changes { prompts: later.collect(), ..Changes::default() };
    let contexts = Tensor::f_cat(&[context, rest], 0)?.unsqueeze(0).unsqueeze(0);
    let features = of(host)?.encode_contexts(&contexts, ClassPosition::End, &changes)?;
    Ok(unit(&features.squeeze_dim(0)))
}

/// Tokens `[tokens, width]` that every image sees before a layer of the image tower.
pub fn for_images(layer: usize, tokens: &Tensor) -> LayerPrompt {
    LayerPrompt { layer, tokens: tokens.unsqueeze(0) }
}

/// Tokens `[tokens, width]` that every class sees before a layer of the text tower, behind a single context.
pub fn for_text(layer: usize, tokens: &Tensor) -> LayerPrompt {
    LayerPrompt { layer, tokens: tokens.unsqueeze(0).unsqueeze(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ToyHost;

    #[test]
    fn words_start_the_context_and_the_rest_of_them_stay() {
        let host = ToyHost::new(2);
        let words = host.embed_text("a photo of a").unwrap();
        for (vectors, rest) in [(2, 2), (4, 0)] {
            let context = context(&host.task(), vectors, "a_photo_of_a", &host).unwrap();
            assert_eq!((context.learned.size()[0], context.rest.size()[0]), (vectors as i64, rest));
            assert_eq!(Tensor::cat(&[context.learned, context.rest], 0), words);
        }
    }

    #[test]
    fn many_vectors_and_none_of_words_are_random() {
        let host = ToyHost::new(2);
        for (vectors, words) in [(5, "a photo of a"), (2, " ")] {
            let context = context(&host.task(), vectors, words, &host).unwrap();
            assert_eq!((context.learned.size()[0], context.rest.size()[0]), (vectors as i64, 0));
            assert!(f64::try_from(context.learned.abs().max()).unwrap() < 0.1);
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let host = ToyHost::new(2);
        let error = context(&host.task(), 3, "a photo", &host).unwrap_err();
        assert_eq!(error.to_string(), "option `ctx_init`: `a photo` has 2 tokens, but `n_ctx` is 3");
        let error = context(&host.task(), 0, "", &host).unwrap_err();
        assert_eq!(error.to_string(), "option `n_ctx`: there must be at least one context vector");
        let error = depth("depth", 0, 3, &host).unwrap_err();
        assert_eq!(error.to_string(), "option `depth`: prompts must be in at least one layer");
        assert!(depth("depth", 1, 0, &host).unwrap_err().to_string().contains("residual network"));
        assert!(host.logged().is_empty());
        assert_eq!(depth("depth", 9, 3, &host), Ok(3));
        assert_eq!(host.logged(), ["`depth` is lowered from 9 to 3, the number of layers"]);
    }
}
