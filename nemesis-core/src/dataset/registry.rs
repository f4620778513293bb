//! `datasets.yaml`: what data sets there are, and where and how they lie under a data root.

use super::layouts::RelativePath;
use super::written;
use super::{Contents, Dataset, Layout, Listed, Part, Raw};
use crate::error::suggest;
use crate::method::templates::Templates;
use crate::{Error, Result, files};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The registry that is built in, and the name of the file that adds to it in a data root.
const BUILT_IN: &str = include_str!("../../../datasets.yaml");
pub(super) const FILE_NAME: &str = "datasets.yaml";

/// The template of data sets that name none.
const DEFAULT_TEMPLATE: &str = "a photo of a {}.";

/// The known data sets, in the order of their file, which is that of tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// One data set of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name that suites and the command line use, for instance `eurosat`.
    pub name: String,
    /// The name in tables, for instance `EuroSAT`: the name, unless the registry has another.
    pub title: String,
    /// The folder under the data root: the name, unless the registry has another.
    pub folder: RelativePath,
    /// How it is laid out.
    pub layout: Layout,
    /// How its official archive labels images, where a split file has to be made when the published one is absent.
    pub raw: Option<Raw>,
    /// The fingerprint of CoOp's published split, where it is known, as [`super::split_fingerprint`] takes it.
    pub published: Option<String>,
    /// The number of classes, where the registry says it.
    pub classes: Option<usize>,
    /// The number of samples in each split, where it is known.
    pub samples: Option<SplitSizes>,
    /// The zero-shot template, with `{}` in place of the class name, where the registry says it.
    pub template: Option<Template>,
    /// The templates of [`Dataset::own_templates`], where the registry says them.
    pub templates: TemplateList,
    /// The licence of the images, where the registry says it.
    pub licence: Option<String>,
    /// Where it is described and can be had, where the registry says it.
    pub home: Option<String>,
    /// The parts that make it up, and where they can be downloaded.
    pub fetch: Vec<Part>,
}

/// The number of samples in each split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSizes {
    /// Training samples; none in a data set for testing alone.
    #[serde(default)]
    pub train: usize,
    /// Validation samples.
    #[serde(default)]
    pub val: usize,
    /// Test samples.
    pub test: usize,
}

/// A prompt with exactly one `{}`, which stands for the class name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(String);

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.matches("{}").count() {
            1 => Ok(Self(text)),
            n => Err(format!("the template `{text}` has {n} places for the class name, expected exactly one `{{}}`")),
        }
    }
}

impl AsRef<str> for Template {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Templates, written as a list, or as the name of one that several data sets share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_yaml::Value")]
pub struct TemplateList(Vec<String>);

impl TryFrom<serde_yaml::Value> for TemplateList {
    type Error = String;

    fn try_from(written: serde_yaml::Value) -> Result<Self, String> {
        let expected = "expected a list of templates, each with one `{}`, or `ensemble-80`, OpenAI's for ImageNet";
        match written {
            serde_yaml::Value::String(name) if name == "ensemble-80" => Ok(Self(Templates::Eighty.list(""))),
            serde_yaml::Value::Sequence(items) => {
                let texts = items.into_iter().map(|item| item.as_str().map(str::to_owned).ok_or(expected));
                let all = texts.map(|text| Ok(Template::try_from(text?)?.0)).collect::<Result<Vec<_>, String>>()?;
                if all.is_empty() { Err(expected.to_owned()) } else { Ok(Self(all)) }
            }
            _ => Err(expected.to_owned()),
        }
    }
}

/// What stands in files of tables in place of a data set's name, in the last row.
pub const AVERAGE: &str = "average";

impl Registry {
    /// The registry of a data root: the built-in one, and what the root's own `datasets.yaml` adds to it or replaces in
    /// it by name.
    ///
    /// # Errors
    ///
    /// When there is no folder `root`, or its `datasets.yaml` cannot be read or is not a registry.
    pub fn load(root: &Path) -> Result<Self> {
        if !files::exists(root)? || !root.is_dir() {
            return Err(Error::new("the data root is not a folder")
                .at(root)
                .expected("a folder that holds a folder for each data set")
                .help("give the right one with --data"));
        }
        let file = root.join(FILE_NAME);
        let mut all = Self::built_in()?;
        if files::exists(&file)? {
            for own in Self::parse(&files::read_text(&file)?, &file)?.entries {
                match all.entries.iter_mut().find(|entry| entry.name == own.name) {
                    Some(replaced) => *replaced = own,
                    None => all.entries.push(own),
                }
            }
        }
        Ok(all)
    }

    /// The built-in registry: the paper's eleven data sets, and four shifted copies of ImageNet.
    ///
    /// # Errors
    ///
    /// When the file that was built in is not a registry, which the tests rule out.
    pub fn built_in() -> Result<Self> {
        Self::parse(BUILT_IN, Path::new(FILE_NAME))
    }

