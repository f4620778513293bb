//! The plugin's entry, made by the SDK and then spoilt: faults that the SDK does not let a method have.
#![expect(unsafe_code, reason = "the faults of this file are those of the C interface")]

use super::misdeed::hang;
use super::{Faulty, fault};
use nemesis_sdk::border::{self, abi, borrowed, concatenate, concatenated_length, text};
use nemesis_sdk::serde_json::{Map, Value};
use nemesis_sdk::versions;
use std::ffi::{c_char, c_void};
use std::sync::OnceLock;
use std::time::Duration;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const SOURCE: &str = nemesis_sdk::source_fingerprint!();

const METADATA: &[&str] = &[
    "abi=",
    abi::ABI_VERSION,
    "\nlibtorch=",
    versions::LIBTORCH,
    "\ncxx11_abi=",
    versions::CXX11_ABI,
    "\nsdk=",
    versions::SDK,
    "\nid=faulty\nversion=",
    VERSION,
    "\nsource=",
    SOURCE,
    "-",
    versions::SOURCE,
    "\n",
];

#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__nemesis_plugin"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".nemesis_plugin"))]
static SECTION: [u8; concatenated_length(METADATA)] = concatenate(METADATA);

/// Called by the system when the library is loaded: what a run must survive that cannot be an option yet.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static WHEN_LOADED: extern "C" fn() = when_loaded;

extern "C" fn when_loaded() {
    let is_worker = || std::env::args().nth(1).is_some_and(|command| command == "worker");
    match std::env::var("FAULT_WHEN_LOADED").as_deref() {
        Ok("abort") => std::process::abort(),
        Ok("abort-in-worker") if is_worker() => std::process::abort(),
        Ok("abort-beside-another") => drop(std::thread::spawn(abort_beside_another)),
        Ok("hang") => hang(),
        _ => {}
    }
}

/// Aborts when Nemesis-PEN is loaded into the same process.
fn abort_beside_another() {
    loop {
        if std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("nemesis_method_nemesis_pen")) {
            std::process::abort();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The entry as the SDK makes it.
fn sound() -> &'static abi::Entry {
    static SOUND: OnceLock<abi::Entry> = OnceLock::new();
    SOUND.get_or_init(|| border::entry::<Faulty>(VERSION, SOURCE).expect("the descriptor can be made"))
}

/// What the host calls first.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nemesis_plugin_entry_v1() -> *const abi::Entry {
    static ENTRY: OnceLock<abi::Entry> = OnceLock::new();
    ENTRY.get_or_init(spoilt)
}

