//! Which new devices are let in without a person, and why.
//!
//! Only a device nobody knows yet, that wants to be a node and nothing else, from a program: what a
//! network or a machine vouches for is never more than that. What the node offers is allowed apart
//! from this.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::handshake::{Judged, Outcome, Wish};
use super::limiter::Class;
use super::network::{Cidr, is_private};
use super::refusal::Reason;
use super::visitor::{Page, Via, Visitor};
use super::wire::Connect;
use crate::methods::Role;

/// What the config says about it.
#[derive(Debug, Clone, Default)]
pub struct Enrolment {
    /// Whether a device on this machine that has the shared secret is let in.
    pub is_local_let_in: bool,
    /// Networks whose new nodes are let in.
    pub networks: Vec<Cidr>,
    /// How keys are looked up, where they are.
    pub ssh: Option<SshLookup>,
}

/// How a node's key is looked up on its own machine.
#[derive(Debug, Clone)]
pub struct SshLookup {
    /// Whom to log in as.
    pub user: Option<String>,
    /// The file with the key to log in with.
    pub identity: Option<PathBuf>,
    /// How long it may take.
    pub time_max: Duration,
    /// The addresses that are asked; private ones where empty.
    pub networks: Vec<Cidr>,
}

/// What vouches for a new node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voucher {
    /// Its network.
    Network,
    /// Its own machine, if its key is found there.
    Key,
}

impl Voucher {
    /// How the device's record names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Network => "trusted-cidr",
            Self::Key => "ssh-verified",
        }
    }
}

impl Enrolment {
    /// An outcome, with what the config does not give away taken out of it.
    pub(super) fn narrowed(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Pair(_, wish, "silent") if !self.is_local_let_in => {
                Outcome::Ask(wish, Reason::NotPaired)
            }
            outcome => outcome,
        }
    }

    /// What may vouch for a device that would have to wait for a person. It has the shared secret;
    /// and its address is known to be its own, for that of a proxy vouches for whoever comes by.
    pub(super) fn voucher(
        &self,
        connect: &Connect,
        judged: &Judged,
        visitor: &Visitor,
    ) -> Option<Voucher> {
        let Outcome::Ask(wish, Reason::NotPaired) = &judged.outcome else { return None };
        let is_shared = judged.proven == Some(Class::Shared);
        if !is_shared || !visitor.is_placed || !is_plain_node(connect, wish, visitor) {
            return None;
        }
        // A proxy on this machine could be any of its programs.
        let is_forged = visitor.proxy.is_some_and(|proxy| proxy.is_loopback());
        let is_in = |networks: &[Cidr]| networks.iter().any(|it| it.contains(visitor.address));
        if !is_forged && is_in(&self.networks) {
            return Some(Voucher::Network);
        }
        let lookup = self.ssh.as_ref().filter(|_| visitor.proxy.is_none())?;
        let is_asked = if lookup.networks.is_empty() {
            is_private(visitor.address)
        } else {
            is_in(&lookup.networks)
        };
        is_asked.then_some(Voucher::Key)
    }
}

fn is_plain_node(connect: &Connect, wish: &Wish, visitor: &Visitor) -> bool {
    let is_program =
        visitor.page == Page::None && !matches!(connect.client.mode.as_str(), "ui" | "webchat");
    // Also what it has asked for and would not get counts: it is no plain node then.
    wish.role == Role::Node
        && connect.scopes.is_empty()
        && wish.scopes.is_empty()
        && is_program
        && visitor.via == Via::Port
}

/// Whether a text can be a name to log in with, and nothing else.
pub(crate) fn is_login(user: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !user.is_empty() && user.len() <= 64 && !user.starts_with('-') && user.chars().all(is_plain)
}

impl SshLookup {
    /// The arguments of `ssh` for an address. Nothing in them comes from whoever connects but the
    /// address, and that is one.
    pub(super) fn arguments(&self, address: IpAddr) -> Vec<String> {
        let mut arguments: Vec<String> = ["-n", "-T", "-a", "-x"].map(str::to_owned).to_vec();
        let seconds = self.time_max.as_secs().clamp(1, 5);
        for option in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "NumberOfPasswordPrompts=0",
            "PreferredAuthentications=publickey",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ForwardAgent=no",
            "ForwardX11=no",
            &format!("ConnectTimeout={seconds}"),
        ] {
            arguments.extend(["-o".to_owned(), option.to_owned()]);
        }
        if let Some(identity) = &self.identity {
            let identity = identity.to_string_lossy().into_owned();
            arguments.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), identity]);
        }
        if let Some(user) = self.user.as_ref().filter(|user| is_login(user)) {
            arguments.extend(["-l".into(), user.clone()]);
        }
        arguments.extend(["--".into(), address.to_string(), COMMAND.into()]);
        arguments
    }
}

