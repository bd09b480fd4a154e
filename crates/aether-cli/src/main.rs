//! The `aether` command: runs scripts and fragments, shows trees, tokens, bytecode and heap profiles.
//!
//! The first argument decides (rule 1.1): if it names no subcommand and no option it is a script, and everything
//! behind it is the script's. That case is decided here, before the option parser is even built, because most
//! processes are that case and many are short.
//!
//! Invariants
//! - Results go to standard output, diagnostics to standard error; a closed pipe is no error.
//! - The engine is leaked, not torn down: the system takes the memory back faster than we could.
//! - What a plain script does not need is cold and out of the way, so that it is not even mapped.
//! - A panic is a bug of ours and says so, status 101.
#![forbid(unsafe_code)]

mod options;

mod eval;
mod interrupt;
mod repl;
mod run;
mod sandbox;

mod bench;
mod check;
mod fmt;
mod heap;
mod inspect;
mod test;

mod completions;
mod explain;
mod info;
mod init;

mod debugger;
mod json;
mod leak_graph;
mod long_form;
mod memory;
mod prelude;
mod project;
mod report;
mod settings;
mod sources;
mod status;
mod streams;
mod xml;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;

use options::{Command, Parsed};
use settings::{Color, Limits};
use status::INTERNAL_ERROR;

fn main() -> ExitCode {
    panic::set_hook(Box::new(panic_message));
    aether::tune_allocator();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let status = panic::catch_unwind(AssertUnwindSafe(|| dispatch(&arguments)));
    ExitCode::from(status.unwrap_or(INTERNAL_ERROR))
}

fn dispatch(arguments: &[OsString]) -> u8 {
    match arguments.split_first() {
        None => repl::run(Color::Auto),
        Some((first, rest)) if options::is_script(first) => {
            run::script(first, rest, &Limits::default(), Color::Auto)
        }
        Some(_) => match options::parse(arguments) {
            Parsed::Command(Command::Run { script, args, limits }, color) => {
                run::script(&script, &args, &limits, color)
            }
            Parsed::Command(Command::RunEntry(limits), color) => run::entry(&limits, color),
            Parsed::Command(Command::Eval(fragment), color) => eval::fragment(&fragment, color),
            Parsed::Command(Command::Ast(tree), color) => inspect::ast(&tree, color),
            Parsed::Command(Command::Heap(profiles), _) => heap::show(&profiles),
            Parsed::Command(Command::Dump { what, file }, color) => inspect::dump(what, &file, color),
            Parsed::Command(Command::Repl, color) => repl::run(color),
            Parsed::Command(Command::Check(words), color) => check::run(&words, color),
            Parsed::Command(Command::Fmt(words), color) => fmt::run(&words, color),
            Parsed::Command(Command::Test(words), color) => test::run(&words, color),
            Parsed::Command(Command::Bench(words), _) => bench::run(&words),
            Parsed::Command(Command::Explain(words), _) => explain::run(&words),
            Parsed::Command(Command::Info(words), _) => info::run(&words),
            Parsed::Command(Command::Init(words), _) => init::run(&words),
            Parsed::Command(Command::Completions(words), _) => completions::run(&words),
            Parsed::Text(text) => {
                streams::write_out(&text);
                0
            }
            Parsed::Wrong { text, status } => {
                streams::write_err(&text);
                status
            }
        },
    }
}

/// The panic hook: what happened, where, and what to do about it.
fn panic_message(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let message = text
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    streams::write_err(&format!(
        "internal error, please report: {message}\n  at {place}\n  in aether {}\n\
         Please send this text with the script that caused it.\n",
        aether::VERSION
    ));
}
