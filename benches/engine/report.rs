//! Rows of figures, as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Section;

/// One line of the table: what was loaded, and what came out. Units are part of the names.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) figures: Vec<(&'static str, f64)>,
}

impl Row {
    pub(crate) fn new(case: impl Into<String>) -> Self {
        Self { case: case.into(), figures: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.figures.push((name, value));
        self
    }
}

/// Everything measured.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<(Section, Vec<Row>)>);

impl Report {
    pub(crate) fn add(&mut self, section: Section, rows: Vec<Row>) {
        self.0.push((section, rows));
        self.0.sort_by_key(|(section, _)| *section as u8);
    }

    /// One block per section, and a new head wherever a row has other columns.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        for (section, rows) in &self.0 {
            let mut title = format!("{section:?}").to_lowercase();
            let mut header = None;
            for row in rows {
                let names = row.figures.iter().map(|(name, _)| format!("{name:>16}"));
                let names = Some(names.collect::<String>());
                if header != names {
                    let shown = names.as_deref().unwrap_or_default();
                    writeln!(table, "\n{title:<34}{shown}").unwrap();
                    (header, title) = (names, String::new());
                }
                let figures = row.figures.iter().map(|(_, value)| format!("{:>16}", short(*value)));
                writeln!(table, "  {:<32}{}", row.case, figures.collect::<String>()).unwrap();
            }
        }
        table
    }

    /// The same with full precision, and the machine's processors.
    pub(crate) fn json(&self) -> Value {
        let mut sections = Map::new();
        for (section, rows) in &self.0 {
            let rows = rows.iter().map(|row| {
                let mut object = Map::from_iter([("case".to_owned(), json!(row.case))]);
                object
                    .extend(row.figures.iter().map(|(name, value)| ((*name).into(), json!(value))));
                Value::Object(object)
            });
            sections.insert(format!("{section:?}").to_lowercase(), rows.collect());
        }
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        json!({ "processors": processors, "sections": sections })
    }
}

/// Three digits are all that such figures are good for.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
