//! Why two cells at one place differ: recipe, data, weights, build, or the machine.

use nemesis_core::record::{Cell, EvaluationCell, EvaluationRecord, differences};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a difference between two cells is about, in the order in which reasons are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Recipe,
    Data,
    Weights,
    Build,
    Machine,
}

/// The reasons of some cells.
#[derive(Debug, Default)]
pub(super) struct Reasons(BTreeMap<About, BTreeSet<String>>);

impl Reasons {
    /// Adds why two evaluations differ. Machines are only a reason where the results of the same cell are not equal.
    pub(super) fn add(&mut self, first: &EvaluationRecord, second: &EvaluationRecord, is_equal: bool) {
        if first.id == second.id {
            if !is_equal {
                let machines = differences([&first.provenance, &second.provenance]);
                let nothing = vec!["the same cell came out differently, and the records do not say why".to_owned()];
                self.0.entry(About::Machine).or_default().extend(if machines.is_empty() { nothing } else { machines });
            }
            return;
        }
        let of = |cell: EvaluationCell| serde_json::to_value(Cell::Evaluation(cell)).unwrap_or_default();
        let (one, mut two) = (first.cell.clone(), second.cell.clone());
        // Fewer test images hold something else than all of them, which says nothing of their files.
        if one.limit != two.limit {
            two.images.clone_from(&one.images);
        }
        self.walk(&[], &of(one), &of(two));
    }

    fn walk(&mut self, path: &[&str], first: &Value, second: &Value) {
        if first == second {
            return;
        }
        if let (Value::Object(one), Value::Object(two)) = (first, second) {
            let absent = Value::Null;
            let names: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for name in names {
                let value = |of: &'_ Map<String, Value>| of.get(name).unwrap_or(&absent).clone();
                self.walk(&[path, &[name.as_str()]].concat(), &value(one), &value(two));
            }
            return;
        }
        let last = path.last().copied().unwrap_or_default();
        let (about, what) = match last {
            "engine" => (About::Build, "the engine".to_owned()),
            "source" => (About::Build, "the plugin".to_owned()),
            "weights" | "assumed" => (About::Weights, "the backbone's weights, or what is assumed of them".to_owned()),
            "manifest" => (About::Data, "the data set's classes or samples".to_owned()),
            "images" => (About::Data, "what images hold".to_owned()),
            "sample" => (About::Data, "the few-shot sample".to_owned()),
            _ => {
                let part = path.iter().find(|part| ["protocol", "options"].contains(part));
                let name = match part {
                    Some(&"protocol") => format!("protocol {last}"),
                    _ => last.to_owned(),
                };
                (About::Recipe, format!("{name}: {first} and {second}"))
            }
        };
        self.0.entry(about).or_default().insert(what);
    }

    /// A line for each kind of reason.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(about, what): (&About, &BTreeSet<String>)| {
            let what: Vec<&str> = what.iter().map(String::as_str).collect();
            let word = match about {
                About::Recipe => "recipe",
                About::Data => "data",
                About::Weights => "weights",
                About::Build => "build",
                About::Machine => "machine",
            };
            format!("{word}: {}", what.join("; "))
        };
        self.0.iter().map(line).collect()
    }
}
