//! Where a gateway is: `ws://host:port`, or `wss://` where it, or somebody before it, encrypts.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use tokio_tungstenite::tungstenite::http::Uri;

/// A gateway's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    is_secure: bool,
    authority: String,
    path: String,
}

impl Address {
    /// For the WebSocket.
    pub fn socket_url(&self) -> String {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// For a browser.
    pub fn page_url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// Whether it is reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether a secret sent there can be read on the way: plain, and beyond this machine.
    pub fn is_exposed(&self) -> bool {
        let host =
            self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, port)| {
                if port.ends_with(']') { self.authority.as_str() } else { host }
            });
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_here = match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        };
        !self.is_secure && !is_here
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.socket_url())
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "give it as ws://host:port or wss://host";
        if text.contains('#') {
            return Err(format!("this address has a fragment; {help}, and the token by --token"));
        }
        let uri: Uri = text.parse().map_err(|error| format!("{text:?}: {error}; {help}"))?;
        let is_secure = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(format!("{text:?} is no gateway's address; {help}")),
        };
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if authority.contains('@') {
            return Err(format!(
                "an address must not hold a secret; {help}, and the token by --token"
            ));
        }
        Ok(Self { is_secure, authority, path: uri.path().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Address;

    #[test]
    fn an_address_names_the_socket_and_the_page() {
        let address: Address = "wss://home.example:8443/telson".parse().unwrap();
        assert_eq!(address.socket_url(), "wss://home.example:8443/telson");
        assert_eq!(address.page_url(), "https://home.example:8443/telson");
        let address: Address = "http://127.0.0.1:18789".parse().unwrap();
        assert_eq!(address.socket_url(), "ws://127.0.0.1:18789/");
    }

    #[test]
    fn what_is_none_is_refused_with_a_word_about_how_it_looks() {
        for text in ["", "18789", "ftp://x", "ws://", "ws://u:p@host", "ws://h/#token=x", "a b"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains("ws://host:port"), "{text:?}: {error}");
        }
    }

    #[test]
    fn only_this_machine_and_encryption_keep_a_secret() {
        let is_exposed = |text: &str| text.parse::<Address>().unwrap().is_exposed();
        for kept in
            ["ws://127.0.0.1:1", "ws://[::1]:1", "ws://[::1]", "ws://localhost", "wss://x.example"]
        {
            assert!(!is_exposed(kept), "{kept}");
        }
        for exposed in ["ws://10.0.0.7:18789", "ws://x.example", "ws://127.0.0.1.example:80"] {
            assert!(is_exposed(exposed), "{exposed}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_refused(text in ".{0,40}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.socket_url().parse::<Address>(), Ok(address));
            }
        }
    }
}
