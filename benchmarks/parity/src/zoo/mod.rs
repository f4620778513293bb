//! Golden values of published methods, made by running their authors' code.
//!
//! A folder holds `METHOD.json` and `METHOD.safetensors` for each method, and the checkpoints that they name. A file has
//! class names, batches of pixels and labels, and cases: hyper-parameters, what the method starts from, and what the
//! authors' code makes of it. Names and shapes are the same in every folder; class names, counts, sizes of batches and
//! values differ.
//!
//! How a file is read as one of our methods is a [`Subject`], in a file of its own here: which method, which options a
//! case stands for, and how what the authors report is named. To add a method, write one and add it to [`SUBJECTS`].
//! The rest is shared: the real plugin is created, starts from the given parameters, sees the given batches through our
//! towers, and takes its steps with the project's optimiser and schedule.

mod clap;
mod clip_adapter;
mod clip_lora;
mod cocoop;
mod compare;
mod cross_modal;
mod features;
mod file;
mod kgcoop;
mod linear_probe;
mod lp_plus_plus;
mod maple;
mod plot;
mod prograd;
mod promptsrc;
mod replay;
mod steps;
mod subject;
mod task_res;
mod tcp;
mod tip_adapter;
mod towers;

use subject::Subject;

use crate::OTHERS;
use crate::check::Check;
use crate::fixtures::Fixtures;
use crate::methods::Create;
use nemesis_core::backbone::clip::TextPath;
use nemesis_core::{Error, Result, json};
use serde::Deserialize;
use std::fs;
use subject::stepwise;
use towers::Towers;

/// The methods that can be compared.
const SUBJECTS: &[&dyn Subject] = &[
    &clap::Clap,
    &clip_adapter::ClipAdapter,
    &clip_lora::ClipLora,
    &cocoop::CoCoOp,
    &cross_modal::CrossModal,
    &kgcoop::KgCoop,
    &linear_probe::LinearProbe,
    &lp_plus_plus::LpPlusPlus,
    &maple::Ivlp,
    &maple::Maple,
    &maple::Vpt,
    &plot::Plot,
    &plot::PlotNemesis,
    &prograd::ProGrad,
    &promptsrc::PromptSrc,
    &task_res::TaskRes,
    &tcp::Tcp,
    &tip_adapter::TipAdapter,
];

/// What every file says first.
#[derive(Deserialize)]
struct Header {
    method: String,
    /// Every file of this kind says where the authors' code is.
    #[expect(dead_code, reason = "its presence is what counts")]
    repository: String,
}

/// The methods that a folder holds golden values of, by the names of their files, in alphabetical order.
///
/// # Errors
///
/// When the folder cannot be read, or a file is damaged: passed over, it would be a method that nobody compares.
pub(super) fn files(fixtures: &Fixtures) -> Result<Vec<String>> {
    let folder = fixtures.path("");
    let entries = fs::read_dir(&folder).map_err(|e| Error::io("read", &folder, &e))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io("read", &folder, &e))?.path();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if path.extension().is_none_or(|extension| extension != "json") || OTHERS.contains(&name) {
            continue;
        }
        let header: Header = json::parse(&nemesis_core::files::read_text(&path)?, &path)?;
        if header.method != name {
            return Err(Error::new(format!("it holds golden values of `{}`", header.method))
                .at(&path)
                .expected(format!("the name {}.json", header.method)));
        }
        names.push(name.to_owned());
    }
    names.sort();
    Ok(names)
}

pub(super) fn checks(fixtures: &Fixtures, path: TextPath, create: &mut Create<'_>) -> Result<Vec<Check>> {
    let names = files(fixtures)?;
    if names.is_empty() {
        return Err(Error::new("the folder holds no golden values of methods")
            .at(fixtures.path(""))
            .expected("METHOD.json and METHOD.safetensors, made from the method's published code"));
    }
    let mut towers = Towers::new(fixtures, path);
    let mut checks = Vec::new();
    for name in names {
        let Some(subject) = SUBJECTS.iter().find(|subject| subject.files().contains(&name.as_str())) else {
            checks.push(Check::skipped(name, "no method yet"));
            continue;
        };
        checks.extend(match subject.checks(&name, fixtures, &mut towers, create)? {
            Some(own) => own,
            None => stepwise(*subject, &name, fixtures, &mut towers, create)?,
        });
    }
    Ok(checks)
}
