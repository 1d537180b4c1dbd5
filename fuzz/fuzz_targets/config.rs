//! Any text is a config or refused, with a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telson::config::parse;

fuzz_target!(|text: &str| {
    let env = |name: &str| name.contains('A').then(|| "value".to_owned());
    if let Err(error) = parse(text, "telson.json5", &env) {
        assert!(!error.to_string().is_empty());
    }
});
