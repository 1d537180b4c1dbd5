//! Tables on a narrow terminal, and in a pipe.

use serde_json::{Value, json};

use crate::double::{Double, TOKEN, answer};
use crate::kit::Home;
use crate::pty::Terminal;

const KEY: &str = "agent:main:a-name-that-has-to-be-typed-again";
const TEXT: &str = "a last message that goes on and on, far behind the end of any narrow line";

fn sessions() -> Double {
    let answered: Value = json!({"ts": 1, "count": 1, "totalCount": 1, "sessions": [{
        "key": KEY, "updatedAt": 1_795_219_110_701_i64, "status": "done", "model": "m",
        "totalTokens": 1, "lastMessagePreview": TEXT,
    }]});
    Double::start(move |id, asked, _| match asked {
        "sessions.list" => vec![answer(id, answered.clone())],
        _ => vec![],
    })
}

#[test]
fn a_table_fits_the_terminal_and_a_pipe_gets_all_of_it() {
    let (home, double) = (Home::new(), sessions());
    let url = double.url();
    let args = ["--url", &url, "--token", TOKEN, "sessions"];
    let piped = home.ask(&args);
    assert!(piped.out.contains(TEXT), "{}", piped.out);

    let (code, shown) = Terminal::start(&home, 110, &args).finish();
    assert_eq!(code, 0, "{shown}");
    let line = shown.lines().find(|line| line.contains(KEY)).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.trim_end().ends_with('…') && line.contains("a last"), "{line:?}");
    assert!(line.trim_end().chars().count() <= 110, "{line:?}");
    assert!(!shown.contains(TEXT), "{shown}");
}
