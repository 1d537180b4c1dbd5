//! Any blob is decoded or refused, and every text survives Messages' archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telson::demo::typedstream::encode_text;
use telson_actors::channel::imessage::typedstream::decode;

fuzz_target!(|blob: &[u8]| {
    let _ = decode(blob);
    if let Ok(text) = std::str::from_utf8(blob) {
        assert_eq!(decode(&encode_text(text)).as_deref(), Ok(text));
    }
});
