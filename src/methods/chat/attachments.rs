//! What comes along with a message. Pure.
//!
//! A file is named to the agent by a placeholder, as everywhere, and shown to its model. What no
//! model would be shown is refused: it would be left out behind its sender's back.

use base64::Engine as _;
use serde_json::Value;
use telson_actors::context::{FILES_MAX, Inputs, TURN_BYTES_MAX, bytes_max_of, media_type_of};

use crate::gateway::{BASE64, Picture};

/// A file that came along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// What its sender calls it; may be empty.
    pub(super) name: String,
    pub(super) content: Picture,
}

/// The files of a message, and its text with a placeholder for each.
pub(super) fn attached(text: &str, list: &[Value]) -> Result<(String, Vec<File>), String> {
    if list.len() > FILES_MAX {
        return Err(format!("{} attachments are too many: {FILES_MAX} at most", list.len()));
    }
    let (mut text, mut total) = (text.to_owned(), 0);
    let mut files = Vec::with_capacity(list.len());
    for (place, one) in list.iter().enumerate() {
        let file = file(one).map_err(|why| format!("attachment {place}: {why}"))?;
        total += size(&file);
        if total > TURN_BYTES_MAX {
            return Err(format!("all attachments together have at most {TURN_BYTES_MAX} bytes"));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let is_image = file.content.media_type.starts_with("image/");
        text.push_str(if is_image { "<media:image>" } else { "<media:document>" });
        files.push(file);
    }
    Ok((text, files))
}

/// The place and the media type of the first file that a model which sees this is not shown.
pub(super) fn unseen(files: &[File], inputs: &Inputs) -> Option<(usize, &'static str)> {
    let kinds = files.iter().map(|file| file.content.media_type).enumerate();
    kinds.into_iter().find(|(_, kind)| !inputs.has(kind))
}

fn file(one: &Value) -> Result<File, String> {
    let word = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
    let bytes = match word("content") {
        "" => return Err("its content is missing; files are sent in base64".into()),
        content => decoded(content)?,
    };
    // What is in a file counts, not what it is called.
    let media_type = media_type_of(&bytes).ok_or_else(|| {
        let said = word("mimeType");
        let said = if said.is_empty() { String::new() } else { format!("{said} ") };
        format!("models are shown pictures and PDF files; this {said}is none")
    })?;
    let file = File { name: word("fileName").to_owned(), content: Picture { media_type, bytes } };
    let max = bytes_max_of(media_type);
    if size(&file) > max {
        return Err(format!("{media_type} of {} bytes: {max} at most", size(&file)));
    }
    Ok(file)
}

fn size(file: &File) -> u64 {
    u64::try_from(file.content.bytes.len()).unwrap_or(u64::MAX)
}

/// The bytes of a text in base64, which may stand behind the head of a `data:` URL.
fn decoded(content: &str) -> Result<Vec<u8>, String> {
    let content = match content.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
        Some((_, content)) => content,
        None => content,
    };
    BASE64.decode(content.trim()).map_err(|error| format!("broken base64: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n rest";

    fn sent(bytes: &[u8]) -> Value {
        json!({"mimeType": "text/plain", "fileName": "a", "content": BASE64.encode(bytes)})
    }

    #[test]
    fn files_are_known_by_what_is_in_them() {
        let data = format!("data:image/jpeg;base64,{}", BASE64.encode(PNG));
        let list = [json!({"content": data}), sent(b"%PDF-1.7")];
        let (text, files) = attached("look", &list).unwrap();
        assert_eq!(text, "look\n<media:image>\n<media:document>");
        let content = Picture { media_type: "image/png", bytes: PNG.to_vec() };
        assert_eq!(files[0], File { name: String::new(), content });
        assert_eq!((files[1].name.as_str(), files[1].content.media_type), ("a", "application/pdf"));
        assert_eq!(attached("", &list[..1]).unwrap().0, "<media:image>");
        let images = Inputs::default().images();
        assert_eq!(unseen(&files, &images), Some((1, "application/pdf")));
        assert_eq!(unseen(&files, &images.documents()), None);
        assert_eq!(unseen(&files, &Inputs::default()), Some((0, "image/png")));
    }

    #[test]
    fn what_no_model_is_shown_is_refused_by_its_place() {
        let large = [PNG, &vec![0; 3_750_000]].concat();
        for (list, part) in [
            (vec![sent(PNG), sent(b"plain text")], "attachment 1: models are shown"),
            (vec![json!({"content": "???"})], "broken base64"),
            (vec![json!({"mimeType": "image/png"})], "content is missing"),
            (vec![json!({"content": 7})], "content is missing"),
            (vec![json!("x")], "content is missing"),
            (vec![sent(&large)], "3750000 at most"),
            (vec![sent(PNG); 11], "too many"),
            (vec![sent(&large[..3_750_000]); 5], "together"),
        ] {
            let error = attached("x", &list).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_attachment_is_read_or_refused(content in ".{0,40}", kind in ".{0,9}") {
            match attached("x", &[json!({"content": content, "mimeType": kind})]) {
                Ok((text, files)) => prop_assert!(files.len() == 1 && text.starts_with("x\n<media:")),
                Err(why) => prop_assert!(why.starts_with("attachment 0: "), "{}", why),
            }
        }
    }
}
