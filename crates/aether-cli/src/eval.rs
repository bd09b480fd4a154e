//! `aether eval`: a fragment and the value of its last expression.

use std::io::{self, Read};
use std::mem::ManuallyDrop;

use aether::Error;

use crate::interrupt;
use crate::options::{Fragment, FragmentSource};
use crate::report;
use crate::run;
use crate::settings::{Color, Limits};

/// Runs a fragment and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn fragment(fragment: &Fragment, color: Color) -> u8 {
    let host = interrupt::host();
    let output = host.output();
    let directory = match &fragment.source {
        FragmentSource::File(path) => path.rfind('/').map_or("", |at| &path[..=at]),
        FragmentSource::Code(_) | FragmentSource::Stdin => "",
    };
    let built = run::builder(&fragment.args, &Limits::default())
        .host(host)
        .directory(directory)
        .build();
    let engine = match built {
        Ok(engine) => engine,
        Err(error) => return report::failure(&error, None, color),
    };
    let mut engine = ManuallyDrop::new(engine);
    let value = match &fragment.source {
        FragmentSource::File(path) => engine.eval_file(path),
        FragmentSource::Code(code) => engine.eval(code.as_str()),
        FragmentSource::Stdin => read_stdin().and_then(|code| engine.eval(code)),
    };
    engine.complete_writes();
    let result = value.and_then(|value| {
        if fragment.result || !value.is_null() {
            engine.print_result(&value, output.at_line_start())
        } else {
            Ok(())
        }
    });
    run::conclude(result, &engine, color)
}

fn read_stdin() -> Result<String, Error> {
    let mut code = String::new();
    let read = io::stdin().lock().read_to_string(&mut code);
    read.map_err(|error| Error::Read {
        path: "<stdin>".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(code)
}
