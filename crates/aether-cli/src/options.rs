//! The command line as data: subcommands and options, and what is said about wrong ones.
//!
//! Invariant: options of the tools stand before the file; everything behind it belongs to the script. The parser sees
//! a script as an *external subcommand*, which is what takes the rest as it is.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::sandbox::{Rules, moment};
use crate::settings::{Color, LeakLevel, Limits, Reports, duration, size};
use crate::status::{FAILED, WRONG_USAGE};
use crate::{bench, check, completions, explain, fmt, info, init, test};

/// The usage line.
pub(crate) const USAGE: &str = "Usage: aether [OPTIONS] [SUBCOMMAND] [script] [args...]";

const HEAP_USAGE: &str =
    "Usage: aether heap [--top N] [--json] [--flame OUT.svg] FILE, or aether heap --diff A B";

/// First arguments that are not scripts.
pub(crate) const SUBCOMMANDS: &[&str] = &[
    "run",
    "eval",
    "repl",
    "check",
    "fmt",
    "test",
    "bench",
    "ast",
    "dump",
    "heap",
    "explain",
    "info",
    "init",
    "completions",
];

const HELP: &str = "\
{usage-heading} {usage}

{about}

Options:
{options}

Subcommands:
{subcommands}";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run the project's entry.
    RunEntry(Box<Limits>),
    /// Run a script.
    Run {
        script: OsString,
        args: Vec<OsString>,
        limits: Box<Limits>,
    },
    /// Run a fragment.
    Eval(Fragment),
    /// Show a tree.
    Ast(Tree),
    /// Show what the implementation sees.
    Dump { what: Dump, file: String },
    /// Show heap profiles.
    Heap(Profiles),
    /// The prompt.
    Repl,
    /// Check files.
    Check(check::Words),
    /// Format files.
    Fmt(fmt::Words),
    /// Run tests.
    Test(test::Words),
    /// Measure.
    Bench(bench::Words),
    /// Explain a diagnostic.
    Explain(explain::Words),
    /// Tell about this version.
    Info(info::Words),
    /// Begin a project.
    Init(init::Words),
    /// Print a script for a shell.
    Completions(completions::Words),
}

/// What the arguments mean.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Something to do.
    Command(Command, Color),
    /// Help or version for standard output.
    Text(String),
    /// A complaint for standard error.
    Wrong { text: String, status: u8 },
}

#[derive(Debug, Parser)]
#[command(
    name = "aether",
    version,
    about = "Runs Aether scripts.",
    override_usage = "aether [OPTIONS] [SUBCOMMAND] [script] [args...]",
    help_template = HELP,
    disable_help_subcommand = true,
)]
pub(crate) struct CommandLine {
    /// When to use colours and the long form of diagnostics.
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        global = true,
        hide_possible_values = false
    )]
    color: Color,
    /// Print less; for subcommands that have nothing to leave out, nothing changes.
    #[arg(short, long, global = true, hide = true)]
    quiet: bool,
    /// Print JSON; for subcommands without data, nothing changes.
    #[arg(long, global = true, hide = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Run a script within limits.
    #[command(override_usage = "aether run [OPTIONS] FILE [ARG…]")]
    Run(RunWords),
    /// Run a fragment and print the value of its last expression.
    #[command(override_usage = "aether eval [--result] [-n|-p] [-M MODULE] [--file FILE | CODE | -] [ARG…]")]
    Eval(EvalWords),
    /// Start the prompt, as no arguments do.
    Repl,
    /// Report names that cannot exist and what is probably a mistake, without running anything.
    #[command(override_usage = "aether check [OPTIONS] [FILE|DIR]")]
    Check(check::Words),
    /// Rewrite files in canonical form.
    #[command(override_usage = "aether fmt [--check] [--diff] [--width N] FILE|DIR|-…")]
    Fmt(fmt::Words),
    /// Run the test files of a directory.
    #[command(override_usage = "aether test [OPTIONS] [FILE|DIR]")]
    Test(test::Words),
    /// Measure what the bench files of a directory do: time and memory.
    #[command(override_usage = "aether bench [OPTIONS] [FILE|DIR]")]
    Bench(bench::Words),
    /// Print the syntax tree of a file.
    #[command(override_usage = "aether ast [--json] [--output FILE] FILE")]
    Ast(Tree),
    /// Print what the implementation makes of a file.
    Dump {
        /// The view.
        what: Dump,
        /// The script.
        file: String,
    },
    /// Print the sites of a heap profile with most bytes, or how they grew from one profile to another.
    #[command(
        override_usage = "aether heap [--top N] [--json] [--flame OUT.svg [--at peak|end|total]] FILE\n       aether heap --diff A B"
    )]
    Heap(Profiles),
    /// Explain a diagnostic by its code.
    #[command(override_usage = "aether explain CODE|lints")]
    Explain(explain::Words),
    /// Print version, features, limits and paths.
    #[command(override_usage = "aether info [--json]")]
    Info(info::Words),
    /// Begin a project in a directory.
    #[command(override_usage = "aether init [DIR]")]
    Init(init::Words),
    /// Print a script that completes commands in a shell.
    #[command(override_usage = "aether completions bash|zsh|fish|powershell")]
    Completions(completions::Words),
    /// A script with its arguments.
    #[command(external_subcommand)]
    Script(Vec<OsString>),
}

