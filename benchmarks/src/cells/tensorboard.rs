//! Histories of trainings as event files, which TensorBoard reads.
//!
//! An event file is a sequence of records: the length of the data, a checksum of it, the data, and their checksum. The data are
//! protocol buffers of type `Event` (`event.proto` and `summary.proto` of TensorBoard), of which four fields are written.

use nemesis_core::record::{EvaluationRecord, TrainingRecord};
use std::collections::BTreeMap;

/// A scalar of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// What it is: `loss`.
    pub tag: String,
    /// The epoch, counted from one.
    pub step: u64,
    /// The value, which event files hold in single precision.
    pub value: f64,
}

/// The scalars of a training: loss, learning rate and reported values of each epoch, and the accuracies of its evaluations
/// at the epochs that they evaluate. Evaluations of corrupted contexts have no place on this axis.
pub fn scalars(record: &TrainingRecord, evaluations: &[&EvaluationRecord]) -> Vec<Scalar> {
    let mut scalars = Vec::new();
    for (step, epoch) in (1..).zip(&record.outcome.epochs) {
        let mut put = |tag: String, value: f64| scalars.push(Scalar { tag, step, value });
        put("loss".to_owned(), epoch.loss);
        put("learning_rate".to_owned(), epoch.learning_rate);
        for (name, values) in &epoch.reported {
            for (place, value) in values.iter().enumerate() {
                let tag = if values.len() == 1 { name.clone() } else { format!("{name}/{}", place + 1) };
                put(tag, *value);
            }
        }
    }
    let mut accuracies: BTreeMap<(String, u64), f64> = BTreeMap::new();
    for evaluation in evaluations.iter().filter(|evaluation| evaluation.cell.corruption.is_none()) {
        let cell = &evaluation.cell;
        let limit = cell.limit.map_or(String::new(), |limit| format!(", first {limit} of each class"));
        let tag = format!("accuracy/{}, {} classes{limit}", cell.dataset, cell.classes);
        let step = cell.epoch.unwrap_or(record.outcome.epochs.len() as u64);
        accuracies.insert((tag, step), evaluation.outcome.accuracy);
    }
    scalars.extend(accuracies.into_iter().map(|((tag, step), value)| Scalar { tag, step, value }));
    scalars
}

/// An event file of these scalars. `time` is when they were computed, in seconds since 1970.
pub fn event_file(scalars: &[Scalar], time: f64) -> Vec<u8> {
    let mut file = framed(&[&double(1, time)[..], &bytes(3, b"brain.Event:2")].concat());
    for Scalar { tag, step, value } in scalars {
        let simple_value = [&key(2, 5)[..], &(*value as f32).to_le_bytes()].concat();
        let summary = bytes(1, &[bytes(1, tag.as_bytes()), simple_value].concat());
        let event = [&double(1, time)[..], &key(2, 0), &varint(*step), &bytes(5, &summary)].concat();
        file.extend(framed(&event));
    }
    file
}

/// A record of the file.
fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length).to_le_bytes(), data, &masked_crc(data).to_le_bytes()].concat()
}

/// The number of a field and how it is encoded: 0 as a varint, 1 in eight bytes, 2 as a length and bytes, 5 in four bytes.
fn key(field: u64, encoding: u64) -> Vec<u8> {
    varint((field << 3) | encoding)
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn double(field: u64, value: f64) -> Vec<u8> {
    [&key(field, 1)[..], &value.to_le_bytes()].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [&key(field, 2)[..], &varint(value.len() as u64), value].concat()
}

/// CRC-32C, rotated and shifted as in `masked_crc32c` of TensorFlow: a checksum of data that hold checksums.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(data: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ ((crc & 1) * REVERSED_POLYNOMIAL))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32C's definition (Castagnoli; RFC 3720, B.4, has more).
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    /// What TensorBoard 2.21's `RecordWriter` writes of the same events.
    #[test]
    fn the_bytes_are_those_that_tensorboard_writes() {
        let theirs = "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c1a00000000000000129bd8\
                      2d09000000000000f83f10012a0d0a0b0a046c6f7373150000403f47324cb92300000000000000b09f774309000000000000f8\
                      3f10ac022a150a130a0c61636375726163792f64746415cdcc7e4244bfc123";
        let scalar = |tag: &str, step, value| Scalar { tag: tag.to_owned(), step, value };
        let ours = event_file(&[scalar("loss", 1, 0.75), scalar("accuracy/dtd", 300, 63.7)], 1.5);
        let theirs: Vec<u8> =
            (0..theirs.len()).step_by(2).map(|at| u8::from_str_radix(&theirs[at..at + 2], 16).unwrap()).collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        assert_eq!((varint(0), varint(127), varint(300)), (vec![0], vec![127], vec![0xac, 2]));
    }
}
