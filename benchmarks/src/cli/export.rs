//! `nemesis export`: a learned context as CoOp's code loads it.

use super::trainings::{Wanted, find, open_store};
use super::{Ending, print};
use clap::Args;
use nemesis_core::Result;
use nemesis_core::interchange::coop;
use std::path::PathBuf;

/// Writes the context that a training has learned to DIR/prompt_learner/model.pth.tar-EPOCH, a file of `torch.save`
/// that CoOp's code loads (`--model-dir DIR --load-epoch EPOCH --eval-only`), and prints the file's path.
///
/// The training is given by its id, or by enough of what it is.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// The training's id, or its first digits
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// The data set that it was trained on
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// The method's id
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// Training images per class
    #[arg(long, value_name = "N")]
    shots: Option<u32>,
    /// The seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The folder of the records
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  nemesis export 3f9a0c --to exported
  nemesis export --dataset eurosat --method coop --shots 16 --seed 1 --to exported/eurosat-16-1
  nemesis evaluate --context exported/prompt_learner/model.pth.tar-200 --dataset eurosat \\
      --data ROOT --weights RN50=RN50.pt                       and back again";

impl Export {
    pub(super) fn run(&self) -> Result<Ending> {
        let store = open_store(&self.out)?;
        let wanted = Wanted {
            id: self.id.as_deref(),
            dataset: self.dataset.as_deref(),
            method: self.method.as_deref(),
            shots: self.shots,
            seed: self.seed,
        };
        let record = find(&store, wanted)?;
        let epochs = record.outcome.epochs.len() as u64;
        let classes = store.classes_of_state(store.hash_of_learned(&record, None)?)?.unwrap_or_default();
        let file = coop::write(&self.to, &store.learned(&record, None)?, epochs, &classes)?;
        print(&format!("{}\n", file.display()))?;
        Ok(Ending::Done)
    }
}
