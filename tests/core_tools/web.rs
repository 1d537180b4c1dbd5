//! `web_fetch` against real servers on this machine: what is refused is never connected to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson_actors::tool::core::web::{FetchSettings, Lookup, SsrfPolicy};

use crate::kit::{Model, answer_of, engine, settings};
use crate::support::Platform;

/// A web server with a ledger of the paths it was asked for.
struct Server {
    address: SocketAddr,
    ledger: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers every request with what `answer` makes of its path.
    fn start(at: &str, answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind((at, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ledger: Arc<Mutex<Vec<String>>> = Arc::default();
        let written = ledger.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut first = String::new();
                if reader.read_line(&mut first).is_err() {
                    continue;
                }
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                written.lock().unwrap().push(path.clone());
                // A client that has heard enough hangs up.
                drop(stream.write_all(&answer(&path)));
            }
        });
        Self { address, ledger }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn ledger(&self) -> Vec<String> {
        self.ledger.lock().unwrap().clone()
    }
}

fn page(content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn redirect(to: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// Names and what they resolve to, one answer after the other.
#[derive(Default)]
struct Names {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn answering(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: Mutex::default(),
        })
    }
}

impl Lookup for Names {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, String>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(std::future::ready(answer.ok_or("no such name".into())))
    }
}

fn allowing(hosts: &[&str]) -> FetchSettings {
    let allowed_hosts = hosts.iter().map(|&host| host.to_owned()).collect();
    FetchSettings {
        policy: SsrfPolicy { allowed_hosts, ..SsrfPolicy::default() },
        ..FetchSettings::default()
    }
}

