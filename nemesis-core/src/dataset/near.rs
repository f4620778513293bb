//! The file that a list may mean by another spelling than the disk has.

use std::fs;
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization;

/// The path in `folder` that differs from `path` in upper and lower case, in how its characters are composed (`é` is one
/// character or two), or in the extension of its name; none where there is no such file.
pub fn near_match(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.components() {
        let name = part.as_os_str().to_str()?;
        let parent = folder.join(&found);
        if parent.join(name).exists() {
            found.push(name);
            continue;
        }
        let entries = fs::read_dir(parent).ok()?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        let same = |key: fn(&str) -> String| names.iter().find(|other| key(other) == key(name));
        found.push(same(folded).or_else(|| same(folded_stem))?);
    }
    (found != path && folder.join(&found).is_file()).then_some(found)
}

fn folded(name: &str) -> String {
    name.nfc().collect::<String>().to_lowercase()
}

/// A name without its extension, if it has one that images have.
fn folded_stem(name: &str) -> String {
    let name = folded(name);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    if matches!(extension, "jpg" | "jpeg" | "png") { format!("{stem}.") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_composition_and_extension_are_looked_through() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        file("Cat/A.JPG");
        file("cafe\u{301}/a.png");
        let near = |path: &str| near_match(root.path(), Path::new(path)).map(|path| path.to_str().unwrap().to_owned());
        assert_eq!(near("cat/a.jpg").as_deref(), Some("Cat/A.JPG"));
        assert_eq!(near("caf\u{e9}/a.png").as_deref(), Some("cafe\u{301}/a.png"));
        assert_eq!(near("caf\u{e9}/a.jpeg").as_deref(), Some("cafe\u{301}/a.png"));
        assert_eq!(near("Cat/A.JPG"), None);
        assert_eq!(near("cat/b.jpg"), None);
        assert_eq!(near("dog/a.jpg"), None);
    }
}
