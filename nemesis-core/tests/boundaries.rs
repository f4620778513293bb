//! What the modules may know of each other, as far as a text search tells.

#[path = "common/sources.rs"]
mod sources;

use sources::{code, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What computes must not know: what can be mended without changing a result.
const OUTSIDE: [&str; 6] = ["record", "plugin", "interchange", "yaml", "json", "engine"];

/// What may look inside of CLIP: what trains one, and what compares our values and times with others'.
const INSIDERS: [&str; 3] = ["mini", "parity", "peer"];

#[test]
fn nothing_outside_of_the_backbones_names_a_family_of_them() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [ours.join("src"), ours.join("../benchmarks/src")] {
        sources(&folder, &mut files);
    }
    let insider = |path: &Path| path.iter().any(|part| INSIDERS.iter().any(|name| part == *name));
    files.retain(|file| !file.starts_with(ours.join("src/compute/backbone")) && !insider(file));
    assert!(files.len() > 100, "{}", files.len());
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let words = |line: &str| -> Vec<String> {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
        };
        let found = code(&source).find(|line| words(line).iter().any(|word| word == "Clip"));
        assert!(found.is_none(), "{} names `Clip`: {}", file.display(), found.unwrap());
        let mean = code(&source).find(|line| line.contains("0.481") || line.contains("clip::preprocess"));
        assert!(mean.is_none(), "{} presumes CLIP's preprocessing: {}", file.display(), mean.unwrap());
    }
}

#[test]
fn what_computes_knows_nothing_of_records_plugins_and_files_of_settings() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/compute"), &mut files);
    assert!(files.len() > 30, "{}", files.len());
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = code(&source).collect();
        for module in OUTSIDE {
            let named = format!("crate::{module}");
            let found = code.iter().find(|line| line.contains(&named));
            assert!(found.is_none(), "{} knows `{module}`: {}", file.display(), found.unwrap());
        }
    }
}

/// What each module at the top of a crate names of the others, outside of its tests: by `crate::MODULE`, and in a file at the
/// top by `super::MODULE`.
fn modules(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(src, &mut files);
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let path: Vec<_> = file.strip_prefix(src).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
        let top = path[0].trim_end_matches(".rs").to_owned();
        let source = fs::read_to_string(&file).unwrap();
        let product = code(source.split("#[cfg(test)]").next().unwrap()).collect::<Vec<_>>().join("\n");
        let known = modules.entry(top).or_default();
        known.extend(named(&product, "crate::"));
        if let [_] | [_, "mod.rs"] = path.as_slice() {
            known.extend(named(&product, "super::"));
        }
    }
    modules.remove("lib");
    modules.remove("main");
    modules
}

/// The words that stand directly behind `crate::` or another start, those in braces included.
fn named(code: &str, start: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(start) {
        let after = &code[at + start.len()..];
        match after.strip_prefix('{') {
            None => _ = found.insert(word(after)),
            Some(list) => {
                let mut depth = 0;
                let mut item = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => _ = found.insert(word(std::mem::take(&mut item).trim())),
                        _ if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                found.insert(word(item.trim()));
            }
        }
    }
    found
}

/// Modules that know each other, by way of others or directly, in the order of who knows whom.
fn circle(modules: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
        modules: &BTreeMap<String, BTreeSet<String>>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|module| module == at) {
            return Some(path[start..].to_vec());
        }
        if !done.insert(at.to_owned()) {
            return None;
        }
        path.push(at.to_owned());
        let next = modules[at].iter().filter(|next| *next != at && modules.contains_key(*next));
        let found = next.into_iter().find_map(|next| walk(next, path, done, modules));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    modules.keys().find_map(|module| walk(module, &mut Vec::new(), &mut done, modules))
}

#[test]
fn no_modules_know_each_other() {
    // What `compute` holds is known by these names.
    const COMPUTE: [&str; 5] = ["backbone", "budget", "image", "train", "FINGERPRINT"];
    let mut modules = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(modules.len() > 12, "{modules:?}");
    for known in modules.values_mut() {
        if COMPUTE.iter().any(|name| known.remove(*name)) {
            known.insert("compute".to_owned());
        }
        if ["Error", "Result"].iter().any(|name| known.remove(*name)) {
            known.insert("error".to_owned());
        }
    }
    let circle = circle(&modules);
    assert!(circle.is_none(), "{circle:?} know each other");
}

#[test]
fn no_modules_of_the_other_crates_know_each_other() {
    for (crate_folder, least) in [("../benchmarks", 30), ("../benchmarks/mini", 10), ("../xtask", 8)] {
        let modules = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_folder).join("src"));
        assert!(modules.len() > least, "{crate_folder}: {}", modules.len());
        let circle = circle(&modules);
        assert!(circle.is_none(), "{crate_folder}: {circle:?} know each other");
    }
}

#[test]
fn a_circle_is_found_by_way_of_others() {
    let modules = |of: &[(&str, &str)]| {
        of.iter().map(|(module, code)| ((*module).to_owned(), named(code, "crate::"))).collect::<BTreeMap<_, _>>()
    };
    let straight = modules(&[("a", "use crate::{b::{x, c}, c};"), ("b", "crate::c::y()"), ("c", "")]);
    assert_eq!(circle(&straight), None);
    let round = modules(&[("a", "use crate::b;"), ("b", "use crate::{c::d,\n e};"), ("c", ""), ("e", "crate::b::f")]);
    assert_eq!(circle(&round), Some(vec!["b".to_owned(), "e".to_owned()]));
}
