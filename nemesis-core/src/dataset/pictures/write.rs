//! Writes what makes pictures a data set, or says that it is there already, or what differs.
//!
//! Pictures stay where they are: `ROOT/NAME/images` is a link to their folder, so that paths in the split file, on which
//! ids rest, say nothing of the machine. The registry comes last: until it is written, the data set is not known.

use super::division::divide;
use super::{Pictures, entry, names};
use crate::dataset::check::{Images, check_images};
use crate::dataset::classes::same_prompts;
use crate::dataset::layouts::{ADDED, CORRECTIONS, Rows};
use crate::dataset::prepare::render;
use crate::dataset::registry::{AVERAGE, FILE_NAME};
use crate::dataset::{Listed, Registry, SplitSizes, Template};
use crate::{Error, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The name of the data set.
    pub name: &'a str,
    /// The folder that pictures' paths are relative to.
    pub images: &'a Path,
    /// The zero-shot template, with one `{}`; none for `a photo of a {}.`.
    pub template: Option<&'a str>,
    /// The seed of what is divided.
    pub seed: u64,
    /// A file of class names, in place of those made from folders.
    pub class_names: Option<&'a Path>,
    /// Whether a data set of this name may be replaced.
    pub replace: bool,
}

/// A data set that was added, or was there.
#[derive(Clone, Debug)]
pub struct Added {
    /// Its folder.
    pub folder: PathBuf,
    /// Images in each split.
    pub samples: SplitSizes,
    /// What each class is called by its folder or list, and in prompts.
    pub classes: Vec<(String, String)>,
    /// How the split came about.
    pub origin: String,
    /// What was changed of a data set that was there; none where there was none, empty where it is as it was.
    pub changes: Option<Vec<String>>,
    /// The file in which class names are corrected.
    pub class_names: PathBuf,
    /// What is odd about it and may be meant.
    pub warnings: Vec<Error>,
}

const DEFAULT_TEMPLATE: &str = "a photo of a {}.";

/// Makes pictures a data set of the data root.
///
/// # Errors
///
/// When the name or the template is none, pictures are missing or damaged, or cannot be divided; or when there is another
/// data set of this name, and it may not be replaced. Nothing is written then.
pub fn add(root: &Path, request: &Request<'_>, pictures: &Pictures) -> Result<Added> {
    let Request { name, seed, .. } = *request;
    check_name(name)?;
    let template = request.template.unwrap_or(DEFAULT_TEMPLATE);
    Template::try_from(template.to_owned()).map_err(|what| {
        Error::new(what).help("put {} where the class name belongs, as in \"a photo of a {}, a bird.\"")
    })?;
    let place = Place::new(root, name, request.images)?;
    let corrections = place.folder.join(CORRECTIONS);
    let classes: BTreeSet<&str> = pictures.all.iter().map(|picture| picture.class.as_str()).collect();
    let corrected = match request.class_names {
        Some(file) => names::read(file, &classes)?,
        None if files::exists(&corrections)? => names::read(&corrections, &classes)?,
        None => BTreeMap::new(),
    };
    let class_names = names::of(&classes, &corrected).map_err(|e| e.at(request.images))?;
    let given = request.class_names.unwrap_or(&corrections);
    let warnings = same_prompts(&class_names).map(|warning| warning.at(given));
    let divided = divide(pictures, &classes, &class_names, seed).map_err(|e| e.at(request.images))?;
    let contents = divided.rows.contents(Path::new("")).map_err(|(error, _)| error.at(request.images))?;
    let samples =
        SplitSizes { train: divided.rows.train.len(), val: divided.rows.val.len(), test: divided.rows.test.len() };
    let listed = Listed {
        name: name.to_owned(),
        folder: request.images.to_owned(),
        template: template.to_owned(),
        own_templates: Vec::new(),
        contents,
    };
    refuse_unreadable(&listed)?;
    if let [only] = classes.iter().collect::<Vec<_>>()[..] {
        return Err(Error::new(format!("all pictures are of one class, `{only}`: there is nothing to tell apart"))
            .at(request.images)
            .expected("two classes or more"));
    }

    let split = render(&divided.rows, &format!("{ADDED}{}", divided.origin))?;
    let images = place.images.display();
    let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let entry = format!(
        "- name: {name}\n  layout: {{split_file: {{file: {}, images: {}}}}}\n  template: {}\n",
        quoted(&place.split_name()),
        quoted(&images.to_string()),
        quoted(template)
    );
    let registry = root.join(FILE_NAME);
    let text = if files::exists(&registry)? { files::read_text(&registry)? } else { String::new() };
    let changes = place.changes(&text, &entry, &split)?;
    let names_alone = changes.as_ref().is_some_and(|changes| changes.iter().all(|change| change.starts_with(RENAMED)));
    if let Some(changes) = changes.as_ref().filter(|_| !names_alone && !request.replace) {
        return Err(Error::new(format!("there is another data set `{name}`: {}", changes.join("; ")))
            .at(&place.folder)
            .help("choose another name, or add --replace"));
    }
    let put = entry::put(&text, &registry, name, &entry)?;
    let lines = classes.iter().zip(&class_names).map(|(class, name)| format!("{class}\t{name}\n"));
    place.write(&split, &lines.collect::<String>())?;
    if put != text {
        files::write_atomic(&registry, put.as_bytes())?;
    }
    Ok(Added {
        samples,
        classes: classes.iter().map(|class| (*class).to_owned()).zip(class_names).collect(),
        origin: divided.origin,
        changes,
        class_names: corrections,
        folder: place.folder,
        warnings: warnings.into_iter().collect(),
    })
}