#[derive(Debug, Args)]
struct RunWords {
    /// Heap budget: bytes, or with a suffix K, M or G.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_memory: Option<usize>,
    /// How many calls may be active at a time.
    #[arg(long, value_name = "N")]
    max_depth: Option<usize>,
    /// How many calls, backward jumps and units of work in built-ins may be executed.
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// How long the script may take, as in 500ms, 10s or 2m; it ends with status 124.
    #[arg(long, value_name = "T", value_parser = duration)]
    timeout: Option<std::time::Duration>,
    /// How many bytes the script may print.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_output: Option<usize>,
    /// How many files and sockets may be open at a time.
    #[arg(long, value_name = "N")]
    max_open: Option<usize>,
    /// Interpret everything: no function becomes machine code.
    #[arg(long)]
    no_jit: bool,
    /// How many bytes of machine code there may be; 32M unless set.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_code: Option<usize>,
    /// Report at the end which functions became machine code, which did not and why, and where it was left.
    #[arg(long)]
    jit_log: bool,
    /// Seed randomness, so that a run can be repeated.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Stop the clock at a moment: seconds since 1970, or a date such as 2026-01-31T12:30:00Z.
    #[arg(long, value_name = "T", value_parser = moment, allow_negative_numbers = true)]
    fixed_time: Option<f64>,
    #[command(flatten)]
    rules: Rules,
    /// Report unreachable cycles and what is still alive: cycles, all, or error for status 5 with leaks.
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, require_equals = true, default_missing_value = "cycles")]
    leak_check: Option<LeakLevel>,
    /// Most groups that a leak report shows.
    #[arg(long, value_name = "N", default_value_t = aether::LEAK_LIMIT)]
    leak_limit: usize,
    /// Draw the cycles of the leak report as SVG, or write them for Graphviz if the name ends in .dot.
    #[arg(long, value_name = "FILE")]
    graph: Option<std::path::PathBuf>,
    /// Write the leak report as JSON.
    #[arg(long)]
    json: bool,
    /// Write a profile of all allocations for the viewer of DHAT.
    #[arg(long, value_name = "FILE")]
    heap_profile: Option<std::path::PathBuf>,
    /// Have the profile follow one block for every so many bytes allocated, instead of all.
    #[arg(long, value_name = "BYTES", value_parser = size, default_value = "0", hide_default_value = true)]
    heap_interval: usize,
    #[command(subcommand)]
    rest: Option<Rest>,
}

