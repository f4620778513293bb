//! The cells of a plan: trainings and the evaluations behind them, with every option settled.

use super::planned::{Drawn, EvaluationRecipe, TrainingRecipe};
use super::protocols::{PREFIX, of_entry};
use super::seen::Seen;
use super::test_set::TestSet;
use super::{Column, PlannedCell, datasets};
use crate::descriptions::{DESCRIPTIONS, Descriptions};
use crate::plugins::Plugins;
use crate::settings::Settings;
use crate::suite::{MethodEntry, Suite, line_of_key};
use crate::tables::{Kind, Variant};
use crate::zero_shot::ZeroShot;
use nemesis_core::dataset::{ClassSubset, Dataset, Sample};
use nemesis_core::interchange::few_shot_lists;
use nemesis_core::method::{Descriptor, Optimisation};
use nemesis_core::record::{BackboneKey, EvaluationCell, MethodKey, Subject, TrainingCell};
use nemesis_core::seeds::Seeds;
use nemesis_core::shots::{ALL_SHOTS, in_words};
use nemesis_core::train::{Protocol, ResolvedProtocol};
use nemesis_core::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What makes the cells of one method on samples of one size.
struct MethodRecipe {
    training: TrainingRecipe,
    /// The evaluations on each test set.
    evaluations: Vec<Vec<EvaluationRecipe>>,
}

/// The place of a method's column, and the number of images in the sample, which may differ between lists.
type RecipeKey = (usize, u64);

/// The recipes of one data set and number of shots.
type Recipes = HashMap<RecipeKey, MethodRecipe>;

