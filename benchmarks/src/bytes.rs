//! Sizes in bytes as people write them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// A number of bytes, written with its unit: `3GB`, `1.5 GB`, `500MB`, `4GiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Units, each a thousand times the one before.
const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];

/// Units, each 1024 times the one before. They are read and never shown.
const BINARY_UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size: expected a number and a unit, as in 3GB or 500MB");
        let unit = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(unit);
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let power = |units: &[&str]| units.iter().position(|known| known.eq_ignore_ascii_case(unit));
        let decimal = power(&UNITS).map(|power| 1000_f64.powi(power as i32));
        let one = decimal.or_else(|| Some(1024_f64.powi(power(&BINARY_UNITS)? as i32))).ok_or_else(wrong)?;
        if !number.is_finite() || number < 0.0 {
            return Err(wrong());
        }
        Ok(Self((number * one) as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut number, mut unit) = (self.0 as f64, 0);
        while number >= 1000.0 && unit + 1 < UNITS.len() {
            (number, unit) = (number / 1000.0, unit + 1);
        }
        let digits = usize::from(unit > 0 && number < 100.0);
        write!(f, "{number:.digits$} {}", UNITS[unit])
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // In bytes, so that nothing is rounded on the way from the command line to the settings.
        serializer.collect_str(&format_args!("{}B", self.0))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        let read = |text: &str| text.parse::<ByteSize>().map(|size| size.0);
        assert_eq!(read("3GB"), Ok(3_000_000_000));
        assert_eq!(read("1.5 gb"), Ok(1_500_000_000));
        assert_eq!(read("17B"), Ok(17));
        assert_eq!(read("3GiB"), Ok(3 << 30));
        for wrong in ["3", "GB", "-1GB", "3Gi", "inf MB", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let shown = [0, 999, 1000, 45_670_000, 123_400_000_000, 5_000_000_000_000_000];
        insta::assert_snapshot!(shown.map(|size| ByteSize(size).to_string()).join(", "), @"0 B, 999 B, 1.0 kB, 45.7 MB, 123 GB, 5000 TB");
    }
}
