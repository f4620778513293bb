//! A reader of Python's pickle format, protocols 2 to 5, that builds a tree of values and executes nothing.
//!
//! What a pickle would call or instantiate stays an opaque [`Value::Object`] with the name of its class. The memory
//! that a pickle takes is bounded by its length, as every opcode makes at most one value and no opcode copies one. The
//! opcodes of protocol 5 for buffers outside of the pickle are refused.

use crate::{Error, Result};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The number of a value among all values of a pickle. Python's values are shared and may contain themselves.
pub(crate) type Id = usize;

/// A value as far as checkpoints and few-shot lists need it.
#[derive(Debug)]
pub(crate) enum Value {
    /// Integers of more than 64 bits.
    Other,
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    /// A tuple, a list or a set.
    Sequence(Vec<Id>),
    /// Each key once.
    Dict(Vec<(Id, Id)>),
    /// A class or function by name: `torch._utils._rebuild_tensor_v2`.
    Global(String),
    /// What calling `callable` would give. `state` is what it would be told afterwards.
    Object {
        callable: Id,
        arguments: Id,
        state: Option<Id>,
    },
    /// Something outside the pickle, named by a value: a tensor's storage.
    Persistent(Id),
}

/// All values of a pickle.
#[derive(Debug)]
pub(crate) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// # Errors
    ///
    /// When `bytes` are cut short, or no pickle.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        Self::parse_first(bytes).map(|(pickle, _)| pickle)
    }

    /// The pickle that `bytes` begin with, and what lies behind it.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub(super) fn parse_first(bytes: &[u8]) -> Result<(Self, &[u8])> {
        let mut machine =
            Machine { input: bytes, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
        loop {
            if let Some(root) = machine.step()? {
                let mut pickle = Self { values: machine.values, root };
                pickle.drop_replaced();
                return Ok((pickle, machine.input));
            }
        }
    }

    /// Keeps of the entries of each dictionary what Python keeps.
    fn drop_replaced(&mut self) {
        for id in 0..self.values.len() {
            if let Value::Dict(entries) = &mut self.values[id] {
                let entries = std::mem::take(entries);
                self.values[id] = Value::Dict(without_replaced(&self.values, entries));
            }
        }
    }

    /// The number of the value that the pickle is of.
    pub(crate) fn root(&self) -> Id {
        self.root
    }

    pub(crate) fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// The elements of a sequence; nothing for other values.
    pub(crate) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Sequence(elements) => Some(elements),
            _ => None,
        }
    }

    pub(crate) fn int(&self, id: Id) -> Option<i64> {
        match self.value(id) {
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }

    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name of a class or function.
    pub(crate) fn global(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Global(name) => Some(name),
            _ => None,
        }
    }

    /// The names of what lies outside of the pickle.
    pub(super) fn persistent_names(&self) -> impl Iterator<Item = Id> {
        self.values.iter().filter_map(|value| match value {
            Value::Persistent(name) => Some(*name),
            _ => None,
        })
    }

    /// The value under a key of a dictionary.
    pub(crate) fn entry(&self, id: Id, key: &str) -> Option<Id> {
        match self.value(id) {
            Value::Dict(entries) => entries.iter().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value),
            _ => None,
        }
    }
}

/// Of entries with equal keys the last value, at the place of the first.
fn without_replaced(values: &[Value], entries: Vec<(Id, Id)>) -> Vec<(Id, Id)> {
    let mut kept: Vec<(Id, Id)> = Vec::with_capacity(entries.len());
    let mut places: HashMap<Key<'_>, usize> = HashMap::new();
    for (key, value) in entries {
        let Some(compared) = Key::of(&values[key]) else {
            kept.push((key, value));
            continue;
        };
        match places.entry(compared) {
            Entry::Occupied(place) => kept[*place.get()].1 = value,
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push((key, value));
            }
        }
    }
    kept
}

/// What keys of dictionaries are compared by. To Python, `True` is 1.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    None,
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
}

impl<'a> Key<'a> {
    /// The key that a value is. Nothing asks for others, such as tuples.
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::None => Some(Self::None),
            Value::Bool(truth) => Some(Self::Int(i64::from(*truth))),
            Value::Int(int) => Some(Self::Int(*int)),
            Value::Bytes(bytes) => Some(Self::Bytes(bytes)),
            Value::Text(text) => Some(Self::Text(text)),
            _ => None,
        }
    }
}

