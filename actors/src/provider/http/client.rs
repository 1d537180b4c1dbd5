//! Builds the HTTP client of one address, once, and refuses what could never work.

use std::net::IpAddr;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect, retry};

use super::{ConfigError, HttpConfig};
use crate::provider::Secret;

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("telson/", env!("CARGO_PKG_VERSION"));
/// Shorter header values are switches and versions, not keys.
const HEADER_SECRET_BYTES_MIN: usize = 8;

/// The base address with the path of one call.
pub(super) fn url(config: &HttpConfig, path: &[&str]) -> Result<Url, ConfigError> {
    let refuse = |reason: &str| ConfigError::BaseUrl { reason: reason.to_owned() };
    let mut url = Url::parse(config.base_url.trim()).map_err(|error| {
        refuse(&format!("it is no address ({error}); it looks like https://host/v1"))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("it must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it must not hold a user name or password; use api_key or headers"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it must end with its path: no ? and no #"));
    }
    url.path_segments_mut().map_err(|()| refuse("it has no host"))?.pop_if_empty().extend(path);
    Ok(url)
}

/// Host and port, as people write them.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The headers of each call: our own, replaced by configured ones of the same name.
pub(super) fn headers(
    config: &HttpConfig,
    own: &[(&'static str, String)],
) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for (name, value) in own {
        let value = secret_value(value).ok_or(ConfigError::ApiKey)?;
        headers.insert(HeaderName::from_static(name), value);
    }
    for (name, value) in &config.headers {
        let refused = || ConfigError::Header { name: name.clone() };
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        headers.insert(parsed, secret_value(value).ok_or_else(refused)?);
    }
    Ok(headers)
}

/// Everything that must not appear in a message.
pub(super) fn secrets(config: &HttpConfig) -> Vec<Secret> {
    let words = config.headers.iter().flat_map(|(_, value)| value.split_whitespace());
    let words = words.filter(|word| word.len() >= HEADER_SECRET_BYTES_MIN).map(Secret::new);
    config.api_key.iter().cloned().chain(words).collect()
}

/// The client itself.
pub(super) fn client(config: &HttpConfig, url: &Url) -> Result<Client, ConfigError> {
    // The HTTP library panics when it builds a client without one.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(ConfigError::NoCrypto);
    }
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(config.connect_timeout)
        // A redirect would carry key headers and the conversation to another host.
        .redirect(redirect::Policy::none())
        // One call is one attempt: whoever calls decides about the next.
        .retry(retry::never());
    if is_loopback(url) {
        // A proxy cannot reach what is on this machine.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| ConfigError::Client { reason: super::causes(&error) })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str) -> Result<String, String> {
        url(&HttpConfig::new(base), &["v1", "messages"])
            .map(|url| url.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn paths_are_joined_with_one_slash() {
        assert_eq!(joined("https://a.test").unwrap(), "https://a.test/v1/messages");
        assert_eq!(joined("https://a.test/").unwrap(), "https://a.test/v1/messages");
        assert_eq!(joined(" http://a.test:81/x/ ").unwrap(), "http://a.test:81/x/v1/messages");
    }

    #[test]
    fn unusable_addresses_are_refused_without_repeating_them() {
        for base in
            ["", "a.test/v1", "ftp://a.test", "https://me:hush@a.test", "https://a.test?k=hush"]
        {
            let error = joined(base).unwrap_err();
            assert!(error.contains("base_url") && !error.contains("hush"), "{base}: {error}");
        }
    }

    #[test]
    fn headers_are_marked_secret_and_configured_ones_win() {
        let mut config = HttpConfig::new("https://a.test");
        config.headers.push(("X-Api-Key".into(), "theirs".into()));
        let headers = headers(&config, &[("x-api-key", "ours".into())]).unwrap();
        assert_eq!(headers["x-api-key"], "theirs");
        assert!(headers.values().all(HeaderValue::is_sensitive));
    }

    #[test]
    fn a_header_with_a_line_break_is_refused_by_name_only() {
        let mut config = HttpConfig::new("https://a.test");
        let key = headers(&config, &[("x-api-key", "hush\n".into())]).unwrap_err().to_string();
        config.headers.push(("x-team".into(), "hush\n".into()));
        let header = headers(&config, &[]).unwrap_err().to_string();
        assert!(key.contains("api_key") && !key.contains("hush"), "{key}");
        assert!(header.contains("x-team") && !header.contains("hush"), "{header}");
    }

    #[test]
    fn keys_and_long_header_words_count_as_secret() {
        let mut config = HttpConfig::new("https://a.test");
        config.api_key = Some(Secret::new("k"));
        config.headers.push(("authorization".into(), "Bearer abcdefgh".into()));
        assert_eq!(secrets(&config), [Secret::new("k"), Secret::new("abcdefgh")]);
    }

    #[test]
    fn only_this_machine_goes_around_the_proxy() {
        let loopback = |text| is_loopback(&Url::parse(text).unwrap());
        assert!(loopback("http://127.0.0.1:1") && loopback("http://[::1]:1"));
        assert!(loopback("http://localhost:11434") && !loopback("https://localhost.test"));
    }
}
