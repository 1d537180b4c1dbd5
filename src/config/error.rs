//! What is wrong with a config, said so that the person who typed it can mend it.

use std::fmt;

/// A config that cannot be used, with everything found wrong in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", blocks(.problems))]
pub struct ConfigError {
    /// What is wrong, in the order of the text; never empty.
    pub problems: Vec<Problem>,
}

/// One thing wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named by the caller or by an include.
    pub file: String,
    /// The line, from 1; absent where it cannot be told for certain.
    pub line: Option<usize>,
    /// The column in characters, from 1; present exactly when the line is.
    pub column: Option<usize>,
    /// The setting, such as `channels.imessage.dmPolicy`; empty when it concerns the whole file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of a file as a whole.
    pub(super) fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            column: None,
            path: String::new(),
            message: message.into(),
            help: None,
        }
    }

    /// The same problem with advice.
    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same problem at a line and column.
    pub(super) fn at(self, (line, column): (usize, usize)) -> Self {
        Self { line: Some(line), column: Some(column), ..self }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// One block per problem.
fn blocks(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_is_a_block_with_its_help_indented() {
        let first = Problem {
            path: "session.dmScope".to_owned(),
            ..Problem::of_file("a.json", "wrong").at((3, 5)).with_help("do this")
        };
        let second = Problem::of_file("b.json", "cannot be read");
        let error = ConfigError { problems: vec![first, second] };
        assert_eq!(
            error.to_string(),
            "a.json:3:5: session.dmScope: wrong\n  help: do this\nb.json: cannot be read"
        );
    }
}
