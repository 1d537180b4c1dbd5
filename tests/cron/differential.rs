//! Schedules against croner for JavaScript, the implementation that people's expressions were
//! written for: random expressions in many zones, half of the moments close to a change of the clock.
//!
//! There is no difference to explain: an expression is refused by both or has the same instants.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use telson_actors::clock::Timestamp;
use telson_actors::cron::schedule::{next_instants, zone_of};

/// Expressions compared.
const CASES: usize = 12_000;

const ZONES: [&str; 13] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Africa/Cairo",
    "Pacific/Apia",
    "America/St_Johns",
    "Europe/London",
    "Asia/Kathmandu",
    "Pacific/Auckland",
    "America/Santiago",
];

/// Days around which clocks change somewhere.
const CHANGES: [&str; 12] = [
    "2025-03-09",
    "2026-03-29",
    "2027-03-14",
    "2028-10-29",
    "2026-11-01",
    "2025-04-06",
    "2027-10-03",
    "2026-04-24",
    "2026-10-30",
    "2028-09-03",
    "2026-04-05",
    "2027-11-07",
];

const WEEK: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 4] = ["JAN", "FEB", "JUL", "DEC"];

/// A dice of its own, so that the cases are the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn from<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn field(&mut self, low: u64, high: u64) -> String {
        let width = high - low + 1;
        let (a, b) = (low + self.below(width), low + self.below(width));
        let (a, b) = (a.min(b), a.max(b));
        match self.below(6) {
            0 => "*".into(),
            1 => a.to_string(),
            2 => format!("{a},{b}"),
            3 => format!("{a}-{b}"),
            4 => format!("*/{}", 1 + self.below(width / 2)),
            _ if a == b => a.to_string(),
            _ => format!("{a}-{b}/{}", 1 + self.below(b - a)),
        }
    }

    fn hours(&mut self) -> String {
        match self.below(4) {
            0 => "*".into(),
            // Where clocks change.
            1 | 2 => self.below(4).to_string(),
            _ => self.field(0, 23),
        }
    }

    fn days(&mut self) -> String {
        match self.below(20) {
            0..10 => "*".into(),
            10 | 11 => "L".into(),
            12 => format!("{}W", 1 + self.below(31)),
            13 => "LW".into(),
            _ => self.field(1, 31),
        }
    }

    fn weekdays(&mut self) -> String {
        match self.below(20) {
            0..9 => "*".into(),
            9 | 10 => self.from(&WEEK).into(),
            11 | 12 => self.from(&["MON-FRI", "SAT,SUN", "1-5", "TUE-THU"]).into(),
            13 => format!("{}#{}", self.from(&WEEK), 1 + self.below(5)),
            14 => format!("{}L", self.from(&WEEK)),
            15 => format!("+{}", self.from(&WEEK)),
            _ => self.field(0, 7),
        }
    }

    fn expression(&mut self) -> String {
        if self.below(50) == 0 {
            return self.from(&["@daily", "@hourly", "@weekly", "@monthly", "@yearly"]).into();
        }
        let month = match self.below(10) {
            0..6 => "*".into(),
            6 => self.from(&MONTHS).to_owned(),
            _ => self.field(1, 12),
        };
        let five = [self.field(0, 59), self.hours(), self.days(), month, self.weekdays()].join(" ");
        match self.below(12) {
            0..3 => format!("{} {five}", self.field(0, 59)),
            3 => {
                let year = self.from(&["*", "2026", "2026-2030", "2031", "2028/1", "99999"]);
                format!("{} {five} {year}", self.field(0, 59))
            }
            4 => self
                .from(&["61 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "a b c d e"])
                .into(),
            _ => five,
        }
    }

    fn moment(&mut self) -> i64 {
        let day = 86_400_000;
        if self.below(2) == 0 {
            let text = format!("{}T00:00:00Z", self.from(&CHANGES));
            let change: jiff::Timestamp = text.parse().unwrap();
            let near = i64::try_from(self.below(4 * day)).unwrap();
            return change.as_millisecond() - 2 * 86_400_000 + near;
        }
        1_735_689_600_000 + i64::try_from(self.below(4 * 365 * day)).unwrap()
    }
}

fn ours(zone: &str, from: i64, expression: &str) -> String {
    let zone = zone_of(Some(zone), &jiff::tz::TimeZone::UTC).unwrap();
    match next_instants(expression, &zone, Timestamp(from), 5) {
        Err(_) => "refused".into(),
        Ok(found) => {
            let found: Vec<String> = found.iter().map(|at| at.0.to_string()).collect();
            found.join(",")
        }
    }
}

/// What the reference answers, line by line.
fn theirs(input: &str) -> Vec<String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-tools");
    assert!(tools.join("node").exists(), "run tests/tools_install (tests/run does)");
    // Modules are looked for beside the script.
    let script = tools.join("croner-next.mjs");
    std::fs::write(&script, include_str!("croner.mjs")).unwrap();
    let questions = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(questions.path(), input).unwrap();
    let answer = Command::new(tools.join("node"))
        .arg(&script)
        .stdin(std::fs::File::open(questions.path()).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", answer.status);
    String::from_utf8(answer.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn twelve_thousand_expressions_have_the_instants_of_the_reference() {
    let mut dice = Dice(20_261_121);
    let cases: Vec<(&str, i64, String)> =
        (0..CASES).map(|_| (dice.from(&ZONES), dice.moment(), dice.expression())).collect();
    let mut input = String::new();
    for (zone, from, expression) in &cases {
        writeln!(input, "{zone}\t{from}\t{expression}").unwrap();
    }
    let theirs = theirs(&input);
    assert_eq!(theirs.len(), CASES);
    let mut differences = Vec::new();
    for ((zone, from, expression), theirs) in cases.iter().zip(&theirs) {
        let ours = ours(zone, *from, expression);
        if ours != *theirs {
            differences.push(format!("{expression} in {zone} after {from}: {ours} and {theirs}"));
        }
    }
    assert!(differences.is_empty(), "{} differ: {differences:#?}", differences.len());
    // The comparison means something: most of them have instants, some are refused.
    let refused = theirs.iter().filter(|answer| *answer == "refused").count();
    let whole = theirs.iter().filter(|answer| answer.split(',').count() == 5).count();
    assert!(refused > 100 && whole > CASES * 8 / 10, "{refused} refused, {whole} whole");
}
