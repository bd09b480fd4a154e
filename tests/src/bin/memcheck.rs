//! The runner of `cargo xtask memcheck`: the whole suite, one program after the other, in one process on one thread,
//! with dhat counting every byte.
//!
//! The suite runs twice. The first pass makes what lives as long as the process (tables built on first use, stdio
//! buffers); after the second, the bytes alive must be those after the first.
//!
//! Invariants that it holds
//! - The most bytes alive at one time, everything of the process included, stay below 100 MB.
//! - After each program no object is alive; after a pass the process holds what it held before.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report is this program's purpose")]

#[cfg(not(feature = "dhat"))]
fn main() -> std::process::ExitCode {
    println!("memcheck: build with --features dhat, or run `cargo xtask memcheck`");
    std::process::ExitCode::from(2)
}

#[cfg(feature = "dhat")]
fn main() -> std::process::ExitCode {
    counted::main()
}

#[cfg(feature = "dhat")]
mod counted {
    use aether_tests::{Case, compare, execute, find_cases};
    use std::process::ExitCode;
    use std::time::Instant;

    #[global_allocator]
    static ALLOCATOR: dhat::Alloc = dhat::Alloc;

    /// The most bytes that the suite may hold at one time.
    const PEAK_LIMIT: usize = 100_000_000;
    /// Bytes by which two measurements of the same thing may differ.
    const TOLERANCE: usize = 4096;
    /// How many of the largest programs are shown.
    const SHOWN: usize = 5;

    pub(super) fn main() -> ExitCode {
        let started = Instant::now();
        let profiler = dhat::Profiler::builder().testing().build();
        let cases = match find_cases() {
            Ok(cases) => cases,
            Err(error) => {
                println!("memcheck: {error}");
                return ExitCode::FAILURE;
            }
        };
        let mut failures = run_all(&cases, &mut Vec::new());
        let before = dhat::HeapStats::get();
        let mut peaks = Vec::with_capacity(cases.len());
        let reserved = dhat::HeapStats::get().curr_bytes - before.curr_bytes;
        failures.extend(run_all(&cases, &mut peaks));
        let after = dhat::HeapStats::get();
        drop(profiler);

        peaks.sort_by_key(|&(peak, _)| std::cmp::Reverse(peak));
        println!("largest heaps:");
        for &(peak, index) in peaks.iter().take(SHOWN) {
            println!("  {:>12} bytes  {}", peak, cases[index].name);
        }
        println!(
            "{} programs, twice, in {:.1} s: peak {} bytes in {} blocks, {} bytes in {} blocks in total, {} bytes at the end",
            cases.len(),
            started.elapsed().as_secs_f64(),
            after.max_bytes,
            after.max_blocks,
            after.total_bytes,
            after.total_blocks,
            after.curr_bytes,
        );
        let grown = after.curr_bytes.saturating_sub(before.curr_bytes + reserved);
        if grown > TOLERANCE {
            failures.push(format!(
                "{grown} bytes more are alive after the second pass than before it"
            ));
        }
        if after.max_bytes >= PEAK_LIMIT {
            failures.push(format!("the peak is not below {PEAK_LIMIT} bytes"));
        }
        for failure in &failures {
            println!("memcheck: {failure}");
        }
        if failures.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Runs every case; notes the peak of each heap with the case's index. Gives what was wrong.
    fn run_all(cases: &[Case], peaks: &mut Vec<(usize, usize)>) -> Vec<String> {
        let mut failures = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            match (execute(case), case.expected()) {
                (Ok((outcome, report)), Ok(expected)) => {
                    let message = compare(&expected, &outcome, &report);
                    if !message.is_empty() {
                        failures.push(format!("{}: {message}", case.name));
                    }
                    if peaks.len() < peaks.capacity() {
                        peaks.push((report.peak, index));
                    }
                }
                (Err(error), _) => failures.push(format!("{}: {error}", case.name)),
                (_, Err(error)) => failures.push(format!("{}: {error}", case.name)),
            }
        }
        failures
    }
}
