//! `aether eval`: a fragment and the value of its last expression, once or for each line of standard input.

use std::io::{self, BufRead};
use std::mem::ManuallyDrop;

use aether::{Engine, Error, Output};

use crate::options::{Fragment, FragmentSource};
use crate::report;
use crate::run;
use crate::settings::{Color, Limits};
use crate::status::FAILED;
use crate::{debugger, interrupt, sources, streams};

/// What binds the names that a fragment finds for each line.
const BINDER: &str = "let line = null\nlet nr = 0\nfn(text, number) {\n    line = text\n    nr = number\n}";

/// Runs a fragment and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn fragment(fragment: &Fragment, color: Color) -> u8 {
    let host = interrupt::host();
    // Lines that the code is run for come from the input too.
    let host = if fragment.lines { host } else { host.owning_input() };
    let output = host.output();
    let place = match &fragment.source {
        FragmentSource::File(path) => path,
        FragmentSource::Code(_) | FragmentSource::Stdin => ".",
    };
    let directory = place.rfind('/').map_or("", |at| &place[..=at]);
    let modules = match run::project_modules(place) {
        Ok(modules) => modules,
        Err(message) => {
            streams::write_err(&format!("eval: {message}\n"));
            return FAILED;
        }
    };
    let built = run::builder(&fragment.args, &Limits::default(), modules)
        .host(host)
        .directory(directory)
        .build();
    let engine = match built {
        Ok(engine) => engine,
        Err(error) => return report::failure(&error, None, color),
    };
    let mut engine = ManuallyDrop::new(engine);
    debugger::attach(&mut engine);
    let result = evaluate(fragment, &mut engine, &output);
    run::conclude(result, &mut engine, color)
}

fn evaluate(fragment: &Fragment, engine: &mut Engine, output: &Output) -> Result<(), Error> {
    for module in &fragment.modules {
        engine.eval(format!("import {module}"))?;
    }
    let code = match &fragment.source {
        FragmentSource::File(path) => engine.read(path)?,
        FragmentSource::Code(code) => code.clone(),
        FragmentSource::Stdin => sources::read_stdin()?,
    };
    if fragment.lines {
        return each_line(fragment, &code, engine, output);
    }
    let value = engine.eval(code);
    engine.complete_writes();
    let value = value?;
    if fragment.result || !value.is_null() {
        engine.print_result(&value, output.at_line_start())?;
    }
    Ok(())
}

/// Runs the code for each line of standard input.
fn each_line(fragment: &Fragment, code: &str, engine: &mut Engine, output: &Output) -> Result<(), Error> {
    let binder = engine.eval(BINDER)?;
    let compiled = engine.compile_fragment(code)?;
    let mut number = 0_i64;
    loop {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        if read.map_err(|error| sources::unreadable_stdin(&error))? == 0 {
            break;
        }
        number += 1;
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        engine.call_value(&binder, (line, number))?;
        let value = engine.run_fragment(&compiled)?;
        if fragment.print && (fragment.result || !value.is_null()) {
            engine.print_result(&value, output.at_line_start())?;
        }
    }
    engine.complete_writes();
    Ok(())
}
