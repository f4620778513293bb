//! Some of the options of a run, for commands that take only these and honour files and variables in the same way.

use crate::settings::{Layer, Settings};
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use std::ffi::OsString;
use std::marker::PhantomData;

/// Which options: their keys.
pub(super) trait Keys {
    const KEYS: &'static [&'static str];

    /// An option as this command has it, if it differs from that of a run.
    fn adapted(argument: Arg) -> Arg {
        argument
    }
}

/// The folder of records that other commands wrote.
#[derive(Debug)]
pub(super) struct Records;

impl Keys for Records {
    const KEYS: &'static [&'static str] = &["out"];

    fn adapted(argument: Arg) -> Arg {
        argument.help("The folder of the records [default: out]")
    }
}

/// The options of a run with the keys `K`.
#[derive(Debug)]
pub(super) struct Only<K> {
    layer: Box<Layer>,
    keys: PhantomData<K>,
}

impl<K: Keys> Only<K> {
    /// The settings of all sources, with these options on top.
    pub(super) fn settings(&self) -> nemesis_core::Result<Settings> {
        Settings::gather(&self.layer)
    }
}

impl<K: Keys> Args for Only<K> {
    fn augment_args(command: Command) -> Command {
        let all = Layer::augment_args(Command::new("all"));
        // They keep their order among the options of a run, but belong where this command has them.
        let before = command.get_arguments().filter(|argument| !argument.is_positional()).count();
        let of_keys = |key: &str| all.get_arguments().find(|argument| argument.get_id() == key).cloned();
        let chosen = K::KEYS.iter().filter_map(|key| of_keys(key)).enumerate();
        command.args(chosen.map(|(i, argument)| K::adapted(argument.display_order(before + i))))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<K: Keys> FromArgMatches for Only<K> {
    /// `Layer` needs all of its options, so what was given is parsed once more next to those that cannot be.
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = K::KEYS.iter().flat_map(|key| {
            matches.get_raw(key).into_iter().flatten().map(move |value| {
                let mut argument = OsString::from(format!("--{}=", key.replace('_', "-")));
                argument.push(value);
                argument
            })
        });
        let all = Layer::augment_args(Command::new("all").no_binary_name(true));
        let layer = Layer::from_arg_matches(&all.try_get_matches_from(given)?)?;
        Ok(Self { layer: Box::new(layer), keys: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        Self::from_arg_matches(matches).map(|new| *self = new)
    }
}
