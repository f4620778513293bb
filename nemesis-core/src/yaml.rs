//! Typed YAML: every failure names the file, the line and, for an unknown key, the nearest known one.
//!
//! Why not serde-saphyr? Its 2.2 places a repeated key exactly, which `error::foreign` has to search for. But its messages
//! do not say which value is wrong: `inner.seeds: invalid type: floating point 1.5` becomes `invalid u32`, and there is no
//! path to it. It also reads untyped values differently, so options of methods would change: `yes` is a boolean, `012` is 12
//! and `1_000` is 1000, while they are strings here.

use crate::error::of_serde_yaml;
use crate::{Result, files};
use serde::de::{DeserializeOwned, EnumAccess, IgnoredAny, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::Path;

/// Reads a YAML file into a `T`, whose structs should be `deny_unknown_fields`.
///
/// # Errors
///
/// When the file cannot be read, or as [`parse`].
pub fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    parse(&files::read_text(file)?, file)
}

/// Parses YAML text into a `T`; `file` is named in errors.
///
/// # Errors
///
/// When the text is not YAML, or not a `T`: an unknown or missing key, one that comes twice, a wrong type, a rejected value;
/// or when there is a number in it that is not finite.
pub fn parse<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T> {
    let told = |error: serde_yaml::Error| of_serde_yaml(&error, text, file);
    let value = serde_yaml::from_str(text).map_err(told)?;
    check(text).map_err(told)?;
    Ok(value)
}

/// Refuses what any type that is read may pass over: keys that come twice, and numbers that are not finite. JSON, in which
/// values are kept and passed to plugins, has neither `.nan` nor `.inf`: they would become no value at all.
///
/// # Errors
///
/// When there is such a thing, or the text is not YAML.
pub fn check(text: &str) -> serde_yaml::Result<()> {
    // A map of any keys, such as a method's options, takes the last of two that are the same; only this type does not.
    let whole: serde_yaml::Value = serde_yaml::from_str(text)?;
    // An empty text has no value to look at, and a list or a map of no items is read from it.
    if whole.is_null() { Ok(()) } else { serde_yaml::from_str::<Finite>(text).map(drop) }
}

/// Any YAML without numbers that are not finite.
struct Finite;

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Finite {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Self, E> {
        if value.is_finite() { Ok(self) } else { Err(E::invalid_value(Unexpected::Float(value), &"a finite number")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }

    /// A value with a tag.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> std::result::Result<Self, A::Error> {
        let (_, value) = tagged.variant::<IgnoredAny>()?;
        value.newtype_variant()
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> std::result::Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only how parsing fails is tested")]
    struct Suite {
        shots: Vec<u32>,
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only how parsing fails is tested")]
    struct Inner {
        protocol: Protocol,
        seeds: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Protocol {
        Paper,
        Mini,
    }

    fn message(text: &str) -> String {
        parse::<Suite>(text, Path::new("suite.yaml")).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_placed_and_the_nearest_suggested() {
        insta::assert_snapshot!(message("shots: [1]\ninner:\n  protocol: paper\n  seds: 3\n"), @r"
        unknown key `seds` in `inner`
          --> suite.yaml:4
          expected: one of protocol, seeds
          help: did you mean `seeds`?
        ");
        insta::assert_snapshot!(message("shts: [1]\n"), @r"
        unknown key `shts`
          --> suite.yaml:1
          expected: one of shots, inner
          help: did you mean `shots`?
        ");
    }

    #[test]
    fn an_unknown_value_is_placed_and_the_nearest_suggested() {
        insta::assert_snapshot!(message("shots: [1]\ninner:\n  protocol: papre\n  seeds: 3\n"), @r"
        unknown value `papre` in `inner.protocol`
          --> suite.yaml:3
          expected: one of paper, mini
          help: did you mean `paper`?
        ");
    }

    #[test]
    fn a_wrong_type_a_missing_key_and_a_repeated_key_are_placed() {
        insta::assert_snapshot!(message("shots: [1, two]\n"), @r#"
        shots, entry 2: invalid type: string "two"
          --> suite.yaml:1
          expected: a whole number from 0 on
        "#);
        insta::assert_snapshot!(message("shots: [1]\n"), @r"
        missing field `inner`
          --> suite.yaml:1
        ");
        insta::assert_snapshot!(message("shots: [1]\nshots: [2]\n"), @r"
        duplicate field `shots`
          --> suite.yaml:2
        ");
    }

    #[test]
    fn broken_syntax_and_an_empty_file_are_placed() {
        insta::assert_snapshot!(message("shots: [1]\ninner: \"x\n"), @r"
        the file is not YAML: found unexpected end of stream, while scanning a quoted scalar
          --> suite.yaml:3
          help: is it cut short, is a quote or bracket left open, or a line indented otherwise than its neighbours?
        ");
        insta::assert_snapshot!(message(""), @r"
        the file is empty
          --> suite.yaml
          expected: keys with values
        ");
    }

    #[test]
    fn a_number_that_is_not_finite_is_placed() {
        let message =
            |text: &str| parse::<serde_json::Value>(text, Path::new("protocol.yaml")).unwrap_err().to_string();
        insta::assert_snapshot!(message("name: mine\nlearning_rate: .nan\n"), @r"
        learning_rate: invalid value: floating point `NaN`
          --> protocol.yaml:2
          expected: a finite number
        ");
        insta::assert_snapshot!(message("name: mine\nmethod_options:\n  coop: {betas: [0.9, -.inf]}\n"), @r"
        method_options.coop.betas, entry 2: invalid value: floating point `-inf`
          --> protocol.yaml:3
          expected: a finite number
        ");
    }

    #[test]
    fn what_fits_is_read() {
        let suite: Suite = parse("shots: [1, 2]\ninner: {protocol: mini, seeds: 3}", Path::new("s.yaml")).unwrap();
        assert!(matches!(suite.inner.protocol, Protocol::Mini));
        let all = "[1, -1, 1.5, 1e300, true, ~, nan, '.nan', {a: !tag b, 2: {}}]";
        assert!(parse::<serde_yaml::Value>(all, Path::new("s.yaml")).is_ok());
        assert!(
            check(all).is_ok() && check("").is_ok() && check("!tag .inf").is_err() && check("{a: 1, a: 2}").is_err()
        );
        assert!(parse::<Vec<String>>("# nothing\n", Path::new("s.yaml")).unwrap().is_empty());
    }
}
