//! Plugins that are named as Python names modules. Python only says where their files are.

use crate::command::{nemesis, told};
use std::fs;
use std::path::Path;

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// The first plugin that `plugin list` shows, and how it ended.
fn listed(folder: &Path, module: &str) -> String {
    let output = nemesis(folder, &["plugin", "list", "--plugin", module]).output().unwrap();
    if !output.status.success() {
        return told(&output);
    }
    String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_module_is_found_without_running_its_package() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = "import nemesis\nfrom .part import y\nclass M:\n    ABOUT = nemesis.About(id='m-1')\n";
    write(folder.path(), "pack/__init__.py", "raise SystemExit('it is run')\n");
    write(folder.path(), "pack/mine.py", plugin);
    write(folder.path(), "pack/part.py", "y = 1\n");
    write(folder.path(), "loose/mine.py", plugin);
    let found = listed(folder.path(), "pack.mine");
    assert!(found.starts_with("m-1 ") && found.ends_with("pack/mine.py"), "{found}");
    // The file is the same plugin.
    let hash = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
    assert_eq!(hash(&found), hash(&listed(folder.path(), "pack/mine.py")));
    write(folder.path(), "pack/part.py", "y = 2\n");
    assert_ne!(hash(&found), hash(&listed(folder.path(), "pack.mine")));

    for (module, expected) in [
        (
            "pack.none",
            "`pack.none` is neither a file nor a module that `python3` finds: there is no module `pack.none`",
        ),
        ("pack.mine.deep", "`pack.mine` is a module, not a package"),
        ("loose.mine", "the package `loose` has no `__init__.py`"),
        ("nowhere", "find plugins"),
    ] {
        let refused = listed(folder.path(), module);
        assert!(refused.starts_with("exit code 2") && refused.contains(expected), "{module}: {refused}");
    }
}
