//! Pictures and documents that people send: shown to models that see them, named for the others.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use telson::Engine;
use telson::actors::clock::{Clock, Timestamp};
use telson::actors::context::Inputs;
use telson::actors::message::{Attachment, Inbound};
use telson::actors::provider::{Completion, Failure, Part, Provider, Request, TextSink};
use telson::actors::session::AgentProfile;
use telson::actors::store::MemoryBackend;
use telson::config::parse;
use telson::supervision::Dice;

use crate::mock::{APIS, Api, Mock};
use crate::support::{Platform, account, builder, direct, idle};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";
const PNG_64: &str = "iVBORw0KGgpub3QgbXVjaCBvZiBhIHBpY3R1cmU=";
const PDF: &[u8] = b"%PDF-1.7 hardly a page";
const PDF_64: &str = "JVBERi0xLjcgaGFyZGx5IGEgcGFnZQ==";

async fn start(platform: &Platform, mock: &Mock, inputs: Inputs) -> Engine {
    let agent = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 1000,
    };
    builder(platform)
        .agent("main", agent)
        .provider("model", mock.client())
        .context(|context| {
            context.inputs.insert("model/*".into(), inputs);
        })
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap()
}

fn file(dir: &Path, name: &str, media_type: &str, bytes: &[u8]) -> Attachment {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    let path = Some(path.to_str().unwrap().to_owned());
    let bytes = u64::try_from(bytes.len()).unwrap();
    Attachment { media_type: media_type.into(), name: name.into(), path, bytes }
}

fn with(id: &str, text: &str, attachments: Vec<Attachment>) -> Inbound {
    Inbound { attachments, ..direct(id, "anna", text) }
}

fn picture_and_page(dir: &Path) -> Vec<Attachment> {
    let (picture, page) = ("image/png", "application/pdf");
    vec![file(dir, "cat.png", picture, PNG), file(dir, "page.pdf", page, PDF)]
}

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(100)).await;
}

fn body(mock: &Mock) -> Value {
    serde_json::from_str(&mock.books().pop().unwrap().body).unwrap()
}

