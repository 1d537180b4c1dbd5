//! The way to an address that was judged, and to no other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect, retry};

use super::rules::{Host, Written};
use super::{Lookup, SsrfPolicy};

/// Longest time until a connection stands: nothing was said before that, and nothing was done.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Why there is no way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The address is not allowed, or is none.
    Refused(String),
    /// Nothing is known against it; it may be reached another time.
    Unreachable(String),
}

impl Closed {
    /// In words.
    pub fn into_words(self) -> String {
        match self {
            Self::Refused(why) | Self::Unreachable(why) => why,
        }
    }
}

/// Resolves every name to the addresses that were judged, and to no other.
struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// Judges an address as it is written and everything its name resolves to; gives a client that knows
/// no other way, follows no redirect, repeats nothing and asks no proxy, and where it leads.
///
/// # Errors
/// It may not be reached, or can't be.
pub async fn open(
    policy: &SsrfPolicy,
    lookup: &dyn Lookup,
    user_agent: &str,
    url: &Url,
) -> Result<(Client, Vec<IpAddr>), Closed> {
    let target = policy.target(apart(url)).map_err(Closed::Refused)?;
    let addresses = match &target.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => lookup.lookup(name).await.map_err(Closed::Unreachable)?,
    };
    policy.check(&target, &addresses).map_err(Closed::Refused)?;
    let client = client(user_agent, &addresses).map_err(Closed::Unreachable)?;
    Ok((client, addresses))
}

/// An address as the rules judge it.
pub(super) fn apart(url: &Url) -> Written<'_> {
    Written {
        scheme: url.scheme(),
        host: url.host_str().unwrap_or_default(),
        names_user: !url.username().is_empty() || url.password().is_some(),
        bytes: url.as_str().len(),
    }
}

fn client(user_agent: &str, addresses: &[IpAddr]) -> Result<Client, String> {
    // The HTTP library panics when it builds a client without one.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err("no cryptography is set up in this process".into());
    }
    let pinned = addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect();
    Client::builder()
        .user_agent(user_agent)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(CONNECT_MAX)
        .pool_max_idle_per_host(0)
        .dns_resolver(Arc::new(Pinned(pinned)))
        .build()
        .map_err(|error| causes(&error))
}

/// An error with what is behind it, without addresses of pages, which callers name.
pub fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
