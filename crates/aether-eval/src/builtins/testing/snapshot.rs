//! Snapshots: texts of values that are kept beside the test, and compared with what the test gives now.
//!
//! The snapshots of `dir/app_test.ae` are in `dir/__snapshots__/app_test.ae.snap`. One that is not there is written; one
//! that differs fails, or is written if `AETHER_UPDATE_SNAPSHOTS` is set, as `aether test --update` does. A file holds
//! for each snapshot a line `=== name` and then the text, each line after two blanks.
//!
//! Source: library reference §E13.

use aether_value::{Charge, Raise, Value, WORK_BYTES};

use super::difference::{differences, with_lines};
use super::failed_at;
use crate::builtins::support::string;
use crate::context::Ctx;
use crate::host::Permission;

/// What a file begins with.
const HEADER: &str = "// Snapshots of tests: `aether test --update` writes them anew.\n";
const NAME: &str = "=== ";
const INDENT: &str = "  ";
/// Characters up to which a collection stays on one line.
const LINE: usize = 72;
/// How deep collections are spread over lines.
const DEPTH: usize = 8;

/// `snapshot(name, value)`
pub(super) fn snapshot(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let name = string(&args[0])?.as_str().escape_debug().to_string();
    let text = match &args[1] {
        Value::String(text) => text.as_str().to_owned(),
        value => {
            let mut out = String::new();
            spread(ctx, value, 0, &mut out)?;
            out
        }
    };
    let _charge = Charge::new(ctx.heap(), text.len())?;
    let (directory, path) = place(ctx);
    permit(ctx, Permission::Read, &path)?;
    let failure = |error: std::io::Error| Raise::io("snapshot", &path, &error.to_string());
    let known = if ctx.host().is_file(&path).map_err(failure)? {
        ctx.host().read_file(&path).map_err(failure)?
    } else {
        Vec::new()
    };
    let _known = Charge::new(ctx.heap(), known.len() * 2)?;
    ctx.tick((known.len() + text.len()) / WORK_BYTES)?;
    let known = String::from_utf8(known)
        .map_err(|_| Raise::io("snapshot", &path, "stream did not contain valid UTF-8"))?;
    let mut entries = parse(&known);
    let found = entries.iter().position(|(known, _)| *known == name);
    if let Some(found) = found {
        if entries[found].1 == text {
            return Ok(Value::Null);
        }
        let updates = ctx.host().env("AETHER_UPDATE_SNAPSHOTS");
        if !updates.is_some_and(|word| !word.is_empty() && word != "0") {
            let (expected, actual) = (ctx.string(&entries[found].1)?, ctx.string(&text)?);
            let lines = differences(ctx, &expected, &actual)?.unwrap_or_default();
            let lines = if lines.is_empty() {
                vec![format!("- {}", entries[found].1), format!("+ {text}")]
            } else {
                lines
            };
            let message = with_lines(ctx, &format!("snapshot '{name}' differs"), &lines)?;
            return Err(failed_at(ctx, message.as_str()));
        }
        entries[found].1 = text;
    } else {
        entries.push((name, text));
    }
    permit(ctx, Permission::Write, &path)?;
    ctx.host().make_dir(&directory).map_err(failure)?;
    ctx.host()
        .write_file(&path, written(&entries).as_bytes())
        .map_err(failure)?;
    Ok(Value::Null)
}

fn permit(ctx: &mut Ctx<'_>, permission: Permission, path: &str) -> Result<(), Raise> {
    let answer = ctx.host().permit(permission, path);
    answer.map_err(|detail| Raise::permission(&detail))
}

/// The directory and the file of the snapshots of the script that runs. A program without a file has them in the working
/// directory.
fn place(ctx: &Ctx<'_>) -> (String, String) {
    let script = ctx.vm.running_file().unwrap_or_else(|| "main.ae".to_owned());
    let (parent, name) = script
        .rsplit_once('/')
        .map_or(("", script.as_str()), |(parent, name)| {
            (if parent.is_empty() { "/" } else { parent }, name)
        });
    let slash = if parent.is_empty() || parent.ends_with('/') {
        ""
    } else {
        "/"
    };
    let directory = format!("{parent}{slash}__snapshots__");
    let path = format!("{directory}/{name}.snap");
    (directory, path)
}

/// The snapshots in a file, in order.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut entries: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(NAME) {
            entries.push((name.to_owned(), Vec::new()));
        } else if let (Some(line), Some((_, lines))) = (line.strip_prefix(INDENT), entries.last_mut()) {
            lines.push(line);
        }
    }
    let joined = |(name, lines): (String, Vec<&str>)| (name, lines.join("\n"));
    entries.into_iter().map(joined).collect()
}

/// The text of a file.
fn written(entries: &[(String, String)]) -> String {
    let mut out = HEADER.to_owned();
    for (name, text) in entries {
        out.push('\n');
        out.push_str(NAME);
        out.push_str(name);
        out.push('\n');
        for line in text.split('\n') {
            out.push_str(INDENT);
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Writes a value with the items of long collections on lines of their own.
fn spread(ctx: &mut Ctx<'_>, value: &Value, depth: usize, out: &mut String) -> Result<(), Raise> {
    let text = ctx.text(value)?;
    ctx.tick(text.len_bytes() / WORK_BYTES)?;
    let is_short = depth >= DEPTH || text.len_chars() + depth * INDENT.len() <= LINE;
    let (open, close) = match value {
        Value::Array(_) if !is_short => ('[', ']'),
        Value::Dict(_) if !is_short => ('{', '}'),
        _ => {
            out.push_str(text.as_str());
            return Ok(());
        }
    };
    out.push(open);
    out.push('\n');
    let mut item = |ctx: &mut Ctx<'_>, key: Option<&Value>, value: &Value| -> Result<(), Raise> {
        out.push_str(&INDENT.repeat(depth + 1));
        if let Some(key) = key {
            out.push_str(ctx.text(key)?.as_str());
            out.push_str(": ");
        }
        spread(ctx, value, depth + 1, out)?;
        out.push_str(",\n");
        Ok(())
    };
    match value {
        Value::Array(items) => {
            for value in &*items.snapshot()? {
                item(ctx, None, value)?;
            }
        }
        Value::Dict(entries) => {
            let entries = entries.snapshot()?;
            for (key, value) in &*entries {
                item(ctx, Some(key), value)?;
            }
        }
        _ => {}
    }
    out.push_str(&INDENT.repeat(depth));
    out.push(close);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{parse, written};

    #[test]
    fn what_is_written_is_read() {
        let entries = [
            ("a", "one"),
            ("b c", "two\n\n  lines\n"),
            ("empty", ""),
            ("=== x", "=== y"),
        ];
        let entries = entries.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(parse(&written(&entries)), entries);
    }
}
