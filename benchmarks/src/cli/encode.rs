//! `nemesis encode`: images or texts to features.

use super::backbone::temporary;
use super::only::{Keys, Only};
use super::{Ending, images, say};
use crate::weights::{MINI, WeightsOptions};
use clap::Args;
use nemesis_core::backbone::{self, Request};
use nemesis_core::device;
use nemesis_core::record::to_safetensors;
use nemesis_core::train::{Precision, encode_images};
use nemesis_core::{Error, Result, files, threads};
use std::path::{Path, PathBuf};
use tch::no_grad;

/// Encodes images or texts to features, written as safetensors: `features` [rows, width], not normalised, with the
/// rows' names in the file's metadata under `names`, as a JSON list.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Encode {
    /// Images, or folders of images (test preprocessing: resize and centre crop)
    #[arg(value_name = "IMAGES", required_unless_present = "texts", conflicts_with = "texts")]
    images: Vec<PathBuf>,
    /// A file with one text per line
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    #[command(flatten)]
    weights: WeightsOptions,
    /// Where the features go
    #[arg(long, short, value_name = "FILE", default_value = "features.safetensors")]
    output: PathBuf,
    /// fp32, fp64, fp16 or bf16
    #[arg(long, default_value = "fp32")]
    precision: Precision,
    #[command(flatten)]
    options: Only<OfEncode>,
}

#[derive(Debug)]
struct OfEncode;

impl Keys for OfEncode {
    const KEYS: &'static [&'static str] = &["device"];
}

const EXAMPLES: &str = "\
Examples:
  nemesis encode photos/ --weights ViT-B-16.pt -o photos.safetensors
  nemesis encode --texts prompts.txt --weights ViT-B-16.pt -o prompts.safetensors";

impl Encode {
    pub(super) fn run(&self) -> Result<Ending> {
        let is_mini = self.weights.weights.as_ref().is_some_and(|weights| weights.file() == Path::new(MINI));
        let folder = is_mini.then(temporary).transpose()?;
        let weights = self.weights.required(folder.as_ref().map_or(Path::new(""), tempfile::TempDir::path))?;
        let device = device::open(self.options.settings()?.device())?;
        let request = Request::new(&weights, self.weights.weights_config, device, self.precision.kind());
        let backbone = backbone::open(&request)?;
        let spec = backbone.spec();
        if spec.origin.assumed().is_some() {
            log!("{}: {}; {}", weights.display(), spec.shape, spec.origin);
        }
        let inputs = self.images.iter().chain(&self.texts).chain([&weights]);
        self.refuse_to_overwrite(inputs)?;
        let (names, features) = if let Some(file) = &self.texts {
            let texts: Vec<String> = files::read_text(file)?.lines().map(str::to_owned).collect();
            if texts.is_empty() {
                return Err(Error::new("the file holds no text").at(file).expected("one text per line"));
            }
            let features = no_grad(|| backbone.encode_strings(&texts)).map_err(|e| e.at(file))?;
            (texts, features)
        } else {
            let paths = images::collect(&self.images)?;
            self.refuse_to_overwrite(&paths)?;
            threads::ready()?;
            let features = encode_images(&*backbone, &paths)?;
            (paths.iter().map(|path| path.display().to_string()).collect(), features)
        };
        let shape = features.size();
        let names = serde_json::to_string(&names).expect("a list of texts is JSON");
        let bytes = to_safetensors(&vec![("features".to_owned(), features)], &[("names", names)])?;
        files::write_output(&self.output, &bytes)?;
        say!("{} rows of {} numbers in {}", shape[0], shape[1], self.output.display())?;
        Ok(Ending::Done)
    }

    /// Refuses to write the features over something that is read.
    fn refuse_to_overwrite<'a>(&self, inputs: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
        let Ok(output) = self.output.canonicalize() else { return Ok(()) };
        let is_output = |input: &&PathBuf| input.canonicalize().is_ok_and(|input| input == output);
        match inputs.into_iter().find(is_output) {
            Some(_) => Err(Error::new("the features would be written over one of the inputs")
                .at(&self.output)
                .expected("another file with `--output`")),
            None => Ok(()),
        }
    }
}
