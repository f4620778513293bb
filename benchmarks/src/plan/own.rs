//! Data roots that hold none of the data sets of a suite of the project, but some of their owner's.

use crate::settings::Settings;
use crate::suite::embedded_suite;
use nemesis_core::dataset::Registry;
use nemesis_core::{Error, Result};
use std::path::Path;

/// The data sets of a root's own registry, if none of the suite's is in the root; none if there are no such.
///
/// # Errors
///
/// When the suite trains on one data set, and it is not clear on which.
pub(super) fn datasets(settings: &Settings, root: &Path, registry: &Registry) -> Result<Option<Vec<String>>> {
    let suite = &settings.suite.value;
    let is_there = |name: &str| registry.get(name).is_ok_and(|entry| entry.path(root).exists());
    // Who has written a suite means the data sets that it names.
    let is_own_suite = embedded_suite(&suite.name).is_none_or(|text| text != settings.suite.text);
    if is_own_suite || suite.datasets.iter().any(|name| is_there(name)) {
        return Ok(None);
    }
    let built_in = Registry::built_in()?;
    let own = registry.entries().iter().map(|entry| &entry.name).filter(|name| built_in.get(name).is_err());
    let own: Vec<String> = own.filter(|name| is_there(name)).cloned().collect();
    if own.is_empty() {
        return Ok(None);
    }
    if !suite.table.kind().targets().is_empty() && own.len() > 1 {
        return Err(Error::new(format!(
            "the suite `{}` trains on one data set, and `{}` is not in the data root",
            suite.name,
            suite.datasets.join(", ")
        ))
        .at(root)
        .expected(format!("--datasets with one of {}", own.join(", "))));
    }
    Ok(Some(own))
}
