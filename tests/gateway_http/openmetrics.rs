//! A strict reader of the text a monitoring system gets.

use std::collections::{BTreeMap, BTreeSet};

/// What a text holds: samples by their name and labels, as written.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Metrics {
    /// Reads a text; fails the test at anything that is not as it must be.
    pub(crate) fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with its mark");
        assert!(!body.contains("# EOF"), "and has one only");
        let (mut metrics, mut done) = (Self::default(), BTreeSet::new());
        let mut family = String::new();
        for line in body.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words.as_slice() {
                ["#", "HELP" | "UNIT", name, text] => {
                    assert!(is_name(name) && !text.is_empty(), "{line}");
                    family = begin(&mut done, &family, name);
                }
                ["#", "TYPE", name, kind] => {
                    let kinds = ["counter", "gauge", "histogram", "info"];
                    assert!(kinds.contains(kind), "{line}");
                    family = begin(&mut done, &family, name);
                    let before = metrics.types.insert((*name).to_owned(), (*kind).to_owned());
                    assert_eq!(before, None, "one type: {line}");
                }
                _ => metrics.sample(&family, line),
            }
        }
        metrics.check_histograms();
        metrics
    }

    fn sample(&mut self, family: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let name = series.split('{').next().unwrap();
        let kind = self.types.get(family).unwrap_or_else(|| panic!("no type: {line}"));
        let endings: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        let fits = endings.iter().any(|ending| name == format!("{family}{ending}"));
        assert!(fits, "{line} belongs to {family}, a {kind}");
        assert!(kind == "gauge" || value >= 0.0, "{line}");
        if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            check_labels(labels);
        }
        assert_eq!(self.samples.insert(series.to_owned(), value), None, "twice: {line}");
    }

    /// Buckets grow, and the last is the count.
    fn check_histograms(&self) {
        let mut last: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (series, value) in &self.samples {
            let Some((name, labels)) = series.split_once("_bucket{") else { continue };
            let (le, others) = taken(labels.trim_end_matches('}'));
            let key = if others.is_empty() { name.into() } else { format!("{name}|{others}") };
            let bound = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() };
            let all = last.entry(key).or_insert((f64::NEG_INFINITY, 0.0));
            if bound > all.0 {
                *all = (bound, *value);
            }
        }
        assert!(!last.is_empty(), "there are histograms");
        for (key, (bound, value)) in last {
            assert!(bound.is_infinite(), "{key} has a last bucket");
            let count = match key.split_once('|') {
                Some((name, labels)) => format!("{name}_count{{{labels}}}"),
                None => format!("{key}_count"),
            };
            assert_eq!(self.samples.get(&count), Some(&value), "{count}");
        }
    }

    /// The value of a series, as it is written.
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.samples))
    }

    /// The series of a name.
    pub(crate) fn series(&self, name: &str) -> Vec<&str> {
        let of = |series: &&str| series.split('{').next() == Some(name);
        self.samples.keys().map(String::as_str).filter(of).collect()
    }
}

/// A family's lines stand together.
fn begin(done: &mut BTreeSet<String>, before: &str, name: &str) -> String {
    if before != name {
        assert!(done.insert(name.to_owned()), "{name} begins twice");
    }
    name.to_owned()
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty()
}

fn check_labels(labels: &str) {
    let inner = labels.strip_prefix('{').and_then(|it| it.strip_suffix('}')).expect("in brackets");
    for pair in inner.split("\",").map(|pair| pair.trim_end_matches('"')) {
        let (name, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{labels}"));
        assert!(is_name(name) && !value.contains(['"', '\n']), "{labels}");
    }
}

/// The `le` of a bucket, and its other labels.
fn taken(labels: &str) -> (String, String) {
    let (le, others): (Vec<&str>, Vec<&str>) =
        labels.split(',').partition(|pair| pair.starts_with("le=\""));
    let le = le.first().expect("a bucket has its bound");
    (le.trim_start_matches("le=\"").trim_end_matches('"').to_owned(), others.join(","))
}
