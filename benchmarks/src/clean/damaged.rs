//! What has changed since it was written, by a disk or by a hand: records, and what was learned and predicted for them.

use super::{Kind, Leftover};
use nemesis_core::record::{AnyRecord, Store};
use nemesis_core::{Result, threads};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The records that are damaged, and those that are nothing without a file that is, with that file. None if there are none.
///
/// Learned states and predictions are read only if `in_full`: they may be many times as large as the records.
pub(super) fn damaged(
    store: &Store,
    damaged: Vec<PathBuf>,
    records: &[AnyRecord],
    in_full: bool,
) -> Result<Option<Leftover>> {
    let mut paths: BTreeSet<PathBuf> = damaged.into_iter().collect();
    if in_full {
        let with_files = |record: &AnyRecord| {
            let mut paths = record.damaged_files(store);
            if !paths.is_empty() {
                paths.push(store.record_path(record.id()));
            }
            paths
        };
        threads::ready()?;
        paths.par_extend(records.par_iter().flat_map_iter(with_files));
    }
    let what = "damaged files, with the records that need them";
    let paths: Vec<PathBuf> = paths.into_iter().collect();
    let cost = "computing them again".to_owned();
    Ok((!paths.is_empty()).then_some(Leftover { what, cost, kind: Kind::Damaged, paths }))
}
