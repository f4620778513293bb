//! Loading a plugin: the versions are compared twice, before its code is in the process and before a tensor crosses.

use super::library::{Refusal, Symbols, open_for_good};
use super::method::{LibraryMethod, LoadedMethod};
use super::services::with_table;
use super::{Metadata, PluginFile, python};
use crate::error::{Kind, suggest};
use crate::method::border::{BorrowedTask, abi, borrowed, required, result, sized, text};
use crate::method::{Descriptor, ErrorKind, Host, Method, Optimisation, Task};
use crate::{Error, Result, method};
use nemesis_sdk::versions;
use serde_json::{Map, Value};
use std::path::Path;
use std::ptr;
use tch::no_grad;

/// A plugin whose code is in this process, where it stays until the process ends.
#[derive(Debug)]
pub struct Plugin {
    file: PluginFile,
    descriptor: Descriptor,
    code: Code,
}

/// The code of a plugin.
#[derive(Clone, Copy, Debug)]
enum Code {
    /// A library's.
    Compiled { entry: &'static abi::Entry, table: &'static abi::MethodTable },
    /// Python's, which this process can run.
    Python,
}

impl Plugin {
    /// Loads the plugin in a file, which runs its code.
    ///
    /// # Errors
    ///
    /// When the file is not a plugin, was made for another nemesis or libtorch, needs symbols that this libtorch lacks,
    /// or contradicts itself.
    pub fn load(path: &Path) -> Result<Self> {
        let file = PluginFile::inspect(path)?;
        file.compatible()?;
        if let Some(source) = file.python() {
            let descriptor = describe_python(source, file.metadata()).map_err(|error| error.at(path))?;
            return Ok(Self { file, descriptor, code: Code::Python });
        }
        let library = open_for_good(path, Symbols::Own).map_err(|refusal| cannot_load(&file, &refusal))?;
        // SAFETY: the symbol is a function of this type in every plugin, and its table is static.
        let entry = unsafe {
            library
                .get::<abi::EntryFn>(abi::ENTRY_SYMBOL.as_bytes())
                .map_err(|e| Error::new(format!("the plugin has no entry: {}", Refusal::from(&e).words)).at(path))?(
            )
        };
        let faulty = |error: method::Error| Error::new(format!("the plugin is faulty: {error}")).at(path);
        // SAFETY: the entry and all that it points to are static in a library that is never unloaded.
        unsafe {
            check_versions(entry, file.metadata()).map_err(|error| error.at(path))?;
            let entry: &'static abi::Entry = sized(entry, "entry").map_err(faulty)?;
            let table: &'static abi::MethodTable = sized(entry.method, "method table").map_err(faulty)?;
            check_functions(entry, table).map_err(faulty)?;
            let descriptor = read_descriptor(entry, file.metadata()).map_err(faulty)?;
            Ok(Self { file, descriptor, code: Code::Compiled { entry, table } })
        }
    }

    /// The file it was loaded from.
    pub fn file(&self) -> &PluginFile {
        &self.file
    }

    /// What the method is and what it asks of the host.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The plugin's own table and the functions of its methods, if it is compiled.
    pub(super) fn tables(&self) -> Option<(&'static abi::Entry, &'static abi::MethodTable)> {
        match self.code {
            Code::Compiled { entry, table } => Some((entry, table)),
            Code::Python => None,
        }
    }

    /// Creates a method for a task. Options that are not given have their defaults.
    ///
    /// # Errors
    ///
    /// When an option is unknown or ill-typed, or the options contradict each other or the task.
    pub fn create(&self, task: &Task, options: &Map<String, Value>, host: &dyn Host) -> Result<Box<dyn Method>> {
        let id = &self.descriptor.id;
        let created = self.create_method(task, options, host).map_err(|error| {
            let invalid = error.kind() == ErrorKind::InvalidOptions;
            let option = error.about().map(|option| format!("{id}.{option}"));
            let named = Error::from(error).context(format_args!("method `{id}`"));
            let named = option.into_iter().fold(named, Error::about);
            if invalid { named.help(format!("`nemesis plugin describe {id}` lists its options")) } else { named }
        })?;
        Ok(Box::new(created))
    }

    /// Creates a method, with the plugin's own error.
    pub(super) fn create_method(
        &self,
        task: &Task,
        options: &Map<String, Value>,
        host: &dyn Host,
    ) -> method::Result<LoadedMethod> {
        let (entry, table) = match (self.code, self.file.python()) {
            (Code::Compiled { entry, table }, _) => (entry, table),
            (Code::Python, Some(source)) => {
                let created = no_grad(|| running_python()?.create(source, task, options, host))?;
                return Ok(LoadedMethod::Python(created));
            }
            (Code::Python, None) => return Err(method::Error::new("the plugin has no source")),
        };
        let create = required(entry.create, "create")?;
        let task = BorrowedTask::new(task)?;
        let options = serde_json::to_string(options).map_err(|e| method::Error::new(e.to_string()))?;
        let mut instance = ptr::null_mut();
        // SAFETY: the function belongs to the table, its arguments outlive the call, and after OK the instance is ours.
        unsafe {
            let call = |host| result(create(host, task.as_ptr(), borrowed(&options), &raw mut instance));
            no_grad(|| with_table(host, self.descriptor.needs, call))?;
            if instance.is_null() {
                return Err(method::Error::new("`create` returned no method and no error"));
            }
            Ok(LoadedMethod::Library(LibraryMethod::new(instance, table, self.descriptor.needs)))
        }
    }
}

