//! Links as an extension module: without libpython, and without a path to libtorch, which Python's torch brings along.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
