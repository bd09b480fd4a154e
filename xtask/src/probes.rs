//! Probes: programs too large for the suite's memory budget, each a process of the release binary with a bound on
//! time and on resident size.
//!
//! A probe is a file `tests/probes/*.ae` with a first line `// probe: seconds=S megabytes=M`, or a text generated
//! here. Expected output stands beside the file in `.out`; for generated ones it is in the table.
//!
//! Resident size is the highest that the kernel saw (`VmHWM`), read while the process runs. Time is what the process
//! computed, not what passed: a busy machine makes nothing slow.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::tools;

/// How often a running probe's size is read.
const TICK: Duration = Duration::from_millis(2);

/// The unit of processor times in `/proc`, the same on every Linux.
const TICKS_A_SECOND: f64 = 100.0;

struct Probe {
    name: String,
    script: PathBuf,
    seconds: f64,
    megabytes: u64,
    expectation: Expectation,
}

enum Expectation {
    /// This output, status 0.
    Output(String),
    /// Status 1 and so many `Error:` lines, the first beginning like this.
    Errors { count: usize, first: String },
}

/// What a process did.
struct Measured {
    seconds: f64,
    megabytes: u64,
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs every probe, reports each in a line to `tell`, and gives the names of those that failed.
///
/// # Errors
/// The command cannot be built, or a probe cannot be run.
pub(crate) fn run(tell: impl Fn(&str)) -> Result<Vec<String>, String> {
    let binary = tools::release_binary()?;
    let scratch = tools::target_directory().join("probes");
    fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let mut probes = written(&tools::root().join("tests/probes"))?;
    probes.extend(generated(&scratch)?);
    let mut failed = Vec::new();
    for probe in probes {
        let measured = measure(&binary, &probe, &scratch)?;
        let complaint = violations(&probe, &measured);
        let verdict = complaint.as_deref().unwrap_or("ok");
        tell(&format!(
            "probe {:<32} {:>7.3} s (bound {:>4.1})  {:>5} MB (bound {:>4})  {verdict}",
            probe.name, measured.seconds, probe.seconds, measured.megabytes, probe.megabytes
        ));
        if let Some(complaint) = complaint {
            failed.push(format!("probe {}: {complaint}", probe.name));
        }
    }
    Ok(failed)
}

/// The probes in files.
fn written(directory: &Path) -> Result<Vec<Probe>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut probes = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let script = entry.map_err(unreadable)?.path();
        if script.extension().is_none_or(|found| found != "ae") {
            continue;
        }
        let name = script
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&script).map_err(unreadable)?;
        let bounds = text.lines().next().and_then(bounds);
        let (seconds, megabytes) = bounds.ok_or_else(|| format!("{name}: the first line sets no bounds"))?;
        let output = fs::read_to_string(script.with_extension("out")).map_err(unreadable)?;
        probes.push(Probe {
            name,
            script,
            seconds,
            megabytes,
            expectation: Expectation::Output(output),
        });
    }
    probes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(probes)
}

fn bounds(line: &str) -> Option<(f64, u64)> {
    let (seconds, megabytes) = line
        .strip_prefix("// probe: seconds=")?
        .split_once(" megabytes=")?;
    Some((seconds.parse().ok()?, megabytes.trim_end().parse().ok()?))
}

