//! Plugins written in Python: what their source says, read without running it, and the process that can run it.
//!
//! Such a plugin is a file `NAME.py`, alone or in a package, or a package (a folder with `__init__.py`), in which a class
//! has an `ABOUT`. Only a
//! process that Python started can run it: the package `nemesis` registers itself there as the [`Interpreter`].

use super::Metadata;
use crate::method::{self, Descriptor, Host, Method, Task};
use crate::{Error, Result, files};
use nemesis_sdk::versions;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

/// Runs plugins that are written in Python.
pub trait Interpreter: Send + Sync {
    /// Imports a plugin, which runs its code, and returns its descriptor.
    ///
    /// # Errors
    ///
    /// When it cannot be imported, or is not a plugin.
    fn describe(&self, source: &Source) -> Result<Descriptor>;

    /// Creates a method of a plugin that [`Interpreter::describe`] was called for.
    ///
    /// # Errors
    ///
    /// When the plugin raises an exception, or an option is unknown or ill-typed.
    fn create(
        &self,
        source: &Source,
        task: &Task,
        options: &Map<String, Value>,
        host: &dyn Host,
    ) -> method::Result<Box<dyn Method>>;
}

static INTERPRETER: OnceLock<Box<dyn Interpreter>> = OnceLock::new();

/// Says who runs plugins that are written in Python in this process. Only the first call counts.
pub fn set_interpreter(interpreter: Box<dyn Interpreter>) {
    let _ = INTERPRETER.set(interpreter);
}

/// Who runs plugins that are written in Python, if this process is Python's.
pub fn interpreter() -> Option<&'static dyn Interpreter> {
    INTERPRETER.get().map(|interpreter| &**interpreter)
}

/// The source of a plugin: its own file, and what that imports from beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file with the `ABOUT`: `NAME.py`, or `__init__.py` of a package.
    pub file: PathBuf,
    /// All files, the own one included, by their paths relative to the folder that imports are looked up in.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// The folder that imports are looked up in: that of the file, or of the outermost package that the file is in.
    pub root: PathBuf,
}

/// `ABOUT = nemesis.About(`, or `ABOUT: About = About(`, within a class.
static ABOUT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t]+ABOUT\s*(?::[^=\n]+)?=\s*[\w.]*\bAbout\s*\(").expect("a valid pattern"));

/// What may be an import. What only looks like one, in a string or a comment, does no harm: a file more is hashed.
static IMPORT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"\bimport\s+\(?\s*([\w.]+(?:\s+as\s+\w+)?(?:\s*,\s*[\w.]+(?:\s+as\s+\w+)?)*)|\bfrom\s+(\.*[\w.]*)\s*import\b",
    )
    .expect("a valid pattern")
});

/// Whether a path is a plugin written in Python by its name alone.
pub fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py") || path.join(INIT).is_file()
}

/// Whether the file of a folder that plugins are looked for in is one.
pub(super) fn is_plugin(path: &Path) -> bool {
    is_python(path) && files::read_text(&file_of(path)).is_ok_and(|text| ABOUT.is_match(&text))
}

const INIT: &str = "__init__.py";

fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(INIT) } else { path.to_owned() }
}

