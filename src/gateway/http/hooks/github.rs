//! Webhooks of GitHub: who signed them, and what they say. Pure.
//!
//! What is checked: `X-Hub-Signature-256`, an HMAC over the exact bytes of the body, compared in
//! constant time; and `X-GitHub-Delivery`, under which the same delivery is taken once within the
//! dedupe window. The signature does not cover the delivery's id: who has seen a signed body could
//! send it again under another id.

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::template::{Source, fill};

/// Lines of a message; those without anything to say are left out.
const LINES: [(&str, &str); 12] = [
    ("event", "{{headers.x-github-event}} {{action}}"),
    ("repository", "{{repository.full_name}}"),
    ("by", "{{sender.login}}"),
    ("ref", "{{ref}}"),
    ("issue", "{{issue.title}} {{issue.html_url}}"),
    ("pull request", "{{pull_request.title}} {{pull_request.html_url}}"),
    ("comment", "{{comment.body}} {{comment.html_url}}"),
    ("review", "{{review.state}} {{review.body}}"),
    ("release", "{{release.name}} {{release.html_url}}"),
    ("head commit", "{{head_commit.message}}"),
    ("compare", "{{compare}}"),
    ("conclusion", "{{workflow_run.name}} {{workflow_run.conclusion}}"),
];

/// Whether `header` (`sha256=<hex>`) is the signature of these bytes.
pub(super) fn is_signed(secret: &str, body: &[u8], header: Option<&str>) -> bool {
    let Some(stated) = header.and_then(|header| unhex(header.strip_prefix("sha256=")?)) else {
        return false;
    };
    if secret.is_empty() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(body);
    // In constant time.
    mac.verify_slice(&stated).is_ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let pairs = (0..32).map(|nth| text.get(2 * nth..2 * nth + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// The message of an event.
pub(super) fn message(source: &Source<'_>) -> String {
    let lines = LINES.iter().filter_map(|(label, template)| {
        let text = fill(template, source).trim().to_owned();
        (!text.is_empty()).then(|| format!("{label}: {text}"))
    });
    let commits = source.payload.get("commits").and_then(Value::as_array);
    let commits = commits.map(Vec::as_slice).unwrap_or_default().iter().take(20);
    let commits = commits.filter_map(|commit| {
        let text = commit.get("message").and_then(Value::as_str)?;
        Some(format!("commit: {}", text.lines().next().unwrap_or_default()))
    });
    lines.chain(commits).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // The example of GitHub's own documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn only_the_right_signature_of_these_bytes_counts() {
        assert!(is_signed(SECRET, BODY, Some(SIGNATURE)));
        assert!(!is_signed(SECRET, b"Hello, World?", Some(SIGNATURE)));
        assert!(!is_signed("another", BODY, Some(SIGNATURE)));
        assert!(!is_signed("", BODY, Some(SIGNATURE)));
        assert!(!is_signed(SECRET, BODY, None));
        for wrong in
            ["", "sha256=", "sha1=757107ea", &SIGNATURE[..70], "sha256=zz", &SIGNATURE[7..]]
        {
            assert!(!is_signed(SECRET, BODY, Some(wrong)), "{wrong}");
        }
        let long = format!("{SIGNATURE}00");
        assert!(!is_signed(SECRET, BODY, Some(&long)));
    }

    #[test]
    fn an_event_says_what_it_has_to_say() {
        let payload = json!({
            "action": "opened",
            "repository": {"full_name": "a/b"},
            "sender": {"login": "anna"},
            "issue": {"title": "It breaks", "html_url": "https://github.test/a/b/1"},
            "commits": [{"message": "one\ntwo"}],
        });
        let headers = json!({"x-github-event": "issues"});
        let source = Source { payload: &payload, headers: &headers, path: "github" };
        assert_eq!(
            message(&source),
            "event: issues opened\nrepository: a/b\nby: anna\nissue: It breaks \
             https://github.test/a/b/1\ncommit: one"
        );
    }
}
