//! Pictures in requests: shown to models that see, fetched only where that is allowed.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client_tools::published;
use super::kit::{Scene, Service, endpoints};
use super::service_kit::until;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a picture";
/// The model that sees.
const EYES: [(&str, &str); 1] = [("x-openclaw-model", "mock/eyes")];

fn data(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

fn chat(text: &str, urls: &[String]) -> Value {
    let mut content = vec![json!({"type": "text", "text": text})];
    content.extend(urls.iter().map(|url| json!({"type": "image_url", "image_url": {"url": url}})));
    json!({"model": "openclaw", "messages": [{"role": "user", "content": content}]})
}

fn respond(text: &str, url: &str) -> Value {
    let content = json!([
        {"type": "input_text", "text": text},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]);
    json!({"model": "openclaw", "input": [{"role": "user", "content": content}]})
}

/// The addresses of pictures that the model was shown with this text.
fn shown(scene: &Scene, text: &str) -> Vec<String> {
    let request = scene.model.request(text);
    let last = request["messages"].as_array().and_then(|all| all.last()).cloned();
    let parts = last.unwrap_or_default()["content"].as_array().cloned().unwrap_or_default();
    let urls = parts.iter().filter_map(|part| part["image_url"]["url"].as_str().map(str::to_owned));
    urls.collect()
}

fn refused(service: &Service, body: &Value) -> (u16, Value) {
    let answer = service.post("/v1/chat/completions", &EYES, body);
    (answer.status, answer.json()["error"]["code"].clone())
}

fn files(scene: &Scene) -> usize {
    std::fs::read_dir(scene.home.state_dir().join("media/api")).map_or(0, Iterator::count)
}

#[test]
fn a_model_that_sees_is_shown_what_came_along() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let other = [PNG, b" of another kind"].concat();
    let answer =
        service.post("/v1/chat/completions", &EYES, &chat("LOOK", &[data(PNG), data(&other)]));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(shown(&scene, "LOOK"), [data(PNG), data(&other)]);
    assert_eq!(files(&scene), 0, "they go with the answer");
    let answer = service.post("/v1/responses", &EYES, &respond("WATCH", &data(PNG)));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(shown(&scene, "WATCH"), [data(PNG)]);
    let script = format!(
        "import OpenAI from 'openai';
         const client = new OpenAI({{ baseURL: process.env.BASE_URL, apiKey: process.env.TOKEN }});
         const answer = await client.chat.completions.create(
             {{ model: 'openclaw', messages: [{{ role: 'user', content: [
                 {{ type: 'text', text: 'STARE' }},
                 {{ type: 'image_url', image_url: {{ url: '{}', detail: 'low' }} }},
             ] }}] }},
             {{ headers: {{ 'x-openclaw-model': 'mock/eyes' }} }});
         console.log(JSON.stringify(answer.choices[0].message.content));",
        data(PNG)
    );
    let said = published(&service, "images.mjs", &script);
    assert_eq!(said, "you said STARE\n<media:image>");
    assert_eq!(shown(&scene, "STARE"), [data(PNG)]);
    service.process.stop();
}

#[test]
fn what_no_model_would_be_shown_is_refused() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let blind = service.post("/v1/chat/completions", &[], &chat("REFUSED", &[data(PNG)]));
    assert_eq!(
        (blind.status, blind.json()["error"]["code"].clone()),
        (400, json!("unsupported_content"))
    );
    let large = [PNG, &vec![0; 3_750_000]].concat();
    for (urls, code) in [
        (vec![data(PNG); 9], json!("too_many_images")),
        (vec![data(&large)], json!("image_too_large")),
        (vec![data(b"no picture")], Value::Null),
        (vec!["data:image/png;base64,???".into()], Value::Null),
        (vec!["file:///etc/passwd".into()], Value::Null),
        (vec!["https://example.org/a.png".into()], json!("image_not_fetched")),
    ] {
        assert_eq!(refused(&service, &chat("REFUSED", &urls)), (400, code.clone()), "{code}");
    }
    let whole = "x".repeat(21 * 1024 * 1024);
    let answer = service.post("/v1/chat/completions", &EYES, &chat(&whole, &[]));
    assert_eq!(answer.status, 413);
    assert_eq!((scene.model.asked("REFUSED"), files(&scene)), (0, 0));
    service.process.stop();
}

/// A server of pictures, and of what is none.
struct Gallery {
    address: SocketAddr,
    visits: Arc<Mutex<Vec<String>>>,
}

impl Gallery {
    fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, visits) =
            (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let book = visits.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, book) = (stream.unwrap(), book.clone());
                // Who is refused may leave in the middle.
                std::thread::spawn(move || drop(serve(stream, &book)));
            }
        });
        Self { address, visits }
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

