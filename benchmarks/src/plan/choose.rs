//! What the settings choose: data root, data sets, backbone, methods.

use super::cells::overrides;
use super::{Column, Swept, own};
use crate::plugins::Plugins;
use crate::settings::Settings;
use crate::suite::{MethodEntry, is_embedded_protocol, line_of_key};
use crate::tables::ZERO_SHOT;
use crate::weights::{MINI, locate, unnamed};
use nemesis_core::backbone::{self, BackboneSpec, Request};
use nemesis_core::dataset::Registry;
use nemesis_core::error::suggest;
use nemesis_core::train::{Precision, Protocol};
use nemesis_core::{Error, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

/// The backbone's name and checkpoint.
pub(crate) fn backbone(settings: &Settings) -> Result<(String, PathBuf)> {
    let weights = &settings.weights;
    let name = match &settings.layer.backbone {
        Some(name) => name.clone(),
        None if weights.len() == 1 => weights.keys().next().cloned().unwrap_or_default(),
        None if weights.is_empty() && settings.layer.data.is_none() => MINI.to_owned(),
        None if weights.is_empty() => return Err(unnamed()),
        None => {
            let known: Vec<&str> = weights.keys().map(String::as_str).collect();
            return Err(Error::new("several checkpoints are given, and no backbone is chosen")
                .expected(format!("--backbone with one of {}", known.join(", "))));
        }
    };
    match weights.get(&name) {
        Some(file) => locate(&name, file, &settings.out()).map(|file| (name, file)),
        None if name == MINI => Ok((name, nemesis_mini::ensure_weights(&settings.out())?)),
        None => Err(Error::new(format!("no checkpoint is given for the backbone `{name}`"))
            .help(format!("give it with `--weights {name}=FILE`"))),
    }
}

/// What the checkpoint is, once it is clear that all of it can be read and computed with.
pub(super) fn checkpoint(settings: &Settings, file: &Path, precision: Precision) -> Result<BackboneSpec> {
    // What trains in mixed precision is held in half precision, beside what evaluates.
    let kind = if precision == Precision::Amp { Kind::Half } else { precision.kind() };
    let spec = backbone::inspect(&Request::new(file, settings.layer.weights_config, Device::Cpu, kind))?;
    if spec.width == 0 {
        return Err(Error::new("the checkpoint holds an image tower alone, so it cannot encode text")
            .at(file)
            .help("give a checkpoint of a whole CLIP model"));
    }
    Ok(spec)
}

/// The names of the data sets. Those of the mini suite are checked before its data root is made.
pub(super) fn datasets(settings: &Settings) -> Result<Vec<String>> {
    let (registry, own) = match &settings.layer.data {
        Some(root) => {
            let root = existing_folder(root)?;
            let registry = Registry::load(&root)?;
            let own = if settings.layer.datasets.is_none() { own::datasets(settings, &root, &registry)? } else { None };
            (registry, own)
        }
        None => (Registry::built_in()?, None),
    };
    refuse_unknown_datasets(settings, &registry)?;
    let names = settings.layer.datasets.clone().or(own).unwrap_or_else(|| settings.suite.value.datasets.clone());
    for name in &names {
        registry.get(name)?;
    }
    Ok(names)
}

/// Refuses options for data sets that there are not, which would silently do nothing.
fn refuse_unknown_datasets(settings: &Settings, registry: &Registry) -> Result<()> {
    let suite = &settings.suite;
    let known = |what: &str, name: &String| {
        registry.get(name).map(drop).map_err(|error| {
            let error = error.context(what).at(&suite.file);
            match suite.text.lines().position(|line| line.contains(name.as_str())) {
                Some(line) => error.line(line + 1),
                None => error,
            }
        })
    };
    for entry in &suite.value.methods {
        let published = entry.as_published.iter().flat_map(|settings| &settings.datasets);
        let mut names = entry.options_by_dataset.keys().chain(published);
        names.try_for_each(|name| known(&format!("the settings of `{}`", entry.method), name))?;
    }
    if settings.layer.datasets.is_none() {
        suite.value.datasets.iter().try_for_each(|name| known("the suite", name))?;
    }
    suite.value.descriptions.keys().try_for_each(|name| known("the descriptions", name))
}

/// Refuses what a protocol says of data sets that there are not.
pub(super) fn refuse_unknown_in_protocol(protocol: &Protocol, registry: &Registry) -> Result<()> {
    let known = |name: &String| {
        let place = format!("`epochs_by_dataset` of the protocol `{}`", protocol.name);
        registry.get(name).map(drop).map_err(|error| error.context(place))
    };
    protocol.epochs_by_dataset.keys().try_for_each(known)
}

/// What a user's protocol says of methods that nothing here has, as warnings: a colleague may have them.
pub(super) fn unknown_in_protocol(protocol: &Protocol, plugins: &Plugins) -> Vec<Error> {
    if is_embedded_protocol(&protocol.name) {
        return Vec::new();
    }
    let known: Vec<&str> = plugins
        .candidates()
        .filter_map(|plugin| plugin.inspected.as_ref().ok().map(|file| file.metadata().id.as_str()))
        .collect();
    let unknown = protocol.methods.keys().filter(|method| !known.contains(&method.as_str()));
    let told = |method: &String| {
        let what = format!("the protocol `{}` says something of `{method}`, which is no method here", protocol.name);
        Error::new(what).help(suggest(method, known.iter().copied()))
    };
    unknown.map(told).collect()
}

/// The test sets apart from the data sets that are trained on.
pub(super) fn targets(settings: &Settings, sources: &[String]) -> Result<Vec<String>> {
    let suite = &settings.suite.value;
    let targets = suite.table.kind().targets();
    match sources {
        _ if targets.is_empty() => Ok(Vec::new()),
        [source] if targets.contains(source) => {
            Err(Error::new(format!("`{source}` is the source and one of the targets")).at(&settings.suite.file))
        }
        [_] => Ok(targets.to_vec()),
        _ => Err(Error::new(format!("the suite `{}` has one source, not {}", suite.name, sources.len()))
            .at(&settings.suite.file)
            .help("name one data set with `--datasets`; the targets stand in the suite's file")),
    }
}

/// The data root: the user's, or the mini suite's, which is made if it is not there.
pub(super) fn data_root(settings: &Settings) -> Result<PathBuf> {
    match &settings.layer.data {
        Some(root) => existing_folder(root),
        None => mini_root(&settings.out()),
    }
}

/// The suite's methods, or those asked for; plugins named on the command line join the suite's. What is there twice
/// with the same settings counts once, with a warning.
pub(super) fn methods(
    settings: &Settings,
    plugins: &mut Plugins,
    warnings: &mut Vec<Error>,
) -> Result<Vec<MethodEntry>> {
    plugins.require_plugins()?;
    let mut entries: Vec<MethodEntry> = Vec::new();
    for entry in chosen_methods(settings, plugins)? {
        let place =
            |error: Error| match line_of_key(&settings.suite.text, &format!("method: {}", entry.method), "sweep") {
                Some(line) => error.at(&settings.suite.file).line(line),
                None => error.at(&settings.suite.file),
            };
        if let Some(option) = entry.sweep.keys().find(|o| settings.set.contains_key(&format!("{}.{o}", entry.method))) {
            let message = format!("`{}.{option}` is set, and the suite sweeps it", entry.method);
            return Err(place(Error::new(message)).help("leave out one of the two"));
        }
        for entry in entry.unfolded().map_err(place)? {
            if entries.iter().any(|earlier| earlier.says_the_same(&entry)) {
                let what =
                    format!("the method `{}` appears twice with the same settings; it counts once", entry.method);
                warnings.push(Error::new(what).at(&settings.suite.file));
            } else {
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

fn chosen_methods(settings: &Settings, plugins: &mut Plugins) -> Result<Vec<MethodEntry>> {
    let of_suite = &settings.suite.value.methods;
    let Some(asked) = &settings.layer.methods else {
        let mut entries = of_suite.clone();
        for id in plugins.named()? {
            if !entries.iter().any(|entry| entry.method == id) {
                entries.push(MethodEntry::plain(&id));
            }
        }
        return Ok(entries);
    };
    let mut entries = Vec::new();
    for id in asked {
        let before = entries.len();
        entries
            .extend(of_suite.iter().filter(|entry| entry.method == *id || entry.label.as_ref() == Some(id)).cloned());
        if entries.len() == before {
            plugins.usable(id)?.ok();
            entries.push(MethodEntry::plain(id));
        }
    }
    Ok(entries)
}

/// The columns of the methods, each with the reason if nothing here can run its method.
///
/// # Errors
///
/// When two have one label, or a plugin cannot be loaded.
pub(super) fn columns(
    settings: &Settings,
    entries: &[MethodEntry],
    plugins: &mut Plugins,
) -> Result<Vec<(Column, Option<Error>)>> {
    let mut columns: Vec<(Column, Option<Error>)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let (descriptor, unusable) = match plugins.usable(&entry.method)? {
            Ok(plugin) => (Some(plugin.descriptor.clone()), None),
            Err(reason) => (None, Some(reason)),
        };
        let of_method = || descriptor.as_ref().map_or_else(|| entry.method.clone(), |known| known.label.clone());
        let unswept = entry.label.clone().unwrap_or_else(of_method);
        let swept = swept(entry, &unswept);
        let label = match &swept {
            Some(Swept { what, value }) => format!("{what} {value}"),
            None => unswept,
        };
        if label.trim().is_empty() || label.chars().any(char::is_control) || label.eq_ignore_ascii_case(ZERO_SHOT) {
            return Err(Error::new(format!("a column cannot have the label {label:?}"))
                .expected(format!("one line of text, and not `{ZERO_SHOT}`, which is zero-shot CLIP")));
        }
        if columns.iter().any(|(column, _)| column.label == label) {
            return Err(Error::new(format!("two columns have the label `{label}`"))
                .help("give a method that appears twice a `label` each time"));
        }
        let set = overrides(settings, &entry.method);
        let mut own = json!({
            "options": entry.options,
            "options_by_dataset": entry.options_by_dataset,
            "sweep": entry.sweep,
            "set": set,
        });
        if !entry.as_published.is_empty() {
            own["as_published"] = json!(entry.as_published);
        }
        if let Some(protocol) = &entry.protocol {
            own["entry_protocol"] = json!(protocol);
        }
        let (options, source) = descriptor.map(|known| (known.options, known.source)).unwrap_or_default();
        let column = Column {
            method: entry.method.clone(),
            label,
            swept,
            plugin: plugins.path(&entry.method)?,
            settings: own,
            options: options.into_iter().map(|option| option.name).collect(),
            protocol: Vec::new(),
            source,
        };
        columns.push((column, unusable));
    }
    Ok(columns)
}

/// What an unfolded entry sweeps, under the label of its method.
fn swept(entry: &MethodEntry, label: &str) -> Option<Swept> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let options: Vec<&str> = entry.sweep.keys().map(String::as_str).collect();
    let values: Vec<String> = entry.sweep.values().map(plain).collect();
    (!options.is_empty())
        .then(|| Swept { what: format!("{label}, {}", options.join(" and ")), value: values.join(" and ") })
}

/// Refuses `--set` for a method that is not run: it would silently do nothing.
pub(super) fn refuse_stray_settings(settings: &Settings, entries: &[MethodEntry]) -> Result<()> {
    let known = || entries.iter().map(|entry| entry.method.as_str());
    for key in settings.set.keys() {
        let method = key.split_once('.').map_or(key.as_str(), |(method, _)| method);
        if !known().any(|id| id == method) {
            return Err(Error::new(format!("`{key}` is set, and the method `{method}` is not run"))
                .help(suggest(method, known().collect::<Vec<_>>())));
        }
    }
    Ok(())
}

/// The mini suite's data root, made in the folder of the records if it is not there.
///
/// # Errors
///
/// When it cannot be written.
pub fn mini_root(out: &Path) -> Result<PathBuf> {
    let root = out.join("mini");
    nemesis_mini::ensure_data_root(&root)?;
    Ok(root)
}

fn existing_folder(root: &Path) -> Result<PathBuf> {
    if root.is_dir() {
        return Ok(root.to_owned());
    }
    Err(Error::new("there is no data root here")
        .at(root)
        .expected("a folder that holds the data sets' folders")
        .help("give it with `--data ROOT`, or leave the option out to run the mini suite"))
}
