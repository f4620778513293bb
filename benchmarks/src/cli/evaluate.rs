//! `nemesis evaluate`: the accuracy of a context that CoOp's code, or `nemesis export`, wrote.

use super::only::{Keys, Only};
use super::{Ending, data, note, print, warn};
use crate::plan::{backbone, mini_root};
use crate::plugins::Plugins;
use crate::settings::{Settings, parse_set};
use crate::suite::load_protocol;
use clap::{Arg, Args};
use nemesis_core::dataset::{ClassSubset, Dataset, Registry, Sample, limited_test, manifest_hash, missing_images};
use nemesis_core::engine::{Engine, Setup, clean_names};
use nemesis_core::interchange::LearnedFor;
use nemesis_core::interchange::coop::Context;
use nemesis_core::pool::Pool;
use nemesis_core::record::{BackboneKey, EvaluationCell, EvaluationRecord, MethodKey, Subject};
use nemesis_core::train::Protocol;
use nemesis_core::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Measures the accuracy of a context from elsewhere on test images: a checkpoint written by CoOp's code
/// (prompt_learner/model.pth.tar-EPOCH) or by `nemesis export`. Each evaluation leaves a record.
///
/// A file that holds only the context, or a whole model with it, is read too, and the command says what it assumes.
/// CoOp saves the embeddings of the class names with the context. If they belong to a different backbone, or if each
/// class has its own vectors and these are different classes, the context is refused.
///
/// Prints a line for each data set, separated by tabs: name, accuracy in percent, how many test images are correct, and
/// record.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Evaluate {
    /// The checkpoint of CoOp's prompt learner, or a file of one tensor
    #[arg(long, value_name = "FILE")]
    context: PathBuf,
    /// The data sets to test on
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    dataset: Vec<String>,
    /// The classes to choose between: all, or the base or the new half of them
    #[arg(long, value_name = "all|base|new", default_value = "all", value_parser = data::parse_classes)]
    classes: ClassSubset,
    /// The method that the context belongs to
    #[arg(long, value_name = "NAME", default_value = "coop")]
    method: String,
    /// An option of the method, such as `coop.class_position=middle`; the context says how many vectors it has
    #[arg(long, value_name = "METHOD.OPTION=VALUE", value_parser = parse_set)]
    set: Vec<(String, Value)>,
    #[command(flatten)]
    options: Only<OfEvaluate>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug)]
struct OfEvaluate;

