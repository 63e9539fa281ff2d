//! Tells the compiler's version to `fondue_build_info`.

use std::{env, process::Command};

#[allow(clippy::disallowed_methods)] // cargo's own channel to build scripts
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(rustc).arg("--version").output();
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    // `rustc 1.89.0 (…)`
    println!("cargo:rustc-env=FONDUE_RUSTC={}", told.split_whitespace().nth(1).unwrap_or("unknown"));
}
