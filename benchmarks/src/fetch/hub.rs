//! Checkpoints of `open_clip` on the Hugging Face hub, as `backbones.yaml` lists them.

use super::Listener;
use super::backbones::Fetched;
use super::checksum::{Checksum, Unpublished};
use super::origin::{Origin, Supply};
use nemesis_core::backbone::{Activation, Assumption, Config};
use nemesis_core::dataset::{Hex, Source, Url};
use nemesis_core::error::Kind;
use nemesis_core::image::ResizeMode;
use nemesis_core::{Error, Result, files, yaml};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const LIST: &str = include_str!("../../../backbones.yaml");

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hub {
    /// The address that repositories lie under.
    address: String,
    config: String,
    weights: Vec<String>,
    checkpoints: Vec<Hosted>,
}

/// A checkpoint on the hub.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hosted {
    /// By what it is fetched.
    pub(super) name: String,
    /// The repository that holds it.
    pub(super) repository: String,
    /// Whether it was trained with `QuickGELU`.
    quick_gelu: bool,
    /// How images are prepared; as for OpenAI's models where it is left out. Mean and deviation are those of all colours.
    resize_mode: Option<ResizeMode>,
    mean: Option<f64>,
    std: Option<f64>,
    /// Published sums of files.
    #[serde(default)]
    pub(super) sha256: BTreeMap<String, Hex<32>>,
}

fn hub() -> &'static Hub {
    static HUB: OnceLock<Hub> = OnceLock::new();
    HUB.get_or_init(|| yaml::parse(LIST, Path::new("backbones.yaml")).expect("the list is well-formed"))
}

impl Hosted {
    /// All that are listed.
    pub(super) fn all() -> &'static [Self] {
        &hub().checkpoints
    }

    /// Fetches configuration and weights into a folder.
    pub(super) fn fetch(&self, folder: &Path, origin: &Origin, listen: Listener<'_>) -> Result<Fetched> {
        let supply = Supply::new(origin);
        let config = folder.join(&hub().config);
        if !files::exists(&config)? {
            supply.place(&self.source(&hub().config), &config, listen)?;
        }
        let found = config.display().to_string().parse::<Assumption>().map_err(|e| {
            e.context("the configuration is not one of this model")
                .help("it may be a server's message: remove the file, and fetch it again")
        })?;
        self.check(found.config()).map_err(|e| e.at(&config))?;

        let weights = self.weights(folder, &supply, listen)?;
        let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sum = match self.sha256.get(&name) {
            Some(sum) => {
                Checksum::Sha256(sum.as_str().to_owned()).check(&weights).map_err(|e| e.help(AGAIN))?;
                format!("{name} as published, by its SHA-256")
            }
            None => Unpublished::of(&weights, folder, &name).map_err(|e| e.at(&weights).help(AGAIN))?.keep()?,
        };
        let said = vec![
            format!("{name} and {} of {}", hub().config, self.repository),
            format!("computes {}", found.config()),
            sum,
        ];
        Ok(Fetched { weights: folder.to_owned(), said })
    }

    /// The weights in the folder, which are fetched if they are not there.
    fn weights(&self, folder: &Path, supply: &Supply<'_>, listen: Listener<'_>) -> Result<PathBuf> {
        let mut last = None;
        for name in &hub().weights {
            let file = folder.join(name);
            if files::exists(&file)? {
                return Ok(file);
            }
        }
        for name in &hub().weights {
            let file = folder.join(name);
            match supply.place(&self.source(name), &file, listen) {
                Ok(()) => return Ok(file),
                // Not every repository has each of them.
                Err(error) if error.kind() == Kind::NotFound => last = last.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("the list names files").expected(format!("one of {}", hub().weights.join(", "))))
    }

    fn source(&self, file: &str) -> Source {
        let url = format!("{}/{}/resolve/main/{file}", hub().address, self.repository);
        Source {
            url: Url::try_from(url).expect("the list is well-formed"),
            sha256: self.sha256.get(file).cloned(),
            md5: None,
            bytes: None,
            inner: None,
            called: None,
        }
    }

    /// Refuses a configuration that is not what the model was trained with.
    fn check(&self, found: Config) -> Result<()> {
        let activation = if self.quick_gelu { Activation::QuickGelu } else { Activation::Gelu };
        let usual = Assumption::OpenAi.config();
        let mut expected = Config { activation, resize: self.resize_mode.unwrap_or(usual.resize), ..found };
        expected.mean = self.mean.map_or(usual.mean, |mean| [mean; 3]);
        expected.std = self.std.map_or(usual.std, |std| [std; 3]);
        let is_close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
        if expected.activation == found.activation
            && expected.resize == found.resize
            && is_close(expected.mean, found.mean)
            && is_close(expected.std, found.std)
        {
            return Ok(());
        }
        Err(Error::new(format!("the configuration of {} says {found}", self.name))
            .expected(format!("{expected}, as open_clip lists this model"))
            .help("compare with the model's page; a configuration that you have mended stays, and is compared again"))
    }
}

const AGAIN: &str = "move it away, then it is fetched again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_well_formed_and_names_are_distinct() {
        let all = Hosted::all();
        assert!(all.len() >= 18);
        for hosted in all {
            assert_eq!(all.iter().filter(|other| other.name == hosted.name).count(), 1, "{}", hosted.name);
            assert!(hosted.repository.split('/').count() == 2, "{}", hosted.repository);
            hosted.source("file");
        }
    }
}