/// Checks that a method has all these options, without creating it.
///
/// # Errors
///
/// When one is unknown; the message names the nearest known one.
pub fn check_options<'a>(method: &Descriptor, options: impl IntoIterator<Item = &'a String>) -> Result<()> {
    let known = || method.options.iter().map(|option| option.name.as_str());
    match options.into_iter().find(|option| !known().any(|name| name == option.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(Error::new(format!("the method `{}` has no option `{unknown}`", method.id))
            .about(format!("{}.{unknown}", method.id))
            .help(suggest(unknown, known().collect::<Vec<_>>()))),
    }
}

/// Who runs Python in this process.
fn running_python() -> Result<&'static dyn python::Interpreter> {
    python::interpreter().ok_or_else(|| {
        Error::new("the plugin is written in Python, which this process cannot run")
            .help("run the same command with `python -m nemesis` in place of `nemesis`")
    })
}

/// Imports a plugin that is written in Python. Its descriptor must agree with what its source says.
fn describe_python(source: &python::Source, metadata: &Metadata) -> Result<Descriptor> {
    let descriptor = running_python()?.describe(source)?;
    for (what, imported, read) in
        [("id", &descriptor.id, &metadata.id), ("version", &descriptor.version, &metadata.version)]
    {
        if imported != read {
            return Err(Error::new(format!(
                "the plugin is faulty: its `ABOUT` has the {what} `{imported}`, but its source says `{read}`"
            )));
        }
    }
    check_needs(&descriptor)?;
    Ok(descriptor)
}

/// Refuses a descriptor whose needs contradict each other.
fn check_needs(descriptor: &Descriptor) -> method::Result<()> {
    let needs = descriptor.needs;
    if !needs.features && (needs.validation || descriptor.optimisation == Optimisation::Fit) {
        return Err(method::Error::new("it uses features of the few-shot sample but does not ask for `features`"));
    }
    Ok(())
}

/// Why the dynamic linker refused: usually a symbol that only another libtorch has.
fn cannot_load(file: &PluginFile, refusal: &Refusal) -> Error {
    let Metadata { id, libtorch, .. } = file.metadata();
    let error = Error::new(format!("the plugin `{id}` cannot be loaded: {}", refusal.words)).at(file.path());
    if refusal.lacks_symbol {
        error
            .of_kind(Kind::Incompatible)
            .expected(format!(
                "only symbols of libtorch {}; the plugin says it was built against {libtorch}",
                versions::LIBTORCH
            ))
            .help("rebuild the plugin against the libtorch of this nemesis: `nemesis env` prints how")
    } else {
        error
    }
}

/// Compares the versions in the entry with this side's, and with those in the file.
///
/// # Safety
///
/// `entry` is null or leads to an entry of any version of the interface.
unsafe fn check_versions(entry: *const abi::Entry, metadata: &Metadata) -> Result<()> {
    if entry.is_null() {
        return Err(Error::new("the plugin cannot describe itself: its entry is a null pointer"));
    }
    // SAFETY: size and version are at the start of the entry in every version of the interface.
    let (size, major, minor) = unsafe {
        let size = (&raw const (*entry).struct_size).read();
        (size, (&raw const (*entry).abi_major).read(), (&raw const (*entry).abi_minor).read())
    };
    let loaded = Metadata { abi: format!("{major}.{minor}"), ..metadata.clone() };
    loaded.compatible()?;
    if size < size_of::<abi::Entry>() {
        let wanted = size_of::<abi::Entry>();
        return Err(
            Error::new(format!("the plugin's entry has {size} bytes")).expected(format!("at least {wanted} bytes"))
        );
    }
    // SAFETY: the entry is at least as large as this side's, and its strings are static.
    let (libtorch, cxx11_abi) = unsafe { (text((*entry).libtorch)?, text((*entry).cxx11_abi)?) };
    let loaded = Metadata { libtorch: libtorch.to_owned(), cxx11_abi: cxx11_abi.to_owned(), ..loaded };
    loaded.compatible()?;
    if loaded != *metadata {
        return Err(Error::new("the plugin's file and its entry give different versions")
            .of_kind(Kind::Incompatible)
            .expected(format!("abi {} and libtorch {}, as the file says", metadata.abi, metadata.libtorch)));
    }
    Ok(())
}

/// Checks that all required functions are there.
fn check_functions(entry: &abi::Entry, table: &abi::MethodTable) -> method::Result<()> {
    required(entry.create, "create")?;
    required(table.destroy, "destroy")?;
    required(table.parameters, "parameters")?;
    required(table.loss, "loss")?;
    required(table.logits, "logits")?;
    required(table.save, "save")?;
    required(table.load, "load")?;
    Ok(())
}

/// The descriptor in the entry, which must agree with the file's metadata.
///
/// # Safety
///
/// The entry's strings are static.
unsafe fn read_descriptor(entry: &abi::Entry, metadata: &Metadata) -> method::Result<Descriptor> {
    // SAFETY: the caller vouches for it.
    let json = unsafe { text(entry.descriptor) }?;
    let descriptor: Descriptor =
        serde_json::from_str(json).map_err(|e| method::Error::new(format!("its descriptor cannot be read: {e}")))?;
    for (what, in_entry, in_file) in [
        ("id", &descriptor.id, &metadata.id),
        ("version", &descriptor.version, &metadata.version),
        ("source", &descriptor.source, &metadata.source),
    ] {
        if in_entry != in_file {
            let message = format!("its descriptor has the {what} `{in_entry}`, but its file says `{in_file}`");
            return Err(method::Error::new(message));
        }
    }
    check_needs(&descriptor)?;
    Ok(descriptor)
}
