//! Options of a method: declared once, with defaults and documentation, and read from a free map.

use crate::{ClassPosition, Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One option of a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptionSchema {
    /// The key.
    pub name: String,
    /// The type as a user would say it: `number`, `integer`, `true or false`, or the words allowed.
    pub kind: String,
    /// The value used when the option is not given.
    pub default: Value,
    /// One line of documentation.
    pub help: String,
}

/// A set of options that knows its own schema. Declare it with [`options!`](crate::options).
pub trait OptionSet: DeserializeOwned + Serialize + Default {
    /// All options with their defaults, in the order of declaration.
    fn schema() -> Vec<OptionSchema>;
}

/// A type that an option can have.
pub trait OptionValue: DeserializeOwned + Serialize {
    /// The type as a user would say it.
    fn kind() -> String;
}

macro_rules! option_values {
    ($($kind:literal: $($type:ty)+),+ $(,)?) => {$($(
        impl OptionValue for $type {
            fn kind() -> String {
                $kind.to_owned()
            }
        }
    )+)+};
}

option_values! {
    "number": f64,
    "integer": i64 u64 usize,
    "true or false": bool,
    "text": String,
    "`end`, `middle` or `front`": ClassPosition,
}

impl<T: OptionValue> OptionValue for Option<T> {
    fn kind() -> String {
        format!("{} or null", T::kind())
    }
}

impl<T: OptionValue> OptionValue for [T; 2] {
    fn kind() -> String {
        format!("list of two, each: {}", T::kind())
    }
}

/// Reads options from a map. Options that are not given keep their defaults.
///
/// # Errors
///
/// When a key is unknown (the message names the nearest known one) or a value has the wrong type; the message
/// begins with the option's path.
pub fn parse_options<O: OptionSet>(given: &Map<String, Value>) -> Result<O> {
    let schema = O::schema();
    for (key, value) in given {
        let Some(option) = schema.iter().find(|option| option.name == *key) else {
            return Err(unknown(key, &schema));
        };
        // Read separately, so that an error is known to be about this option: serde does not say.
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        O::deserialize(alone)
            .map_err(|e| Error::option(key, format_args!("{e} ({}, for instance {})", option.kind, option.default)))?;
    }
    O::deserialize(Value::Object(given.clone())).map_err(|e| invalid(format!("options: {e}")))
}

fn invalid(message: String) -> Error {
    Error::of_kind(ErrorKind::InvalidOptions, message)
}

fn unknown(key: &str, schema: &[OptionSchema]) -> Error {
    let names = || schema.iter().map(|option| option.name.as_str());
    let nearest = names()
        .map(|name| (strsim::damerau_levenshtein(key, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(2))
        .min();
    invalid(match nearest {
        Some((_, name)) => format!("option `{key}` is unknown; did you mean `{name}`?"),
        None if schema.is_empty() => format!("option `{key}` is unknown; the method has no options"),
        None => format!("option `{key}` is unknown; the known options are: {}", names().collect::<Vec<_>>().join(", ")),
    })
    .with_option(key)
}

/// Declares a method's options as a serde struct whose defaults and documentation are part of the descriptor.
///
/// ```no_run
/// nemesis_sdk::options! {
///     /// The options of a method.
///     pub struct Options {
///         /// Weight of the regulariser.
///         pub alpha: f64 = 1.0,
///         /// Whether each class has its own context.
///         pub csc: bool = false,
///     }
/// }
///
/// let given = serde_json::json!({ "alpha": 2.5 });
/// let options: Options = nemesis_sdk::parse_options(given.as_object().unwrap())?;
/// assert_eq!((options.alpha, options.csc), (2.5, false));
/// # Ok::<(), nemesis_sdk::Error>(())
/// ```
///
/// A default may be any expression of the field's type, such as `"text".to_owned()` for a `String`.
#[macro_export]
macro_rules! options {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $Options:ident {
            $($(#[doc = $help:literal])+ $field_visibility:vis $field:ident: $type:ty = $default:expr),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, $crate::serde::Serialize, $crate::serde::Deserialize)]
        #[serde(crate = "::nemesis_sdk::serde", default, deny_unknown_fields)]
        $visibility struct $Options {
            $($(#[doc = $help])+ $field_visibility $field: $type,)*
        }

        impl ::std::default::Default for $Options {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::OptionSet for $Options {
            fn schema() -> ::std::vec::Vec<$crate::OptionSchema> {
                let Self { $($field,)* } = <Self as ::std::default::Default>::default();
                ::std::vec![$($crate::OptionSchema {
                    name: ::std::stringify!($field).to_owned(),
                    kind: <$type as $crate::OptionValue>::kind(),
                    default: $crate::serde_json::to_value($field).unwrap_or_default(),
                    help: ::std::concat!($($help),+).trim().to_owned(),
                }),*]
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    crate::options! {
        /// For the tests below.
        pub(super) struct Options {
            /// Weight of the loss,
            /// at least 0.
            pub(super) alpha: f64 = 1.0,
            /// Where the class name stands.
            pub(super) class_position: ClassPosition = ClassPosition::End,
            /// Absent by default.
            pub(super) beta: Option<f64> = None,
        }
    }

    fn parse(value: &Value) -> Result<Options> {
        parse_options(value.as_object().unwrap())
    }

    #[test]
    fn schema_holds_defaults_and_documentation() {
        let schema = Options::schema();
        let alpha = &schema[0];
        assert_eq!((alpha.name.as_str(), alpha.kind.as_str()), ("alpha", "number"));
        assert_eq!((&alpha.default, alpha.help.as_str()), (&json!(1.0), "Weight of the loss, at least 0."));
        assert_eq!((&schema[2].default, schema[2].kind.as_str()), (&Value::Null, "number or null"));
    }

    #[test]
    fn what_is_not_given_keeps_its_default() {
        let options = parse(&json!({ "class_position": "front", "beta": 1 })).unwrap();
        assert_eq!((options.alpha, options.class_position, options.beta), (1.0, ClassPosition::Front, Some(1.0)));
    }

    #[test]
    fn errors_name_the_option() {
        let message = |value| parse(&value).unwrap_err().to_string();
        assert_eq!(parse(&json!({ "alhpa": 1 })).unwrap_err().about(), Some("alhpa"));
        assert_eq!(message(json!({ "alhpa": 1 })), "option `alhpa` is unknown; did you mean `alpha`?");
        assert_eq!(
            message(json!({ "x": 1 })),
            "option `x` is unknown; the known options are: alpha, class_position, beta"
        );
        assert_eq!(
            message(json!({ "beta": 1, "alpha": "one" })),
            "option `alpha`: invalid type: string \"one\", expected f64 (number, for instance 1.0)"
        );
    }
}
