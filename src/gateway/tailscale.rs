//! The route that Tailscale carries to the gateway, held with its own command.
//!
//! `tailscale serve` in the foreground holds a route for as long as it runs, so it has to end with
//! the gateway, however that ends: the shell around it waits for the end of its input, which comes
//! with the last moment of this process, also when that is killed.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::config::TailscaleMode;
use crate::host::Host;

/// Starts its arguments, ends them at the end of its input, and ends with them.
const LEASH: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{ read -r gone <&3; kill "$child" 2>/dev/null; } >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$child"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
"#;
/// Pauses between two tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));
/// A route that was there for this long begins with the first pause again.
const LASTED: Duration = Duration::from_mins(5);
/// Bytes of what it says that are read.
const SAID_BYTES_MAX: u64 = 64 * 1024;

/// Holds the route to a port of this machine until it is dropped.
pub(super) async fn hold(mode: TailscaleMode, port: u16, host: Host) {
    let verb = match mode {
        TailscaleMode::Off => return,
        TailscaleMode::Serve => "serve",
        TailscaleMode::Funnel => "funnel",
    };
    let mut pause = PAUSES.0;
    loop {
        let begun = tokio::time::Instant::now();
        let why = match claim(verb, port) {
            Ok(child) => carried(child, &host).await,
            Err(error) => error.to_string(),
        };
        host.set_tailnet_url(None);
        if begun.elapsed() > LASTED {
            pause = PAUSES.0;
        }
        let seconds = pause.as_secs();
        tracing::error!(why, "Tailscale does not carry the gateway; next try in {seconds} s");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn claim(verb: &str, port: u16) -> std::io::Result<Child> {
    let target = format!("http://127.0.0.1:{port}");
    Command::new("/bin/sh")
        .args(["-c", LEASH, "sh", "tailscale", verb, "--yes", "--https=443", &target])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Listens to the command until it ends; why it did.
async fn carried(mut child: Child, host: &Host) -> String {
    // Kept open for as long as the route is wanted.
    let _leash = child.stdin.take();
    let mut complaint = String::new();
    let told = async {
        let Some(said) = child.stdout.take() else { return };
        let mut lines = BufReader::new(said.take(SAID_BYTES_MAX)).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let url = line.split_whitespace().find(|word| word.starts_with("https://"));
            if let Some(url) = url {
                tracing::info!(url, "Tailscale carries the gateway");
                host.set_tailnet_url(Some(url.to_owned()));
            }
        }
    };
    let complained = async {
        if let Some(said) = child.stderr.take() {
            // What it says about its end is enough.
            drop(said.take(SAID_BYTES_MAX).read_to_string(&mut complaint).await);
        }
    };
    tokio::join!(told, complained);
    let status = child.wait().await.map_or_else(|error| error.to_string(), |it| it.to_string());
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("`tailscale` ended ({status}): {last}")
}
