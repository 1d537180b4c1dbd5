//! The gateway: nothing beyond this machine without a secret, and no secret that is easily guessed.

use std::net::IpAddr;

use super::super::finding::Finding;
use super::super::gateway::{Gateway, GatewayAuthMode, GatewayBind, GatewayMode, TailscaleMode};
use super::super::path::Path;
use super::super::root::Config;
use super::super::secret::Secret;
use super::Checked;
use crate::gateway::{Cidr, is_login, is_origin, weakness};
use crate::methods::Scope;

/// Rights of the protocol for what this gateway does not have.
const FOREIGN_SCOPES: [&str; 5] = [
    "operator.questions",
    "operator.sessions.read",
    "operator.sessions.write",
    "operator.talk",
    "operator.talk.secrets",
];

/// Checks the section.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    let gateway = &config.gateway;
    check_place(gateway, checked);
    check_auth(gateway, checked);
    check_secrets(gateway, checked);
    check_lists(gateway, checked);
    check_identities(gateway, checked);
    let limits = &gateway.auth.rate_limit;
    let numbers = [
        ("maxAttempts", u64::from(limits.max_attempts)),
        ("windowMs", limits.window_ms),
        ("lockoutMs", limits.lockout_ms),
    ];
    for (key, _) in numbers.into_iter().filter(|(_, number)| *number == 0) {
        let path = Path::of(&["gateway", "auth", "rateLimit", key]);
        checked.problem(Finding::new(path, "must be at least 1"));
    }
}

fn check_place(gateway: &Gateway, checked: &mut Checked) {
    if gateway.mode == GatewayMode::Remote {
        let message = "says that the gateway is another machine, and this is to be one";
        let help = "use \"local\", or leave it out";
        let path = Path::of(&["gateway", "mode"]);
        checked.problem(Finding::new(path, message).with_help(help));
    }
    let host = gateway.custom_bind_host.as_deref().map(str::trim);
    let path = Path::of(&["gateway", "customBindHost"]);
    match (gateway.bind, host) {
        (GatewayBind::Custom, None) => {
            let path = Path::of(&["gateway", "bind"]);
            checked.problem(Finding::new(path, "custom needs `gateway.customBindHost`"));
        }
        (_, Some(host)) if host.parse::<IpAddr>().is_err() => {
            checked.problem(Finding::new(path, "must be an address such as 192.168.1.5"));
        }
        (GatewayBind::Custom, Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            checked.warning(Finding::new(path, "is not used unless `gateway.bind` is custom"));
        }
    }
}

fn check_auth(gateway: &Gateway, checked: &mut Checked) {
    let path = Path::of(&["gateway", "auth", "mode"]);
    let mode = gateway.auth_mode();
    let funnel = gateway.tailscale.mode == TailscaleMode::Funnel;
    if mode == GatewayAuthMode::None && (funnel || !gateway.is_loopback()) {
        let message = "none lets everybody in who reaches this machine";
        let help = "use a token or a password, or `gateway.bind` loopback";
        checked.problem(Finding::new(path.clone(), message).with_help(help));
    } else if mode == GatewayAuthMode::None {
        let message = "none: every program and person of this machine is let in";
        checked.warning(Finding::new(path.clone(), message));
    }
    if funnel && mode != GatewayAuthMode::Password {
        let message = "funnel is open to everybody and needs `gateway.auth.mode` password";
        checked.problem(Finding::new(Path::of(&["gateway", "tailscale", "mode"]), message));
    }
    if mode != GatewayAuthMode::TrustedProxy {
        return;
    }
    if gateway.trusted_proxies.is_empty() {
        let message = "trusted-proxy needs `gateway.trustedProxies`, the addresses it comes from";
        checked.problem(Finding::new(path.clone(), message));
    }
    let named = gateway.auth.trusted_proxy.as_ref().map(|proxy| proxy.user_header.trim());
    if named.is_none_or(str::is_empty) {
        let message = "trusted-proxy needs `gateway.auth.trustedProxy.userHeader`";
        checked.problem(Finding::new(path, message));
    }
}

