//! Tailscale, by a stand-in for its command that does what its documentation says: `whois` names who
//! has an address, and `serve` and `funnel` hold a route for as long as they run.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::kit::{Client, Device, Gateway, TOKEN, connect, refused};
use crate::service::{Home, until};

/// Puts the stand-in where the service finds it. It knows one address, and notes what it holds.
fn stand_in(home: &Home) {
    let bin = home.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let script = "#!/bin/sh\n\
        case \"$1\" in\n\
        whois) [ \"$2 $3\" = '--json 100.64.1.2' ] || exit 1\n\
          echo '{\"UserProfile\":{\"LoginName\":\"ann@example.com\"}}' ;;\n\
        serve|funnel) echo \"$$ $*\" >> \"$HOME/held\"\n\
          printf 'Available within your tailnet:\\n\\nhttps://attic.tail1.ts.net/\\n|-- proxy %s\\n' \"$4\"\n\
          exec sleep 1000 ;;\n\
        *) exit 1 ;;\n\
        esac\n";
    std::fs::write(bin.join("tailscale"), script).unwrap();
    let executable = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(bin.join("tailscale"), executable).unwrap();
    home.set_env("PATH", format!("{}:/usr/bin:/bin", bin.display()).as_ref());
}

/// What the stand-in was started with, and as which process, in order.
fn held(home: &Home) -> Vec<(i32, String)> {
    let noted = std::fs::read_to_string(home.path("held")).unwrap_or_default();
    let lines = noted.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(pid, arguments)| (pid.parse().unwrap(), arguments.to_owned())).collect()
}

/// The port that is for Tailscale alone.
fn carried_port(gateway: &Gateway) -> u16 {
    let out = gateway.service.out();
    let rest = out.split_once("port ").expect("a port of its own").1;
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// Whether a process runs; one that has ended and waits for its parent does not.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn a_route_is_held_until_the_service_ends_however_it_ends() {
    let home = Home::new();
    stand_in(&home);
    home.configure(&format!(
        "{{gateway: {{tailscale: {{mode: 'serve'}}, auth: {{token: '{TOKEN}'}}}}}}"
    ));
    let gateway = Gateway::at(home);
    let of = |gateway: &Gateway, starts: usize| {
        until("the route is held", || held(&gateway.home).get(starts - 1).cloned())
    };
    let (first, arguments) = of(&gateway, 1);
    let port = carried_port(&gateway);
    assert_eq!(arguments, format!("serve --yes --https=443 http://127.0.0.1:{port}"));
    until("where it leads is told", || {
        let (_, status) = gateway.home.ask_json(&["gateway", "status"]);
        (status["tailscaleUrl"] == "https://attic.tail1.ts.net/").then_some(())
    });
    // A route that is lost is made again.
    let pid = rustix::process::Pid::from_raw(first).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (second, _) = of(&gateway, 2);
    let gateway = gateway.kill_and_start();
    until("a kill ends the route", || (!runs(second)).then_some(()));
    let (third, _) = of(&gateway, 3);
    gateway.service.stop();
    until("a stop ends the route", || (!runs(third)).then_some(()));
}

#[test]
fn without_tailscale_the_service_runs_and_says_what_is_missing() {
    let home = Home::new();
    home.configure(&format!(
        "{{gateway: {{tailscale: {{mode: 'funnel'}}, auth: {{mode: 'password', password: '{TOKEN}'}}}}}}"
    ));
    let gateway = Gateway::at(home);
    until("it is said", || {
        gateway.service.log().contains("Tailscale does not carry the gateway").then_some(())
    });
    assert_eq!(gateway.home.ask(&["health"]).code, 0);
}

#[tokio::test]
async fn tailscales_word_counts_on_its_own_port_and_only_when_it_is_true() {
    let home = Home::new();
    home.configure(&format!(
        "{{gateway: {{tailscale: {{mode: 'serve'}}, auth: {{token: '{TOKEN}'}}}}}}"
    ));
    stand_in(&home);
    let gateway = Gateway::at(home);
    let port = carried_port(&gateway);
    let url = format!("ws://127.0.0.1:{port}");
    let by = async |address: &str, login: &str, auth: serde_json::Value| {
        let mut headers = vec![("host", "attic.tail1.ts.net")];
        if !address.is_empty() {
            headers.extend([("x-forwarded-for", address), ("tailscale-user-login", login)]);
        }
        let mut client = Client::open(&url, &headers).await.unwrap();
        let mut params = connect("cli", "cli", &["operator.read"]);
        params["auth"] = auth;
        client.connect_as(&Device::new(1), params).await
    };
    let ann = "ann@example.com";
    let known = by("100.64.1.2", ann, json!({})).await;
    assert_eq!(refused(&known), "PAIRING_REQUIRED", "known, and its device has to be approved");
    for (address, login) in
        [("100.64.1.2", "bob@example.com"), ("100.64.1.3", ann), ("127.0.0.1", ann), ("", "")]
    {
        let answer = by(address, login, json!({})).await;
        assert_eq!(refused(&answer), "AUTH_TOKEN_MISSING", "{address} {login}");
    }
    // What comes over that port is never this machine, and the gateway's own port knows no such word.
    assert_eq!(refused(&by("", "", json!({"token": TOKEN})).await), "PAIRING_REQUIRED");
    let headers = [("x-forwarded-for", "100.64.1.2"), ("tailscale-user-login", ann)];
    assert_eq!(gateway.knock_with(&headers).await.err(), Some(403));
    let mut client = gateway.knock_with(&[("tailscale-user-login", ann)]).await.unwrap();
    let mut params = connect("cli", "cli", &["operator.read"]);
    params["auth"] = json!({});
    assert_eq!(refused(&client.connect(params).await), "DEVICE_IDENTITY_REQUIRED");
}
