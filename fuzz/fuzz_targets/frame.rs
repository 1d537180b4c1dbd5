//! Any line from the control socket is a frame or refused, and a frame survives the wire.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telson::frame::Frame;

fuzz_target!(|line: &str| {
    if let Ok(frame) = Frame::parse(line) {
        let sent = frame.encode();
        assert!(!sent.contains('\n'));
        assert_eq!(Frame::parse(&sent), Ok(frame));
    }
});
