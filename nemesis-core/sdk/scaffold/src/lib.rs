//! Creates the crate of a new method from the template, for `cargo xtask new-method` and `nemesis plugin new`.
//!
//! The template is a crate of the workspace, `nemesis-core/sdk/template`, so that it is compiled, linted and tested
//! as it is. A new method is a copy with its own name in place of `sparse-prompt`. Like `xtask`, this crate has no
//! dependencies.

#![forbid(unsafe_code)]

mod name;

pub use name::Name;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the crate of a new method lives.
#[derive(Clone, Debug)]
pub enum Home {
    /// In `methods/` of nemesis's own workspace.
    Workspace,
    /// In a repository of its own.
    Alone {
        /// Where its build finds the SDK.
        sdk: Sdk,
        /// The libtorch that it is built with on this machine.
        libtorch: PathBuf,
    },
    /// In a folder of its own, in Python.
    Python,
}

/// Where the SDK comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// From this folder.
    Folder(PathBuf),
    /// From nemesis's repository at this address.
    Git(String),
}

impl Sdk {
    /// Parses what a user writes: an address that git can clone, or a folder.
    ///
    /// # Errors
    ///
    /// When it is neither: the folder is not there or holds no SDK.
    pub fn parse(given: &str) -> Result<Self, String> {
        if given.contains("://") || given.starts_with("git@") {
            return Ok(Self::Git(given.to_owned()));
        }
        // A user may name the repository as well as the SDK's folder in it.
        let folder = [Path::new(given).to_owned(), Path::new(given).join("nemesis-core/sdk")]
            .into_iter()
            .find(|folder| folder.join("build/Cargo.toml").is_file())
            .ok_or_else(|| format!("there is no SDK in {given}; expected a folder of nemesis or a git address"))?;
        fs::canonicalize(&folder).map(Self::Folder).map_err(|error| format!("cannot resolve {given}: {error}"))
    }

    /// The dependency on the SDK's crate in `folder` (`.` for the SDK itself), as written in a manifest.
    fn dependency(&self, folder: &str) -> String {
        match self {
            Self::Folder(sdk) => {
                let path: PathBuf = sdk.join(folder).components().collect();
                format!("{{ path = {} }}", quoted(&path.display().to_string()))
            }
            Self::Git(address) => format!("{{ git = {} }}", quoted(address)),
        }
    }
}

/// One file of a new crate.
#[derive(Clone, Copy)]
struct Template {
    path: &'static str,
    text: &'static str,
}

const fn file(path: &'static str, text: &'static str) -> Template {
    Template { path, text }
}

/// The files of every method.
const METHOD: &[Template] = &[
    file("build.rs", include_str!("../../template/build.rs")),
    file("src/lib.rs", include_str!("../../template/src/lib.rs")),
];

/// The other files of a method in the workspace.
const IN_WORKSPACE: &[Template] = &[
    file("Cargo.toml", include_str!("../../template/Cargo.toml")),
    file("README.md", include_str!("../../template/README.md")),
    file("ci.sh", include_str!("../../template/ci.sh")),
];

/// The other files of a method in its own repository.
const ALONE: &[Template] = &[
    file("Cargo.toml", include_str!("../standalone/Cargo.toml")),
    file("README.md", include_str!("../standalone/README.md")),
    file("ci.sh", include_str!("../standalone/ci.sh")),
    file("rustfmt.toml", include_str!("../../../../rustfmt.toml")),
    file(".cargo/config.toml", include_str!("../standalone/cargo-config.toml")),
    file(".github/workflows/ci.yml", include_str!("../standalone/ci.yml")),
    file(".gitignore", include_str!("../standalone/gitignore")),
];

/// The files of a method in Python.
const PYTHON: &[Template] = &[
    file("sparse_prompt.py", include_str!("../python/sparse_prompt.py")),
    file("test_sparse_prompt.py", include_str!("../python/test_sparse_prompt.py")),
    file("README.md", include_str!("../python/README.md")),
];

/// The lines that keep the template itself from being found as a plugin.
const NAME_OF_TEMPLATE: &str = "\
# Not named like a plugin, so that the template is not found as one.
name = \"template_of_a_method\"
";

/// Writes the crate of a new method into a folder that must not exist yet; returns its files.
///
/// # Errors
///
/// When the folder exists or cannot be written; then nothing is left behind.
pub fn create(name: &Name, folder: &Path, home: &Home) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder.parent().unwrap_or(folder))?;
    fs::create_dir(folder)?;
    let templates = match home {
        Home::Workspace => [METHOD, IN_WORKSPACE].concat(),
        Home::Alone { .. } => [METHOD, ALONE].concat(),
        Home::Python => PYTHON.to_vec(),
    };
    let written: io::Result<Vec<_>> = templates.iter().map(|template| template.write(name, folder, home)).collect();
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(folder);
    }
    written
}