#[derive(Debug, Args)]
struct EvalWords {
    /// Print the value always, null included.
    #[arg(long)]
    result: bool,
    /// Take the fragment from a file.
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// Run the fragment for each line of standard input, with 'line' and 'nr' bound.
    #[arg(short = 'n')]
    lines: bool,
    /// The same, and print each value that is not null.
    #[arg(short = 'p')]
    print: bool,
    /// Import a module first.
    #[arg(short = 'M', value_name = "MODULE")]
    modules: Vec<String>,
    #[command(subcommand)]
    rest: Option<Rest>,
}

#[derive(Debug, Subcommand)]
enum Rest {
    #[command(external_subcommand)]
    CommandLine(Vec<OsString>),
}

impl Rest {
    fn words(rest: Option<Self>) -> Vec<OsString> {
        rest.map_or_else(Vec::new, |Self::CommandLine(words)| words)
    }
}

/// What `eval` is asked.
#[derive(Debug)]
pub(crate) struct Fragment {
    /// Whether null is printed too.
    pub(crate) result: bool,
    /// Whether it runs for each line of standard input.
    pub(crate) lines: bool,
    /// Whether its values are printed then.
    pub(crate) print: bool,
    /// Modules that are imported first.
    pub(crate) modules: Vec<String>,
    /// Where the code is.
    pub(crate) source: FragmentSource,
    /// The script's arguments.
    pub(crate) args: Vec<OsString>,
}

/// Where a fragment is.
#[derive(Debug)]
pub(crate) enum FragmentSource {
    /// On the command line.
    Code(String),
    /// In a file.
    File(String),
    /// In standard input.
    Stdin,
}

/// What `ast` is asked.
#[derive(Debug, Args)]
pub(crate) struct Tree {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// The script.
    pub(crate) file: String,
}

/// What `heap` is asked.
#[derive(Debug, Args)]
pub(crate) struct Profiles {
    /// How many sites to show.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the bytes by call path as a flame graph.
    #[arg(long, value_name = "OUT.svg")]
    pub(crate) flame: Option<std::path::PathBuf>,
    /// Which bytes the flame graph shows.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) at: Moment,
    /// Show growth by site from the first profile to the second.
    #[arg(long)]
    pub(crate) diff: bool,
    /// The profiles: one, or two with --diff.
    #[arg(required = true)]
    pub(crate) files: Vec<String>,
}

/// Bytes of a moment, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Moment {
    /// Live at the peak.
    #[default]
    Peak,
    /// Live at the end.
    End,
    /// Allocated in all.
    Total,
}

/// A view for people who work on the implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dump {
    /// Every token with its place.
    Tokens,
    /// The tree.
    Ast,
    /// Instructions, constants and places.
    Bytecode,
    /// Runs the script without showing its output, and prints what became machine code: instructions and bytes.
    MachineCode,
}

/// Whether a first argument is a script rather than a subcommand or an option.
pub(crate) fn is_script(first: &OsStr) -> bool {
    let is_option = first.as_encoded_bytes().starts_with(b"-");
    !is_option && !first.to_str().is_some_and(|word| SUBCOMMANDS.contains(&word))
}

