//! Texts of megabytes, in and out: cut into parts, whole again when put together.

#![allow(clippy::unwrap_used, reason = "a test helper fails its test")]

use std::sync::Arc;
use std::time::Duration;

use telson_actors::store::MemoryBackend;

use crate::model::{Model, asking, reasons, within};
use crate::support::{Platform, builder, direct};

/// Every kind of character that is easy to cut in two.
fn text(bytes: usize) -> String {
    let pattern = "plain words, accents é and è, 漢字, 👩‍👩‍👧 and \u{10ffff}; ";
    pattern.repeat(bytes / pattern.len() + 1)
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_megabyte_goes_in_and_out_whole() {
    for bytes in [1024 * 1024, 3 * 1024 * 1024] {
        let platform = Platform::new();
        let model = Model::echo(Duration::ZERO);
        let backend = Arc::new(MemoryBackend::new());
        let engine = asking(builder(&platform), &model).backend(backend).start().await.unwrap();
        let long = text(bytes);
        engine.inject(direct("1", "anna", &long)).await.unwrap();
        engine.inject(direct("2", "berta", "short")).await.unwrap();
        engine.inject(direct("3", "anna", "behind it")).await.unwrap();
        within(Duration::from_mins(5), "all answers", || engine.load().is_idle()).await;
        let mut parts = platform.sent_to("anna");
        assert_eq!(parts.pop().as_deref(), Some("behind it"));
        assert!(parts.len() > 100 && parts.iter().all(|part| part.chars().count() <= 4000));
        assert!(letters(&parts.concat()) == letters(&long), "the parts make the whole");
        assert_eq!(platform.sent_to("berta"), ["short"]);
        assert_eq!(reasons(&engine), [""; 0]);
        engine.shutdown(Duration::from_secs(5)).await;
    }
}
