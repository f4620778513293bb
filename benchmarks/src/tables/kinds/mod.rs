//! The kinds of tables: what each needs to have been computed, and how it is drawn. A kind is a file here and a line in
//! the list below; a suite names it under `table`.

use super::contents::{Contents, Entry};
use super::figures::Figure;
use super::table::Table;
use nemesis_core::Result;
use nemesis_core::dataset::ClassSubset;
use nemesis_core::record::{Corruption, MethodKey};
use serde::{Deserialize, Serialize};

/// A kind of table with its parameters, which are its own keys in a suite's file.
///
/// By default each method is trained on all classes of a data set, and its final state is tested on them.
pub trait Kind {
    /// The classes to choose between, with a test for each entry. The first are trained on.
    fn class_subsets(&self) -> &'static [ClassSubset] {
        &[ClassSubset::All]
    }

    /// The names of data sets that are tested on in addition to the one that is trained on. If there are any, only one
    /// data set is trained on.
    fn targets(&self) -> &[String] {
        &[]
    }

    /// The states in which a method's context is tested, the final one first.
    ///
    /// # Errors
    ///
    /// When the method has no such state.
    fn variants(&self, _method: &MethodKey) -> Result<Vec<Variant>> {
        Ok(vec![Variant::default()])
    }

    /// The epochs, counted from one, whose learned states a training of so many epochs keeps in addition to the last.
    fn kept_epochs(&self, _epochs: u64) -> Vec<u64> {
        Vec::new()
    }

    /// The lists among the parameters, by their keys: what appears twice counts once.
    fn lists(&mut self) -> Vec<(&'static str, List<'_>)> {
        Vec::new()
    }

    /// The figures of a table of these entries; none if a table says it all.
    fn figures(&self, _contents: &Contents, _entries: &[Entry], _table: &Table) -> Vec<Figure> {
        Vec::new()
    }

    /// The table of these entries, in whatever order they come. What is planned but has no entry is missing.
    fn table(&self, contents: &Contents, entries: &[Entry]) -> Table;
}

/// A state of a trained context: by default the one that the training left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variant {
    /// What is done to one of its vectors.
    pub corruption: Option<Corruption>,
    /// The epoch, if it is not the last.
    pub epoch: Option<u64>,
}

/// A list among a kind's parameters.
#[derive(Debug)]
pub enum List<'a> {
    /// Names, at least one.
    Names(&'a mut Vec<String>),
    /// Numbers.
    Numbers(&'a mut Vec<f64>),
    /// Whole numbers.
    Counts(&'a mut Vec<u64>),
}

/// Declares the kinds, in the order in which messages name them. A kind without parameters is `#[serde(skip)]`: a suite
/// gives only its name.
macro_rules! kinds {
    ($($(#[$attribute:meta])? $module:ident::$kind:ident),+ $(,)?) => {
        $(mod $module;)+
        $(pub use $module::$kind;)+

        /// A suite's kind of table: its name, and its parameters if it has some.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum TableKind {
            $(
                #[doc = concat!("[`", stringify!($kind), "`]")]
                $kind($(#[$attribute])? $kind),
            )+
        }

        impl TableKind {
            /// The kind.
            pub fn kind(&self) -> &dyn Kind {
                match self { $(Self::$kind(kind) => kind,)+ }
            }

            /// The kind, to change its parameters.
            pub fn kind_mut(&mut self) -> &mut dyn Kind {
                match self { $(Self::$kind(kind) => kind,)+ }
            }
        }
    };
}

kinds! {
    #[serde(skip)] few_shot::FewShot,
    #[serde(skip)] base_to_new::BaseToNew,
    domain_generalization::DomainGeneralization,
    low_norm_effect::LowNormEffect,
    norm_curve::NormCurve,
    #[serde(skip)] ablation::Ablation,
}
