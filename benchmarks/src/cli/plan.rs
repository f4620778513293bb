//! `nemesis plan`: shows what a run would do, without doing it.

use super::data::visibly;
use super::run::worker_options;
use super::{Ending, print_json, say, warn};
use crate::estimate::Estimate;
use crate::settings::{Layer, Settings};
use clap::Args;
use nemesis_core::dataset::{Registry, near_match};
use nemesis_core::record::Store;
use nemesis_core::{Result, device};

/// Shows the cells of a run, what is done already, what is missing on disk, and how long the rest would take.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Plan {
    #[command(flatten)]
    options: Layer,
    /// Print the cells and their ids as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nemesis plan
  nemesis plan --data ROOT --weights RN50=RN50.pt --datasets eurosat --shots 16
  nemesis plan --json";

impl Plan {
    pub(super) fn run(&self) -> Result<Ending> {
        let settings = Settings::gather(&self.options)?;
        let plan = crate::plan::Plan::new(&settings, &mut settings.plugins()?, &|text| log!("{text}"))?;
        plan.warnings.iter().for_each(warn);
        plan.left_out_warnings().iter().for_each(warn);
        if self.json {
            print_json(&plan.cells)?;
            return Ok(Ending::Done);
        }
        let store = Store::open(settings.out())?;
        let options = worker_options(&settings, &plan, device::named(settings.device())?);
        print_head(&plan, &options)?;
        print_methods(&plan)?;
        let complete = store.complete()?;
        let (trainings, evaluations) = plan.distinct_cells().partition::<Vec<_>, _>(|cell| cell.is_training());
        for (what, cells) in [("trainings", trainings), ("evaluations", evaluations)] {
            let done = cells.iter().filter(|cell| complete.contains(&cell.id)).count();
            say!("{what:12} {:5} in all, {done} done", cells.len())?;
        }
        for (dataset, images) in &plan.missing {
            say!("missing      {} images of {dataset}, the first is {}", images.len(), images[0].display())?;
            let folder = Registry::load(&plan.data)?.get(dataset)?.path(&plan.data);
            if let Some(near) = near_match(&folder, &images[0]) {
                say!("             on the disk it may be {}", visibly(&near, &images[0]))?;
            }
            say!(
                "             `nemesis data sample --dataset {dataset} --shots N --seed N --missing` lists a training's; \
                 `--limit N` needs fewer test images; `nemesis data check {dataset}` counts all"
            )?;
        }
        say!("{}", Estimate::measure(&plan, &store, &options)?)?;
        Ok(if plan.missing.is_empty() && plan.is_whole() { Ending::Done } else { Ending::WithFailures })
    }
}

fn print_head(plan: &crate::plan::Plan, options: &crate::run::RunOptions) -> Result<()> {
    say!("{}", plan.title)?;
    say!("data         {}", plan.data.display())?;
    say!("backbone     {} ({})", plan.backbone.0, plan.backbone.1.display())?;
    say!("             {}", plan.checkpoint.shape)?;
    say!("             {}", plan.checkpoint.origin)?;
    say!("protocol     {}, {}", plan.protocol.name, plan.protocol.precision)?;
    say!("workers      {} with {} threads each, on {}", options.jobs, options.threads, options.devices.join(", "))?;
    say!("data sets    {}", plan.datasets.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "))?;
    say!(
        "shots        {}",
        plan.shots.iter().map(|shots| nemesis_core::shots::written(*shots)).collect::<Vec<_>>().join(", ")
    )?;
    if plan.initialisations.is_empty() {
        return say!("seeds        {}", list(&plan.seeds));
    }
    say!("seeds        {} of samples × {} of initialisations", list(&plan.seeds), list(&plan.initialisations))
}

/// The options of each method, and where single data sets have others.
fn print_methods(plan: &crate::plan::Plan) -> Result<()> {
    for column in &plan.methods {
        let mut seen = Vec::new();
        for cell in plan.cells.iter().filter(|cell| cell.is_training()) {
            let Some(method) = cell.method().filter(|_| cell.column.as_deref() == Some(&column.label)) else {
                continue;
            };
            if !seen.contains(&&method.options) {
                seen.push(&method.options);
                let options = serde_json::to_string(&method.options).expect("options have string keys");
                let on = if seen.len() == 1 { String::new() } else { format!(" on {}", cell.dataset()) };
                say!("{:12} {options}{on}", column.label)?;
            }
        }
        if !column.protocol.is_empty() {
            say!("{:12} departs from this protocol: {}", "", column.protocol.join("; "))?;
        }
    }
    Ok(())
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
