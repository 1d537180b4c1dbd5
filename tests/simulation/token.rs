//! The names by which messages and their answers are recognised, wherever their text turns up.

use std::fmt;

/// One message of one person: `[a0-p1-m3]` in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token {
    pub(crate) account: usize,
    pub(crate) person: usize,
    pub(crate) number: usize,
}

/// One piece of the answer to a message: `[a0-p1-m3.0]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) token: Token,
    pub(crate) piece: usize,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[a{}-p{}-m{}]", self.account, self.person, self.number)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Token { account, person, number } = self.token;
        write!(f, "[a{account}-p{person}-m{number}.{}]", self.piece)
    }
}

impl Token {
    /// The pieces of the whole answer.
    pub(crate) fn marks(self) -> impl Iterator<Item = Mark> {
        (0..=self.number % 3).map(move |piece| Mark { token: self, piece })
    }

    /// The answer a faithful model gives.
    pub(crate) fn answer(self) -> String {
        self.marks().map(|mark| format!("{mark} says the model.\n\n")).collect()
    }
}

/// The messages named in a text, in order; a stored value will do as well.
pub(crate) fn tokens(bytes: &[u8]) -> Vec<Token> {
    named(bytes).into_iter().filter(|(_, piece)| piece.is_none()).map(|(token, _)| token).collect()
}

/// The pieces of answers in a text, in order.
pub(crate) fn marks(bytes: &[u8]) -> Vec<Mark> {
    let mark = |(token, piece): (Token, Option<usize>)| Some(Mark { token, piece: piece? });
    named(bytes).into_iter().filter_map(mark).collect()
}

fn named(bytes: &[u8]) -> Vec<(Token, Option<usize>)> {
    let starts = bytes.windows(2).enumerate().filter(|(_, pair)| *pair == b"[a");
    starts.filter_map(|(at, _)| parse(&bytes[at..])).collect()
}

fn parse(bytes: &[u8]) -> Option<(Token, Option<usize>)> {
    let end = bytes.iter().position(|byte| *byte == b']')?;
    let text = std::str::from_utf8(&bytes[2..end]).ok()?;
    let (account, rest) = text.split_once("-p")?;
    let (person, rest) = rest.split_once("-m")?;
    let (number, piece) = match rest.split_once('.') {
        Some((number, piece)) => (number, Some(piece.parse().ok()?)),
        None => (rest, None),
    };
    let (account, person) = (account.parse().ok()?, person.parse().ok()?);
    Some((Token { account, person, number: number.parse().ok()? }, piece))
}
