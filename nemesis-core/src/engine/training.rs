//! A training cell: the few-shot sample, the method on it, and the record of what it has learned.

use super::interruption::Interruption;
use super::{Engine, Notice, clean_names, opened, task, unchanged};
use crate::dataset::Sample;
use crate::interchange::few_shot_lists;
use crate::method::{FeatureSet, Method, Optimisation};
use crate::record::{Machine, Trained, TrainingCell};
use crate::train::{ResolvedProtocol, Seen, Services, Standing, TrainingInputs, batches, train};
use crate::{Error, Result, device};
use serde_json::Value;
use std::time::Instant;
use tch::Tensor;

impl Engine {
    pub(super) fn train(&mut self, cell: &TrainingCell, tell: &mut dyn FnMut(Notice<'_>)) -> Result<()> {
        let (started, machine) = (Instant::now(), self.machine());
        self.enter(&cell.dataset);
        let dataset = opened(&self.registry, &mut self.datasets, &self.setup.data, &cell.dataset, &cell.manifest)?;
        let protocol: ResolvedProtocol = serde_json::from_value(Value::Object(cell.protocol.clone()))
            .map_err(|e| Error::new(format!("the cell's protocol is of another version: {e}")))?;
        let plugin = self.plugins.get(&cell.method)?;
        let needs = plugin.descriptor().needs;
        let classes = dataset.class_names().len();
        let (shots, seeds) = (cell.shots as usize, cell.seeds());
        let lists = self.setup.few_shot_lists.as_deref();
        let drawn = few_shot_lists::sample(dataset, lists, shots, seeds.sample)?;
        let fingerprint =
            lists.and_then(|_| few_shot_lists::fingerprint(dataset, &drawn, shots, seeds.sample, needs.validation));
        if fingerprint != cell.sample {
            return Err(Error::new("a few-shot list changed while the run was going on").help("start the run again"));
        }
        let sample = cell.classes.samples(&drawn.train, classes);
        let validation = if needs.validation { cell.classes.samples(&drawn.val, classes) } else { Vec::new() };
        let images = self.features.images(dataset.folder(), &[&sample[..], &validation].concat())?;
        unchanged(dataset, &cell.images, &images)?;
        let names = clean_names(cell.classes.class_names(dataset.class_names()));
        let prompts = self.backbone.class_prompts(&names, 0)?;
        let (backbone, mixed) = (&*self.backbone, self.mixed.as_deref());
        let services = Services::new(backbone, &prompts, seeds.initialisation, self.recompute, &self.cancelled);
        let services = services.with_mixed(mixed).with_towers(needs);
        let task = task(self.backbone.spec(), names.clone(), dataset.template(), protocol.epochs, self.setup.precision);
        let mut method = plugin.create(&task, &cell.method.options, &services)?;
        let mut interruption = Interruption {
            store: &self.store,
            id: cell.id(),
            machine,
            resumes: plugin.descriptor().resumes && plugin.descriptor().optimisation == Optimisation::Host,
            every: self.setup.checkpoint_every,
            stop: &self.stop,
            started,
            saved: started,
            earlier: 0.0,
        };
        let (resume, mut kept) = interruption.find()?;
        let from = resume.as_ref().map_or(0, |standing| standing.numbers.epochs);

        let (features, folder) = (&mut self.features, dataset.folder());
        let validation = if validation.is_empty() {
            None
        } else {
            let labels = Tensor::from_slice(&labels(&validation).iter().map(|l| i64::from(*l)).collect::<Vec<_>>());
            Some(FeatureSet {
                features: features.test(backbone, folder, &validation)?,
                labels: labels.to_device(backbone.spec().device),
            })
        };
        let pictures = features.pictures(folder, &sample, seeds.sample, protocol.view(0).is_some());
        let trains = mixed.unwrap_or(backbone);
        let mut of_epoch = |epoch: u64| features.training(trains, folder, &sample, seeds.sample, protocol.view(epoch));
        let labels = labels(&sample);
        let optimisation = plugin.descriptor().optimisation;
        let store = &self.store;
        let mut on_epoch = |done: u64, method: &dyn Method, standing: &dyn Fn() -> Standing| {
            if cell.kept_epochs.contains(&done) {
                kept.insert(done, store.put_state_of(&method.state()?, &names)?);
            }
            tell(Notice::Progress(done as f64 / protocol.epochs as f64));
            if done == protocol.epochs { Ok(()) } else { interruption.after_epoch(standing, &kept, tell) }
        };
        let view = |epoch| protocol.view(epoch).unwrap_or(0);
        let run = |seen: &dyn Fn(u64, &[usize]) -> Result<Seen>| {
            let mut inputs = TrainingInputs {
                needs,
                features: &mut of_epoch,
                seen,
                labels: &labels,
                validation,
                seed: seeds.initialisation,
                device: backbone.spec().device,
                resume,
            };
            train(&mut *method, optimisation, &protocol, &mut inputs, &services, &mut on_epoch)
        };
        let epochs = if needs.images() && optimisation == Optimisation::Host {
            let batches = batches(&protocol, seeds.initialisation, sample.len())
                .skip_while(|(epoch, _)| *epoch < from)
                .map(|(epoch, places)| (view(epoch), places));
            pictures.ahead(trains.spec().kind, batches, |ahead| {
                run(&|epoch, places| ahead.see(trains, needs, view(epoch), places))
            })
        } else {
            run(&|epoch, places| pictures.see(trains, needs, view(epoch), places))
        }?;
        for warning in services.take_warnings() {
            tell(Notice::Warning(&warning));
        }
        let earlier = interruption.earlier;
        let mut provenance = self.provenance(Some(&cell.method), started)?;
        provenance.seconds += earlier;
        self.store.put_training(
            cell,
            Trained { epochs, state: &method.state()?, classes: &names, kept },
            provenance,
        )?;
        Ok(())
    }

    /// What a checkpoint says of this process.
    fn machine(&self) -> Machine {
        let device = device::describe(self.backbone.spec().device);
        Machine::here(&device, self.setup.threads, self.recompute.activations())
    }
}

fn labels(samples: &[Sample]) -> Vec<u32> {
    samples.iter().map(|sample| sample.label).collect()
}
