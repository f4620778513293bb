//! Which build computed a cell, apart from all else that the cell is.

use super::{Cell, CellId, EvaluationCell, MethodKey, Subject, TrainingCell};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The fingerprints of the sources that a cell was computed by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Of the engine.
    pub engine: String,
    /// Of the plugins, by the method's id.
    pub methods: BTreeMap<String, String>,
}

impl Build {
    /// The build that a cell names.
    pub fn of(cell: &Cell) -> Self {
        let (engine, method) = match cell {
            Cell::Training(cell) => (&cell.engine, Some(&cell.method)),
            Cell::Evaluation(cell) => (&cell.engine, cell.subject.method()),
        };
        let methods = method.map(|method| (method.id.clone(), method.source.clone())).into_iter().collect();
        Self { engine: engine.clone(), methods }
    }

    fn method(&self, method: &MethodKey) -> MethodKey {
        let source = self.methods.get(&method.id).cloned().unwrap_or_default();
        MethodKey { source, ..method.clone() }
    }

    /// The same training by this build.
    pub fn training(&self, cell: &TrainingCell) -> TrainingCell {
        TrainingCell { method: self.method(&cell.method), engine: self.engine.clone(), ..cell.clone() }
    }

    /// The same evaluation, of the same training, by this build.
    pub fn evaluation(&self, cell: &EvaluationCell) -> EvaluationCell {
        let subject = match &cell.subject {
            Subject::Training { cell } => Subject::Training { cell: Box::new(self.training(cell)) },
            zero_shot @ (Subject::ZeroShot { .. } | Subject::Ensemble { .. } | Subject::Described { .. }) => {
                zero_shot.clone()
            }
            Subject::Imported { state, method } => {
                Subject::Imported { state: state.clone(), method: self.method(method) }
            }
        };
        EvaluationCell { subject, engine: self.engine.clone(), ..cell.clone() }
    }
}

impl Cell {
    /// An id that cells share which differ in the build alone.
    pub fn recipe(&self) -> CellId {
        let none = Build::default();
        match self {
            Self::Training(cell) => none.training(cell).id(),
            Self::Evaluation(cell) => none.evaluation(cell).id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::tests::{evaluation, training};
    use super::*;

    #[test]
    fn a_recipe_is_what_is_left_without_the_build() {
        let (cell, other) = (training(), TrainingCell { engine: "other".into(), ..training() });
        assert_ne!(cell.id(), other.id());
        assert_eq!(Cell::Training(cell.clone()).recipe(), Cell::Training(other.clone()).recipe());
        assert_ne!(Cell::Training(cell).recipe(), Cell::Training(TrainingCell { seed: 2, ..other }).recipe());
    }

    #[test]
    fn a_cell_can_be_given_to_another_build_and_back() {
        let cell = Cell::Evaluation(evaluation());
        let build = Build::of(&cell);
        let methods = BTreeMap::from([("nemesis-pen".to_owned(), "new".to_owned())]);
        let other = Build { engine: "new".to_owned(), methods }.evaluation(&evaluation());
        assert_eq!((other.engine.as_str(), other.subject.training().unwrap().engine.as_str()), ("new", "new"));
        assert_eq!(other.subject.method().unwrap().source, "new");
        assert_eq!(build.evaluation(&other), evaluation());
    }
}