impl Template {
    fn write(self, name: &Name, folder: &Path, home: &Home) -> io::Result<PathBuf> {
        let mut text = name.put_into(&self.text.replace(NAME_OF_TEMPLATE, ""));
        if let Home::Alone { sdk, libtorch } = home {
            let repository = match sdk {
                Sdk::Git(address) => address,
                Sdk::Folder(_) => "set this to the URL of nemesis's repository",
            };
            for (place, value) in [
                ("{{nemesis-sdk}}", sdk.dependency(".")),
                ("{{nemesis-build}}", sdk.dependency("build")),
                ("{{libtorch}}", quoted(&libtorch.display().to_string())),
                ("{{repository}}", quoted(repository)),
            ] {
                text = text.replace(place, &value);
            }
        }
        let path = folder.join(name.put_into(self.path));
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, &text)?;
        if text.starts_with("#!") {
            make_executable(&path)?;
        }
        Ok(path)
    }
}

/// Text as a quoted string, valid in both TOML and YAML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(unix)]
fn make_executable(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_file: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(home: &Home) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("methods/my-idea");
        let files = create(&Name::parse("my-idea").unwrap(), &folder, home).unwrap();
        let relative = |file: &PathBuf| file.strip_prefix(&folder).unwrap().display().to_string();
        files.iter().map(|file| (relative(file), fs::read_to_string(file).unwrap())).collect()
    }

    fn alone(sdk: Sdk) -> Home {
        Home::Alone { sdk, libtorch: PathBuf::from("/opt/\"lib\"torch") }
    }

    #[test]
    fn no_trace_of_the_template_is_left() {
        let alone = [alone(Sdk::Folder("/opt/sdk".into())), alone(Sdk::Git("ssh://host/x".into()))];
        for home in [Home::Workspace, Home::Python].into_iter().chain(alone) {
            for (file, text) in created(&home) {
                for trace in
                    ["template_of", "sparse-prompt", "sparse_prompt", "SparsePrompt", "{{nemesis", "{{lib", "{{rep"]
                {
                    assert!(!text.contains(trace), "{trace} in {file} of {home:?}");
                }
            }
        }
    }

    #[test]
    fn a_crate_in_the_workspace_inherits_from_it() {
        let files = created(&Home::Workspace);
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["build.rs", "src/lib.rs", "Cargo.toml", "README.md", "ci.sh"]);
        assert!(files[1].1.contains("impl Plugin for MyIdea {") && files[1].1.contains("id: \"my-idea\""));
        assert!(files[2].1.starts_with("[package]\nname = \"nemesis-method-my-idea\"\nversion.workspace = true"));
    }

    #[test]
    fn a_method_in_python_is_a_module_of_its_name() {
        let files = created(&Home::Python);
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["my_idea.py", "test_my_idea.py", "README.md"]);
        assert!(files[0].1.contains("class MyIdea:") && files[0].1.contains("id=\"my-idea\""));
        assert!(files[1].1.contains("from my_idea import MyIdea"));
        assert!(Name::parse("random").unwrap().for_python().unwrap_err().contains("`random`"));
        assert!(Name::parse("my-idea").unwrap().for_python().is_ok());
    }

    #[test]
    fn a_crate_alone_names_its_sdk_and_libtorch() {
        let text = |home: &Home, file: &str| created(home).into_iter().find(|(name, _)| name == file).unwrap().1;
        let folder = alone(Sdk::Folder("/opt/sdk".into()));
        let manifest = text(&folder, "Cargo.toml");
        assert!(manifest.contains("nemesis-sdk = { path = \"/opt/sdk\" }"), "{manifest}");
        assert!(manifest.contains("nemesis-build = { path = \"/opt/sdk/build\" }"), "{manifest}");
        assert!(text(&folder, ".cargo/config.toml").contains(r#"LIBTORCH = "/opt/\"lib\"torch""#));
        let git = alone(Sdk::Git("ssh://host/x".into()));
        assert!(text(&git, "Cargo.toml").contains("nemesis-sdk = { git = \"ssh://host/x\" }"));
        assert!(text(&git, ".github/workflows/ci.yml").contains("NEMESIS_REPOSITORY: \"ssh://host/x\""));
    }

    #[test]
    fn an_existing_folder_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let name = Name::parse("my-idea").unwrap();
        let error = create(&name, folder.path(), &Home::Workspace).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(folder.path().is_dir());
    }

    #[test]
    fn the_sdk_is_found_in_the_repository_or_by_itself() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let root = sdk.parent().and_then(Path::parent).unwrap();
        for folder in [sdk, root] {
            assert_eq!(Sdk::parse(folder.to_str().unwrap()), Ok(Sdk::Folder(fs::canonicalize(sdk).unwrap())));
        }
        assert!(matches!(Sdk::parse("https://host/nemesis"), Ok(Sdk::Git(_))));
        assert!(Sdk::parse("no/such/folder").unwrap_err().starts_with("there is no SDK in no/such/folder"));
    }
}
