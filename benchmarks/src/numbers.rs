//! Numbers as people write them: lists such as `1,2,4-8`, and how many there are of something.

use crate::lists;
use nemesis_core::dataset::few_shot::ALL_SHOTS;
use serde::{Deserializer, Serialize, Serializer};
use std::fmt::Display;
use std::str::FromStr;

/// The most numbers that a range may stand for: a slip of the finger should not be a plan of a million trainings.
const MOST: u64 = 1000;

/// What [`Numbers`] are of.
pub trait Number: Copy + TryFrom<u64> + Into<u64> + Display {
    /// What `all` stands for, if it stands for anything.
    const ALL: Option<Self>;
}

/// Shots.
impl Number for u32 {
    const ALL: Option<Self> = Some(ALL_SHOTS);
}

/// Seeds.
impl Number for u64 {
    const ALL: Option<Self> = None;
}

/// Numbers and ranges with commas between them, in the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers<T>(pub Vec<T>);

impl<T: Number> FromStr for Numbers<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_all = |number: T| T::ALL.is_some_and(|all| all.into() == number.into());
        let number = |number: u64| {
            // The number that stands for `all` is none that a person writes.
            let fits = T::try_from(number).ok().filter(|number| !is_all(*number));
            fits.ok_or_else(|| format!("`{number}` is too large"))
        };
        let of_item = |item: &str| match T::ALL {
            Some(all) if item == "all" => Ok(vec![all]),
            _ => span(item)?.into_iter().map(number).collect(),
        };
        let items = text.split(',').map(|item| of_item(item.trim())).collect::<Result<Vec<_>, String>>()?;
        Ok(Self(items.concat()))
    }
}

/// What one item stands for: `4` for itself, `4-8` for the numbers from 4 to 8.
fn span(item: &str) -> Result<Vec<u64>, String> {
    let wrong = || format!("`{item}` is neither a number nor a range, expected whole numbers from 0 on, as in 1,2,4-8");
    let number = |text: &str| {
        let text = text.trim();
        // `parse` would take a sign.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten().ok_or_else(wrong)
    };
    let Some((first, last)) = item.split_once('-') else { return Ok(vec![number(item)?]) };
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(format!("the range `{item}` runs backwards, expected the lower number first: {last}-{first}"));
    }
    if last - first >= MOST {
        return Err(format!("the range `{item}` is too long, expected at most {MOST} numbers"));
    }
    Ok((first..=last).collect())
}

/// How numbers are called in an error.
const EXPECTED: &str = "numbers, as in 1,2,4-8";

/// A list of numbers in a file: a YAML list whose items may be ranges, one text with commas, or a number.
///
/// # Errors
///
/// When it is something else.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Number,
    D: Deserializer<'de>,
{
    lists::parsed(deserializer, EXPECTED).map(flat)
}

/// The same where there may be none.
pub(crate) fn some<'de, T, D>(deserializer: D) -> Result<Option<Vec<Numbers<T>>>, D::Error>
where
    T: Number,
    D: Deserializer<'de>,
{
    lists::some_parsed(deserializer, EXPECTED)
}

/// The numbers of an option that may be given several times.
pub fn flat<T>(lists: Vec<Numbers<T>>) -> Vec<T> {
    lists.into_iter().flat_map(|numbers| numbers.0).collect()
}

impl<T: Number> Serialize for Numbers<T> {
    /// One by one: a range may stand for fewer numbers than a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.iter().map(|number| written(*number)).collect::<Vec<_>>().join(","))
    }
}

/// A number as [`Numbers`] reads it.
fn written<T: Number>(number: T) -> String {
    let is_all = T::ALL.is_some_and(|all| all.into() == number.into());
    if is_all { "all".to_owned() } else { number.to_string() }
}

/// So many of what is called so: `1 seed`, `3 seeds`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Numbers as briefly as [`Numbers`] reads them: runs of three and more as ranges, `separator` between items.
pub fn brief<T: Number>(numbers: &[T], separator: &str) -> String {
    let mut items: Vec<String> = Vec::new();
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let in_turn = |(at, number): &(usize, &T)| Some((**number).into()) == first.into().checked_add(*at as u64);
        let length = rest.iter().enumerate().take_while(in_turn).count();
        let length = if length < 3 { 1 } else { length };
        let (run, others) = rest.split_at(length);
        items.push(if length == 1 { written(first) } else { format!("{first}-{}", run[length - 1]) });
        rest = others;
    }
    items.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<u32>, String> {
        text.parse::<Numbers<u32>>().map(|numbers| numbers.0)
    }

    #[test]
    fn numbers_and_ranges_are_read_in_order() {
        assert_eq!(read("16,1, 4-6"), Ok(vec![16, 1, 4, 5, 6]));
        assert_eq!(read("3 - 3"), Ok(vec![3]));
        assert_eq!(read("1,all"), Ok(vec![1, ALL_SHOTS]));
        assert_eq!(brief(&[1, ALL_SHOTS], ","), "1,all");
        assert_eq!(brief(&[u64::MAX, 5], ","), "18446744073709551615,5");
        assert!("all".parse::<Numbers<u64>>().is_err());
        for wrong in
            ["", "1,", "5-1", "1-", "-1", "1-2-3", "+1", "1.5", "one", "1-1000000", "4294967295", "4294967296", "1..3"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(numbers in prop::collection::vec(0u32..30, 1..20)) {
            prop_assert_eq!(read(&brief(&numbers, ",")), Ok(numbers));
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,20}") {
            let _ = read(&text);
        }
    }
}
