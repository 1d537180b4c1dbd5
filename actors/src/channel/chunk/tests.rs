use proptest::prelude::*;

use super::*;

const UNITS: [LengthUnit; 3] = [LengthUnit::Bytes, LengthUnit::Utf16, LengthUnit::Chars];

fn chars(text: &str, max: usize) -> Vec<String> {
    chunk(text, max, LengthUnit::Chars)
}

#[test]
fn what_fits_is_left_alone_and_blank_texts_have_no_parts() {
    assert_eq!(chars(" a\n\n b \n", 20), [" a\n\n b \n"]);
    assert_eq!(chars("", 5), [""; 0]);
    assert_eq!(chars(" \n\t ", 2), [""; 0]);
}

#[test]
fn better_places_are_preferred() {
    assert_eq!(
        chars("One. Two\nthree\n\nfour. five six", 20),
        ["One. Two\nthree", "four. five six"]
    );
    assert_eq!(chars("One. Two\nthree four five", 16), ["One. Two", "three four five"]);
    assert_eq!(chars("He said \"One.\" Two three", 20), ["He said \"One.\"", "Two three"]);
    assert_eq!(chars("1.5 is one two", 9), ["1.5 is", "one two"]);
    assert_eq!(chars("一二三。四五六", 5), ["一二三。", "四五六"]);
    assert_eq!(chars("abcdefgh", 3), ["abc", "def", "gh"]);
}

#[test]
fn white_space_at_a_cut_goes_but_indentation_stays() {
    assert_eq!(chars("ab   \n\n\n    cd", 8), ["ab", "    cd"]);
    assert_eq!(chars("abcd      efgh", 4), ["abcd", "efgh"]);
    assert_eq!(chars("ab\r\n\r\ncd", 4), ["ab", "cd"]);
    let long = format!("a{}b", " ".repeat(100));
    assert_eq!(chars(&long, 10), ["a", "b"]);
    let long = format!("a\n{}b", " ".repeat(100));
    assert_eq!(chars(&long, 10), ["a", "b"]);
}

#[test]
fn the_unit_is_the_platforms() {
    let text = "é😀é😀";
    assert_eq!(chunk(text, 3, LengthUnit::Chars), ["é😀é", "😀"]);
    assert_eq!(chunk(text, 3, LengthUnit::Utf16), ["é😀", "é😀"]);
    assert_eq!(chunk(text, 7, LengthUnit::Bytes), ["é😀", "é😀"]);
}

#[test]
fn a_grapheme_is_split_only_when_it_is_too_long_itself() {
    let family = "👩‍👩‍👧";
    assert_eq!(chars(&format!("ab{family}"), 6), ["ab", family]);
    let parts = chars(family, 3);
    assert_eq!(parts.concat(), family);
    assert!(parts.iter().all(|part| part.chars().count() <= 3));
    // Not even a character fits: it is sent whole rather than lost.
    assert_eq!(chunk("😀a", 1, LengthUnit::Utf16), ["😀", "a"]);
    assert_eq!(chunk("ab", 0, LengthUnit::Bytes), ["a", "b"]);
}

#[test]
fn a_cut_fence_is_closed_and_opened_again() {
    let text = "Look:\n```rust\nlet a = 1;\n\nlet b = 2;\nlet c = 3;\n```\nDone.";
    assert_eq!(
        chars(text, 30),
        [
            "Look:",
            "```rust\nlet a = 1;\n```",
            "```rust\nlet b = 2;\n```",
            "```rust\nlet c = 3;\n```\nDone."
        ]
    );
    assert_eq!(chars("```\nabcdefghij\n```", 13), ["```\nabcde\n```", "```\nfghij\n```"]);
    assert_eq!(chars("```\nabcdefghij", 13), ["```\nabcde\n```", "```\nfghij"]);
}

#[test]
fn a_whole_fence_goes_to_the_next_part_if_it_fits_there() {
    let text = "Some words before it\n```\ncode\n```\nand behind";
    assert_eq!(chars(text, 27), ["Some words before it", "```\ncode\n```\nand behind"]);
}

#[test]
fn an_impossible_fence_is_cut_as_text() {
    let text = "```info-string-longer-than-a-part\nx\n```";
    let parts = chars(text, 10);
    assert_eq!(solid(&parts.concat()), solid(text));
    assert!(parts.iter().all(|part| part.chars().count() <= 10));
}

#[test]
fn a_long_text_takes_reasonable_time_and_parts() {
    let text = "word ".repeat(200_000);
    let parts = chars(&text, 4_000);
    assert_eq!(parts.len(), 250);
}

