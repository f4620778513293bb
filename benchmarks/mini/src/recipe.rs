//! The recipe of pre-training, read from YAML.

use nemesis_core::backbone::clip::END;
use nemesis_core::{Error, Result, yaml};
use serde::Deserialize;
use std::path::Path;

/// The recipe that the weights in the repository were made by.
const COMMITTED: &str = include_str!("../recipe.yaml");

/// The width of an attention head in all of CLIP's models.
const HEAD_WIDTH: i64 = 64;
/// Captions are shorter than this.
const SHORTEST_CONTEXT: i64 = 64;

/// The sizes of the model and the settings of its training.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The seed of pictures, captions, initial weights and order.
    pub seed: u64,
    /// How many picture–caption pairs are drawn.
    pub pairs: usize,
    /// How often each is seen.
    pub epochs: usize,
    /// Pairs in a step.
    pub batch_size: usize,
    /// The highest learning rate, reached after the warm-up and annealed to zero by a cosine.
    pub learning_rate: f64,
    /// Steps in which the learning rate rises from zero.
    pub warmup_steps: usize,
    /// The weight decay of `AdamW`.
    pub weight_decay: f64,
    /// The image tower.
    pub image: ImageSizes,
    /// The text tower.
    pub text: TextSizes,
    /// Width of the shared embedding space.
    pub embed_dim: i64,
}

impl Recipe {
    /// The recipe of the weights in the repository.
    ///
    /// # Errors
    ///
    /// When the file that was built in is not a recipe, which the tests rule out.
    pub fn committed() -> Result<Self> {
        Self::parse(COMMITTED, Path::new("recipe.yaml"))
    }

    /// Parses a recipe; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// When the text is not a recipe, or its numbers do not fit together.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        let recipe: Self = yaml::parse(text, file)?;
        let wrong = |what: String, expected: &str| Err(Error::new(what).at(file).expected(expected));
        let (ImageSizes { side, patch, .. }, batch) = (&recipe.image, recipe.batch_size);
        if batch == 0 || batch > recipe.pairs {
            return wrong(format!("batches of {batch} of {} pairs", recipe.pairs), "at least one batch");
        }
        if *patch <= 0 || *side <= 0 || side % patch != 0 {
            return wrong(
                format!("patches of {patch} pixels in a side of {side}"),
                "a side that is a multiple of the patch",
            );
        }
        for (what, width) in [("image", recipe.image.width), ("text", recipe.text.width)] {
            if width <= 0 || width % HEAD_WIDTH != 0 {
                return wrong(format!("the {what} tower is {width} wide"), "a multiple of 64, the width of a head");
            }
        }
        if recipe.text.vocabulary <= END || recipe.text.context_length < SHORTEST_CONTEXT || recipe.embed_dim <= 0 {
            return wrong("the text tower is too small".into(), "at least 49408 tokens and a context length of 64");
        }
        Ok(recipe)
    }
}

/// The sizes of the vision transformer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSizes {
    /// Side of a picture in pixels.
    pub side: i64,
    /// Side of a patch in pixels.
    pub patch: i64,
    /// Width of the transformer.
    pub width: i64,
    /// Number of its layers.
    pub layers: i64,
}

/// The sizes of the text transformer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSizes {
    /// The number of tokens.
    pub vocabulary: i64,
    /// The longest prompt in tokens.
    pub context_length: i64,
    /// Width of the transformer.
    pub width: i64,
    /// Number of its layers.
    pub layers: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_recipe_is_one() {
        assert_eq!(Recipe::committed().unwrap().image.side, 32);
    }

    #[test]
    fn numbers_that_do_not_fit_together_are_named() {
        let file = Path::new("mine.yaml");
        let parse = |from: &str, to: &str| Recipe::parse(&COMMITTED.replace(from, to), file).unwrap_err().to_string();
        insta::assert_snapshot!(parse("patch: 8", "patch: 7"), @r"
        patches of 7 pixels in a side of 32
          --> mine.yaml
          expected: a side that is a multiple of the patch
        ");
        insta::assert_snapshot!(parse("pairs: 48000", "pairs: 100"), @r"
        batches of 128 of 100 pairs
          --> mine.yaml
          expected: at least one batch
        ");
        insta::assert_snapshot!(parse("epochs", "epoch"), @r"
        unknown key `epoch`
          --> mine.yaml:4
          expected: one of seed, pairs, epochs, batch_size, learning_rate, warmup_steps, weight_decay, image, text, embed_dim
          help: did you mean `epochs`?
        ");
    }
}
