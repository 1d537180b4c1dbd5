//! Changing the config from afar: the file on the disk is what counts.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::client::{Client, serve};
use super::kit::{Home, Process};
use super::wire::Wire;

const CONFIG: &str = "{
  // the house
  models: { providers: { mock: { baseUrl: 'http://127.0.0.1:9/v1', apiKey: 'sk-very-secret',
    models: [{ id: 'm' }, { id: 'n' }] } } },
  agents: { defaults: { model: 'mock/m' } },
}";

struct Scene {
    home: Home,
    service: Process,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        home.configure(CONFIG);
        let service = home.start(&[]);
        Self { home, service }
    }

    fn call(&self, method: &str, params: &Value) -> Result<Value, String> {
        Wire::connect(&self.home.socket()).unwrap().call(method, params)
    }

    fn path(&self) -> PathBuf {
        self.home.state_dir().join("telson.json")
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn get(&self) -> Value {
        self.call("config.get", &json!({})).unwrap()
    }
}

#[test]
fn credentials_are_not_shown_and_not_written_over() {
    let scene = Scene::new();
    let got = scene.get();
    assert!(!got.to_string().contains("sk-very-secret"), "{got}");
    assert!(got["raw"].as_str().unwrap().contains("// the house"), "comments are shown");
    let raw = got["raw"].as_str().unwrap().replace("'mock/m'", "'mock/n'");
    let set = json!({"raw": raw, "baseHash": got["hash"]});
    let answer = scene.call("config.set", &set).unwrap();
    assert_eq!(answer["restart"]["required"], true);
    assert!(!answer.to_string().contains("sk-very-secret"));
    let file = scene.file();
    assert!(file.contains("sk-very-secret") && file.contains("mock/n"), "{file}");
    assert!(!file.contains("REDACTED"), "{file}");
    assert_eq!(scene.get()["hash"], answer["hash"]);

    let moved = json!({"agents": {"defaults": {"model": "mock/m"}}, "hooks": {"token": "__OPENCLAW_REDACTED__"}});
    let patch = json!({"raw": moved.to_string(), "baseHash": answer["hash"]});
    let error = scene.call("config.patch", &patch).unwrap_err();
    assert!(error.contains("hooks.token"), "{error}");
    assert_eq!(scene.file(), file);
    scene.service.stop();
}

// Keys of providers' profiles have a plain name, and comments may hold what stood there before.
#[tokio::test]
async fn who_may_only_look_sees_neither_keys_nor_comments() {
    let home = Home::new();
    let config = "{
  // the old one was sk-in-a-comment
  auth: { profiles: { 'mock:one': { provider: 'mock', mode: 'api_key', key: 'sk-of-a-profile' } } },
  models: { providers: { mock: { baseUrl: 'http://127.0.0.1:9/v1', models: [{ id: 'm' }] } } },
  cron: { failureAlert: { mode: 'webhook', to: 'https://alerts.test/sk-of-an-alert' }, jobs: [
    { id: 'j', schedule: { kind: 'every', everyMs: 86400000 },
      name: '/usr/bin/curl -H Authorization: Bearer sk-of-a-command',
      payload: { kind: 'command', argv: ['/usr/bin/curl', '-H', 'Authorization: Bearer sk-of-a-command'] },
      delivery: { mode: 'webhook', to: 'https://hooks.test/sk-of-a-webhook' } } ] },
}";
    let (service, port) = serve(&home, config);
    let wish = json!({"role": "operator", "scopes": ["operator.read"]});
    let mut reader = Client::connect(port, "ui", "reader", &wish).await;
    let shown = reader.call("config.get", &json!({})).await.unwrap();
    let text = shown.to_string();
    let secrets = [
        "sk-of-a-profile",
        "sk-in-a-comment",
        "sk-of-an-alert",
        "sk-of-a-command",
        "sk-of-a-webhook",
    ];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains("https://hooks.test/__"), "where it goes is shown: {text}");
    let listed = reader.call("cron.list", &json!({})).await.unwrap();
    assert!(!listed.to_string().contains("sk-of-"), "{listed}");
    let argv = &listed["jobs"][0]["payload"]["argv"];
    assert_eq!((&argv[0], argv.as_array().unwrap().len()), (&json!("/usr/bin/curl"), 3));
    let sought = reader.call("cron.list", &json!({"query": "bearer"})).await.unwrap();
    assert_eq!(sought["total"], 0, "what is not shown is not found: {sought}");
    let raw = shown["raw"].as_str().unwrap();
    assert!(raw.contains("mock:one") && raw.contains("REDACTED"), "the rest is shown: {raw}");
    let mut owner = Client::operator(port, "ui", "owner").await;
    let shown = owner.call("config.get", &json!({})).await.unwrap();
    assert!(shown["raw"].as_str().unwrap().contains("sk-in-a-comment"), "who may write it sees it");
    assert!(!shown.to_string().contains("sk-of-a-profile"), "{shown}");
    assert!(shown.to_string().contains("sk-of-a-command"), "its owner sees it: {shown}");
    service.stop();
}

