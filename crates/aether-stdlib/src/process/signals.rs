//! Signals by name.

use aether_value::{Raise, Value};

use crate::arguments::wrong_type;

/// The signals that have names here, as the system numbers them.
#[cfg(unix)]
fn table() -> [(&'static str, i32); 14] {
    use rustix::process::Signal;
    [
        ("SIGHUP", Signal::HUP),
        ("SIGINT", Signal::INT),
        ("SIGQUIT", Signal::QUIT),
        ("SIGILL", Signal::ILL),
        ("SIGABRT", Signal::ABORT),
        ("SIGFPE", Signal::FPE),
        ("SIGKILL", Signal::KILL),
        ("SIGUSR1", Signal::USR1),
        ("SIGSEGV", Signal::SEGV),
        ("SIGUSR2", Signal::USR2),
        ("SIGPIPE", Signal::PIPE),
        ("SIGALRM", Signal::ALARM),
        ("SIGTERM", Signal::TERM),
        ("SIGSTOP", Signal::STOP),
    ]
    .map(|(name, signal)| (name, signal.as_raw()))
}

#[cfg(not(unix))]
fn table() -> [(&'static str, i32); 2] {
    [("SIGKILL", 9), ("SIGTERM", 15)]
}

/// The name of a signal, or its number as text.
pub(super) fn name(number: i32) -> String {
    let known = table().into_iter().find(|(_, known)| *known == number);
    known.map_or_else(|| number.to_string(), |(name, _)| name.to_owned())
}

/// The number of a signal in an argument: its name, with or without `SIG`, or the number.
pub(super) fn number(operation: &str, value: &Value) -> Result<i32, Raise> {
    let refused = |shown: &str| {
        let names = table().map(|(name, _)| name).join(", ");
        let detail = format!("{operation}: unknown signal '{shown}' ({names}, or a number)");
        Err(Raise::operation(&detail))
    };
    match value {
        Value::Int(number) => match i32::try_from(*number) {
            Ok(number) if (1..=64).contains(&number) => Ok(number),
            _ => refused(&number.to_string()),
        },
        Value::String(name) => {
            let name = name.as_str();
            let known = table()
                .into_iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name) || known[3..].eq_ignore_ascii_case(name));
            match known {
                Some((_, number)) => Ok(number),
                None => refused(&name.escape_debug().to_string()),
            }
        }
        other => Err(wrong_type("string or int", other)),
    }
}
