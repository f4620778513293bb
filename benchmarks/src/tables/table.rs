//! What a table is, apart from how it looks: groups of columns, rows, values, notes.

use nemesis_core::seeds::Seeds;
use serde::Serialize;

/// A table of accuracies. It has no time, date or path in it, so that equal records give equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// What the table shows.
    pub title: String,
    /// What the rows, the groups of columns, and the columns are.
    pub axes: Axes,
    /// The groups of columns, from left to right.
    pub groups: Vec<Group>,
    /// The rows, from top to bottom.
    pub rows: Vec<Row>,
    /// Sentences about the whole table.
    pub remarks: Vec<String>,
    /// Sentences about single values, which refer to them by their place, counted from one.
    pub footnotes: Vec<String>,
}

/// The names of a table's three axes, in the singular and lower case: `data set`, `shots`, `method`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Axes {
    /// What a row is.
    pub row: String,
    /// What a group of columns is.
    pub group: String,
    /// What a column is.
    pub column: String,
}

/// Columns under one heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The group as a value of its axis: `16`.
    pub key: String,
    /// The heading: `16 shots`.
    pub heading: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// What its values are.
    pub measured: Measured,
    /// Whether other groups are compared with this one, so that it is shown again when a table is broken up.
    pub baseline: bool,
}

/// What the values of a group of columns are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measured {
    /// Accuracies in percent: higher is better.
    #[default]
    Accuracy,
    /// Norms of vectors: neither higher nor lower is better.
    Norm,
    /// How often something is the case.
    Count,
}

/// One column of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The column as a value of its axis, the same in every group.
    pub key: String,
    /// The heading.
    pub label: String,
    /// Whether its values are averages over seeds.
    pub seeded: bool,
    /// The label of the method that it is of, which pages filter by; empty where a column is of none.
    #[serde(skip)]
    pub method: String,
}

/// A name for the program and one for the reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heading {
    /// The value of the axis: `eurosat`.
    pub key: String,
    /// What is shown: `EuroSAT`.
    pub label: String,
}

/// A row: one value for each column of each group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The row's label.
    pub heading: Heading,
    /// Whether the row sums up the others and is set apart from them.
    pub summary: bool,
    /// The values, group after group.
    pub values: Vec<Vec<Value>>,
}

/// The content of a cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "status")]
pub enum Value {
    /// A result.
    Done(Measure),
    /// How often something was the case, and how often it could have been.
    Count {
        /// How often it was.
        count: usize,
        /// How often it could have been.
        of: usize,
    },
    /// Every run of the cell failed; the footnote says why.
    Failed {
        /// The footnotes that belong to the value.
        footnotes: Vec<usize>,
    },
    /// Not computed, or not defined.
    Missing {
        /// The footnotes that belong to the value.
        footnotes: Vec<usize>,
    },
}

/// The mean of some runs, in percent, with its spread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// The mean over the runs.
    pub mean: f64,
    /// The sample deviation; none for a single run.
    pub deviation: Option<f64>,
    /// Half of Student's 95 % interval; none for a single run.
    pub half_interval: Option<f64>,
    /// The deviation that the authors' script prints, divided by the number of runs; none for a single run.
    pub population_deviation: Option<f64>,
    /// The runs: seed (if there is one) and accuracy.
    pub runs: Vec<SeedRun>,
    /// How many runs were planned.
    pub planned: usize,
    /// Whether no column of the group has a higher value, to the digits shown.
    pub best: bool,
    /// Whether only the best have a higher value, to the digits shown.
    #[serde(skip)]
    pub second: bool,
    /// How many decimals are shown.
    #[serde(skip)]
    pub decimals: usize,
    /// The footnotes that belong to the value.
    pub footnotes: Vec<usize>,
}

/// One run behind a mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeedRun {
    /// The seed, or that of the sample and that of the initialisation; none if nothing is drawn.
    pub seed: Option<Seeds>,
    /// The accuracy in percent.
    pub accuracy: f64,
}

impl Axes {
    /// Axes of these names.
    pub fn new(row: &str, group: &str, column: &str) -> Self {
        Self { row: row.to_owned(), group: group.to_owned(), column: column.to_owned() }
    }
}

impl Heading {
    /// A heading of this key and label.
    pub fn new(key: &str, label: &str) -> Self {
        Self { key: key.to_owned(), label: label.to_owned() }
    }
}

impl Value {
    /// The measure, if the cell has a result.
    pub fn measure(&self) -> Option<&Measure> {
        match self {
            Self::Done(measure) => Some(measure),
            Self::Count { .. } | Self::Failed { .. } | Self::Missing { .. } => None,
        }
    }

    /// The footnotes that belong to the value.
    pub fn footnotes(&self) -> &[usize] {
        match self {
            Self::Done(measure) => &measure.footnotes,
            Self::Count { .. } => &[],
            Self::Failed { footnotes } | Self::Missing { footnotes } => footnotes,
        }
    }

    /// The value as text, without its footnotes: `63.4 ± 1.2`, `failed`, `–`.
    pub fn text(&self) -> String {
        match self {
            Self::Done(Measure { mean, deviation, decimals, .. }) => match deviation {
                Some(deviation) => format!("{mean:.decimals$} ± {deviation:.decimals$}"),
                None => format!("{mean:.decimals$}"),
            },
            Self::Count { count, of } => format!("{count}/{of}"),
            Self::Failed { .. } => "failed".to_owned(),
            Self::Missing { .. } => "–".to_owned(),
        }
    }

    /// The footnotes as text behind the value: ` [1][3]`, or nothing.
    pub fn marks(&self) -> String {
        match self.footnotes() {
            [] => String::new(),
            marks => format!(" [{}]", marks.iter().map(usize::to_string).collect::<Vec<_>>().join("][")),
        }
    }
}

/// A percentage to the digits that tables show.
pub(super) fn shown(percentage: f64) -> String {
    format!("{percentage:.1}")
}

impl Table {
    /// The baselines, and the blocks of the other groups: as many in a block as `fits` allows, given the indices of all
    /// groups of the block, but at least one.
    pub(super) fn blocks(&self, fits: impl Fn(&[usize]) -> bool) -> Vec<Vec<usize>> {
        let (baselines, others): (Vec<usize>, Vec<usize>) =
            (0..self.groups.len()).partition(|group| self.groups[*group].baseline);
        let mut blocks: Vec<Vec<usize>> = Vec::new();
        for group in others {
            let longer = blocks.last().map(|block| [block.as_slice(), &[group]].concat());
            match (blocks.last_mut(), longer) {
                (Some(block), Some(longer)) if fits(&longer) => *block = longer,
                _ => blocks.push([baselines.as_slice(), &[group]].concat()),
            }
        }
        if blocks.is_empty() { vec![baselines] } else { blocks }
    }
}