/// Reads the arguments behind the program's name.
#[cold]
#[inline(never)]
pub(crate) fn parse(arguments: &[OsString]) -> Parsed {
    let program = OsString::from("aether");
    let words = match CommandLine::try_parse_from(std::iter::once(&program).chain(arguments)) {
        Ok(words) => words,
        Err(error) => return explain(&error, arguments),
    };
    let command = match words.command {
        None => Ok(Command::Repl),
        Some(Subcommands::Script(words)) => script(words, Limits::default(), "aether"),
        Some(Subcommands::Run(run)) => {
            let limits = Limits {
                memory: run.max_memory,
                depth: run.max_depth,
                steps: run.max_steps,
                time: run.timeout,
                output: run.max_output,
                open: run.max_open,
                no_jit: run.no_jit,
                max_code: run.max_code,
                jit_log: run.jit_log,
                seed: run.seed,
                fixed_time: run.fixed_time,
                rules: run.rules,
                reports: Reports {
                    leak_check: run.leak_check.or(run.graph.as_ref().map(|_| LeakLevel::Cycles)),
                    graph: run.graph,
                    leak_limit: run.leak_limit,
                    json: run.json,
                    heap_profile: run.heap_profile,
                    heap_interval: run.heap_interval,
                },
            };
            let words = Rest::words(run.rest);
            if words.is_empty() {
                Ok(Command::RunEntry(limits.into()))
            } else {
                script(words, limits, "run")
            }
        }
        Some(Subcommands::Eval(eval)) => fragment(eval),
        Some(Subcommands::Ast(tree)) => Ok(Command::Ast(tree)),
        Some(Subcommands::Heap(profiles)) => match (profiles.diff, profiles.files.len()) {
            (false, 1) | (true, 2) => Ok(Command::Heap(profiles)),
            (diff, _) => {
                let wanted = if diff {
                    "--diff takes two files"
                } else {
                    "one file at a time"
                };
                Err(wrong(&format!("heap: {wanted}"), Some(HEAP_USAGE), WRONG_USAGE).into())
            }
        },
        Some(Subcommands::Repl) => Ok(Command::Repl),
        Some(Subcommands::Check(words)) => Ok(Command::Check(words)),
        Some(Subcommands::Fmt(words)) => Ok(Command::Fmt(words)),
        Some(Subcommands::Test(words)) => Ok(Command::Test(words)),
        Some(Subcommands::Bench(words)) => Ok(Command::Bench(words)),
        Some(Subcommands::Explain(words)) => Ok(Command::Explain(words)),
        Some(Subcommands::Info(words)) => Ok(Command::Info(words)),
        Some(Subcommands::Init(words)) => Ok(Command::Init(words)),
        Some(Subcommands::Completions(words)) => Ok(Command::Completions(words)),
        Some(Subcommands::Dump { what, file }) => Ok(Command::Dump { what, file }),
    };
    match command {
        Ok(command) => Parsed::Command(command, words.color),
        Err(complaint) => *complaint,
    }
}

fn script(words: Vec<OsString>, limits: Limits, subcommand: &str) -> Result<Command, Box<Parsed>> {
    let mut words = words.into_iter();
    let Some(script) = words.next() else {
        return Err(wrong(
            &format!("{subcommand}: no file specified"),
            Some(USAGE),
            WRONG_USAGE,
        )
        .into());
    };
    Ok(Command::Run {
        script,
        args: words.collect(),
        limits: limits.into(),
    })
}

fn fragment(eval: EvalWords) -> Result<Command, Box<Parsed>> {
    let mut args = Rest::words(eval.rest);
    let source = match eval.file {
        Some(file) => FragmentSource::File(file),
        None if args.is_empty() => {
            let usage = "Usage: aether eval [--result] [-n|-p] [-M MODULE] [--file FILE | CODE | -] [ARG…]";
            return Err(wrong("eval: no code given", Some(usage), WRONG_USAGE).into());
        }
        None => match args.remove(0).to_string_lossy().into_owned() {
            code if code == "-" => FragmentSource::Stdin,
            code => FragmentSource::Code(code),
        },
    };
    Ok(Command::Eval(Fragment {
        result: eval.result,
        lines: eval.lines || eval.print,
        print: eval.print,
        modules: eval.modules,
        source,
        args,
    }))
}

fn wrong(text: &str, usage: Option<&str>, status: u8) -> Parsed {
    let usage = usage.map_or_else(String::new, |usage| format!("{usage}\n"));
    Parsed::Wrong {
        text: format!("{text}\n{usage}"),
        status,
    }
}

