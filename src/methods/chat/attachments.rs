//! What comes along with a message. Pure.
//!
//! An attachment is named to the agent by a placeholder, as everywhere; its content is checked and
//! not kept.

use serde_json::Value;
use telson_actors::message::Attachment;

/// Most attachments of one message.
const COUNT_MAX: usize = 20;

/// The attachments of a message, and its text with a placeholder for each.
pub(super) fn attached(
    text: &str,
    list: &[Value],
    (bytes_max, image_bytes_max): (usize, usize),
) -> Result<(String, Vec<Attachment>), String> {
    if list.len() > COUNT_MAX {
        return Err(format!("{} attachments are too many: {COUNT_MAX} at most", list.len()));
    }
    let mut text = text.to_owned();
    let mut attachments = Vec::with_capacity(list.len());
    for (place, one) in list.iter().enumerate() {
        let word = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let media_type = match word("mimeType") {
            "" => "application/octet-stream",
            media_type => media_type,
        };
        let kind = media_type.split('/').next();
        let kind = kind.filter(|kind| ["image", "audio", "video"].contains(kind));
        let kind = kind.unwrap_or("document");
        let bytes = decoded_bytes(word("content"));
        let max = if kind == "image" { image_bytes_max } else { bytes_max };
        if bytes > max {
            return Err(format!("attachment {place} has {bytes} bytes: {max} at most"));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("<media:{kind}>"));
        attachments.push(Attachment {
            media_type: media_type.to_owned(),
            name: word("fileName").to_owned(),
            path: None,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        });
    }
    Ok((text, attachments))
}

/// The bytes a text in base64 stands for, behind the head of a `data:` URL.
fn decoded_bytes(content: &str) -> usize {
    let content = match content.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
        Some((_, content)) => content,
        None => content,
    };
    content.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attachments_are_named_and_bounded() {
        let list = [
            json!({"mimeType": "image/png", "fileName": "a.png", "content": "data:image/png;base64,QUJD"}),
            json!({"content": "QUI="}),
        ];
        let (text, attachments) = attached("look", &list, (10, 3)).unwrap();
        assert_eq!(text, "look\n<media:image>\n<media:document>");
        assert_eq!((attachments[0].bytes, attachments[0].name.as_str()), (3, "a.png"));
        assert_eq!(attachments[1].bytes, 2);
        let error = attached("", &list, (10, 2)).unwrap_err();
        assert!(error.contains("attachment 0 has 3 bytes"), "{error}");
        assert!(attached("", &vec![json!({}); 21], (10, 10)).is_err());
    }
}
