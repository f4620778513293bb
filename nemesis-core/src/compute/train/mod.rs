//! Training and evaluating a method on given features: protocol, schedule, optimiser, epoch loop, host services.

mod ahead;
mod averages;
mod context;
mod course;
mod encoded;
mod evaluation;
mod features;
mod optimiser;
mod pictures;
mod protocol;
mod scaler;
mod schedule;
mod services;
mod standing;
mod training;

pub use ahead::Ahead;
pub use averages::WeightAverage;
pub use context::{Corruption, CorruptionKind, context_norms, corrupt};
pub use evaluation::{
    Classified, Predictions, TestInputs, classify, described_predictions, evaluate, zero_shot_predictions,
};
pub use features::{Features, encode_images};
pub use optimiser::Optimiser;
pub use pictures::{Pictures, Seen};
pub use protocol::{Precision, Protocol, ResolvedProtocol};
pub use services::{Recompute, Services};
pub use standing::{Numbers, Standing};
pub use training::{EpochRecord, OnEpoch, TrainingInputs, batches, step, train};
