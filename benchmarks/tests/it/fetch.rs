//! `nemesis data fetch` and `nemesis backbone fetch`, against servers that misbehave. Harmful archives are in
//! `harmful_archives.rs`.

use crate::command::{nemesis, regex_escape, told};
use crate::files::tree;
use crate::harmful_archives::tar_gz;
use crate::server::{Answer, Server};
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use tar::EntryType;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Begins and ends as a PNG file does, which is all that is looked at.
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n the picture IEND\xaeB`\x82";
const SPLIT: &[u8] =
    br#"{"train": [["a.png", 0, "ant"]], "val": [["b.png", 0, "ant"]], "test": [["c.png", 0, "ant"]]}"#;
const PICTURES: [&str; 3] = ["a.png", "b.png", "c.png"];

/// A data root that knows one data set, `toy`, of the parts given, in YAML.
pub(crate) fn root(parts: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let registry = format!(
        "- name: toy\n  title: Toy\n  folder: toy\n  layout: {{split_file: {{file: split.json, images: pictures}}}}\n  \
         classes: 1\n  samples: {{train: 1, val: 1, test: 1}}\n  template: a {{}}.\n  licence: none\n  \
         home: https://example.org\n  fetch:\n{parts}"
    );
    fs::write(root.path().join("datasets.yaml"), registry).unwrap();
    root
}

/// The parts of [`root`] where the pictures lie in an archive at a path of the server.
fn parts(server: &Server, pictures: &str) -> String {
    let url = &server.url;
    format!(
        "    - {{gives: [pictures], from: [{{url: {url}{pictures}}}]}}\n    \
         - {{gives: [split.json], from: [{{url: {url}/split.json}}]}}\n"
    )
}

/// A zip archive of the pictures in a folder that is called otherwise in the data set.
pub(crate) fn pictures_zip() -> Vec<u8> {
    zip(&PICTURES.map(|name| (format!("toy-1.0/pictures/{name}"), PNG.to_vec())))
}

pub(crate) fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Runs `nemesis` in the folder; servers and folders are named, not numbered, in what it tells.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> String {
    let mut command = nemesis(folder, arguments);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name);
    }
    let text = told(&command.output().unwrap());
    let server = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap();
    let folder = regex::Regex::new(&regex_escape(folder)).unwrap();
    server.replace_all(&folder.replace_all(&text, "[DIR]"), "[SERVER]").into_owned()
}

fn fetch(root: &tempfile::TempDir) -> String {
    run(root.path(), &["data", "fetch", "toy", "--data", "."])
}

/// What is in the data set's folder, but for the sums of what came, in one line.
fn contents(root: &tempfile::TempDir) -> String {
    let folder = root.path().join("toy");
    if !folder.exists() {
        return "no folder".to_owned();
    }
    let mut files = tree(&folder);
    files.retain(|file| !file.starts_with("SHA256SUMS "));
    files.join(", ")
}

const WHOLE: &str = "pictures/, pictures/a.png 29, pictures/b.png 29, pictures/c.png 29, split.json 93";

#[test]
fn a_data_set_is_fetched_through_a_redirect_and_checked_and_not_fetched_again() {
    let server = Server::start(|request| match request.path.as_str() {
        "/old/pictures.zip" => Answer("302 Found\r\nLocation: /new/pictures\r\nContent-Length: 0".into(), Vec::new()),
        "/new/pictures" => Answer::of(request, &pictures_zip()),
        "/split.json" => Answer::of(request, SPLIT),
        _ => Answer::missing(),
    });
    let root = root(&parts(&server, "/old/pictures.zip"));
    insta::assert_snapshot!(fetch(&root));
    assert_eq!(contents(&root), WHOLE);
    insta::assert_snapshot!(fetch(&root));
    assert_eq!(server.requests(), ["/old/pictures.zip", "/new/pictures", "/split.json"]);
}

#[test]
fn what_came_without_a_published_sum_is_compared_the_next_time() {
    let pictures = pictures_zip();
    let server = Server::start(move |request| match (request.path.as_str(), request.index) {
        ("/split.json", _) => Answer::of(request, SPLIT),
        (_, 0..=2) => Answer::of(request, &pictures),
        _ => Answer::of(request, &zip(&[("pictures/a.png".to_owned(), PNG.to_vec())])),
    });
    let root = root(&parts(&server, "/pictures.zip"));
    let told = fetch(&root);
    assert!(told.contains("pictures.zip has no published hash; SHA-256 "), "{told}");
    let sums = fs::read_to_string(root.path().join("toy/SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().map(|line| &line[64..]).collect::<Vec<_>>(), ["  pictures.zip", "  split.json"]);
    let again = || {
        fs::remove_dir_all(root.path().join("toy/pictures")).unwrap();
        fetch(&root)
    };
    again();
    assert_eq!(contents(&root), WHOLE);
    assert_eq!(fs::read_to_string(root.path().join("toy/SHA256SUMS")).unwrap(), sums);
    let other = again();
    assert!(other.contains("the file has the wrong SHA-256 checksum") && other.contains(&sums[..64]), "{other}");
    assert_eq!(contents(&root), "split.json 93");
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let server = Server::start(|request| match request.path.as_str() {
        "/split.json" => Answer::of(request, SPLIT),
        _ if request.index < 2 => Answer::of(request, &pictures_zip()).broken_off(100),
        _ => Answer::of(request, &pictures_zip()),
    });
    let root = root(&parts(&server, "/pictures.zip"));
    insta::assert_snapshot!(fetch(&root));
    assert_eq!(server.requests(), ["/pictures.zip", "/pictures.zip 100", "/pictures.zip 200", "/split.json"]);
    assert_eq!(contents(&root), WHOLE);
}

#[test]
fn what_is_there_of_a_download_stays_for_the_next_command() {
    let server = Server::start(|request| match (request.path.as_str(), request.index) {
        ("/split.json", _) => Answer::of(request, SPLIT),
        (_, 0) => Answer::of(request, &pictures_zip()).broken_off(100),
        (_, 1..=4) => Answer("503 Service Unavailable\r\nContent-Length: 0".into(), Vec::new()),
        _ => Answer::of(request, &pictures_zip()),
    });
    let root = root(&parts(&server, "/pictures.zip"));
    insta::assert_snapshot!(fetch(&root));
    assert!(contents(&root).contains(".fetch/.pictures.zip.part 100"), "{}", contents(&root));
    fetch(&root);
    assert_eq!(server.requests().last().unwrap(), "/pictures.zip 100");
    assert_eq!(contents(&root), WHOLE);
}

#[test]
fn a_file_that_changed_since_is_fetched_from_its_beginning() {
    let server = Server::start(|request| match (request.path.as_str(), request.index) {
        ("/split.json", _) => Answer::of(request, SPLIT),
        (_, 0) => Answer("200 OK\r\nContent-Length: 500\r\nETag: \"old\"".into(), vec![b'x'; 150]),
        (_, 1) => Answer::rest(&pictures_zip(), 150),
        // It gets further each time, though not yet as far as with the old one.
        (_, 2..=4) => Answer::of(request, &pictures_zip()).broken_off(20),
        _ => Answer::of(request, &pictures_zip()),
    });
    let root = root(&parts(&server, "/pictures.zip"));
    fetch(&root);
    assert_eq!(server.requests()[..4], ["/pictures.zip", "/pictures.zip 150", "/pictures.zip", "/pictures.zip 20"]);
    assert_eq!(contents(&root), WHOLE);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let server = Server::start(|request| match (request.path.as_str(), request.index) {
        ("/split.json", _) => Answer::whole(SPLIT),
        (_, 0) => Answer::whole(&pictures_zip()).broken_off(100),
        _ => Answer::whole(&pictures_zip()),
    });
    let root = root(&parts(&server, "/pictures.zip"));
    fetch(&root);
    assert_eq!(contents(&root), WHOLE);
}

#[test]
fn a_server_that_promises_more_than_it_has() {
    let server = Server::start(|request| match request.start {
        None => Answer("200 OK\r\nContent-Length: 5000\r\nETag: \"one\"".into(), pictures_zip()),
        Some(start) => {
            let length = 5000 - start;
            let head = format!("Content-Range: bytes {start}-4999/5000\r\nContent-Length: {length}\r\nETag: \"one\"");
            Answer(format!("206 Partial Content\r\n{head}"), Vec::new())
        }
    });
    let root = root(parts(&server, "/pictures.zip").lines().next().unwrap());
    insta::assert_snapshot!(fetch(&root));
}

#[test]
fn a_server_that_promises_less_than_it_has() {
    let server = Server::start(|_| Answer("200 OK\r\nContent-Length: 300".into(), pictures_zip()));
    let root = root(parts(&server, "/pictures.zip").lines().next().unwrap());
    insta::assert_snapshot!(fetch(&root));
    assert_eq!(contents(&root), "no folder");
}

#[test]
fn a_server_that_promises_more_than_the_disk_holds() {
    let server = Server::start(|_| Answer("200 OK\r\nContent-Length: 4000000000000000000".into(), pictures_zip()));
    let root = root(parts(&server, "/pictures.zip").lines().next().unwrap());
    let told =
        regex::Regex::new("the disk has .* left").unwrap().replace(&fetch(&root), "the disk has [N] left").into_owned();
    insta::assert_snapshot!(told);
    assert_eq!(contents(&root), "no folder");
}

#[test]
fn wrong_bytes_are_refused_with_both_sums_and_nothing_is_kept() {
    let server = Server::start(|request| Answer::of(request, b"something else"));
    let sum = "c8fa014336c82ac7804f0398fcb19387";
    let root = root(&format!(
        "    - {{gives: [pictures], from: [{{url: {0}/pictures.zip, md5: {sum}}}]}}\n    \
         - {{gives: [split.json], from: [{{url: {0}/split.json, sha256: {sum}{sum}}}]}}\n",
        server.url
    ));
    insta::assert_snapshot!(fetch(&root));
    assert_eq!(contents(&root), "no folder");
}

#[test]
fn a_mirror_takes_over_from_a_source_that_is_gone_and_one_that_wants_a_person() {
    let server = Server::start(|request| match request.path.as_str() {
        "/gone.zip" => Answer::missing(),
        "/terms.zip" => Answer("200 OK\r\nContent-Type: text/html\r\nContent-Length: 5".into(), b"<html".to_vec()),
        "/mirror.zip" => Answer::of(request, &pictures_zip()),
        _ => Answer::of(request, SPLIT),
    });
    let url = &server.url;
    let root = root(&format!(
        "    - {{gives: [pictures], from: [{{url: {url}/gone.zip}}, {{url: {url}/terms.zip}}, {{url: {url}/mirror.zip}}]}}\n    \
         - {{gives: [split.json], from: [{{url: {url}/split.json}}]}}\n"
    ));
    insta::assert_snapshot!(fetch(&root));
    assert_eq!(contents(&root), WHOLE);
}

#[test]
fn where_nothing_works_a_person_is_told_what_to_do() {
    let root = root(
        "    - gives: [pictures]\n      from: [{url: http://127.0.0.1:1/pictures.zip}]\n      \
         by_hand: sign in at https://example.org and unpack pictures.zip\n    \
         - {gives: [split.json], copy: other/split.json}\n",
    );
    insta::assert_snapshot!(fetch(&root));
    fs::create_dir(root.path().join("other")).unwrap();
    fs::write(root.path().join("other/split.json"), SPLIT).unwrap();
    fetch(&root);
    assert_eq!(contents(&root), "split.json 93");
}

#[test]
fn the_files_may_come_from_a_folder_or_a_mirror() {
    let inner = tar_gz(&PICTURES.map(|name| (leak(&format!("pictures/{name}")), EntryType::Regular, "", PNG)));
    let outer = zip(&[("toy/pictures.tar.gz".to_owned(), inner)]);
    let root = root(
        "    - {gives: [pictures], from: [{url: https://example.org/x/toy.zip?download=1, inner: toy/pictures.tar.gz}]}\n    \
         - {gives: [split.json], from: [{url: https://example.org/split.json}]}\n",
    );
    let copies = root.path().join("copies");
    fs::create_dir(&copies).unwrap();
    fs::write(copies.join("toy.zip"), &outer).unwrap();
    fs::write(copies.join("split.json"), SPLIT).unwrap();
    insta::assert_snapshot!(run(root.path(), &["data", "fetch", "toy", "--data", ".", "--from", "copies"]));
    assert_eq!(contents(&root), WHOLE);

    fs::remove_dir_all(root.path().join("toy")).unwrap();
    let server = Server::start(move |request| match request.path.as_str() {
        "/all/toy.zip" => Answer::of(request, &outer),
        "/all/split.json" => Answer::of(request, SPLIT),
        _ => Answer::missing(),
    });
    run(root.path(), &["data", "fetch", "toy", "--data", ".", "--from", &format!("{}/all/", server.url)]);
    assert_eq!(contents(&root), WHOLE);
}

fn leak(text: &str) -> &'static str {
    text.to_owned().leak()
}

#[test]
fn archives_of_something_else_are_refused() {
    let url = "https://example.org/x.zip";
    let root = root(&format!("    - {{gives: [pictures], from: [{{url: {url}}}]}}\n"));
    fs::create_dir(root.path().join("copies")).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(root.path().join("copies/x.zip"), bytes).unwrap();
        let told = run(root.path(), &["data", "fetch", "toy", "--data", ".", "--from", "copies"]);
        assert_eq!(contents(&root), "no folder");
        told.split_once("error: ").expect(&told).1.to_owned()
    };
    insta::assert_snapshot!(refused(&zip(&[("images/a.png".into(), PNG.to_vec())])));
    insta::assert_snapshot!(refused(b"<html>Sorry</html>"));
    fs::remove_file(root.path().join("copies/x.zip")).unwrap();
    insta::assert_snapshot!(run(root.path(), &["data", "fetch", "toy", "--data", ".", "--from", "copies"]));
    insta::assert_snapshot!(run(root.path(), &["data", "fetch", "toy", "--data", ".", "--from", "nowhere"]));
}

#[test]
fn the_built_in_data_sets_say_where_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(run(folder.path(), &["data", "fetch", "imagenet", "--data", "DATA"]));
    let names = ["caltech101", "eurosat", "sun397", "imagenetv2", "imagenet_sketch"];
    let arguments = [&["data", "fetch", "--dry-run", "--data", "DATA"], &names[..]].concat();
    insta::assert_snapshot!(run(folder.path(), &arguments));
    assert!(tree(folder.path()).is_empty());
}

#[test]
fn every_built_in_data_set_can_be_fetched_or_says_what_to_do() {
    let registry = nemesis_core::dataset::Registry::built_in().unwrap();
    for entry in registry.entries() {
        assert!(!entry.fetch.is_empty(), "{}", entry.name);
    }
}

#[test]
fn checkpoints_are_checked_by_their_published_sum() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    insta::assert_snapshot!(run(here, &["backbone", "list"]));
    insta::assert_snapshot!(run(here, &["backbone", "fetch", "RN55"]));
    fs::create_dir(here.join("copies")).unwrap();
    fs::write(here.join("copies/ViT-B-16.pt"), "no weights").unwrap();
    insta::assert_snapshot!(run(here, &["backbone", "fetch", "vit-b-16", "--out", "weights", "--from", "copies"]));
    fs::write(here.join("RN50.pt"), "my own").unwrap();
    insta::assert_snapshot!(run(here, &["backbone", "fetch", "RN50"]));
    let server = Server::start(|request| Answer::of(request, b"no weights either"));
    insta::assert_snapshot!(run(here, &["backbone", "fetch", "RN101", "--from", &server.url]));
    // Two commands do not write into one file.
    let part = fs::File::create(here.join(".RN101.pt.part")).unwrap();
    part.lock().unwrap();
    let second = run(here, &["backbone", "fetch", "RN101", "--from", &server.url]);
    assert!(second.contains("another command is downloading this file"), "{second}");
    fs::remove_file(here.join(".RN101.pt.part")).unwrap();
    assert_eq!(tree(here), ["RN50.pt 6", "copies/", "copies/ViT-B-16.pt 10"]);
}
