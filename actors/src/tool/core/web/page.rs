//! How a page is shown to a model: as what others wrote.

use super::fence::{BEGIN, END, harmless};
use super::html::readable;

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) bytes: Vec<u8>,
    /// Whether there was more.
    pub(super) is_cut: bool,
}

/// The page in at most `chars_max` characters, between marks.
pub(super) fn show(page: &Fetched, is_raw: bool, chars_max: usize) -> String {
    let text = decode(&page.bytes, &page.content_type);
    let is_html = page.content_type.contains("html")
        || (page.content_type.is_empty() && text.trim_start().starts_with('<'));
    let text = if is_html && !is_raw { readable(&text) } else { text };
    let text = harmless(&text);
    let shown: String = text.chars().take(chars_max).collect();
    let is_cut = page.is_cut || shown.len() < text.len();
    let note = if is_cut { "\n[the rest of the page is left out]" } else { "" };
    let (url, status) = (&page.url, page.status);
    format!("{url} answered {status}\n{BEGIN}\n{shown}{note}\n{END}")
}

/// Text in the two encodings that pages are in; what does not fit becomes a mark.
fn decode(bytes: &[u8], content_type: &str) -> String {
    let charset = content_type.split("charset=").nth(1).unwrap_or_default();
    let charset = charset.trim_matches(['"', '\'', ' ']);
    if ["iso-8859-1", "latin1", "windows-1252"].iter().any(|name| charset.starts_with(name)) {
        return bytes.iter().map(|byte| char::from(*byte)).collect();
    }
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(content_type: &str, bytes: &[u8]) -> Fetched {
        Fetched {
            url: "http://a.example/".into(),
            status: 200,
            content_type: content_type.into(),
            bytes: bytes.to_vec(),
            is_cut: false,
        }
    }

    #[test]
    fn pages_are_decoded_and_marked() {
        let shown = show(&page("text/html; charset=iso-8859-1", b"<p>gr\xfc\xdfe</p>"), false, 99);
        assert!(shown.contains("\ngrüße\n"), "{shown}");
        let raw = show(&page("text/html", b"<p>x</p>"), true, 99);
        assert!(raw.contains("<p>x</p>"), "{raw}");
        let cut = show(&page("text/plain", "x".repeat(500).as_bytes()), false, 100);
        assert!(cut.contains("the rest of the page is left out"), "{cut}");
    }

    proptest! {
        #[test]
        fn no_page_forges_our_marks(text in "(<<<|>>>|<\\||\\|>|<|>|END OF EXTERNAL CONTENT|[a-z]){0,30}") {
            let shown = show(&page("text/plain", text.as_bytes()), false, 10_000);
            prop_assert_eq!(shown.matches("<<<").count(), 2);
            prop_assert_eq!(shown.matches("<|").count(), 0);
        }
    }
}
