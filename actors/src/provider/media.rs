//! A file as a model is shown it.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A file.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// Its media type, such as `image/png`.
    pub media_type: String,
    /// The name its sender sees; may be empty.
    pub name: String,
    /// What is in it.
    pub bytes: Arc<[u8]>,
}

impl Media {
    /// Whether it is a picture; else it is a document.
    pub fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }

    /// What is in it, in base64.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.bytes)
    }

    /// The same as a `data:` address.
    pub fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type, self.base64())
    }

    /// Its name; formats that want one get one.
    pub fn file_name(&self) -> &str {
        if self.name.is_empty() { "file" } else { &self.name }
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} ({} bytes)", self.media_type, self.name, self.bytes.len())
    }
}
