//! The port and the secret a service starts its gateway with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::listener::GatewaySpec;
use super::settings::{Policy, Settings};
use crate::host::Host;

/// The port where nobody says otherwise.
pub const PORT: u16 = 18789;
/// The file of a token that was made here, in the state directory.
pub const TOKEN_FILE: &str = "gateway-token";
/// Tries to get a port that a service which just ended may still hold, and the pause between them.
const TRIES: (u32, Duration) = (20, Duration::from_millis(500));

/// Binds `port` (any free one for 0) on this machine alone. `token` is made and kept in the state
/// directory if it is `None`.
///
/// # Errors
/// A sentence that says what to do.
pub fn open(
    state_dir: &Path,
    port: u16,
    token: Option<String>,
    host: Host,
) -> Result<GatewaySpec, String> {
    let token = match token {
        Some(token) => token,
        None => kept_token(state_dir)?,
    };
    let settings = Settings { token, policy: Policy::default() };
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(GatewaySpec { listener: Arc::new(listener), settings: Arc::new(settings), host })
}

fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let mut tries = 1;
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries < TRIES.0 => {
                tries += 1;
                std::thread::sleep(TRIES.1);
            }
            Err(error) => {
                let help = "is another gateway running? choose a port with --port or gateway.port";
                return Err(format!("cannot listen on {address}: {error}; {help}"));
            }
        }
    }
}

/// The token of an earlier start, or a new one of 256 random bits.
fn kept_token(state_dir: &Path) -> Result<String, String> {
    let path = state_dir.join(TOKEN_FILE);
    let broken = |error: std::io::Error| format!("{}: {error}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.trim().to_owned()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(broken(error)),
        _ => {}
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::create_dir_all(state_dir).map_err(broken)?;
    let mut options = OpenOptions::new();
    let mut file =
        options.create(true).write(true).truncate(true).mode(0o600).open(&path).map_err(broken)?;
    file.write_all(token.as_bytes()).and_then(|()| file.sync_all()).map_err(broken)?;
    Ok(token)
}
