//! The page for people: plain HTML, style and modules out of the program itself.
//!
//! Nobody else's code or pages get near it: nothing inline, nothing from elsewhere, no frames. It
//! holds no secret: whoever uses it brings the token.

use axum::extract::Path;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::hex::hex;

#[derive(RustEmbed)]
#[folder = "src/gateway/page/"]
struct Assets;

const SECURITY: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    // Another version of the program has another page; asking again costs little.
    ("cache-control", "no-cache"),
];

/// The page itself.
pub(super) fn index(headers: &HeaderMap) -> Response {
    serve("index.html", headers)
}

/// What it is made of.
pub(super) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&path, &headers)
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Assets::get(path) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let digest = hex(&file.metadata.sha256_hash()[..16]);
    let tag = format!("\"{digest}\"");
    let is_known =
        headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, kind(path))], file.data).into_response()
    };
    for (name, value) in SECURITY {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::{Assets, kind};

    /// Everything is loaded by its own address: nothing inline, nothing of another host.
    #[test]
    fn the_page_is_whole_and_its_own() {
        let files: Vec<_> = Assets::iter().collect();
        assert!(files.iter().any(|file| file == "index.html"), "{files:?}");
        for file in &files {
            assert_ne!(kind(file), "application/octet-stream", "{file} has a kind");
            let data = Assets::get(file).unwrap().data;
            let text = str::from_utf8(&data).unwrap();
            for foreign in
                ["https://", "innerHTML", "insertAdjacentHTML", "eval(", "style=", "onclick=\""]
            {
                assert!(!text.contains(foreign), "{file} says {foreign}");
            }
            for imported in text.split("from \"./").skip(1) {
                let name = imported.split('"').next().unwrap();
                assert!(files.iter().any(|file| file == name), "{file} imports {name}");
            }
        }
    }
}
