//! `telson dashboard`: the address of the web page, with the token in it.
//!
//! The token stands in the fragment, which a browser sends to nobody.

use std::process::{Command, ExitCode, Stdio};

use serde_json::json;

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::Output;
use super::reach::Reach;

pub(in crate::cli) async fn run(
    place: &Place,
    is_opened: bool,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let reach = Reach::of(place).await?;
    // A link that does not work is worse than a word about why.
    drop(reach.connect().await?);
    let fragment = reach.token.as_deref().map(escaped);
    let mut url = reach.address.page_url();
    if let Some(token) = fragment {
        url.push_str(&format!("#token={token}"));
    }
    output.show(&json!({"ok": true, "url": url}), || url.clone());
    if is_opened {
        open(&url)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(url: &str) -> Result<(), Failure> {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let help = "open the address above in a browser yourself";
    let status = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Failure::failed(format!("cannot run {program}: {error}; {help}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::failed(format!("{program} failed ({status}); {help}")))
}

/// As the fragment's form has it: a token may hold any character.
fn escaped(token: &str) -> String {
    token
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn any_token_stands_in_the_fragment() {
        assert_eq!(escaped("abc-19_.~"), "abc-19_.~");
        assert_eq!(escaped("a b+&#ü"), "a%20b%2B%26%23%C3%BC");
    }
}
