//! SIGKILL between the acknowledgement and the answer: nothing is lost, and nothing doubled.

use serde_json::json;

use super::kit::{HOOK_TOKEN, Scene, endpoints};
use super::service_kit::until;

fn scene() -> Scene {
    let mut config = endpoints();
    config["hooks"] = json!({"enabled": true, "token": HOOK_TOKEN});
    Scene::new(config)
}

#[test]
fn webhooks_that_were_acknowledged_are_answered_once_over_three_kills() {
    let scene = scene();
    let key = |nth: usize| format!("order-{nth}-end");
    let body = |nth: usize| json!({"message": format!("SLOW order-{nth}-end")});
    let mut runs = Vec::new();
    for life in 0..3 {
        let service = scene.start();
        for nth in 0..2 * (life + 1) {
            let answer = service.hook("agent", &[("idempotency-key", &key(nth))], &body(nth));
            assert_eq!(answer.status, 200, "{answer:?}");
            let (run, is_new) = (answer.json()["runId"].clone(), nth >= 2 * life);
            assert_eq!(answer.json()["duplicate"], !is_new, "life {life}, order {nth}");
            if is_new {
                runs.push(run);
            } else {
                assert_eq!(run, runs[nth], "the same message as before");
            }
        }
        let last = key(2 * life);
        until("the model is asked", || (scene.model.asked(&last) >= 1).then_some(()));
        assert_eq!(scene.model.answered("order"), 0);
        service.process.kill();
    }
    let service = scene.start();
    scene.model.release();
    service.process.idle();
    for nth in 0..6 {
        let answer = service.hook("agent", &[("idempotency-key", &key(nth))], &body(nth));
        assert_eq!(answer.json()["duplicate"], true);
    }
    service.process.idle();
    let journeys = |text: &str| {
        service.process.call("telson.why", &json!({"query": text}))["journeys"].clone()
    };
    for nth in 0..6 {
        let told = journeys(&format!("SLOW {}", key(nth)));
        assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
        assert_eq!(told[0]["state"], "answered", "{told}");
    }
    // Answers that a killed life was still reading were finished for nobody when it was released.
    let taken = (0..6).map(|nth| scene.model.answered(&key(nth)));
    assert!(taken.into_iter().all(|answered| answered >= 1));
    service.process.stop();
}

#[test]
fn a_request_to_the_api_is_answered_under_its_key_after_a_kill() {
    let scene = scene();
    let body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "SLOW deed"}]});
    let key = [("idempotency-key", "deed")];
    let service = scene.start();
    std::thread::scope(|scope| {
        // Its connection ends with the service.
        let asking = scope.spawn(|| {
            let mut stream = service.connect();
            let token = format!("Bearer {}", super::kit::TOKEN);
            let headers = [("authorization", token.as_str()), key[0]];
            let text =
                super::kit::request("POST", "/v1/chat/completions", &headers, &body.to_string());
            std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
            let mut rest = Vec::new();
            drop(std::io::Read::read_to_end(&mut stream, &mut rest));
            rest
        });
        until("the model is asked", || (scene.model.asked("SLOW deed") == 1).then_some(()));
        service.process.signal(rustix::process::Signal::KILL);
        assert!(!String::from_utf8_lossy(&asking.join().unwrap()).contains("ended"));
    });
    let service = scene.start();
    until("the turn goes on", || (scene.model.asked("SLOW deed") == 2).then_some(()));
    scene.model.release();
    for _ in 0..3 {
        let answer = service.post("/v1/chat/completions", &key, &body);
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "begun ended", "{answer:?}");
    }
    assert_eq!(scene.model.asked("SLOW deed"), 2, "once in each life, and for no repeat");
    let told = service.process.call("telson.why", &json!({"query": "SLOW deed"}));
    assert_eq!(told["journeys"].as_array().map(Vec::len), Some(1));
    service.process.stop();
}
