//! Folders of images: what is taken for one, and what is said of the rest.

use crate::command::{assert_command, nemesis};
use std::fs;
use std::path::Path;

/// The smallest PNG: one pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\
                     \0\0\0\nIDATx\xdac`\0\0\0\x02\0\x01\xe5\x27\xde\xfc\0\0\0\0IEND\xaeB`\x82";

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// The names of the rows that `encode` has written.
fn names(folder: &Path) -> Vec<String> {
    let bytes = fs::read(folder.join("features.safetensors")).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    serde_json::from_str(&metadata.metadata().as_ref().unwrap()["names"]).unwrap()
}

#[test]
fn images_are_known_by_name_or_content_and_others_are_named() {
    let webp = b"RIFF\x10\0\0\0WEBPVP8 ";
    let folder = folder(&[
        ("f/a.jpg", PNG),
        ("f/b.JPE", PNG),
        ("f/c.jfif", PNG),
        ("f/d.PNG", PNG),
        ("f/noext", PNG),
        ("f/odd.dat", PNG),
        ("f/anim.gif", b"GIF89a"),
        ("f/x.webp", webp),
        ("f/y.webp", webp),
        ("f/notes.txt", b"hello"),
        ("f/.DS_Store", b""),
        ("f/more/1.txt", b"one"),
        ("f/more/2.txt", b"two"),
    ]);
    assert_command!(folder.path(), &["encode", "f", "--weights", "mini"]);
    assert_eq!(names(folder.path()), ["f/a.jpg", "f/b.JPE", "f/c.jfif", "f/d.PNG", "f/noext", "f/odd.dat"]);
}

#[test]
fn a_folder_without_images_says_what_it_holds() {
    let folder = folder(&[("f/a.bmp", b"BM...."), ("f/b.avif", b"\0\0\0\x1cftypavif")]);
    assert_command!(folder.path(), &["encode", "f", "--weights", "mini"]);
}

#[test]
fn a_damaged_image_is_not_passed_over() {
    let folder = folder(&[("f/a.jpg", b"RIFF\x10\0\0\0WEBPVP8 "), ("f/b.png", PNG)]);
    assert_command!(folder.path(), &["encode", "f", "--weights", "mini"]);
}

#[cfg(unix)]
#[test]
fn a_loop_of_links_is_walked_once() {
    use std::os::unix::fs::symlink;
    let folder = folder(&[("f/a.png", PNG), ("f/sub/b.png", PNG)]);
    symlink(".", folder.path().join("f/loop")).unwrap();
    symlink("..", folder.path().join("f/sub/up")).unwrap();
    symlink("itself", folder.path().join("f/itself")).unwrap();
    let output = nemesis(folder.path(), &["encode", "f", "--weights", "mini"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names(folder.path()), ["f/a.png", "f/sub/b.png"]);
    let told = String::from_utf8(output.stderr).unwrap();
    let told = told.replace('\n', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("2 links lead back to folders already read (f/loop, f/sub/up)"), "{told}");
}

/// To open a named pipe is to wait for someone who writes into it.
#[cfg(unix)]
#[test]
fn a_named_pipe_among_images_is_passed_over_and_named() {
    let folder = folder(&[("f/a.png", PNG)]);
    for name in ["f/p.png", "f/noext"] {
        assert!(std::process::Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap().success());
    }
    assert_command!(folder.path(), &["encode", "f", "--weights", "mini"]);
    assert_eq!(names(folder.path()), ["f/a.png"]);
    assert_command!(folder.path(), &["encode", "f/p.png", "--weights", "mini"]);
}
