//! A library under the program: C compiled by the test, put before the system's own calls.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `source` into a library in `dir`, for `LD_PRELOAD`.
pub(crate) fn compile(dir: &Path, source: &str) -> PathBuf {
    let (file, library) = (dir.join("shim.c"), dir.join("shim.so"));
    std::fs::write(&file, source).unwrap();
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let compiled = Command::new(cc)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &file])
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("a C compiler is there: the build needs one too");
    assert!(compiled.success());
    library
}
