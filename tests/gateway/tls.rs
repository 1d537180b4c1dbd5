//! Encryption on the port itself: real TLS clients, wrong certificates, and handshakes that never
//! end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::kit::{Gateway, TOKEN, connect};
use crate::service::{Finished, Home, until};

/// The first bytes of a TLS handshake that announces more than it sends.
const BEGUN: [u8; 9] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc];

fn encrypted() -> Gateway {
    Gateway::with(&format!("{{gateway: {{tls: {{enabled: true}}, auth: {{token: '{TOKEN}'}}}}}}"))
}

/// The fingerprint in what the service prints.
fn fingerprint(gateway: &Gateway) -> String {
    let out = gateway.service.out();
    let rest = out.split_once("certificate SHA-256 ").expect("a fingerprint").1;
    rest.split_whitespace().next().unwrap().to_owned()
}

fn certificate(gateway: &Gateway) -> PathBuf {
    gateway.home.state_dir().join("gateway/tls/gateway-cert.pem")
}

/// Asks from a machine that has nothing of the service but what is given.
fn away(scheme: &str, port: u16, more: &[&str]) -> Finished {
    let url = format!("{scheme}://127.0.0.1:{port}");
    let there = ["--url", &url, "--token", TOKEN];
    Home::new().ask(&[&there[..], more, &["gateway", "call", "health"]].concat())
}

/// A TLS client that trusts this certificate and checks the name it asks for.
fn tls(
    port: u16,
    trusted: &[u8],
    name: &str,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    while client.is_handshaking() {
        client.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(client, stream))
}

/// Whether the other side has ended it.
fn is_over(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut bytes = [0; 512];
    let mut reader = stream;
    loop {
        match reader.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn the_command_line_takes_the_certificate_it_was_told_and_no_other() {
    let gateway = encrypted();
    let own = fingerprint(&gateway);
    let known = away("wss", gateway.port, &["--tls-fingerprint", &own]);
    assert_eq!(known.code, 0, "{known:?}");
    let plain = own.to_lowercase().replace(':', "");
    let known = away("wss", gateway.port, &["--tls-fingerprint", &plain]);
    assert_eq!(known.code, 0, "{known:?}");
    let other = format!("{}{}", if own.starts_with('A') { 'B' } else { 'A' }, &own[1..]);
    let refused = away("wss", gateway.port, &["--tls-fingerprint", &other]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("another certificate") && refused.err.contains(&own),
        "{refused:?}"
    );
    // Nobody has signed it.
    let unknown = away("wss", gateway.port, &[]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.err.contains("certificate"), "{unknown:?}");
    let unclear = away("ws", gateway.port, &["--tls-fingerprint", &own]);
    assert_eq!(unclear.code, 2, "{unclear:?}");
    assert_eq!(away("wss", gateway.port, &["--tls-fingerprint", "12"]).code, 2);
    // Here the service itself says which it is.
    let (code, page) = gateway.home.ask_json(&["dashboard", "--token", TOKEN]);
    assert_eq!(code, 0, "{page}");
    assert!(page["url"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{page}");
    let (_, status) = gateway.home.ask_json(&["gateway", "status"]);
    assert_eq!(status["tlsFingerprint"], json!(own));
}

#[test]
fn a_tls_client_finds_the_names_of_this_machine_and_health_behind_them() {
    let gateway = encrypted();
    let trusted = std::fs::read(certificate(&gateway)).unwrap();
    for name in ["localhost", "127.0.0.1"] {
        let mut stream = tls(gateway.port, &trusted, name).unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        // An end without a farewell is one, too.
        stream.read_to_string(&mut answer).ok();
        assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
    }
    assert!(
        tls(gateway.port, &trusted, "elsewhere.example").is_err(),
        "another name is none of it"
    );
    for file in ["gateway-cert.pem", "gateway-key.pem"] {
        let path = certificate(&gateway).with_file_name(file);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let own = fingerprint(&gateway);
    let gateway = gateway.kill_and_start();
    assert_eq!(fingerprint(&gateway), own, "kept over a kill");
}

#[test]
fn what_is_not_encrypted_gets_an_end_and_no_answer() {
    let gateway = encrypted();
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    assert!(answer.len() < 64, "an alert at most: {answer:?}");
    let own = fingerprint(&gateway);
    assert_eq!(away("wss", gateway.port, &["--tls-fingerprint", &own]).code, 0);
}

// L1
#[test]
fn a_handshake_that_does_not_end_is_ended_and_a_crowd_of_them_pushes_out_itself() {
    let gateway = encrypted();
    let own = fingerprint(&gateway);
    let begun: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
            stream.write_all(&BEGUN).unwrap();
            stream
        })
        .collect();
    until("the first of them were pushed out", || begun[..72].iter().all(is_over).then_some(()));
    assert!(!begun[72..].iter().any(is_over), "nobody else was");
    let known = away("wss", gateway.port, &["--tls-fingerprint", &own]);
    assert_eq!(known.code, 0, "somebody honest is let in: {known:?}");
    until("the rest ends with its deadline", || begun.iter().all(is_over).then_some(()));
}

#[tokio::test]
async fn plain_is_served_beyond_this_machine_only_where_the_config_says_so() {
    let gateway = Gateway::with(&format!(
        "{{gateway: {{bind: 'lan', tls: {{enabled: false}}, auth: {{token: '{TOKEN}'}}}}}}"
    ));
    let answer = gateway.knock().await.connect(connect("cli", "cli", &["operator.read"])).await;
    assert_eq!(answer["ok"], true, "{answer}");
    let log = gateway.service.log();
    assert!(log.contains("does not encrypt"), "{log}");
    let gateway = Gateway::with(&format!(
        "{{gateway: {{bind: 'lan', tls: {{enabled: true}}, auth: {{token: '{TOKEN}'}}}}}}"
    ));
    let own = fingerprint(&gateway);
    assert_eq!(away("wss", gateway.port, &["--tls-fingerprint", &own]).code, 0);
}

#[test]
fn a_renewed_certificate_is_used_once_it_is_whole() {
    let gateway = encrypted();
    let shown = || {
        let (_, status) = gateway.home.ask_json(&["gateway", "status"]);
        status["tlsFingerprint"].as_str().unwrap().to_owned()
    };
    let old = shown();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let fresh = params.self_signed(&key).unwrap().pem();
    std::fs::write(certificate(&gateway), &fresh).unwrap();
    until("half of it is noticed", || gateway.service.log().contains("is not used").then_some(()));
    assert_eq!(shown(), old, "and the old one serves");
    assert_eq!(away("wss", gateway.port, &["--tls-fingerprint", &old]).code, 0);
    std::fs::write(certificate(&gateway).with_file_name("gateway-key.pem"), key.serialize_pem())
        .unwrap();
    let new = until("the whole is used", || Some(shown()).filter(|shown| *shown != old));
    assert_eq!(away("wss", gateway.port, &["--tls-fingerprint", &new]).code, 0);
    assert_eq!(away("wss", gateway.port, &["--tls-fingerprint", &old]).code, 1);
    tls(gateway.port, fresh.as_bytes(), "localhost").unwrap();
}
