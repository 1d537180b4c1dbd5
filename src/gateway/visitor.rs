//! Who stands behind a connection, by its address and headers: judged before a single byte of a
//! message is read.
//!
//! A page that a person looks at can reach this machine as well as the person can. It can't choose
//! its `Origin`, and one that has bent a name of its own to our address (DNS rebinding) can't choose
//! its `Host`. A proxy can write any header, so it is believed only where the config names it.

use std::net::IpAddr;

use super::network::Cidr;
use crate::methods::Scope;

/// Which of our ports was reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Via {
    /// The gateway's own.
    #[default]
    Port,
    /// The one that Tailscale carries.
    Tailscale,
}

/// What is known of a connection without believing anybody.
#[derive(Debug, Clone)]
pub(super) struct Approach<'a> {
    /// The address at its other end.
    pub peer: IpAddr,
    /// Where it arrived.
    pub via: Via,
    /// The headers of its request, in order; names in lower case.
    pub headers: &'a [(String, String)],
}

/// What the config says about visitors.
#[derive(Debug, Clone, Default)]
pub struct House {
    /// Proxies that are believed.
    pub proxies: Vec<Cidr>,
    /// Pages that may come, beside our own.
    pub origins: Vec<String>,
    /// Names of this machine, beside `localhost` and addresses.
    pub names: Vec<String>,
    /// Whether nobody else may come from beyond this machine: what they say could be read on the way.
    pub is_for_proxies: bool,
}

/// Somebody who may knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Where it comes from: the address the nearest believed proxy saw, else the other end.
    pub address: IpAddr,
    /// Whether that is its own. Not where a proxy stands between and has noted nothing that can be
    /// read: then it is the proxy's, and says nothing of who is behind it.
    pub is_placed: bool,
    /// Whether it is a program of this machine.
    pub is_local: bool,
    /// The proxy it came through, if one is believed.
    pub proxy: Option<IpAddr>,
    /// Where it arrived.
    pub via: Via,
    /// The page it is, if it is one.
    pub page: Page,
    /// Who somebody before us says it is.
    pub claim: Option<Claim>,
    /// The most it may do, as the proxy in front says; nothing where that sets no limit.
    pub ceiling: Option<Vec<Scope>>,
}

/// Who somebody before us says a visitor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A proxy that is believed.
    Proxy(String),
    /// Tailscale; to be verified with itself.
    Tailscale(String),
}

/// Which page of a browser speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// None: a program.
    None,
    /// One of ours, or one that is allowed.
    Welcome(String),
    /// Any other.
    Foreign(String),
}

/// Why somebody may not even knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TurnedAway {
    /// It claims to be forwarded, by nobody we know.
    UnknownProxy,
    /// It comes past the proxy that everybody has to come through.
    NoProxy,
    /// It calls this machine by a name that is not ours.
    UnknownName(String),
}

impl TurnedAway {
    /// A code for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::UnknownProxy => "proxy_attribution_required",
            Self::NoProxy => "proxy_required",
            Self::UnknownName(_) => "host_not_allowed",
        }
    }

    /// A sentence for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::UnknownProxy => "this request was forwarded; name the proxy in \
                                   gateway.trustedProxies, or reach the gateway without it"
                .into(),
            Self::NoProxy => {
                "this gateway does not encrypt and is reached through its proxy alone; \
                              use the proxy's address, name yours in gateway.trustedProxies if it \
                              is one, or encrypt with gateway.tls: {enabled: true}"
                    .into()
            }
            Self::UnknownName(name) => format!(
                "{name:?} is no name of this gateway; use an address or localhost, or allow \
                 https://{name} in gateway.controlUi.allowedOrigins"
            ),
        }
    }
}

impl Approach<'_> {
    /// A header, if it is there once or more: the first.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// A header, as often as it is there.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |(key, _): &&(String, String)| key == name;
        self.headers.iter().filter(named).map(|(_, value)| value.as_str())
    }

    fn is_forwarded(&self) -> bool {
        self.headers.iter().any(|(name, _)| {
            name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-")
        })
    }

    /// The client's address, as the proxies on the way have noted it. What is left of the first that
    /// is no proxy the client itself may have written, and so it may have written any header that its
    /// proxy does not set: where two of them disagree, neither counts.
    fn noted(&self, is_proxy: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        let mut chain: Vec<&str> =
            self.all("x-forwarded-for").flat_map(|value| value.split(',')).collect();
        if chain.is_empty() {
            chain.extend(self.header("x-real-ip"));
        }
        let mut believed = Vec::new();
        for text in chain.into_iter().rev() {
            let noted = address(text)?;
            believed.push(noted);
            if !is_proxy(noted) {
                break;
            }
        }
        let client = believed.last().copied().filter(|noted| !is_proxy(*noted))?;
        let agrees = |real: &str| address(real).is_some_and(|real| believed.contains(&real));
        self.all("x-real-ip").all(agrees).then_some(client)
    }
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

