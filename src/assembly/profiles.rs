//! Auth profiles: from config to the keyring of one provider.

use std::sync::Arc;
use std::time::Duration;

use telson_actors::provider::profile::{Cooldowns, Key, Keyring, Kind, Profile};
use telson_actors::provider::{Provider, Secret};

use crate::config::{self, AuthMode, AuthProfile, Config};

/// The keys of a provider: its profiles in their order, else its `own` key alone. `client` builds
/// the client of a key. Profiles without any key are named in `warnings`.
pub(super) fn keyring(
    config: &Config,
    provider: &str,
    own: Option<Secret>,
    client: impl Fn(Option<Secret>) -> Result<Arc<dyn Provider>, String>,
    warnings: &mut Vec<String>,
) -> Result<Keyring, String> {
    let mut keys: Vec<Key> = Vec::new();
    for (id, profile) in profiles(config, provider) {
        let written = profile.key.as_ref();
        let written = written.map(|key| key.expose().map(Secret::new));
        let Some(secret) = written.unwrap_or_else(|| own.clone()) else {
            let message = "has no key, so it is not used: set its `key`";
            warnings.push(format!("auth.profiles.{id:?} {message}"));
            continue;
        };
        let mark = secret.mark();
        if keys.iter().any(|key| key.profile.mark == mark) {
            // The same key under another name would fail in the same way.
            continue;
        }
        let profile = Profile { id: id.to_owned(), kind: kind(profile.mode), mark };
        keys.push(Key { profile, client: client(Some(secret))? });
    }
    let mut keys = keys.into_iter();
    let first = if let Some(first) = keys.next() {
        first
    } else {
        let mark = own.as_ref().map_or(0, Secret::mark);
        let id = format!("{provider}:default");
        Key { profile: Profile { id, kind: Kind::ApiKey, mark }, client: client(own)? }
    };
    let mut ring = Keyring::new(first, keys.collect());
    ring.explicit = config.auth.order.contains_key(provider);
    ring.cooldowns = cooldowns(config, provider);
    Ok(ring)
}

/// A provider's profiles: those its order names, else all.
fn profiles<'a>(config: &'a Config, provider: &str) -> Vec<(&'a str, &'a AuthProfile)> {
    let all = &config.auth.profiles;
    if let Some(order) = config.auth.order.get(provider) {
        return order.iter().filter_map(|id| Some((id.as_str(), all.get(id)?))).collect();
    }
    let own = all.iter().filter(|(_, profile)| profile.provider == provider);
    own.map(|(id, profile)| (id.as_str(), profile)).collect()
}

fn kind(mode: AuthMode) -> Kind {
    match mode {
        AuthMode::ApiKey => Kind::ApiKey,
        AuthMode::Oauth => Kind::OAuth,
        AuthMode::Token => Kind::Token,
    }
}

fn cooldowns(config: &Config, provider: &str) -> Cooldowns {
    let (set, usual) = (&config.auth.cooldowns, Cooldowns::default());
    let config::AuthCooldowns { billing_backoff_hours_by_provider: by_provider, .. } = set;
    let billing = by_provider.get(provider).copied().or(set.billing_backoff_hours);
    let hours =
        |set: Option<f64>, usual| set.map_or(usual, |h| Duration::from_secs_f64(h * 3600.0));
    let minutes =
        |set: Option<f64>, usual| set.map_or(usual, |m| Duration::from_secs_f64(m * 60.0));
    Cooldowns {
        billing: hours(billing, usual.billing),
        billing_max: hours(set.billing_max_hours, usual.billing_max),
        forbidden: minutes(set.auth_permanent_backoff_minutes, usual.forbidden),
        forbidden_max: minutes(set.auth_permanent_max_minutes, usual.forbidden_max),
        window: hours(set.failure_window_hours, usual.window),
    }
}
