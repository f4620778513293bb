//! Files of `torch.save` before `PyTorch` 1.6: pickles one after the other (a magic number, the format's version, facts
//! about the system, the object, and the names of its storages), and behind them the storages.

use super::pickle::Pickle;
use super::torch::damaged;
use crate::{Error, Result};
use std::collections::HashMap;

/// The version of the format that is read, the only one that `torch.save` ever wrote.
const VERSION: i64 = 1001;

/// The storages of such a file.
#[derive(Debug)]
pub(super) struct Legacy<'a> {
    /// What lies behind the pickles.
    bytes: &'a [u8],
    /// The storages in the order in which they lie there, by name.
    order: HashMap<String, usize>,
    /// Where storages begin, as far as that is known: each begins where the one before ends, and says itself how many
    /// elements it has, but of what type is known from the object alone.
    starts: Vec<usize>,
    /// Bytes of an element of each storage, once it is asked for.
    widths: Vec<Option<usize>>,
}

impl<'a> Legacy<'a> {
    /// The storages, and the pickle of the object that they belong to.
    pub(super) fn open(bytes: &'a [u8]) -> Result<(Self, Pickle)> {
        let (_magic, rest) = Pickle::parse_first(bytes)?;
        let (version, rest) = Pickle::parse_first(rest)?;
        if version.int(version.root()) != Some(VERSION) {
            return Err(Error::new("the checkpoint is in an unknown format of `torch.save`")
                .help("convert it: torch.save(torch.load(OLD, map_location=\"cpu\"), NEW)"));
        }
        let (_system, rest) = Pickle::parse_first(rest)?;
        let (object, rest) = Pickle::parse_first(rest)?;
        let (names, rest) = Pickle::parse_first(rest)?;
        let names = names.sequence(names.root()).map(|ids| ids.iter().map(|id| names.text(*id)).collect::<Vec<_>>());
        let names = names.and_then(|names| names.into_iter().collect::<Option<Vec<&str>>>());
        let names = names.ok_or_else(|| damaged("its storages have no names"))?;
        let order: HashMap<String, usize> = names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), i)).collect();
        let widths = vec![None; names.len()];
        let mut legacy = Self { bytes: rest, order, starts: vec![0], widths };
        legacy.note_widths(&object);
        Ok((legacy, object))
    }

    /// Learns from the object's references how wide the elements of each storage are.
    fn note_widths(&mut self, object: &Pickle) {
        for (name, width) in super::torch::storage_widths(object) {
            if let Some(place) = self.order.get(name) {
                self.widths[*place] = Some(width);
            }
        }
    }

    /// The bytes of a storage, which should hold so many elements of so many bytes.
    pub(super) fn storage(&mut self, name: &str, elements: usize, width: usize) -> Result<&'a [u8]> {
        let place = *self.order.get(name).ok_or_else(|| damaged(format!("the storage `{name}` is missing")))?;
        while self.starts.len() <= place {
            let last = self.starts.len() - 1;
            let width = self.widths[last].ok_or_else(|| damaged("a storage is of an unknown type"))?;
            let (start, count) = self.count_at(last)?;
            let end = count.checked_mul(width).and_then(|length| start.checked_add(length));
            self.starts.push(end.ok_or_else(|| damaged("a storage is too large"))?);
        }
        let (start, count) = self.count_at(place)?;
        if count != elements {
            return Err(damaged(format!("a storage has {count} elements in place of {elements}")));
        }
        let end = count.checked_mul(width).and_then(|length| start.checked_add(length));
        end.and_then(|end| self.bytes.get(start..end)).ok_or_else(|| damaged("a storage breaks off"))
    }

    /// Where the elements of a storage begin, and how many there are: a number of eight bytes stands before them.
    fn count_at(&self, place: usize) -> Result<(usize, usize)> {
        let start = self.starts[place];
        let head = self.bytes.get(start..).and_then(|rest| rest.first_chunk::<8>());
        let count = u64::from_le_bytes(*head.ok_or_else(|| damaged("a storage breaks off"))?);
        Ok((start + 8, usize::try_from(count).map_err(|_| damaged("a storage is too large"))?))
    }
}
