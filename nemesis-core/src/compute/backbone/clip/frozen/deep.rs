//! Prompt tokens that take the place of rows before a layer.

use tch::Tensor;

/// Prompt tokens before a layer of the text tower: they take the place of the rows behind the start token.
#[derive(Debug)]
pub(in crate::compute::backbone::clip) struct Deep {
    pub(in crate::compute::backbone::clip) layer: usize,
    /// `[copies, 1 or classes, tokens, width]`
    pub(in crate::compute::backbone::clip) tokens: Tensor,
}

impl Deep {
    /// Whether each class has tokens of its own.
    pub(in crate::compute::backbone::clip) fn is_class_specific(&self) -> bool {
        self.tokens.size()[1] != 1
    }

    /// Rows `[copies × classes, rows, width]` of some classes' prompts, from their start tokens on, with the tokens in
    /// their places.
    pub(super) fn in_sequences(&self, x: &Tensor, classes: &[usize]) -> Tensor {
        let (copies, _, _, width) = self.tokens.size4().expect("prompt tokens have four dimensions");
        let own = if self.is_class_specific() {
            let classes: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
            self.tokens.index_select(1, &Tensor::from_slice(&classes).to_device(x.device()))
        } else {
            self.tokens.expand([copies, classes.len() as i64, -1, width], false)
        };
        replaced(x, &own.flatten(0, 1))
    }

    /// Rows `[copies × sequences, rows, width]` at `places` of the prompts, with the tokens of all classes in the places
    /// that they take.
    pub(super) fn in_places(&self, x: &Tensor, places: &[usize]) -> Tensor {
        let tokens = self.tokens.select(1, 0);
        let (copies, count, width) = tokens.size3().expect("prompt tokens have four dimensions");
        let taken = |place: &usize| (1..=count as usize).contains(place);
        let first = places.iter().take_while(|place| **place <= count as usize).count();
        if !places.iter().any(taken) {
            return x.shallow_clone();
        }
        let rows = x.view([copies, -1, width]);
        let in_order = places[..first].iter().copied().eq(0..=count as usize);
        if in_order && !places[first..].iter().any(taken) {
            return replaced(&rows, &tokens).view_as(x);
        }
        let from = places
            .iter()
            .enumerate()
            .map(|(row, place)| if taken(place) { (places.len() + place - 1) as i64 } else { row as i64 });
        let from = Tensor::from_slice(&from.collect::<Vec<_>>()).to_device(x.device());
        Tensor::cat(&[rows, tokens], 1).index_select(1, &from).view_as(x)
    }
}

/// Rows `[sequences, rows, width]` with tokens `[sequences, tokens, width]` in the place of those behind the first, as
/// many as there are.
fn replaced(x: &Tensor, tokens: &Tensor) -> Tensor {
    let (rows, count) = (x.size()[1], tokens.size()[1].min(x.size()[1] - 1));
    Tensor::cat(&[x.narrow(1, 0, 1), tokens.narrow(1, 0, count), x.narrow(1, 1 + count, rows - 1 - count)], 1)
}