impl Source {
    /// Reads a plugin's file and what it imports from beside it, without running any of it.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let absolute = |path: &Path| path.canonicalize().map_err(|e| Error::io("read the file", path, &e));
        let file = file_of(&absolute(path)?);
        let package = package_of(&file);
        let root = package.unwrap_or(&file).parent().map(Path::to_owned).unwrap_or_default();
        let mut todo = package.map_or_else(|| Ok(vec![file.clone()]), modules_in)?;
        // What lies beside an installed package is installed, too, and part of the environment.
        let installed = root.ends_with("site-packages") || root.ends_with("dist-packages");
        let mut source = Self { file, files: BTreeMap::new(), root };
        while let Some(file) = todo.pop() {
            let relative = file.strip_prefix(&source.root).unwrap_or(&file).to_owned();
            if source.files.contains_key(&relative) {
                continue;
            }
            let content = files::read(&file)?;
            for name in imported(&String::from_utf8_lossy(&content)).into_iter().filter(|_| !installed) {
                let module = source.root.join(format!("{name}.py"));
                let package = source.root.join(&name);
                if package.is_dir() {
                    todo.extend(modules_in(&package)?);
                } else if module.is_file() {
                    todo.push(module);
                }
            }
            source.files.insert(relative, content);
        }
        Ok(source)
    }

    /// A hash over all files, with their paths, in hexadecimal.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (path, content) in &self.files {
            let path = path
                .components()
                .map(Component::as_os_str)
                .fold(String::new(), |path, part| format!("{path}/{}", part.to_string_lossy()));
            for part in [path.as_bytes(), content] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// What the source says of the plugin, in the words of a compiled one.
    ///
    /// # Errors
    ///
    /// When there is no `ABOUT`, or its `id` is not written out.
    pub(super) fn metadata(&self) -> Result<Metadata> {
        let relative = self.file.strip_prefix(&self.root).unwrap_or(&self.file);
        let text = String::from_utf8_lossy(self.files.get(relative).map(Vec::as_slice).unwrap_or_default());
        let about = ABOUT.find(&text).ok_or_else(|| {
            Error::new("this Python file is not a plugin: no class in it has an `ABOUT`")
                .expected("`ABOUT = nemesis.About(id=\"my-method\", …)` in a class")
                .help("`nemesis plugin new --python NAME` makes a plugin to start from")
        })?;
        let line = text[..about.start()].matches('\n').count() + 1;
        let arguments = arguments(&text[about.end()..]);
        let said = |name: &str| arguments.iter().find_map(|argument| value_of(argument, name));
        let unread = |name: &str| {
            Error::new(format!("the `ABOUT` of this plugin has no `{name}` that can be read without running it"))
                .line(line)
        };
        let id = said("id")
            .and_then(unquoted)
            .ok_or_else(|| unread("id").expected("a string that is written out: `id=\"my-method\"`"))?;
        let written_out = format!("a string that is written out, or none, which is \"{DEFAULT_VERSION}\"");
        let version = match said("version") {
            None => DEFAULT_VERSION.to_owned(),
            Some(version) => unquoted(version).ok_or_else(|| unread("version").expected(written_out))?,
        };
        if !super::file::is_kebab(&id) {
            return Err(Error::new(format!("the id `{id}` is not in kebab case"))
                .line(line)
                .expected("as in `my-method`"));
        }
        Ok(Metadata {
            abi: nemesis_abi::ABI_VERSION.to_owned(),
            libtorch: versions::LIBTORCH.to_owned(),
            cxx11_abi: versions::CXX11_ABI.to_owned(),
            sdk: "python".to_owned(),
            id,
            version,
            source: self.hash(),
        })
    }
}

/// The folder of the outermost package that a file is in, if it is in one.
fn package_of(file: &Path) -> Option<&Path> {
    file.ancestors().skip(1).take_while(|folder| folder.join(INIT).is_file()).last()
}

/// The version of a plugin that says none, as `nemesis.About` has it.
const DEFAULT_VERSION: &str = "0.1.0";

/// The arguments of a call, by what follows its opening parenthesis, without comments.
fn arguments(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let (mut rest, mut depth) = (text, 1);
    while let Some(next) = rest.chars().next() {
        let (mut part, behind) = rest.split_at(match next {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => string_length(rest),
            _ => next.len_utf8(),
        });
        rest = behind;
        match next {
            '#' => part = "",
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        match (next, depth) {
            (_, 0) => break,
            (',', 1) => arguments.push(String::new()),
            _ => arguments.last_mut().expect("there is always one").push_str(part),
        }
    }
    arguments
}

/// How long the string of Python's is that a text begins with, quotes included.
fn string_length(text: &str) -> usize {
    let (one, three) = (text.get(..1).unwrap_or_default(), text.get(..3).unwrap_or_default());
    let quote = if three == one.repeat(3) { three } else { one };
    let mut length = quote.len();
    while length < text.len() && !text[length..].starts_with(quote) {
        let of_one = if text[length..].starts_with('\\') { 2 } else { 1 };
        length += text[length..].chars().take(of_one).map(char::len_utf8).sum::<usize>();
    }
    (length + quote.len()).min(text.len())
}

/// What an argument says if it is the one of this name.
fn value_of<'a>(argument: &'a str, name: &str) -> Option<&'a str> {
    argument.trim().strip_prefix(name)?.trim_start().strip_prefix('=').map(str::trim)
}

