//! `nemesis plugin list`: the plugins at hand, and why a file is not usable. No code of a plugin runs.

use crate::cli::{Ending, say};
use crate::plugins::Plugins;
use clap::Args;
use nemesis_core::Result;
use nemesis_core::plugin::Candidate;
use serde_json::json;
use std::path::PathBuf;

/// Lists the plugins in files and folders that you name, and those next to this program: method, version, hash, file,
/// and why a file is not usable. Their code is not run.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// A plugin, a folder of plugins, or a Python module
    #[arg(long, value_name = "FILE|DIR|MODULE")]
    plugin: Vec<PathBuf>,
    /// Print JSON, one object per file
    #[arg(long)]
    json: bool,
}

impl List {
    pub(in crate::cli) fn run(&self) -> Result<Ending> {
        let plugins = Plugins::find(&self.plugin)?;
        let candidates: Vec<&Candidate> = plugins.candidates().collect();
        if self.json {
            for candidate in &candidates {
                say!("{}", as_json(candidate))?;
            }
        } else {
            print_table(&candidates)?;
        }
        Ok(Ending::Done)
    }
}

fn as_json(candidate: &Candidate) -> serde_json::Value {
    let unusable = candidate.usable().err().map(|error| error.to_string());
    match &candidate.inspected {
        Ok(file) => {
            let metadata = file.metadata();
            json!({
                "method": metadata.id, "version": metadata.version, "hash": file.hash(), "source": metadata.source,
                "abi": metadata.abi, "libtorch": metadata.libtorch, "cxx11_abi": metadata.cxx11_abi,
                "sdk": metadata.sdk, "file": candidate.path, "unusable": unusable,
            })
        }
        Err(_) => json!({ "file": candidate.path, "unusable": unusable }),
    }
}

fn print_table(candidates: &[&Candidate]) -> Result<()> {
    let rows: Vec<[String; 4]> = candidates
        .iter()
        .filter_map(|candidate| {
            let file = candidate.usable().ok()?;
            let (metadata, path) = (file.metadata(), file.path().display().to_string());
            Some([metadata.id.clone(), metadata.version.clone(), file.hash()[..12].to_owned(), path])
        })
        .collect();
    if rows.is_empty() {
        say!(
            "no usable plugin was found: build the methods with `cargo build`, or name a file or folder with --plugin"
        )?;
    } else {
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (method, version) = (width(0).max("method".len()), width(1).max("version".len()));
        say!("{:method$}  {:version$}  {:12}  file", "method", "version", "hash")?;
        for [id, number, hash, path] in &rows {
            say!("{id:method$}  {number:version$}  {hash:12}  {path}")?;
        }
    }
    for error in candidates.iter().filter_map(|candidate| candidate.usable().err()) {
        say!("\nnot usable: {error}")?;
    }
    Ok(())
}
