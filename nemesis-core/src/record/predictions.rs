//! Predicted labels, packed: four bytes that name the format, the count, and little-endian labels of two or four bytes.

use crate::{Error, Result};

const NARROW: &[u8; 4] = b"npr2";
const WIDE: &[u8; 4] = b"npr4";

pub(super) fn pack(labels: &[u32]) -> Vec<u8> {
    let narrow: Option<Vec<u16>> = labels.iter().map(|label| u16::try_from(*label).ok()).collect();
    let mut bytes = narrow.as_ref().map_or(WIDE, |_| NARROW).to_vec();
    bytes.extend((labels.len() as u32).to_le_bytes());
    match narrow {
        Some(labels) => bytes.extend(labels.iter().flat_map(|label| label.to_le_bytes())),
        None => bytes.extend(labels.iter().flat_map(|label| label.to_le_bytes())),
    }
    bytes
}

pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u32>> {
    let damaged = || Error::new("the predictions are damaged");
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (count, packed) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let labels: Vec<u32> = match head {
        NARROW => packed.as_chunks().0.iter().map(|label| u32::from(u16::from_le_bytes(*label))).collect(),
        WIDE => packed.as_chunks().0.iter().map(|label| u32::from_le_bytes(*label)).collect(),
        _ => return Err(damaged()),
    };
    let width = if head == NARROW { 2 } else { 4 };
    let whole = labels.len() == u32::from_le_bytes(*count) as usize && packed.len() == width * labels.len();
    if whole { Ok(labels) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_survive(labels in prop::collection::vec(prop_oneof![0..1000u32, any::<u32>()], 0..40)) {
            prop_assert_eq!(unpack(&pack(&labels)).unwrap(), labels);
        }

        #[test]
        fn no_part_of_a_file_passes_for_the_whole(labels in prop::collection::vec(0..1000u32, 1..40), cut in 0..40usize) {
            let bytes = pack(&labels);
            prop_assert!(unpack(&bytes[..cut.min(bytes.len() - 1)]).is_err());
        }
    }

    #[test]
    fn a_thousand_classes_take_two_bytes_an_image() {
        assert_eq!(pack(&[999; 100]).len(), 8 + 200);
    }
}
