//! The `telson` program.

use std::process::ExitCode;

/// It gives memory back when a rush is over.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    telson::cli::main()
}