impl Keys for OfEvaluate {
    const KEYS: &'static [&'static str] = &[
        "data",
        "weights",
        "weights_config",
        "backbone",
        "limit",
        "plugin",
        "precision",
        "device",
        "out",
        "pool",
        "pool_budget",
    ];

    fn adapted(argument: Arg) -> Arg {
        match argument.get_id().as_str() {
            "data" => argument.help("The folder that holds the data sets' folders [default: the mini suite's data]"),
            "limit" => argument.help("Only the first N test images of each class, in the order of the split"),
            "precision" => argument.help("fp32, fp64, fp16, bf16 or amp [default: the protocol's]"),
            "plugin" => argument.help("A plugin, or a folder of plugins. Their code is run"),
            "out" => argument.help("Where the records go [default: out]"),
            _ => argument,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  nemesis evaluate --context output/eurosat/prompt_learner/model.pth.tar-200 --dataset eurosat \\
      --data ROOT --weights RN50=RN50.pt
  nemesis evaluate --context output/imagenet/prompt_learner/model.pth.tar-50 \\
      --dataset imagenet,imagenetv2,imagenet_r --data ROOT --weights RN50=RN50.pt
  nemesis evaluate --context base/prompt_learner/model.pth.tar-200 --dataset dtd --classes new \\
      --data ROOT --weights B16=ViT-B-16.pt";

impl Evaluate {
    pub(super) fn run(&self) -> Result<Ending> {
        let context = Context::read(&self.context)?;
        let settings = self.options.settings()?;
        let (out, data) = (settings.out(), settings.layer.data.as_deref());
        let mut plugins = settings.plugins()?;
        let method = self.method_key(&context, &mut plugins)?;
        let mut protocol = load_protocol(if data.is_some() { "paper" } else { "mini" })?;
        protocol.precision = settings.layer.precision.unwrap_or(protocol.precision);
        let (_, weights) = backbone(&settings)?;
        let (root, datasets) = self.open_datasets(&context, &settings)?;
        let plugin = plugins.get(&self.method)?.file.path().to_owned();
        // The process that tried the plugin is no longer needed.
        drop(plugins);
        let pool = settings.pool();
        let lease = pool.as_ref().map(|(folder, budget)| Pool::open(folder, *budget)?.lease(&out));
        let _lease = lease.transpose()?;
        let mut engine = Engine::open(Setup {
            data: root,
            weights,
            weights_config: settings.layer.weights_config,
            plugins: BTreeMap::from([(self.method.clone(), plugin)]),
            few_shot_lists: None,
            store: out.clone(),
            pool,
            contents: settings.contents(),
            device: settings.device().to_owned(),
            precision: protocol.precision,
            memory: None,
            checkpoint_every: Duration::MAX,
            threads: protocol
                .threads
                .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        })?;
        if context.width() != engine.backbone().spec().width {
            return Err(Error::new(format!("the context's vectors have {} numbers each", context.width()))
                .at(&self.context)
                .expected(format!("{}, the width of the backbone's text tower", engine.backbone().spec().width))
                .help("give the checkpoint of CLIP that the context was learned with: --weights NAME=FILE"));
        }
        let mut notes = Vec::new();
        let position = self.assumed_position(&method);
        for dataset in &datasets {
            let names = clean_names(self.classes.class_names(dataset.class_names()));
            let learned_for = context.check(&self.context, engine.backbone(), &names)?;
            let mut told = notes_on(&context, learned_for, dataset.name(), &names);
            told.extend(position.clone());
            for told in &told {
                note(&Error::new(told).at(&self.context));
            }
            notes.push(told);
        }
        let classes = context.classes.as_deref().unwrap_or_default();
        let subject = Subject::Imported { state: engine.store().put_state_of(&context.state(), classes)?, method };
        let backbone = engine.backbone().spec().key();
        for (dataset, notes) in datasets.iter().zip(&notes) {
            let test = self.test_images(&**dataset, settings.layer.limit);
            let images = engine.images(dataset.folder(), &test)?;
            let cell = self.cell(&**dataset, &images, &subject, &protocol, &backbone, settings.layer.limit);
            engine.compute(&cell.clone().into(), &mut |_| {})?;
            let record = engine.store().get::<EvaluationCell>(&cell.id())?;
            let record = record.ok_or_else(|| Error::new("the evaluation left no record").at(&out))?;
            print(&self.line(&record, &context, notes))?;
        }
        Ok(Ending::Done)
    }

    /// The method with the options that follow from the context, and those that the user sets.
    fn method_key(&self, context: &Context, plugins: &mut Plugins) -> Result<MethodKey> {
        let source = plugins.get(&self.method)?.descriptor.source.clone();
        let mut given = Map::from_iter([
            ("n_ctx".to_owned(), json!(context.count())),
            ("csc".to_owned(), json!(context.classes().is_some())),
        ]);
        for (key, value) in &self.set {
            let option = key.strip_prefix(&format!("{}.", self.method)).ok_or_else(|| {
                Error::new(format!("`{key}` is set, but the method is `{}`", self.method))
                    .help("give the method whose option it is with --method NAME")
            })?;
            given.insert(option.to_owned(), value.clone());
        }
        let options = plugins.complete_options(&self.method, &given)?;
        // The method is created in this process next.
        match plugins.take_warnings().pop() {
            Some(warning) => Err(warning),
            None => Ok(MethodKey { id: self.method.clone(), options, source }),
        }
    }

    /// What to say about the class token position. No file of a context gives it, but the user may.
    fn assumed_position(&self, method: &MethodKey) -> Option<String> {
        let option = format!("{}.class_position", self.method);
        let position = method.options.get("class_position")?.as_str()?;
        let is_said = self.set.iter().any(|(key, _)| *key == option);
        (!is_said)
            .then(|| format!("the class token position is taken to be `{position}`; `--set {option}=…` changes it"))
    }

    /// The data root and the data sets, once it is clear that the context fits them and no image is missing.
    fn open_datasets(&self, context: &Context, settings: &Settings) -> Result<(PathBuf, Vec<Box<dyn Dataset>>)> {
        let root = if let Some(root) = &settings.layer.data {
            root.clone()
        } else {
            // A wrong name is reported before the mini suite's data are made.
            let known = Registry::built_in()?;
            self.dataset.iter().try_for_each(|name| known.get(name).map(drop))?;
            mini_root(&settings.out())?
        };
        let registry = Registry::load(&root)?;
        let mut names: Vec<&String> = Vec::new();
        for name in &self.dataset {
            if names.contains(&name) {
                warn(&Error::new(format!("`--dataset` names {name} more than once; it counts once")));
            } else {
                names.push(name);
            }
        }
        let entries = names.into_iter().map(|name| registry.get(name)).collect::<Result<Vec<_>>>()?;
        let datasets = entries.iter().map(|entry| entry.open(&root)).collect::<Result<Vec<_>>>()?;
        for dataset in &datasets {
            self.check(&**dataset, context, settings.layer.limit)?;
        }
        Ok((root, datasets))
    }

    fn check(&self, dataset: &dyn Dataset, context: &Context, limit: Option<u32>) -> Result<()> {
        let all = dataset.class_names().len();
        let classes = self.classes.labels(all).len();
        if let Some(own) = context.classes().filter(|own| *own != classes as i64) {
            return Err(Error::new(format!("the context has vectors of its own for each of {own} classes"))
                .at(&self.context)
                .expected(format!("{classes}, as many as `{}` has here", dataset.name())));
        }
        let test = self.test_images(dataset, limit);
        let missing = missing_images(dataset.folder(), &test)?;
        match missing.first() {
            None => Ok(()),
            Some(first) => {
                Err(Error::new(format!("{} test images of `{}` are missing", missing.len(), dataset.name()))
                    .at(dataset.folder().join(&first.path))
                    .help("`--limit N` needs fewer of them"))
            }
        }
    }

    /// The test images.
    fn test_images(&self, dataset: &dyn Dataset, limit: Option<u32>) -> Vec<Sample> {
        self.classes.samples(&limited_test(dataset, limit), dataset.class_names().len())
    }

    fn cell(
        &self,
        dataset: &dyn Dataset,
        images: &str,
        subject: &Subject,
        protocol: &Protocol,
        backbone: &BackboneKey,
        limit: Option<u32>,
    ) -> EvaluationCell {
        EvaluationCell {
            subject: subject.clone(),
            dataset: dataset.name().to_owned(),
            manifest: manifest_hash(dataset),
            images: images.to_owned(),
            classes: self.classes,
            limit,
            corruption: None,
            epoch: None,
            backbone: backbone.clone(),
            protocol: Map::from_iter([("name".to_owned(), json!(protocol.name))]),
            precision: protocol.precision.to_string(),
            engine: nemesis_core::FINGERPRINT.to_owned(),
        }
    }

    fn line(&self, record: &EvaluationRecord, context: &Context, notes: &[String]) -> String {
        let outcome = &record.outcome;
        let dataset = &record.cell.dataset;
        if self.json {
            let json = json!({
                "dataset": dataset,
                "classes": record.cell.classes,
                "accuracy": outcome.accuracy,
                "correct": outcome.correct,
                "total": outcome.total,
                "context": {"file": file_name(&self.context), "shape": context.vectors.size(), "epoch": context.epoch},
                "notes": notes,
                "record": record.id,
            });
            return format!("{json}\n");
        }
        let id = record.id.short();
        format!("{dataset}\t{:.2}\t{} of {}\t{id}\n", outcome.accuracy, outcome.correct, outcome.total)
    }
}

/// What a user should know about the context on a data set: what was assumed about the file and its classes.
fn notes_on(context: &Context, learned_for: LearnedFor, dataset: &str, names: &[String]) -> Vec<String> {
    let mut notes = context.assumed.clone();
    match learned_for {
        LearnedFor::Others(class) => {
            let here = names.get(class).map_or_else(|| "missing".to_owned(), |name| format!("`{name}`"));
            notes.push(format!(
                "the context was learned for other classes than those of `{dataset}`: class {class}, {here} here, is the \
                 first that differs; its vectors are used with the names of these anyway, as in CoOp's code"
            ));
        }
        LearnedFor::Unknown if context.classes().is_some() => notes.push(format!(
            "the file does not say for which classes it has vectors: they are taken in the order of the classes of \
             `{dataset}`"
        )),
        LearnedFor::These | LearnedFor::Unknown => {}
    }
    notes
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
