//! The texts that a classifier learns from.

use nemesis_sdk::random::permutation;
use nemesis_sdk::tch::{Kind, Tensor};
use nemesis_sdk::templates::{Templates, features_of_prompts};
use nemesis_sdk::{FeatureSet, Host, Result, Task};
use std::cell::OnceCell;

/// The texts of all classes, encoded when they are first asked for.
#[derive(Debug)]
pub(crate) struct Texts {
    templates: Templates,
    class_names: Vec<String>,
    /// The data set's own template.
    single: String,
    encoded: OnceCell<Encoded>,
}

#[derive(Debug)]
struct Encoded {
    /// Class by class, not normalised, with their labels.
    all: FeatureSet,
    /// The mean of each class's texts `[classes, embed_dim]`.
    means: Tensor,
}

impl Texts {
    /// The texts of a task; nothing is encoded yet.
    pub(crate) fn new(task: &Task, templates: &Templates) -> Self {
        Self {
            templates: templates.clone(),
            class_names: task.class_names.clone(),
            single: task.template.clone(),
            encoded: OnceCell::new(),
        }
    }

    fn encoded(&self, host: &dyn Host) -> Result<&Encoded> {
        if let Some(known) = self.encoded.get() {
            return Ok(known);
        }
        let by_class = features_of_prompts(&self.templates.prompts(&self.class_names, &self.single)?, host)?;
        let labels = by_class
            .iter()
            .zip(0i64..)
            .map(|(own, label)| own.f_new_full([own.size()[0]], label, (Kind::Int64, own.device())));
        let means = by_class.iter().map(|own| own.mean_dim([0i64].as_slice(), false, None::<Kind>));
        let encoded = Encoded {
            means: Tensor::f_stack(&means.collect::<Vec<_>>(), 0)?,
            all: FeatureSet {
                labels: Tensor::f_cat(&labels.collect::<std::result::Result<Vec<_>, _>>()?, 0)?,
                features: Tensor::f_cat(&by_class, 0)?,
            },
        };
        Ok(self.encoded.get_or_init(|| encoded))
    }

    /// The mean of each class's texts `[classes, embed_dim]`, which are not normalised.
    pub(crate) fn means(&self, host: &dyn Host) -> Result<&Tensor> {
        Ok(&self.encoded(host)?.means)
    }

    /// The texts of a step, as many as there are images, or all if there are fewer.
    pub(crate) fn batch(&self, step: u64, images: i64, host: &dyn Host) -> Result<FeatureSet> {
        let FeatureSet { features, labels } = &self.encoded(host)?.all;
        let count = labels.size()[0].max(0) as usize;
        let size = (images.max(0) as usize).min(count).max(1);
        // A last, smaller batch is left out, as the authors' loader does (`drop_last`).
        let batches = (count / size).max(1) as u64;
        let order = permutation(count, |bits| host.random("texts", step / batches, bits));
        let first = (step % batches) as usize * size;
        let rows: Vec<i64> = order[first..first + size].iter().map(|row| *row as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(features.device());
        Ok(FeatureSet { features: features.f_index_select(0, &rows)?, labels: labels.f_index_select(0, &rows)? })
    }
}