fn check_identities(gateway: &Gateway, checked: &mut Checked) {
    let path = Path::of(&["gateway", "auth", "identityScopes"]);
    for (who, names) in &gateway.auth.identity_scopes {
        let path = path.key(who);
        if who.trim().is_empty() {
            let message = "names nobody; use what the proxy or Tailscale calls the person";
            checked.problem(Finding::new(path.clone(), message));
        }
        for (index, name) in names.iter().enumerate() {
            if Scope::named(name).is_some() {
                continue;
            }
            let path = path.index(index);
            if FOREIGN_SCOPES.contains(&name.as_str()) {
                checked.warning(Finding::new(path, "is a right that nothing here asks for"));
            } else {
                let known = Scope::ALL.map(Scope::name).join(", ");
                let finding = Finding::new(path, format!("{name:?} is no right"));
                checked.problem(finding.with_help(format!("the rights are {known}")));
            }
        }
    }
}

fn check_secrets(gateway: &Gateway, checked: &mut Checked) {
    let auth = &gateway.auth;
    for (name, secret) in [("token", &auth.token), ("password", &auth.password)] {
        let Some(why) = secret.as_ref().and_then(Secret::expose).and_then(weakness) else {
            continue;
        };
        let help = "`openssl rand -hex 32` makes a good one";
        let path = Path::of(&["gateway", "auth", name]);
        let finding = Finding::new(path, format!("is easily guessed: {why}")).with_help(help);
        if gateway.is_loopback() {
            checked.warning(finding);
        } else {
            checked.problem(finding);
        }
    }
}

fn check_lists(gateway: &Gateway, checked: &mut Checked) {
    let path = Path::of(&["gateway", "trustedProxies"]);
    for (index, proxy) in gateway.trusted_proxies.iter().enumerate() {
        if let Err(why) = Cidr::parse(proxy) {
            checked.problem(Finding::new(path.index(index), why));
        }
    }
    check_pairing(gateway, checked);
    let path = Path::of(&["gateway", "controlUi", "allowedOrigins"]);
    for (index, origin) in gateway.control_ui.allowed_origins.iter().enumerate() {
        if origin == "*" {
            let message = "\"*\" would let every page a person looks at speak to the gateway";
            let help = "name the pages, such as https://home.example";
            checked.problem(Finding::new(path.index(index), message).with_help(help));
        } else if !is_origin(origin) {
            let message = "must be what a browser sends: https://home.example, or with a port";
            checked.problem(Finding::new(path.index(index), message));
        }
    }
}

