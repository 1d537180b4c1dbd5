//! Pushes of Gmail that show an identity Google has signed: with keys and an answer of our own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::kit::{Answer, HOOK_TOKEN, Scene, Service};

const AUDIENCE: &str = "https://me.test/hooks/gmail";
const ACCOUNT: &str = "pusher@project.iam.gserviceaccount.com";

fn pair(text: &str) -> RsaKeyPair {
    let der = STANDARD.decode(text.split_whitespace().collect::<String>()).unwrap();
    RsaKeyPair::from_pkcs8(&der).unwrap()
}

fn right() -> RsaKeyPair {
    pair(include_str!("keys/right.txt"))
}

fn wrong() -> RsaKeyPair {
    pair(include_str!("keys/wrong.txt"))
}

/// What Google answers: the keys, and how long they count.
fn published(id: &str, pair: &RsaKeyPair) -> String {
    let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public());
    let (n, e) = (URL_SAFE_NO_PAD.encode(parts.n), URL_SAFE_NO_PAD.encode(parts.e));
    let key = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e});
    json!({"keys": [key]}).to_string()
}

/// Where the keys are; it counts how often they are fetched.
#[derive(Clone)]
struct Google {
    address: SocketAddr,
    state: Arc<Mutex<(usize, u16, String)>>,
}

impl Google {
    fn start(body: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let google = Self { address, state: Arc::new(Mutex::new((0, 200, body))) };
        let serving = google.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    line.clear();
                }
                let (status, body) = {
                    let mut state = serving.state.lock().unwrap();
                    state.0 += 1;
                    (state.1, state.2.clone())
                };
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncache-control: public, max-age=19800\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                drop(reader.into_inner().write_all(answer.as_bytes()));
            }
        });
        google
    }

    fn fetched(&self) -> usize {
        self.state.lock().unwrap().0
    }

    fn answers(&self, status: u16) {
        self.state.lock().unwrap().1 = status;
    }
}

fn scene(google: &Google) -> Scene {
    Scene::new(json!({"hooks": {
        "enabled": true,
        "token": HOOK_TOKEN,
        "presets": ["gmail"],
        "gmailPush": {
            "audience": AUDIENCE,
            "serviceAccount": ACCOUNT,
            "jwksUrl": format!("http://{}/certs", google.address),
        },
    }}))
}

fn now() -> i64 {
    telson_actors::clock::Clock::system().now().0 / 1000
}

fn claims() -> Value {
    json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT,
        "email_verified": true, "iat": now() - 10, "exp": now() + 3600, "sub": "1",
    })
}

fn signed(pair: &RsaKeyPair, header: &Value, claims: &Value) -> String {
    let coded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", coded(header), coded(claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn head(id: &str) -> Value {
    json!({"alg": "RS256", "kid": id, "typ": "JWT"})
}

fn push(service: &Service, bearer: &str, id: &str) -> Answer {
    let news = json!({"emailAddress": "anna@mail.test", "historyId": id}).to_string();
    let body = json!({
        "message": {"data": STANDARD.encode(news), "messageId": id},
        "subscription": "projects/x/subscriptions/y",
    });
    let bearer = format!("Bearer {bearer}");
    service.send("POST", "/hooks/gmail", &[("authorization", &bearer)], &body.to_string())
}

