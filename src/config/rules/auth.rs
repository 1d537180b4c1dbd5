//! Auth profiles: they belong to a provider, and orders name those that exist.

use super::super::finding::Finding;
use super::super::models::BUILT_IN_PROVIDERS;
use super::super::path::Path;
use super::super::root::Config;
use super::super::suggest::nearest;
use super::Checked;

/// Longest rest that may be set, in hours: a month.
const HOURS_MAX: f64 = 720.0;

/// Checks every profile, order and rest.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    let auth = Path::of(&["auth"]);
    for (id, profile) in &config.auth.profiles {
        let path = auth.key("profiles").key(id).key("provider");
        check_provider(config, &profile.provider, path, checked);
    }
    for (provider, order) in &config.auth.order {
        let path = auth.key("order").key(provider);
        check_provider(config, provider, path.clone(), checked);
        for (index, id) in order.iter().enumerate() {
            check_ordered(config, provider, id, path.index(index), checked);
        }
    }
    check_rests(config, &auth.key("cooldowns"), checked);
}

fn check_provider(config: &Config, provider: &str, path: Path, checked: &mut Checked) {
    let configured = config.models.providers.keys().map(String::as_str);
    let known: Vec<&str> = BUILT_IN_PROVIDERS.into_iter().chain(configured).collect();
    if known.contains(&provider) {
        return;
    }
    let help = match nearest(provider, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("add it as models.providers.{provider}"),
    };
    // Files of the incumbent keep profiles of providers this program does not speak to.
    let message = format!("there is no provider {provider:?}; the profile is not used");
    checked.warning(Finding::new(path, message).with_help(help));
}

fn check_ordered(config: &Config, provider: &str, id: &str, path: Path, checked: &mut Checked) {
    let profiles = &config.auth.profiles;
    match profiles.get(id) {
        Some(profile) if profile.provider == provider => {}
        Some(profile) => {
            let message = format!("{id:?} is a profile of {:?}", profile.provider);
            checked.problem(Finding::new(path, message));
        }
        None => {
            let finding = Finding::new(path, format!("there is no profile {id:?}"));
            checked.problem(match nearest(id, profiles.keys().map(String::as_str)) {
                Some(near) => finding.with_help(format!("did you mean {near:?}?")),
                None => finding.with_help(format!("add it as auth.profiles.{id:?}")),
            });
        }
    }
}

fn check_rests(config: &Config, path: &Path, checked: &mut Checked) {
    let rests = &config.auth.cooldowns;
    let single = [
        ("billingBackoffHours", rests.billing_backoff_hours, HOURS_MAX),
        ("billingMaxHours", rests.billing_max_hours, HOURS_MAX),
        ("failureWindowHours", rests.failure_window_hours, HOURS_MAX),
        ("authPermanentBackoffMinutes", rests.auth_permanent_backoff_minutes, HOURS_MAX * 60.0),
        ("authPermanentMaxMinutes", rests.auth_permanent_max_minutes, HOURS_MAX * 60.0),
    ];
    let single = single.map(|(name, number, most)| (path.key(name), number, most));
    let by_provider = rests.billing_backoff_hours_by_provider.iter().map(|(provider, hours)| {
        (path.key("billingBackoffHoursByProvider").key(provider), Some(*hours), HOURS_MAX)
    });
    for (path, number, most) in single.into_iter().chain(by_provider) {
        if number.is_some_and(|number| !(number > 0.0 && number <= most)) {
            checked.problem(Finding::new(path, format!("must be above 0 and at most {most}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::problems;

    #[test]
    fn orders_name_profiles_of_their_provider() {
        let found = problems(
            "{auth: {profiles: {'openai:a': {provider: 'openai'}, 'google:a': {provider: 'google'}},
              order: {openai: ['openai:a', 'openai:b', 'google:a']}}}",
        );
        assert_eq!(
            found,
            [
                "auth.order.openai[1]: there is no profile \"openai:b\"",
                "auth.order.openai[2]: \"google:a\" is a profile of \"google\"",
            ]
        );
    }

    #[test]
    fn rests_have_bounds() {
        let found = problems(
            "{auth: {cooldowns: {billingBackoffHours: 0, billingMaxHours: 1e9,
              billingBackoffHoursByProvider: {openai: -1}, failureWindowHours: 0.5}}}",
        );
        assert_eq!(
            found,
            [
                "auth.cooldowns.billingBackoffHours: must be above 0 and at most 720",
                "auth.cooldowns.billingMaxHours: must be above 0 and at most 720",
                "auth.cooldowns.billingBackoffHoursByProvider.openai: must be above 0 and at most 720",
            ]
        );
    }
}
