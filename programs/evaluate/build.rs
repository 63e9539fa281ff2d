//! Lets this package's binaries and tests find libtorch without LD_LIBRARY_PATH.

use std::{env, fs};

#[allow(clippy::disallowed_methods)] // cargo's own channel to build scripts
fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    // Resolved, so that the binary does not depend on the clone's link into the cache.
    if let Some(folder) = env::var_os("LIBTORCH").and_then(|path| fs::canonicalize(path).ok()) {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.join("lib").display());
    }
}
