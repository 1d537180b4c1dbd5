//! Any text from a client of the gateway is a request or refused; so are the parameters of its first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telson::gateway::wire::{read, read_connect};

fuzz_target!(|text: &str| {
    match read(text) {
        Ok(request) => {
            assert!(!request.id.is_empty() && !request.method.is_empty());
            drop(read_connect(&request.params));
        }
        Err(Some(bad)) => assert_eq!(bad.error.code, "INVALID_REQUEST"),
        Err(None) => {}
    }
});
