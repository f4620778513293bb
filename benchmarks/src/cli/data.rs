//! `nemesis data`: the data sets, what is on the disk, and what is drawn from them.

use super::add::Add;
use super::fetch::Fetch;
use super::only::{Keys, Only};
use super::{Ending, print, warn};
use crate::drift::{Drift, Records};
use crate::settings::Settings;
use clap::{Arg, Args, Subcommand};
use nemesis_core::contents::Contents;
use nemesis_core::dataset::{
    ClassSubset, Dataset, Entry, Registry, Report, Sample, SplitOrigin, SplitSizes, check, few_shot, missing_images,
    prepare,
};
use nemesis_core::{Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization;

/// Shows, fetches, adds, checks, prepares and samples data sets.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Data {
    #[command(subcommand)]
    command: DataCommand,
    #[command(flatten)]
    options: Only<OfData>,
}

#[derive(Debug)]
struct OfData;

impl Keys for OfData {
    const KEYS: &'static [&'static str] = &["data"];

    fn adapted(argument: Arg) -> Arg {
        argument
            .global(true)
            .display_order(100)
            .help("The folder that holds the data sets' folders [default: `data` of nemesis.yaml, or `NEMESIS_DATA`]")
    }
}

/// What a check compares with the data sets, and where it remembers what images hold.
#[derive(Debug)]
struct OfCheck;

