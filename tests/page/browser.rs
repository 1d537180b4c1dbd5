//! A real browser without a window, driven over its own protocol: it clicks where a person would.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long anything may take before the test fails. Far above what is normal, because test
/// machines are busy.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks at the page.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The names the browser goes by, where it is installed.
const PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];

/// One tab of a browser of its own.
pub(crate) struct Browser {
    child: Child,
    wire: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    asked: u64,
    /// What the page has opened: addresses of requests and sockets.
    opened: Vec<String>,
    /// What the page has said over its sockets.
    said: Vec<String>,
    /// What went wrong in the page: refused by its policy, or thrown and not caught.
    wrongs: Vec<String>,
    _profile: TempDir,
}

/// The browser of this machine. Where there is none the test can't be done: that is a failure on a
/// build machine, and said aloud elsewhere.
pub(crate) fn program() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let found = named.or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
        PROGRAMS
            .iter()
            .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)))
            .find(|path| path.exists())
    });
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no Chromium here; `apt-get install chromium`");
        eprintln!(
            "SKIPPED: the page was NOT tested: no Chromium here; install it, or name it in CHROMIUM"
        );
    }
    found
}

impl Browser {
    pub(crate) async fn start(program: &Path) -> Self {
        let profile = tempfile::Builder::new().prefix("telson-page-").tempdir().unwrap();
        let mut command = Command::new(program);
        command.args(["--headless=new", "--remote-debugging-port=0", "--no-first-run"]);
        command.args([
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
        ]);
        if rustix::process::getuid().is_root() {
            command.arg("--no-sandbox");
        }
        let child = command
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = debugger(&profile.path().join("DevToolsActivePort")).await;
        let (wire, _) = connect_async(&url).await.unwrap();
        let mut browser = Self {
            child,
            wire,
            session: String::new(),
            asked: 0,
            opened: Vec::new(),
            said: Vec::new(),
            wrongs: Vec::new(),
            _profile: profile,
        };
        let tab = browser.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": tab["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Network.enable", "Log.enable"] {
            browser.call(domain, json!({})).await;
        }
        browser
    }

    /// One command; answers its result.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let mut frame = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            frame["sessionId"] = json!(self.session);
        }
        self.wire.send(Message::text(frame.to_string())).await.unwrap();
        let answer = timeout(PATIENCE, async {
            loop {
                let message = self.wire.next().await.expect("the browser lives").unwrap();
                let Message::Text(text) = message else { continue };
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["id"] == id {
                    return frame;
                }
                self.note(&frame);
            }
        });
        let answer = answer.await.unwrap_or_else(|_| panic!("{method}: the browser hangs"));
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    fn note(&mut self, frame: &Value) {
        let at = |pointer: &str| frame.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        match frame["method"].as_str() {
            Some("Network.requestWillBeSent") => self.opened.extend(at("/params/request/url")),
            Some("Network.webSocketCreated") => self.opened.extend(at("/params/url")),
            Some("Network.webSocketFrameSent") => {
                self.said.extend(at("/params/response/payloadData"));
            }
            Some("Runtime.exceptionThrown") => {
                self.wrongs.push(frame["params"]["exceptionDetails"].to_string());
            }
            Some("Log.entryAdded") if frame["params"]["entry"]["source"] == "security" => {
                self.wrongs.extend(at("/params/entry/text"));
            }
            _ => {}
        }
    }

    /// Goes to an address.
    pub(crate) async fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url})).await;
    }

    /// What an expression is in the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The text of an element as a person sees it; nothing if it is not there or not shown.
    pub(crate) async fn text(&mut self, selector: &str) -> String {
        let script = format!(
            "(() => {{ const e = document.querySelector({selector:?});
               return e && e.checkVisibility() ? e.innerText : ''; }})()"
        );
        self.value(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.value(&format!("Boolean({expression})")).await != true {
            if Instant::now() > end {
                let page = self.value("document.body?.innerText").await;
                panic!("still waiting for {expression} on:\n{page}\nwrongs: {:#?}", self.wrongs);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until an element shows a text.
    pub(crate) async fn shows(&mut self, selector: &str, text: &str) {
        self.until(&format!(
            "Array.from(document.querySelectorAll({selector:?})).some((e) =>
               e.checkVisibility() && e.innerText.includes({text:?}))"
        ))
        .await;
    }

    /// Clicks into the middle of the first shown element with this text.
    pub(crate) async fn click(&mut self, selector: &str, text: &str) {
        self.shows(selector, text).await;
        let script = format!(
            "(() => {{ const e = Array.from(document.querySelectorAll({selector:?})).find((e) =>
                 e.checkVisibility() && e.innerText.includes({text:?}));
               e.scrollIntoView({{block: 'center', behavior: 'instant'}});
               const r = e.getBoundingClientRect();
               return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        let at = self.value(&script).await;
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({
                "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", params).await;
        }
    }

    /// Types into what has the focus.
    pub(crate) async fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Presses a key that has no text of its own, or Enter.
    pub(crate) async fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
            });
            if key == "Enter" {
                params["text"] = json!("\r");
            }
            self.call("Input.dispatchKeyEvent", params).await;
        }
    }

    /// As on a screen of this width.
    pub(crate) async fn resize(&mut self, width: u32, height: u32) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.call("Emulation.setDeviceMetricsOverride", params).await;
    }

    /// As on a system that is light or dark.
    pub(crate) async fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Keeps a picture of the page.
    pub(crate) async fn picture(&mut self, name: &str) {
        use base64::Engine;
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"})).await;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-artifacts");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), bytes).unwrap();
    }

    /// Everything the page has opened so far.
    pub(crate) fn opened(&self) -> &[String] {
        &self.opened
    }

    /// What the page has said over its sockets so far.
    pub(crate) fn said(&self) -> &[String] {
        &self.said
    }

    /// What has gone wrong so far.
    pub(crate) fn wrongs(&self) -> &[String] {
        &self.wrongs
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already, and a failing test must not fail twice.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where the browser is driven, once it says so.
async fn debugger(file: &Path) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n') {
            return format!("ws://127.0.0.1:{port}{}", path.trim());
        }
        assert!(Instant::now() < end, "the browser does not start");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
