//! `nemesis data add`: people's own pictures.

use super::{print, warn};
use crate::locks::taken;
use crate::pictures::{Shards, Unpacked, read_list};
use clap::Args;
use nemesis_core::dataset::{Added, Pictures, Request, SplitSizes, add};
use nemesis_core::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Makes a data set of your own pictures.
#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub(super) struct Add {
    /// The name of the data set
    #[arg(value_name = "NAME")]
    name: String,
    /// A folder of pictures or of shards (webdataset's tars, the hub's Parquet files), or a list (.csv, .tsv, .parquet)
    #[arg(value_name = "FOLDER|LIST")]
    source: PathBuf,
    /// The zero-shot prompt, with {} for the class name [default: "a photo of a {}."]
    #[arg(long, value_name = "TEXT")]
    template: Option<String>,
    /// The seed by which pictures are divided into train, val and test
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder that a list's paths are relative to [default: the list's own]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// The column of a list or of Parquet files that holds the classes [default: `label` and the like]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Class names, a line for each class: its folder, a tab, and its name
    #[arg(long, value_name = "FILE")]
    class_names: Option<PathBuf>,
    /// Replace a data set of this name
    #[arg(long)]
    replace: bool,
}

const MORE: &str = "\
Examples:
  nemesis data add birds ~/photos/birds --data ROOT
  nemesis data add birds ~/photos/birds.csv --images ~/photos --data ROOT
  nemesis data add cifar100 ~/cifar100 --label fine_label --data ROOT
  nemesis data add birds ~/photos/birds --template \"a photo of a {}, a type of bird.\" --data ROOT

A folder holds a folder of pictures for each class; or train, val and test, which hold such folders. A list has a line of \
headings: `path`, `label`, and optionally `split`; \
in Parquet, columns of these names. What is not split is divided as CoOp does: half of each class for training, a \
fifth for validation, the rest for testing; where only val is missing, it is a fifth of train. Pictures stay where they \
are, and a link in the data root leads to them; tars and Parquet files of pictures are unpacked into ROOT/NAME/pictures. ROOT/NAME/classnames.txt holds the class names: to correct one, edit that \
file and run the same command again.";

impl Add {
    pub(super) fn run(&self, root: &Path) -> Result<()> {
        let missing: Vec<&Path> = root.ancestors().take_while(|folder| !folder.exists()).collect();
        let added = fs::create_dir_all(root).map_err(|e| Error::io_write("create the folder", root, &e));
        added.and_then(|()| self.add_alone(root)).inspect_err(|_| {
            // What was not there before is not there afterwards; a folder that is not empty stays.
            missing.iter().take_while(|folder| fs::remove_dir(folder).is_ok()).for_each(drop);
        })
    }

    /// Adds while nobody else on this machine adds to the same data root: each would write the registry that it has read.
    fn add_alone(&self, root: &Path) -> Result<()> {
        let failed = |e: &std::io::Error| Error::io("lock the folder", root, e);
        let folder = fs::File::open(root).map_err(|e| failed(&e))?;
        taken(folder.lock()).map_err(|e| failed(&e))?;
        print(&self.add(root)?)
    }

    /// Adds, and returns what there is to say of it. It is said once the pictures are there to stay: the registry names them
    /// whether or not anybody can be told.
    fn add(&self, root: &Path) -> Result<String> {
        let label = self.label.as_deref();
        let Some(shards) = Shards::find(&self.source)? else { return self.add_from(root, &self.source) };
        if self.images.is_some() {
            return Err(Error::new("--images is for lists of paths, and shards hold the pictures themselves")
                .at(&self.source)
                .help("leave --images out"));
        }
        nemesis_core::dataset::check_name(&self.name)?;
        let unpacked = Unpacked::new(&shards, &root.join(&self.name), label, self.replace)?;
        let told = self.add_from(root, &unpacked.pictures)?;
        unpacked.keep();
        Ok(told)
    }

    fn add_from(&self, root: &Path, source: &Path) -> Result<String> {
        let is_list = source.is_file();
        let (pictures, images) = if is_list {
            let beside = source.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let images = self.images.as_deref().unwrap_or(beside);
            (read_list(source, images, self.label.as_deref())?, images)
        } else {
            if self.images.is_some() {
                return Err(Error::new("--images is for lists, and no list is given")
                    .at(source)
                    .help("leave --images out, or give a list of pictures in place of a folder"));
            }
            if self.label.is_some() && source == self.source {
                return Err(Error::new("--label is for lists and Parquet files, and neither is given")
                    .at(source)
                    .help("leave --label out: the classes of a folder are its folders"));
            }
            (Pictures::of_folder(source)?, source)
        };
        let request = Request {
            name: &self.name,
            images,
            template: self.template.as_deref(),
            seed: self.seed,
            class_names: self.class_names.as_deref(),
            replace: self.replace,
        };
        let added = add(root, &request, &pictures)?;
        pictures.remarks.iter().chain(&added.warnings).for_each(warn);
        Ok(told(&self.name, &added))
    }
}

fn told(name: &str, added: &Added) -> String {
    let SplitSizes { train, val, test } = added.samples;
    let state = match &added.changes {
        None => "added".to_owned(),
        Some(changes) if changes.is_empty() => "is there already, and the same lists come out".to_owned(),
        Some(changes) => format!("changed ({})", changes.join("; ")),
    };
    let width = added.classes.iter().map(|(class, _)| class.chars().count()).max().unwrap_or(0);
    let line = |(class, name): &(String, String)| format!("  {class:width$}  →  {name}\n");
    let classes = added.classes.iter().map(line).collect::<Vec<_>>().concat();
    format!(
        "{name}: {state}\n  {} classes; {train} train, {val} val, {test} test\n  {}\n{classes}\
         To correct a class name, edit {} and run the same command again.\n",
        added.classes.len(),
        added.origin,
        added.class_names.display()
    )
}
