//! What of a job is for those who may change it.

use serde_json::json;

use crate::kit::Gateway;

#[tokio::test]
async fn who_may_only_read_sees_no_secret_of_a_job() {
    let gateway = Gateway::start();
    let job = json!({
        "id": "j", "schedule": {"kind": "every", "everyMs": 86_400_000},
        "payload": {"kind": "command", "argv": ["/bin/true"], "env": {"KEY": "secret-a"}},
        "delivery": {"mode": "webhook", "to": "https://hooks.test/secret-b?k=secret-c"},
    });
    let mut owner = gateway.owner().await;
    let mut reader = gateway.operator(&["operator.read"]).await;
    owner.call("cron.add", job).await.unwrap();
    let told = reader.event("cron").await;
    assert!(told.to_string().contains("hooks.test"), "{told}");
    assert!(!told.to_string().contains("secret-"), "{told}");
    for (method, params) in [("cron.list", json!({})), ("cron.get", json!({"id": "j"}))] {
        let seen = reader.call(method, params.clone()).await.unwrap().to_string();
        assert!(seen.contains("hooks.test") && !seen.contains("secret-"), "{method}: {seen}");
        let own = owner.call(method, params).await.unwrap().to_string();
        for secret in ["secret-a", "secret-b", "secret-c"] {
            assert!(own.contains(secret), "{method}: {own}");
        }
    }
    // What is written back as it was shown stays what it was.
    let shown = reader.call("cron.get", json!({"id": "j"})).await.unwrap();
    let patch = json!({"payload": shown["payload"], "delivery": shown["delivery"]});
    owner.call("cron.update", json!({"id": "j", "patch": patch})).await.unwrap();
    let own = owner.call("cron.get", json!({"id": "j"})).await.unwrap();
    assert_eq!(own["payload"]["env"]["KEY"], "secret-a", "{own}");
    assert_eq!(own["delivery"]["to"], "https://hooks.test/secret-b?k=secret-c", "{own}");
}