fn spoilt() -> abi::Entry {
    if fault("load-time") {
        std::thread::sleep(Duration::from_millis(1200));
    }
    // SAFETY: plain C structs may be copied bit by bit; what they point to is static.
    let (mut entry, mut table) = unsafe { (std::ptr::read(sound()), std::ptr::read(sound().method)) };
    if fault("entry") {
        entry.abi_major = 7;
    }
    if fault("entry-libtorch") {
        entry.libtorch = borrowed("1.13.1");
    }
    if fault("entry-size") {
        entry.struct_size = 16;
    }
    if fault("entry-needs") {
        // SAFETY: the descriptor is a static text of this library.
        let descriptor = unsafe { text(entry.descriptor) }.expect("it is UTF-8");
        let descriptor = descriptor.replace(r#""features":true"#, r#""features":false"#);
        entry.descriptor = borrowed(descriptor.replace(r#""validation":false"#, r#""validation":true"#).leak());
    }
    if fault("towers-unused") || fault("towers-inexact") {
        // SAFETY: as above.
        let descriptor = unsafe { text(entry.descriptor) }.expect("it is UTF-8");
        let asking = descriptor.replace(r#""validation":false"#, r#""validation":false,"towers":true"#);
        entry.descriptor = borrowed(asking.leak());
    }
    if let Some(published) = published() {
        // SAFETY: as above.
        let descriptor = unsafe { text(entry.descriptor) }.expect("it is UTF-8");
        let whole = descriptor.replacen('{', &format!("{{\"protocol\":{published},"), 1);
        entry.descriptor = borrowed(whole.leak());
    }
    if fault("entry-functions") {
        table.save = None;
    }
    if fault("extensions") {
        entry.get_extension = Some(every_extension);
    }
    if fault("struct-sizes") || fault("options-unknown") || fault("options-ill-typed") {
        entry.create = Some(careless_create);
    }
    if fault("errors-inside") || fault("hang") {
        table.loss = Some(last_loss);
    }
    if fault("panics-inside") {
        table.logits = Some(panicking_logits);
    }
    entry.method = Box::leak(Box::new(table));
    entry
}

/// A protocol that nothing can be trained with. The SDK's own method publishes none.
fn published() -> Option<&'static str> {
    let faults = [
        ("protocol-name", r#"{"batchsize":4}"#),
        ("protocol-batch", r#"{"batch_size":0}"#),
        ("protocol-rate", r#"{"learning_rate":-0.1}"#),
        ("protocol-idle", r#"{"optimiser":"adam","momentum":0.9}"#),
        ("protocol-shots", r#"{"epochs":{"4":10}}"#),
        ("protocol-warmup", r#"{"epochs":5,"warmup_epochs":5}"#),
    ];
    faults.into_iter().find(|(name, _)| fault(name)).map(|(_, published)| published)
}

unsafe extern "C" fn every_extension(_name: *const c_char) -> *const c_void {
    std::ptr::from_ref(sound()).cast()
}

/// Does not look at sizes, or drops what it does not like among the options.
unsafe extern "C" fn careless_create(
    host: *const abi::Host,
    task: *const abi::Task,
    options: abi::Str,
    out: *mut *mut c_void,
) -> abi::Status {
    // SAFETY: the host keeps the rules of the border, but for the sizes that are ignored here.
    unsafe {
        let (mut host, mut task) = (std::ptr::read(host), std::ptr::read(task));
        if fault("struct-sizes") {
            host.struct_size = size_of::<abi::Host>();
            task.struct_size = size_of::<abi::Task>();
        }
        let given: Map<String, Value> =
            text(options).ok().and_then(|json| nemesis_sdk::serde_json::from_str(json).ok()).unwrap_or_default();
        let known = |name: &str| ["lambda", "csc", "misdeed"].contains(&name);
        let kept = given.into_iter().filter(|(name, value)| {
            (!fault("options-unknown") || known(name)) && (!fault("options-ill-typed") || !value.is_array())
        });
        let kept = Value::Object(kept.collect()).to_string();
        let create = sound().create.expect("the SDK makes it");
        create(&raw const host, &raw const task, borrowed(&kept), out)
    }
}

/// Ends the process, or never returns, where the loss is an error.
unsafe extern "C" fn last_loss(
    method: *mut c_void,
    batch: *const abi::Batch,
    host: *const abi::Host,
    out: *mut abi::Tensor,
) -> abi::Status {
    // SAFETY: the arguments are passed on as they are.
    let status = unsafe { ((*sound().method).loss.expect("the SDK makes it"))(method, batch, host, out) };
    while status.code != abi::STATUS_OK && fault("hang") {
        std::thread::sleep(Duration::from_secs(1));
    }
    if status.code != abi::STATUS_OK {
        std::process::abort();
    }
    status
}

/// Lets a panic reach the border.
unsafe extern "C" fn panicking_logits(
    method: *mut c_void,
    batch: *const abi::Batch,
    host: *const abi::Host,
    out: *mut abi::Tensor,
) -> abi::Status {
    // SAFETY: the arguments are passed on as they are.
    let status = unsafe { ((*sound().method).logits.expect("the SDK makes it"))(method, batch, host, out) };
    assert!(status.code != abi::STATUS_PANIC && status.code != abi::STATUS_ERROR, "uncaught");
    status
}
