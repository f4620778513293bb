//! `nemesis export`: a learned context as CoOp's code loads it.

use super::only::{Only, Records};
use super::trainings::{Wanted, find, open_store};
use super::{Ending, note, print};
use clap::Args;
use nemesis_core::error::abridged;
use nemesis_core::interchange::coop;
use nemesis_core::method::State;
use nemesis_core::record::MethodKey;
use nemesis_core::{Error, Result, files};
use serde_json::Value;
use std::path::PathBuf;

/// Writes the context that a training learned to DIR/prompt_learner/model.pth.tar-EPOCH, a `torch.save` file that
/// CoOp's code loads (`--model-dir DIR --load-epoch EPOCH --eval-only`), and prints the file's path.
///
/// The training is given by its id, or by options that fit only one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// The training's id, or its first digits
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    records: Only<Records>,
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

/// Refuses what `CoOp`'s prompt learner would load only a part of, or take for something else.
fn require_context_alone(state: &State, method: &MethodKey) -> Result<()> {
    // A method without a context is refused by what writes the file.
    let Some((_, context)) = state.iter().find(|(name, _)| name == coop::CONTEXT) else { return Ok(()) };
    let others: Vec<&str> = state.iter().map(|(name, _)| name.as_str()).filter(|name| *name != coop::CONTEXT).collect();
    let has_several = context.dim() == 3 && method.options.get("csc").and_then(Value::as_bool) != Some(true);
    let what = match others.as_slice() {
        [] if has_several => "it learns several contexts for the same classes".to_owned(),
        [] => return Ok(()),
        others => {
            let named = abridged(others.iter().map(|name| format!("`{name}`")), MAX_NAMED);
            format!("besides the context it learns {named}, which would be lost")
        }
    };
    Err(Error::new(format!("CoOp's prompt learner cannot load what `{}` learns: {what}", method.id))
        .expected("a method that learns CoOp's context alone, such as coop, nemesis-pen or nemesis-pan")
        .help(
            "`nemesis predict` applies it; what was learned lies in the folder of records, in states/HASH.safetensors",
        ))
}

/// How many tensors are named.
const MAX_NAMED: usize = 3;

impl Export {
    pub(super) fn run(&self) -> Result<Ending> {
        let store = open_store(&self.records.settings()?.out())?;
        let record = find(&store, self.id.as_deref(), &self.wanted)?;
        let epochs = record.outcome.epochs.len() as u64;
        let classes = store.classes_of_state(store.hash_of_learned(&record, None)?)?.unwrap_or_default();
        let class_position = record.cell.method.options.get("class_position").and_then(|position| position.as_str());
        if let Some(position) = class_position.filter(|position| *position != "end") {
            note(&Error::new(format!(
                "the class token position is `{position}`, which the file does not say: `nemesis evaluate` needs `--set \
                 {}.class_position={position}`",
                record.cell.method.id
            )));
        }
        let state = store.learned(&record, None)?;
        require_context_alone(&state, &record.cell.method)?;
        let file = coop::path(&self.to, epochs);
        if file.exists() {
            let scratch = tempfile::tempdir().map_err(|e| Error::new(format!("cannot create a folder: {e}")))?;
            let ours = coop::write(scratch.path(), &state, epochs, &classes)?;
            if files::read(&ours)? != files::read(&file)? {
                return Err(Error::new("another context already exists here")
                    .at(&file)
                    .help("remove it, or choose another folder: CoOp's code wants one folder for each training"));
            }
        } else {
            coop::write(&self.to, &state, epochs, &classes)?;
        }
        print(&format!("{}\n", file.display()))?;
        Ok(Ending::Done)
    }
}
