//! Low-rank deltas on linear maps, and dropout on what goes into them.

use crate::backbone::clip::layers::{Linear, rounded};
use crate::method::random;
use tch::{Device, Tensor};

/// What is added to the results of a linear map: `up (down (dropout x))`, for one or several pairs at once.
#[derive(Debug)]
pub(in crate::compute::backbone::clip) struct Delta {
    inputs: Vec<Input>,
    /// `[to, ranks]`, factors included.
    up: Tensor,
}

/// One pair's way down.
#[derive(Debug)]
struct Input {
    /// `[rank, from]`
    down: Tensor,
    dropout: Option<Masks>,
}

/// Where masks of dropout come from.
#[derive(Debug)]
pub(in crate::compute::backbone::clip) enum Masks {
    /// Masks `[sequences × places, from]`, already divided by the probability of keeping a number.
    Given(Tensor),
    /// Masks are drawn: a pure function of these and of the number of the row.
    Drawn { seed: u64, purpose: String, index: u64, probability: f64 },
}

/// Which rows go through a layer, each with a number of its own: that of the sequence times its places, and the place.
#[derive(Clone, Debug)]
pub(in crate::compute::backbone::clip) struct Rows {
    /// `sequences × rows` numbers.
    pub(in crate::compute::backbone::clip) numbers: Vec<i64>,
    /// The rows of a sequence that go through the layer.
    pub(in crate::compute::backbone::clip) per_sequence: usize,
}

impl Rows {
    /// The first rows of some sequences, each with so many `places`.
    pub(in crate::compute::backbone::clip) fn first(
        sequences: impl IntoIterator<Item = i64>,
        rows: i64,
        places: i64,
    ) -> Self {
        let of_sequence = |sequence: i64| (0..rows).map(move |row| sequence * places + row);
        Self { numbers: sequences.into_iter().flat_map(of_sequence).collect(), per_sequence: rows as usize }
    }

    /// The rows `ends` `[sequences, ends]` among these.
    pub(super) fn pick(&self, ends: &Tensor) -> Self {
        let per_sequence = ends.size()[1] as usize;
        let ends = Vec::<i64>::try_from(&ends.to_device(Device::Cpu).flatten(0, -1)).expect("ends are row numbers");
        let of_sequence = |(sequence, ends): (usize, &[i64])| {
            let start = sequence * self.per_sequence;
            ends.iter().map(|end| self.numbers[start + *end as usize]).collect::<Vec<_>>()
        };
        let numbers = ends.chunks(per_sequence.max(1)).enumerate().flat_map(of_sequence).collect();
        Self { numbers, per_sequence }
    }
}

impl Delta {
    /// `up (down (dropout x))` with `down` `[rank, from]` and `up` `[to, rank]`.
    pub(in crate::compute::backbone::clip) fn new(down: Tensor, up: Tensor, dropout: Option<Masks>) -> Self {
        Self { inputs: vec![Input { down, dropout }], up }
    }

    /// The delta times a factor.
    pub(super) fn times(self, factor: f64) -> Self {
        Self { up: self.up * factor, ..self }
    }

    /// The delta on a map of more results, `to`, among which its own begin at `start`.
    pub(super) fn among(self, start: i64, to: i64) -> Self {
        let after = to - start - self.up.size()[0];
        Self { up: self.up.constant_pad_nd([0, 0, start, after]), ..self }
    }

    /// Both deltas on the same map.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.inputs.extend(other.inputs);
        Self { up: Tensor::cat(&[self.up, other.up], 1), ..self }
    }

    /// The results `y` `[sequences, rows, to]` of `map` with the delta of its input `x` added.
    pub(super) fn added(&self, y: &Tensor, x: &Tensor, map: &Linear, rows: Option<&Rows>) -> Tensor {
        let product = |x: &Tensor, weight: &Tensor| {
            let weight = map.fitting(weight);
            rounded(x, &weight, map.kind, |x| x.linear(&weight, None::<&Tensor>))
        };
        let low = if self.inputs.iter().all(|input| input.dropout.is_none()) {
            let downs: Vec<&Tensor> = self.inputs.iter().map(|input| &input.down).collect();
            product(x, &Tensor::cat(&downs, 0))
        } else {
            let low = |input: &Input| match &input.dropout {
                None => product(x, &input.down),
                Some(masks) => product(&(x * masks.of(x, rows.expect("rows of a dropout are numbered"))), &input.down),
            };
            Tensor::cat(&self.inputs.iter().map(low).collect::<Vec<_>>(), -1)
        };
        y + product(&low, &self.up)
    }
}

impl Masks {
    /// The masks of rows `x` `[sequences, rows, from]`.
    fn of(&self, x: &Tensor, rows: &Rows) -> Tensor {
        let from = x.size()[2];
        let masks = match self {
            Self::Given(masks) => {
                masks.index_select(0, &Tensor::from_slice(&rows.numbers).to_device(masks.device())).view_as(x)
            }
            Self::Drawn { seed, purpose, index, probability } => {
                let mut masks = vec![0.0_f32; rows.numbers.len() * from as usize];
                let kept = (1.0 / (1.0 - probability)) as f32;
                // A number is dropped if its 32 bits are below this.
                let threshold = (probability * f64::from(u32::MAX)).round() as u32;
                let blocks = (from as u64).div_ceil(random::WORDS_IN_BLOCK as u64);
                for (number, masks) in rows.numbers.iter().zip(masks.chunks_mut(from as usize)) {
                    let words = random::words(*seed, purpose, *index, *number as u64 * blocks);
                    for (mask, word) in masks.iter_mut().zip(words) {
                        *mask = if word < threshold { 0.0 } else { kept };
                    }
                }
                Tensor::from_slice(&masks).view_as(x)
            }
        };
        masks.to_device(x.device()).to_kind(x.kind())
    }
}
