//! What may be reached: the address as written, then the addresses it leads to.

use std::net::IpAddr;

use super::address::{Refused, judge};

/// Longest address of a page, in bytes.
const URL_BYTES_MAX: usize = 8192;
/// Names that lead to this machine or its network, whatever they resolve to.
const LOCAL_NAMES: [&str; 5] = ["localhost", "local", "internal", "localdomain", "home.arpa"];

/// What the operator allows and forbids beyond the public internet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SsrfPolicy {
    /// Private networks and this machine too. Not the metadata services of clouds.
    pub allow_private_network: bool,
    /// The range for benchmarks, 198.18.0.0/15.
    pub allow_benchmark: bool,
    /// IPv6 unique local addresses, fc00::/7.
    pub allow_unique_local: bool,
    /// Exact names and addresses that may be reached wherever they lead.
    pub allowed_hosts: Vec<String>,
    /// Names, or `*.name` for all below a name, that are never reached.
    pub blocked_hosts: Vec<String>,
}

/// The address of a page, taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) scheme: &'a str,
    /// As a parser of addresses spells it: numbers in every spelling become plain addresses.
    pub(super) host: &'a str,
    /// Whether it names a user or a password.
    pub(super) names_user: bool,
    /// Its length.
    pub(super) bytes: usize,
}

/// Where one hop leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The name to resolve, or the address itself.
    pub(super) host: Host,
    /// Whether the operator allows it wherever it leads.
    trusted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

impl SsrfPolicy {
    /// Reads and judges the address of a page as it is written.
    ///
    /// # Errors
    /// A sentence for the model.
    pub(super) fn target(&self, url: Written<'_>) -> Result<Target, String> {
        if !matches!(url.scheme, "http" | "https") {
            return Err(format!("only http and https can be fetched, not {}", url.scheme));
        }
        if url.names_user {
            return Err("an address with a user name or password is not fetched".into());
        }
        let written = url.host;
        if written.is_empty() || url.bytes > URL_BYTES_MAX {
            return Err("this is no address of a page".into());
        }
        let plain = plain(written);
        if self.blocked_hosts.iter().any(|blocked| is_below(blocked, plain)) {
            return Err(format!("{plain} is blocked by the config (blockedHostnames)"));
        }
        let trusted = self.allowed_hosts.iter().any(|allowed| same(allowed, plain));
        if let Ok(address) = plain.parse() {
            return Ok(Target { host: Host::Address(address), trusted });
        }
        let is_local = |name: &str| plain == name || plain.ends_with(&format!(".{name}"));
        if !trusted && !self.allow_private_network && LOCAL_NAMES.into_iter().any(is_local) {
            return Err(format!("{plain} is a name of this machine's own network"));
        }
        Ok(Target { host: Host::Name(written.to_owned()), trusted })
    }

    /// Judges all addresses a target leads to. One that is refused refuses them all: who answers
    /// with both wants to be reached by the other.
    ///
    /// # Errors
    /// A sentence for the model.
    pub(super) fn check(&self, target: &Target, addresses: &[IpAddr]) -> Result<(), String> {
        if addresses.is_empty() {
            return Err("its name has no address".into());
        }
        if target.trusted {
            return Ok(());
        }
        let refused = |address: &IpAddr| {
            let refused = judge(*address).filter(|refused| !self.allows(*refused))?;
            Some(format!("{address} is {}, which may not be reached", refused.in_words()))
        };
        addresses.iter().find_map(refused).map_or(Ok(()), Err)
    }

    fn allows(&self, refused: Refused) -> bool {
        match refused {
            Refused::Private | Refused::Loopback => self.allow_private_network,
            Refused::UniqueLocal => self.allow_private_network || self.allow_unique_local,
            Refused::Benchmark => self.allow_private_network || self.allow_benchmark,
            Refused::Metadata | Refused::Special => false,
        }
    }
}

/// A host without the brackets of an address and the dot at the end of a name.
fn plain(host: &str) -> &str {
    host.trim_matches(['[', ']']).trim_end_matches('.')
}

