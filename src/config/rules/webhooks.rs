//! Webhooks: a token, a path of their own, and mappings that can be obeyed.

use super::super::finding::Finding;
use super::super::hooks::GmailPush;
use super::super::path::Path;
use super::super::root::Config;
use super::Checked;

/// First parts of paths that are the gateway's own.
const TAKEN: [&str; 10] =
    ["api", "health", "healthz", "ready", "readyz", "startup", "startupz", "tools", "v1", "assets"];
/// Names of this machine.
const NEAR: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
/// Largest body that can be allowed, in bytes.
const BODY_BYTES_MAX: u64 = 25 * 1024 * 1024;

pub(super) fn check(config: &Config, checked: &mut Checked) {
    let hooks = &config.hooks;
    let base = Path::of(&["hooks"]);
    if let Some(bytes) = hooks.max_body_bytes
        && !(1..=BODY_BYTES_MAX).contains(&bytes)
    {
        let message = format!("must be from 1 to {BODY_BYTES_MAX} bytes");
        checked.problem(Finding::new(base.key("maxBodyBytes"), message));
    }
    if let Some(path) = &hooks.path {
        check_path(path, base.key("path"), checked);
    }
    for (index, mapping) in hooks.mappings.iter().enumerate() {
        let path = base.key("mappings").index(index);
        if mapping.channel.as_deref().is_some_and(|channel| channel != "last")
            != mapping.to.is_some()
        {
            let message = "`channel` and `to` are only useful together";
            checked.problem(Finding::new(path.clone(), message));
        }
        if let Some(agent) = &mapping.agent_id
            && !config.agents_map().contains_key(agent)
        {
            let message = format!("there is no agent {agent:?}");
            checked.problem(Finding::new(path.key("agentId"), message));
        }
    }
    if let Some(push) = &hooks.gmail_push {
        check_push(push, &base.key("gmailPush"), checked);
    }
    if hooks.enabled && hooks.token.is_none() {
        let finding = Finding::new(base.key("token"), "webhooks need a token of their own");
        let help =
            "choose a long random one that is not the gateway's, or set hooks.enabled to false";
        checked.problem(finding.with_help(help));
    }
}

fn check_push(push: &GmailPush, path: &Path, checked: &mut Checked) {
    let needed = [("audience", &push.audience), ("serviceAccount", &push.service_account)];
    for (key, _) in needed.into_iter().filter(|(_, text)| text.trim().is_empty()) {
        checked.problem(Finding::new(path.key(key), "must not be empty"));
    }
    // Whoever can change the keys on their way can sign anything.
    let is_safe = reqwest::Url::parse(push.jwks_url()).is_ok_and(|url| match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(|host| NEAR.contains(&host)),
        _ => false,
    });
    if !is_safe {
        let message = "must be an address with https://, or of this machine";
        checked.problem(Finding::new(path.key("jwksUrl"), message));
    }
}

fn check_path(text: &str, path: Path, checked: &mut Checked) {
    let parts: Vec<&str> = text.trim_matches('/').split('/').collect();
    let is_plain = |part: &&str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !parts.iter().all(is_plain) {
        let message = "must be a path of letters, digits, - and _, such as /hooks";
        checked.problem(Finding::new(path, message));
    } else if TAKEN.contains(&parts.first().copied().unwrap_or_default()) {
        let message = format!("{text:?} belongs to the gateway itself");
        checked.problem(Finding::new(path, message));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::problems;

    #[test]
    fn webhooks_need_a_token_and_a_place_of_their_own() {
        let good = "{hooks: {enabled: true, token: 't', path: '/in-coming/1', mappings: [
            {match: {path: 'x'}, channel: 'imessage', to: '+1'}, {channel: 'last'}, {}]}}";
        assert_eq!(problems(good), Vec::<String>::new());
        let bad = "{hooks: {enabled: true, path: '/v1/x', maxBodyBytes: 0, mappings: [
            {channel: 'imessage'}, {to: '+1'}, {agentId: 'nobody'}]}}";
        assert_eq!(
            problems(bad),
            [
                "hooks.maxBodyBytes: must be from 1 to 26214400 bytes",
                "hooks.path: \"/v1/x\" belongs to the gateway itself",
                "hooks.mappings[0]: `channel` and `to` are only useful together",
                "hooks.mappings[1]: `channel` and `to` are only useful together",
                "hooks.mappings[2].agentId: there is no agent \"nobody\"",
                "hooks.token: webhooks need a token of their own",
            ]
        );
        let push = |url: &str| {
            format!(
                "{{hooks: {{gmailPush: {{audience: 'a', serviceAccount: 's', jwksUrl: '{url}'}}}}}}"
            )
        };
        for good in ["https://x.test/certs", "http://127.0.0.1:80/", "http://[::1]/"] {
            assert_eq!(problems(&push(good)), Vec::<String>::new(), "{good}");
        }
        for bad in ["http://x.test/", "http://127.0.0.1:80@x.test/", "file:///k", "x", ""] {
            let told = problems(&push(bad));
            assert!(told[0].starts_with("hooks.gmailPush.jwksUrl: must be"), "{bad}: {told:?}");
        }
        let empty = "{hooks: {gmailPush: {audience: ' ', serviceAccount: ''}}}";
        assert_eq!(problems(empty).len(), 2);
        for path in ["/", "", "/a//b", "/{x}", "/a b", "//"] {
            let text = format!("{{hooks: {{path: '{path}'}}}}");
            assert_eq!(problems(&text).len(), 1, "{path}");
        }
    }
}
