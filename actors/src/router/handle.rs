//! How ids from configuration and ids from platforms are compared: whole, never in pieces.

/// The comparable form of an id: without surrounding white space, e-mail addresses in lower case.
///
/// A leading `+` stays, and nothing else changes. Only ASCII letters are lowered: full Unicode
/// lowering maps look-alike letters such as the Kelvin sign onto ordinary ones.
pub fn normalise(id: &str) -> String {
    let id = id.trim();
    if is_email(id) { id.to_ascii_lowercase() } else { id.to_owned() }
}

/// The comparable form of a configured entry, which may carry its channel's name: `imessage:+1...`.
pub(super) fn normalise_entry(entry: &str, channel: &str) -> String {
    let entry = entry.trim();
    match entry.split_once(':') {
        Some((prefix, id)) if prefix.eq_ignore_ascii_case(channel) => normalise(id),
        _ => normalise(entry),
    }
}

fn is_email(id: &str) -> bool {
    let plain = !id.contains([':', ';', '/']) && !id.contains(char::is_whitespace);
    match id.split_once('@') {
        Some((name, host)) => plain && !name.is_empty() && !host.is_empty() && !host.contains('@'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_white_space_email_case_and_the_own_prefix_are_ignored() {
        assert_eq!(normalise(" +15551230001\n"), "+15551230001");
        assert_eq!(normalise("Ann@Example.ORG"), "ann@example.org");
        assert_eq!(normalise("@Ann:Example.org"), "@Ann:Example.org");
        assert_eq!(normalise("U0AbC"), "U0AbC");
        assert_eq!(normalise_entry("iMessage:+1555", "imessage"), "+1555");
        assert_eq!(normalise_entry("telegram:1555", "imessage"), "telegram:1555");
        assert_ne!(normalise("mar\u{212a}@x.org"), normalise("mark@x.org"));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(id in "\\PC{0,20}|[a-zA-Z ]{1,5}@[A-Z.]{1,5}") {
            let once = normalise(&id);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn ids_that_are_no_email_keep_their_case(id in "[A-Za-z0-9+_-]{1,20}") {
            prop_assert_eq!(normalise(&id), id);
        }
    }
}