    /// Parses a registry; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// When the text is not a registry, or names a data set twice.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        let entries = written::parse(text, file)?;
        if entries.is_empty() {
            return Err(Error::new("the file describes no data set")
                .at(file)
                .expected("a list of data sets")
                .help("without the file, the data sets that are built in are known all the same"));
        }
        for (i, entry) in entries.iter().enumerate() {
            if entry.name == AVERAGE {
                return Err(Error::new(format!("a data set is named `{AVERAGE}`, as the last row of every table is"))
                    .at(file)
                    .help("give it another name"));
            }
            if entries[..i].iter().any(|earlier| earlier.name == entry.name) {
                return Err(Error::new(format!("the data set `{}` is described twice", entry.name))
                    .at(file)
                    .help("remove one of the two, or give it a name of its own"));
            }
        }
        Ok(Self { entries })
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The data set of this name.
    ///
    /// # Errors
    ///
    /// When there is none; the nearest name is suggested.
    pub fn get(&self, name: &str) -> Result<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .ok_or_else(|| Error::new(format!("there is no data set `{name}`")).help(suggest(name, self.names())))
    }
}

impl Entry {
    /// The data set's folder under a data root.
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join(&self.folder)
    }

    /// Reads class names and samples from under a data root. Of a data set with split files or lists no image needs to
    /// be there.
    ///
    /// # Errors
    ///
    /// When the folder or a file of the layout is missing or wrong; the message names it and says what belongs there.
    pub fn open(&self, root: &Path) -> Result<Box<dyn Dataset>> {
        let folder = self.present(root)?;
        let mut contents = self.layout.read(&folder).map_err(|error| {
            let missing = error.file().is_some_and(|file| files::exists(file).is_ok_and(|there| !there));
            let error = error.context(format_args!("cannot open the data set `{}`", self.name));
            if missing {
                let expected = format!("in `{}`: {}", folder.display(), self.layout.describe());
                let help = match self.raw {
                    Some(_) => format!("{}, or let `nemesis data prepare {}` make a split", self.see_home(), self.name),
                    None => self.see_home(),
                };
                error.expected(expected).help(help)
            } else {
                error
            }
        })?;
        self.check_classes(&contents).map_err(|e| e.at(&folder))?;
        let oddities = contents.oddities();
        contents.remarks.extend(oddities.into_iter().map(|remark| remark.at(&folder)));
        let template = self.template().to_owned();
        let own_templates = self.templates.0.clone();
        Ok(Box::new(Listed { name: self.name.clone(), folder, template, own_templates, contents }))
    }

    /// The data set's folder under a data root, if there is one.
    pub(super) fn present(&self, root: &Path) -> Result<PathBuf> {
        let folder = self.path(root);
        if files::exists(&folder)? && folder.is_dir() {
            return Ok(folder);
        }
        Err(Error::new(format!("the data set `{}` is not in the data root", self.name))
            .at(&folder)
            .expected(format!("a folder with {}", self.layout.describe()))
            .help(self.see_home()))
    }

    /// Whether there are as many classes as there should be.
    pub(super) fn check_classes(&self, contents: &Contents) -> Result<()> {
        let found = contents.class_names.len();
        match self.classes {
            Some(classes) if classes != found => {
                Err(Error::new(format!("the data set `{}` has {found} classes", self.name))
                    .expected(format!("{classes} classes"))
                    .help(format!("is this {}, complete? {}", self.title, self.see_home())))
            }
            _ => Ok(()),
        }
    }

    /// The zero-shot template: CoOp's for most data sets, unless the registry has another.
    pub fn template(&self) -> &str {
        self.template.as_ref().map_or(DEFAULT_TEMPLATE, AsRef::as_ref)
    }

    /// Its licence and home page, as far as the registry says them.
    pub fn terms(&self) -> Vec<String> {
        let licence = self.licence.as_ref().map(|licence| format!("licence: {licence}"));
        licence.into_iter().chain(self.home_page().map(str::to_owned)).collect()
    }

    /// Where a person finds out more.
    pub fn see_home(&self) -> String {
        match self.home_page() {
            Some(sentence) if sentence.contains(' ') => sentence.to_owned(),
            Some(home) => format!("see {home}"),
            None => format!("`{FILE_NAME}` does not say where it can be had"),
        }
    }

    /// The home page, unless the registry says that there is none.
    fn home_page(&self) -> Option<&str> {
        let home = self.home.as_deref()?.trim();
        let says_none = ["", "none", "no", "-", "n/a", "unknown"].contains(&home.to_lowercase().as_str());
        (!says_none).then_some(home)
    }
}
