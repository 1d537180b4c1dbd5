//! Whether secrets could be read on the way to the gateway, and whether somebody has said that they
//! may.
//!
//! The incumbent listens on a LAN without encryption as soon as there is a token, and the token
//! then travels in the open. Here somebody has to say so.

use super::network::Cidr;
use crate::config::{Gateway, GatewayAuthMode, GatewayBind};

/// What is said of a port beyond this machine that does not encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Nothing can be read on the way.
    None,
    /// It can, and the config says in so many words that this is so.
    Accepted,
    /// It can, and nobody has said anything.
    Unsaid,
}

/// What to do about [`Exposure::Unsaid`].
pub(super) const UNSAID: &str = "gateway.bind: the gateway would listen beyond this machine \
    without encryption, and everybody on the way could read its token. Set gateway.tls: \
    {enabled: true} to encrypt (a certificate is made, and clients use wss:// and its \
    fingerprint); or keep gateway.bind loopback and let a proxy, `tailscale serve` or an SSH \
    tunnel carry it. Where the network itself is private, gateway.tls: {enabled: false} says so \
    and lets it start as it is";

/// Judges a config that listens on `bind`.
pub(super) fn exposure(config: &Gateway, bind: GatewayBind) -> Exposure {
    let bound = Gateway { bind, ..config.clone() };
    // Addresses of a Tailscale network are reached through it alone, and it encrypts.
    let is_private = bound.is_loopback() || bind == GatewayBind::Tailnet;
    // Nobody but the proxy gets in, and it is the proxy that people speak to.
    let is_behind_proxy = config.auth_mode() == GatewayAuthMode::TrustedProxy;
    match &config.tls {
        Some(tls) if tls.enabled => Exposure::None,
        _ if is_private || is_behind_proxy => Exposure::None,
        Some(_) => Exposure::Accepted,
        None if config.trusted_proxies.iter().any(|it| is_elsewhere(it)) => Exposure::Accepted,
        None => Exposure::Unsaid,
    }
}

/// Whether nobody but the proxy and this machine may be listened to: where the proxy says who
/// somebody is, whoever else comes has a secret of its own to say, and it could be read on the way.
pub(super) fn is_for_proxies(config: &Gateway) -> bool {
    let is_private = config.is_loopback() || config.bind == GatewayBind::Tailnet;
    let is_proxied = config.auth_mode() == GatewayAuthMode::TrustedProxy;
    is_proxied && !is_private && config.tls.is_none()
}

/// Whether a proxy is another machine: people reach that one.
fn is_elsewhere(proxy: &str) -> bool {
    let here = std::net::Ipv4Addr::LOCALHOST.into();
    let there = std::net::Ipv6Addr::LOCALHOST.into();
    Cidr::parse(proxy).is_ok_and(|proxy| !proxy.contains(here) && !proxy.contains(there))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GatewayTls;

    #[test]
    fn what_can_be_read_on_the_way_has_to_be_said() {
        let tls = |enabled| Some(GatewayTls { enabled, ..GatewayTls::default() });
        let plain = Gateway::default();
        let custom = |host: &str| Gateway { custom_bind_host: Some(host.into()), ..plain.clone() };
        let beside = Gateway { trusted_proxies: vec!["127.0.0.1".into()], ..plain.clone() };
        let proxied = Gateway { trusted_proxies: vec!["10.0.0.1".into()], ..plain.clone() };
        for (config, bind, expected) in [
            (plain.clone(), GatewayBind::Loopback, Exposure::None),
            (plain.clone(), GatewayBind::Lan, Exposure::Unsaid),
            (plain.clone(), GatewayBind::Tailnet, Exposure::None),
            (custom("192.168.1.5"), GatewayBind::Custom, Exposure::Unsaid),
            (custom("127.0.0.2"), GatewayBind::Custom, Exposure::None),
            (Gateway { tls: tls(true), ..plain.clone() }, GatewayBind::Lan, Exposure::None),
            (Gateway { tls: tls(false), ..plain.clone() }, GatewayBind::Lan, Exposure::Accepted),
            (beside, GatewayBind::Lan, Exposure::Unsaid),
            (proxied, GatewayBind::Lan, Exposure::Accepted),
        ] {
            assert_eq!(exposure(&config, bind), expected, "{bind:?} {config:?}");
        }
        let mut asked = plain;
        asked.auth.mode = Some(GatewayAuthMode::TrustedProxy);
        assert_eq!(exposure(&asked, GatewayBind::Lan), Exposure::None);
        let on = |bind, tls| is_for_proxies(&Gateway { bind, tls, ..asked.clone() });
        assert!(on(GatewayBind::Lan, None));
        assert!(!on(GatewayBind::Lan, tls(true)) && !on(GatewayBind::Lan, tls(false)));
        assert!(!on(GatewayBind::Loopback, None) && !on(GatewayBind::Tailnet, None));
        assert!(!is_for_proxies(&Gateway { bind: GatewayBind::Lan, ..Gateway::default() }));
    }
}
