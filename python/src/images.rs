//! Images as Pillow and torchvision prepare them, on all cores.

use crate::border::{Crossing, detached};
use crate::error::{caught, to_python};
use crate::pool::on_all_cores;
use crate::tower::kind_of;
use nemesis_core::backbone::{self, Assumption, Request, clip};
use nemesis_core::image::{DecodedCache, Preprocess, Rgb8, load_batch};
use nemesis_core::{Error, Result};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use rayon::prelude::*;
use std::num::NonZero;
use std::path::PathBuf;
use tch::{Device, Kind};

/// What a backbone's images go through. See `nemesis/_images.py`.
#[pyclass(frozen, name = "Preprocess")]
pub(crate) struct PyPreprocess {
    preprocess: Preprocess,
}

/// The seed and the epoch of a training view; test images have none.
type View = Option<(u64, u32)>;

/// How many images each core prepares before Python is asked whether to go on: a second's work, or less.
const OF_A_CORE: usize = 32;

#[pymethods]
impl PyPreprocess {
    /// What the images of a checkpoint go through.
    #[staticmethod]
    fn of_weights(py: Python<'_>, weights: PathBuf, weights_config: Option<&str>) -> PyResult<Self> {
        let assume = weights_config.map(str::parse::<Assumption>).transpose().map_err(|e| to_python(&e))?;
        let request = Request::new(&weights, assume, Device::Cpu, Kind::Float);
        let spec = detached(py, || caught(|| backbone::inspect(&request)))?;
        Ok(Self { preprocess: spec.preprocess })
    }

    /// What OpenAI's images go through, at a side of `size` pixels.
    #[staticmethod]
    fn openai(size: usize) -> PyResult<Self> {
        if size == 0 {
            return Err(to_python(&Error::new("images of 0 pixels").expected("a side of at least one pixel")));
        }
        Ok(Self { preprocess: clip::preprocess(size) })
    }

    /// Pixels `[images, 3, size, size]` of files.
    fn files(&self, py: Python<'_>, paths: Vec<PathBuf>, dtype: &str, view: View) -> PyResult<Crossing> {
        let kind = kind_of(dtype)?;
        self.pixels(py, &paths, kind, |first, paths| {
            load_batch(paths, &DecodedCache::new(0), |item, image| self.prepare(image, view, first + item))
        })
    }

    /// Pixels `[images, 3, size, size]` of decoded images: width, height and bytes `[height, width, 3]` of each.
    fn images(
        &self,
        py: Python<'_>,
        images: Vec<(usize, usize, PyBackedBytes)>,
        dtype: &str,
        view: View,
    ) -> PyResult<Crossing> {
        let kind = kind_of(dtype)?;
        let decoded = images.into_iter().map(|(width, height, data)| Rgb8::new(width, height, data.to_vec()));
        let decoded = decoded.collect::<Result<Vec<_>>>().map_err(|e| to_python(&e))?;
        self.pixels(py, &decoded, kind, |first, images| {
            Ok(images.par_iter().enumerate().map(|(item, image)| self.prepare(image, view, first + item)).collect())
        })
    }

    /// Side of the square image, in pixels.
    #[getter]
    fn size(&self) -> usize {
        self.preprocess.size
    }
}

impl PyPreprocess {
    /// Pixels of what `prepare` makes of some of `items`, given the place of the first. In between, Ctrl-C is heard.
    fn pixels<T: Sync>(
        &self,
        py: Python<'_>,
        items: &[T],
        kind: Kind,
        prepare: impl Fn(usize, &[T]) -> Result<Vec<Rgb8>> + Sync,
    ) -> PyResult<Crossing> {
        let at_a_time = OF_A_CORE * std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut images = Vec::with_capacity(items.len());
        for (n, some) in items.chunks(at_a_time).enumerate() {
            images.extend(on_all_cores(py, || prepare(n * at_a_time, some))?);
            py.check_signals()?;
        }
        detached(py, || caught(|| self.preprocess.tensor(&images, kind))).map(Crossing)
    }

    fn prepare(&self, image: &Rgb8, view: View, item: usize) -> Rgb8 {
        match view {
            Some((seed, epoch)) => self.preprocess.train(image, seed, epoch, item as u32),
            None => self.preprocess.eval(image),
        }
    }
}