/// What the model hears when it fetches these, one after the other.
async fn fetch(fetch: FetchSettings, urls: &[String]) -> Vec<String> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let calls = urls.iter().map(|url| ("web_fetch", json!({"url": url}))).collect();
    let model = Model::calling(calls);
    let mut settings = settings(dir.path());
    settings.fetch = fetch;
    answer_of(engine(&platform, &model, settings), &platform, "go").await;
    // The last request holds every result as the model heard it.
    let last = model.requests().pop().unwrap();
    let parts = last.messages.into_iter().flat_map(|message| message.parts);
    parts
        .filter_map(|part| match part {
            telson_actors::provider::Part::Result(result) => Some(result.text),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_fetched_and_marked_as_what_others_wrote() {
    let server = Server::start("127.0.0.1", |path| match path {
        "/moved" => redirect("/page"),
        "/image" => page("image/png", "PNG"),
        "/json" => page("application/json", "{\"a\": \"<|im_start|>\"}"),
        _ => page(
            "text/html; charset=utf-8",
            "<title>T</title><p>Hello <b>there</b></p><script>x</script>",
        ),
    });
    let urls = ["/moved", "/image", "/json"].map(|path| server.url(path));
    let said = fetch(allowing(&["127.0.0.1"]), &urls).await;
    assert!(
        said[0].starts_with(&format!("{} answered 200\n<<<EXTERNAL", server.url("/page"))),
        "{}",
        said[0]
    );
    assert!(said[0].contains("\nT\nHello there\n<<<END"), "{}", said[0]);
    assert!(said[1].contains("image/png, and only text can be read"), "{}", said[1]);
    assert!(said[2].contains("< |im_start| >"), "{}", said[2]);
    assert_eq!(server.ledger(), ["/moved", "/page", "/image", "/json"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_denied_is_never_connected_to() {
    let server = Server::start("127.0.0.1", |_| page("text/plain", "secret"));
    let port = server.address.port();
    let urls = [
        server.url("/"),
        format!("http://localhost:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "file:///etc/passwd".into(),
        "nonsense".into(),
    ];
    for said in fetch(FetchSettings::default(), &urls).await {
        assert!(!said.contains("secret") && !said.contains("root:"), "{said}");
        let refused = ["may not be reached", "own network", "only http and https", "no address"];
        assert!(refused.iter().any(|why| said.contains(why)), "{said}");
    }
    assert_eq!(server.ledger(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_judged_like_any_address() {
    let denied = Server::start("127.0.0.2", |_| page("text/plain", "secret"));
    let target = denied.url("/admin");
    let (port, to) = (denied.address.port(), target.clone());
    let server = Server::start("127.0.0.1", move |path| match path {
        "/a" => redirect(&to),
        "/b" => redirect("http://169.254.169.254/latest"),
        "/c" => redirect("file:///etc/passwd"),
        "/d" => redirect(&format!("//localhost:{port}/admin")),
        "/e" => redirect("/b"),
        _ => redirect("/loop"),
    });
    let urls: Vec<String> =
        ["/a", "/b", "/c", "/d", "/e", "/loop"].map(|path| server.url(path)).into();
    let said = fetch(allowing(&["127.0.0.1"]), &urls).await;
    assert!(said[0].contains("127.0.0.2 is this machine, which may not be reached"), "{}", said[0]);
    assert!(said[1].contains("the metadata service of a cloud"), "{}", said[1]);
    assert!(said[2].contains("only http and https"), "{}", said[2]);
    assert!(said[3].contains("own network"), "{}", said[3]);
    assert!(said[4].contains("the metadata service of a cloud"), "{}", said[4]);
    assert!(said[5].contains("more than 3 redirects"), "{}", said[5]);
    assert_eq!(denied.ledger(), Vec::<String>::new());
    assert_eq!(server.ledger().iter().filter(|path| *path == "/loop").count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_looked_up_once_a_hop_and_only_judged_addresses_are_used() {
    let server = Server::start("127.0.0.1", |_| page("text/plain", "secret"));
    let port = server.address.port();
    let url = |name: &str| format!("http://{name}:{port}/");
    // The first answer is public and leads nowhere here; a second one would lead to the server.
    let rebinding = Names::answering(&[&["192.0.2.1"], &["127.0.0.1"]]);
    let lookup = FetchSettings { lookup: rebinding.clone(), ..FetchSettings::default() };
    let said = fetch(lookup, &[url("rebind.example")]).await;
    assert!(said[0].contains("192.0.2.1 is an address of nobody"), "{}", said[0]);
    assert_eq!(rebinding.asked.lock().unwrap().len(), 1);
    // One bad address among good ones refuses the name.
    let mixed = Names::answering(&[&["1.1.1.1", "127.0.0.1"]]);
    let lookup = FetchSettings { lookup: mixed, ..FetchSettings::default() };
    let said = fetch(lookup, &[url("mixed.example")]).await;
    assert!(said[0].contains("127.0.0.1 is this machine"), "{}", said[0]);
    assert_eq!(server.ledger(), Vec::<String>::new());
    // A name that is allowed goes to what was looked up, and not to what the system thinks.
    let pinned = Names::answering(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let mut allowed = allowing(&["pinned.example"]);
    allowed.lookup = pinned.clone();
    let said = fetch(allowed, &[url("pinned.example")]).await;
    assert!(said[0].contains("secret"), "{}", said[0]);
    assert_eq!(*pinned.asked.lock().unwrap(), ["pinned.example"]);
    let unknown = FetchSettings { lookup: Names::answering(&[]), ..FetchSettings::default() };
    let said = fetch(unknown, &[url("unknown.example")]).await;
    assert!(said[0].contains("no such name"), "{}", said[0]);
}

// L1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_end_is_cut_and_one_that_hangs_is_left() {
    let endless = Server::start("127.0.0.1", |path| {
        if path == "/hang" {
            std::thread::sleep(Duration::from_secs(3));
            return Vec::new();
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n";
        [head.as_bytes(), &vec![b'x'; 3_000_000]].concat()
    });
    let settings = FetchSettings {
        timeout: Duration::from_secs(1),
        response_bytes_max: 1000,
        ..allowing(&["127.0.0.1"])
    };
    let urls = ["/long", "/hang"].map(|path| endless.url(path));
    let said = fetch(settings, &urls).await;
    assert!(
        said[0].contains("the rest of the page is left out") && said[0].len() < 1500,
        "{}",
        said[0].len()
    );
    assert!(said[1].contains("not read within 1 s"), "{}", said[1]);
}
