//! The text tower for anybody's training loop.

use crate::border::{Crossing, Shared, detached};
use crate::changes::padded;
use crate::error::{caught, to_python};
use crate::host::position_of;
use crate::method::device_name;
use nemesis_core::backbone::{self, Assumption, BackboneSpec, Change, ClassPrompts, Request};
use nemesis_core::{Error, device};
use nemesis_sdk::towers::{Changes, LayerPrompt};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tch::{Kind, Tensor};

/// A backbone that threads share.
type Opened = Arc<Shared>;

/// A frozen text tower over class names. See `nemesis/_tower.py`, which is what users call; it leaves inference mode first,
/// so that what is made here serves trainings, too.
#[pyclass(frozen, name = "Tower")]
pub(crate) struct Tower {
    weights: PathBuf,
    assume: Option<Assumption>,
    class_names: Vec<String>,
    spec: BackboneSpec,
    /// One for each type and device that a context came in; the first is made with the tower.
    opened: Mutex<Vec<Opened>>,
    /// The prompts of the class names, by the number of context vectors before them.
    prompts: Mutex<BTreeMap<usize, Arc<ClassPrompts>>>,
}

#[pymethods]
impl Tower {
    #[new]
    fn new(
        py: Python<'_>,
        weights: PathBuf,
        class_names: Vec<String>,
        weights_config: Option<&str>,
        dtype: &str,
        device: &str,
    ) -> PyResult<Self> {
        let assume = weights_config.map(str::parse).transpose().map_err(|e: Error| to_python(&e))?;
        let kind = kind_of(dtype)?;
        let opened = detached(py, || {
            caught(|| {
                let device = device::open(device)?;
                backbone::open(&Request::new(&weights, assume, device, kind))
            })
        })?;
        let spec = opened.spec().clone();
        let opened = Mutex::new(vec![Arc::new(Shared::new(opened))]);
        let tower = Self { weights, assume, class_names, spec, opened, prompts: Mutex::default() };
        tower.prompts_behind(0)?;
        Ok(tower)
    }

    /// Features `[copies, classes, embed_dim]` of contexts `[copies, 1 or classes, vectors, width]`, with prompt tokens
    /// `[copies, 1 or classes, tokens, width]` in the layers that `prompts` names.
    #[pyo3(signature = (contexts, position, prompts = None))]
    fn encode(
        &self,
        py: Python<'_>,
        contexts: Crossing,
        position: &str,
        prompts: Option<BTreeMap<usize, Crossing>>,
    ) -> PyResult<Crossing> {
        let contexts = contexts.0;
        let position = position_of(position)?;
        let vectors = contexts.size().get(2).copied().unwrap_or(0) as usize;
        let (classes, backbone) = (self.prompts_behind(vectors)?, self.backbone_of(py, &contexts)?);
        let prompts = prompts.unwrap_or_default().into_iter();
        let prompts = prompts.map(|(layer, tokens)| LayerPrompt { layer, tokens: padded(&tokens.0, 4) }).collect();
        let changes = Changes { prompts, ..Changes::default() };
        let encoded = detached(py, || {
            caught(|| {
                if changes.prompts.is_empty() {
                    return backbone.get().encode_contexts(&classes, &contexts, position);
                }
                let none = || Error::new("this backbone takes no prompts in its layers");
                let change = Change { changes: &changes, seed: 0 };
                let towers = backbone.get().towers().ok_or_else(none)?;
                towers.encode_contexts(&classes, 0..classes.len(), &contexts, position, change)
            })
        })?;
        Ok(Crossing(encoded))
    }

    /// Refuses a number of context vectors with which a prompt would be too long.
    fn check_vectors(&self, vectors: usize) -> PyResult<()> {
        self.prompts_behind(vectors).map(drop)
    }

