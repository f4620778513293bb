//! Checks of the file, its entry, and the structs that cross the C interface.

use super::stage::Stage;
use super::subject::{CLASSES, Finding, Subject, ensure, failed};
use crate::method::border::{BorrowedTask, abi, borrowed, result};
use crate::plugin::services::with_table;
use crate::plugin::{Plugin, PluginFile};
use crate::train::Recompute;
use crate::{Error, error, files};
use object::{Object, ObjectSection};
use std::ffi::c_void;
use std::ptr;
use std::time::{Duration, Instant};
use tch::Kind;

pub(super) fn entry(subject: &Subject) -> Finding {
    let plugin = subject.plugin()?;
    let again = subject.plugin()?;
    match (plugin.tables(), again.tables()) {
        (Some((one, _)), Some((two, _))) => {
            ensure(ptr::eq(one, two), || "a second call returns a different entry".to_owned())
        }
        _ => Ok(()),
    }
}

pub(super) fn exports(subject: &Subject) -> Finding {
    subject.is_compiled()?;
    let bytes = files::read(&subject.path)?;
    let library = object::File::parse(&*bytes).map_err(|e| Error::new(e.to_string()))?;
    let exports = library.exports().map_err(|e| Error::new(e.to_string()))?;
    // macOS prefixes C names with an underscore.
    let name = |export: object::Export<'_>| String::from_utf8_lossy(export.name()).trim_start_matches('_').to_owned();
    let others: Vec<_> = exports.into_iter().map(name).filter(|name| name != abi::ENTRY_SYMBOL).collect();
    ensure(others.is_empty(), || {
        format!(
            "it exports {} other symbols, such as {}. To hide them, call `nemesis_build::export_entry_only` in the \
             build script (Rust) or compile with -fvisibility=hidden (C++)",
            others.len(),
            others[0]
        )
    })
}

pub(super) fn foreign_abi(subject: &Subject) -> Finding {
    foreign(subject, "abi", &PluginFile::inspect(&subject.path)?.metadata().abi)
}

pub(super) fn foreign_libtorch(subject: &Subject) -> Finding {
    foreign(subject, "libtorch", &PluginFile::inspect(&subject.path)?.metadata().libtorch)
}

/// Changes the first digit of a version in a copy of the file, which must then be refused before it is loaded.
fn foreign(subject: &Subject, key: &str, version: &str) -> Finding {
    subject.is_compiled()?;
    let mut bytes = files::read(&subject.path)?;
    let range = {
        let library = object::File::parse(&*bytes).map_err(|e| Error::new(e.to_string()))?;
        library.section_by_name(abi::SECTION).and_then(|section| section.file_range())
    };
    let line = format!("{key}={version}\n");
    let section = range.and_then(|(start, size)| bytes.get_mut(start as usize..(start + size) as usize));
    let place = section.and_then(|section| {
        let at = section.windows(line.len()).position(|window| window == line.as_bytes())?;
        section.get_mut(at + key.len() + 1)
    });
    let Some(digit) = place else {
        return failed(format!("the section `{}` has no line `{}`", abi::SECTION, line.trim()));
    };
    *digit = if *digit == b'9' { b'8' } else { b'9' };
    let foreign = format!("{}{}", char::from(*digit), &version[1..]);
    let folder = tempfile::tempdir().map_err(|e| Error::new(format!("cannot create a folder for a copy: {e}")))?;
    let copy = folder.path().join("foreign.so");
    files::write_atomic(&copy, &bytes)?;
    match PluginFile::inspect(&copy)?.compatible() {
        Ok(()) => failed(format!("a copy for {key} {foreign} was not refused")),
        Err(error) => ensure(error.kind() == error::Kind::Incompatible, || {
            format!("a copy for {key} {foreign} was refused, but for another reason: {error}")
        }),
    }
}

/// A struct with extra room at its end, as a later version of the interface might have.
#[repr(C)]
struct Longer<T> {
    known: T,
    unknown: [u64; 8],
}

pub(super) fn struct_sizes(subject: &Subject) -> Finding {
    subject.is_compiled()?;
    let plugin = subject.plugin()?;
    let stage = Stage::new(CLASSES, Kind::Double);
    let (task, services) = (stage.task(), stage.services(1, Recompute::Never));
    let task = BorrowedTask::new(&task)?;
    let options = serde_json::to_string(&subject.options).unwrap_or_default();
    let try_sizes = |task_size: usize, host_size: usize| {
        with_table(&services, plugin.descriptor().needs, |host| {
            // SAFETY: both pointers lead to whole structs, and plain C structs may be copied bit by bit. Only their
            // size fields change, to no more than there is room for.
            unsafe {
                let mut task = Longer { known: task.as_ptr().read(), unknown: [0xab; 8] };
                let mut host = Longer { known: host.read(), unknown: [0xab; 8] };
                task.known.struct_size = task_size;
                host.known.struct_size = host_size;
                create(&plugin, (&raw const host).cast(), (&raw const task).cast(), &options)
            }
        })
    };
    let (task, host) = (size_of::<abi::Task>(), size_of::<abi::Host>());
    if let Err(error) = try_sizes(task + 64, host + 64) {
        return failed(format!("longer structs, as a later version may have, are refused: {error}"));
    }
    ensure(try_sizes(8, host).is_err(), || "a task of 8 bytes is accepted".to_owned())?;
    ensure(try_sizes(task, 16).is_err(), || "a host table of 16 bytes is accepted".to_owned())
}

/// Creates a method and destroys it again.
///
/// # Safety
///
/// The pointers lead to structs of at least the size that their size fields give.
unsafe fn create(
    plugin: &Plugin,
    host: *const abi::Host,
    task: *const abi::Task,
    options: &str,
) -> crate::method::Result<()> {
    let mut instance: *mut c_void = ptr::null_mut();
    let tables = plugin.tables();
    let (Some(create), Some(destroy)) =
        (tables.and_then(|(entry, _)| entry.create), tables.and_then(|(_, table)| table.destroy))
    else {
        return Ok(()); // `Plugin::load` has refused such a plugin.
    };
    // SAFETY: the caller vouches for the pointers; what is created is destroyed once.
    unsafe {
        result(create(host, task, borrowed(options), &raw mut instance))?;
        destroy(instance);
    }
    Ok(())
}

pub(super) fn extensions(subject: &Subject) -> Finding {
    subject.is_compiled()?;
    let tables = subject.plugin()?.tables();
    let Some(get_extension) = tables.and_then(|(entry, _)| entry.get_extension) else { return Ok(()) };
    for name in [c"", c"nobody.has/this", c"nemesis"] {
        // SAFETY: the name ends with a zero byte.
        let table = unsafe { get_extension(name.as_ptr()) };
        ensure(table.is_null(), || format!("it claims to have the extension {name:?}, which does not exist"))?;
    }
    Ok(())
}

pub(super) fn load_time(subject: &Subject) -> Finding {
    const LIMIT: Duration = Duration::from_secs(1);
    let start = Instant::now();
    subject.plugin()?;
    let took = start.elapsed();
    ensure(took < LIMIT, || format!("it took {:.1} s", took.as_secs_f64()))
}
