//! Tables: columns as wide as their widest cell, and no wider than the terminal. Pure.

use super::width::{cut, width};

/// Columns of texts for people, by their heading: they give way where a terminal is narrow. Ids,
/// names and times never do, for they are typed again.
const TEXTS: &[&str] = &["ANSWER", "LAST", "NOTES", "REASON", "TEXT", "WHERE", "WHY"];
/// Columns of a text that are left in any case.
const TEXT_MIN: usize = 8;
/// Between two columns.
const GAP: &str = "  ";

/// The lines of a table, its heading first, in at most so many columns where that can be done.
pub(super) fn lines(rows: &[Vec<String>], columns: Option<usize>) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max();
    let mut widths: Vec<usize> = (0..count).map(|at| widest(at).unwrap_or(0)).collect();
    if let Some(columns) = columns {
        let gives_way = |at: usize| {
            let heading = rows.first().and_then(|heading| heading.get(at));
            heading.is_some_and(|heading| TEXTS.contains(&heading.as_str()))
        };
        shrink(&mut widths, columns, gives_way);
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, wide)| {
        let cell = cut(cell, *wide);
        let room = " ".repeat(wide.saturating_sub(width(&cell)));
        cell + &room
    });
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// Takes from the widest text, column by column, until the table fits or no text can give more.
fn shrink(widths: &mut [usize], columns: usize, gives_way: impl Fn(usize) -> bool) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(columns);
    while excess > 0 {
        let texts = (0..widths.len()).filter(|at| gives_way(*at) && widths[*at] > TEXT_MIN);
        let Some(widest) = texts.max_by_key(|at| widths[*at]) else { return };
        widths[widest] -= 1;
        excess -= 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![
            row(["ID", "STATE", "REASON", "TEXT"]),
            row(["d123456789", "\u{1b}[31mbad\u{1b}[0m", "short", "a text that goes on and on"]),
        ]
    }

    #[test]
    fn texts_give_way_to_the_terminal_and_ids_do_not() {
        let whole = lines(&rows(), None);
        assert!(whole[1].ends_with("a text that goes on and on"));
        assert_eq!(whole[0], "ID          STATE  REASON  TEXT", "colours take no room");
        let narrow = lines(&rows(), Some(45));
        assert_eq!(narrow[1], "d123456789  \u{1b}[31mbad\u{1b}[0m    short   a text that goes …");
        let tiny = lines(&rows(), Some(10));
        assert_eq!(tiny[1], "d123456789  \u{1b}[31mbad\u{1b}[0m    short   a text …");
    }

    proptest! {
        #[test]
        fn a_table_is_no_wider_than_the_terminal_if_its_ids_let_it(
            id in "[a-z]{0,20}", text in "[a-z日 ]{0,80}", why in "[a-z ]{0,80}", columns in 50usize..150,
        ) {
            let heading = ["ID", "TEXT", "WHY"].map(str::to_owned).to_vec();
            let table = lines(&[heading, vec![id.clone(), text, why]], Some(columns));
            for line in &table {
                prop_assert!(width(line) <= columns, "{line:?}");
            }
            prop_assert!(table[1].starts_with(id.as_str()));
        }
    }
}