/// What the option parser has to say, in the tools' words.
fn explain(error: &clap::Error, arguments: &[OsString]) -> Parsed {
    let subcommand = arguments
        .iter()
        .filter_map(|word| word.to_str())
        .find(|word| !word.starts_with('-'));
    let subcommand = subcommand
        .filter(|word| SUBCOMMANDS.contains(word))
        .unwrap_or("aether");
    let status = if matches!(subcommand, "ast" | "fmt") {
        FAILED
    } else {
        WRONG_USAGE
    };
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let usage = match subcommand {
        "ast" => "Usage: aether ast [--json] [--output FILE] FILE",
        "dump" => "Usage: aether dump tokens|ast|bytecode FILE",
        "heap" => HEAP_USAGE,
        "fmt" => fmt::USAGE,
        _ => USAGE,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Parsed::Text(error.to_string()),
        ErrorKind::UnknownArgument => {
            let option = context(ContextKind::InvalidArg).unwrap_or_default();
            if !option.starts_with('-') {
                let message = format!("{subcommand}: unexpected argument '{option}'");
                let help = format!("help: 'aether {subcommand} --help' shows what it takes");
                return wrong(&message, Some(&help), status);
            }
            let help = context(ContextKind::SuggestedArg)
                .map(|meant| format!("did you mean '{meant}'?"))
                .or_else(|| owner_of(&option, subcommand))
                .map(|help| format!("help: {help}"));
            wrong(
                &format!("{subcommand}: unknown option '{option}'"),
                help.as_deref(),
                status,
            )
        }
        ErrorKind::MissingRequiredArgument => {
            wrong(&format!("{subcommand}: no file specified"), Some(usage), status)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let option = context(ContextKind::InvalidArg).unwrap_or_default();
            let name = option.split([' ', '[']).next().unwrap_or_default().to_owned();
            match context(ContextKind::InvalidValue) {
                Some(value) if !value.is_empty() => wrong(
                    &format!("{subcommand}: invalid value '{value}' for {name}"),
                    Some(&format!("help: {}", wanted_value(error))),
                    status,
                ),
                _ if name == "--output" => {
                    wrong(&format!("{subcommand}: --output requires a path"), None, status)
                }
                _ => wrong(&format!("{subcommand}: {name} requires a value"), None, status),
            }
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            wrong(
                &format!("{subcommand}: {}", first.trim_start_matches("error: ")),
                Some(usage),
                status,
            )
        }
    }
}

/// Where an option belongs that `subcommand` does not have.
fn owner_of(option: &str, subcommand: &str) -> Option<String> {
    if matches!(option, "-e" | "-c" | "-p" | "-n" | "-M" | "-E") && subcommand != "eval" {
        let option = match option {
            "-n" | "-p" | "-M" => format!("{option} "),
            _ => String::new(),
        };
        return Some(format!(
            "'aether eval {option}CODE' runs code of the command line"
        ));
    }
    let name = option.strip_prefix("--")?.split('=').next()?;
    let has = |command: &clap::Command| {
        command
            .get_arguments()
            .any(|argument| argument.get_long() == Some(name))
    };
    let commands = CommandLine::command();
    let owner = commands.get_subcommands().find(|command| has(command))?;
    Some(format!("'aether {} --{name}' has this option", owner.get_name()))
}

