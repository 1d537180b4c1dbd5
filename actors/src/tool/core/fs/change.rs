//! Replacing a piece of a text.

/// Puts `new` where `old` stands: at its only place, or at all of them. Answers the text and how
/// many places were changed.
///
/// # Errors
/// A sentence for the model: nothing is found, or too much.
pub(super) fn replace(
    text: &str,
    old: &str,
    new: &str,
    all: bool,
) -> Result<(String, usize), String> {
    if old.is_empty() {
        return Err("oldText is empty".into());
    }
    if old == new {
        return Err("oldText and newText are the same; nothing was changed".into());
    }
    match text.matches(old).count() {
        0 => Err("oldText is not in the file; read it again: white space counts".into()),
        1 => Ok((text.replacen(old, new, 1), 1)),
        places if all => Ok((text.replace(old, new), places)),
        places => Err(format!(
            "oldText stands in the file {places} times; add lines around it, or set replaceAll"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_unmistakable_is_replaced() {
        assert_eq!(replace("a b c", "b", "x", false).unwrap(), ("a x c".into(), 1));
        assert_eq!(replace("a b b", "b", "x", true).unwrap(), ("a x x".into(), 2));
        for (old, new, all) in
            [("b", "x", false), ("z", "x", true), ("", "x", true), ("b", "b", true)]
        {
            assert!(replace("a b b", old, new, all).is_err(), "{old:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_replaced_can_be_put_back(before in "[a-f]{0,9}", old in "[g-k]{1,5}", new in "[l-p]{1,5}", after in "[a-f]{0,9}") {
            let text = format!("{before}{old}{after}");
            let (changed, places) = replace(&text, &old, &new, false).unwrap();
            prop_assert_eq!(places, 1);
            prop_assert_eq!(replace(&changed, &new, &old, false).unwrap().0, text);
        }
    }
}
