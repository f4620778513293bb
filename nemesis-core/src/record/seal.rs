//! The checksum at the end of a record, which shows whether anything in it has changed since it was written.
//!
//! It is one more entry of the JSON object, so that every reader of JSON reads records:
//!
//! ```json
//! {
//!   …,
//!   "checksum": "blake3 of what stands above, in hexadecimal"
//! }
//! ```
//!
//! Records of earlier versions have none.

use std::borrow::Cow;

const BEFORE: &[u8] = b",\n  \"checksum\": \"";
const DIGITS: usize = 64;
const AFTER: &[u8] = b"\"\n}\n";
/// How an object ends that is printed over several lines.
const END: &[u8] = b"\n}\n";

/// The text of a record with its checksum. `text` is a JSON object printed over several lines.
pub(super) fn seal(text: &[u8]) -> Vec<u8> {
    let Some(body) = text.strip_suffix(END) else { return text.to_vec() };
    let mut sealed = body.to_vec();
    sealed.extend(BEFORE);
    sealed.extend(blake3::hash(body).to_hex().as_bytes());
    sealed.extend(AFTER);
    sealed
}

/// The text without its checksum, and whether it is as it was written. A text without one is taken as it is.
pub(super) fn unseal(text: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let Some((body, digits)) = parts(text) else { return (Cow::Borrowed(text), true) };
    let is_intact = blake3::hash(body).to_hex().as_bytes() == digits;
    (Cow::Owned([body, END].concat()), is_intact)
}

fn parts(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_suffix(AFTER)?;
    let (text, digits) = text.split_at_checked(text.len().checked_sub(DIGITS)?)?;
    Some((text.strip_suffix(BEFORE)?, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_read_and_any_change_is_noticed() {
        let text = b"{\n  \"a\": 1\n}\n";
        let sealed = seal(text);
        assert_eq!(unseal(&sealed), (Cow::Borrowed(&text[..]), true));
        assert_eq!(unseal(text), (Cow::Borrowed(&text[..]), true), "one without a checksum");
        assert!(serde_json::from_slice::<serde_json::Value>(&sealed).unwrap()["checksum"].is_string());
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                let (body, is_intact) = unseal(&changed);
                // What no longer looks like a checksum is left for the reader of the record, who knows no such entry.
                let is_refused =
                    !is_intact || serde_json::from_slice::<std::collections::HashMap<String, u8>>(&body).is_err();
                assert!(is_refused, "{}", String::from_utf8_lossy(&changed));
            }
        }
    }
}