fn same(configured: &str, host: &str) -> bool {
    let configured = plain(configured.trim());
    match (configured.parse::<IpAddr>(), host.parse::<IpAddr>()) {
        (Ok(configured), Ok(host)) => configured == host,
        _ => configured.eq_ignore_ascii_case(host),
    }
}

fn is_below(pattern: &str, host: &str) -> bool {
    match pattern.trim().strip_prefix("*.") {
        Some(apex) => {
            let apex = plain(apex).to_ascii_lowercase();
            host.strip_suffix(&apex).is_some_and(|below| below.ends_with('.'))
        }
        None => same(pattern, host),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;

    use super::super::guard::apart;
    use super::*;

    fn verdict(policy: &SsrfPolicy, url: &str) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let target = policy.target(apart(&url))?;
        match &target.host {
            Host::Address(address) => policy.check(&target, &[*address]),
            Host::Name(_) => Ok(()),
        }
    }

    #[test]
    fn addresses_are_judged_however_they_are_written() {
        let policy = SsrfPolicy::default();
        for bad in [
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://me:x@example.com/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost:8080/",
            "http://printer.local/",
            "http://metadata.google.internal/",
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://１２７.０.０.１/",
        ] {
            assert!(verdict(&policy, bad).is_err(), "{bad}");
        }
        for good in
            ["https://example.com/a?b#c", "http://1.1.1.1:8080/", "http://localhost.example.com/"]
        {
            assert_eq!(verdict(&policy, good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_operator_opens_and_closes() {
        let open = SsrfPolicy { allow_private_network: true, ..SsrfPolicy::default() };
        assert!(verdict(&open, "http://10.0.0.1/").is_ok());
        assert!(verdict(&open, "http://localhost/").is_ok());
        for never in ["http://169.254.169.254/", "http://224.0.0.1/", "http://[ff02::1]/"] {
            assert!(verdict(&open, never).is_err(), "{never}");
        }
        let listed = SsrfPolicy {
            allowed_hosts: vec!["169.254.169.254".into(), "Nas.local".into(), "::1".into()],
            blocked_hosts: vec!["*.evil.example".into(), "bad.example".into()],
            ..SsrfPolicy::default()
        };
        for good in [
            "http://169.254.169.254/",
            "http://nas.local./",
            "http://[::1]/",
            "http://evil.example/",
        ] {
            assert_eq!(verdict(&listed, good), Ok(()), "{good}");
        }
        for bad in ["http://a.evil.example/", "http://bad.example./", "http://x.nas.local/"] {
            assert!(verdict(&listed, bad).is_err(), "{bad}");
        }
        let blocked = SsrfPolicy {
            allowed_hosts: vec!["a.example".into()],
            blocked_hosts: vec!["a.example".into()],
            ..SsrfPolicy::default()
        };
        assert!(verdict(&blocked, "http://a.example/").is_err(), "what is blocked stays blocked");
    }

    #[test]
    fn one_bad_address_among_good_ones_refuses_them() {
        let policy = SsrfPolicy::default();
        let target = policy.target(apart(&Url::parse("http://a.example/").unwrap())).unwrap();
        let addresses = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert!(policy.check(&target, &addresses(&["1.1.1.1"])).is_ok());
        assert!(policy.check(&target, &addresses(&["1.1.1.1", "127.0.0.1"])).is_err());
        assert!(policy.check(&target, &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_local_address_passes(low in 1u32..0x00ff_ffff, form in 0usize..4) {
            let address = std::net::Ipv4Addr::from(0x7f00_0000 | low);
            let host = match form {
                0 => address.to_string(),
                1 => u32::from(address).to_string(),
                2 => format!("{:#x}", u32::from(address)),
                _ => format!("[::ffff:{address}]"),
            };
            let url = format!("http://{host}/");
            prop_assert!(verdict(&SsrfPolicy::default(), &url).is_err(), "{}", url);
        }

        #[test]
        fn no_address_panics(text in ".{0,60}") {
            drop(verdict(&SsrfPolicy::default(), &format!("http://{text}")));
            prop_assert!(verdict(&SsrfPolicy::default(), "gopher://x/").is_err());
        }
    }
}
