//! Pictures in a request: what is taken, and what a picture is. Pure.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use telson_actors::context::{IMAGE_BYTES_MAX, TURN_BYTES_MAX, media_type_of};

use super::prompt::SaidIn;
use crate::gateway::http::error::HttpError;

/// Most pictures of a request.
const IMAGES_MAX: usize = 8;
/// Bytes of all pictures of a request, decoded: what a model is shown of one turn. More would be
/// left out behind the client's back.
const IMAGES_BYTES_MAX: u64 = TURN_BYTES_MAX;
/// What stands in the text for a picture.
pub(super) const PLACEHOLDER: &str = "<media:image>";
/// Kinds of pictures that models see.
const KINDS: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
/// Clients pad or don't.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where a picture is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Image {
    /// In the request.
    Inline(Picture),
    /// Elsewhere.
    At(String),
}

/// A picture, by what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Reads a part of type `image_url` or `input_image`.
pub(super) fn image(part: &Value, place: &str) -> Result<Image, HttpError> {
    let written = part.get("image_url");
    let url = written.and_then(|it| it.as_str().or_else(|| it.get("url")?.as_str()));
    let Some(url) = url else {
        let text = format!("{place}.image_url must be an address; files by id are not kept here");
        return Err(wrong(place, text));
    };
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    match scheme.as_str() {
        "data" => inline(url, place).map(Image::Inline),
        "https" | "http" => Ok(Image::At(url.to_owned())),
        _ => Err(wrong(place, format!("{place}.image_url must begin with data: or https:"))),
    }
}

fn inline(url: &str, place: &str) -> Result<Picture, HttpError> {
    let data =
        url.split_once(',').filter(|(head, _)| head.to_ascii_lowercase().ends_with(";base64"));
    let Some((_, data)) = data else {
        return Err(wrong(place, format!("{place}: a data address must be of base64")));
    };
    let bytes = BASE64.decode(data.trim().as_bytes());
    let bytes = bytes.map_err(|error| wrong(place, format!("{place}: broken base64: {error}")))?;
    picture(bytes, place)
}

/// What is in a file counts, not what it is called.
pub(super) fn picture(bytes: Vec<u8>, place: &str) -> Result<Picture, HttpError> {
    if u64::try_from(bytes.len()).is_ok_and(|it| it > IMAGE_BYTES_MAX) {
        let most = IMAGE_BYTES_MAX;
        let text = format!("{place}: this picture has more than {most} bytes; make it smaller");
        return Err(wrong(place, text).code("image_too_large"));
    }
    let media_type = media_type_of(&bytes).filter(|kind| KINDS.contains(kind));
    let media_type = media_type
        .ok_or_else(|| wrong(place, format!("{place}: this is none of {}", KINDS.join(", "))))?;
    Ok(Picture { media_type, bytes })
}

/// Refuses more than models are shown.
pub(super) fn count(said: &[SaidIn]) -> Result<(), HttpError> {
    let images = || said.iter().flat_map(|said| &said.images);
    if images().count() > IMAGES_MAX {
        let text = format!("a request has at most {IMAGES_MAX} pictures");
        return Err(wrong("messages", text).code("too_many_images"));
    }
    let bytes = images().map(|image| match image {
        Image::Inline(picture) => picture.bytes.len(),
        Image::At(_) => 0,
    });
    within(bytes.sum())
}

/// Refuses more bytes than a request may bring.
pub(super) fn within(bytes: usize) -> Result<(), HttpError> {
    if u64::try_from(bytes).is_ok_and(|it| it <= IMAGES_BYTES_MAX) {
        return Ok(());
    }
    let text = format!("the pictures of a request have at most {IMAGES_BYTES_MAX} bytes");
    Err(wrong("messages", text).code("image_too_large"))
}

fn wrong(param: &str, text: String) -> HttpError {
    HttpError::param(param, text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n rest";

    fn read(url: &str) -> Result<Image, HttpError> {
        let flat = image(&json!({"type": "input_image", "image_url": url}), "p");
        let nested = image(&json!({"type": "image_url", "image_url": {"url": url}}), "p");
        assert_eq!(flat, nested);
        flat
    }

    #[test]
    fn a_picture_is_what_is_in_it() {
        let data = BASE64.encode(PNG);
        let picture = Picture { media_type: "image/png", bytes: PNG.to_vec() };
        assert_eq!(read(&format!("data:image/jpeg;base64,{data}")), Ok(Image::Inline(picture)));
        let at = "https://example.org/a.png";
        assert_eq!(read(at), Ok(Image::At(at.into())));
        let text = BASE64.encode("no picture");
        for bad in [
            "",
            "a.png",
            "file:///etc/passwd",
            "data:image/png,raw",
            "data:image/png;base64,%%%",
            "data:image/png;base64",
            &format!("data:image/png;base64,{text}"),
        ] {
            assert_eq!(read(bad).unwrap_err().status, 400, "{bad}");
        }
        assert!(image(&json!({"type": "input_image", "file_id": "file-1"}), "p").is_err());
    }

    proptest! {
        // L1: neither more pictures nor larger ones than models are shown.
        #[test]
        fn what_is_too_much_is_refused(images in 0usize..12, bytes in 3_000_000usize..4_500_000) {
            let mut whole = PNG.to_vec();
            whole.resize(bytes, 0);
            let one = picture(whole, "p");
            prop_assert_eq!(one.is_ok(), u64::try_from(bytes).unwrap() <= IMAGE_BYTES_MAX);
            let Ok(one) = one else { return Ok(()) };
            let said = SaidIn { images: vec![Image::Inline(one); images], ..SaidIn::user("x") };
            let fits = images <= IMAGES_MAX && within(images * bytes).is_ok();
            prop_assert_eq!(count(&[said]).is_ok(), fits);
        }
    }
}
