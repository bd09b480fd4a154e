//! Results told as text, JSON, the XML of `JUnit`, or TAP.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::Reporter;
use super::process::Outcome;
use crate::streams;
use crate::xml::escaped;

/// How wide the rule above the summary is.
const RULE: usize = 50;

/// Tells results as they come.
pub(super) struct Report {
    reporter: Reporter,
    path: String,
    quiet: bool,
    passed: u64,
    failed: u64,
    /// Cases told so far, for TAP's numbers.
    number: u64,
    /// The suites of `JUnit`'s XML, which has its totals in front.
    suites: String,
    duration: Duration,
}

impl Report {
    pub(super) fn new(reporter: Reporter, path: &str, quiet: bool) -> Self {
        Self {
            reporter,
            path: path.to_owned(),
            quiet,
            passed: 0,
            failed: 0,
            number: 0,
            suites: String::new(),
            duration: Duration::ZERO,
        }
    }

    /// Whether anything has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// There is nothing to run.
    pub(super) fn none(&mut self, path: &str) {
        match self.reporter {
            Reporter::Text => streams::write_out(&format!("No *_test.ae files found in '{path}'\n")),
            Reporter::Json | Reporter::Junit | Reporter::Tap => {
                self.begin(0);
                self.end();
            }
        }
    }

    /// Before the first file.
    pub(super) fn begin(&self, count: usize) {
        match self.reporter {
            Reporter::Text if !self.quiet => {
                streams::write_out(&format!("Running {count} test file(s) in '{}'\n\n", self.path));
            }
            Reporter::Tap => streams::write_out("TAP version 14\n"),
            Reporter::Text | Reporter::Json | Reporter::Junit => {}
        }
    }

    /// After each file.
    pub(super) fn file(&mut self, file: &str, outcome: &Outcome) {
        self.passed += outcome.passed();
        self.failed += outcome.failed();
        self.duration += outcome.duration;
        match self.reporter {
            Reporter::Text => {
                if !self.quiet || outcome.failed() > 0 {
                    streams::write_out(&text(file, outcome));
                }
            }
            Reporter::Json => streams::write_out(&object(file, outcome)),
            Reporter::Junit => self.suites.push_str(&suite(file, outcome)),
            Reporter::Tap => {
                let text = self.points(file, outcome);
                streams::write_out(&text);
            }
        }
    }

    /// After the last file.
    pub(super) fn end(&mut self) {
        let (passed, failed) = (self.passed, self.failed);
        let text = match self.reporter {
            Reporter::Text => {
                let word = if failed == 0 { "All tests passed" } else { "FAILED" };
                let rule = "─".repeat(RULE);
                let gap = if self.quiet { "" } else { "\n" };
                format!("{gap}{rule}\n{word}: {passed} passed, {failed} failed\n")
            }
            Reporter::Json => {
                let summary =
                    json!({"passed": passed, "failed": failed, "seconds": self.duration.as_secs_f64()});
                json!({"summary": summary}).to_string() + "\n"
            }
            Reporter::Junit => format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                 <testsuites tests=\"{}\" failures=\"{failed}\" time=\"{:.3}\">\n{}</testsuites>\n",
                passed + failed,
                self.duration.as_secs_f64(),
                self.suites
            ),
            Reporter::Tap => format!("1..{}\n", self.number),
        };
        streams::write_out(&text);
    }

    /// The test points of a file.
    fn points(&mut self, file: &str, outcome: &Outcome) -> String {
        let mut out = String::new();
        for (name, failure) in cases(outcome) {
            self.number += 1;
            let word = if failure.is_none() { "ok" } else { "not ok" };
            // A number sign would begin a directive.
            let name = format!("{file}: {name}").replace('#', "\\#");
            let _ = writeln!(out, "{word} {} - {name}", self.number);
            for line in failure.iter().flat_map(|text| text.lines()) {
                let _ = writeln!(out, "# {line}");
            }
        }
        out
    }
}

/// Each case with its name and, if it failed, why.
fn cases(outcome: &Outcome) -> Vec<(String, Option<String>)> {
    let mut cases: Vec<(String, Option<String>)> = outcome
        .cases
        .iter()
        .map(|case| {
            if case.passed {
                return (case.text.clone(), None);
            }
            let (name, message) = case.text.split_once(": ").unwrap_or((&case.text, ""));
            let message = std::iter::once(message).chain(case.details.iter().map(String::as_str));
            (name.to_owned(), Some(message.collect::<Vec<&str>>().join("\n")))
        })
        .collect();
    if outcome.crashed() || outcome.added > 0 {
        cases.push(("(file)".to_owned(), Some(outcome.errors.join("\n"))));
    } else if cases.is_empty() {
        cases.push(("(file)".to_owned(), None));
    }
    cases
}

fn text(file: &str, outcome: &Outcome) -> String {
    let (passed, failed) = (outcome.passed(), outcome.failed());
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let mut out = format!("{file} ... {word} ({passed} passed, {failed} failed)\n");
    for case in outcome.cases.iter().filter(|case| !case.passed) {
        let _ = writeln!(out, "    [FAIL] {}", case.text);
        for detail in &case.details {
            let _ = writeln!(out, "        {detail}");
        }
    }
    for line in &outcome.errors {
        let _ = writeln!(out, "    error: {line}");
    }
    out
}

fn object(file: &str, outcome: &Outcome) -> String {
    let cases: Vec<_> = cases(outcome)
        .into_iter()
        .map(|(name, failure)| json!({"name": name, "passed": failure.is_none(), "message": failure}))
        .collect();
    let mut object = json!({
        "file": file,
        "passed": outcome.passed(),
        "failed": outcome.failed(),
        "seconds": outcome.duration.as_secs_f64(),
        "cases": cases,
        "errors": outcome.errors,
    });
    if let Some(measured) = &outcome.measured {
        object["memory"] = json!({"peak": measured.peak, "bytes": measured.bytes, "blocks": measured.blocks});
    }
    object.to_string() + "\n"
}

fn suite(file: &str, outcome: &Outcome) -> String {
    let mut out = String::new();
    let cases = cases(outcome);
    let failures = cases.iter().filter(|(_, failure)| failure.is_some()).count();
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" time=\"{:.3}\">",
        escaped(file),
        cases.len(),
        outcome.duration.as_secs_f64()
    );
    for (name, failure) in &cases {
        let (name, class) = (escaped(name), escaped(file));
        match failure {
            None => {
                let _ = writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\"/>");
            }
            Some(message) => {
                let message = escaped(message);
                let _ = writeln!(
                    out,
                    "    <testcase classname=\"{class}\" name=\"{name}\"><failure message=\"{message}\"/></testcase>"
                );
            }
        }
    }
    if !outcome.errors.is_empty() {
        let _ = writeln!(
            out,
            "    <system-err>{}</system-err>",
            escaped(&outcome.errors.join("\n"))
        );
    }
    out.push_str("  </testsuite>\n");
    out
}
