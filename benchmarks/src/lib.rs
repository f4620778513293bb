//! The bench behind the command `nemesis`: suites, plans, runs and tables.

pub mod mini;
pub mod parity;
pub mod tables;
