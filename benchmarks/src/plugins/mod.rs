//! The plugins at hand: those named on the command line, then those next to the program. Another process is asked what
//! has to be known about them before cells are computed, so that none of their code runs in this one.

mod child;
mod message;
mod module;
mod parent;

pub(crate) use child::answer;
pub(crate) use module::located;

use crate::process::Program;
use nemesis_core::error::Kind;
use nemesis_core::method::Descriptor;
use nemesis_core::plugin::{Candidate, Plugin, PluginFile, Registry, check_options};
use nemesis_core::{Error, Result};
pub(crate) use parent::Standby;
use parent::{Examiner, Heard, PATIENCE};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Plugins by the method that they offer.
#[derive(Debug)]
pub struct Plugins {
    named: Registry,
    /// The files and folders that the user named.
    places: Vec<PathBuf>,
    beside: Registry,
    examiner: Examiner,
    known: BTreeMap<String, Known>,
    /// The plugins in this process, by method.
    loaded: BTreeMap<String, Plugin>,
    /// The methods and options that have been tried, and what a state then holds for each class.
    tried: BTreeMap<(String, String), Option<String>>,
    /// The methods that took too long to be created.
    silent: BTreeSet<String>,
    warnings: Vec<Error>,
}

/// A plugin that another process could load.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its file.
    pub file: PluginFile,
    /// What the method is and what it needs from the host.
    pub descriptor: Descriptor,
}

impl Plugins {
    /// Looks for plugins in the files, folders and Python modules that the user names, and in the program's own folder,
    /// where `cargo build` leaves the project's. No code of a plugin is run.
    ///
    /// # Errors
    ///
    /// When a path or module that the user names does not exist.
    pub fn find(named: &[PathBuf]) -> Result<Self> {
        let places = named.iter().map(|place| located(place)).collect::<Result<Vec<_>>>()?;
        let folder = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
        let beside = Registry::scan(folder.as_slice()).unwrap_or_default();
        Ok(Self {
            named: Registry::scan(&places)?,
            places,
            beside,
            examiner: Examiner::new(PATIENCE),
            known: BTreeMap::new(),
            loaded: BTreeMap::new(),
            tried: BTreeMap::new(),
            silent: BTreeSet::new(),
            warnings: Vec::new(),
        })
    }

    /// The methods of the plugins that the user named, whether this program can load them or not.
    ///
    /// # Errors
    ///
    /// When one of the files is not a plugin.
    pub fn named(&self) -> Result<Vec<String>> {
        let inspected = self.named.candidates().iter().map(|candidate| candidate.inspected.as_ref());
        inspected.map(|file| Ok(file.map_err(Error::clone)?.metadata().id.clone())).collect()
    }

    /// Refuses files that the user named and that are no plugins, and folders without any. Of what else lies in a folder
    /// nobody said that it is one.
    ///
    /// # Errors
    ///
    /// When there is such a file or folder.
    pub fn require_plugins(&self) -> Result<()> {
        for place in &self.places {
            let mut within = self.named.candidates().iter().filter(|candidate| candidate.path.starts_with(place));
            let itself = within.clone().find(|candidate| candidate.path == *place);
            if let Some(Err(error)) = itself.map(|candidate| &candidate.inspected) {
                return Err(error.clone());
            }
            if within.next().is_none() && place.is_dir() {
                return Err(Error::new("there is no plugin in this folder")
                    .at(place)
                    .expected("files named libnemesis_method_NAME.so, or Python files that say ABOUT")
                    .help("a file of any name can be given itself: `--plugin FILE`"));
            }
        }
        Ok(())
    }