    /// Features `[prompts, embed_dim]` of whole prompts.
    fn encode_strings(&self, py: Python<'_>, prompts: Vec<String>) -> PyResult<Crossing> {
        let backbone = self.first()?;
        detached(py, || caught(|| backbone.get().encode_strings(&prompts))).map(Crossing)
    }

    /// Embeddings `[tokens, width]` of a text.
    fn embed_text(&self, py: Python<'_>, text: &str) -> PyResult<Crossing> {
        let backbone = self.first()?;
        detached(py, || caught(|| backbone.get().embed_text(text))).map(Crossing)
    }

    /// The tokens of each class after its context, and how many of them are the name.
    fn tokens(&self) -> PyResult<Vec<(Vec<i64>, usize)>> {
        let prompts = self.prompts_behind(0)?;
        Ok(prompts.tokens.iter().cloned().zip(prompts.name_lengths.iter().copied()).collect())
    }

    #[getter]
    fn width(&self) -> i64 {
        self.spec.width
    }

    #[getter]
    fn embed_dim(&self) -> i64 {
        self.spec.embed_dim
    }

    #[getter]
    fn context_length(&self) -> i64 {
        self.spec.context_length
    }

    #[getter]
    fn logit_scale(&self) -> f64 {
        self.spec.logit_scale
    }

    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.class_names.clone()
    }
}

impl Tower {
    fn first(&self) -> PyResult<Opened> {
        Ok(Arc::clone(&self.opened.lock().map_err(poisoned)?[0]))
    }

    fn prompts_behind(&self, vectors: usize) -> PyResult<Arc<ClassPrompts>> {
        let first = self.first()?;
        let mut known = self.prompts.lock().map_err(poisoned)?;
        if let Some(prompts) = known.get(&vectors) {
            return Ok(Arc::clone(prompts));
        }
        let prompts = Arc::new(caught(|| first.get().class_prompts(&self.class_names, vectors))?);
        known.insert(vectors, Arc::clone(&prompts));
        Ok(prompts)
    }

    /// The backbone of a context's type and device, which is opened when it is first needed.
    fn backbone_of(&self, py: Python<'_>, contexts: &Tensor) -> PyResult<Opened> {
        let (kind, device) = (contexts.kind(), contexts.device());
        let known = |opened: &[Opened]| {
            let fits = |spec: &BackboneSpec| (spec.kind, spec.device) == (kind, device);
            opened.iter().find(|one| fits(one.get().spec())).map(Arc::clone)
        };
        if let Some(found) = known(&self.opened.lock().map_err(poisoned)?) {
            return Ok(found);
        }
        if !matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
            return Err(to_python(
                &Error::new(format!("contexts cannot have the type {kind:?}"))
                    .expected("float32, float64, float16 or bfloat16"),
            ));
        }
        let made = detached(py, || {
            caught(|| {
                let device = device::open(&device_name(device))?;
                backbone::open(&Request::new(&self.weights, self.assume, device, kind))
            })
        })?;
        let made = Arc::new(Shared::new(made));
        let mut opened = self.opened.lock().map_err(poisoned)?;
        if made.get().spec().weights_hash != self.spec.weights_hash {
            return Err(to_python(
                &Error::new("the checkpoint has changed since the tower was made").at(&self.weights),
            ));
        }
        opened.push(Arc::clone(&made));
        Ok(made)
    }
}

/// The type with torch's name, without `torch.`.
pub(crate) fn kind_of(dtype: &str) -> PyResult<Kind> {
    match dtype {
        "float32" => Ok(Kind::Float),
        "float64" => Ok(Kind::Double),
        "float16" => Ok(Kind::Half),
        "bfloat16" => Ok(Kind::BFloat16),
        _ => Err(to_python(
            &Error::new(format!("`{dtype}` is not a type that nemesis computes in"))
                .expected("float32, float64, float16 or bfloat16"),
        )),
    }
}

fn poisoned<T>(_: T) -> PyErr {
    to_python(&Error::new("an earlier call panicked"))
}