/// The text of a string that is written out in one piece.
fn unquoted(value: &str) -> Option<String> {
    let quote = value.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let text = value[1..].strip_suffix(quote)?;
    (!text.contains([quote, '\\', '\n'])).then(|| text.to_owned())
}

/// The first parts of all names that a source may import.
fn imported(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut add = |name: &str| {
        let first = name.trim().split(['.', ' ', '\t', '\n']).next().unwrap_or_default();
        if !first.is_empty() {
            names.insert(first.to_owned());
        }
    };
    for found in IMPORT.captures_iter(text) {
        if let Some(list) = found.get(1) {
            list.as_str().split(',').for_each(&mut add);
        }
        // What is relative lies in the package, all of whose files count anyway.
        if let Some(module) = found.get(2) {
            add(module.as_str());
        }
    }
    names
}

/// All Python files in a folder and the folders in it.
fn modules_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::io("read the folder", folder, &e);
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            let holds_none = |name: &OsStr| name == "__pycache__" || name.to_string_lossy().starts_with('.');
            if !path.file_name().is_some_and(holds_none) && !leads_back(&path, folder) {
                modules.extend(modules_in(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "py") {
            modules.push(path);
        }
    }
    Ok(modules)
}

/// Whether a folder in `parent` is a link to one that `parent` lies in, which would have no end.
fn leads_back(folder: &Path, parent: &Path) -> bool {
    folder.is_symlink()
        && matches!((folder.canonicalize(), parent.canonicalize()), (Ok(to), Ok(from)) if from.starts_with(&to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_however_they_are_written() {
        let text = "import os, helper as h, pack.part\nfrom other import (\n    a,\n    b,\n)\nif True: import late; \
                    import later\nfrom . import near\nfrom .near import x\nx = 1  # imports nothing\n";
        let expected = ["helper", "late", "later", "other", "os", "pack"];
        let found = imported(text);
        assert!(expected.iter().all(|name| found.contains(*name)), "{found:?}");
        assert!(!found.contains("nothing") && !found.contains("near"), "{found:?}");
    }

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    const PLUGIN: &str =
        "import helper\nimport torch\nclass M:\n    ABOUT = nemesis.About(\n        id='m-1',\n    )\n";

    #[test]
    fn the_hash_follows_every_file_that_is_imported_from_beside_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = write(folder.path(), "m.py", PLUGIN);
        write(folder.path(), "helper.py", "from deeper import x");
        write(folder.path(), "deeper/__init__.py", "x = 1");
        write(folder.path(), "stranger.py", "");
        let source = Source::read(&plugin).unwrap();
        let files: Vec<_> = source.files.keys().map(|file| file.to_str().unwrap()).collect();
        assert_eq!(files, ["deeper/__init__.py", "helper.py", "m.py"]);
        assert_eq!(
            (source.metadata().unwrap().id, source.metadata().unwrap().source),
            ("m-1".to_owned(), source.hash())
        );
        write(folder.path(), "stranger.py", "y = 2");
        assert_eq!(Source::read(&plugin).unwrap().hash(), source.hash());
        write(folder.path(), "deeper/__init__.py", "x = 2");
        assert_ne!(Source::read(&plugin).unwrap().hash(), source.hash());
    }

    #[test]
    fn a_package_is_a_plugin_with_all_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "mine/__init__.py", &PLUGIN.replace("import helper", "from .part import y"));
        write(folder.path(), "mine/part.py", "y = 1");
        write(folder.path(), "mine/__pycache__/old.py", "");
        write(folder.path(), "mine/.cache/old.py", "");
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("mine"), folder.path().join("mine/myself")).unwrap();
        let source = Source::read(&folder.path().join("mine")).unwrap();
        assert_eq!((source.files.len(), source.metadata().unwrap().id.as_str()), (2, "m-1"));
        // A folder that Python regards as private holds code as any other does.
        write(folder.path(), "mine/_impl/loss.py", "z = 1");
        assert_eq!(Source::read(&folder.path().join("mine")).unwrap().files.len(), 3);
        assert!(is_plugin(&folder.path().join("mine")) && !is_plugin(&folder.path().join("mine/part.py")));
    }

    #[test]
    fn a_module_of_a_package_counts_with_all_of_the_package_and_what_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = write(folder.path(), "pack/deep/m.py", &PLUGIN.replace("import helper", "from ..part import y"));
        for (name, text) in [("pack/__init__.py", ""), ("pack/deep/__init__.py", ""), ("pack/part.py", "import near")] {
            write(folder.path(), name, text);
        }
        write(folder.path(), "near.py", "");
        let source = Source::read(&plugin).unwrap();
        let files: Vec<_> = source.files.keys().map(|file| file.to_str().unwrap()).collect();
        assert_eq!(files, ["near.py", "pack/__init__.py", "pack/deep/__init__.py", "pack/deep/m.py", "pack/part.py"]);
        assert_eq!(source.root, folder.path().canonicalize().unwrap());
        assert_eq!(source.metadata().unwrap().id, "m-1");
    }

    #[test]
    fn what_is_installed_beside_a_package_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = write(folder.path(), "site-packages/mine/m.py", PLUGIN);
        for name in ["site-packages/mine/__init__.py", "site-packages/torch/__init__.py", "site-packages/helper.py"] {
            write(folder.path(), name, "");
        }
        assert_eq!(Source::read(&plugin).unwrap().files.len(), 2);
    }

    #[test]
    fn only_the_arguments_of_the_about_say_what_the_plugin_is() {
        let folder = tempfile::tempdir().unwrap();
        let said = |arguments: &str, behind: &str| {
            let text = format!("class M:\n    ABOUT = nemesis.About(\n{arguments})\n\n{behind}\n");
            let metadata = Source::read(&write(folder.path(), "m.py", &text)).unwrap().metadata().unwrap();
            (metadata.id, metadata.version)
        };
        let expected = |version: &str| ("m-1".to_owned(), version.to_owned());
        assert_eq!(said("id='m-1'", "version = '2'\nother(version='3', id='n')"), expected("0.1.0"));
        let commented = "summary='(id=\"no\")',  # id='no', )\n id=\"m-1\", # why\n version = '2',";
        assert_eq!(said(commented, ""), expected("2"));
        let nested = "needs=tuple(['features'], version='4'), protocol={'version': '5'}, id='m-1'";
        assert_eq!(said(nested, "version='6'"), expected("0.1.0"));
        assert_eq!(said("summary='''It's\n\\''', version='7' '''\n, version='8', id='m-1'", ""), expected("8"));
        assert_eq!(said("summary='', label=\"\", id='m-1', version='9'", ""), expected("9"));
    }

    #[test]
    fn what_cannot_be_read_without_running_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |text: &str| {
            let plugin = write(folder.path(), "m.py", text);
            Source::read(&plugin).unwrap().metadata().unwrap_err().to_string()
        };
        insta::assert_snapshot!(refused("x = 1\n"), @r#"
        this Python file is not a plugin: no class in it has an `ABOUT`
          expected: `ABOUT = nemesis.About(id="my-method", …)` in a class
          help: `nemesis plugin new --python NAME` makes a plugin to start from
        "#);
        assert!(refused(&PLUGIN.replace("'m-1'", "NAME")).starts_with("the `ABOUT` of this plugin has no `id`"));
        assert!(refused(&PLUGIN.replace("m-1", "M 1")).starts_with("the id `M 1` is not in kebab case"));
        let of_version = PLUGIN.replace("'m-1',", "'m-1', version=VERSION");
        insta::assert_snapshot!(refused(&of_version), @r#"
        the `ABOUT` of this plugin has no `version` that can be read without running it
          expected: a string that is written out, or none, which is "0.1.0"
        "#);
    }
}
