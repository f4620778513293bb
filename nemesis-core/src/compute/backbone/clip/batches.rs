//! Sequences of like length encoded together, so that little is padded.

use tch::Tensor;

/// How much longer than its shortest sequence the longest of a batch may be. A batch more costs about as much as the
/// padding that it saves when this is lower.
const SPREAD: i64 = 2;

/// Calls `encode` with the numbers of sequences of like length, and the longest length among them, for batches of at
/// most `limit`. Its results have the sequences in dimension `dim`; they are put together in the order of `lengths`.
///
/// Nothing comes of no sequences.
pub(super) fn in_batches(
    lengths: &[i64],
    limit: usize,
    dim: i64,
    encode: impl Fn(&[usize], i64) -> Tensor,
) -> Option<Tensor> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|number| lengths[*number]);
    let mut results = Vec::new();
    let mut rest = &order[..];
    while let Some(shortest) = rest.first() {
        let alike = rest.partition_point(|number| lengths[*number] <= lengths[*shortest] + SPREAD);
        let (batch, after) = rest.split_at(alike.min(limit));
        results.push(encode(batch, lengths[batch[batch.len() - 1]]));
        rest = after;
    }
    let first = results.first()?;
    let mut places = vec![0; order.len()];
    for (place, number) in order.iter().enumerate() {
        places[*number] = place as i64;
    }
    let places = Tensor::from_slice(&places).to_device(first.device());
    Some(Tensor::cat(&results, dim).index_select(dim, &places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;

    proptest! {
        #[test]
        fn results_come_in_order_and_batches_are_alike(lengths in prop::collection::vec(1..30_i64, 1..40), limit in 1..9_usize) {
            let batches = RefCell::new(Vec::new());
            let numbers = in_batches(&lengths, limit, 0, |batch, length| {
                batches.borrow_mut().push((batch.to_vec(), length));
                Tensor::from_slice(&batch.iter().map(|number| *number as i64).collect::<Vec<_>>())
            });
            let expected: Vec<i64> = (0..lengths.len() as i64).collect();
            prop_assert_eq!(Vec::<i64>::try_from(numbers.unwrap()).unwrap(), expected);
            for (batch, length) in batches.into_inner() {
                prop_assert!(batch.len() <= limit);
                prop_assert_eq!(batch.iter().map(|number| lengths[*number]).max(), Some(length));
                prop_assert!(batch.iter().all(|number| lengths[*number] >= length - SPREAD));
            }
        }
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert!(in_batches(&[], 4, 0, |_, _| unreachable!("there is nothing to encode")).is_none());
    }
}
