//! Archives that mean harm or are broken, a test each: none writes anything.

use crate::fetch::{PNG, pictures_zip, root, run, zip};
use crate::files::tree;
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Cursor;
use std::path::Path;
use tar::EntryType::{Char, Link, Regular, Symlink};
use tar::{EntryType, Header};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An entry of a tar archive: its name, kind, target and content.
type Entry<'a> = (&'a str, EntryType, &'a str, &'a [u8]);

/// A tar archive, compressed by gzip, whose names and links nobody has looked at.
pub(crate) fn tar_gz(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, kind, target, content) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Fetches the data set `toy` from an archive of this name: it fails with one message, and leaves the folder as it was.
fn check(case: &str, name: &str, bytes: &[u8]) {
    let url = format!("https://example.org/{name}");
    let root = root(&format!("    - {{gives: [pictures], from: [{{url: {url}}}]}}\n"));
    fs::create_dir(root.path().join("copies")).unwrap();
    fs::write(root.path().join("copies").join(name), bytes).unwrap();
    let before = tree(root.path());
    let said = run(root.path(), &["data", "fetch", "toy", "--data", ".", "--from", "copies"]);
    assert_eq!(tree(root.path()), before, "something was written");
    assert!(!Path::new(ABSOLUTE).exists());
    let error = said.split_once("error: ").expect(&said).1;
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/harmful_archives");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(case, error));
}

/// The archives of one format, each with a name and its bytes.
macro_rules! harmful {
    ($format:ident, $file:literal { $($name:ident: $bytes:expr),+ $(,)? }) => {
        mod $format {
            use super::*;
            $(#[test]
            fn $name() {
                check(concat!(stringify!($format), "__", stringify!($name)), $file, &$bytes);
            })+
        }
    };
}

const GOOD: Entry<'_> = ("pictures/a.png", Regular, "", PNG);
/// A path outside of every test's folder.
const ABSOLUTE: &str = "/tmp/nemesis-evil";
/// More zeros than an archive may unpack to.
static BOMB: [u8; 20 << 20] = [0; 20 << 20];

harmful!(in_tar, "x.tar.gz" {
    a_path_that_climbs_out: tar_gz(&[GOOD, ("pictures/../../evil", Regular, "", b"x")]),
    an_absolute_path: tar_gz(&[GOOD, (ABSOLUTE, Regular, "", b"x")]),
    a_link_out: tar_gz(&[("pictures/out", Symlink, "../../..", b""), ("pictures/out/evil", Regular, "", b"x")]),
    a_hard_link_out: tar_gz(&[("pictures/out", Link, "/etc/passwd", b"")]),
    a_device: tar_gz(&[("pictures/null", Char, "", b"")]),
    a_bomb: tar_gz(&[GOOD, ("pictures/b.png", Regular, "", &BOMB)]),
    a_path_twice: tar_gz(&[GOOD, GOOD]),
    cut_short: {
        let whole = tar_gz(&[GOOD]);
        whole[..whole.len() - 20].to_vec()
    },
});

harmful!(in_zip, "x.zip" {
    a_path_that_climbs_out: zip(&[("../evil".into(), b"x".to_vec())]),
    an_absolute_path: zip(&[(ABSOLUTE.into(), b"x".to_vec())]),
    a_path_for_another_system: zip(&[("..\\evil".into(), b"x".to_vec())]),
    a_link_out: {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("pictures/out", "/etc", SimpleFileOptions::default()).unwrap();
        zip.finish().unwrap().into_inner()
    },
    a_bomb: zip(&[("pictures/a.png".into(), BOMB.to_vec())]),
    cut_short: {
        let whole = pictures_zip();
        whole[..whole.len() / 2].to_vec()
    },
    a_flipped_bit: {
        let mut flipped = pictures_zip();
        flipped[60] ^= 1;
        flipped
    },
    empty: Vec::new(),
});