fn check_pairing(gateway: &Gateway, checked: &mut Checked) {
    let pairing = &gateway.nodes.pairing;
    let of = |keys: &[&str]| Path::of(&[&["gateway", "nodes", "pairing"], keys].concat());
    let rules = pairing.ssh_verify.rules().unwrap_or_default();
    for (path, networks) in [
        (of(&["autoApproveCidrs"]), &pairing.auto_approve_cidrs),
        (of(&["sshVerify", "cidrs"]), &rules.cidrs),
    ] {
        for (index, network) in networks.iter().enumerate() {
            if let Err(why) = Cidr::parse(network) {
                checked.problem(Finding::new(path.clone().index(index), why));
            }
        }
    }
    if let Some(user) = rules.user.as_deref().filter(|user| !is_login(user)) {
        let message = format!("{user:?} is no name to log in with");
        checked.problem(Finding::new(of(&["sshVerify", "user"]), message));
    }
    if !(250..=12_000).contains(&rules.timeout_ms) {
        let message = "must be between 250 and 12000: a node waits for its answer meanwhile";
        checked.problem(Finding::new(of(&["sshVerify", "timeoutMs"]), message));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::problems;

    // X2
    #[test]
    fn nothing_is_open_beyond_this_machine_without_a_secret() {
        for bind in ["lan", "all", "tailnet", "auto"] {
            let found =
                problems(&format!("{{gateway: {{bind: '{bind}', auth: {{mode: 'none'}}}}}}"));
            assert_eq!(found.len(), 1, "{bind}: {found:?}");
            assert!(found[0].starts_with("gateway.auth.mode:"), "{found:?}");
            assert!(problems(&format!("{{gateway: {{bind: '{bind}'}}}}")).is_empty());
        }
        let custom =
            "{gateway: {bind: 'custom', customBindHost: '192.168.1.5', auth: {mode: 'none'}}}";
        assert_eq!(problems(custom).len(), 1);
        assert!(problems("{gateway: {auth: {mode: 'none'}}}").is_empty());
        let funnel = "{gateway: {tailscale: {mode: 'funnel'}}}";
        assert!(problems(funnel)[0].contains("needs `gateway.auth.mode` password"));
    }

    #[test]
    fn a_weak_secret_stays_on_this_machine() {
        assert!(problems("{gateway: {auth: {token: 'secret'}}}").is_empty());
        let found = problems("{gateway: {bind: 'lan', auth: {token: 'secret'}}}");
        assert!(found[0].starts_with("gateway.auth.token: is easily guessed"), "{found:?}");
        let long = "0123456789abcdef0123456789abcdef";
        let found = problems(&format!("{{gateway: {{bind: 'lan', auth: {{token: '{long}'}}}}}}"));
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn what_a_mode_needs_is_named() {
        let found = problems("{gateway: {auth: {mode: 'trusted-proxy'}}}");
        assert_eq!(found.len(), 2, "{found:?}");
        let found = problems(
            "{gateway: {mode: 'remote', bind: 'custom', trustedProxies: ['10.0.0.0/8', '10/8'],
              controlUi: {allowedOrigins: ['https://a.test', '*', 'a.test', 'https://a.test/x']},
              auth: {rateLimit: {maxAttempts: 0}}}}",
        );
        let places: Vec<&str> = found.iter().filter_map(|line| line.split(':').next()).collect();
        let expected = [
            "gateway.auth.rateLimit.maxAttempts",
            "gateway.bind",
            "gateway.controlUi.allowedOrigins[1]",
            "gateway.controlUi.allowedOrigins[2]",
            "gateway.controlUi.allowedOrigins[3]",
            "gateway.mode",
            "gateway.trustedProxies[1]",
        ];
        let mut sorted = places.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{found:?}");
    }

    #[test]
    fn the_rights_of_people_are_checked() {
        let of = |scopes: &str| {
            problems(&format!("{{gateway: {{auth: {{identityScopes: {scopes}}}}}}}"))
        };
        for good in ["{}", "{'ann@example.com': ['operator.admin', 'operator.talk']}", "{ann: []}"]
        {
            assert!(of(good).is_empty(), "{good}: {:?}", of(good));
        }
        let found = of("{ann: ['operator.read', 'operator.everything', 'admin'], ' ': []}");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().any(|line| line.contains("identityScopes.ann[1]")), "{found:?}");
    }

    #[test]
    fn what_lets_nodes_in_is_checked() {
        let found = problems(
            "{gateway: {nodes: {pairing: {autoApproveCidrs: ['10.0.0.0/8', 'x'],
              sshVerify: {user: '-oProxyCommand=x', timeoutMs: 1, cidrs: ['y']}}}}}",
        );
        let places: Vec<&str> = found.iter().filter_map(|line| line.split(':').next()).collect();
        for place in [
            "gateway.nodes.pairing.autoApproveCidrs[1]",
            "gateway.nodes.pairing.sshVerify.cidrs[0]",
            "gateway.nodes.pairing.sshVerify.timeoutMs",
            "gateway.nodes.pairing.sshVerify.user",
        ] {
            assert!(places.contains(&place), "{place}: {found:?}");
        }
        assert_eq!(found.len(), 4, "{found:?}");
        for good in ["true", "false", "{}", "{user: 'me', identity: '~/.ssh/probe'}"] {
            let config = format!("{{gateway: {{nodes: {{pairing: {{sshVerify: {good}}}}}}}}}");
            assert!(problems(&config).is_empty(), "{good}");
        }
    }
}
