//! The plugin boundary, host side.
