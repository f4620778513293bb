//! In what a method's protocol differs from the run's, in words for under a table.

use super::Protocol;
use super::resolved::{BETAS, EPS};
use crate::method::{
    Augmentation, AverageKind, Epochs, GroupPatch, OptimiserKind, ScheduleKind, ScheduleUnit, WarmupKind,
};

impl Protocol {
    /// In what this protocol trains otherwise than `usual`, one phrase each: `batch size 128`, `100 epochs`.
    pub fn differences(&self, usual: &Self) -> Vec<String> {
        let phrases = [Self::optimiser_words, Self::rate_words, Self::weight_decay_words, Self::clip_words].into_iter();
        let phrases = phrases.chain([Self::schedule_words, Self::warmup_words, Self::batch_words, Self::last_words]);
        let phrases = phrases.chain([Self::length_words, Self::view_words, Self::average_words]);
        let own = phrases.filter_map(|words| Some(words(self)).filter(|own| *own != words(usual)));
        own.chain(self.group_words(usual)).collect()
    }

    fn optimiser_words(&self) -> String {
        match self.optimiser {
            OptimiserKind::Sgd => {
                let momentum = self.momentum.unwrap_or(0.0);
                let dampening = self.dampening.filter(|dampening| *dampening != 0.0);
                let dampening = dampening.map(|dampening| format!(", dampening {dampening}")).unwrap_or_default();
                let rule = if self.nesterov == Some(true) { ", Nesterov's rule" } else { "" };
                format!("SGD with momentum {momentum}{dampening}{rule}")
            }
            OptimiserKind::Adam | OptimiserKind::AdamW => {
                let name = if self.optimiser == OptimiserKind::Adam { "Adam" } else { "AdamW" };
                let mut more = Vec::new();
                if let Some([first, second]) = self.betas.filter(|betas| *betas != BETAS) {
                    more.push(format!("betas {first} and {second}"));
                }
                more.extend(self.eps.filter(|eps| *eps != EPS).map(|eps| format!("eps {}", number(eps))));
                if self.amsgrad == Some(true) {
                    more.push("AMSGrad".to_owned());
                }
                if more.is_empty() { name.to_owned() } else { format!("{name} ({})", more.join(", ")) }
            }
        }
    }

    fn rate_words(&self) -> String {
        format!("learning rate {}", number(self.learning_rate))
    }

    fn weight_decay_words(&self) -> String {
        format!("weight decay {}", number(self.weight_decay))
    }

    fn clip_words(&self) -> String {
        self.clip_norm.map_or_else(
            || "gradients not clipped".to_owned(),
            |norm| format!("gradients clipped to the norm {}", number(norm)),
        )
    }

    fn schedule_words(&self) -> String {
        let unit = |count: u64| match (self.schedule_unit.unwrap_or_default(), count) {
            (ScheduleUnit::Epoch, 1) => "epoch",
            (ScheduleUnit::Epoch, _) => "epochs",
            (ScheduleUnit::Step, 1) => "step",
            (ScheduleUnit::Step, _) => "steps",
        };
        match self.schedule.unwrap_or_default() {
            ScheduleKind::Constant => "a constant rate".to_owned(),
            ScheduleKind::Cosine => {
                let end = number(self.minimum_learning_rate.unwrap_or(0.0));
                format!("a cosine to {end}, set every {}", unit(1))
            }
            ScheduleKind::Step => {
                let factor = number(self.gamma.unwrap_or(1.0));
                match (&self.milestones, self.step_size) {
                    (Some(milestones), _) => {
                        let all: Vec<String> = milestones.iter().map(u64::to_string).collect();
                        format!("the rate times {factor} after {} {}", all.join(", "), unit(0))
                    }
                    (None, size) => {
                        let size = size.unwrap_or(0);
                        format!("the rate times {factor} every {size} {}", unit(size))
                    }
                }
            }
        }
    }