impl Keys for OfCheck {
    const KEYS: &'static [&'static str] = &["out", "pool"];

    fn adapted(argument: Arg) -> Arg {
        match argument.get_id().as_str() {
            "out" => argument.help("The folder of the records that the data sets are compared with [default: out]"),
            _ => argument,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  nemesis data list --data ROOT
  nemesis data fetch eurosat dtd --data ROOT
  nemesis data add birds ~/photos/birds --data ROOT
  nemesis data check eurosat dtd --data ROOT
  nemesis data sample --data ROOT --dataset eurosat --shots 4 --seed 2 --json
  nemesis data prepare food101 --data ROOT --seed 1";

const FETCH_EXAMPLES: &str = "\
Examples:
  nemesis data fetch eurosat dtd --data ROOT
  nemesis data fetch sun397 --data ROOT --dry-run   where it would come from
  nemesis data fetch caltech101 --data ROOT --from ~/Downloads

The size of each file is shown before it is downloaded, and checksums are verified where the publisher gives them. \
A download that was interrupted resumes when the command is run again. Where terms of use require a person to agree, \
the command says what to get and where to put it, and exits with 1. Proxies are read from HTTPS_PROXY, HTTP_PROXY, \
ALL_PROXY and NO_PROXY.";

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// List the known data sets, and which are in the data root.
    List,
    /// Download data sets, or resume a download that was interrupted. What already exists is left alone.
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch {
        /// The data sets
        #[arg(value_name = "NAMES", required = true)]
        names: Vec<String>,
        /// Take the files from a folder or a mirror instead, under the names at the end of their addresses
        #[arg(long, value_name = "URL|DIR")]
        from: Option<String>,
        /// Only show what would be fetched, and from where
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a data set of your own pictures.
    Add(Add),
    /// Check that data sets are whole, and whether their split is the published one.
    Check {
        /// The data sets [default: all in the data root]
        #[arg(value_name = "NAMES")]
        names: Vec<String>,
        /// Decode every image
        #[arg(long)]
        decode: bool,
        #[command(flatten)]
        options: Only<OfCheck>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the images that a few-shot training sees, as CoOp's code draws them.
    Sample {
        /// The data set
        #[arg(long, value_name = "NAME")]
        dataset: String,
        /// Images per class
        #[arg(long, value_name = "N|all", value_parser = nemesis_core::shots::parse)]
        shots: u32,
        /// The seed
        #[arg(long, value_name = "N")]
        seed: u64,
        /// Only the base or the new classes
        #[arg(long, value_name = "all|base|new", default_value = "all", value_parser = parse_classes)]
        classes: ClassSubset,
        /// Only the images that are not on the disk
        #[arg(long)]
        missing: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a split of a data set by CoOp's rules where its published split file is absent.
    Prepare {
        /// The data set
        name: String,
        /// The seed of the split
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
}

pub(super) fn parse_classes(text: &str) -> std::result::Result<ClassSubset, String> {
    serde_json::from_value(json!(text)).map_err(|_| "expected all, base or new".to_owned())
}

impl Data {
    pub(super) fn run(&self) -> Result<Ending> {
        let root = self.root()?;
        // A data root that does not exist yet is an error for all commands but `fetch` and `add`, which create it.
        let registry = || Registry::load(&root);
        match &self.command {
            DataCommand::List => print(&list(&registry()?, &root))?,
            DataCommand::Fetch { names, from, dry_run } => {
                return Fetch { names, from: from.as_deref(), dry_run: *dry_run }.run(&root);
            }
            DataCommand::Add(add) => add.run(&root)?,
            DataCommand::Check { names, decode, options, json } => {
                let entries = chosen(&registry()?, &root, names)?;
                return check_all(&entries, &root, &options.settings()?, *decode, *json);
            }
            DataCommand::Sample { dataset, shots, seed, classes, missing, json } => {
                let dataset = registry()?.get(dataset)?.open(&root)?;
                if *shots == 0 {
                    return Err(Error::new("0 shots are no sample").about("--shots").expected("1 or more, or `all`"));
                }
                let drawn = few_shot::draw(&*dataset, *shots as usize, *seed);
                let paths = |samples: &[Sample]| paths(&*dataset, samples, *classes, *missing);
                print(&sample_text(&paths(&drawn.train)?, &paths(&drawn.val)?, *json))?;
            }
            DataCommand::Prepare { name, seed } => {
                let prepared = prepare(registry()?.get(name)?, &root, *seed)?;
                prepared.others.iter().chain(&prepared.missing).for_each(warn);
                let (train, val, test) = (prepared.train, prepared.val, prepared.test);
                print(&format!(
                    "{}: {train} train, {val} val, {test} test\n\
                     This split is made by CoOp's rules with seed {seed}. It is not the published one: numbers made \
                     with it are not comparable with published numbers.\n",
                    prepared.file.display()
                ))?;
            }
        }
        Ok(Ending::Done)
    }

    fn root(&self) -> Result<PathBuf> {
        self.options.settings()?.layer.data.ok_or_else(|| {
            Error::new("no data root is given").help("give the folder of the data sets with --data ROOT")
        })
    }
}

fn list(registry: &Registry, root: &Path) -> String {
    let width = registry.names().map(str::len).max().unwrap_or(0);
    let line = |entry: &Entry| {
        let Entry { name, title, .. } = entry;
        let about = entry.classes.map_or_else(|| title.clone(), |classes| format!("{title}, {classes} classes"));
        let about = [vec![about], entry.terms()].concat().join("; ");
        let present = if entry.path(root).is_dir() { "present" } else { "absent" };
        format!("{name:width$}  {present:7}  {about}\n")
    };
    registry.entries().iter().map(line).collect()
}

/// The paths of those samples that belong to the classes, and, with `missing`, that are not on the disk.
fn paths(dataset: &dyn Dataset, samples: &[Sample], classes: ClassSubset, missing: bool) -> Result<Vec<String>> {
    let samples = classes.samples(samples, dataset.class_names().len());
    let listed: Vec<&Sample> =
        if missing { missing_images(dataset.folder(), &samples)? } else { samples.iter().collect() };
    Ok(listed.into_iter().map(|sample| sample.path.to_string_lossy().into_owned()).collect())
}

fn sample_text(train: &[String], val: &[String], json: bool) -> String {
    if json {
        return format!("{}\n", json!({"train": train, "val": val}));
    }
    let lines =
        |split, paths: &[String]| -> Vec<String> { paths.iter().map(|path| format!("{split}\t{path}\n")).collect() };
    [lines("train", train), lines("val", val)].concat().concat()
}

/// The data sets of these names, or all that are in the data root.
fn chosen(registry: &Registry, root: &Path, names: &[String]) -> Result<Vec<Entry>> {
    let entries: Vec<Entry> = if names.is_empty() {
        registry.entries().iter().filter(|entry| entry.path(root).is_dir()).cloned().collect()
    } else {
        names.iter().map(|name| registry.get(name).cloned()).collect::<Result<_>>()?
    };
    if entries.is_empty() {
        return Err(Error::new("there is no data set in the data root")
            .at(root)
            .help("`nemesis data list` shows what the folders of the data sets are called"));
    }
    Ok(entries)
}

/// Checks data sets, and whether they still hold what the records saw.
fn check_all(entries: &[Entry], root: &Path, settings: &Settings, decode: bool, json: bool) -> Result<Ending> {
    let out = &settings.out();
    let records = Records::read(out)?;
    let mut contents = Contents::open(settings.contents());
    let mut whole = true;
    for entry in entries {
        let drift = |contents: &mut Contents| match &records {
            Some(records) => records.drift(&*entry.open(root)?, contents),
            None => Ok(None),
        };
        let checked = check(entry, root, decode).and_then(|report| Ok((report, drift(&mut contents)?)));
        whole &= checked
            .as_ref()
            .is_ok_and(|(report, drift)| report.is_whole() && drift.as_ref().is_none_or(Drift::is_none));
        print(&match checked {
            Ok((report, drift)) if json => format!("{}\n", report_json(entry, &report, drift.as_ref())),
            Ok((report, drift)) => {
                let drift = drift.map_or_else(String::new, |drift| drift_text(&drift, out));
                format!("{}{drift}", report_text(entry, &report))
            }
            Err(error) if json => format!("{}\n", json!({"dataset": entry.name, "error": error.to_string()})),
            Err(error) => format!("{}: {}\n", entry.name, error.to_string().replace('\n', "\n  ")),
        })?;
    }
    Ok(if whole { Ending::Done } else { Ending::WithFailures })
}

/// What differs from what records saw, as lines below a report.
fn drift_text(drift: &Drift, out: &Path) -> String {
    let evaluations = match drift.evaluations {
        1 => format!("1 evaluation in `{}`", out.display()),
        count => format!("{count} evaluations in `{}`", out.display()),
    };
    if drift.is_none() {
        return format!("  as seen by {evaluations}\n");
    }
    let mut lines = Vec::new();
    if drift.manifest {
        lines.push(format!("class names, template or split differ from those that {evaluations} saw"));
    }
    if !drift.images.is_empty() {
        let differ =
            if drift.images.len() == 1 { "1 image differs" } else { &format!("{} images differ", drift.images.len()) };
        lines.push(format!("{differ} from what {evaluations} saw:"));
        lines.extend(drift.images.iter().take(MAX_NAMED).map(|path| format!("  {}", path.display())));
        lines.extend(more(drift.images.len()));
    }
    lines.push("the next `nemesis run` recomputes what used them".to_owned());
    format!("  {}\n", lines.join("\n  "))
}

/// How many missing or damaged images are named; more would bury the rest of the report.
const MAX_NAMED: usize = 5;

pub(super) fn report_text(entry: &Entry, report: &Report) -> String {
    let SplitSizes { train, val, test } = report.samples;
    // Which classes these are stands in a warning.
    let untested = match (test, report.untested.len()) {
        (0, _) | (_, 0) => String::new(),
        (_, 1) => ", but 1 class has no test image".to_owned(),
        (_, count) => format!(", but {count} classes have no test image"),
    };
    let whole = if report.is_whole() { format!("whole{untested}") } else { "not whole".to_owned() };
    let mut lines = vec![format!("{}: {whole}", entry.name)];
    lines.push(format!("{train} train, {val} val, {test} test"));
    if let Some(SplitSizes { train, val, test }) = report.expected.filter(|expected| *expected != report.samples) {
        lines.push(format!("expected: {train} train, {val} val, {test} test"));
    }
    if test == 0 {
        lines.push("no test image is listed, so nothing can be measured".to_owned());
    }
    if entry.template.is_none() {
        lines.push(format!("template: `{}`, as the registry gives none", entry.template()));
    }
    let fingerprint = &report.fingerprint[..16];
    lines.push(match report.split {
        SplitOrigin::Own => format!("split: the data set's own ({fingerprint})"),
        SplitOrigin::Published => format!("split: the one that CoOp published ({fingerprint})"),
        SplitOrigin::NotPublished => format!(
            "split: not the one that CoOp published ({fingerprint}); results are not comparable with published ones"
        ),
        SplitOrigin::Prepared => format!(
            "split: made by `nemesis data prepare` ({fingerprint}); results are not comparable with published ones"
        ),
        SplitOrigin::Unknown => format!("split: as its file has it ({fingerprint})"),
    });
    if !report.missing.is_empty() {
        lines.push(format!("{} missing:", images_are(report.missing.len())));
        let spelt = |path: &Path| report.misspelt.iter().find(|(missing, _)| missing == path).map(|(_, there)| there);
        lines.extend(report.missing.iter().take(MAX_NAMED).map(|path| match spelt(path) {
            Some(there) => format!("  {}; on the disk it may be {}", path.display(), visibly(there, path)),
            None => format!("  {}", path.display()),
        }));
        lines.extend(more(report.missing.len()));
    }
    if !report.damaged.is_empty() {
        lines.push(format!("{} damaged:", images_are(report.damaged.len())));
        let damaged = report.damaged.iter().take(MAX_NAMED);
        lines.extend(damaged.map(|(path, error)| format!("  {}: {}", path.display(), error.what())));
        lines.extend(more(report.damaged.len()));
    }
    lines.extend(report.remarks.iter().map(|remark| format!("warning: {}", remark.to_string().replace('\n', "\n  "))));
    lines.join("\n  ") + "\n"
}

/// A path that differs from another, even if that cannot be seen: `é` is one character or two.
pub(super) fn visibly(there: &Path, path: &Path) -> String {
    let composed = |path: &Path| path.to_string_lossy().nfc().collect::<String>();
    let hidden = if composed(there) == composed(path) { " (the same letters in another Unicode form)" } else { "" };
    format!("{}{hidden}", there.display())
}

fn images_are(count: usize) -> String {
    if count == 1 { "1 image is".to_owned() } else { format!("{count} images are") }
}

fn more(count: usize) -> Option<String> {
    (count > MAX_NAMED).then(|| format!("  … and {} more; --json names all", count - MAX_NAMED))
}

fn report_json(entry: &Entry, report: &Report, drift: Option<&Drift>) -> serde_json::Value {
    let sizes = |SplitSizes { train, val, test }| json!({"train": train, "val": val, "test": test});
    let split = match report.split {
        SplitOrigin::Own => "own",
        SplitOrigin::Published => "published",
        SplitOrigin::NotPublished => "not published",
        SplitOrigin::Prepared => "prepared",
        SplitOrigin::Unknown => "unknown",
    };
    let damaged = report.damaged.iter().map(|(path, error)| json!({"path": path, "error": error.what()}));
    let misspelt = report.misspelt.iter().map(|(path, there)| json!({"path": path, "there": there}));
    json!({
        "dataset": entry.name,
        "whole": report.is_whole(),
        "samples": sizes(report.samples),
        "expected": report.expected.map(sizes),
        "split": split,
        "fingerprint": report.fingerprint,
        "without_test_images": report.untested,
        "missing": report.missing,
        "misspelt": misspelt.collect::<Vec<_>>(),
        "damaged": damaged.collect::<Vec<_>>(),
        "remarks": report.remarks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "template": entry.template(),
        "records": drift.map(|drift| json!({
            "evaluations": drift.evaluations, "manifest_differs": drift.manifest, "images_differ": drift.images,
        })),
    })
}
