//! What learned context vectors are near to: words of the backbone's vocabulary, by distance (CoOp's `interpret_prompt.py`).

use super::cells::{Cells, Near};
use crate::plan::SavedPlan;
use nemesis_core::backbone::Checkpoint;
use nemesis_core::backbone::clip::Tokenizer;
use nemesis_core::method::prompt::CONTEXT;
use nemesis_core::record::Store;
use nemesis_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// How many words are shown for a vector.
const WORDS: i64 = 3;

/// Vectors that a page looks up at most: more take longer than it may.
pub(super) const MOST_VECTORS: usize = 16_000;

/// Vectors whose distances are in memory at a time.
const CHUNK: i64 = 256;

/// The vocabulary of a backbone.
pub(super) struct Nearest {
    /// One row for each token.
    embeddings: Tensor,
    words: Vec<String>,
}

impl Nearest {
    /// Adds to trainings the words nearest to their contexts, as far as the checkpoint is where the run had it and is the
    /// same, and returns of how many trainings it did not, because there are too many vectors. Contexts of single classes are
    /// left out.
    pub(super) fn look_up(plans: &[(String, SavedPlan)], store: &Store, cells: &mut Cells) -> Result<usize> {
        let mut contexts: BTreeMap<String, Vec<(String, Tensor)>> = BTreeMap::new();
        for (key, training) in &cells.trainings {
            // A page can be made without what was learned.
            let Ok(state) = store.state(&training.state) else { continue };
            let context = state.into_iter().find(|(name, tensor)| name == CONTEXT && tensor.dim() == 2);
            if let Some((_, context)) = context {
                contexts.entry(training.weights.clone()).or_default().push((key.clone(), context.to_kind(Kind::Float)));
            }
        }
        let (mut room, mut left_out) = (MOST_VECTORS, 0);
        for (weights, mut contexts) in contexts {
            let Some(vocabulary) = checkpoint(plans, store, &weights).and_then(|file| Self::read(&file, &weights))
            else {
                continue;
            };
            if contexts.iter().any(|(_, context)| context.size()[1] != vocabulary.embeddings.size()[1]) {
                continue;
            }
            let fitting = fitting(contexts.iter().map(|(_, context)| context.size()[0] as usize), &mut room);
            left_out += contexts.len() - fitting;
            contexts.truncate(fitting);
            if contexts.is_empty() {
                continue;
            }
            let all: Vec<&Tensor> = contexts.iter().map(|(_, context)| context).collect();
            let mut near = vocabulary.near(&Tensor::f_cat(&all, 0)?)?.into_iter();
            for (key, context) in &contexts {
                let training = cells.trainings.get_mut(key).ok_or_else(|| Error::new("a training is gone"))?;
                training.nearest = near.by_ref().take(context.size()[0] as usize).collect();
            }
        }
        Ok(left_out)
    }

    /// The vocabulary of the checkpoint with this hash.
    fn read(file: &Path, hash: &str) -> Option<Self> {
        let checkpoint = Checkpoint::read(file).ok().filter(|checkpoint| checkpoint.hash == hash)?;
        let name = |(name, _): &(String, Tensor)| name.ends_with("token_embedding.weight");
        let (_, embeddings) = checkpoint.tensors.into_iter().find(name)?;
        let words = words();
        (embeddings.size()[0] as usize == words.len())
            .then(|| Self { embeddings: embeddings.to_kind(Kind::Float), words })
    }

    fn near(&self, vectors: &Tensor) -> Result<Vec<Near>> {
        let mut all = Vec::new();
        for chunk in vectors.f_split(CHUNK, 0)? {
            let distances = Tensor::f_cdist(&chunk, &self.embeddings, 2.0, None::<i64>)?;
            let (distances, tokens) = distances.f_topk(WORDS, 1, false, true)?;
            let distances = Vec::<Vec<f64>>::try_from(&distances.to_kind(Kind::Double))?;
            for (distances, tokens) in distances.into_iter().zip(Vec::<Vec<i64>>::try_from(&tokens)?) {
                let word = |token: i64| self.words[token as usize].clone();
                let rounded = |distance: f64| (distance * 1e3).round() / 1e3;
                all.push(tokens.into_iter().zip(distances).map(|(token, far)| (word(token), rounded(far))).collect());
            }
        }
        Ok(all)
    }
}

/// How many contexts of these numbers of vectors, the first of them, have room, which they take.
fn fitting(contexts: impl Iterator<Item = usize>, room: &mut usize) -> usize {
    let takes = |vectors: &usize| {
        let left = room.checked_sub(*vectors);
        *room = left.unwrap_or(0);
        left.is_some()
    };
    contexts.take_while(takes).count()
}

/// Where the checkpoint with this hash was.
fn checkpoint(plans: &[(String, SavedPlan)], store: &Store, hash: &str) -> Option<PathBuf> {
    if nemesis_mini::is_mini(hash) {
        return nemesis_mini::ensure_weights(store.folder()).ok();
    }
    let asked = plans.iter().filter_map(|(_, plan)| plan.asked.as_ref());
    let mut fitting =
        asked.filter(|asked| asked.checkpoint.hash == hash).filter_map(|asked| asked.checkpoint.file.clone());
    fitting.find(|file| file.exists())
}

/// The text of each token. What is not the end of a word ends in a hyphen.
fn words() -> Vec<String> {
    let text =
        |(bytes, is_end): (Vec<u8>, bool)| String::from_utf8_lossy(&bytes).into_owned() + if is_end { "" } else { "-" };
    Tokenizer::clip().vocabulary().into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_contexts_get_the_room_that_there_is() {
        let mut room = 25;
        assert_eq!((fitting([10, 10, 10, 1].into_iter(), &mut room), room), (2, 0));
        let mut room = 20;
        assert_eq!((fitting([10, 10].into_iter(), &mut room), room), (2, 0));
        assert_eq!(fitting([1].into_iter(), &mut room), 0);
    }

    #[test]
    fn tokens_are_written_as_what_they_encode() {
        let words = words();
        assert_eq!(words.len(), 49_408);
        for word in ["photo", "a", "satellite", "é", "texture", "!"] {
            let [token] = Tokenizer::clip().encode(word)[..] else { panic!("{word} is several tokens") };
            assert_eq!(words[token as usize], word);
        }
        assert_eq!(words[49_407], "<|endoftext|>");
    }
}