    fn warmup_words(&self) -> String {
        let plural = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
        let length = match (self.warmup_epochs.unwrap_or(0), self.warmup_steps.unwrap_or(0)) {
            (0, 0) => return "no warm-up".to_owned(),
            (0, steps) => plural(steps, "step"),
            (epochs, _) => plural(epochs, "epoch"),
        };
        let rate = number(self.warmup_learning_rate.unwrap_or(0.0));
        match self.warmup.unwrap_or_default() {
            WarmupKind::Constant => format!("a warm-up of {length} at {rate}"),
            WarmupKind::Linear => format!("a linear warm-up of {length} from {rate}"),
        }
    }

    fn batch_words(&self) -> String {
        format!("batch size {}", self.batch_size)
    }

    fn last_words(&self) -> String {
        let last = if self.drop_last.unwrap_or(true) { "dropped" } else { "used" };
        format!("partial last batches {last}")
    }

    fn length_words(&self) -> String {
        if let Some(steps) = self.steps {
            return format!("{steps} steps");
        }
        if let Some(steps) = self.steps_per_shot {
            return format!("{steps} steps per shot");
        }
        let Epochs(epochs) = &self.epochs;
        let usual = if let [epochs] =
            epochs.values().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()[..]
        {
            if *epochs == 1 { "1 epoch".to_owned() } else { format!("{epochs} epochs") }
        } else {
            let items: Vec<String> = epochs.iter().map(|(shots, epochs)| format!("{shots}: {epochs}")).collect();
            format!("epochs by shots {{{}}}", items.join(", "))
        };
        let others = self.epochs_by_dataset.iter().map(|(dataset, epochs)| format!("{epochs} on {dataset}"));
        std::iter::once(usual).chain(others).collect::<Vec<_>>().join(", ")
    }

    fn view_words(&self) -> String {
        match (self.augmentation.unwrap_or_default(), self.views) {
            (Augmentation::None, _) => "no augmentation".to_owned(),
            (Augmentation::CropsAndFlips, None) => "a new view of each image in every epoch".to_owned(),
            (Augmentation::CropsAndFlips, Some(views)) => format!("{views} views of each image"),
        }
    }

    fn average_words(&self) -> String {
        let number = |value: Option<f64>| number(value.unwrap_or(0.0));
        match self.average.unwrap_or_default() {
            AverageKind::None => "no average over epochs".to_owned(),
            AverageKind::Moving => format!("a moving average over epochs (decay {})", number(self.average_decay)),
            AverageKind::Gaussian => format!(
                "a Gaussian average over epochs (mean {}, deviation {})",
                number(self.average_mean),
                number(self.average_deviation)
            ),
        }
    }

    fn group_words<'a>(&'a self, usual: &'a Self) -> impl Iterator<Item = String> + 'a {
        let changed = self.groups.iter().filter(|(name, group)| usual.groups.get(*name) != Some(group));
        changed.map(|(name, group)| {
            let GroupPatch { optimiser, lr_scale, weight_decay, momentum, betas, eps } = group;
            let mut settings = Vec::new();
            settings.extend(optimiser.map(|optimiser| match optimiser {
                OptimiserKind::Sgd => "SGD".to_owned(),
                OptimiserKind::Adam => "Adam".to_owned(),
                OptimiserKind::AdamW => "AdamW".to_owned(),
            }));
            settings.extend(lr_scale.map(|scale| format!("learning rate times {}", number(scale))));
            settings.extend(weight_decay.map(|decay| format!("weight decay {}", number(decay))));
            settings.extend(momentum.map(|momentum| format!("momentum {}", number(momentum))));
            settings.extend(betas.map(|[first, second]| format!("betas {first} and {second}")));
            settings.extend(eps.map(|eps| format!("eps {}", number(eps))));
            format!("{name}: {}", settings.join(", "))
        })
    }
}

/// A number as a person writes it.
fn number(number: f64) -> String {
    if number != 0.0 && !(1e-3..1e6).contains(&number.abs()) { format!("{number:e}") } else { number.to_string() }
}
