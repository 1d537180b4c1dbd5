//! Hooks: from config to programs that run.

use std::sync::Arc;
use std::time::Duration;

use telson_actors::hook::{CommandHook, Moment};

use super::Assembly;
use crate::config::{Config, Lookup};

pub(super) fn add(assembly: &mut Assembly, config: &Config, env: &Lookup<'_>) {
    let home = env("HOME").filter(|home| !home.is_empty());
    for (name, hook) in &config.hooks.commands {
        if !hook.enabled {
            assembly.notes.push(format!("hook {name} is switched off in the config"));
            continue;
        }
        // Names that are none were refused with the config.
        let moments: Vec<Moment> = hook.on.iter().filter_map(|name| name.parse().ok()).collect();
        assembly.notes.push(format!("hook {name} runs {} on {}", hook.command, hook.on.join(", ")));
        let hook = CommandHook {
            name: name.clone(),
            moments,
            priority: hook.priority,
            deadline: Duration::from_millis(hook.timeout_ms),
            program: super::channels::expand(&hook.command, home.as_deref())
                .to_string_lossy()
                .into_owned(),
            arguments: hook.args.clone(),
            environment: hook.env.clone().into_iter().collect(),
        };
        assembly.build(|builder| builder.hook(Arc::new(hook)));
    }
}
