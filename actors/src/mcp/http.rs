//! The way to a server at an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

use crate::provider::Secret;

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("telson/", env!("CARGO_PKG_VERSION"));
/// Name lookup, TCP and TLS together.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Bytes of one message of the server.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A connection that is opened by its first message.
///
/// # Errors
/// What is wrong with the address or a header; values are never repeated.
pub(super) fn transport(
    url: &str,
    headers: &[(String, Secret)],
    calls_max: usize,
) -> Result<StreamableHttpClientTransport<Client>, String> {
    let parsed = Url::parse(url).map_err(|error| format!("its url is no address ({error})"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("its url must begin with https:// or http://".into());
    }
    let mut config = StreamableHttpClientTransportConfig::with_uri(parsed.as_str());
    config.custom_headers = header_map(headers)?;
    config.max_concurrent_requests = calls_max;
    config.max_sse_event_size = MESSAGE_BYTES_MAX;
    Ok(StreamableHttpClientTransport::with_client(client(&parsed)?, config))
}

fn header_map(headers: &[(String, Secret)]) -> Result<HashMap<HeaderName, HeaderValue>, String> {
    let mut map = HashMap::new();
    for (name, value) in headers {
        let refused = || format!("its header {name:?} has a name or a value no header may have");
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| refused())?;
        value.set_sensitive(true);
        map.insert(parsed, value);
    }
    Ok(map)
}

fn client(url: &Url) -> Result<Client, String> {
    // The HTTP library panics when it builds a client without one.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err("install a rustls crypto provider before the engine starts".into());
    }
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_MAX)
        // A kept connection may be dead, and then nobody knows whether a call reached the server.
        .pool_max_idle_per_host(0)
        // A redirect would carry key headers to another host.
        .redirect(redirect::Policy::none());
    if is_loopback(url) {
        // A proxy cannot reach what is on this machine.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| format!("no HTTP client can be built: {error}"))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_addresses_and_headers_are_refused_without_repeating_them() {
        let header = |value: &str| [("x-key".to_owned(), Secret::new(value))];
        for (url, headers) in [
            ("hush", header("a")),
            ("ftp://a.test", header("a")),
            ("https://a.test", header("hush\n")),
        ] {
            let error = transport(url, &headers, 1).err().unwrap();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
