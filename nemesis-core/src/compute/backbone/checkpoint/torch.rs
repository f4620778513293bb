//! Checkpoints of `torch.save` and TorchScript: a zip archive of a pickle (`data.pkl`) and the bytes of its storages.

use super::legacy::Legacy;
use super::pickle::{Id, Pickle, Value};
use super::{CLASSES, Content};
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use tch::{Kind, Tensor};
use zip::ZipArchive;

/// Names nest about eight deep in CLIP; a damaged or hostile pickle may nest, or contain itself, without end.
const DEEPEST: usize = 32;

/// More values than this are not visited, since shared values can make a small pickle describe a huge tree.
const MOST_VALUES: usize = 1_000_000;

/// A longer name is no weight's. Names begin with those of all dictionaries around them, so that long ones would add up.
const LONGEST_NAME: usize = 1 << 16;

/// What is made of a file takes at most so many times its size, or [`ALWAYS`] if that is more. The storages of a sound one
/// take its size once, and those of its tensors that are not contiguous once more. But a pickle may name a storage, a tensor
/// or a text as often as it likes, in a few bytes each time.
const MOST_TIMES: usize = 4;
const ALWAYS: usize = 16 << 20;

/// Parts of names that trainings give to what they leave beside a state dict, and that is no part of a model.
const LEFT_BY_TRAINING: [&str; 13] = [
    "optim", "sched", "scaler", "rng", "random", "loss", "metric", "result", "args", "hparam", "hyper", "callback",
    "loop",
];

/// All tensors of an archive, under their dotted names.
///
/// Modules of TorchScript, nested dictionaries and lists are followed, other objects are noted if they hold numbers.
/// State dicts that lie under a key `state_dict`, or whose names all begin with `module.`, are taken out of these.
pub(super) fn read(bytes: &[u8]) -> Result<Content> {
    let mut archive = Archive::open(bytes)?;
    let pickle = Pickle::parse(&archive.file("data.pkl")?)?;
    collect(Source::Archive(archive), &pickle, bytes.len())
}

/// The same of a file in the format that `torch.save` had before `PyTorch` 1.6.
pub(super) fn read_legacy(bytes: &[u8]) -> Result<Content> {
    let (legacy, pickle) = Legacy::open(bytes)?;
    collect(Source::Legacy(legacy), &pickle, bytes.len())
}

fn collect(source: Source<'_>, pickle: &Pickle, length: usize) -> Result<Content> {
    let dict = pickle.entry(pickle.root(), "state_dict");
    let root = dict.unwrap_or(pickle.root());
    if let Some(elements) = pickle.sequence(root) {
        return Err(Error::new(format!(
            "the file holds a list or tuple of length {}, and no state dict",
            elements.len()
        ))
        .expected("a dictionary of tensors by name")
        .help("save the element that is the model alone: torch.save(torch.load(FILE)[0], NEW), if it is the first"));
    }
    let epoch =
        pickle.entry(pickle.root(), "epoch").and_then(|id| pickle.int(id)).and_then(|epoch| epoch.try_into().ok());
    let mut reader = Reader {
        source,
        pickle,
        storages: HashMap::new(),
        copies: HashMap::new(),
        tensors: BTreeMap::new(),
        beside: Vec::new(),
        visited: 0,
        left: length.saturating_mul(MOST_TIMES).max(ALWAYS),
    };
    let classes = reader.classes()?;
    reader.visit(root, "", 0)?;
    if dict.is_some() {
        reader.note_beside("state_dict")?;
    }
    let Reader { mut tensors, beside, .. } = reader;
    if tensors.keys().all(|name| name.starts_with("module.")) {
        tensors = tensors.into_iter().map(|(name, t)| (name["module.".len()..].to_owned(), t)).collect();
    }
    Ok(Content { tensors, epoch, classes, modules: modules(pickle), beside, ..Content::default() })
}

