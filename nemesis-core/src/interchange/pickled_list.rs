//! Dassl's few-shot lists: pickles of `{"train": [Datum, …], "val": […]}`. Attributes are read; no code is run.

use crate::backbone::checkpoint::pickle::{Id, Pickle, Value};
use crate::{Error, Result};

/// An image's path, label and class name, as in a list. An empty name, Dassl's default, counts as none.
pub(super) type Datum = (String, i64, Option<String>);

/// The lists `train` and `val` of a pickle; the second is missing from those of data sets without validation images.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<Datum>, Option<Vec<Datum>>)> {
    let wanted = || {
        Error::new("the pickle is not a few-shot list")
            .expected("a dictionary with a list of images under `train`")
            .help("CoOp's code writes these lists to `split_fewshot`; pickle protocols 2 to 5 are supported")
    };
    let pickle = Pickle::parse(bytes).map_err(|_| wanted())?;
    let list = |split: &str, id: Id| -> Result<Vec<Datum>> {
        let items = pickle.sequence(id).ok_or_else(wanted)?;
        let datum = |(at, item): (usize, &Id)| {
            datum(&pickle, *item).ok_or_else(wanted)?.map_err(|what| {
                Error::new(format!("image {} of {split} in the few-shot list has {what}", at + 1))
                    .expected("a string as the path and a whole number as the label")
            })
        };
        items.iter().enumerate().map(datum).collect()
    };
    let train = list("train", pickle.entry(pickle.root(), "train").ok_or_else(wanted)?)?;
    let val = pickle.entry(pickle.root(), "val").map(|val| list("val", val)).transpose()?;
    Ok((train, val))
}

/// Dassl's `Datum`, if the object is one, or what is wrong with its attributes.
fn datum(pickle: &Pickle, id: Id) -> Option<Result<Datum, String>> {
    let Value::Object { state: Some(state), .. } = pickle.value(id) else { return None };
    let path = pickle.entry(*state, "_impath")?;
    let Some(label) = pickle.entry(*state, "_label") else { return Some(Err("no label".to_owned())) };
    let Some(path) = pickle.text(path) else { return Some(Err(format!("{} as its path", form(pickle, path)))) };
    let label = number(pickle, label).map_err(|form| format!("{form} as its label"));
    let name = pickle.entry(*state, "_classname").and_then(|name| pickle.text(name));
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    Some(label.map(|label| (path.to_owned(), label, name)))
}

/// A whole number in any form that Python and `NumPy` use, or a description of what it is instead.
fn number(pickle: &Pickle, id: Id) -> Result<i64, String> {
    match pickle.value(id) {
        Value::Int(number) => Ok(*number),
        Value::Float(number) => whole(*number).ok_or_else(|| format!("the number {number}")),
        Value::Object { callable, arguments, .. } => match pickle.global(*callable) {
            Some("numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar") => {
                scalar(pickle, *arguments).unwrap_or_else(|| Err("a damaged NumPy scalar".to_owned()))
            }
            _ => Err(form(pickle, id)),
        },
        _ => Err(form(pickle, id)),
    }
}

fn whole(number: f64) -> Option<i64> {
    // Labels are small. Beyond this limit, not every whole number can be represented as a floating-point number.
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// The number in `NumPy`'s `scalar(dtype, bytes)`; `None` if the arguments do not fit.
fn scalar(pickle: &Pickle, arguments: Id) -> Option<Result<i64, String>> {
    let [dtype, bytes] = pickle.sequence(arguments)? else { return None };
    let Value::Object { arguments, state, .. } = pickle.value(*dtype) else { return None };
    let code = pickle.text(*pickle.sequence(*arguments)?.first()?)?;
    let order = match state {
        Some(state) => pickle.text(*pickle.sequence(*state)?.get(1)?)?,
        None => "|",
    };
    let mut bytes = raw_bytes(pickle, *bytes)?;
    if order == ">" {
        bytes.reverse();
    }
    let wide = |fill: u8| -> Option<[u8; 8]> {
        let mut wide = [fill; 8];
        wide.get_mut(..bytes.len())?.copy_from_slice(&bytes);
        Some(wide)
    };
    let (kind, width) = code.split_at_checked(1)?;
    if width.parse() != Ok(bytes.len()) {
        return None;
    }
    let other = || format!("a NumPy scalar of the type `{}`", type_name(code));
    Some(match (kind, bytes.len()) {
        ("i", 1..=8) => Ok(i64::from_le_bytes(wide(if bytes.last()? & 0x80 == 0 { 0 } else { 0xff })?)),
        ("u", 1..=8) => i64::try_from(u64::from_le_bytes(wide(0)?)).map_err(|_| other()),
        ("f", 4) => whole(f32::from_le_bytes(bytes.try_into().ok()?).into()).ok_or_else(other),
        ("f", 8) => whole(f64::from_le_bytes(bytes.try_into().ok()?)).ok_or_else(other),
        _ => Err(other()),
    })
}

/// `NumPy`'s name of a number type from its code: `float16` for `f2`.
fn type_name(code: &str) -> String {
    let number = code.split_at_checked(1).and_then(|(kind, width)| {
        let kind = match kind {
            "b" if width == "1" => return Some("bool".to_owned()),
            "i" => "int",
            "u" => "uint",
            "f" => "float",
            "c" => "complex",
            _ => return None,
        };
        Some(format!("{kind}{}", 8 * width.parse::<u16>().ok()?))
    });
    number.unwrap_or_else(|| code.to_owned())
}

/// The bytes of a value. With protocol 2, Python 3 writes them as a string to be encoded, Python 2 as a string.
fn raw_bytes(pickle: &Pickle, id: Id) -> Option<Vec<u8>> {
    match pickle.value(id) {
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::Text(text) => Some(text.clone().into_bytes()),
        Value::Object { callable, arguments, .. } if pickle.global(*callable) == Some("_codecs.encode") => {
            let [text, encoding] = pickle.sequence(*arguments)? else { return None };
            let latin1 = pickle.text(*encoding).is_some_and(|encoding| matches!(encoding, "latin1" | "latin-1"));
            let bytes = pickle.text(*text)?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>()?;
            latin1.then_some(bytes)
        }
        _ => None,
    }
}

/// What a value is, in a message.
fn form(pickle: &Pickle, id: Id) -> String {
    match pickle.value(id) {
        Value::Other => "a number of more than 64 bits".to_owned(),
        Value::None => "`None`".to_owned(),
        Value::Bool(truth) => format!("the Boolean `{}`", if *truth { "True" } else { "False" }),
        Value::Int(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Bytes(_) => "bytes".to_owned(),
        Value::Text(text) => format!("the string `{text}`"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Dict(_) => "a dictionary".to_owned(),
        Value::Global(name) => format!("`{name}`"),
        Value::Object { callable, .. } => match pickle.global(*callable) {
            Some("numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct") => {
                "a NumPy array".to_owned()
            }
            class => format!("an object of `{}`", class.unwrap_or("another object")),
        },
        Value::Persistent(_) => "something stored outside the file".to_owned(),
    }
}
