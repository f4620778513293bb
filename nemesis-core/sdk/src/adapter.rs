//! The bottleneck of CLIP-Adapter (Gao et al., "CLIP-Adapter: Better Vision-Language Models with Feature Adapters", IJCV
//! 2024; `clip_adapter.py` of its code): two linear layers without bias around a `ReLU`.

use crate::learned::leaf;
use crate::parameters::linear;
use crate::{Error, Host, Result, Task};
use tch::Tensor;

/// Two layers: `embed_dim` to `embed_dim / reduction` and back.
#[derive(Debug)]
pub struct Bottleneck {
    /// The weight of the first layer, `[embed_dim / reduction, embed_dim]`.
    pub down: Tensor,
    /// The weight of the second, `[embed_dim, embed_dim / reduction]`.
    pub up: Tensor,
}

impl Bottleneck {
    /// Layers with random weights, as `nn.Linear` draws them.
    ///
    /// # Errors
    ///
    /// When nothing would be left between the layers; the message names the option `reduction`.
    pub fn new(task: &Task, reduction: u64, host: &dyn Host) -> Result<Self> {
        let width = task.embed_dim;
        let hidden = i64::try_from(reduction).ok().filter(|by| *by > 0).map_or(0, |by| width / by);
        if hidden == 0 {
            return Err(Error::option("reduction", format_args!("{reduction} is not a number from 1 to {width}")));
        }
        Ok(Self {
            down: leaf(&linear(&[hidden, width], width, host, "adapter down", 0), task),
            up: leaf(&linear(&[width, hidden], hidden, host, "adapter up", 0), task),
        })
    }

    /// What the layers make of features `[images, embed_dim]`: `ReLU(x Dᵀ) Uᵀ`, of the same shape.
    ///
    /// # Errors
    ///
    /// When the features have a different width.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor> {
        Ok(features.f_matmul(&self.down.tr())?.relu().f_matmul(&self.up.tr())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ToyHost;

    #[test]
    fn the_bottleneck_is_as_narrow_as_asked() {
        let host = ToyHost::new(3);
        let batch = host.batch(4, 0);
        let layers = Bottleneck::new(&host.task(), 2, &host).unwrap();
        assert_eq!((layers.down.size(), layers.up.size()), (vec![2, 5], vec![5, 2]));
        assert_eq!(layers.forward(batch.features().unwrap()).unwrap().size(), [4, 5]);
        for reduction in [0, 6, u64::MAX] {
            let error = Bottleneck::new(&host.task(), reduction, &host).unwrap_err().to_string();
            assert_eq!(error, format!("option `reduction`: {reduction} is not a number from 1 to 5"));
        }
    }
}