/// A log of 300 MB and its number of lines. It is kept for the next time.
fn large_log(scratch: &Path) -> Result<(PathBuf, usize), String> {
    const LINE: &str =
        "2026-11-22T11:02:03 INFO service-7 request handled in 120 ms path=/api/v1/items/4711\n";
    let lines = 300_000_000 / LINE.len();
    let path = scratch.join("large.log");
    let expected = (lines * LINE.len()) as u64;
    if fs::metadata(&path).map(|found| found.len()).ok() != Some(expected) {
        fs::write(&path, LINE.repeat(lines)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok((path, lines))
}

/// The probes whose texts are too long to keep.
fn generated(scratch: &Path) -> Result<Vec<Probe>, String> {
    let mut probes = Vec::new();
    let mut add = |name: &str, seconds: f64, megabytes: u64, text: String, expectation: Expectation| {
        let script = scratch.join(format!("{name}.ae"));
        let written = fs::write(&script, text);
        probes.push(Probe {
            name: name.to_owned(),
            script,
            seconds,
            megabytes,
            expectation,
        });
        written.map_err(|error| format!("{name}: {error}"))
    };
    let output = |text: &str| Expectation::Output(format!("{text}\n"));
    let errors = |count: usize, first: &str| Expectation::Errors {
        count,
        first: first.to_owned(),
    };
    let too_deep = || errors(1, "Error: Nesting too deep (limit 1000)");

    add(
        "sum-of-200000-terms",
        1.0,
        200,
        format!("println(1{})\n", " + 1".repeat(199_999)),
        output("200000"),
    )?;
    let (log, lines) = large_log(scratch)?;
    add(
        "lines-of-300-megabytes",
        2.0,
        12,
        format!(
            "let n = 0\nfor line in lines_iter(\"{}\") {{ n = n + 1 }}\nprintln(n)\n",
            log.display()
        ),
        output(&lines.to_string()),
    )?;
    let mut nested = String::from("1");
    for _ in 0..300 {
        nested = format!("(x == 0 ? {nested} : 2)");
    }
    let lines = "let y = x == 0 ? 1 : 2\n".repeat(10_000);
    let text = format!("let x = 0\nprintln({nested})\n{lines}");
    add("ternaries-with-comparisons", 1.0, 100, text, output("1"))?;
    let calls = "()".repeat(100_000);
    add(
        "100000-chained-calls",
        1.0,
        200,
        format!("fn f() {{ return f }}\nlet g = f{calls}\nprintln(g == f)\n"),
        output("true"),
    )?;
    let members = ".self_".repeat(100_000);
    let declaration = "struct S { self_ }\nlet s = S { self_: null }\ns.self_ = s\n";
    add(
        "100000-chained-members",
        1.0,
        200,
        format!("{declaration}println(s{members} == s)\ns.self_ = null\n"),
        output("true"),
    )?;
    let mut chain = String::from("let x = 100000\nif (x == 0) { println(0) }");
    for index in 1..=100_000 {
        // Writing to a string cannot fail.
        let _ = write!(
            chain,
            " else if (x == {index}) {{ println(\"found \" + str(x)) }}"
        );
    }
    add("100000-else-ifs", 1.0, 300, chain, output("found 100000"))?;

    for (name, open, close) in [
        ("parentheses", "(", ")"),
        ("brackets", "[", "]"),
        ("blocks", "{", "}"),
        ("calls", "f(", ")"),
    ] {
        let opened = open.repeat(100_000);
        add(
            &format!("100000-{name}"),
            1.0,
            100,
            format!("{opened}{}\n", close.repeat(100_000)),
            too_deep(),
        )?;
        add(&format!("100000-{name}-unclosed"), 1.0, 100, opened, too_deep())?;
        add(
            &format!("100000-{name}-unopened"),
            2.0,
            200,
            close.repeat(100_000),
            errors(0, "Error: "),
        )?;
    }
    for (name, text) in [
        ("minuses", format!("let x = {}1\n", "- ".repeat(100_000))),
        ("powers", format!("let x = 1{}\n", " ** 1".repeat(100_000))),
        (
            "ternaries",
            format!("let x = {}1\n", "true ? 1 : ".repeat(100_000)),
        ),
        (
            "functions",
            format!("let x = {}1\n", "fn() { return ".repeat(100_000)),
        ),
        (
            "placeholders",
            format!("let x = {}1{}\n", "\"${".repeat(100_000), "}\"".repeat(100_000)),
        ),
    ] {
        add(&format!("100000-{name}"), 1.0, 100, text, too_deep())?;
    }
    add(
        "10000-syntax-errors",
        1.0,
        100,
        "let = 1\n".repeat(10_000),
        errors(10_000, "Error: Expected variable name, found '=' at line 1"),
    )?;
    add(
        "empty-file",
        0.1,
        20,
        String::new(),
        Expectation::Output(String::new()),
    )?;
    Ok(probes)
}

/// Runs a probe, watching its size.
fn measure(binary: &Path, probe: &Probe, scratch: &Path) -> Result<Measured, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", probe.name);
    let (out, err) = (scratch.join("stdout"), scratch.join("stderr"));
    let stdout = fs::File::create(&out).map_err(failed)?;
    let stderr = fs::File::create(&err).map_err(failed)?;
    let started = Instant::now();
    let before = computed();
    let mut child = Command::new(binary)
        .arg(&probe.script)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(failed)?;
    let deadline = Duration::from_secs_f64(probe.seconds * 10.0 + 20.0);
    let mut megabytes = 0;
    let status = loop {
        megabytes = megabytes.max(resident(child.id()));
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status.code();
        }
        if started.elapsed() > deadline {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            break None;
        }
        std::thread::sleep(TICK);
    };
    let seconds = computed() - before;
    let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Measured {
        seconds,
        megabytes,
        status,
        stdout: read(&out).map_err(failed)?,
        stderr: read(&err).map_err(failed)?,
    })
}

/// Seconds of processor time that children have taken which have ended, to a hundredth.
fn computed() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything; then fields 16 and 17 of proc(5) are the 13th and 14th.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / TICKS_A_SECOND
}

/// The highest resident size of a process so far, in megabytes.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}

/// What is wrong with what a probe did.
fn violations(probe: &Probe, measured: &Measured) -> Option<String> {
    let expected = match &probe.expectation {
        Expectation::Output(_) => 0,
        Expectation::Errors { .. } => 1,
    };
    if measured.status != Some(expected) {
        let first = measured.stderr.lines().next().unwrap_or("");
        return Some(format!("FAILED: status {:?}, {first}", measured.status));
    }
    match &probe.expectation {
        Expectation::Output(text) if *text != measured.stdout => {
            let start: String = measured.stdout.chars().take(60).collect();
            return Some(format!("FAILED: other output: {start:?}"));
        }
        Expectation::Errors { count, first } => {
            let lines = measured
                .stderr
                .lines()
                .filter(|line| line.starts_with("Error: "))
                .count();
            if lines < *count || !measured.stderr.starts_with(first.as_str()) {
                let found = measured.stderr.lines().next().unwrap_or("");
                return Some(format!("FAILED: {lines} errors, the first: {found}"));
            }
        }
        Expectation::Output(_) => {}
    }
    if measured.seconds > probe.seconds {
        return Some("FAILED: too slow".to_owned());
    }
    (measured.megabytes > probe.megabytes).then(|| "FAILED: too large".to_owned())
}
