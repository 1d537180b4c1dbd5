//! `telson config`.

use std::process::ExitCode;

use serde_json::json;

use super::args::{ConfigCommand, Place};
use super::exit::Failure;
use super::output::Output;
use super::programs;
use crate::assembly::assemble;
use crate::config;
use crate::gateway;

pub(super) fn run(
    place: &Place,
    command: &ConfigCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Validate => validate(place, output),
        ConfigCommand::Schema => {
            let schema = config::schema();
            output.show(&schema, || {
                serde_json::to_string_pretty(&schema).unwrap_or_else(|_| schema.to_string())
            });
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn validate(place: &Place, output: &Output) -> Result<ExitCode, Failure> {
    let path = place.config_path()?;
    let env = |name: &str| std::env::var(name).ok();
    let loaded = place.load(&env)?;
    let mut warnings = loaded.warnings.clone();
    // Building clients checks addresses and headers as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let assembly = assemble(&loaded.config, &env).map_err(Failure::config)?;
    warnings.extend(assembly.warnings);
    // A gateway that `run` would not open.
    warnings.extend(gateway::check(&loaded.config, &env).map_err(Failure::config)?);
    warnings.extend(programs::missing(&loaded.config, &env));
    let exists = loaded.from_file.is_some();
    let document = json!({"ok": true, "path": path, "exists": exists, "warnings": warnings, "notes": assembly.notes});
    output.show(&document, || {
        let mut text =
            warnings.iter().map(|warning| format!("warning: {warning}\n")).collect::<String>();
        text.push_str(&if exists {
            format!("{} is valid", path.display())
        } else {
            format!("there is no config at {}: defaults apply", path.display())
        });
        text
    });
    Ok(ExitCode::SUCCESS)
}
