//! People whom somebody before us knows: a proxy, or Tailscale.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::visitor::{Approach, Claim, Via, Visitor};
use crate::methods::Scope;

/// Longest time Tailscale may take to say who has an address.
const WHOIS_MAX: Duration = Duration::from_secs(5);
/// The header in which Tailscale names a person.
const TAILSCALE_HEADER: &str = "tailscale-user-login";

/// What the config says about a proxy in front.
#[derive(Debug, Clone, Default)]
pub struct ProxyRules {
    /// The header with the person's name, in lower case.
    pub user_header: String,
    /// Headers that must be there as well, in lower case.
    pub required_headers: Vec<String>,
    /// The people who may in; empty for all.
    pub allow_users: Vec<String>,
    /// Whether the proxy may run on this machine.
    pub allow_loopback: bool,
}

/// The header in which a proxy says how much a connection may do at most.
const CEILING_HEADER: &str = "x-openclaw-scopes";

/// What people may do whom somebody before us names: on their connections alone, beside what their
/// devices may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityScopes(Vec<(String, Vec<Scope>)>);

impl IdentityScopes {
    /// As the config says it; rights that nothing here asks for are left out.
    pub(super) fn new(config: &BTreeMap<String, Vec<String>>) -> Self {
        let read = |(who, names): (&String, &Vec<String>)| {
            let scopes = names.iter().filter_map(|name| Scope::named(name)).collect();
            (who.trim().to_owned(), scopes)
        };
        Self(config.iter().map(read).collect())
    }

    /// What somebody may do: e-mail addresses are the same in any case, other names are not.
    pub(super) fn of(&self, who: &str) -> Vec<Scope> {
        let is_email = who.contains('@');
        let is_it = |known: &str| known == who || (is_email && known.eq_ignore_ascii_case(who));
        let granted = self.0.iter().filter(|(known, _)| is_it(known));
        let granted: Vec<Scope> = granted.flat_map(|(_, scopes)| scopes).copied().collect();
        Scope::ALL.into_iter().filter(|scope| granted.contains(scope)).collect()
    }
}

/// The most a connection may do, as its proxy says; nothing if it does not say. Said twice, both
/// count: one of them may be the client's.
pub(super) fn ceiling(approach: &Approach<'_>) -> Option<Vec<Scope>> {
    let named = |text: &str| -> Vec<Scope> {
        let names = text.split([',', ' ', '\t']).filter(|name| !name.is_empty());
        names.filter_map(Scope::named).collect()
    };
    approach.all(CEILING_HEADER).map(named).reduce(|one, other| common(&one, &other))
}

/// The rights that both of these have.
pub(super) fn common(one: &[Scope], other: &[Scope]) -> Vec<Scope> {
    let has = |held: &[Scope], scope| held.iter().any(|held| held.includes(scope));
    Scope::ALL.into_iter().filter(|scope| has(one, *scope) && has(other, *scope)).collect()
}

/// Whom a believed proxy names. `is_ours` tells whether the other end's address is one of this
/// machine's.
pub(super) fn named_by_proxy(
    rules: &ProxyRules,
    approach: &Approach<'_>,
    visitor: &Visitor,
    is_ours: bool,
) -> Option<Claim> {
    let proxy = visitor.proxy?;
    if (proxy.is_loopback() || is_ours) && !rules.allow_loopback {
        return None;
    }
    // A client it names as this machine, or does not name, is nobody the proxy has asked.
    if visitor.address.is_loopback() || visitor.address == proxy {
        return None;
    }
    let is_there = |name: &String| approach.header(name).is_some_and(|value| !value.is_empty());
    if !rules.required_headers.iter().all(is_there) {
        return None;
    }
    let user = named_in(approach, &rules.user_header)?;
    let is_listed = rules.allow_users.is_empty() || rules.allow_users.iter().any(|it| it == user);
    is_listed.then(|| Claim::Proxy(user.to_owned()))
}

/// Whom a header names; nobody where it is there twice and does not say the same: one of them may be
/// the client's.
fn named_in<'a>(approach: &'a Approach<'_>, header: &str) -> Option<&'a str> {
    let who = approach.header(header).map(str::trim).filter(|who| !who.is_empty())?;
    approach.all(header).all(|other| other.trim() == who).then_some(who)
}

/// Whom Tailscale names, on the port that only it is told of.
pub(super) fn named_by_tailscale(approach: &Approach<'_>, visitor: &Visitor) -> Option<Claim> {
    let is_carried = visitor.via == Via::Tailscale && !visitor.address.is_loopback();
    let login = named_in(approach, TAILSCALE_HEADER);
    login.filter(|_| is_carried).map(|login| Claim::Tailscale(login.to_owned()))
}

/// Who says which person has an address of a Tailscale network.
pub trait Whois: Send + Sync {
    /// The login name; nothing if it does not know.
    fn login(&self, address: IpAddr) -> BoxFuture<'_, Option<String>>;
}

/// Tailscale's own command, which asks the daemon of this machine.
#[derive(Debug)]
pub(super) struct TailscaleCommand;

impl Whois for TailscaleCommand {
    fn login(&self, address: IpAddr) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move {
            let mut command = tokio::process::Command::new("tailscale");
            command.args(["whois", "--json", &address.to_string()]).kill_on_drop(true);
            let output = tokio::time::timeout(WHOIS_MAX, command.output()).await.ok()?;
            let output =
                output.inspect_err(|error| tracing::warn!(%error, "tailscale whois")).ok()?;
            login_in(&output.stdout).filter(|_| output.status.success())
        })
    }
}

