//! Any line of the imsg child is read, and an answer keeps its number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telson_actors::channel::imessage::wire::{Line, parse_line};

fuzz_target!(|line: &str| {
    if let Line::Answer(id, _) = parse_line(line) {
        assert!(line.contains(&id.to_string()));
    }
});