/// The state of the pickle machine between two opcodes, as CPython's `Lib/pickletools.py` documents it.
struct Machine<'a> {
    input: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at which marks lie.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_> {
    /// Executes one opcode; returns the root at the last one.
    fn step(&mut self) -> Result<Option<Id>> {
        let opcode = self.byte()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            // Protocol and frame, which say nothing about values.
            0x80 => drop(self.bytes(1)?),
            0x95 => drop(self.bytes(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88)),
            b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' | b'I' | b'L' | b'F' => self.number(opcode)?,
            b'X' | 0x8c | 0x8d | b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 => self.string(opcode)?,
            b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new())),
            b't' | b'l' | 0x91 => {
                let elements = self.pop_to_mark()?;
                self.push(Value::Sequence(elements));
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let at = self.stack.len().checked_sub(count).ok_or_else(damaged)?;
                let elements = self.stack.split_off(at);
                self.push(Value::Sequence(elements));
            }
            b'a' => {
                let element = self.pop()?;
                self.append(vec![element])?;
            }
            b'e' | 0x90 => {
                let elements = self.pop_to_mark()?;
                self.append(elements)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let entries = pairs(&self.pop_to_mark()?)?;
                self.push(Value::Dict(entries));
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let entries = pairs(&self.pop_to_mark()?)?;
                self.set(entries)?;
            }
            b'c' | 0x93 => self.global(opcode)?,
            b'R' | 0x81 | 0x92 | b'b' => self.object(opcode)?,
            b'Q' => {
                let name = self.pop()?;
                self.push(Value::Persistent(name));
            }
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memo(opcode)?,
            unknown => return Err(Error::new(format!("the checkpoint has the unknown pickle opcode {unknown:#04x}"))),
        }
        Ok(None)
    }

    fn number(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b'K' => Value::Int(self.unsigned(1)? as i64),
            b'M' => Value::Int(self.unsigned(2)? as i64),
            b'J' => Value::Int(i64::from(self.unsigned(4)? as u32 as i32)),
            0x8a | 0x8b => {
                let length = self.unsigned(if opcode == 0x8a { 1 } else { 4 })?;
                long(self.bytes(length)?)
            }
            // The only number whose first byte is its highest.
            b'G' => Value::Float(f64::from_bits((self.unsigned(8)?).swap_bytes())),
            // Decimal text of protocol 0, which later protocols still use for some numbers.
            b'F' => self.line()?.parse().map_or(Value::Other, Value::Float),
            _ => match self.line()?.as_str() {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                text => text.trim_end_matches('L').parse().map_or(Value::Other, Value::Int),
            },
        };
        self.push(value);
        Ok(())
    }

    fn string(&mut self, opcode: u8) -> Result<()> {
        let length = self.unsigned(match opcode {
            0x8c | b'U' | b'C' => 1,
            b'X' | b'T' | b'B' => 4,
            _ => 8,
        })?;
        let bytes = self.bytes(length)?;
        let is_text = !matches!(opcode, b'B' | b'C' | 0x8e | 0x96);
        let value = match std::str::from_utf8(bytes) {
            Ok(text) if is_text => Value::Text(text.to_owned()),
            _ => Value::Bytes(bytes.to_vec()),
        };
        self.push(value);
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<()> {
        let name = if opcode == b'c' {
            let module = self.line()?;
            format!("{module}.{}", self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (&self.values[module], &self.values[name]) {
                (Value::Text(module), Value::Text(name)) => format!("{module}.{name}"),
                _ => return Err(damaged()),
            }
        };
        self.push(Value::Global(name));
        Ok(())
    }

    fn object(&mut self, opcode: u8) -> Result<()> {
        if opcode == b'b' {
            let told = self.pop()?;
            let top = self.top()?;
            // A dictionary's attributes (`_metadata` of a state dict) are not its entries.
            if let Value::Object { state, .. } = &mut self.values[top] {
                *state = Some(told);
            }
            return Ok(());
        }
        if opcode == 0x92 {
            self.pop()?;
        }
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let is_ordered_dict =
            matches!(&self.values[callable], Value::Global(name) if name == "collections.OrderedDict");
        self.push(if is_ordered_dict {
            Value::Dict(Vec::new())
        } else {
            Value::Object { callable, arguments, state: None }
        });
        Ok(())
    }

    fn memo(&mut self, opcode: u8) -> Result<()> {
        let key = match opcode {
            b'q' | b'h' => self.unsigned(1)?,
            0x94 => self.memo.len() as u64,
            _ => self.unsigned(4)?,
        };
        if matches!(opcode, b'h' | b'j') {
            self.stack.push(*self.memo.get(&key).ok_or_else(damaged)?);
        } else {
            let top = self.top()?;
            self.memo.insert(key, top);
        }
        Ok(())
    }

    /// Extends the list or set on top of the stack. What is appended to an opaque object is lost.
    fn append(&mut self, elements: Vec<Id>) -> Result<()> {
        let top = self.top()?;
        if let Value::Sequence(sequence) = &mut self.values[top] {
            sequence.extend(elements);
        }
        Ok(())
    }

    fn set(&mut self, entries: Vec<(Id, Id)>) -> Result<()> {
        let top = self.top()?;
        if let Value::Dict(dict) = &mut self.values[top] {
            dict.extend(entries);
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id> {
        self.stack.pop().ok_or_else(damaged)
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().ok_or_else(damaged)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or_else(damaged)?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    fn bytes(&mut self, count: u64) -> Result<&[u8]> {
        let count = usize::try_from(count).map_err(|_| damaged())?;
        let (bytes, rest) = self.input.split_at_checked(count).ok_or_else(damaged)?;
        self.input = rest;
        Ok(bytes)
    }

    /// A little-endian unsigned number of `width` bytes.
    fn unsigned(&mut self, width: u64) -> Result<u64> {
        Ok(self.bytes(width)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Text up to the end of the line.
    fn line(&mut self) -> Result<String> {
        let length = self.input.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let line = std::str::from_utf8(self.bytes(length as u64)?).map_err(|_| damaged())?.to_owned();
        self.byte()?;
        Ok(line)
    }
}

/// A little-endian integer in two's complement of any length.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Other;
    }
    let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}

/// Keys and values that lie alternately.
fn pairs(elements: &[Id]) -> Result<Vec<(Id, Id)>> {
    let (pairs, rest) = elements.as_chunks::<2>();
    if rest.is_empty() { Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()) } else { Err(damaged()) }
}

fn damaged() -> Error {
    Error::new("the checkpoint is damaged: its list of weights breaks off or contradicts itself")
        .help("download it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shared_containers_are_filled_after_they_are_memorised() {
        // `{"a": [1, -2]}` by protocol 4, as CPython writes it.
        let pickle = Pickle::parse(b"\x80\x04}\x94\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xffes.").unwrap();
        let list = pickle.sequence(pickle.entry(pickle.root(), "a").unwrap()).unwrap();
        assert_eq!(list.iter().map(|id| pickle.int(*id)).collect::<Vec<_>>(), [Some(1), Some(-2)]);
    }

    #[test]
    fn calls_are_not_executed() {
        let pickle = Pickle::parse(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap();
        let Value::Object { callable, .. } = pickle.value(pickle.root()) else { panic!("it is an object") };
        assert_eq!(pickle.global(*callable), Some("os.system"));
    }

    #[test]
    fn of_equal_keys_the_last_value_counts_as_in_python() {
        // `d = {"a": 1, "b": 2}`, and then `d["a"] = 3`.
        let pickle = Pickle::parse(b"\x80\x02}(U\x01aK\x01U\x01bK\x02uU\x01aK\x03s.").unwrap();
        let value = |key| pickle.entry(pickle.root(), key).and_then(|id| pickle.int(id));
        assert_eq!((value("a"), value("b")), (Some(3), Some(2)));
        let Value::Dict(entries) = pickle.value(pickle.root()) else { panic!("it is a dictionary") };
        assert_eq!(entries.iter().map(|(key, _)| pickle.text(*key)).collect::<Vec<_>>(), [Some("a"), Some("b")]);
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Pickle::parse(&bytes);
        }

        #[test]
        fn no_sequence_of_opcodes_makes_it_panic(
            opcodes in prop::collection::vec(prop::sample::select(&b"(01N2K\x88X)]tale}dsucRQ\x81\x85\x86\x87\x90\x91\x93\x94bqhj"[..]), 0..60),
        ) {
            let _ = Pickle::parse(&opcodes);
        }
    }
}
