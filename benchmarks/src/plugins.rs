//! The plugins at hand: those named on the command line, then those beside the program.

use nemesis_core::method::testing::ToyHost;
use nemesis_core::plugin::{Candidate, Plugin, PluginFile, Registry};
use nemesis_core::{Error, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Plugins by the method that they offer, loaded when they are first needed.
#[derive(Debug)]
pub struct Plugins {
    named: Registry,
    beside: Registry,
    loaded: BTreeMap<String, Plugin>,
}

impl Plugins {
    /// Looks for plugins in the files and folders that the user names, and in the program's own folder, where `cargo
    /// build` leaves the project's. No code of a plugin is run.
    ///
    /// # Errors
    ///
    /// When a path that the user names does not exist.
    pub fn find(named: &[PathBuf]) -> Result<Self> {
        let folder = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
        let beside = Registry::scan(folder.as_slice()).unwrap_or_default();
        Ok(Self { named: Registry::scan(named)?, beside, loaded: BTreeMap::new() })
    }

    /// The methods of the plugins that the user named.
    ///
    /// # Errors
    ///
    /// When one of them cannot be used.
    pub fn named(&self) -> Result<Vec<String>> {
        self.named.candidates().iter().map(|candidate| Ok(candidate.usable()?.metadata().id.clone())).collect()
    }

    /// All files found, those of the user first.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.named.candidates().iter().chain(self.beside.candidates())
    }

    /// The plugin that offers a method. One that the user named stands before one beside the program.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be loaded.
    pub fn get(&mut self, method: &str) -> Result<&Plugin> {
        if !self.loaded.contains_key(method) {
            let file = self.file(method)?;
            if self.named.candidates().iter().any(|candidate| candidate.path == file.path()) {
                survives_loading(file)?;
            }
            let plugin = Plugin::load(file.path())?;
            self.loaded.insert(method.to_owned(), plugin);
        }
        Ok(&self.loaded[method])
    }

    fn file(&self, method: &str) -> Result<&PluginFile> {
        let offers =
            |candidate: &Candidate| candidate.inspected.as_ref().is_ok_and(|file| file.metadata().id == method);
        if self.named.candidates().iter().any(offers) { self.named.find(method) } else { self.beside.find(method) }
    }
}

/// How long a plugin may take to be loaded.
const LOADING: Duration = Duration::from_secs(30);

/// Loads a plugin of the user's in another process first: one that crashes or hangs must not take this one with it. What
/// else is wrong with it is told when it is loaded here.
fn survives_loading(file: &PluginFile) -> Result<()> {
    let failed = |what: String| {
        Error::new(format!("the plugin `{}` {what}", file.metadata().id))
            .at(file.path())
            .help("`nemesis plugin check` on the file tells more")
    };
    let cannot = |e: std::io::Error| failed(format!("cannot be tried: {e}"));
    let program = std::env::current_exe().map_err(cannot)?;
    let mut trial = Command::new(program);
    trial.args(["plugin", "describe", "--json"]).arg(std::path::absolute(file.path()).map_err(cannot)?);
    let trial = trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut trial = trial.map_err(cannot)?;
    let start = Instant::now();
    loop {
        match trial.try_wait().map_err(cannot)? {
            Some(status) if status.signal().is_some() => {
                return Err(failed(format!("ends the process that loads it: {status}")));
            }
            Some(_) => return Ok(()),
            None if start.elapsed() > LOADING => {
                let _ = trial.kill();
                let _ = trial.wait();
                return Err(failed(format!("is still not loaded after {} s", LOADING.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// All options of a method with their values: what is given over the defaults. The method is created once, for a toy
/// task, so that it can refuse values before a run begins.
///
/// # Errors
///
/// When an option is unknown, ill-typed, or refused by the method.
pub fn complete_options(plugin: &Plugin, given: &Map<String, Value>) -> Result<Map<String, Value>> {
    plugin.check_options(given.keys())?;
    let mut complete = Map::new();
    for option in &plugin.descriptor().options {
        let value = given.get(&option.name).unwrap_or(&option.default);
        complete.insert(option.name.clone(), alike(value, &option.default));
    }
    let toy = ToyHost::new(2);
    plugin.create(&toy.task(), &complete, &toy)?;
    Ok(complete)
}

/// The value in the form of the default: `1` for an option whose default is `0.5` is `1.0`, so that one setting has
/// one id however it was written.
fn alike(value: &Value, default: &Value) -> Value {
    match value.as_f64() {
        Some(number) if default.is_f64() => Value::from(number),
        _ => value.clone(),
    }
}

/// An error about a method's option, where the caller knows nothing of the place.
pub fn names_option(error: &Error, option: &str) -> bool {
    error.what().contains(&format!("`{option}`"))
}
