//! Where made-up records say they come from.

use nemesis_core::record::Provenance;
use std::collections::BTreeMap;

pub(crate) fn provenance() -> Provenance {
    Provenance {
        nemesis: "0".to_owned(),
        libtorch: "0".to_owned(),
        processor: "processor".to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        files: BTreeMap::new(),
        backbone: None,
        seconds: 1.0,
        adopted: None,
    }
}
