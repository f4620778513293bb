//! What spoils a run rather than a check: the tests give several of these to one run, each by an option.

use nemesis_sdk::tch::{Device, Kind, Tensor};
use nemesis_sdk::{Error, Host, Result};
use std::process::Command;
use std::time::Duration;

/// What happens when the method is created, in every step, or in every evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misdeed {
    /// Nothing.
    None,
    /// The process is aborted when the method is created, with a process left behind.
    AbortInCreate,
    /// The process ends when the method is created, as if all were well.
    ExitInCreate,
    /// A process is started when the method is created, and nothing happens any more.
    HangInCreate,
    /// The process is aborted.
    Abort,
    /// Memory is written to that is not there.
    Segfault,
    /// The process ends as if all were well.
    Exit,
    /// The method panics.
    Panic,
    /// A process is started, and nothing happens any more.
    Hang,
    /// Memory is asked for until there is none.
    Hoard,
    /// The loss is no number.
    LossOfNan,
    /// The loss is no number from the third step on.
    LossOfNanLater,
    /// The loss is multiplied by a large number, so that the training diverges.
    LargeLoss,
    /// The loss is finite, and its gradient is not.
    GradientOfNan,
    /// What is reported is no number.
    ReportOfNan,
    /// The parameters are no numbers from the start.
    StartOfNan,
    /// The loss is a constant with a graph: its gradient is zero everywhere.
    ZeroGradient,
    /// The loss has no graph.
    NoGraph,
    /// Gradients are computed and not put into the parameters.
    ForgetGradients,
    /// The logits are no numbers.
    LogitsOfNan,
    /// The logits have a column too many.
    LogitsTooWide,
    /// The logits are whole numbers.
    WholeLogits,
    /// The features of test images are changed in place.
    ChangedFeatures,
    /// The method computes the gradients of its loss, and returns that as if it had not.
    OwnBackward,
    /// The loss is computed in single precision.
    SingleLoss,
    /// A vector of another length is reported in each step.
    OtherLengths,
    /// The loss is reported under the name that the host records it by.
    ReportOfLoss,
    /// The context is a parameter under two names.
    Twins,
    /// Another tensor takes the place of the bias after the first step.
    Replaced,
    /// The context moves up the gradient.
    NegativeRate,
    /// The shape of the bias is changed after the first step.
    OtherShape,
    /// A tensor of the state has the name of safetensors' metadata.
    StateOfMetadata,
}

/// How much is asked for in the end, so that the machine survives a run without a limit.
const HOARD: i64 = 16 << 30;

impl Misdeed {
    const NAMES: [(&'static str, Self); 33] = [
        ("", Self::None),
        ("sound", Self::None),
        ("abort-in-create", Self::AbortInCreate),
        ("exit-in-create", Self::ExitInCreate),
        ("hang-in-create", Self::HangInCreate),
        ("abort", Self::Abort),
        ("segfault", Self::Segfault),
        ("exit", Self::Exit),
        ("panic", Self::Panic),
        ("hang", Self::Hang),
        ("hoard", Self::Hoard),
        ("loss-of-nan", Self::LossOfNan),
        ("loss-of-nan-later", Self::LossOfNanLater),
        ("large-loss", Self::LargeLoss),
        ("gradient-of-nan", Self::GradientOfNan),
        ("report-of-nan", Self::ReportOfNan),
        ("start-of-nan", Self::StartOfNan),
        ("zero-gradient", Self::ZeroGradient),
        ("no-graph", Self::NoGraph),
        ("forget-gradients", Self::ForgetGradients),
        ("logits-of-nan", Self::LogitsOfNan),
        ("logits-too-wide", Self::LogitsTooWide),
        ("whole-logits", Self::WholeLogits),
        ("changed-features", Self::ChangedFeatures),
        ("own-backward", Self::OwnBackward),
        ("single-loss", Self::SingleLoss),
        ("other-lengths", Self::OtherLengths),
        ("report-of-loss", Self::ReportOfLoss),
        ("twins", Self::Twins),
        ("replaced", Self::Replaced),
        ("negative-rate", Self::NegativeRate),
        ("other-shape", Self::OtherShape),
        ("state-of-metadata", Self::StateOfMetadata),
    ];

    /// The misdeed of this name.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        let known = Self::NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, misdeed)| *misdeed).ok_or_else(|| Error::option("misdeed", "there is no such misdeed"))
    }

    /// Does what it does to the creation of the method.
    pub(crate) fn in_create(self) {
        match self {
            Self::AbortInCreate => {
                start_a_process();
                std::process::abort();
            }
            Self::ExitInCreate => std::process::exit(0),
            Self::HangInCreate => hang(),
            _ => {}
        }
    }

    /// Does what it does to a step.
    pub(crate) fn with_loss(self, loss: Tensor, step: u64, host: &dyn Host) -> Result<Tensor> {
        match self {
            Self::Abort => std::process::abort(),
            Self::Segfault => segfault(),
            Self::Exit => std::process::exit(0),
            Self::Panic => panic!("the method panics"),
            Self::Hang => hang(),
            Self::Hoard => {
                let mut hoard = Vec::new();
                for _ in 0..HOARD >> 28 {
                    // What nobody writes to takes room without taking pages from the machine.
                    hoard.push(Tensor::f_empty([1 << 28], (Kind::Uint8, Device::Cpu))?);
                }
            }
            Self::LossOfNan => return Ok(loss * f64::NAN),
            Self::LossOfNanLater if step >= 2 => return Ok(loss * f64::NAN),
            Self::LargeLoss => return Ok(loss * 1e150),
            // The derivative of a root at zero is infinite, and zero times that is no number.
            Self::GradientOfNan => return Ok(&loss + (&loss * 0.0).sqrt()),
            Self::ReportOfNan => host.report("ratio", &(Tensor::from(0.0) / 0.0)),
            Self::ZeroGradient => return Ok(loss * 0.0),
            Self::NoGraph => return Ok(loss.detach()),
            Self::OwnBackward => host.backward(&loss)?,
            Self::SingleLoss => return Ok(loss.to_kind(Kind::Float)),
            Self::ReportOfLoss => host.report("loss", &loss.detach()),
            Self::OtherLengths => {
                host.report("ratio", &Tensor::ones([1 + step as i64], (Kind::Double, Device::Cpu)));
            }
            _ => {}
        }
        Ok(loss)
    }

    /// Does what it does to an evaluation.
    pub(crate) fn with_logits(self, logits: Tensor) -> Tensor {
        match self {
            Self::LogitsOfNan => logits * f64::NAN,
            Self::WholeLogits => logits.to_kind(Kind::Int64),
            Self::LogitsTooWide => Tensor::cat(&[&logits, &logits.narrow(1, 0, 1)], 1),
            _ => logits,
        }
    }
}

/// One that must not outlive the run, either.
fn start_a_process() {
    let _ = Command::new("sleep").arg("1000").spawn();
}

/// Nothing happens any more, but in the process that was started.
pub(crate) fn hang() -> ! {
    start_a_process();
    loop {
        std::thread::sleep(Duration::from_secs(1000));
    }
}

#[expect(unsafe_code, reason = "safe code cannot do it")]
fn segfault() {
    // SAFETY: there is none; the process ends here.
    unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
}
