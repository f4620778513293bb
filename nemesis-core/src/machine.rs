//! Which machine this is: by name, and since which start of its kernel.

/// The name of this machine.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The id that this machine's kernel gave itself at its start; empty if there is none. Containers share it with their
/// machine, and locks with it.
pub(crate) fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
