//! What of an address may be shown (pure): paths and queries are often what lets somebody in.

/// Scheme, host and port of an address with a scheme; nothing of anything else.
pub fn origin(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_to_the_host_is_shown() {
        for address in [
            "https://hooks.test:8443/T0/secret",
            "https://hooks.test:8443?key=secret",
            "https://hooks.test:8443#secret",
            "https://me:secret@hooks.test:8443/",
            "https://hooks.test:8443",
        ] {
            assert_eq!(origin(address).as_deref(), Some("https://hooks.test:8443"), "{address}");
        }
        assert_eq!(origin("+15550100001"), None);
    }
}