/// The login name in what `tailscale whois --json` prints.
fn login_in(output: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(output).ok()?;
    let login = answer.get("UserProfile")?.get("LoginName")?.as_str()?;
    (!login.is_empty()).then(|| login.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::network::Cidr;
    use super::super::visitor::{House, visitor};
    use super::*;

    fn rules() -> ProxyRules {
        ProxyRules {
            user_header: "x-user".into(),
            required_headers: vec!["x-checked".into()],
            ..ProxyRules::default()
        }
    }

    fn claim(
        rules: &ProxyRules,
        peer: &str,
        headers: &[(&str, &str)],
        is_ours: bool,
    ) -> Option<Claim> {
        let proxies = ["10.0.0.2", "127.0.0.1"].map(|proxy| Cidr::parse(proxy).unwrap()).to_vec();
        let house = House { proxies, ..House::default() };
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let peer = peer.parse().unwrap();
        let approach = Approach { peer, via: Via::Port, headers: &headers };
        let visitor = visitor(&house, &approach).ok()?;
        named_by_proxy(rules, &approach, &visitor, is_ours)
    }

    #[test]
    fn only_a_believed_proxy_names_people() {
        let good = [("x-forwarded-for", "203.0.113.7"), ("x-user", "ann"), ("x-checked", "1")];
        let ann = Some(Claim::Proxy("ann".into()));
        assert_eq!(claim(&rules(), "10.0.0.2", &good, false), ann);
        assert_eq!(claim(&rules(), "10.0.0.9", &good, false), None, "another machine");
        assert_eq!(claim(&rules(), "10.0.0.2", &good, true), None, "this machine itself");
        assert_eq!(claim(&rules(), "127.0.0.1", &good, false), None, "this machine's loopback");
        let near = ProxyRules { allow_loopback: true, ..rules() };
        assert_eq!(claim(&near, "127.0.0.1", &good, false), ann);
        for missing in 0..3 {
            let mut some = good.to_vec();
            some.remove(missing);
            assert_eq!(claim(&rules(), "10.0.0.2", &some, false), None, "without {missing}");
        }
        for (second, expected) in [("ann", &ann), ("bob", &None), ("", &None)] {
            let mut twice = good.to_vec();
            twice.push(("x-user", second));
            assert_eq!(&claim(&rules(), "10.0.0.2", &twice, false), expected, "and {second:?}");
            twice.rotate_right(1);
            assert_eq!(&claim(&rules(), "10.0.0.2", &twice, false), expected, "{second:?} and");
        }
        let local = [("x-forwarded-for", "127.0.0.1"), ("x-user", "ann"), ("x-checked", "1")];
        assert_eq!(
            claim(&rules(), "10.0.0.2", &local, false),
            None,
            "a client of the proxy itself"
        );
        let few = ProxyRules { allow_users: vec!["bob".into()], ..rules() };
        assert_eq!(claim(&few, "10.0.0.2", &good, false), None);
    }

    #[test]
    fn people_are_known_by_their_names_and_addresses_in_any_case() {
        let config = [
            ("ann@Example.com", vec!["operator.write", "operator.questions"]),
            ("ANN@example.com", vec!["operator.read"]),
            ("bob", vec!["operator.admin"]),
        ];
        let config = config
            .map(|(who, names)| (who.to_owned(), names.into_iter().map(str::to_owned).collect()));
        let scopes = IdentityScopes::new(&BTreeMap::from(config));
        assert_eq!(scopes.of("Ann@example.COM"), [Scope::Read, Scope::Write]);
        assert_eq!(scopes.of("bob"), [Scope::Admin]);
        for nobody in ["Bob", "ann", "", "ann@example.com.evil"] {
            assert_eq!(scopes.of(nobody), [], "{nobody:?}");
        }
    }

    #[test]
    fn a_ceiling_only_narrows_and_said_twice_it_narrows_twice() {
        let of = |values: &[&str]| {
            let headers: Vec<_> =
                values.iter().map(|it| (CEILING_HEADER.to_owned(), (*it).to_owned())).collect();
            let peer = "10.0.0.2".parse().unwrap();
            ceiling(&Approach { peer, via: Via::Port, headers: &headers })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[""]), Some(Vec::new()));
        assert_eq!(of(&["operator.nothing"]), Some(Vec::new()));
        let both = Some(vec![Scope::Approvals, Scope::Read]);
        assert_eq!(of(&["operator.approvals, operator.read"]), both);
        assert_eq!(of(&["operator.admin", "operator.read"]), Some(vec![Scope::Read]));
        assert_eq!(common(&[Scope::Admin], &[Scope::Write]), [Scope::Read, Scope::Write]);
        assert_eq!(common(&[Scope::Pairing], &[Scope::Write]), []);
    }

    #[test]
    fn tailscales_answer_is_read() {
        let text = br#"{"Node":{"Name":"a"},"UserProfile":{"LoginName":"ann@example.com"}}"#;
        assert_eq!(login_in(text).as_deref(), Some("ann@example.com"));
        for bad in [&b""[..], b"{}", br#"{"UserProfile":{"LoginName":""}}"#, b"not found"] {
            assert_eq!(login_in(bad), None);
        }
    }
}
