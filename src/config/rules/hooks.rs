//! Hooks: each has a program, moments that exist, and a time within reason.

use telson_actors::hook::Moment;

use super::super::finding::Finding;
use super::super::path::Path;
use super::super::root::Config;
use super::super::suggest::nearest;
use super::Checked;

/// Longest time of a hook, in milliseconds: a turn waits for those that can change it.
const TIMEOUT_MS_MAX: u64 = 600_000;

pub(super) fn check(config: &Config, checked: &mut Checked) {
    for (name, hook) in &config.hooks.commands {
        let path = Path::of(&["hooks", "commands", name]);
        if hook.command.trim().is_empty() {
            checked.problem(Finding::new(path.key("command"), "this setting is required"));
        }
        if hook.on.is_empty() {
            let finding = Finding::new(path.key("on"), "names no moment, so it never runs");
            checked.problem(finding.with_help(format!("choose from {}", all())));
        }
        for (index, moment) in hook.on.iter().enumerate() {
            check_moment(moment, path.key("on").index(index), checked);
        }
        if !(1..=TIMEOUT_MS_MAX).contains(&hook.timeout_ms) {
            let message = format!("must be from 1 to {TIMEOUT_MS_MAX} milliseconds");
            checked.problem(Finding::new(path.key("timeoutMs"), message));
        }
    }
}

fn check_moment(name: &str, path: Path, checked: &mut Checked) {
    if name.parse::<Moment>().is_ok() {
        return;
    }
    let meant = nearest(name, Moment::ALL.map(Moment::name));
    let help = meant
        .map_or_else(|| format!("choose from {}", all()), |meant| format!("did you mean {meant}?"));
    let finding = Finding::new(path, format!("{name:?} is not a moment"));
    checked.problem(finding.with_help(help));
}

fn all() -> String {
    Moment::ALL.map(Moment::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::problems;

    #[test]
    fn a_hook_names_its_program_and_moments_that_exist() {
        let good = "{hooks: {commands: {a: {on: ['message_sent'], command: 'x'}}}}";
        assert!(problems(good).is_empty());
        let bad = "{hooks: {commands: {a: {on: ['mesage_sent', 'before_compactoin'], timeoutMs: 0},
                    b: {command: 'x'}}}}";
        assert_eq!(
            problems(bad),
            [
                "hooks.commands.a.command: this setting is required",
                "hooks.commands.a.on[0]: \"mesage_sent\" is not a moment",
                "hooks.commands.a.on[1]: \"before_compactoin\" is not a moment",
                "hooks.commands.a.timeoutMs: must be from 1 to 600000 milliseconds",
                "hooks.commands.b.on: names no moment, so it never runs",
            ]
        );
    }
}