/// The classes of the module that a TorchScript archive holds, and of its module `visual`.
fn modules(pickle: &Pickle) -> Vec<String> {
    let class = |id: Id| match pickle.value(id) {
        Value::Object { callable, state, .. } => {
            let class = pickle.global(*callable)?.strip_prefix("__torch__.")?;
            Some((class.to_owned(), *state))
        }
        _ => None,
    };
    let Some((root, state)) = class(pickle.root()) else { return Vec::new() };
    let visual = state.and_then(|state| pickle.entry(state, "visual")).and_then(class);
    std::iter::once(root).chain(visual.map(|(visual, _)| visual)).collect()
}

/// Where the bytes of storages lie.
enum Source<'a> {
    Archive(Archive<'a>),
    Legacy(Legacy<'a>),
}

impl Source<'_> {
    /// The bytes of the storage of this name, which should hold so many elements of so many bytes.
    fn storage(&mut self, name: &str, elements: usize, width: usize) -> Result<Vec<u8>> {
        match self {
            Self::Archive(archive) => archive.file(&format!("data/{name}")),
            Self::Legacy(legacy) => legacy.storage(name, elements, width).map(<[u8]>::to_vec),
        }
    }
}

pub(super) fn damaged(why: impl std::fmt::Display) -> Error {
    Error::new(format!("the checkpoint is damaged or cut short: {why}")).help("download it again")
}

/// The zip archive, in which all files lie in one folder of any name.
struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    folder: String,
    /// Its length in bytes.
    length: u64,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        let names = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned()));
        let pickles = names.filter(|name| name == "data.pkl" || name.ends_with("/data.pkl"));
        let folder = pickles.map(|name| name.trim_end_matches("data.pkl").to_owned()).min_by_key(String::len);
        let folder = folder.ok_or_else(|| {
            Error::new("the file is a zip archive without the file `data.pkl`")
                .expected("an archive written by `torch.save` or TorchScript")
                .help("arrays of NumPy, and archives that others were packed in, are not read")
        })?;
        let mut archive = Self { zip, folder, length: bytes.len() as u64 };
        if archive.zip.index_for_name(&format!("{}byteorder", archive.folder)).is_some()
            && archive.file("byteorder")? != b"little"
        {
            return Err(Error::new("the checkpoint was written on a big-endian machine")
                .help("save it again on a little-endian one"));
        }
        Ok(archive)
    }

    fn file(&mut self, name: &str) -> Result<Vec<u8>> {
        let most = self.length;
        let mut file = self.zip.by_name(&format!("{}{name}", self.folder)).map_err(damaged)?;
        // PyTorch does not compress, so no file in an archive is larger than the archive.
        if file.size() > most {
            return Err(damaged(format!("`{name}` is larger than the archive that it lies in")));
        }
        let mut bytes = Vec::with_capacity(file.size() as usize);
        file.by_ref().take(most).read_to_end(&mut bytes).map_err(damaged)?;
        Ok(bytes)
    }
}

/// What part of a storage a tensor is: the storage's number, offset, sizes and strides.
type View = (usize, i64, Vec<i64>, Vec<i64>);

struct Reader<'a> {
    source: Source<'a>,
    pickle: &'a Pickle,
    /// Storages as flat tensors, with numbers, by class, file and elements, since several tensors may share one.
    storages: HashMap<(String, String, i64), (usize, Tensor)>,
    /// Contiguous copies of what lies in another order.
    copies: HashMap<View, Tensor>,
    tensors: BTreeMap<String, Tensor>,
    /// Names of what holds numbers and is not among the tensors.
    beside: Vec<String>,
    visited: usize,
    /// How many more bytes may be taken for what is made of the file.
    left: usize,
}