/// What tells a node's identity on its own machine.
const COMMAND: &str = "sh -lc 'openclaw node identity --json'";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gateway::device::Portrait;

    fn connect(mode: &str, scopes: &[&str]) -> Connect {
        let params = json!({
            "minProtocol": 4, "maxProtocol": 4, "role": "node", "scopes": scopes,
            "client": {"id": "node-host", "version": "1", "platform": "linux", "mode": mode},
        });
        crate::gateway::wire::read_connect(&params).unwrap()
    }

    fn wish(role: Role) -> Wish {
        let portrait = Portrait {
            device_id: "id".into(),
            public_key: "key".into(),
            display_name: None,
            platform: "linux".into(),
            device_family: None,
            client_id: "node-host".into(),
            client_mode: "node".into(),
        };
        Wish { portrait, role, scopes: Vec::new() }
    }

    fn visitor(address: &str, proxy: Option<&str>) -> Visitor {
        Visitor {
            address: address.parse().unwrap(),
            is_placed: true,
            is_local: false,
            proxy: proxy.map(|proxy| proxy.parse().unwrap()),
            via: Via::Port,
            page: Page::None,
            claim: None,
            ceiling: None,
        }
    }

    fn judged(outcome: &Outcome, proven: Option<Class>) -> Judged {
        Judged { outcome: outcome.clone(), failed: Vec::new(), proven }
    }

    fn rules() -> Enrolment {
        Enrolment {
            is_local_let_in: true,
            networks: vec![Cidr::parse("192.168.1.0/24").unwrap()],
            ssh: Some(SshLookup {
                user: None,
                identity: None,
                time_max: Duration::from_secs(7),
                networks: Vec::new(),
            }),
        }
    }

    #[test]
    fn only_a_fresh_node_without_rights_is_vouched_for() {
        let ask = |role, reason| Outcome::Ask(wish(role), reason);
        let fresh = ask(Role::Node, Reason::NotPaired);
        let of = |connect: &Connect, outcome: &Outcome, visitor: &Visitor| {
            rules().voucher(connect, &judged(outcome, Some(Class::Shared)), visitor)
        };
        let plain = connect("node", &[]);
        let near = visitor("192.168.1.9", None);
        assert_eq!(of(&plain, &fresh, &near), Some(Voucher::Network));
        assert_eq!(of(&plain, &fresh, &visitor("10.0.0.9", None)), Some(Voucher::Key));
        assert_eq!(of(&plain, &fresh, &visitor("100.64.3.4", None)), Some(Voucher::Key));
        for (connect, outcome, visitor) in [
            (&connect("node", &["operator.read"]), &fresh, near.clone()),
            (&connect("webchat", &[]), &fresh, near.clone()),
            (&plain, &ask(Role::Operator, Reason::NotPaired), near.clone()),
            (&plain, &ask(Role::Node, Reason::RoleUpgrade), near.clone()),
            (&plain, &ask(Role::Node, Reason::ScopeUpgrade), near.clone()),
            (&plain, &fresh, Visitor { page: Page::Welcome("http://x".into()), ..near.clone() }),
            (&plain, &fresh, Visitor { via: Via::Tailscale, ..near.clone() }),
            (&plain, &fresh, visitor("192.168.1.9", Some("127.0.0.1"))),
            (&plain, &fresh, visitor("203.0.113.7", None)),
            (&plain, &fresh, visitor("127.0.0.1", None)),
            (&plain, &fresh, visitor("fe80::1", None)),
            (&plain, &fresh, visitor("10.0.0.9", Some("10.0.0.2"))),
            (&plain, &fresh, Visitor { is_placed: false, ..near.clone() }),
            (&plain, &fresh, Visitor { is_placed: false, ..visitor("10.0.0.9", None) }),
        ] {
            assert_eq!(of(connect, outcome, &visitor), None, "{connect:?} {outcome:?} {visitor:?}");
        }
        let nobody = Enrolment { networks: Vec::new(), ssh: None, ..rules() };
        let shared = judged(&fresh, Some(Class::Shared));
        assert_eq!(nobody.voucher(&plain, &shared, &near), None);
        // Whom a proxy names, or who has a token of its own, has not shown the shared secret.
        for proven in [None, Some(Class::Device), Some(Class::Setup)] {
            assert_eq!(rules().voucher(&plain, &judged(&fresh, proven), &near), None, "{proven:?}");
        }
    }

    #[test]
    fn no_argument_of_ssh_comes_from_a_name() {
        for good in ["me", "me.too", "a-b_c1"] {
            assert!(is_login(good), "{good}");
        }
        for bad in ["", "-oProxyCommand=x", "a b", "a;b", "a@b", "$(x)", "a\nb", "ä"] {
            assert!(!is_login(bad), "{bad}");
        }
        let lookup = SshLookup { user: Some("-oProxyCommand=x".into()), ..rules().ssh.unwrap() };
        let arguments = lookup.arguments("fd00::7".parse().unwrap());
        assert!(arguments.iter().all(|it| !it.contains("ProxyCommand")), "{arguments:?}");
        let tail = &arguments[arguments.len() - 3..];
        assert_eq!(tail, ["--", "fd00::7", "sh -lc 'openclaw node identity --json'"]);
        for option in ["BatchMode=yes", "StrictHostKeyChecking=yes"] {
            assert!(arguments.iter().any(|it| it == option), "{option}");
        }
    }
}
