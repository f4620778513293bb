//! The hash itself: over relative paths and the significant parts of the files, in path order.

use crate::lock;
use crate::tokens::{self, Included};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// What every crate is made of. A build script may write sources.
pub(crate) const OF_CRATE: [&str; 3] = ["src", "Cargo.toml", BUILD_SCRIPT];
/// The part that a crate may lack.
const BUILD_SCRIPT: &str = "build.rs";

/// The hash over a crate's sources, and the files that went into it.
pub(crate) struct Fingerprint {
    /// 32 hexadecimal digits.
    pub(crate) hash: String,
    /// Absolute paths of the files.
    pub(crate) files: Vec<String>,
}

impl Fingerprint {
    /// Hashes the files and folders `paths` relative to the folder `root` of the crate `crate_name`, the sources of the
    /// `locals`, crates in folders by their names, what these include, and the versions of the crate's dependencies.
    /// Texts in the arguments of the methods `messages` do not count.
    ///
    /// The lock file is not among the files: cargo recompiles the crate anyway if a version changes.
    pub(crate) fn of(
        crate_name: &str,
        root: &Path,
        paths: &[String],
        locals: &BTreeMap<String, PathBuf>,
        messages: &[&str],
    ) -> Result<Self, String> {
        // The name hashed for each file does not depend on where the crate is.
        let mut files = BTreeMap::new();
        for name in paths {
            collect(&root.join(name), name, &mut files)?;
        }
        for (name, folder) in locals {
            for part in OF_CRATE {
                collect(&folder.join(part), &format!("{name}: {part}"), &mut files)?;
            }
        }
        let (contents, files) = contents(files, messages)?;
        let mut hasher = blake3::Hasher::new();
        let mut add = |name: &str, content: &[u8]| {
            // Lengths keep names and contents apart.
            for part in [name.as_bytes(), content] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        };
        for (name, content) in &contents {
            add(name, content);
        }
        if let Some(lock) = root.ancestors().map(|folder| folder.join("Cargo.lock")).find(|lock| lock.is_file()) {
            let lock = String::from_utf8_lossy(&read(&lock)?).into_owned();
            // A lock file without the crate belongs to something else. Hashing all of it is the safe choice.
            add("Cargo.lock", lock::dependencies_of(&lock, crate_name).unwrap_or(lock).as_bytes());
        }
        let hash = hasher.finalize().to_hex()[..32].to_owned();
        Ok(Self { hash, files })
    }
}

/// What counts of files, by their names.
type Contents = BTreeMap<String, Vec<u8>>;

/// What counts of files and of those that they include, and the paths of all of them.
fn contents(files: BTreeMap<String, PathBuf>, messages: &[&str]) -> Result<(Contents, Vec<String>), String> {
    let mut known: BTreeSet<PathBuf> = files.values().filter_map(|path| path.canonicalize().ok()).collect();
    let mut open: Vec<(String, PathBuf)> = files.into_iter().collect();
    let (mut contents, mut paths) = (BTreeMap::new(), Vec::new());
    while let Some((name, path)) = open.pop() {
        let content = read(&path)?;
        let failed = |e: String| format!("cannot read {}: {e}", path.display());
        let content = match path.extension().and_then(OsStr::to_str) {
            Some("rs") => {
                let source = text(content).map_err(failed)?;
                let found = tokens::significant(&source, messages).map_err(failed)?;
                for (written, place) in found.included.iter().filter_map(|included| place_of(included, &path)) {
                    if known.insert(place.clone()) {
                        open.push((format!("{name}: {written}"), place));
                    }
                }
                found.text.into_bytes()
            }
            Some("toml") => without_comments(&text(content).map_err(failed)?).into_bytes(),
            _ => content,
        };
        contents.insert(name, content);
        paths.push(path.display().to_string());
    }
    Ok((contents, paths))
}

