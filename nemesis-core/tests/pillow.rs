//! Damaged images: what Pillow reads is read to the same pixels, and what it refuses is refused.
//!
//! The archives of `tests/pillow` hold a few hundred files with Pillow's verdicts; `cargo xtask campaign images` makes and
//! compares as many as one likes, by setting `XTASK_DAMAGED_IMAGES` to the archives' folder.

use nemesis_core::image::{Rgb8, decode};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

fn read(archive: &mut ZipArchive<File>, name: &str) -> Vec<u8> {
    let mut bytes = vec![];
    archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// How an image differs from what Pillow made of its file, if it does.
fn difference(verdict: &[&str], ours: &nemesis_core::Result<Rgb8>) -> Option<String> {
    match (verdict, ours) {
        (["accept", width, height, hash, ..], Ok(image)) => {
            let size = (image.width().to_string(), image.height().to_string());
            let bytes: Vec<String> = Sha256::digest(image.data()).iter().map(|byte| format!("{byte:02x}")).collect();
            let ours = bytes.concat();
            let is_equal = (size.0.as_str(), size.1.as_str(), ours.as_str()) == (*width, *height, *hash);
            (!is_equal).then(|| format!("other pixels ({}×{} instead of {width}×{height})", size.0, size.1))
        }
        (["accept", ..], Err(error)) => Some(format!("refused, and Pillow reads it: {}", error.what())),
        (["refuse", .., why], Ok(_)) => Some(format!("read, and Pillow refuses it: {why}")),
        (["refuse", ..], Err(_)) => None,
        _ => panic!("a verdict is {verdict:?}"),
    }
}

/// Compares every file of an archive: how many Pillow read, how many it refused, and what differs.
fn compare(path: &Path) -> (usize, usize, Vec<String>) {
    let mut archive = ZipArchive::new(File::open(path).unwrap()).unwrap();
    let verdicts = String::from_utf8(read(&mut archive, "verdicts.tsv")).unwrap();
    let (mut accepted, mut refused, mut differences) = (0, 0, vec![]);
    for line in verdicts.lines().filter(|line| !line.starts_with('#')) {
        let (name, verdict) = line.split_once('\t').unwrap();
        let verdict: Vec<&str> = verdict.split('\t').collect();
        *(if verdict[0] == "accept" { &mut accepted } else { &mut refused }) += 1;
        let ours = decode(&read(&mut archive, name));
        differences.extend(difference(&verdict, &ours).map(|difference| format!("{name}: {difference}")));
    }
    println!(
        "{}: {accepted} read by Pillow, {refused} refused, {} differ here",
        path.file_name().unwrap().display(),
        differences.len()
    );
    (accepted, refused, differences)
}

#[test]
fn damaged_images_are_read_as_pillow_reads_them() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pillow");
    let folder = std::env::var_os("XTASK_DAMAGED_IMAGES").map_or(own, PathBuf::from);
    let mut differences = vec![];
    for kind in ["jpeg", "png"] {
        let (accepted, refused, more) = compare(&folder.join(format!("damaged-{kind}.zip")));
        assert!(accepted >= 20 && refused >= 20, "{kind}: {accepted} and {refused}");
        differences.extend(more);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
