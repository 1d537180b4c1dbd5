//! The route of a path, as a label: one of a few words, whatever is asked. Pure.

/// Paths that are their own label.
const EXACT: [&str; 12] = [
    "/",
    "/api/diagnostics/prometheus",
    "/health",
    "/healthz",
    "/ready",
    "/readyz",
    "/startup",
    "/startupz",
    "/tools/invoke",
    "/v1/chat/completions",
    "/v1/models",
    "/v1/responses",
];

/// The label of a path. `hooks` is where webhooks are, if anywhere.
pub(super) fn of(path: &str, hooks: Option<&str>) -> &'static str {
    if let Some(known) = EXACT.into_iter().find(|known| *known == path) {
        return known;
    }
    let below = |base: &str| path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
    if below("/v1/models") {
        "/v1/models/{id}"
    } else if hooks.is_some_and(below) {
        "/hooks/{name}"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn every_path_has_one_of_a_few_labels() {
        assert_eq!(of("/healthz", None), "/healthz");
        assert_eq!(of("/v1/models/openclaw/x", None), "/v1/models/{id}");
        assert_eq!(of("/in/github", Some("/in")), "/hooks/{name}");
        assert_eq!(of("/inside", Some("/in")), "other");
        assert_eq!(of("/hooks/wake", None), "other");
        assert_eq!(of("/v1/modelsx", None), "other");
    }
}
