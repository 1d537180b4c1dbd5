//! What the port serves to whoever asks, browser or not.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::kit::Home;
use crate::{dashboard, origin};

fn get(origin: &str, path: &str, header: &str) -> String {
    let address = origin.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{header}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_page_is_served_with_a_strict_policy_and_without_a_secret() {
    let home = Home::new();
    let service = home.start(&[]);
    let url = dashboard(&home);
    let (origin, token) = (origin(&url), url.split("#token=").nth(1).unwrap());
    for path in ["/", "/?gatewayUrl=ws://evil.example", "/assets/app.js", "/assets/style.css"] {
        let answer = get(&origin, path, "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        let head = answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
            "frame-ancestors 'none'",
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{path}: {header} in {head}");
        }
        assert!(!head.contains("unsafe"), "{head}");
        assert!(!answer.contains(token), "{path} holds the token");
    }
    for path in ["/assets/", "/assets/../index.html", "/assets/%2e%2e/page.rs", "/assets/no.js"] {
        let answer = get(&origin, path, "");
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    service.stop();
}

#[test]
fn what_a_browser_has_is_not_sent_again() {
    let home = Home::new();
    let service = home.start(&[]);
    let origin = origin(&dashboard(&home));
    let first = get(&origin, "/assets/app.js", "").to_ascii_lowercase();
    let tag = first.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let again = get(&origin, "/assets/app.js", &format!("If-None-Match: {tag}\r\n"));
    assert!(again.starts_with("HTTP/1.1 304"), "{again}");
    assert_eq!(again.split("\r\n\r\n").nth(1), Some(""));
    service.stop();
}
