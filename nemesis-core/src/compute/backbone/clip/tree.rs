//! Token sequences as prefix trees: what begins alike is computed once.
//!
//! In a causal transformer a row depends on the tokens up to its own alone, so sequences with the same beginning
//! share the rows of it. The nodes of the trees are packed into blocks of equally many rows, in which every row sees
//! its ancestors, and a block is then one sequence for attention.

/// How many rows a block has at most, unless a sequence is longer. Attention costs a row as many keys as its block
/// has rows, most of them hidden; with more rows a block, fewer beginnings are computed twice.
const MOST_ROWS: usize = 64;

/// A node of a prefix tree: one row of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) token: i64,
    /// The place of the token in its sequence, from zero.
    pub(super) depth: usize,
    /// The row in the same block of the token before; nothing for the first.
    pub(super) parent: Option<usize>,
}

/// Prefix trees of sequences, packed into blocks.
#[derive(Debug)]
pub(super) struct Forest {
    /// The nodes of each block, parents first; at most `rows`.
    pub(super) blocks: Vec<Vec<Node>>,
    /// The rows of a block.
    pub(super) rows: usize,
    /// For each block the rows at which sequences end.
    pub(super) ends: Vec<Vec<usize>>,
    /// For each sequence its block, and the place of its end in that block's `ends`.
    pub(super) places: Vec<(usize, usize)>,
}

impl Forest {
    /// Packs sequences, none of them empty, for rows that also see `prefix` common rows and are `width` wide.
    pub(super) fn new(sequences: &[&[i64]], prefix: usize, width: usize) -> Self {
        // Sorted sequences share as much with the one before as with any other.
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|number| sequences[*number]);
        let shared: Vec<usize> = order
            .iter()
            .enumerate()
            .map(|(at, number)| match at.checked_sub(1) {
                Some(before) => common(sequences[order[before]], sequences[*number]),
                None => 0,
            })
            .collect();
        let lengths: Vec<usize> = order.iter().map(|number| sequences[*number].len()).collect();
        let rows = best_rows(&lengths, &shared, prefix, width);

        let mut forest = Self { blocks: Vec::new(), rows, ends: Vec::new(), places: vec![(0, 0); sequences.len()] };
        // The rows of the sequence before, from its first token to its end.
        let mut path: Vec<usize> = Vec::new();
        for (number, shared) in order.into_iter().zip(shared) {
            let tokens = sequences[number];
            match forest.blocks.last() {
                Some(block) if block.len() + tokens.len() - shared <= rows => path.truncate(shared),
                _ => {
                    forest.blocks.push(Vec::with_capacity(rows));
                    forest.ends.push(Vec::new());
                    path.clear();
                }
            }
            let index = forest.blocks.len() - 1;
            let (block, ends) = (&mut forest.blocks[index], &mut forest.ends[index]);
            for (depth, token) in tokens.iter().enumerate().skip(path.len()) {
                let parent = path.last().copied();
                path.push(block.len());
                block.push(Node { token: *token, depth, parent });
            }
            let end = path[path.len() - 1];
            if ends.last() != Some(&end) {
                ends.push(end);
            }
            forest.places[number] = (index, ends.len() - 1);
        }
        forest
    }

    /// The most ends that a block has.
    pub(super) fn most_ends(&self) -> usize {
        self.ends.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The rows of a block that a row sees: itself and its ancestors, from the row up.
    pub(super) fn visible(&self, block: usize, row: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(row), move |row| self.blocks[block][*row].parent)
    }
}

/// How many tokens two sequences have in common at their beginnings.
fn common(left: &[i64], right: &[i64]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// The number of rows a block for which the work is least, given the lengths of sorted sequences and how much each
/// shares with the one before.
fn best_rows(lengths: &[usize], shared: &[usize], prefix: usize, width: usize) -> usize {
    let longest = lengths.iter().copied().max().unwrap_or(1);
    let nodes = lengths.iter().zip(shared).map(|(length, shared)| length - shared).sum::<usize>();
    if nodes <= MOST_ROWS.max(longest) {
        return nodes;
    }
    let most = MOST_ROWS.max(longest);
    let least = longest.max(MOST_ROWS / 2);
    let work = |rows: usize| {
        let (mut blocks, mut filled) = (0, rows);
        for (length, shared) in lengths.iter().zip(shared) {
            if filled + length - shared > rows {
                (blocks, filled) = (blocks + 1, *length);
            } else {
                filled += length - shared;
            }
        }
        // A row costs 12 width² multiplications, and 2 width a key, which run four times slower.
        blocks * rows * (3 * width + 2 * (prefix + rows))
    };
    (least..=most).min_by_key(|rows| work(*rows)).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_beginnings_are_computed_once() {
        let forest = Forest::new(&[&[5, 6, 9], &[5, 7, 9], &[5, 6, 9]], 17, 512);
        let node = |token, depth, parent| Node { token, depth, parent };
        let expected =
            [node(5, 0, None), node(6, 1, Some(0)), node(9, 2, Some(1)), node(7, 1, Some(0)), node(9, 2, Some(3))];
        assert_eq!(forest.blocks, [expected]);
        assert_eq!((forest.rows, &forest.ends, &forest.places), (5, &vec![vec![2, 4]], &vec![(0, 0), (0, 1), (0, 0)]));
    }

    proptest! {
        #[test]
        fn every_sequence_is_read_back_from_its_end(
            sequences in prop::collection::vec(prop::collection::vec(0..4_i64, 1..12), 1..60),
            prefix in 1..20_usize,
        ) {
            let slices: Vec<&[i64]> = sequences.iter().map(Vec::as_slice).collect();
            let forest = Forest::new(&slices, prefix, 64);
            for (sequence, (block, end)) in sequences.iter().zip(&forest.places) {
                let mut rows: Vec<usize> = forest.visible(*block, forest.ends[*block][*end]).collect();
                rows.reverse();
                let nodes: Vec<Node> = rows.iter().map(|row| forest.blocks[*block][*row]).collect();
                prop_assert!(nodes.iter().map(|node| node.token).eq(sequence.iter().copied()));
                prop_assert!(nodes.iter().map(|node| node.depth).eq(0..sequence.len()));
            }
            prop_assert!(forest.blocks.iter().all(|block| !block.is_empty() && block.len() <= forest.rows));
        }
    }
}
