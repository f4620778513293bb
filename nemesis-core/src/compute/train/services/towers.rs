//! The towers with changes, for a method that asks for them.

use super::Services;
use super::encoding::{Encoding, shallow};
use crate::method::towers::{Changes, ImageFeatures, TowerSizes, Towers};
use crate::method::{ClassPosition, Error, Host, Result};
use tch::{Tensor, no_grad};

impl Towers for Services<'_> {
    fn sizes(&self) -> TowerSizes {
        self.backbone.towers().expect("the host offers towers").sizes()
    }

    fn encode_images(&self, pixels: &Tensor, changes: &Changes, patches: bool) -> Result<ImageFeatures> {
        if is_empty(changes) {
            let backbone = self.backbone;
            return Ok(if patches {
                let (global, patches) = no_grad(|| backbone.encode_places(pixels)).map_err(Error::from)?;
                ImageFeatures { global, patches: Some(patches) }
            } else {
                let global = no_grad(|| backbone.encode_images(pixels)).map_err(Error::from)?;
                ImageFeatures { global, patches: None }
            });
        }
        let pixels = pixels.shallow_clone();
        let features = self.encode(Encoding::Images { pixels, patches, changes: shallow(changes) })?;
        let mut features = features.into_iter();
        let global = features.next().ok_or_else(|| Error::new("there are no images to encode"))?;
        Ok(ImageFeatures { global, patches: features.next() })
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition, changes: &Changes) -> Result<Tensor> {
        if is_empty(changes) {
            return Host::encode_contexts(self, contexts, position);
        }
        let contexts = contexts.shallow_clone();
        self.one(Encoding::Contexts { contexts, position, changes: shallow(changes) })
    }

    fn encode_strings(&self, prompts: &[String], changes: &Changes) -> Result<Tensor> {
        if is_empty(changes) || prompts.is_empty() {
            return Host::encode_strings(self, prompts);
        }
        self.one(Encoding::Strings { prompts: prompts.to_vec(), changes: shallow(changes) })
    }
}

fn is_empty(changes: &Changes) -> bool {
    let Changes { prompts, low_rank, replaced, ending } = changes;
    prompts.is_empty() && low_rank.is_empty() && replaced.is_empty() && ending.is_none()
}
