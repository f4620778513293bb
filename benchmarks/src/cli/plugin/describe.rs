//! `nemesis plugin describe`: what a method is, what it needs, and its options.

use crate::cli::{Ending, print, say};
use crate::plugins::{Known, Plugins};
use crate::process::choose_python;
use clap::Args;
use nemesis_core::Result;
use nemesis_core::method::{Descriptor, Optimisation};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Shows what a method is, what it needs, and its options. The plugin's code is run, in a process of its own.
#[derive(Debug, Args)]
pub(in crate::cli) struct Describe {
    /// The method, or the file or Python module of its plugin
    #[arg(value_name = "METHOD|FILE|MODULE")]
    method: String,
    /// A plugin, a folder of plugins, or a Python module
    #[arg(long, value_name = "FILE|DIR|MODULE")]
    plugin: Vec<PathBuf>,
    /// The Python that runs a plugin written in Python [default: `NEMESIS_PYTHON`, else python3]
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Describe {
    pub(in crate::cli) fn run(&self) -> Result<Ending> {
        self.python.as_deref().into_iter().for_each(choose_python);
        // A method's id has neither slash nor dot.
        let is_file = self.method.contains(['/', '.']);
        let mut plugins = Plugins::find(&self.plugin)?;
        let plugin =
            if is_file { plugins.in_file(Path::new(&self.method))? } else { plugins.get(&self.method)?.clone() };
        if self.json {
            let Known { file, descriptor } = plugin;
            say!("{}", json!({ "descriptor": descriptor, "file": file.path(), "hash": file.hash() }))?;
        } else {
            print(&describe(&plugin))?;
        }
        Ok(Ending::Done)
    }
}

fn describe(Known { file, descriptor }: &Known) -> String {
    let Descriptor { id, label, version, summary, paper, needs, optimisation, resumes: _, options, protocol, source } =
        descriptor;
    let views = format!("{} views of the training sample", needs.views);
    let inputs = [
        (needs.features, "image features"),
        (needs.dense, "dense image features"),
        (needs.pixels, "pixels"),
        (needs.validation, "features of the validation sample"),
        (needs.views > 1, views.as_str()),
        (needs.towers, "the image and text towers"),
    ];
    let inputs: Vec<_> = inputs.into_iter().filter(|(needed, _)| *needed).map(|(_, name)| name).collect();
    let learns = match optimisation {
        Optimisation::Host => "by the protocol's optimiser",
        Optimisation::Fit => "by itself",
        Optimisation::None => "nothing",
    };
    let mut lines = vec![format!("{label} (`{id}`, version {version}): {summary}")];
    lines.extend(paper.iter().map(|paper| format!("  paper   {paper}")));
    lines.push(format!("  needs   {}", inputs.join(", ")));
    lines.push(format!("  learns  {learns}"));
    lines.push(format!("  file    {} (blake3 {})", file.path().display(), file.hash()));
    lines.push(format!("  source  {source}"));
    if !protocol.is_empty() {
        lines.push(format!("Published protocol, over that of a run; change it with --set {id}.protocol.KEY=VALUE:"));
        if let Ok(serde_json::Value::Object(parts)) = serde_json::to_value(protocol) {
            lines.extend(parts.iter().map(|(key, value)| format!("  {key} = {value}")));
        }
    }
    if options.is_empty() {
        lines.push("It has no options.".to_owned());
    } else {
        lines.push(format!("Options, set with --set {id}.OPTION=VALUE or in a suite:"));
    }
    for option in options {
        lines.push(format!("  {} = {}  ({})", option.name, option.default, option.kind));
        lines.push(format!("      {}", option.help));
    }
    lines.join("\n") + "\n"
}
