//! `nemesis figure`: draws the figures of a folder of records, for papers.

use super::only::{Only, Records};
use super::trainings::open_store;
use super::{Ending, tell_files};
use crate::report::{keep_question, saved_plans, table_and_figures};
use crate::tables::FIGURES;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use nemesis_core::{Error, Result, files};
use nemesis_figures::{Canvas, Letters, ONE_COLUMN, TWO_COLUMNS, pdf, png, svg};
use std::path::PathBuf;
use std::str::FromStr;

/// Draws the figures of a folder of records: vector graphics at the width of a paper's columns, with text as outlines.
///
/// Colours are told apart with any colour vision, and marks tell series apart without colours. Equal records give equal
/// bytes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Figure {
    /// Which figure; all of them if none is named
    #[arg(value_name = "FIGURE", value_parser = kinds())]
    kind: Option<String>,
    #[command(flatten)]
    records: Only<Records>,
    /// Only figures of this suite
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Only figures of this question, as `nemesis report --list` names it
    #[arg(long, value_name = "NAME", conflicts_with = "suite")]
    question: Option<String>,
    /// The format of the files
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
    /// The width: `one` or `two` columns of a paper (8.5 or 17.5 cm), or millimetres
    #[arg(long, default_value = "two")]
    width: Width,
    /// Dots per inch of PNG files
    #[arg(long, value_name = "NUMBER", default_value_t = 300, value_parser = clap::value_parser!(u32).range(36..=1200))]
    dpi: u32,
    /// The folder for the files; by default `figures` in the folder of records
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  nemesis figure
  nemesis figure few-shot --format pdf --out out
  nemesis figure ranks --suite few-shot --width one --format pdf --to paper/figures";

/// A format of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Vector graphics for pages and editors
    Svg,
    /// Vector graphics for LaTeX
    Pdf,
    /// Pixels
    Png,
}

/// A width in points.
#[derive(Clone, Copy, Debug)]
struct Width(f64);

impl FromStr for Width {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const POINTS_PER_MILLIMETRE: f64 = 72.0 / 25.4;
        match text {
            "one" => Ok(Self(ONE_COLUMN)),
            "two" => Ok(Self(TWO_COLUMNS)),
            _ => match text.trim_end_matches("mm").parse::<f64>() {
                Ok(width) if (40.0..=1000.0).contains(&width) => Ok(Self(width * POINTS_PER_MILLIMETRE)),
                _ => Err("expected `one`, `two`, or 40 to 1000 millimetres".to_owned()),
            },
        }
    }
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(FIGURES.map(|(name, about)| PossibleValue::new(name).help(about)))
}

impl Figure {
    pub(super) fn run(&self) -> Result<Ending> {
        let out = self.records.settings()?.out();
        let store = open_store(&out)?;
        let mut plans = saved_plans(&out, self.suite.as_deref())?;
        if let Some(question) = &self.question {
            keep_question(&mut plans, question, &out)?;
        }
        let folder = self.to.clone().unwrap_or_else(|| out.join("figures"));
        let mut written = Vec::new();
        for (name, plan) in &plans {
            let (_, figures) = table_and_figures(plan, &store)?;
            let wanted = figures.iter().filter(|figure| self.kind.as_ref().is_none_or(|kind| kind == figure.kind));
            for figure in wanted {
                let of = if figure.of.is_empty() { String::new() } else { format!("-{}", figure.of) };
                let kind = if name == figure.kind { String::new() } else { format!("-{}", figure.kind) };
                let path = folder.join(format!("{name}{kind}{of}.{}", self.format.extension()));
                files::write_output(&path, &self.bytes(&figure.chart.draw(self.width.0))?)?;
                written.push(path);
            }
        }
        if written.is_empty() {
            let what = self.kind.as_deref().unwrap_or("any figure");
            return Err(Error::new(format!("no table here is drawn as {what}"))
                .at(&out)
                .expected(
                    "a table of that kind; curves need at least two numbers of shots, and ranks two methods on two data sets \
                     with a seed for each run",
                )
                .help("`nemesis report --list` names the tables"));
        }
        tell_files(&written);
        Ok(Ending::Done)
    }

    fn bytes(&self, canvas: &Canvas) -> Result<Vec<u8>> {
        Ok(match self.format {
            Format::Svg => svg(canvas, Letters::Outlined).into_bytes(),
            Format::Pdf => pdf(canvas),
            Format::Png => png(canvas, f64::from(self.dpi))
                .ok_or_else(|| Error::new("the figure is too large for pixels").help("choose fewer with `--dpi`"))?,
        })
    }
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Pdf => "pdf",
            Self::Png => "png",
        }
    }
}