impl Reader<'_> {
    /// Collects the tensors under a value into `self.tensors`.
    fn visit(&mut self, id: Id, name: &str, depth: usize) -> Result<()> {
        self.count_visit(name, depth)?;
        let under = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        match self.pickle.value(id) {
            Value::Dict(entries) => {
                for (key, value) in entries {
                    match self.key(*key) {
                        Some(key) => self.visit(*value, &under(&key), depth + 1)?,
                        None => self.note(*value, &under("?"), depth + 1)?,
                    }
                }
            }
            Value::Sequence(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    self.visit(*element, &under(&i.to_string()), depth + 1)?;
                }
            }
            Value::Object { callable, arguments, state } => {
                let arguments = self.pickle.sequence(*arguments).unwrap_or_default();
                match (self.pickle.global(*callable), arguments, state) {
                    (Some("torch._utils._rebuild_tensor_v2"), arguments, _) => {
                        let tensor = self.tensor(arguments).map_err(|e| e.context(format!("weight `{name}`")))?;
                        self.take(name.len())?;
                        if self.tensors.insert(name.to_owned(), tensor).is_some() {
                            return Err(damaged(format!("two weights are called `{name}`")));
                        }
                    }
                    (Some("torch._utils._rebuild_parameter"), [tensor, ..], _) => {
                        self.visit(*tensor, name, depth + 1)?;
                    }
                    (Some(class), _, Some(state)) if class.starts_with("__torch__.") => {
                        self.visit(*state, name, depth + 1)?;
                    }
                    (Some(callable), ..) if is_tensor(callable) => {
                        return Err(other_form(callable).context(format!("weight `{name}`")));
                    }
                    _ => self.note(id, name, depth)?,
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes what holds numbers beside the entry `key` of the root, unless a training has left it.
    fn note_beside(&mut self, key: &str) -> Result<()> {
        let Value::Dict(entries) = self.pickle.value(self.pickle.root()) else { return Ok(()) };
        for (other, value) in entries {
            let other = self.key(*other).unwrap_or_else(|| "?".to_owned());
            let lower = other.to_lowercase();
            if other != key && !LEFT_BY_TRAINING.iter().any(|part| lower.contains(part)) {
                self.note(*value, &other, 1)?;
            }
        }
        Ok(())
    }

    /// Notes the names under a value of what holds numbers.
    fn note(&mut self, id: Id, name: &str, depth: usize) -> Result<()> {
        self.count_visit(name, depth)?;
        match self.pickle.value(id) {
            Value::Dict(entries) => {
                for (key, value) in entries {
                    let key = self.key(*key).unwrap_or_else(|| "?".to_owned());
                    self.note(*value, &format!("{name}.{key}"), depth + 1)?;
                }
            }
            Value::Sequence(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    self.note(*element, &format!("{name}.{i}"), depth + 1)?;
                }
            }
            Value::Object { callable, .. } if self.holds_numbers(id, depth)? => {
                let class = self.pickle.global(*callable).unwrap_or("an object");
                self.take(name.len() + class.len())?;
                self.beside.push(if is_tensor(class) { name.to_owned() } else { format!("{name} ({class})") });
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a value needs a storage of the file, or is an array of `NumPy`'s.
    fn holds_numbers(&mut self, id: Id, depth: usize) -> Result<bool> {
        self.count_visit("", depth)?;
        let parts: Vec<Id> = match self.pickle.value(id) {
            Value::Persistent(_) => return Ok(true),
            Value::Dict(entries) => entries.iter().map(|(_, value)| *value).collect(),
            Value::Sequence(elements) => elements.clone(),
            Value::Object { callable, arguments, state } => {
                if self.pickle.global(*callable).is_some_and(|class| class.contains("multiarray._reconstruct")) {
                    return Ok(true);
                }
                std::iter::once(*arguments).chain(*state).collect()
            }
            _ => return Ok(false),
        };
        for part in parts {
            if self.holds_numbers(part, depth + 1)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn key(&self, id: Id) -> Option<String> {
        match self.pickle.value(id) {
            Value::Text(text) => Some(text.clone()),
            Value::Int(int) => Some(int.to_string()),
            _ => None,
        }
    }

    fn count_visit(&mut self, name: &str, depth: usize) -> Result<()> {
        self.visited += 1;
        if depth > DEEPEST || self.visited > MOST_VALUES || name.len() > LONGEST_NAME {
            return Err(damaged("its weights are nested without end"));
        }
        Ok(())
    }

    /// Takes so many bytes of what may be made of the file.
    fn take(&mut self, bytes: usize) -> Result<()> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| damaged("what it describes is many times as large as the file"))?;
        Ok(())
    }

    /// The class names, if there is a list of texts under their key.
    fn classes(&mut self) -> Result<Option<Vec<String>>> {
        let pickle = self.pickle;
        let list = pickle.entry(pickle.root(), CLASSES).and_then(|id| pickle.sequence(id));
        let texts = list.and_then(|ids| ids.iter().map(|id| pickle.text(*id)).collect::<Option<Vec<&str>>>());
        let Some(texts) = texts else { return Ok(None) };
        self.take(texts.iter().map(|text| text.len()).sum())?;
        Ok(Some(texts.into_iter().map(str::to_owned).collect()))
    }

    /// A tensor from the arguments of `_rebuild_tensor_v2`: storage, offset, sizes, strides, two that do not matter
    /// (whether it wants a gradient, and hooks of the backward pass), and, in some files, what else is to be done to it.
    fn tensor(&mut self, arguments: &[Id]) -> Result<Tensor> {
        let &[storage, offset, sizes, strides, ..] = arguments else { return Err(damaged("a tensor lacks its shape")) };
        self.refuse_metadata(arguments.get(6..).unwrap_or_default())?;
        let (number, storage) = self.storage(storage)?;
        let ints = |id| self.pickle.sequence(id)?.iter().map(|int| self.pickle.int(*int).filter(|i| *i >= 0)).collect();
        let (Some(offset), Some(sizes), Some(strides)) = (self.pickle.int(offset), ints(sizes), ints(strides)) else {
            return Err(damaged("a tensor has no valid shape"));
        };
        let (sizes, strides): (Vec<i64>, Vec<i64>) = (sizes, strides);
        if offset < 0 || !fits(offset, &sizes, &strides, storage.size()[0]) {
            return Err(damaged(format!("a tensor of the shape {sizes:?} lies outside of its storage")));
        }
        let tensor = storage.f_as_strided(&sizes, &strides, offset)?;
        if tensor.is_contiguous() {
            return Ok(tensor);
        }
        let view = (number, offset, sizes, strides);
        if let Some(copy) = self.copies.get(&view) {
            return Ok(copy.shallow_clone());
        }
        self.take(tensor.numel() * tensor.kind().elt_size_in_bytes())?;
        let copy = tensor.f_contiguous()?;
        self.copies.insert(view, copy.shallow_clone());
        Ok(copy)
    }

    /// Refuses what a tensor carries beside its numbers: bits such as `neg`, which says that the numbers in the file are
    /// those of the tensor with the other sign.
    fn refuse_metadata(&self, further: &[Id]) -> Result<()> {
        let mut found = Vec::new();
        for id in further {
            match self.pickle.value(*id) {
                Value::None => {}
                Value::Dict(entries) => {
                    // A bit that is not set says nothing.
                    let set = entries.iter().filter(|(_, set)| !matches!(self.pickle.value(*set), Value::Bool(false)));
                    found.extend(set.map(|(key, _)| format!("`{}`", self.key(*key).unwrap_or_else(|| "?".to_owned()))));
                }
                _ => found.push("a further argument".to_owned()),
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        Err(Error::new(format!("it is stored with {}, and not as plain numbers", found.join(" and ")))
            .expected("a tensor without bits such as `neg` or `conj`, which change what its numbers mean")
            .help("store it as `tensor.resolve_neg().resolve_conj().clone()`, and save the file again"))
    }

    /// The storage behind a persistent id `("storage", class, file, device, elements)`, as a flat tensor with its number.
    fn storage(&mut self, id: Id) -> Result<(usize, Tensor)> {
        let pickle = self.pickle;
        let Value::Persistent(name) = pickle.value(id) else { return Err(damaged("a tensor has no storage")) };
        let Some(&[_, class, file, _, elements, ..]) = pickle.sequence(*name) else {
            return Err(damaged("a storage has no name"));
        };
        let (Some(class), Some(file), Some(elements)) = (pickle.global(class), pickle.text(file), pickle.int(elements))
        else {
            return Err(damaged("a storage has no name"));
        };
        // Each tensor names its storage anew.
        let key = (class.to_owned(), file.to_owned(), elements);
        if let Some((number, storage)) = self.storages.get(&key) {
            return Ok((*number, storage.shallow_clone()));
        }
        let kind = kind(class).ok_or_else(|| {
            Error::new(format!("it is stored as `{class}`"))
                .help("store it as a floating-point type with at least 16 bits")
        })?;
        let count = usize::try_from(elements).map_err(|_| damaged("a storage has no size"))?;
        let bytes = self.source.storage(file, count, kind.elt_size_in_bytes())?;
        if Some(bytes.len()) != count.checked_mul(kind.elt_size_in_bytes()) {
            return Err(damaged(format!("a storage has {} bytes for {elements} elements", bytes.len())));
        }
        self.take(bytes.len())?;
        let storage = Tensor::f_from_data_size(&bytes, &[elements], kind)?;
        let number = self.storages.len();
        self.storages.insert(key, (number, storage.shallow_clone()));
        Ok((number, storage))
    }
}

/// Whether a callable of a pickle makes a tensor.
fn is_tensor(callable: &str) -> bool {
    ["torch._utils._rebuild_", "torch._tensor._rebuild_"].iter().any(|beginning| callable.starts_with(beginning))
}

/// The error about a tensor that is made by another callable than those that are read.
fn other_form(callable: &str) -> Error {
    let has = |part: &str| callable.contains(part);
    let (what, help) = if has("_rebuild_qtensor") {
        ("a quantised tensor", "give the model in 16 or 32 bits: `tensor.dequantize()` makes a tensor plain")
    } else if has("_rebuild_sparse") {
        ("a sparse tensor", "store it as `tensor.to_dense()`")
    } else if has("_rebuild_meta") {
        ("a tensor on the device `meta`, which has a shape and no numbers", "save the model with its weights loaded")
    } else if has("_rebuild_nested") {
        ("a nested tensor", "store it as a tensor of one shape")
    } else {
        ("no plain tensor", "store it as a plain `torch.Tensor` of a floating-point type with at least 16 bits")
    };
    Error::new(format!("it is stored as {what} (`{callable}`)")).help(help)
}

/// The names of all storages that a pickle refers to, and the bytes of their elements, as far as their types are known.
pub(super) fn storage_widths(pickle: &Pickle) -> impl Iterator<Item = (&str, usize)> {
    pickle.persistent_names().filter_map(|name| {
        let &[_, class, file, ..] = pickle.sequence(name)? else { return None };
        Some((pickle.text(file)?, kind(pickle.global(class)?)?.elt_size_in_bytes()))
    })
}

/// Whether a strided view lies within a storage, and has no more elements than it.
fn fits(offset: i64, sizes: &[i64], strides: &[i64], elements: i64) -> bool {
    let count = sizes.iter().try_fold(1_i64, |count, size| count.checked_mul(*size));
    let last = sizes
        .iter()
        .zip(strides)
        .try_fold(offset, |last, (size, stride)| last.checked_add((size - 1).max(0).checked_mul(*stride)?));
    match (count, last) {
        _ if sizes.len() != strides.len() => false,
        (Some(0), Some(_)) => true,
        (Some(count), Some(last)) => count <= elements && last < elements,
        _ => false,
    }
}

fn kind(class: &str) -> Option<Kind> {
    Some(match class.strip_prefix("torch.")? {
        "HalfStorage" => Kind::Half,
        "BFloat16Storage" => Kind::BFloat16,
        "FloatStorage" => Kind::Float,
        "DoubleStorage" => Kind::Double,
        "BoolStorage" => Kind::Bool,
        "ByteStorage" => Kind::Uint8,
        "CharStorage" => Kind::Int8,
        "ShortStorage" => Kind::Int16,
        "IntStorage" => Kind::Int,
        "LongStorage" => Kind::Int64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A pickle of protocol 2, which is a dictionary.
    struct Dict(Vec<u8>);

    impl Dict {
        fn new() -> Self {
            Self(b"\x80\x02}(".to_vec())
        }

        fn text(&mut self, text: &str) {
            self.0.push(b'X');
            self.0.extend((text.len() as u32).to_le_bytes());
            self.0.extend(text.as_bytes());
        }

        fn ints(&mut self, ints: &[i32]) {
            self.0.push(b'(');
            for int in ints {
                self.0.push(b'J');
                self.0.extend(int.to_le_bytes());
            }
            self.0.push(b't');
        }

        /// A square of a storage of `SIDE` times `SIDE` numbers, the other way round.
        fn transposed(&mut self, side: i32, offset: i32) {
            self.0.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            self.text("storage");
            self.0.extend(b"ctorch\nFloatStorage\n");
            self.text("0");
            self.text("cpu");
            self.0.push(b'J');
            self.0.extend((SIDE * SIDE).to_le_bytes());
            self.0.extend(b"tQJ");
            self.0.extend(offset.to_le_bytes());
            self.ints(&[side, side]);
            self.ints(&[1, SIDE]);
            self.0.extend(b"\x89NtR");
        }

        fn read(mut self) -> Result<Content> {
            self.0.extend(b"u.");
            let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
            let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            for (name, bytes) in [("a/data.pkl", &self.0), ("a/data/0", &vec![0; 4 * (SIDE * SIDE) as usize])] {
                zip.start_file(name, stored).unwrap();
                zip.write_all(bytes).unwrap();
            }
            super::read(&zip.finish().unwrap().into_inner())
        }
    }

    const SIDE: i32 = 512;

    /// One memorised tensor under many names.
    #[test]
    fn a_tensor_of_many_names_is_one_in_memory() {
        let mut dict = Dict::new();
        dict.text("first");
        dict.transposed(SIDE, 0);
        dict.0.extend(b"q\x00");
        for name in 0..999 {
            dict.text(&name.to_string());
            dict.0.extend(b"h\x00");
        }
        let tensors = dict.read().unwrap().tensors;
        assert_eq!(tensors.len(), 1000);
        assert!(tensors.values().all(|tensor| tensor.data_ptr() == tensors["first"].data_ptr()));
    }

    #[test]
    fn a_small_file_that_describes_much_is_refused() {
        let refused = |dict: Dict| dict.read().unwrap_err().to_string();
        let mut squares = Dict::new();
        for offset in 0..40 {
            squares.text(&offset.to_string());
            squares.transposed(SIDE - 1, offset);
        }
        assert!(refused(squares).contains("many times as large as the file"));

        let long = "long".repeat(10_000);
        let mut classes = Dict::new();
        classes.text(CLASSES);
        classes.0.extend(b"](");
        classes.text(&long);
        classes.0.extend(b"q\x00");
        classes.0.extend(b"h\x00".repeat(1000));
        classes.0.push(b'e');
        assert!(refused(classes).contains("many times as large as the file"));

        // A name within a name.
        let mut names = Dict::new();
        names.text(&long);
        names.0.extend(b"}(");
        names.text(&long);
        names.transposed(SIDE, 0);
        names.0.push(b'u');
        assert!(refused(names).contains("nested without end"));
    }

    #[test]
    fn views_must_lie_within_their_storage() {
        assert!(fits(2, &[2, 3], &[3, 1], 8));
        assert!(fits(0, &[3, 2], &[1, 3], 6));
        assert!(fits(0, &[], &[], 1));
        assert!(fits(0, &[0, 9], &[9, 1], 0));
        assert!(!fits(3, &[2, 3], &[3, 1], 8));
        assert!(!fits(0, &[2, 3], &[3], 8));
        assert!(!fits(0, &[1 << 40, 1 << 40], &[0, 0], 8));
        assert!(!fits(0, &[3], &[i64::MAX], 8));
        assert!(!fits(0, &[100], &[0], 8), "a repeated element would make it larger than the file");
    }
}
