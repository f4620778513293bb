//! Which protocol each method is trained with: the run's ← what the method publishes ← what the suite says that it
//! publishes for a data set and shots ← the run's for this method alone ← the suite's entry ← `--set`.

use crate::settings::Settings;
use crate::suite::{AsPublished, EntryProtocol, MethodEntry, line_of_key, load_protocol};
use nemesis_core::error::suggest;
use nemesis_core::method::ProtocolPatch;
use nemesis_core::train::Protocol;
use nemesis_core::{Error, Result};
use serde_json::{Map, Value};
use std::path::Path;

/// What stands between a method's id and a part of its protocol, in `--set METHOD.protocol.KEY=VALUE`.
pub(super) const PREFIX: &str = "protocol.";

/// The protocol of an entry of the suite where these of its published settings apply.
///
/// # Errors
///
/// When a source names a part that there is not, or gives one a value that nothing can be trained with.
pub(super) fn of_entry(
    settings: &Settings,
    run: &Protocol,
    entry: &MethodEntry,
    published: &ProtocolPatch,
    applies: impl Fn(&AsPublished) -> bool,
) -> Result<Protocol> {
    let method = &entry.method;
    let in_suite = |error: Error| {
        let suite = &settings.suite;
        let key = error.option().unwrap_or("protocol").to_owned();
        match line_of_key(&suite.text, &format!("method: {method}"), &key) {
            Some(line) => error.at(&suite.file).line(line),
            None => error.at(&suite.file),
        }
    };
    let base = match &entry.protocol {
        Some(EntryProtocol::Named(name)) => {
            let Protocol { precision, threads, .. } = *run;
            Protocol {
                precision,
                threads,
                ..load_protocol(&beside(&settings.suite.file, name))
                    .map_err(|error| if error.file().is_some() { error } else { in_suite(error) })?
            }
        }
        other => {
            let own = run
                .patched(&run.changeable(published))
                .map_err(|error| error.context(format_args!("the protocol that `{method}` publishes")))?;
            let here = entry.as_published.iter().filter(|settings| applies(settings));
            let mut here = here.filter_map(|settings| settings.protocol.as_deref());
            let own = here.try_fold(own, |own, parts| own.patched(&run.changeable(parts))).map_err(in_suite)?;
            let own = of_protocol(run, method, own)?;
            match other {
                Some(EntryProtocol::Parts(parts)) => own.patched(parts).map_err(in_suite)?,
                _ => own,
            }
        }
    };
    let set = set(settings, method)?;
    base.patched(&set).map_err(|error| {
        let about = |key: &&String| {
            let part = key.split('.').nth(2);
            part.is_some() && part == error.option() && key.split('.').next() == Some(method)
        };
        match settings.set.keys().find(about) {
            Some(key) => place(settings, key, error.found_in(format_args!("`{key}`"))),
            None => error,
        }
    })
}

/// The protocol with what the run's says of this method alone.
fn of_protocol(run: &Protocol, method: &str, own: Protocol) -> Result<Protocol> {
    match run.methods.get(method).and_then(|own| own.protocol.as_deref()) {
        Some(parts) => own
            .patched(parts)
            .map_err(|error| error.context(format_args!("what the protocol `{}` says of `{method}`", run.name))),
        None => Ok(own),
    }
}

/// In what the protocol of an entry differs at single data sets and shots from what it is elsewhere, one phrase for each.
pub(super) fn at_places(
    settings: &Settings,
    run: &Protocol,
    entry: &MethodEntry,
    published: &ProtocolPatch,
    elsewhere: &Protocol,
) -> Result<Vec<String>> {
    if matches!(entry.protocol, Some(EntryProtocol::Named(_))) {
        return Ok(Vec::new());
    }
    let mut phrases = Vec::new();
    for single in entry.as_published.iter().filter(|single| !single.applies(None) && single.protocol.is_some()) {
        let applies = |other: &AsPublished| other.applies(None) || std::ptr::eq(other, single);
        let differences = of_entry(settings, run, entry, published, applies)?.differences(elsewhere);
        if !differences.is_empty() {
            phrases.push(format!("{}: {}", single.place(), differences.join(", ")));
        }
    }
    Ok(phrases)
}

/// A file that a suite names, which lies beside it; names stay.
fn beside(suite: &Path, name: &str) -> String {
    let folder = suite.parent().filter(|_| suite.is_file());
    match folder.map(|folder| folder.join(name)).filter(|file| file.is_file()) {
        Some(file) => file.display().to_string(),
        None => name.to_owned(),
    }
}

/// What `--set` says of a method's protocol.
fn set(settings: &Settings, method: &str) -> Result<ProtocolPatch> {
    let mut all = Map::new();
    for (key, value) in &settings.set {
        let path = key.strip_prefix(method).and_then(|rest| rest.strip_prefix('.')?.strip_prefix(PREFIX));
        let Some(path) = path else { continue };
        let mut alone = Map::new();
        put(&mut alone, path, value.clone());
        let known = alone.keys().next().filter(|part| !ProtocolPatch::KEYS.contains(&part.as_str()));
        if let Some(part) = known {
            let error = Error::new(format!("`{key}` is set, and `{part}` is not a part of a protocol"))
                .about(key)
                .help(suggest(part, ProtocolPatch::KEYS.iter().copied()));
            return Err(place(settings, key, error));
        }
        if let Err(error) = serde_json::from_value::<ProtocolPatch>(Value::Object(alone)) {
            return Err(place(settings, key, Error::new(format!("`{key}` is set to {value}: {error}")).about(key)));
        }
        put(&mut all, path, value.clone());
    }
    serde_json::from_value(Value::Object(all)).map_err(|e| Error::new(format!("the protocol of `{method}`: {e}")))
}

/// Puts a value into maps within maps: `groups.text.lr_scale`.
fn put(map: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(map.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = map.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Adds to an error the line of the user's file in which the option was set, if it was set there.
fn place(settings: &Settings, key: &str, error: Error) -> Error {
    let from_file = settings
        .user_file
        .as_ref()
        .and_then(|source| line_of_key(&source.text, "set", key).map(|line| (source.file.clone(), line)));
    match from_file {
        Some((file, line)) => error.at(file).line(line),
        None => error,
    }
}
