//! The suite in the plain build: how large the process becomes.

use aether_tests::{execute, find_cases};

use crate::{Options, PEAK_LIMIT};

/// Runs the suite once and prints the most bytes that the process had in memory; false if those are too many.
///
/// # Errors
/// The suite cannot be read or run, or the system does not tell.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let mut count = 0;
    for case in find_cases().map_err(|error| error.to_string())? {
        if options.only.as_ref().is_none_or(|only| case.name.contains(only)) {
            execute(&case).map_err(|error| format!("{}: {error}", case.name))?;
            count += 1;
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    let bytes = kilobytes.ok_or("/proc/self/status has no VmHWM")? * 1024;
    if options.json {
        println!("{{\"programs\":{count},\"resident_peak\":{bytes},\"limit\":{PEAK_LIMIT}}}");
    } else {
        println!("plain build: {count} programs, at most {bytes} bytes resident (bound {PEAK_LIMIT})");
    }
    Ok(bytes < PEAK_LIMIT)
}