/// What values the option takes whose value is refused.
fn wanted_value(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) {
        return format!("it is one of {}", values.join(", "));
    }
    let reason = std::error::Error::source(error).map(ToString::to_string);
    match reason.as_deref().and_then(|reason| reason.split_once("; ")) {
        Some((_, wanted)) => wanted.to_owned(),
        None => "it is a whole number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn command(text: &str) -> Command {
        match parse(&words(text)) {
            Parsed::Command(command, _) => command,
            other => panic!("{other:?}"),
        }
    }

    fn complaint(text: &str) -> (String, u8) {
        match parse(&words(text)) {
            Parsed::Wrong { text, status } => (text, status),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_stands_behind_the_file_belongs_to_the_script() {
        let Command::Run { script, args, limits } = command("run --max-depth 5 a.ae --max-depth 7 -- -x run")
        else {
            panic!("no run");
        };
        assert_eq!((script, args), ("a.ae".into(), words("--max-depth 7 -- -x run")));
        assert_eq!(limits.depth, Some(5));
        let Command::Run { script, args, .. } = command("--color=never a.ae --color=always") else {
            panic!("no run")
        };
        assert_eq!((script, args), ("a.ae".into(), words("--color=always")));
    }

    #[test]
    fn eval_takes_code_from_three_places() {
        let Command::Eval(fragment) = command("eval --result --file f.ae A --result") else {
            panic!("no eval")
        };
        assert!(matches!(&fragment.source, FragmentSource::File(file) if file == "f.ae"));
        assert_eq!(fragment.args, words("A --result"));
        let Command::Eval(fragment) = command("eval 1+1 A") else {
            panic!("no eval")
        };
        assert!(matches!(&fragment.source, FragmentSource::Code(code) if code == "1+1"));
        let Command::Eval(fragment) = command("eval - A") else {
            panic!("no eval")
        };
        assert!(matches!(&fragment.source, FragmentSource::Stdin));
        assert_eq!(fragment.args, words("A"));
        let Command::Eval(fragment) = command("eval -- -5") else {
            panic!("no eval")
        };
        assert!(matches!(&fragment.source, FragmentSource::Code(code) if code == "-5"));
    }

    #[test]
    fn wrong_usage_is_told_in_the_tools_words() {
        assert_eq!(
            complaint("run --max-dept 5 a.ae"),
            (
                "run: unknown option '--max-dept'\nhelp: did you mean '--max-depth'?\n".into(),
                2
            )
        );
        assert_eq!(
            complaint("ast --bogus a.ae"),
            ("ast: unknown option '--bogus'\n".into(), 1)
        );
        assert_eq!(
            complaint("ast"),
            (
                "ast: no file specified\nUsage: aether ast [--json] [--output FILE] FILE\n".into(),
                1
            )
        );
        assert_eq!(
            complaint("ast a.ae --output"),
            ("ast: --output requires a path\n".into(), 1)
        );
        assert_eq!(
            complaint("run --max-memory 5X a.ae"),
            (
                "run: invalid value '5X' for --max-memory\n\
                 help: a size is bytes, or a number with K, M or G, such as 64M\n"
                    .into(),
                2
            )
        );
        assert_eq!(
            complaint("run --leak-check=some a.ae"),
            (
                "run: invalid value 'some' for --leak-check\nhelp: it is one of cycles, all, error\n".into(),
                2
            )
        );
        assert_eq!(
            complaint("run --max-depth deep a.ae").0,
            "run: invalid value 'deep' for --max-depth\nhelp: it is a whole number\n"
        );
        assert_eq!(
            complaint("--bogus"),
            ("aether: unknown option '--bogus'\n".into(), 2)
        );
        assert_eq!(
            complaint("--max-memory 5M a.ae").0,
            "aether: unknown option '--max-memory'\nhelp: 'aether run --max-memory' has this option\n"
        );
        assert_eq!(
            complaint("-e 1+1").0,
            "aether: unknown option '-e'\nhelp: 'aether eval CODE' runs code of the command line\n"
        );
        assert_eq!(
            complaint("fmt --bogus a.ae"),
            ("fmt: unknown option '--bogus'\n".into(), 1)
        );
    }

    #[test]
    fn scripts_are_told_from_subcommands_and_options() {
        assert!(is_script(OsStr::new("a.ae")));
        assert!(is_script(OsStr::new("./run")));
        assert!(!is_script(OsStr::new("run")));
        assert!(!is_script(OsStr::new("-V")));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("10"), Ok(10));
        assert!(size("M").is_err());
        assert!(size("99999999999999999999").is_err());
        assert!(size("17179869184G").is_err());
    }
}
