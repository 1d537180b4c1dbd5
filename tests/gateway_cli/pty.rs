//! The program on a terminal, as wide as a test wants it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::kit::{Home, until};

/// See the module.
pub(crate) struct Terminal {
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    reading: Option<std::thread::JoinHandle<()>>,
    typing: File,
}

impl Terminal {
    pub(crate) fn start(home: &Home, columns: u16, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let end = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_telson"))
            .args(args)
            .env_clear()
            .env("HOME", home.path(""))
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm-256color")
            .stdin(end.try_clone().unwrap())
            .stdout(end.try_clone().unwrap())
            .stderr(end)
            .spawn()
            .unwrap();
        let shown: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (writing, mut master) = (shown.clone(), File::from(master));
        let typing = master.try_clone().unwrap();
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Once nobody has the other end open, reading fails: that is the end.
            while let Ok(count) = master.read(&mut bytes) {
                if count == 0 {
                    return;
                }
                writing.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, shown, reading: Some(reading), typing }
    }

    /// Everything that was printed so far.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until a text was printed.
    pub(crate) fn shows(&self, text: &str) {
        until(&format!("the terminal shows {text:?}"), || {
            self.shown().contains(text).then_some(())
        });
    }

    /// Types a line.
    #[allow(dead_code, reason = "for conversations")]
    pub(crate) fn types(&mut self, line: &str) {
        use std::io::Write;
        self.typing.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for the program's end: its exit code, and all it has printed.
    pub(crate) fn finish(mut self) -> (i32, String) {
        let status = until("the program ends", || self.child.try_wait().unwrap());
        self.reading.take().unwrap().join().unwrap();
        (status.code().unwrap_or(-1), self.shown())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already, and a failing test must not fail twice.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
