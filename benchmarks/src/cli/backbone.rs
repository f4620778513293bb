//! `nemesis backbone`: OpenAI's checkpoints of CLIP.

use super::fetch::metered;
use super::{Ending, print};
use crate::fetch::{Backbone as Known, Origin, fetch_backbone};
use clap::Subcommand;
use nemesis_core::Result;
use std::path::PathBuf;

/// Lists and fetches OpenAI's checkpoints of CLIP.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Backbone {
    /// List the checkpoints that can be fetched.
    List,
    /// Download a checkpoint, or go on with a download that broke off. Its SHA-256 is checked.
    #[command(after_help = EXAMPLES)]
    Fetch {
        /// OpenAI's name of it, as `nemesis backbone list` prints it; ViT-B-16 is ViT-B/16
        #[arg(value_name = "NAME")]
        name: String,
        /// The folder that it goes to
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
        /// Take the file from a folder or a mirror instead, where it has the name that OpenAI gave it
        #[arg(long, value_name = "URL|DIR")]
        from: Option<String>,
    },
}

const EXAMPLES: &str = "\
Examples:
  nemesis backbone list
  nemesis backbone fetch RN50 --out weights
  nemesis backbone fetch ViT-B/16 --out weights --from ~/Downloads
  nemesis run --data ROOT --weights RN50=weights/RN50.pt

Proxies are taken from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.";

impl Backbone {
    pub(super) fn run(&self) -> Result<Ending> {
        match self {
            Self::List => {
                let lines = Known::all().map(|backbone| format!("{:15} {}\n", backbone.0.name, backbone.0.file));
                print(&lines.collect::<String>())?;
            }
            Self::Fetch { name, out, from } => {
                let (backbone, origin) = (Known::find(name)?, Origin::from_option(from.as_deref())?);
                let file = metered(|listen| fetch_backbone(&backbone, out, &origin, listen))
                    .map_err(|e| e.context(format!("cannot fetch {}", backbone.0.name)))?;
                // A name of `--weights` is the user's own; a slash in it would only be in the way.
                let short = backbone.0.name.replace(['/', '@'], "-");
                print(&format!(
                    "{}: as OpenAI published it\nuse it with --weights {short}={}\n",
                    file.display(),
                    file.display()
                ))?;
            }
        }
        Ok(Ending::Done)
    }
}
