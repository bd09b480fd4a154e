//! Paths by pattern.
//!
//! A pattern is matched name by name, so that only directories are read which it can lead into. As in shells, a name
//! that begins with a dot has to be asked for by one, and `**` follows no links.

use std::io;

use aether_eval::{Ctx, Permission};
use aether_value::{Charge, Raise, Value};
use ahash::AHashSet;
use glob::{MatchOptions, Pattern};

use crate::files::failed;

/// How names are matched.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What one name of a pattern is.
enum Part {
    /// A name that is written out.
    Name(String),
    /// Any name like this.
    Pattern(Pattern),
    /// Any number of directories.
    Directories,
}

fn parts(pattern: &str) -> Result<Vec<Part>, Raise> {
    let mut parts: Vec<Part> = Vec::new();
    for name in pattern.split('/').filter(|name| !name.is_empty()) {
        let part = match name {
            "**" if matches!(parts.last(), Some(Part::Directories)) => continue,
            "**" => Part::Directories,
            name if name.contains(['*', '?', '[']) => Part::Pattern(Pattern::new(name).map_err(|error| {
                let detail = format!("path.glob: bad pattern \"{pattern}\": {}", error.msg);
                Raise::operation(&detail)
            })?),
            name => Part::Name(name.to_owned()),
        };
        parts.push(part);
    }
    Ok(parts)
}

/// A directory, or in the end a path, that the rest of the pattern begins at.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Open {
    path: String,
    /// The part that comes next.
    next: usize,
}

fn join(directory: &str, name: &str) -> String {
    let slash = if directory.is_empty() || directory.ends_with('/') {
        ""
    } else {
        "/"
    };
    format!("{directory}{slash}{name}")
}

/// The names in a directory; none if there is no directory or it cannot be read.
fn names(ctx: &mut Ctx<'_>, directory: &str) -> Result<Vec<String>, Raise> {
    let directory = if directory.is_empty() { "." } else { directory };
    crate::arguments::permit(ctx, Permission::Read, directory)?;
    let listed = match ctx.host().list_dir(directory) {
        Ok(listed) => listed,
        Err(error) if is_passed_over(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed("path.glob", directory, &error)),
    };
    let mut names = Vec::new();
    for name in listed {
        ctx.tick(1)?;
        names.extend(name.ok());
    }
    Ok(names)
}

fn is_passed_over(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotADirectory | NotFound | PermissionDenied)
}

/// `glob(pattern)`
pub(super) fn glob(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let pattern = crate::arguments::string(&args[0])?.as_str();
    ctx.tick(pattern.len() / aether_value::WORK_BYTES)?;
    let parts = parts(pattern)?;
    let root = if pattern.starts_with('/') { "/" } else { "" };
    let mut found: Vec<String> = Vec::new();
    let mut open = vec![Open {
        path: root.to_owned(),
        next: 0,
    }];
    // Bytes of the paths in both lists, which are charged while they are held.
    let mut held = Charge::none(ctx.heap());
    // Behind several `**`, many ways lead to the same place, of which one is gone.
    let is_ambiguous = parts
        .iter()
        .filter(|part| matches!(part, Part::Directories))
        .count()
        > 1;
    let mut seen: AHashSet<Open> = AHashSet::new();
    while let Some(place) = open.pop() {
        ctx.tick(1)?;
        if is_ambiguous {
            held.add(2 * size_of::<Open>() + place.path.len())?;
            if !seen.insert(place.clone()) {
                continue;
            }
        }
        let Open { path, next } = place;
        match parts.get(next) {
            None => {
                if !path.is_empty() {
                    held.add(path.len() + size_of::<String>())?;
                    found.push(path);
                }
            }
            Some(Part::Name(name)) => {
                let path = join(&path, name);
                let is_last = next + 1 == parts.len();
                crate::arguments::permit(ctx, Permission::Read, &path)?;
                // What is in the middle shows when it is read.
                let answer = if is_last {
                    ctx.host().exists(&path)
                } else {
                    Ok(true)
                };
                match answer {
                    Ok(true) => open.push(Open { path, next: next + 1 }),
                    Ok(false) => {}
                    Err(error) if is_passed_over(&error) => {}
                    Err(error) => return Err(failed("path.glob", &path, &error)),
                }
            }
            Some(Part::Pattern(wanted)) => {
                for name in names(ctx, &path)? {
                    if wanted.matches_with(&name, OPTIONS) {
                        let path = join(&path, &name);
                        held.add(path.len() + size_of::<Open>())?;
                        open.push(Open { path, next: next + 1 });
                    }
                }
            }
            Some(Part::Directories) => {
                let is_last = next + 1 == parts.len();
                for name in names(ctx, &path)? {
                    if name.starts_with('.') {
                        continue;
                    }
                    let path = join(&path, &name);
                    let is_directory =
                        ctx.host().is_dir(&path).unwrap_or(false) && !ctx.host().is_link(&path);
                    held.add(2 * (path.len() + size_of::<Open>()))?;
                    if is_last {
                        found.push(path.clone());
                    }
                    if is_directory {
                        open.push(Open { path, next });
                    }
                }
                if !is_last {
                    open.push(Open { path, next: next + 1 });
                }
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    ctx.tick(found.len())?;
    let array = ctx.heap().array(found.len())?;
    for path in &found {
        array.push(ctx.string(path)?)?;
    }
    Ok(Value::Array(array))
}