fn solid(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Texts without fences, full of the things that make cutting hard.
fn prose() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z]{1,9}",
        3 => Just(" ".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("\n\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just(". ".to_owned()),
        1 => "[ \t\u{a0}\u{3000}]{1,30}",
        1 => prop::sample::select(vec![
            "👩‍👩‍👧", "🇩🇪🇫🇷", "e\u{301}", " \u{301}", "한국", "。", "é", "😀", "\u{0}", "नी", "`",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}".prop_map(|text| text.replace(['`', '~'], "")),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Texts of paragraphs and closed fences; every fence line stands alone.
fn document() -> impl Strategy<Value = String> {
    let line = || "[a-z.=(){} é😀]{0,24}";
    let fence =
        (prop::sample::select(vec!["", "rust", "sh -x"]), prop::collection::vec(line(), 0..8))
            .prop_map(|(info, lines)| {
                let body = lines.join("\n");
                let end = if lines.is_empty() { "" } else { "\n" };
                format!("```{info}\n{body}{end}```")
            });
    let block = prop_oneof![line().prop_map(|line| line), fence];
    prop::collection::vec(block, 0..8).prop_map(|blocks| blocks.join("\n"))
}

/// Whether every opened fence is closed, and the text and code outside the markers.
fn read_fences(part: &str) -> (bool, Vec<String>, String) {
    let (mut open, mut infos, mut rest) = (false, Vec::new(), String::new());
    for line in part.lines() {
        match line.strip_prefix("```") {
            Some(info) => {
                if !open {
                    infos.push(info.to_owned());
                }
                open = !open;
            }
            None => rest.push_str(line),
        }
    }
    (!open, infos, rest)
}

/// Whether a fence holds nothing.
fn has_blank_fence(part: &str) -> bool {
    fence::find(part).iter().any(|fence| part[fence.body_start..fence.body_end].trim().is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn parts_fit_hold_everything_in_order_and_keep_graphemes_whole(
        text in prose(),
        max in 1_usize..40,
        unit in prop::sample::select(UNITS.to_vec()),
    ) {
        let boundaries: std::collections::BTreeSet<usize> =
            text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect();
        let too_long = |g: &str| length(g, unit) > max;
        let splittable = text.graphemes(true).any(too_long);
        let mut behind = 0;
        for part in chunk(&text, max, unit) {
            prop_assert!(length(&part, unit) <= max || part.chars().count() == 1, "{part:?}");
            prop_assert!(!part.trim().is_empty());
            // Between two parts there is white space only.
            let gap = text[behind..].len() - text[behind..].trim_start().len();
            let candidates = (behind..=behind + gap).filter(|&at| text.is_char_boundary(at));
            let at = candidates.into_iter().find(|&at| text[at..].starts_with(&part));
            prop_assert!(at.is_some(), "{part:?} does not follow");
            behind = at.unwrap() + part.len();
            if !splittable {
                prop_assert!(boundaries.contains(&at.unwrap()) && boundaries.contains(&behind));
            }
        }
        prop_assert!(text[behind..].trim().is_empty());
    }

    #[test]
    fn fences_are_whole_in_every_part(
        text in document(),
        max in 18_usize..60,
        unit in prop::sample::select(UNITS.to_vec()),
    ) {
        let parts = chunk(&text, max, unit);
        let (_, infos, content) = read_fences(&text);
        let mut all = String::new();
        let blank_fences = has_blank_fence(&text);
        for part in &parts {
            prop_assert!(blank_fences || !has_blank_fence(part), "{parts:#?}");
            let (closed, part_infos, rest) = read_fences(part);
            prop_assert!(closed, "open fence in {parts:#?}");
            prop_assert!(length(part, unit) <= max);
            prop_assert!(part_infos.iter().all(|info| infos.contains(info)), "{parts:#?}");
            all.push_str(&rest);
        }
        prop_assert_eq!(solid(&all), solid(&content));
    }

    #[test]
    fn no_text_makes_it_panic_or_lose_anything(
        text in "(```|~~~|[`~]|rs|[ab]|[ \n]|😀|\r\n){0,40}",
        max in 0_usize..20,
        unit in prop::sample::select(UNITS.to_vec()),
    ) {
        let parts = chunk(&text, max, unit);
        for part in &parts {
            prop_assert!(length(part, unit) <= max || part.chars().count() == 1, "{part:?}");
        }
        // A fence that is opened again repeats its info string, so letters may come twice.
        let all = parts.concat();
        let mut all = all.chars();
        let letters = text.chars().filter(|c| matches!(c, 'a' | 'b' | '😀'));
        for letter in letters {
            prop_assert!(all.any(|c| c == letter), "{letter:?} is missing in {parts:?}");
        }
    }
}