    /// All files found, the user's first.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.named.candidates().iter().chain(self.beside.candidates())
    }

    /// The same plugins, with this limit for loading one and for creating a method.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { examiner: Examiner::new(patience), ..self }
    }

    /// Starts the Python that will be asked about plugins, if the user named one that is written in it: it takes seconds to
    /// import PyTorch, in which other things can be done. The first question reports it if it cannot be started.
    pub fn begin(&mut self) {
        if self.named.candidates().iter().any(|plugin| Program::of_plugin(&plugin.path) == Program::Python) {
            self.examiner.begin(Program::Python);
        }
    }

    /// The Python that was asked about plugins, which can be a worker now.
    pub(crate) fn standby(&mut self) -> Option<Standby> {
        self.examiner.hand_over(Program::Python)
    }

    /// The plugin that offers a method. One that the user named takes precedence over one next to the program.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be loaded.
    pub fn get(&mut self, method: &str) -> Result<&Known> {
        if !self.known.contains_key(method) {
            let file = self.file(method)?.clone();
            self.warn_of_another(&file);
            let known = self.examined(file)?;
            self.known.insert(method.to_owned(), known);
        }
        Ok(&self.known[method])
    }

    /// The plugin that offers a method, or why nothing here can run it: it was made for another libtorch, or is written
    /// in Python and there is none with the package `nemesis`. A run leaves such a method out.
    ///
    /// # Errors
    ///
    /// As [`Plugins::get`] has, for any other reason.
    pub fn usable(&mut self, method: &str) -> Result<Result<&Known>> {
        match self.get(method) {
            // Borrowed anew: the borrow of a known plugin lasts as long as the result.
            Ok(_) => Ok(Ok(&self.known[method])),
            Err(error) if error.kind() == Kind::Incompatible => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }

    /// The file of a method's plugin.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn path(&self, method: &str) -> Result<PathBuf> {
        let offers =
            |candidate: &&Candidate| candidate.inspected.as_ref().is_ok_and(|file| file.metadata().id == method);
        match self.candidates().find(offers) {
            Some(candidate) => Ok(candidate.path.clone()),
            None => self.file(method).map(|file| file.path().to_owned()),
        }
    }

    /// The plugin in a file, or in a Python module.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded.
    pub fn in_file(&mut self, path: &Path) -> Result<Known> {
        let file = PluginFile::inspect(&located(path)?)?;
        file.compatible()?;
        self.examined(file)
    }

    fn examined(&mut self, file: PluginFile) -> Result<Known> {
        let failed = |what: String| {
            Error::new(format!("the plugin `{}` {what}", file.metadata().id))
                .at(file.path())
                .help("`nemesis plugin check` on the file says more")
        };
        match self.examiner.describe(file.path())? {
            Heard::Answer(descriptor) => Ok(Known { file, descriptor: descriptor? }),
            Heard::End(status) => Err(failed(format!("ends the process that loads it: {status}"))),
            Heard::Silence(time) => Err(failed(format!("is still not loaded after {} s", time.as_secs()))),
        }
    }

    /// The plugin of a method in this process, loaded once. It may end the process; if that matters, call
    /// [`Plugins::get`] first.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be loaded.
    pub fn load(&mut self, method: &str) -> Result<&Plugin> {
        if !self.loaded.contains_key(method) {
            let plugin = Plugin::load(self.file(method)?.path())?;
            self.loaded.insert(method.to_owned(), plugin);
        }
        Ok(&self.loaded[method])
    }

    /// All options of a method with their values: those given, else the defaults. The method is created once for each
    /// set of options, in another process and for a toy task, so that it can refuse values before a run begins. If that
    /// process is lost, a warning is kept, and the values are taken as they are.
    ///
    /// # Errors
    ///
    /// When an option is unknown, ill-typed, or refused by the method.
    pub fn complete_options(&mut self, method: &str, given: &Map<String, Value>) -> Result<Map<String, Value>> {
        let Known { file, descriptor } = self.get(method)?.clone();
        check_options(&descriptor, given.keys())?;
        let mut complete = Map::new();
        for option in &descriptor.options {
            let value = given.get(&option.name).unwrap_or(&option.default);
            if option.default.is_string() && (value.is_number() || value.is_boolean() || value.is_null()) {
                // YAML has it as something else, and how it was written is no longer known.
                let name = format!("{method}.{}", option.name);
                return Err(Error::new(format!("the option `{name}` is text, and {value} is none"))
                    .about(&name)
                    .expected(format!("text; in quotes it is some: '{name}=\"{value}\"'")));
            }
            complete.insert(option.name.clone(), alike(value, &option.default));
        }
        let key = (method.to_owned(), Value::Object(complete.clone()).to_string());
        if self.silent.contains(method) || self.tried.contains_key(&key) {
            return Ok(complete);
        }
        self.tried.insert(key.clone(), None);
        let with = if given.is_empty() { "its defaults".to_owned() } else { Value::Object(given.clone()).to_string() };
        let what = match self.examiner.create(file.path(), &complete)? {
            Heard::Answer(created) => {
                self.tried.insert(key, created.map_err(|error| in_creation(error, &file))?.by_class);
                return Ok(complete);
            }
            Heard::End(status) => format!("ends the process that creates its method with {with}: {status}"),
            Heard::Silence(time) => {
                self.silent.insert(method.to_owned());
                format!("has not created its method with {with} after {} s", time.as_secs())
            }
        };
        self.warnings.push(Error::new(format!("the plugin `{method}` {what}")).at(file.path()).help(
            "the options are taken as they are, and cells that need them will fail; `nemesis plugin check` on the file \
             says more",
        ));
        Ok(complete)
    }

    /// The tensor that holds something for each class in what a method with these options learns, if there is one. The
    /// options are those of [`Plugins::complete_options`].
    pub fn by_class(&self, method: &str, options: &Map<String, Value>) -> Option<&str> {
        let key = (method.to_owned(), Value::Object(options.clone()).to_string());
        self.tried.get(&key)?.as_deref()
    }

    /// Keeps a warning if the plugin is the user's, and another one beside the program has its method.
    fn warn_of_another(&mut self, file: &PluginFile) {
        let (id, source) = (&file.metadata().id, &file.metadata().source);
        let Ok(other) = self.beside.find(id) else { return };
        if other.metadata().source != *source {
            let what = format!("`{id}` is the method of this plugin, and not the one that comes with nemesis");
            let help = "give it an id of its own to have both in one table";
            self.warnings.push(Error::new(what).at(file.path()).help(help));
        }
    }

    /// The warnings of [`Plugins::get`] and [`Plugins::complete_options`].
    pub fn take_warnings(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.warnings)
    }

    fn file(&self, method: &str) -> Result<&PluginFile> {
        let offers =
            |candidate: &Candidate| candidate.inspected.as_ref().is_ok_and(|file| file.metadata().id == method);
        if self.named.candidates().iter().any(offers) { self.named.find(method) } else { self.beside.find(method) }
    }
}

/// What a method says that cannot be created. Of an option it says enough itself.
fn in_creation(error: Error, file: &PluginFile) -> Error {
    if error.option().is_some() || error.has_help() {
        return error;
    }
    let help = "`nemesis plugin check` on the file says more; `--methods` leaves the method out";
    error.context("it cannot be created").at(file.path()).help(help)
}

/// The value in the form of the default: `1` for an option whose default is `0.5` is `1.0`, so that a setting has the
/// same id however it was written.
fn alike(value: &Value, default: &Value) -> Value {
    match value.as_f64() {
        Some(number) if default.is_f64() => Value::from(number),
        _ => value.clone(),
    }
}