#[test]
fn a_push_with_the_identity_of_the_right_account_is_taken_once() {
    let google = Google::start(published("k1", &right()));
    let scene = scene(&google);
    let service = scene.start();
    let token = signed(&right(), &head("k1"), &claims());
    let answer = push(&service, &token, "101");
    assert_eq!((answer.status, &answer.json()["duplicate"]), (200, &json!(false)), "{answer:?}");
    let again = push(&service, &signed(&right(), &head("k1"), &claims()), "101");
    assert_eq!((again.status, &again.json()["duplicate"]), (200, &json!(true)), "{again:?}");
    // The other spelling of who issues, and the token of the webhooks, still count.
    let mut plain = claims();
    plain["iss"] = json!("accounts.google.com");
    assert_eq!(push(&service, &signed(&right(), &head("k1"), &plain), "102").status, 200);
    assert_eq!(push(&service, HOOK_TOKEN, "103").status, 200);
    assert_eq!(google.fetched(), 1, "keys are kept as long as they may be");
    service.process.idle();
    assert_eq!(scene.model.asked("has changed (history 101)"), 1);
    // An identity opens nothing but the pushes of Gmail.
    let bearer = format!("Bearer {token}");
    let wake = json!({"text": "hello"}).to_string();
    let answer = service.send("POST", "/hooks/wake", &[("authorization", &bearer)], &wake);
    assert_eq!(answer.status, 401, "{answer:?}");
    service.process.stop();
}

#[test]
fn every_other_identity_is_refused_with_its_reason() {
    let google = Google::start(published("k1", &right()));
    let scene = scene(&google);
    let service = scene.start();
    let with = |key: &str, value: Value| {
        let mut changed = claims();
        changed[key] = value;
        signed(&right(), &head("k1"), &changed)
    };
    let good = signed(&right(), &head("k1"), &claims());
    let (body, signature) = good.rsplit_once('.').unwrap();
    let mut other = claims();
    other["sub"] = json!("2");
    let forged = URL_SAFE_NO_PAD.encode(other.to_string());
    let cases = [
        (signed(&wrong(), &head("k1"), &claims()), "its signature is wrong"),
        (format!("{}.{forged}.{signature}", body.split('.').next().unwrap()), "signature is wrong"),
        (signed(&right(), &head("k2"), &claims()), "its key is not among those of Google"),
        (
            signed(&right(), &json!({"alg": "none", "kid": "k1"}), &claims()),
            "not signed with RS256",
        ),
        (
            signed(&right(), &json!({"alg": "HS256", "kid": "k1"}), &claims()),
            "not signed with RS256",
        ),
        (with("iss", json!("https://evil.test")), "Google has not issued it"),
        (with("aud", json!("https://other.test")), "it is for another audience"),
        (with("aud", Value::Null), "it is for another audience"),
        (with("email", json!("other@project.test")), "it is of another account"),
        (with("email_verified", json!(false)), "its account is not verified"),
        (with("email_verified", Value::Null), "its account is not verified"),
        (with("exp", json!(now() - 120)), "it has expired"),
        (with("exp", Value::Null), "it has expired"),
        (with("iat", json!(now() + 600)), "it is not valid yet"),
    ];
    let count = cases.len();
    for (token, part) in cases {
        let answer = push(&service, &token, "7");
        assert_eq!(answer.status, 401, "{part}: {answer:?}");
        assert!(answer.body.contains(part), "{part}: {answer:?}");
        assert!(!answer.body.contains(AUDIENCE) && !answer.body.contains(ACCOUNT), "{answer:?}");
    }
    assert_eq!(google.fetched(), 1, "strangers do not make it fetch again and again");
    // They count like wrong tokens: at the twentieth the address has to wait, whatever it shows.
    for _ in count..20 {
        assert_eq!(push(&service, "a.b.c", "7").status, 401);
    }
    let answer = push(&service, &good, "7");
    assert!(answer.status == 429 && answer.header("retry-after").is_some(), "{answer:?}");
    service.process.idle();
    assert_eq!(scene.model.asked("has changed"), 0);
    service.process.stop();
}

#[test]
fn while_the_keys_can_not_be_read_nobody_is_refused_for_good() {
    let google = Google::start(published("k1", &right()));
    google.answers(500);
    let scene = scene(&google);
    let service = scene.start();
    let token = signed(&right(), &head("k1"), &claims());
    for _ in 0..25 {
        let answer = push(&service, &token, "5");
        assert!(answer.status == 503 && answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(google.fetched(), 1, "it is not hammered");
    assert_eq!(push(&service, HOOK_TOKEN, "5").status, 200, "nothing of it counts as a guess");
    service.process.stop();
}