/// Judges who it is.
///
/// # Errors
/// Why it may not even knock.
pub(super) fn visitor(house: &House, approach: &Approach<'_>) -> Result<Visitor, TurnedAway> {
    let peer = approach.peer.to_canonical();
    let is_proxy = |address: IpAddr| house.proxies.iter().any(|proxy| proxy.contains(address));
    let carried = approach.via == Via::Tailscale;
    let proxy = (approach.is_forwarded() && is_proxy(peer)).then_some(peer);
    if approach.is_forwarded() && peer.is_loopback() && proxy.is_none() && !carried {
        return Err(TurnedAway::UnknownProxy);
    }
    if house.is_for_proxies && !peer.is_loopback() && !is_proxy(peer) && !carried {
        return Err(TurnedAway::NoProxy);
    }
    let noted = if proxy.is_some() || (carried && peer.is_loopback()) {
        approach.noted(is_proxy)
    } else {
        // A proxy that notes nothing, or that nobody has named, stands for anybody.
        (!is_proxy(peer) && !approach.is_forwarded()).then_some(peer)
    };
    // Behind a note that can't be read nobody knows who it is: then it is the proxy itself.
    let (address, is_placed) = (noted.unwrap_or(peer), noted.is_some());
    let host = approach.header("host");
    if let Some(host) = host
        && proxy.is_none()
        && !house.knows(host_name(host), approach.via)
    {
        return Err(TurnedAway::UnknownName(host_name(host).to_owned()));
    }
    let page = match approach.header("origin") {
        None => Page::None,
        Some(origin) if house.welcomes(origin, host) => Page::Welcome(origin.to_owned()),
        Some(origin) => Page::Foreign(origin.to_owned()),
    };
    let is_local = peer.is_loopback() && !approach.is_forwarded() && !carried;
    let (via, claim, ceiling) = (approach.via, None, None);
    Ok(Visitor { address, is_placed, is_local, proxy, via, page, claim, ceiling })
}

impl House {
    /// Names that nobody else can bend to our address: addresses themselves, and those of the config.
    fn knows(&self, name: &str, via: Via) -> bool {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let is_ours = |known: &String| known.eq_ignore_ascii_case(name);
        let of_origin = |origin: &String| {
            origin
                .split_once("://")
                .is_some_and(|(_, rest)| host_name(rest).eq_ignore_ascii_case(name))
        };
        bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.names.iter().any(is_ours)
            || self.origins.iter().any(of_origin)
            || (via == Via::Tailscale && name.to_ascii_lowercase().ends_with(".ts.net"))
    }

    /// Our own page is one that was fetched from the very address that it now speaks to.
    fn welcomes(&self, origin: &str, host: Option<&str>) -> bool {
        let own = |host: &str| {
            ["http://", "https://"].iter().any(|scheme| {
                origin.strip_prefix(scheme).is_some_and(|rest| rest.eq_ignore_ascii_case(host))
            })
        };
        let is_listed = |known: &String| known.eq_ignore_ascii_case(origin);
        host.is_some_and(own) || self.origins.iter().any(is_listed)
    }
}

