//! `cargo xtask bench library`: tasks of the library beside `CPython`: regular expressions over a log of 100 MB, a
//! thousand programs, a walk over 100,000 files, the digest of a gigabyte.
//!
//! What they work on is made once, in `target/library`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::{bench, tools};

/// Lines of the log.
const LINES: u64 = 1_000_000;
/// Directories, and files in each.
const DIRECTORIES: u32 = 1000;
const FILES: u32 = 100;
/// Megabytes of the large file.
const MEGABYTES: u32 = 1024;

/// Makes the data and runs the tasks.
///
/// # Errors
/// The data cannot be made, or see [`bench::run`].
pub(crate) fn run() -> Result<(), String> {
    let directory = tools::root().join("target/library");
    let made = prepare(&directory);
    made.map_err(|error| format!("{}: {error}", directory.display()))?;
    bench::run("benches/library")
}

fn prepare(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let log = directory.join("log.txt");
    if !log.is_file() {
        let mut seed = 1_u64;
        let mut draw = |end: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % end
        };
        let mut text = String::new();
        for _ in 0..LINES {
            let (day, hour, minute) = (draw(30) + 1, draw(24), draw(60));
            let level = ["INFO", "WARN", "ERROR"][draw(3) as usize];
            let status = [200, 200, 404, 500][draw(4) as usize];
            let (worker, id) = (draw(16) + 1, draw(1_000_000_000));
            let (item, took) = (draw(5000) + 1, draw(900) + 1);
            writeln!(
                text,
                "2026-11-{day:02}T{hour:02}:{minute:02}:11 {level} [worker-{worker}] request id={id} path=/api/v1/items/{item} status={status} took={took}ms"
            )
            .map_err(io::Error::other)?;
        }
        fs::write(log, text)?;
    }
    let tree = directory.join("tree");
    if !tree.is_dir() {
        for outer in 0..DIRECTORIES {
            let inner = tree.join(format!("{outer:04}"));
            fs::create_dir_all(&inner)?;
            for file in 0..FILES {
                fs::write(inner.join(format!("{file:03}.txt")), "")?;
            }
        }
    }
    let large = directory.join("large.bin");
    if !large.is_file() {
        let piece: Vec<u8> = (0..1_u32 << 20)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut file = fs::File::create(large)?;
        for _ in 0..MEGABYTES {
            file.write_all(&piece)?;
        }
    }
    Ok(())
}
