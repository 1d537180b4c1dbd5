//! The readable text of a page.

/// Elements whose content nobody reads.
const HIDDEN: [&str; 9] =
    ["script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "select"];
/// Elements that stand on lines of their own.
const BLOCKS: [&str; 34] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];
/// Longest target of a link that is shown.
const LINK_CHARS_MAX: usize = 300;

/// The text of an HTML document: a line for each paragraph, `#` before headings, `-` before the
/// items of lists, and links as `[text](target)`. Any text is a document.
pub(super) fn readable(html: &str) -> String {
    let mut page = Text::default();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        page.words(&rest[..start]);
        let tag = Tag::read(&rest[start..]);
        rest = &rest[start + tag.length..];
        if tag.length == 1 {
            // A lone `<` is text.
            page.words("&lt;");
            continue;
        }
        if HIDDEN.contains(&tag.name.as_str()) && !tag.closes {
            rest = behind_end(rest, &tag.name);
            continue;
        }
        page.tag(&tag);
    }
    page.words(rest);
    page.finish()
}

/// What stands behind the end of a hidden element.
fn behind_end<'a>(rest: &'a str, name: &str) -> &'a str {
    let lowered = rest.to_ascii_lowercase();
    let end = lowered.find(&format!("</{name}"));
    let end = end.and_then(|end| Some(end + lowered[end..].find('>')? + 1));
    end.map_or("", |end| &rest[end..])
}

#[derive(Debug)]
struct Tag {
    name: String,
    closes: bool,
    /// Where a link leads.
    target: Option<String>,
    /// Bytes of it, `<` and `>` included.
    length: usize,
}

impl Tag {
    /// Reads a tag at the beginning of a text that begins with `<`.
    fn read(text: &str) -> Self {
        let nothing = |length| Self { name: String::new(), closes: false, target: None, length };
        if text.starts_with("<!--") {
            return nothing(text.find("-->").map_or(text.len(), |end| end + 3));
        }
        let second = text[1..].chars().next();
        if !second.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            return nothing(1);
        }
        let length = end_of(text);
        let inner = text[1..length].trim_end_matches('>');
        let closes = inner.starts_with('/');
        let inner = inner.trim_start_matches('/');
        let name: String = inner.chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        let target = (name == "a" && !closes).then(|| attribute(inner, "href")).flatten();
        Self { name, closes, target, length }
    }
}

/// The length of a tag; a `>` in quotation marks does not end it.
fn end_of(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return at + 1,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    // A quotation mark that never ends belongs to the text.
    text.find('>').map_or(text.len(), |end| end + 1)
}

fn attribute(inner: &str, name: &str) -> Option<String> {
    let lowered = inner.to_ascii_lowercase();
    let start = lowered.find(&format!("{name}="))? + name.len() + 1;
    let value = &inner[start..];
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split_whitespace().next()?,
    };
    Some(entities(value))
}

/// What is gathered so far.
#[derive(Debug, Default)]
struct Text {
    said: String,
    links: Vec<Option<String>>,
    depth_of_pre: usize,
}

impl Text {
    fn words(&mut self, words: &str) {
        if self.depth_of_pre > 0 {
            self.said.push_str(&entities(words));
            return;
        }
        let starts_apart = words.starts_with(char::is_whitespace);
        let ends_apart = words.ends_with(char::is_whitespace);
        let mut first = true;
        for word in words.split_whitespace() {
            if !first || starts_apart {
                self.space();
            }
            self.said.push_str(&entities(word));
            first = false;
        }
        if ends_apart {
            self.space();
        }
    }

    fn space(&mut self) {
        if !self.said.is_empty() && !self.said.ends_with(char::is_whitespace) {
            self.said.push(' ');
        }
    }

    fn line(&mut self) {
        let kept = self.said.trim_end_matches(' ').len();
        self.said.truncate(kept);
        if !self.said.is_empty() && !self.said.ends_with('\n') {
            self.said.push('\n');
        }
    }

