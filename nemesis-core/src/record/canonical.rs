//! One text for equal JSON values, so that equal cells have equal hashes.

use serde::Serialize;
use serde_json::Value;

/// The value as JSON without white space, its keys sorted at every depth, its floats in their shortest form.
pub(super) fn canonical(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("cells are structs and maps with string keys, which JSON can hold");
    let mut text = String::new();
    write(&value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => write_all(items, ['[', ']'], text, write),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            write_all(entries, ['{', '}'], text, |(key, value), text| {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
            });
        }
        // serde_json prints the shortest digits that read back as the same number.
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn write_all<T>(
    items: impl IntoIterator<Item = T>,
    [open, close]: [char; 2],
    text: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    text.push(open);
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        write(item, text);
    }
    text.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({ "b": [{ "z": 1, "a": 0.1 }, null], "a": "\"é\n" });
        assert_eq!(canonical(&value), r#"{"a":"\"é\n","b":[{"a":0.1,"z":1},null]}"#);
    }
}
