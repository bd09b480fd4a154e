//! Figures of benches: read from what a file prints, kept in a file, compared.
//!
//! Kept figures are a JSON object: the version of the format, and the figures by file and name.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use aether::{Host as _, SystemHost};
use serde_json::{Map, Value, json};

/// The version of the format.
const VERSION: u64 = 1;
/// Where figures are kept.
const DIRECTORY: &str = ".aether/bench";
/// What a line of figures begins with.
const MARK: &str = "[BENCH]\t";

/// What was measured of one function.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) name: String,
    /// The time of a call in nanoseconds, and half of its interval.
    median: f64,
    spread: f64,
    /// Objects and bytes that a call takes, and the most bytes at one time.
    allocations: u64,
    bytes: u64,
    peak: u64,
    /// What a call handles, if that was said.
    handled_bytes: Option<f64>,
    handled_items: Option<f64>,
    /// The line for people.
    pub(super) line: String,
}

impl Figures {
    /// Reads a line; `None` if it is another one.
    pub(super) fn read(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix(MARK)?.splitn(9, '\t');
        let mut number = || fields.next()?.parse::<f64>().ok();
        let (median, spread) = (number()?, number()?);
        let (allocations, bytes, peak) = (number()? as u64, number()? as u64, number()? as u64);
        let handled = |number: f64| number.is_finite().then_some(number);
        let (handled_bytes, handled_items) = (handled(number()?), handled(number()?));
        Some(Self {
            name: fields.next()?.to_owned(),
            median,
            spread,
            allocations,
            bytes,
            peak,
            handled_bytes,
            handled_items,
            line: fields.next()?.to_owned(),
        })
    }

    pub(super) fn json(&self) -> Value {
        let mut object = json!({
            "name": self.name,
            "median": self.median,
            "spread": self.spread,
            "allocs": self.allocations,
            "bytes": self.bytes,
            "peak": self.peak,
        });
        for (key, handled) in [
            ("bytes_per_second", self.handled_bytes),
            ("items_per_second", self.handled_items),
        ] {
            let rate = handled.map(|handled| handled / (self.median / 1e9));
            if let Some(rate) = rate.filter(|rate| rate.is_finite()) {
                object[key] = json!(rate);
            }
        }
        object
    }

    fn from_json(value: &Value) -> Option<Self> {
        let count = |key: &str| value.get(key)?.as_u64();
        Some(Self {
            name: value.get("name")?.as_str()?.to_owned(),
            median: value.get("median")?.as_f64()?,
            spread: value.get("spread")?.as_f64()?,
            allocations: count("allocs")?,
            bytes: count("bytes")?,
            peak: count("peak")?,
            ..Self::default()
        })
    }
}

/// Figures by file and name.
#[derive(Default)]
pub(super) struct Record {
    files: BTreeMap<String, Vec<Figures>>,
}

impl Record {
    pub(super) fn add(&mut self, file: &str, figures: Figures) {
        self.files.entry(file.to_owned()).or_default().push(figures);
    }

    /// The figures of a name in a file.
    pub(super) fn find(&self, file: &str, name: &str) -> Option<&Figures> {
        self.files.get(file)?.iter().find(|figures| figures.name == name)
    }

    fn path(name: &str) -> PathBuf {
        PathBuf::from(DIRECTORY).join(format!("{name}.json"))
    }

    /// Reads what is kept under a name.
    pub(super) fn open(name: &str) -> Result<Self, String> {
        let path = Self::path(name);
        let shown = path.display();
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("nothing is kept under '{name}' (--save {name} does that)")
            }
            _ => format!("cannot read '{shown}': {error}"),
        })?;
        Self::parse(&text).ok_or_else(|| format!("'{shown}' holds no figures of this version"))
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        if value.get("version")?.as_u64()? != VERSION {
            return None;
        }
        let mut record = Self::default();
        for (file, figures) in value.get("files")?.as_object()? {
            for figures in figures.as_array()? {
                record.add(file, Figures::from_json(figures)?);
            }
        }
        Some(record)
    }

    fn text(&self) -> String {
        let files: Map<String, Value> = self
            .files
            .iter()
            .map(|(file, figures)| (file.clone(), figures.iter().map(Figures::json).collect()))
            .collect();
        format!("{:#}\n", json!({"version": VERSION, "files": files}))
    }

    /// Keeps the figures under a name.
    pub(super) fn save(&self, name: &str) -> Result<(), String> {
        let path = Self::path(name);
        let failed = |error: std::io::Error| format!("cannot write '{}': {error}", path.display());
        fs::create_dir_all(DIRECTORY).map_err(failed)?;
        SystemHost::new()
            .write_file(&path.to_string_lossy(), self.text().as_bytes())
            .map_err(failed)
    }
}