fn serve(stream: TcpStream, book: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    book.lock().unwrap().push(path.clone());
    let head =
        |status: &str, more: &str| format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n");
    let (head, body) = match path.split_once('-') {
        Some(("hop", left)) if left != "0" => {
            let next = left.parse::<u32>().unwrap_or(1) - 1;
            (head("302 Found", &format!("location: /hop-{next}\r\n")), Vec::new())
        }
        Some(("big", _)) => (
            head("200 OK", "content-type: image/png\r\n"),
            [PNG, &vec![0; 11 * 1024 * 1024]].concat(),
        ),
        Some(("gone", _)) => (head("404 Not Found", "content-type: image/png\r\n"), PNG.to_vec()),
        Some(("text", _)) => (head("200 OK", "content-type: image/png\r\n"), b"hello".to_vec()),
        _ => (head("200 OK", "content-type: image/png\r\n"), PNG.to_vec()),
    };
    let mut stream = stream.into_inner();
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

#[test]
fn pictures_are_fetched_where_that_is_allowed_and_from_nowhere_else() {
    let gallery = Gallery::open();
    let with = |images: Value, hosts: Value| {
        let mut config = endpoints();
        config["gateway"]["http"]["endpoints"]["chatCompletions"]["images"] = images;
        config["tools"] = json!({"web": {"fetch": {"ssrfPolicy": {"allowedHostnames": hosts}}}});
        let scene = Scene::new(config);
        let service = scene.start();
        (scene, service)
    };
    // Switched on, and the guard still keeps it away from this machine.
    let (scene, service) = with(json!({"allowUrl": true}), json!([]));
    let looks = |path: &str| chat("REFUSED", &[gallery.at(path)]);
    assert_eq!(refused(&service, &looks("a-0")), (400, json!("image_not_fetched")));
    assert!(gallery.visits.lock().unwrap().is_empty());
    assert_eq!(scene.model.asked("REFUSED"), 0);
    service.process.stop();
    let (scene, service) = with(json!({"allowUrl": true}), json!(["127.0.0.1"]));
    for path in ["a-0", "hop-3"] {
        let answer = service.post("/v1/chat/completions", &EYES, &chat(path, &[gallery.at(path)]));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(shown(&scene, path), [data(PNG)], "{path}");
    }
    for path in ["hop-4", "big-0", "gone-0"] {
        let refused = refused(&service, &looks(path));
        assert_eq!(refused, (400, json!("image_not_fetched")), "{path}");
    }
    assert_eq!(refused(&service, &looks("text-0")), (400, Value::Null), "it is no picture");
    assert_eq!(scene.model.asked("REFUSED"), 0);
    service.process.stop();
    let listed = json!({"allowUrl": true, "urlAllowlist": ["*.example.org"]});
    let (_scene, service) = with(listed, json!(["127.0.0.1"]));
    let before = gallery.visits.lock().unwrap().len();
    assert_eq!(refused(&service, &looks("a-0")), (400, json!("image_not_fetched")));
    assert_eq!(gallery.visits.lock().unwrap().len(), before);
    service.process.stop();
}

/// A file on the shelf as large as all of it, without a byte on the disk.
fn fill(scene: &Scene) -> std::path::PathBuf {
    let folder = scene.home.state_dir().join("media/api");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("filler.png");
    std::fs::File::create(&path).unwrap().set_len(512 * 1024 * 1024).unwrap();
    path
}

/// Makes a file that much older than it is.
fn age(path: &std::path::Path, minutes: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - std::time::Duration::from_mins(minutes)).unwrap();
}

// L1: pictures fill a bounded place, and never that of a message that waits for its own.
#[test]
fn a_full_shelf_of_pictures_refuses_until_something_can_give_way() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let waiting = std::thread::scope(|scope| {
        let look = || service.post("/v1/chat/completions", &EYES, &chat("SLOW", &[data(PNG)]));
        let asking = scope.spawn(look);
        until("the model is asked", || (scene.model.asked("SLOW") == 1).then_some(()));
        let own = scene.home.state_dir().join("media/api");
        let own = std::fs::read_dir(own).unwrap().next().unwrap().unwrap().path();
        let filler = fill(&scene);
        age(&own, 60);
        let full = service.post("/v1/chat/completions", &EYES, &chat("REFUSED", &[data(PNG)]));
        assert_eq!(full.status, 507, "{full:?}");
        assert_eq!(full.json()["error"]["type"], "insufficient_storage", "{full:?}");
        assert_eq!(scene.model.asked("REFUSED"), 0);
        // Nobody waits for it: it gives way, and the older one that is waited for stays.
        age(&filler, 30);
        let answer = service.post("/v1/chat/completions", &EYES, &chat("LATER", &[data(PNG)]));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(own.exists() && !filler.exists());
        scene.model.release();
        asking.join().unwrap()
    });
    assert_eq!(waiting.status, 200, "{waiting:?}");
    assert_eq!(shown(&scene, "SLOW"), [data(PNG)]);
    assert_eq!(files(&scene), 0, "they go with the answer");
    service.process.stop();
}