    fn tag(&mut self, tag: &Tag) {
        let name = tag.name.as_str();
        if name == "a" {
            self.link(tag);
            return;
        }
        if name == "pre" {
            self.depth_of_pre = if tag.closes {
                self.depth_of_pre.saturating_sub(1)
            } else {
                self.depth_of_pre + 1
            };
        }
        if matches!(name, "td" | "th") {
            self.space();
        }
        if BLOCKS.contains(&name) || name == "title" {
            self.line();
        }
        match name {
            _ if tag.closes => {}
            "li" => self.said.push_str("- "),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = usize::from(name.as_bytes()[1] - b'0');
                self.said.push_str(&"#".repeat(level));
                self.said.push(' ');
            }
            _ => {}
        }
    }

    fn link(&mut self, tag: &Tag) {
        if !tag.closes {
            let shown = tag.target.as_ref().filter(|target| {
                let scheme = target.trim_start().to_ascii_lowercase();
                !target.starts_with('#')
                    && !scheme.starts_with("javascript:")
                    && target.chars().count() <= LINK_CHARS_MAX
            });
            if shown.is_some() {
                self.said.push('[');
            }
            self.links.push(shown.cloned());
        } else if let Some(Some(target)) = self.links.pop() {
            self.said.push_str(&format!("]({target})"));
        }
    }

    fn finish(mut self) -> String {
        while let Some(link) = self.links.pop() {
            if let Some(target) = link {
                self.said.push_str(&format!("]({target})"));
            }
        }
        let lines = self.said.lines().map(str::trim_end);
        let is_empty = |line: &str| matches!(line.trim(), "" | "-" | "#" | "##" | "###" | "[]");
        let lines: Vec<&str> = lines.filter(|line| !is_empty(line)).collect();
        lines.join("\n")
    }
}

/// The characters that `&...;` stands for.
fn entities(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.char_indices().take(12).find(|(_, c)| *c == ';').map(|(at, _)| at);
        let character = end.and_then(|end| Some((character(&rest[1..end])?, end + 1)));
        let (c, length) = character.unwrap_or(('&', 1));
        plain.push(c);
        rest = &rest[length..];
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']).map(|hex| u32::from_str_radix(hex, 16));
        return char::from_u32(hex.unwrap_or_else(|| number.parse()).ok()?)
            .filter(|c| !c.is_control());
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '\u{2013}',
        "mdash" => '\u{2014}',
        "hellip" => '\u{2026}',
        "lsquo" => '\u{2018}',
        "rsquo" => '\u{2019}',
        "ldquo" => '\u{201c}',
        "rdquo" => '\u{201d}',
        "laquo" => '\u{ab}',
        "raquo" => '\u{bb}',
        "copy" => '\u{a9}',
        "euro" => '\u{20ac}',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_becomes_text() {
        let html = "<!DOCTYPE html><html><head><title>A &amp; B</title><style>p{a:'<b>'}</style>\
            <script>if (a<b) alert('</p>')</script></head><body><!-- <p>no</p> --><h2>Head</h2>\
            <p>one\n  two <b>three</b>, <a title=\"a>b\" href='/x?a=1&amp;b=2'>link</a>.</p>\
            <ul><li>first<li>second</ul><table><tr><td>a<td>b</tr></table>\
            <pre>x\n  y</pre><p>1 < 2 &#228;&#x20AC;&nope;</p><a href=\"javascript:x()\">js</a>";
        assert_eq!(
            readable(html),
            "A & B\n## Head\none two three, [link](/x?a=1&b=2).\n- first\n- second\na b\nx\n  y\n\
             1 < 2 ä€&nope;\njs"
        );
    }

    #[test]
    fn a_broken_page_ends() {
        assert_eq!(readable("<script>never ends"), "");
        assert_eq!(readable("<p class=\"never ends>text</p>"), "text");
        assert_eq!(readable("a <"), "a <");
        assert_eq!(readable("<!-- never"), "");
    }

    proptest! {
        #[test]
        fn any_text_is_a_page(html in "(<|>|/|!--|a|é|script|p |href=|\"|'|&|#x|;|\\n| ){0,60}") {
            let text = readable(&html);
            prop_assert!(text.len() <= html.len() * 2 + 8, "{:?}", text);
        }

        #[test]
        fn plain_text_stays(words in prop::collection::vec("[a-z0-9.,äß]{1,8}", 0..20)) {
            let text = words.join(" ");
            prop_assert_eq!(readable(&text), text);
        }
    }
}