/// How figures differ from earlier ones: parts by which they grew, 0 if they did not change.
#[derive(Debug, PartialEq)]
pub(super) struct Changes {
    time: f64,
    allocations: f64,
    bytes: f64,
    peak: f64,
}

impl Changes {
    pub(super) fn between(before: &Figures, now: &Figures) -> Self {
        let apart = (now.median - before.median).abs();
        // Within an interval nothing is known to have changed.
        let time = if apart > before.spread + now.spread && before.median > 0.0 {
            now.median / before.median - 1.0
        } else {
            0.0
        };
        let grown = |before: u64, now: u64| match (before, now) {
            (0, 0) => 0.0,
            (0, _) => f64::INFINITY,
            (before, now) => now as f64 / before as f64 - 1.0,
        };
        Self {
            time,
            allocations: grown(before.allocations, now.allocations),
            bytes: grown(before.bytes, now.bytes),
            peak: grown(before.peak, now.peak),
        }
    }

    /// The largest growth; below 0 if all got less.
    pub(super) fn worst(&self) -> f64 {
        [self.time, self.allocations, self.bytes, self.peak]
            .into_iter()
            .fold(f64::NEG_INFINITY, f64::max)
    }

    fn fields(&self) -> [(&'static str, f64); 4] {
        [
            ("time", self.time),
            ("allocs", self.allocations),
            ("bytes", self.bytes),
            ("peak", self.peak),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let fields = self.fields().into_iter();
        // What there was none of before has no part by which it grew.
        fields
            .map(|(name, part)| {
                (
                    name.to_owned(),
                    if part.is_finite() {
                        json!(part)
                    } else {
                        Value::Null
                    },
                )
            })
            .collect::<Map<String, Value>>()
            .into()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, part) in self.fields() {
            if part.is_infinite() {
                write!(f, "  {name} from 0")?;
            } else if part != 0.0 {
                write!(f, "  {name} {:+.1}%", part * 100.0)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Changes, Figures, Record};

    fn figures(median: f64, spread: f64, bytes: u64) -> Figures {
        Figures {
            name: "a".to_owned(),
            median,
            spread,
            bytes,
            ..Figures::default()
        }
    }

    #[test]
    fn lines_are_read_back() {
        let read = Figures::read("[BENCH]\t12.5\t0.25\t3\t400\t300\tNaN\t10\ta name\tthe line").unwrap();
        assert_eq!((read.name.as_str(), read.line.as_str()), ("a name", "the line"));
        assert_eq!((read.median, read.spread), (12.5, 0.25));
        assert_eq!((read.allocations, read.bytes, read.peak), (3, 400, 300));
        assert_eq!((read.handled_bytes, read.handled_items), (None, Some(10.0)));
        for other in [
            "",
            "[BENCH]",
            "[BENCH]\t1\t2",
            "12.5",
            "[BENCH]\tx\t0.25\t3\t400\t300\tNaN\t10\ta\tb",
        ] {
            assert_eq!(Figures::read(other), None, "{other}");
        }
    }

    #[test]
    fn times_change_beyond_both_intervals_alone() {
        let before = figures(100.0, 5.0, 10);
        assert_eq!(Changes::between(&before, &figures(109.0, 5.0, 10)).worst(), 0.0);
        let slower = Changes::between(&before, &figures(120.0, 5.0, 10));
        assert!((slower.worst() - 0.2).abs() < 1e-9);
        assert_eq!(slower.to_string(), "  time +20.0%");
    }

    #[test]
    fn any_change_of_memory_is_one() {
        let before = figures(100.0, 5.0, 10);
        let more = Changes::between(&before, &figures(100.0, 5.0, 11));
        assert_eq!(more.to_string(), "  bytes +10.0%");
        let less = Changes::between(&before, &figures(100.0, 5.0, 5));
        assert_eq!(less.to_string(), "  bytes -50.0%");
        let first = Changes::between(&figures(1.0, 1.0, 0), &figures(1.0, 1.0, 8));
        assert_eq!(first.to_string(), "  bytes from 0");
        assert_eq!(first.worst(), f64::INFINITY);
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let mut record = Record::default();
        record.add("x_bench.ae", figures(100.0, 5.0, 10));
        let read = Record::parse(&record.text()).unwrap();
        assert_eq!(read.find("x_bench.ae", "a"), Some(&figures(100.0, 5.0, 10)));
        assert_eq!(read.find("x_bench.ae", "b"), None);
        assert!(Record::parse("{}").is_none());
        assert!(Record::parse("[").is_none());
    }
}