/// Where the parts of the data set lie.
struct Place {
    name: String,
    folder: PathBuf,
    /// The pictures, relative to the folder.
    images: PathBuf,
    /// What `images` links to, unless the pictures lie in the folder.
    link: Option<PathBuf>,
}

impl Place {
    fn new(root: &Path, name: &str, images: &Path) -> Result<Self> {
        let folder = root.join(name);
        let real = |path: &Path| fs::canonicalize(path).map_err(|e| Error::io("read the folder", path, &e));
        let target = real(images)?;
        let own = if folder.is_dir() { Some(real(&folder)?) } else { None };
        let inside = own.and_then(|own| target.strip_prefix(own).ok().map(Path::to_owned));
        let (images, link) = match inside {
            Some(inside) if inside.as_os_str().is_empty() => (PathBuf::from("."), None),
            Some(inside) => (inside, None),
            None => (PathBuf::from("images"), Some(target)),
        };
        Ok(Self { name: name.to_owned(), folder, images, link })
    }

    fn split_name(&self) -> String {
        format!("split_zhou_{}.json", self.name)
    }

    /// What differs from the data set of this name; none where there is none.
    fn changes(&self, registry: &str, entry: &str, split: &str) -> Result<Option<Vec<String>>> {
        let mut changes = Vec::new();
        let own = if registry.trim().is_empty() { None } else { Registry::parse(registry, Path::new(FILE_NAME)).ok() };
        let known = own.as_ref().and_then(|own| own.get(&self.name).ok());
        let built_in = Registry::built_in()?.get(&self.name).is_ok();
        match known {
            Some(known) if Some(known) != entry::only(entry)?.as_ref() => {
                changes.push("its entry in the registry differs (layout, template or more)".to_owned());
            }
            None if built_in => changes.push("one of this name is built in".to_owned()),
            _ => {}
        }
        let file = self.folder.join(self.split_name());
        if files::exists(&file)? {
            let old = files::read_text(&file)?;
            if old != split {
                changes.extend(differences(&old, split));
            }
        } else if self.link.is_some()
            && self.folder.is_dir()
            && fs::read_dir(&self.folder).is_ok_and(|mut all| all.next().is_some())
        {
            return Err(Error::new(format!("there is a folder `{}` that is not of this data set", self.name))
                .at(&self.folder)
                .help("choose another name, or move the folder away"));
        }
        if let Some(target) = &self.link {
            let link = self.folder.join(&self.images);
            match fs::read_link(&link) {
                Ok(old) if old == *target => {}
                Ok(old) => changes.push(format!("its pictures are those in `{}`", old.display())),
                Err(_) if link.is_dir() => {
                    return Err(Error::new("the pictures of another data set lie in its place")
                        .at(&link)
                        .help("choose another name, or move them away"));
                }
                Err(_) => {}
            }
        }
        Ok((known.is_some() || !changes.is_empty()).then_some(changes))
    }

    fn write(&self, split: &str, class_names: &str) -> Result<()> {
        let is_new = !self.folder.exists();
        let written = || -> Result<()> {
            fs::create_dir_all(&self.folder).map_err(|e| Error::io_write("create the folder", &self.folder, &e))?;
            if let Some(target) = &self.link {
                link(target, &self.folder.join(&self.images))?;
            }
            files::write_atomic(&self.folder.join(CORRECTIONS), class_names.as_bytes())?;
            files::write_atomic(&self.folder.join(self.split_name()), split.as_bytes())
        };
        written().inspect_err(|_| {
            if is_new {
                // Only what was made here is in it, and its pictures are a link.
                let _ = fs::remove_dir_all(&self.folder);
            }
        })
    }
}

