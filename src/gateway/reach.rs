//! Where others reach the gateway: what they are told to come to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use super::network::Cidr;

/// What Tailscale itself answers on in every one of its networks; nothing is sent to it.
const TAILSCALE_SERVICE: (Ipv4Addr, u16) = (Ipv4Addr::new(100, 100, 100, 100), 53);
/// The network of the addresses that Tailscale gives.
const TAILSCALE_NETWORK: &str = "100.64.0.0/10";
/// Addresses that lie somewhere else, for documentation and in the usual networks of homes: the
/// way to them leaves from an address that others there can reach. Nothing is sent to them.
const ELSEWHERE: [Ipv4Addr; 4] = [
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(192, 168, 255, 254),
    Ipv4Addr::new(10, 255, 255, 254),
    Ipv4Addr::new(172, 31, 255, 254),
];

/// The addresses of a listener that others can come to, the best one first; none where it listens
/// for this machine alone.
pub(super) fn hosts(listeners: &[SocketAddr]) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    let mut add = |host: String, port: u16| {
        let host = format!("{host}:{port}");
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    };
    for listener in listeners {
        let (ip, port) = (listener.ip(), listener.port());
        if ip.is_unspecified() {
            let near = ELSEWHERE.into_iter().filter_map(|place| way_to((place, 9)));
            for own in near.chain(tailnet()).filter(|own| !own.is_loopback()) {
                add(own.to_string(), port);
            }
            if let Some(name) = own_name() {
                add(format!("{name}.local"), port);
            }
        } else if !ip.is_loopback() {
            let ip = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
            add(ip, port);
        }
    }
    hosts
}

/// This machine's address in its Tailscale network: the one that a packet for it would leave from.
pub(super) fn tailnet() -> Option<IpAddr> {
    let network = Cidr::parse(TAILSCALE_NETWORK).ok()?;
    way_to(TAILSCALE_SERVICE).filter(|address| network.contains(*address))
}

/// The address that a packet to a place would leave from.
fn way_to(place: (Ipv4Addr, u16)) -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(place).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// What this machine calls itself, if others could too.
fn own_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".local").unwrap_or(&name);
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (!name.is_empty() && name != "localhost" && is_plain(name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_where_he_cannot_come() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(hosts(&[at("127.0.0.1:1"), at("[::1]:1")]).is_empty());
        let own = ["192.168.1.5:18789", "127.0.0.1:18789", "192.168.1.5:18789"].map(at);
        assert_eq!(hosts(&own), ["192.168.1.5:18789"]);
        assert_eq!(hosts(&[at("[fd00::5]:7")]), ["[fd00::5]:7"]);
        for host in hosts(&[at("0.0.0.0:7")]) {
            assert!(host.ends_with(":7"), "{host}");
            assert!(!host.starts_with("0.0.0.0") && !host.starts_with("127."), "{host}");
        }
    }
}