/// Collects the cells of one data set after the other.
pub(super) struct Cells<'a> {
    settings: &'a Settings,
    plugins: &'a mut Plugins,
    /// The run's.
    protocol: &'a Protocol,
    entries: &'a [MethodEntry],
    columns: &'a [Column],
    descriptions: &'a Descriptions,
    /// What the cells see.
    pub(super) seen: Seen<'a>,
    /// The backbone, which is known later than the rest.
    pub(super) backbone: BackboneKey,
    /// The positions of its text tower, start and end included; known as late.
    pub(super) positions: usize,
    /// The methods that read the suite's descriptions.
    pub(super) readers: BTreeSet<String>,
    /// What the user should know of the data sets.
    pub(super) remarks: Vec<Error>,
    /// What is to be said of them under the table.
    pub(super) notes: Vec<String>,
    /// The labels of the methods of which was told that they only warm up.
    warming_up: BTreeSet<String>,
    /// The labels of the methods that cannot classify all that is tested, each with what it learns for each class.
    pub(super) left_out: Vec<(String, String)>,
    /// The cells so far, evaluations behind their trainings.
    pub(super) planned: Vec<PlannedCell>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        plugins: &'a mut Plugins,
        protocol: &'a Protocol,
        entries: &'a [MethodEntry],
        columns: &'a [Column],
        descriptions: &'a Descriptions,
        seen: Seen<'a>,
    ) -> Self {
        Self {
            settings,
            plugins,
            protocol,
            entries,
            columns,
            descriptions,
            seen,
            backbone: BackboneKey { weights: String::new(), assumed: None },
            positions: 0,
            readers: BTreeSet::new(),
            remarks: Vec::new(),
            notes: Vec::new(),
            warming_up: BTreeSet::new(),
            left_out: Vec::new(),
            planned: Vec::new(),
        }
    }

    /// Has every method judge its options for every data set and all shots.
    pub(super) fn check_options(&mut self, datasets: &[String], shots: &[u32]) -> Result<()> {
        let mut places = datasets.iter().flat_map(|dataset| shots.iter().map(move |shots| (dataset.as_str(), *shots)));
        places.try_for_each(|place| self.methods_at(place).map(drop))
    }

    /// The methods at a data set and shots, each with its protocol there.
    fn methods_at(&mut self, place: (&str, u32)) -> Result<Vec<(MethodKey, Protocol)>> {
        let entries = self.entries;
        let with_protocol = |entry| {
            let protocol = self.protocol_at(entry, place)?;
            Ok((self.method_key(entry, &protocol, place)?, protocol))
        };
        entries.iter().map(with_protocol).collect()
    }

    /// The protocol of an entry at a data set and shots.
    fn protocol_at(&mut self, entry: &MethodEntry, place: (&str, u32)) -> Result<Protocol> {
        let published = &self.plugins.get(&entry.method)?.descriptor.protocol;
        of_entry(self.settings, self.protocol, entry, published, |single| single.applies(Some(place)))
    }

    /// Leaves out the methods that learn something for each class if classes are tested that were not trained on.
    pub(super) fn leave_out_fixed_classes(
        &mut self,
        table: &dyn Kind,
        sources: &[Box<dyn Dataset>],
        targets: &[Box<dyn Dataset>],
        shots: &[u32],
    ) -> Result<()> {
        let differs = |source: &dyn Dataset| targets.iter().any(|target| target.class_names() != source.class_names());
        if table.class_subsets().len() < 2 && !sources.iter().any(|source| differs(&**source)) {
            return Ok(());
        }
        for (source, shots) in sources.iter().flat_map(|source| shots.iter().map(move |shots| (source, *shots))) {
            let methods = self.methods_at((source.name(), shots))?;
            for ((method, _), column) in methods.iter().zip(self.columns) {
                let Some(tensor) = self.plugins.by_class(&method.id, &method.options) else { continue };
                if self.left_out.iter().all(|(label, _)| *label != column.label) {
                    self.left_out.push((column.label.clone(), tensor.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Adds the cells of a data set: for each few-shot sample all trainings, then their evaluations, one test set
    /// after the other, so that a worker opens each once.
    pub(super) fn add_dataset(
        &mut self,
        dataset: &dyn Dataset,
        targets: &[Box<dyn Dataset>],
        suite: &Suite,
        shots: &[u32],
        seeds: &[Seeds],
    ) -> Result<()> {
        let table = suite.table.kind();
        let test_sets: Vec<TestSet<'_>> = std::iter::once(dataset)
            .chain(targets.iter().map(|target| &**target))
            .flat_map(|dataset| table.class_subsets().iter().map(move |subset| (dataset, *subset)))
            .map(|(dataset, classes)| TestSet::new(dataset, classes, self.settings.layer.limit, &mut self.seen))
            .collect::<Result<_>>()?;
        let methods: BTreeMap<u32, Vec<(MethodKey, Protocol)>> = (shots.iter())
            .map(|shots| Ok((*shots, self.methods_at((dataset.name(), *shots))?)))
            .collect::<Result<_>>()?;
        let reads = |(method, _): &(MethodKey, Protocol)| method.options.values().any(Value::is_object);
        if !self.readers.is_empty() && methods.values().flatten().any(reads) {
            test_sets.iter().try_for_each(|test| self.descriptions.check_classes(dataset.name(), test.dataset))?;
        }
        self.check(&test_sets, methods.values().flatten().map(|(method, _)| method), &suite.zero_shot)?;
        for prompts in &suite.zero_shot.0 {
            for test in &test_sets {
                let label = prompts.label().map(Arc::from);
                let subject = match prompts.subject(test.dataset) {
                    None => self.descriptions.subject(test.dataset, test.classes)?,
                    hand_written => hand_written,
                };
                if let Some(subject) = subject {
                    let cell = self.evaluation(test, subject, Variant::default());
                    self.planned.push(EvaluationRecipe::new(cell, label, test.count).with(None));
                }
            }
        }
        for &shots in shots {
            let mut recipes = Recipes::new();
            for &seeds in seeds {
                let trainings =
                    self.add_trainings(&test_sets, &methods[&shots], table, (shots, seeds), &mut recipes)?;
                for test in 0..test_sets.len() {
                    for (key, drawn) in &trainings {
                        let recipes = recipes.get_mut(key).into_iter().flat_map(|recipe| &mut recipe.evaluations[test]);
                        self.planned.extend(recipes.map(|recipe| recipe.with(Some(drawn))));
                    }
                }
            }
        }
        Ok(())
    }

    /// Refuses data sets that would fail or say nothing, and takes down what is odd about them.
    fn check<'m>(
        &mut self,
        test_sets: &[TestSet<'_>],
        methods: impl Iterator<Item = &'m MethodKey>,
        zero_shot: &ZeroShot,
    ) -> Result<()> {
        let vectors = methods.filter_map(|method| method.options.get("n_ctx")?.as_u64()).max().unwrap_or(0);
        for test in test_sets {
            datasets::check_test_set(test)?;
            datasets::check_lengths(test.dataset, vectors, zero_shot, self.positions)?;
            self.descriptions.check_lengths(test.dataset.name(), self.positions)?;
            for remark in test.dataset.remarks() {
                let remark = remark.clone().context(format_args!("`{}`", test.dataset.name()));
                if !self.remarks.contains(&remark) {
                    self.remarks.push(remark);
                }
            }
        }
        Ok(())
    }

    /// Adds a training of each method on one few-shot sample of the classes that the first test set tells apart, and
    /// returns what made them, by its key among the recipes, and the sample.
    fn add_trainings(
        &mut self,
        test_sets: &[TestSet<'_>],
        methods: &[(MethodKey, Protocol)],
        table: &dyn Kind,
        (shots, seeds): (u32, Seeds),
        recipes: &mut Recipes,
    ) -> Result<Vec<(RecipeKey, Arc<Drawn>)>> {
        let TestSet { dataset, classes, .. } = test_sets[0];
        let lists = self.settings.layer.few_shot_lists.as_deref();
        let sample = few_shot_lists::sample(dataset, lists, shots as usize, seeds.sample)?;
        let fingerprint = |validation| {
            lists.and_then(|_| few_shot_lists::fingerprint(dataset, &sample, shots as usize, seeds.sample, validation))
        };
        let of_classes = |samples| classes.samples(samples, dataset.class_names().len());
        let train = of_classes(&sample.train);
        let count = train.len() as u64;
        self.remark_on(&train, dataset, classes, shots)?;
        let mut trainings = Vec::with_capacity(methods.len());
        let mut looked_at: BTreeMap<bool, Arc<Drawn>> = BTreeMap::new();
        let columns = self.columns;
        for (place, ((method, protocol), column)) in methods.iter().zip(columns).enumerate() {
            if self.left_out.iter().any(|(label, _)| *label == column.label) {
                continue;
            }
            let resolved = |protocol: &Protocol| {
                let resolved = protocol.resolve(dataset.name(), shots, count);
                resolved.map_err(|error| error.context(format_args!("{}", column.label)))
            };
            let key = (place, count);
            if let Entry::Vacant(recipe) = recipes.entry(key) {
                let resolved = resolved(protocol)?;
                self.remark_on_warmup(method, &column.label, &resolved, (dataset.name(), shots, count))?;
                recipe.insert(self.recipe(test_sets, (method, column), &resolved, table, (shots, count))?);
            }
            let validation = self.plugins.get(&method.id)?.descriptor.needs.validation;
            if validation && few_shot_lists::lacks_validation(dataset, &sample) {
                let what = format!(
                    "`{}` looks at validation images, and the few-shot list of `{}`",
                    method.id,
                    dataset.name()
                );
                return Err(Error::new(format!("{what}, {} and seed {} names none", in_words(shots), seeds.sample))
                    .help("leave the method out with `--methods`, or add the images under `val`"));
            }
            // Methods that look at the same images share the reading of them.
            let drawn = if let Some(drawn) = looked_at.get(&validation) {
                Arc::clone(drawn)
            } else {
                let more = if validation { of_classes(&sample.val) } else { Vec::new() };
                let images = self.seen.images(dataset, &train.iter().chain(&more).collect::<Vec<_>>())?;
                let drawn = Arc::new(Drawn { seeds, images, sample: fingerprint(validation) });
                looked_at.insert(validation, Arc::clone(&drawn));
                drawn
            };
            let recipe = recipes.get_mut(&key).map(|recipe| recipe.training.with(&drawn));
            self.planned.extend(recipe);
            trainings.push((key, drawn));
        }
        Ok(trainings)
    }

    /// Refuses an empty few-shot sample, and takes down that one is smaller than was asked for.
    fn remark_on(&mut self, train: &[Sample], dataset: &dyn Dataset, classes: ClassSubset, shots: u32) -> Result<()> {
        datasets::check_training_set(train.len() as u64, dataset, classes)?;
        if shots != ALL_SHOTS && datasets::is_exhausted(train, shots) {
            let note = format!(
                "no class of `{}` has {shots} training images: all there are count as {shots} shots",
                dataset.name()
            );
            if !self.notes.contains(&note) {
                self.remarks.push(Error::new(&note));
                self.notes.push(note);
            }
        }
        self.remarks.extend(datasets::some_exhausted(dataset, train, shots).filter(|it| !self.remarks.contains(it)));
        Ok(())
    }

    /// Takes down, once for each column, that a method is trained no longer than it warms up.
    fn remark_on_warmup(
        &mut self,
        method: &MethodKey,
        label: &str,
        protocol: &ResolvedProtocol,
        (dataset, shots, images): (&str, u32, u64),
    ) -> Result<()> {
        let is_trained = self.plugins.get(&method.id)?.descriptor.optimisation == Optimisation::Host;
        if is_trained && protocol.only_warms_up(images) && self.warming_up.insert(label.to_owned()) {
            let what = format!(
                "the training of `{label}` is no longer than its warm-up, so that it never reaches its learning rate: \
                 `{dataset}`, {}",
                in_words(shots)
            );
            let help = format!("`--set {}.protocol.warmup_epochs=0` trains it without a warm-up", method.id);
            self.remarks.push(Error::new(what).help(help));
        }
        Ok(())
    }

    /// What a method's cells on samples of so many images have in common.
    fn recipe(
        &self,
        test_sets: &[TestSet<'_>],
        (method, column): (&MethodKey, &Column),
        protocol: &ResolvedProtocol,
        table: &dyn Kind,
        (shots, count): (u32, u64),
    ) -> Result<MethodRecipe> {
        let trained_on = &test_sets[0];
        let training = TrainingCell {
            dataset: trained_on.dataset.name().to_owned(),
            manifest: trained_on.manifest.clone(),
            images: String::new(),
            classes: trained_on.classes,
            method: method.clone(),
            backbone: self.backbone.clone(),
            shots,
            seed: 0,
            initialisation: None,
            protocol: to_map(protocol),
            precision: self.protocol.precision.to_string(),
            engine: nemesis_core::FINGERPRINT.to_owned(),
            kept_epochs: table.kept_epochs(protocol.epochs),
            sample: None,
        };
        // A protocol may have fewer epochs than the table looks at.
        let is_kept = |variant: &Variant| variant.epoch.is_none_or(|epoch| training.kept_epochs.contains(&epoch));
        let variants: Vec<Variant> = table.variants(method)?.into_iter().filter(is_kept).collect();
        let label: Arc<str> = column.label.as_str().into();
        let evaluations = test_sets.iter().map(|test| {
            let of_variant = |variant: &Variant| {
                let subject = Subject::Training { cell: Box::new(training.clone()) };
                let cell = self.evaluation(test, subject, *variant);
                EvaluationRecipe::new(cell, Some(Arc::clone(&label)), test.count)
            };
            variants.iter().map(of_variant).collect()
        });
        let evaluations = evaluations.collect();
        let work = (count * protocol.views, protocol.total_steps(count));
        Ok(MethodRecipe { evaluations, training: TrainingRecipe::new(training, label, work) })
    }

    fn evaluation(&self, test: &TestSet<'_>, subject: Subject, variant: Variant) -> EvaluationCell {
        let of_training = subject.training().and_then(|training| training.protocol.get("name").cloned());
        let name = of_training.unwrap_or_else(|| Value::from(self.protocol.name.as_str()));
        EvaluationCell {
            subject,
            dataset: test.dataset.name().to_owned(),
            manifest: test.manifest.clone(),
            images: test.images.to_string(),
            classes: test.classes,
            limit: self.settings.layer.limit,
            corruption: variant.corruption,
            epoch: variant.epoch,
            backbone: self.backbone.clone(),
            // Nothing else of the protocol changes an evaluation but its precision, which has a field of its own.
            protocol: Map::from_iter([("name".to_owned(), name)]),
            precision: self.protocol.precision.to_string(),
            engine: nemesis_core::FINGERPRINT.to_owned(),
        }
    }

    /// A method's options from all sources: its own defaults ← protocol ← as published for the place ← protocol for the
    /// method ← suite ← suite for the data set ← sweep ← `--set`.
    fn method_key(&mut self, entry: &MethodEntry, protocol: &Protocol, place: (&str, u32)) -> Result<MethodKey> {
        let descriptor = self.plugins.get(&entry.method)?.descriptor.clone();
        let known = |option: &str| descriptor.options.iter().any(|schema| schema.name == option);
        let mut given: Map<String, Value> =
            protocol.method_options.iter().filter(|(option, _)| known(option)).map(clone_pair).collect();
        given.extend(entry.published_at(Some(place)).flat_map(|settings| &settings.options).map(clone_pair));
        given.extend(self.protocol.methods.get(&entry.method).into_iter().flat_map(|own| &own.options).map(clone_pair));
        given.extend(entry.options.iter().map(clone_pair));
        given.extend(entry.options_by_dataset.get(place.0).into_iter().flatten().map(clone_pair));
        given.extend(entry.sweep.iter().map(clone_pair));
        given.extend(overrides(self.settings, &entry.method));
        for schema in descriptor.options.iter().filter(|schema| schema.kind.contains("`descriptions`")) {
            if let Some(value) = given.get_mut(&schema.name).filter(|value| **value == DESCRIPTIONS) {
                *value = self.descriptions.option(place.0, &format!("{}.{}", entry.method, schema.name))?;
                self.readers.insert(entry.method.clone());
            }
        }
        let options = self
            .plugins
            .complete_options(&entry.method, &given)
            .map_err(|error| self.place_option_error(error, &entry.method, &descriptor, &given))?;
        Ok(MethodKey { id: entry.method.clone(), options, source: descriptor.source })
    }

    /// Adds the place to an error about an option, as far as a file is to blame.
    fn place_option_error(
        &self,
        error: Error,
        method: &str,
        descriptor: &Descriptor,
        given: &Map<String, Value>,
    ) -> Error {
        let about = |option: &&String| error.option() == Some(&format!("{method}.{option}"));
        let Some(option) = given.keys().find(about) else { return error };
        let known: Vec<&str> = descriptor.options.iter().map(|schema| schema.name.as_str()).collect();
        if self.settings.set.contains_key(&format!("{method}.{option}")) {
            let from_file = self.settings.user_file.as_ref().and_then(|source| {
                line_of_key(&source.text, "set", &format!("{method}.{option}")).map(|line| (source.file.clone(), line))
            });
            return match from_file {
                Some((file, line)) => error.at(file).line(line),
                None => error.help(format!("`--set {method}.{option}=…`; the options are: {}", known.join(", "))),
            };
        }
        match line_of_key(&self.settings.suite.text, &format!("method: {method}"), option) {
            Some(line) => error.at(&self.settings.suite.file).line(line),
            None => error,
        }
    }
}

/// The options given apart from the suite, as `METHOD.OPTION`.
pub(super) fn overrides(settings: &Settings, method: &str) -> Map<String, Value> {
    let of_method = |(key, value): (&String, &Value)| {
        let (id, option) = key.split_once('.')?;
        (id == method && !option.starts_with(PREFIX)).then(|| (option.to_owned(), value.clone()))
    };
    settings.set.iter().filter_map(of_method).collect()
}

fn to_map<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        other => unreachable!("a protocol is a struct with string keys, not {other:?}"),
    }
}

fn clone_pair((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}