#[test]
fn only_who_has_seen_the_file_changes_it() {
    let scene = Scene::new();
    let raw = "{agents: {defaults: {model: 'mock/n'}}}";
    let error = scene.call("config.patch", &json!({"raw": raw})).unwrap_err();
    assert!(error.contains("base hash required"), "{error}");
    let hash = scene.get()["hash"].clone();
    std::fs::write(scene.path(), format!("{CONFIG} // by hand")).unwrap();
    let error = scene.call("config.patch", &json!({"raw": raw, "baseHash": hash})).unwrap_err();
    assert!(error.contains("config changed"), "{error}");
    assert!(scene.file().ends_with("// by hand"));
    let hash = scene.get()["hash"].clone();
    scene.call("config.patch", &json!({"raw": raw, "baseHash": hash})).unwrap();
    let parsed = &scene.get()["parsed"];
    assert_eq!(parsed["agents"]["defaults"]["model"], "mock/n");
    assert_eq!(parsed["models"]["providers"]["mock"]["models"], json!([{"id": "m"}, {"id": "n"}]));
    scene.service.stop();
}

#[test]
fn what_the_service_could_not_start_with_is_not_written() {
    let scene = Scene::new();
    let hash = scene.get()["hash"].clone();
    let patch = |raw: &str, more: Value| {
        let mut params = json!({"raw": raw, "baseHash": hash});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        scene.call("config.patch", &params).unwrap_err()
    };
    let before = scene.file();
    for (raw, part) in [
        ("{agents: {defaults: {modle: 'x'}}}", "modle"),
        ("{agents: {defaults: {model: 'nobody/x'}}}", "nobody"),
        ("{models: {providers: {mock: {models: [{id: 'm'}]}}}}", "models.providers.mock.models"),
        ("{models: 'x'", "JSON5"),
    ] {
        let error = patch(raw, json!({}));
        assert!(error.contains(part), "{raw}: {error}");
        assert_eq!(scene.file(), before, "{raw}");
    }
    let error = scene.call("config.set", &json!({"raw": "{}", "baseHash": hash})).unwrap_err();
    assert!(error.contains("less than half"), "{error}");
    assert_eq!(scene.file(), before);
    let shorter = json!({"raw": "{models: {providers: {mock: {models: [{id: 'm'}]}}}}",
        "baseHash": hash, "replacePaths": ["models.providers.*.models"]});
    scene.call("config.patch", &shorter).unwrap();
    scene.service.stop();
}

#[test]
fn a_minute_has_room_for_thirty_changes() {
    let scene = Scene::new();
    let error = (0..31)
        .map(|_| scene.call("config.set", &json!({"raw": "{}"})).unwrap_err())
        .last()
        .unwrap();
    assert!(error.contains("UNAVAILABLE") && error.contains("retryAfterMs"), "{error}");
    scene.service.stop();
}