/// Picture and page as each provider takes them, and where in its request.
fn expected(api: Api) -> (&'static str, Vec<Value>) {
    let (png, pdf) = (
        format!("data:image/png;base64,{PNG_64}"),
        format!("data:application/pdf;base64,{PDF_64}"),
    );
    let block = |kind: &str, media: &str, data: &str| json!({"type": kind, "source": {"type": "base64", "media_type": media, "data": data}});
    let inline = |media: &str, data: &str| json!({"inlineData": {"mimeType": media, "data": data}});
    let item = |content: Value| json!({"type": "message", "role": "user", "content": [content]});
    match api {
        Api::OpenAi => (
            "/messages/0/content",
            vec![
                json!({"type": "text", "text": "Look"}),
                json!({"type": "image_url", "image_url": {"url": png}}),
                json!({"type": "file", "file": {"filename": "page.pdf", "file_data": pdf}}),
            ],
        ),
        Api::Responses => (
            "/input",
            vec![
                item(json!({"type": "input_text", "text": "Look"})),
                item(json!({"type": "input_image", "image_url": png})),
                item(json!({"type": "input_file", "filename": "page.pdf", "file_data": pdf})),
            ],
        ),
        Api::Anthropic => (
            "/messages/0/content",
            vec![
                json!({"type": "text", "text": "Look"}),
                block("image", "image/png", PNG_64),
                block("document", "application/pdf", PDF_64),
            ],
        ),
        Api::Gemini => (
            "/contents/0/parts",
            vec![
                json!({"text": "Look"}),
                inline("image/png", PNG_64),
                inline("application/pdf", PDF_64),
            ],
        ),
        Api::Ollama => ("/messages/0/images", vec![json!(PNG_64)]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_provider_is_shown_files_in_its_own_format_in_their_turn_only() {
    for api in APIS {
        let (platform, mock) = (Platform::new(), Mock::start(api, 1_000_000));
        let dir = tempfile::tempdir().unwrap();
        let inputs = Inputs::default().images();
        let inputs = if api == Api::Ollama { inputs } else { inputs.documents() };
        let engine = start(&platform, &mock, inputs).await;
        engine.inject(with("1", "Look", picture_and_page(dir.path()))).await.unwrap();
        idle(&engine).await;
        let (place, parts) = expected(api);
        let asked = body(&mock);
        assert_eq!(asked.pointer(place), Some(&Value::Array(parts)), "{api:?}: {asked}");
        engine.inject(direct("2", "anna", "And now?")).await.unwrap();
        idle(&engine).await;
        let later = body(&mock).to_string();
        assert!(later.contains("Look") && !later.contains(PNG_64), "{api:?}: {later}");
        assert_eq!(platform.sent_to("anna").len(), 2, "{api:?}");
        stop(engine).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_is_not_shown_is_named_with_the_reason() {
    let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, 10_000_000));
    let dir = tempfile::tempdir().unwrap();
    let engine = start(&platform, &mock, Inputs::default().images()).await;
    let mut large = PNG.to_vec();
    large.resize(4_000_000, 0);
    let mut files = picture_and_page(dir.path());
    files.push(file(dir.path(), "wall.png", "image/png", &large));
    files.push(Attachment { path: Some("/gone/sea.png".into()), ..files[0].clone() });
    files.push(Attachment { path: None, name: "late.png".into(), ..files[0].clone() });
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = Some(pipe.to_str().unwrap().to_owned());
    files.push(Attachment { path: pipe, name: "pipe.png".into(), ..files[0].clone() });
    engine.inject(with("1", "Look", files)).await.unwrap();
    idle(&engine).await;
    let asked = body(&mock);
    let text = asked.pointer("/messages/0/content/0/text").and_then(Value::as_str).unwrap();
    for line in [
        "[page.pdf (application/pdf) was sent along and is not shown: application/pdf is no format",
        "[wall.png (image/png) was sent along and is not shown: it is larger than 3 MB]",
        "[cat.png (image/png) was sent along and is not shown: its file is not there any more]",
        "[late.png (image/png) was sent along and is not shown: its file has not arrived on this",
        "[pipe.png (image/png) was sent along and is not shown: it is no regular file]",
    ] {
        assert!(text.contains(line), "{line} is in {text}");
    }
    assert_eq!(asked.pointer("/messages/0/content").and_then(Value::as_array).unwrap().len(), 2);
    stop(engine).await;

    // A model of words is told of them; one placeholder is enough.
    let engine = start(&platform, &mock, Inputs::default()).await;
    engine.inject(with("1", "Look", picture_and_page(dir.path()))).await.unwrap();
    idle(&engine).await;
    let said = body(&mock).pointer("/messages/0/content").cloned().unwrap();
    let line = "[cat.png (image/png) was sent along and is not shown: this model sees text only]";
    assert!(said.as_str().unwrap().contains(line), "{said}");
    stop(engine).await;
    let engine = start(&platform, &mock, Inputs::default()).await;
    engine.inject(with("1", "<media:image>", picture_and_page(dir.path()))).await.unwrap();
    idle(&engine).await;
    assert_eq!(body(&mock).pointer("/messages/0/content"), Some(&json!("<media:image>")));
    stop(engine).await;
}

/// A model that never answers and notes how many files each call shows it.
#[derive(Default)]
struct Silent(Mutex<Vec<usize>>);

impl Provider for Silent {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let media = request.messages.iter().flat_map(|message| &message.parts);
        let media = media.filter(|part| matches!(part, Part::Media(_))).count();
        self.0.lock().unwrap().push(media);
        Box::pin(std::future::pending())
    }
}

// D7: whoever asks whether a question is still asked asks the same one, though its file is gone.
#[tokio::test(start_paused = true)]
async fn a_file_that_vanishes_while_the_model_is_asked_costs_no_second_call() {
    let (platform, silent) = (Platform::new(), Arc::new(Silent::default()));
    let dir = tempfile::tempdir().unwrap();
    let agent = AgentProfile {
        provider: "silent".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 1000,
    };
    let engine = builder(&platform)
        .agent("main", agent)
        .provider("silent", silent.clone())
        .context(|context| {
            context.inputs.insert("silent/m".into(), Inputs::default().images());
        })
        .determined_by(Clock::virtual_from(Timestamp(0)), Dice::seeded(1))
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    let files = vec![picture_and_page(dir.path()).remove(0)];
    engine.inject(with("1", "Look", files)).await.unwrap();
    while silent.0.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    std::fs::remove_file(dir.path().join("cat.png")).unwrap();
    // A session that hears nothing asks every five seconds.
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(*silent.0.lock().unwrap(), [1], "the same call still counts");
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_says_what_a_model_sees_and_whose_files_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let shown = async |input: Value| {
        let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, 1_000_000));
        let mut model = json!({"id": "m"});
        if !input.is_null() {
            model["input"] = input;
        }
        let config = json!({
            "agents": {"defaults": {"model": "lab/m"}},
            "models": {"providers": {"lab": {"baseUrl": mock.url(), "models": [model]}}},
        });
        drop(rustls::crypto::ring::default_provider().install_default());
        let loaded = parse(&config.to_string(), "c.json", &|_| None).unwrap();
        assert_eq!(loaded.warnings, [""; 0]);
        let engine = telson::assemble(&loaded.config, &|_| None)
            .unwrap()
            .builder
            .channel(account(), Arc::new(platform.clone()), None, crate::support::open_access())
            .backend(Arc::new(MemoryBackend::new()))
            .start()
            .await
            .unwrap();
        engine.inject(with("1", "Look", picture_and_page(dir.path()))).await.unwrap();
        idle(&engine).await;
        stop(engine).await;
        let asked = body(&mock).to_string();
        (asked.contains(PNG_64), asked.contains(PDF_64))
    };
    assert_eq!(shown(Value::Null).await, (false, false), "nobody knows what it sees");
    assert_eq!(shown(json!(["text"])).await, (false, false));
    assert_eq!(shown(json!(["text", "image"])).await, (true, false));
    assert_eq!(shown(json!(["text", "image", "document", "audio"])).await, (true, true));
}
