//! `nemesis worker`: the process behind `run`, not meant for people.

use super::Ending;
use nemesis_core::Result;

pub(super) fn run() -> Result<Ending> {
    crate::run::work()?;
    Ok(Ending::Done)
}
