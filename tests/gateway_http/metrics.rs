//! `GET /api/diagnostics/prometheus`: the text is as it must be, and the figures are right.

use serde_json::json;

use super::kit::{HOOK_TOKEN, Scene, Service, endpoints};
use super::openmetrics::Metrics;
use super::service_kit::until;

fn scrape(service: &Service) -> Metrics {
    let answer = service.get_as_operator("/api/diagnostics/prometheus");
    assert_eq!(answer.status, 200, "{answer:?}");
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    Metrics::read(&answer.body)
}

#[test]
fn the_figures_are_those_of_what_has_happened() {
    let mut config = endpoints();
    config["hooks"] = json!({"enabled": true, "token": HOOK_TOKEN});
    let scene = Scene::new(config);
    let service = scene.start();
    assert_eq!(service.get("/api/diagnostics/prometheus").status, 401);
    let before = scrape(&service);
    assert_eq!(before.value("telson_messages_admitted_total"), 0.0);
    let ask = |text: &str| {
        let messages = json!([{"role": "user", "content": text}]);
        let body = json!({"model": "openclaw", "messages": messages});
        service.post("/v1/chat/completions", &[], &body).status
    };
    assert_eq!((0..3).map(|nth| ask(&format!("{nth}"))).collect::<Vec<_>>(), [200, 200, 200]);
    assert_eq!(ask("FAIL"), 502);
    assert_eq!(service.hook("agent", &[], &json!({"message": "x"})).status, 200);
    service.process.idle();
    let now = until("everything is counted", || {
        let now = scrape(&service);
        // The last of them is the webhook's, which nobody waits for.
        let turns = now.series("telson_turns_total");
        let is_all = turns.iter().any(|series| now.value(series) >= 4.0);
        is_all.then_some(now)
    });
    for (series, value) in [
        ("telson_messages_admitted_total", 5.0),
        ("telson_turns_total{outcome=\"answered\"}", 4.0),
        ("telson_turn_duration_seconds_count", 4.0),
        ("telson_answer_latency_seconds_count", 4.0),
        ("telson_dead_lettered_total", 1.0),
        ("telson_dead_letters", 1.0),
        ("telson_messages_waiting", 0.0),
        ("telson_outbox_waiting", 0.0),
        ("telson_admitting", 1.0),
        ("telson_provider_calls_total{provider=\"mock\",outcome=\"ok\"}", 4.0),
        ("telson_provider_call_duration_seconds_count{provider=\"mock\"}", 5.0),
        ("telson_channel_up{channel=\"webchat\",account=\"default\"}", 1.0),
        ("telson_http_requests_total{route=\"/v1/chat/completions\",status=\"200\"}", 3.0),
        ("telson_http_requests_total{route=\"/v1/chat/completions\",status=\"502\"}", 1.0),
        ("telson_http_requests_total{route=\"/hooks/{name}\",status=\"200\"}", 1.0),
    ] {
        assert_eq!(now.value(series), value, "{series}");
    }
    assert!(now.value("telson_store_commits_total") > before.value("telson_store_commits_total"));
    if cfg!(target_os = "linux") {
        let resident = now.value("process_resident_memory_bytes");
        assert!((1e6..2e9).contains(&resident), "{resident}");
        assert!(now.value("process_open_fds") > 3.0);
    }
    service.process.stop();
}

#[test]
fn nobody_outside_can_make_new_series() {
    let scene = Scene::new(json!({}));
    let service = scene.start();
    service.get("/first");
    let before = scrape(&service).series("telson_http_requests_total").len();
    for nth in 0..40 {
        assert_eq!(service.get(&format!("/made/up/{nth}")).status, 404);
        service.send(&format!("MADEUP{nth}"), "/first", &[], "");
    }
    let now = scrape(&service);
    assert_eq!(now.value("telson_http_requests_total{route=\"other\",status=\"404\"}"), 81.0);
    // The look before is there now.
    assert!(now.series("telson_http_requests_total").len() <= before + 1);
    service.process.stop();
}
