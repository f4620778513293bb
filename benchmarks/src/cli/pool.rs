//! `nemesis pool`: what the feature pool holds, and making room in it.

use super::only::{Keys, Only};
use super::{Ending, print};
use crate::bytes::ByteSize;
use crate::numbers::counted;
use crate::progress::duration;
use clap::{Arg, Args, Subcommand};
use nemesis_core::pool::{PartInfo, Pool, View};
use nemesis_core::{Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::SystemTime;

/// Show what the feature pool holds, or bound its size.
#[derive(Debug, Subcommand)]
pub(super) enum PoolCommand {
    /// List what the pool holds: one line for each list of images, view and backbone.
    #[command(after_help = LIST_EXAMPLES)]
    List(Place),
    /// Remove the features that have been unused for longest until the rest fits, starting with those that no planned
    /// cell needs any more.
    ///
    /// You have to say how much may stay. A pool that a run is using is left alone.
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune {
        #[command(flatten)]
        place: Place,
        /// How much may stay
        #[arg(long, value_name = "SIZE", conflicts_with = "all")]
        budget: Option<ByteSize>,
        /// Remove everything
        #[arg(long)]
        all: bool,
        /// Remove features even while runs use them; these runs then recompute what they need
        #[arg(long)]
        force: bool,
    },
}

/// Which pool is meant.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    options: Only<OfPool>,
}

#[derive(Debug)]
struct OfPool;

impl Keys for OfPool {
    const KEYS: &'static [&'static str] = &["pool"];

    fn adapted(argument: Arg) -> Arg {
        argument.help("The pool's folder [default: that of `nemesis run` with the same settings, out/pool]")
    }
}

const LIST_EXAMPLES: &str = "\
Examples:
  nemesis pool list
  nemesis pool list --pool ~/features";

const PRUNE_EXAMPLES: &str = "\
Examples:
  nemesis pool prune --budget 10GB
  nemesis pool prune --pool ~/features --all";

impl PoolCommand {
    pub(super) fn run(&self) -> Result<Ending> {
        match self {
            Self::List(place) => {
                let (pool, _) = place.open()?;
                print(&listed(&pool.list()?, SystemTime::now()))?;
                for holder in pool.holders()? {
                    print(&format!("in use: {holder}\n"))?;
                }
            }
            Self::Prune { place, budget, all, force } => {
                let (pool, usual) = place.open()?;
                let budget = match budget {
                    Some(budget) => budget.0,
                    None if *all => 0,
                    None => return Err(unasked(&pool, usual, place)?),
                };
                let pruned = pool.prune(budget, *force)?;
                print(&format!("{} removed, {}\n", counted(pruned.parts, "part"), ByteSize(pruned.bytes)))?;
            }
        }
        Ok(Ending::Done)
    }
}

/// The refusal to remove what nobody asked to remove. It says what to ask for.
fn unasked(pool: &Pool, usual: u64, place: &Place) -> Result<Error> {
    let would = |budget: u64| -> Result<String> {
        let pruned = pool.would_prune(budget)?;
        Ok(format!("{}, {}", counted(pruned.parts, "part"), ByteSize(pruned.bytes)))
    };
    let kept = ByteSize(usual).to_string().replace(' ', "");
    Ok(Error::new("nothing was removed, because no limit was given")
        .at(place.folder()?)
        .expected("`--budget SIZE`, or `--all` to remove everything")
        .help(format!(
            "`--budget {kept}`, which is what `nemesis run` keeps, would remove {}; `--all` would remove {}",
            would(usual)?,
            would(0)?
        )))
}

impl Place {
    fn folder(&self) -> Result<PathBuf> {
        Ok(self.options.settings()?.pool_folder())
    }

    /// The pool, and the bytes that a run lets it take.
    fn open(&self) -> Result<(Pool, u64)> {
        let settings = self.options.settings()?;
        let folder = settings.pool_folder();
        if !folder.is_dir() {
            return Err(Error::new("there is no feature pool here")
                .at(&folder)
                .help("name its folder with --pool; `nemesis run` creates one in its output folder"));
        }
        let usual = settings.pool().map_or(0, |(_, budget)| budget);
        Ok((Pool::open(&folder, usual)?, usual))
    }
}

/// The parts of one list of images, in one view, by one backbone.
#[derive(Debug, Default)]
struct Group {
    parts: u64,
    bytes: u64,
    used: Option<SystemTime>,
}

fn listed(parts: &[PartInfo], now: SystemTime) -> String {
    let mut groups: BTreeMap<[String; 4], Group> = BTreeMap::new();
    let mut damaged = Group::default();
    for part in parts {
        let group = match &part.key {
            Some(key) => {
                let view = match key.view {
                    View::Test => "test".to_owned(),
                    View::Train { seed, .. } => format!("training, seed {seed}"),
                };
                let short = |hash: &str| hash.chars().take(8).collect::<String>();
                groups.entry([short(&key.images), short(&key.weights), key.precision.clone(), view]).or_default()
            }
            None => &mut damaged,
        };
        group.parts += 1;
        group.bytes += part.bytes;
        group.used = group.used.max(Some(part.used));
    }
    let head = ["images", "weights", "type", "view", "parts", "size", "last used"].map(str::to_owned);
    let row = |([images, weights, kind, view], group): (&[String; 4], &Group)| {
        let used = group.used.map_or_else(String::new, |used| ago(used, now));
        let [parts, size] = [group.parts.to_string(), ByteSize(group.bytes).to_string()];
        [images.clone(), weights.clone(), kind.clone(), view.clone(), parts, size, used]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(groups.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    if !groups.is_empty() {
        for row in &rows {
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(text, "{cell:width$}  ");
            }
            let _ = writeln!(text, "{}", row[6]);
        }
    }
    if damaged.parts > 0 {
        let _ = writeln!(text, "damaged: {}, {}", counted(damaged.parts, "part"), ByteSize(damaged.bytes));
    }
    let bytes = parts.iter().map(|part| part.bytes).sum();
    let _ = writeln!(text, "{} in all, {}", counted(parts.len() as u64, "part"), ByteSize(bytes));
    text
}

/// How long ago something was used. What no planned cell needs is dated back to the Unix epoch.
fn ago(used: SystemTime, now: SystemTime) -> String {
    if used == SystemTime::UNIX_EPOCH {
        return "released".to_owned();
    }
    format!("{} ago", duration(now.duration_since(used).unwrap_or_default()))
}
