//! A plugin that is named as Python names a module: `package.module`. Python says where its file is; no code of it runs.

use crate::process::chosen_python;
use nemesis_core::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Asks Python's finders part by part, since `importlib.util.find_spec` would import the packages.
const FIND: &str = r#"
import sys
parts, path, spec = sys.argv[1].split("."), None, None
for at in range(1, len(parts) + 1):
    name = ".".join(parts[:at])
    found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
    spec = next((one for one in found if one is not None), None)
    if spec is None:
        sys.exit(f"there is no module `{name}`")
    path = spec.submodule_search_locations
    if at < len(parts) and path is None:
        sys.exit(f"`{name}` is a module, not a package")
    if path is not None and spec.origin is None:
        sys.exit(f"the package `{name}` has no `__init__.py`")
if not str(spec.origin).endswith(".py"):
    sys.exit(f"`{name}` is not a Python file")
print(spec.origin)
"#;

/// The path itself if it is there, or else the file of the module with this name.
///
/// # Errors
///
/// When there is no such path and a name with a dot is not that of a module, either.
pub(crate) fn located(place: &Path) -> Result<PathBuf> {
    match place.to_str() {
        Some(name) if !place.exists() && is_module_name(name) => match find(name) {
            // Without a dot, it is rather a path that is misspelt.
            Err(_) if !name.contains('.') => Ok(place.to_owned()),
            found => found,
        },
        _ => Ok(place.to_owned()),
    }
}

fn is_module_name(name: &str) -> bool {
    let is_word = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    let is_file =
        Path::new(name).extension().is_some_and(|ending| ending == "py" || ending == "so" || ending == "dylib");
    name.split('.').all(is_word) && !is_file
}

fn find(name: &str) -> Result<PathBuf> {
    let python = chosen_python();
    let refused = |why: &str| {
        Error::new(format!("`{name}` is neither a file nor a module that `{}` finds: {why}", python.display()))
            .about("--plugin")
            .help("give a file, or a module that lies in the working directory or that PYTHONPATH leads to")
    };
    let output = Command::new(&python).args(["-c", FIND, name]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| refused(&error.to_string()))?;
    if output.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n')));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(refused(said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_misspelt_is_not_taken_for_a_module() {
        for name in ["package.module", "one", "a.b.c_1", "größe.x"] {
            assert!(is_module_name(name), "{name}");
        }
        for name in ["my-idea", "my_idea.py", "./x", "lib.so", "a..b", "1.2", ".a", "plugins/x.y"] {
            assert!(!is_module_name(name), "{name}");
        }
    }
}