/// The name of `name:port`.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a text is what a browser sends as its `Origin`.
pub(crate) fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        !scheme.is_empty()
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !rest.is_empty()
            && rest.chars().all(plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(house: &House, peer: &str, headers: &[(&str, &str)]) -> Result<Visitor, TurnedAway> {
        judge_via(house, peer, headers, Via::Port)
    }

    fn judge_via(
        house: &House,
        peer: &str,
        headers: &[(&str, &str)],
        via: Via,
    ) -> Result<Visitor, TurnedAway> {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        visitor(house, &Approach { peer: peer.parse().unwrap(), via, headers: &headers })
    }

    fn house() -> House {
        House {
            proxies: vec![Cidr::parse("10.0.0.0/24").unwrap()],
            origins: vec!["https://home.example".into()],
            names: vec!["attic.local".into()],
            is_for_proxies: false,
        }
    }

    #[test]
    fn a_name_bent_to_our_address_is_turned_away() {
        for name in
            ["evil.test", "evil.test:18789", "localhost.evil.test", "127.0.0.1.evil.test", ""]
        {
            let judged = judge(&house(), "127.0.0.1", &[("host", name)]);
            assert!(matches!(judged, Err(TurnedAway::UnknownName(_))), "{name}: {judged:?}");
        }
        for name in [
            "127.0.0.1:18789",
            "localhost",
            "LOCALHOST:1",
            "[::1]:18789",
            "192.168.1.5",
            "attic.local:1",
            "home.example",
        ] {
            assert!(judge(&house(), "127.0.0.1", &[("host", name)]).is_ok(), "{name}");
        }
        let ts = [("host", "attic.tail1.ts.net")];
        assert!(judge(&house(), "127.0.0.1", &ts).is_err());
        assert!(judge_via(&house(), "127.0.0.1", &ts, Via::Tailscale).is_ok());
    }

    #[test]
    fn only_our_own_pages_and_listed_ones_are_welcome() {
        let page = |origin: &str| {
            let headers = [("host", "127.0.0.1:18789"), ("origin", origin)];
            judge(&house(), "127.0.0.1", &headers).unwrap().page
        };
        for good in ["http://127.0.0.1:18789", "https://home.example", "HTTPS://HOME.example"] {
            assert_eq!(page(good), Page::Welcome(good.into()));
        }
        for bad in [
            "http://127.0.0.1:3000",
            "http://localhost:18789",
            "http://127.0.0.1:18789.evil.test",
            "https://evil.test",
            "https://home.example.evil.test",
            "null",
            "",
            "chrome-extension://abc",
            "file://",
        ] {
            assert_eq!(page(bad), Page::Foreign(bad.into()), "{bad}");
        }
    }

    #[test]
    fn a_forwarded_request_from_this_machine_is_nobodys() {
        for header in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] {
            let judged = judge(&house(), "127.0.0.1", &[(header, "127.0.0.1")]);
            assert_eq!(judged, Err(TurnedAway::UnknownProxy), "{header}");
        }
        let far = judge(&house(), "192.168.1.9", &[("x-forwarded-for", "127.0.0.1")]).unwrap();
        assert_eq!((far.address.to_string().as_str(), far.is_local), ("192.168.1.9", false));
        assert!(judge(&house(), "127.0.0.1", &[]).unwrap().is_local);
        assert!(judge(&house(), "::ffff:127.0.0.1", &[]).unwrap().is_local);
    }

    #[test]
    fn a_believed_proxy_says_who_it_is() {
        let seen = |chain: &str| {
            let headers = [("x-forwarded-for", chain), ("host", "anything.test")];
            judge(&house(), "10.0.0.2", &headers).unwrap()
        };
        assert_eq!(seen("203.0.113.7").address.to_string(), "203.0.113.7");
        // The left of the chain is what the client itself may have written.
        assert_eq!(seen("127.0.0.1, 203.0.113.7, 10.0.0.3").address.to_string(), "203.0.113.7");
        assert_eq!(seen("203.0.113.7:5555").address.to_string(), "203.0.113.7");
        assert_eq!(seen("10.0.0.3").address.to_string(), "10.0.0.2", "only proxies");
        assert_eq!(seen("127.0.0.1, nonsense").address.to_string(), "10.0.0.2");
        assert!(!seen("127.0.0.1").is_local, "what a proxy forwards is never local");
    }

    #[test]
    fn an_address_is_a_clients_own_only_where_its_proxy_says_so_in_one_voice() {
        let (far, near) = ("203.0.113.7", "198.51.100.1");
        let (xff, real) = ("x-forwarded-for", "x-real-ip");
        let chain = format!("{near}, {far}, 10.0.0.3");
        for (peer, headers, expected) in [
            (far, vec![], Some(far)),
            ("10.0.0.2", vec![(xff, far)], Some(far)),
            ("10.0.0.2", vec![(real, far)], Some(far)),
            ("10.0.0.2", vec![(xff, far), (real, far)], Some(far)),
            ("10.0.0.2", vec![(xff, &chain), (real, "10.0.0.3")], Some(far)),
            // Its proxy sets one of them, and the client has written the other.
            ("10.0.0.2", vec![(xff, near), (real, far)], None),
            ("10.0.0.2", vec![(xff, &chain), (real, near)], None),
            ("10.0.0.2", vec![(real, near), (real, far)], None),
            ("10.0.0.2", vec![(xff, far), (real, "nonsense")], None),
            // A proxy that says nothing of whom it carries.
            ("10.0.0.2", vec![], None),
            ("10.0.0.2", vec![("forwarded", "for=203.0.113.7")], None),
            ("10.0.0.2", vec![("x-forwarded-proto", "https")], None),
            ("10.0.0.2", vec![(xff, "10.0.0.3")], None),
            ("10.0.0.2", vec![(xff, "")], None),
            // One that nobody has named.
            ("192.168.1.9", vec![(xff, far)], None),
        ] {
            let judged = judge(&house(), peer, &headers).unwrap();
            let placed = judged.is_placed.then(|| judged.address.to_string());
            assert_eq!(placed.as_deref(), expected, "{peer} {headers:?}");
            assert!(judged.is_placed || judged.address.to_string() == peer, "{judged:?}");
        }
    }

    #[test]
    fn past_a_proxy_that_everybody_comes_through_only_this_machine_gets_in() {
        let house = House { is_for_proxies: true, ..house() };
        assert_eq!(judge(&house, "192.168.1.9", &[]), Err(TurnedAway::NoProxy));
        for peer in ["127.0.0.1", "::1", "10.0.0.2"] {
            assert!(judge(&house, peer, &[]).is_ok(), "{peer}");
        }
        assert!(judge_via(&house, "127.0.0.1", &[], Via::Tailscale).is_ok());
    }
}
