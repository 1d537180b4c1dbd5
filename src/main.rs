//! The `telson` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    telson::cli::main()
}
