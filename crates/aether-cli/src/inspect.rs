//! `aether ast` and `aether dump`: what the implementation makes of a file.

use aether::parts::{ast as tree, lexer, parser};
use aether::{DEFAULT_MAX_NESTING, Engine, Error, Host, JitReport, MACHINE_CODE, SourceFile, SystemHost};

use crate::options::{Dump, Tree};
use crate::settings::{Color, Limits};
use crate::sources::{self, Parsed};
use crate::status::FAILED;
use crate::{interrupt, report, run, streams};

/// `aether ast`.
#[cold]
#[inline(never)]
pub(crate) fn ast(asked: &Tree, color: Color) -> u8 {
    let parsed = match parse(&asked.file) {
        Ok(parsed) => parsed,
        Err(error) => return report_error("ast", &asked.file, &error, color),
    };
    let text = if asked.json {
        tree::to_json(&parsed.ast)
    } else {
        tree::dump(&parsed.ast)
    };
    let text = if text.ends_with('\n') { text } else { text + "\n" };
    match &asked.output {
        None => streams::write_out(&text),
        Some(path) => {
            if let Err(error) = SystemHost::new().write_file(path, text.as_bytes()) {
                streams::write_err(&format!("ast: cannot write '{path}': {error}\n"));
                return 1;
            }
        }
    }
    0
}

/// `aether dump`.
#[cold]
#[inline(never)]
pub(crate) fn dump(what: Dump, path: &str, color: Color) -> u8 {
    let text = match what {
        Dump::MachineCode => return machine_code(path, color),
        Dump::Tokens => source(path).map(|file| lexer::dump(&lexer::lex(&file), &file)),
        Dump::Ast => parse(path).map(|parsed| tree::dump(&parsed.ast)),
        Dump::Bytecode => bytecode(path),
    };
    match text {
        Ok(text) => {
            streams::write_out(&text);
            0
        }
        Err(error) => report_error("dump", path, &error, color),
    }
}

fn source(path: &str) -> Result<SourceFile, Error> {
    Ok(SourceFile::new(Some(path.to_owned()), sources::read(path)?))
}

fn bytecode(path: &str) -> Result<String, Error> {
    let mut engine = Engine::builder()
        .host(SystemHost::new())
        .max_nesting(DEFAULT_MAX_NESTING)
        .max_memory(None)
        .build()?;
    let text = engine.read(path)?;
    engine.disassemble(path, text)
}

/// Runs a script, whose output is not shown, and prints what became machine code. Its errors are reported behind that.
fn machine_code(path: &str, color: Color) -> u8 {
    let limits = Limits::default();
    let built = run::project_modules(path).map(|modules| {
        let builder = run::builder(&[], &limits, modules).jit_report(JitReport::Listing);
        builder.host(interrupt::host().owning_input().discarding_output()).build()
    });
    let mut engine = match built {
        Ok(Ok(engine)) => engine,
        Ok(Err(error)) => return report_error("dump", path, &error, color),
        Err(message) => {
            streams::write_err(&format!("dump: {message}\n"));
            return FAILED;
        }
    };
    let result = engine.run(path);
    let listings = engine.jit_report();
    streams::write_out(&listings.join("\n"));
    if listings.is_empty() && result.is_ok() {
        let reason = if MACHINE_CODE {
            "nothing became machine code"
        } else {
            "this build makes no machine code here"
        };
        streams::write_err(&format!("dump: {reason}\n"));
    }
    match result {
        Err(error @ (Error::Read { .. } | Error::Syntax { .. })) => report_error("dump", path, &error, color),
        result => run::conclude(result, &mut engine, color),
    }
}

fn parse(path: &str) -> Result<parser::Parse, Error> {
    let Parsed { file, parse } = sources::parse_file(path)?;
    if parse.diagnostics.is_empty() {
        return Ok(parse);
    }
    Err(Error::Syntax {
        file,
        diagnostics: parse.diagnostics,
    })
}

/// Errors of the tools: `{tool}: …`, one line for each syntax error.
fn report_error(tool: &str, path: &str, error: &Error, color: Color) -> u8 {
    match error {
        Error::Read { reason, .. } => {
            streams::write_err(&format!("{tool}: cannot read '{path}': {reason}\n"));
        }
        Error::Syntax { diagnostics, .. } if !report::is_long(color) => {
            for diagnostic in diagnostics {
                streams::write_err(&format!("{tool}: {path}: {}\n", diagnostic.message));
            }
        }
        other => return report::failure(other, None, color),
    }
    1
}
