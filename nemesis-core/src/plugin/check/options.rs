//! Checks of the descriptor and the options.

use super::stage::Stage;
use super::subject::{CLASSES, Finding, Step, Subject, close, ensure, failed, skipped};
use crate::method::{ErrorKind, Optimisation};
use crate::plugin::method::LoadedMethod;
use crate::train::Recompute;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tch::Kind;

pub(super) fn descriptor(subject: &Subject) -> Finding {
    let plugin = subject.plugin()?;
    let descriptor = plugin.descriptor();
    let line = |name: &str, text: &str| {
        let holds = !text.trim().is_empty() && text.trim() == text && !text.contains('\n');
        ensure(holds, || format!("the {name} is not one line of text: {text:?}"))
    };
    line("label", &descriptor.label)?;
    line("summary", &descriptor.summary)?;
    line("version", &descriptor.version)?;
    line("source", &descriptor.source)?;
    let needs = descriptor.needs;
    ensure(needs.pixels || needs.features || needs.dense, || {
        "it asks for no inputs, neither pixels nor features".to_owned()
    })?;
    let mut names = BTreeSet::new();
    for option in &descriptor.options {
        line("name of an option", &option.name)?;
        line(&format!("kind of the option `{}`", option.name), &option.kind)?;
        line(&format!("help of the option `{}`", option.name), &option.help)?;
        ensure(names.insert(&option.name), || format!("the option `{}` appears twice", option.name))?;
    }
    Ok(())
}

/// Creates a method with the user's options and these.
fn create(subject: &Subject, more: &Map<String, Value>) -> Finding<crate::method::Result<LoadedMethod>> {
    let stage = Stage::new(CLASSES, Kind::Double);
    let mut options = subject.options.clone();
    options.extend(more.clone());
    Ok(subject.plugin()?.create_method(&stage.task(), &options, &stage.services(1, Recompute::Never)))
}

/// Fails unless this option is refused with an error of the kind "invalid options" that names it.
fn refused(subject: &Subject, name: &str, value: &Value) -> Finding {
    match create(subject, &Map::from_iter([(name.to_owned(), value.clone())]))? {
        Ok(_) => failed(format!("`{name}` = {value} is accepted silently")),
        Err(error) if error.kind() != ErrorKind::InvalidOptions => {
            failed(format!("`{name}` = {value} is refused, but not as an invalid option: {error}"))
        }
        Err(error) => {
            ensure(error.about() == Some(name), || format!("the error does not name `{name}` first: {error}"))
        }
    }
}

pub(super) fn unknown(subject: &Subject) -> Finding {
    refused(subject, "no_such_option", &json!(1))
}

pub(super) fn ill_typed(subject: &Subject) -> Finding {
    let plugin = subject.plugin()?;
    let options = &plugin.descriptor().options;
    if options.is_empty() {
        return skipped("the method has no options");
    }
    // No option takes a list of lists.
    options.iter().try_for_each(|option| refused(subject, &option.name, &json!([[1]])))
}

pub(super) fn defaults(subject: &Subject) -> Finding {
    let plugin = subject.plugin()?;
    let options = &plugin.descriptor().options;
    if options.is_empty() {
        return skipped("the method has no options");
    }
    let given = options.iter().filter(|option| !subject.options.contains_key(&option.name));
    let given: Map<_, _> = given.map(|option| (option.name.clone(), option.default.clone())).collect();
    let stage = Stage::new(CLASSES, Kind::Double);
    let (mut implied, mut explicit) = (create(subject, &Map::new())??, create(subject, &given)??);
    let batch = stage.batch(8, 0, plugin.descriptor().needs);
    let services = stage.services(1, Recompute::Never);
    if plugin.descriptor().optimisation == Optimisation::Host {
        let (one, two) =
            (Step::take(&mut implied, &batch, &services)?.loss, Step::take(&mut explicit, &batch, &services)?.loss);
        return ensure(close(&one, &two, 1e-12), || {
            format!("without options the loss is {one:?}, with the defaults given explicitly {two:?}")
        });
    }
    Ok(())
}