/// The path that is included as it is written, and the file. If there is none, the compiler says so.
fn place_of<'a>(included: &'a Included, source: &Path) -> Option<(&'a str, PathBuf)> {
    let (written, folder) = match included {
        Included::Beside(written) => (written, source.parent()),
        Included::InCrate(written) => {
            (written, source.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").is_file()))
        }
    };
    let place = folder?.join(written).canonicalize().ok().filter(|place| place.is_file())?;
    Some((written.as_str(), place))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

fn text(content: Vec<u8>) -> Result<String, String> {
    String::from_utf8(content).map_err(|e| e.to_string())
}

/// The lines of a manifest that are neither blank nor comments. Manifests have no multi-line strings.
fn without_comments(toml: &str) -> String {
    let says = |line: &&str| !line.is_empty() && !line.starts_with('#');
    toml.lines().map(str::trim).filter(says).collect::<Vec<_>>().join("\n")
}

/// Adds a file, or all files below a folder, by names that begin with `name`. A build script may be missing.
fn collect(path: &Path, name: &str, files: &mut BTreeMap<String, PathBuf>) -> Result<(), String> {
    if path.ends_with(BUILD_SCRIPT) && !path.exists() {
        return Ok(());
    }
    let failed = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        files.insert(name.to_owned(), path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let file_name = file_name.to_str().ok_or_else(|| format!("{} is not UTF-8", entry.path().display()))?;
        collect(&entry.path(), &format!("{name}/{file_name}"), files)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate in a folder of its own, with a lock file one level above it.
    fn write(folder: &Path, main: &str) -> PathBuf {
        let root = folder.join("crate");
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::write(folder.join("Cargo.lock"), "lock").unwrap();
        fs::write(root.join("Cargo.toml"), "toml").unwrap();
        fs::write(root.join("src/lib.rs"), main).unwrap();
        fs::write(root.join("src/deep/a.rs"), "a").unwrap();
        fs::write(root.join("src/words"), "a").unwrap();
        root
    }

    fn hash_of(root: &Path, paths: &[String], locals: &BTreeMap<String, PathBuf>) -> String {
        Fingerprint::of("crate", root, paths, locals, tokens::MESSAGES).unwrap().hash
    }

    #[test]
    fn the_location_does_not_matter_but_the_sources_do() {
        let folder = std::env::temp_dir().join(format!("nemesis-fingerprint-{}", std::process::id()));
        let own = OF_CRATE.map(str::to_owned);
        let hash = |place: &str, main: &str, extra: &[String]| {
            let root = write(&folder.join(place), main);
            hash_of(&root, &[&own, extra].concat(), &BTreeMap::new())
        };
        let one = hash("one", "main", &[]);
        assert_eq!(one.len(), 32);
        assert_eq!(one, hash("elsewhere/two", "main", &[]));
        assert_ne!(one, hash("three", "other", &[]));
        assert_ne!(one, hash("four", "main", &["../Cargo.lock".to_owned()]));
        assert_eq!(one, hash("five", "main // a comment", &[]));
        for (file, more, counts) in
            [("src/words", "b", true), ("Cargo.toml", "\n# why\n", false), ("Cargo.toml", "b", true)]
        {
            let root = write(&folder.join("six"), "main");
            let path = root.join(file);
            fs::write(&path, fs::read_to_string(&path).unwrap() + more).unwrap();
            assert_eq!(one != hash_of(&root, &own, &BTreeMap::new()), counts, "{file}");
        }
        // The code of a crate in a folder counts as its own does.
        let root = write(&folder.join("seven"), "main");
        let with_helper = |main: &str| {
            let helper = BTreeMap::from([("helper".to_owned(), write(&folder.join("helper"), main))]);
            hash_of(&root, &own, &helper)
        };
        assert_ne!(one, with_helper("half"));
        assert_ne!(with_helper("half"), with_helper("double"));
        assert_eq!(with_helper("half"), with_helper("half // why"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_build_script_and_what_is_included_from_elsewhere_count() {
        let folder = std::env::temp_dir().join(format!("nemesis-included-{}", std::process::id()));
        let root = write(&folder, "main");
        let hash = || hash_of(&root, &OF_CRATE.map(str::to_owned), &BTreeMap::new());
        let put = |file: &str, text: &str| fs::write(root.join(file), text).unwrap();
        let without = hash();
        put("build.rs", "fn main() {}");
        let with_script = hash();
        assert_ne!(without, with_script);
        put("prompts.json", "[]");
        assert_eq!(with_script, hash());
        put("src/lib.rs", "const PROMPTS: &str = include_str!(\"../prompts.json\");");
        let including = hash();
        put("prompts.json", "[1]");
        assert_ne!(including, hash());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_missing_path_is_named() {
        let (root, none) = (Path::new("/nonexistent"), BTreeMap::new());
        let error = Fingerprint::of("crate", root, &["src".to_owned()], &none, tokens::MESSAGES).err().unwrap();
        assert!(error.contains("/nonexistent/src"), "{error}");
    }

    /// In the code that computes results, comments, tests and messages may change without invalidating records.
    #[test]
    fn maintenance_keeps_the_engines_fingerprint_but_changing_a_constant_does_not() {
        let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = std::env::temp_dir().join(format!("nemesis-maintenance-{}", std::process::id()));
        let file = folder.join("src/compute/train/optimiser/mod.rs");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let source = fs::read_to_string(core.join("src/compute/train/optimiser/mod.rs")).unwrap();
        let hash = |from: &str, to: &str| {
            assert!(source.contains(from), "{from}");
            fs::write(&file, source.replace(from, to)).unwrap();
            hash_of(&folder, &["src/compute".to_owned()], &BTreeMap::new())
        };
        let as_it_is = hash("", "");
        let comment = source.lines().find(|line| line.trim_start().starts_with("///")).unwrap();
        assert_eq!(as_it_is, hash(comment, &format!("{comment} More words.\n// And a remark.")));
        assert_eq!(as_it_is, hash("#[cfg(test)]\nmod tests {", "#[cfg(test)]\nmod tests {\n    fn more() {}"));
        assert_eq!(as_it_is, hash("asks for the optimiser", "wants the optimiser"));
        assert_ne!(as_it_is, hash("!= 0.0", "!= 0.5"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
