//! Downloading: files with resume and checksums, archives unpacked safely, parts of data sets put in their places.
//!
//! Nothing appears in its place before it is whole. A download grows under a temporary name and is renamed when its
//! checksum is right. An archive is unpacked into a temporary folder next to its place.

mod archive;
mod backbones;
mod checksum;
mod download;
mod http;
mod hub;
mod origin;
mod part;
mod unpack;

pub use backbones::{Backbone, Fetched, fetch_backbone};
pub use hub::Hosted;
pub use origin::Origin;
pub use part::{Standing, fetch_part, standing};

/// What happens while something is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A download begins, or resumes after `had` bytes.
    Begun {
        /// The address.
        url: String,
        /// How many bytes were already there.
        had: u64,
        /// The whole file's length, if the server gives it.
        total: Option<u64>,
    },
    /// So many bytes have arrived.
    Bytes(u64),
    /// The download is complete, and its archive is being unpacked.
    Unpacking,
    /// A file is there whose publisher gives no checksum. The sentence says what is kept of it.
    Unpublished(String),
    /// Something went wrong, and a retry or the next source follows.
    Trouble(String),
}

/// A callback for what happens.
pub type Listener<'a> = &'a mut dyn FnMut(News);