/// Links `at` to `target`, in place of another link.
#[cfg(unix)]
fn link(target: &Path, at: &Path) -> Result<()> {
    if fs::read_link(at).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let failed = |e: &std::io::Error| Error::io_write("make the link", at, e);
    let new = at.with_extension("new");
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(target, &new).map_err(|e| failed(&e))?;
    fs::rename(&new, at).map_err(|e| failed(&e))
}

#[cfg(not(unix))]
fn link(_: &Path, at: &Path) -> Result<()> {
    Err(Error::new("pictures outside the data root are linked, which this system cannot do")
        .at(at)
        .help("move them into the data set's folder under the data root"))
}

/// The difference that a data set keeps its pictures and labels through.
const RENAMED: &str = "class names that differ";

/// What differs between two split files, a phrase each.
fn differences(old: &str, new: &str) -> Vec<String> {
    let rows = |text: &str| -> Option<BTreeMap<String, (&str, u32, String)>> {
        let Rows { train, val, test } = serde_json::from_str(text).ok()?;
        let of = |split, rows: Vec<(String, u32, String)>| {
            rows.into_iter().map(move |(path, label, name)| (path, (split, label, name)))
        };
        Some(of("train", train).chain(of("val", val)).chain(of("test", test)).collect())
    };
    let (Some(old), Some(new)) = (rows(old), rows(new)) else { return vec!["its split differs".to_owned()] };
    let count = |what: &str, count: usize| (count > 0).then(|| format!("{what}: {count}"));
    let moved = |(path, (split, label, _)): (&String, &(&str, u32, String))| {
        new.get(path).is_some_and(|(other, now, _)| other != split || now != label)
    };
    let renamed: BTreeSet<&String> = old
        .iter()
        .filter(|(path, row)| new.get(*path).is_some_and(|now| now.2 != row.2))
        .map(|(_, row)| &row.2)
        .collect();
    let all = [
        count(RENAMED, renamed.len()),
        count("pictures that are new", new.keys().filter(|path| !old.contains_key(*path)).count()),
        count("pictures that are gone", old.keys().filter(|path| !new.contains_key(*path)).count()),
        count("pictures of another split or class", old.iter().filter(|row| moved(*row)).count()),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() { vec!["its split is in another order or of another origin".to_owned()] } else { all }
}

/// Refuses what cannot be the name of a data set.
///
/// # Errors
///
/// When it is not a word of letters, digits, `_`, `-` and `.`.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", AVERAGE]
        .contains(&name.to_ascii_lowercase().as_str());
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits) && !is_word {
        return Ok(());
    }
    Err(Error::new(format!("`{name}` cannot be the name of a data set"))
        .expected("letters, digits, `_`, `-` and `.`, a letter first, as in `birds-2024`"))
}

/// How many pictures a message names.
const MOST_NAMED: usize = 5;

/// Refuses pictures that are not there, or that are seen to be damaged without decoding all of them.
fn refuse_unreadable(listed: &Listed) -> Result<()> {
    let Images { missing, damaged, .. } = check_images(listed, false)?;
    let (what, lines): (&str, Vec<String>) = if missing.is_empty() {
        let line = |(path, error): &(PathBuf, Error)| format!("{}: {}", path.display(), error.what());
        ("cannot be read", damaged.iter().map(line).collect())
    } else {
        ("not there", missing.iter().map(|path| path.display().to_string()).collect())
    };
    if lines.is_empty() {
        return Ok(());
    }
    let more = lines.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!("\n  … and {more} more") } else { String::new() };
    let pictures = if lines.len() == 1 { "1 picture".to_owned() } else { format!("{} pictures", lines.len()) };
    let verb = if what == "cannot be read" {
        ""
    } else if lines.len() == 1 {
        "is "
    } else {
        "are "
    };
    let named = lines[..lines.len().min(MOST_NAMED)].join("\n  ");
    Err(Error::new(format!("{pictures} {verb}{what}:\n  {named}{more}")).at(&listed.folder).help(
        if missing.is_empty() {
            "mend them, convert them to PNG, or remove them; then run the command again"
        } else {
            "put them there or take them out of the list, and run the command again"
        },
    ))
}
