//! `fs.walk`: what is below a directory, one path after the other.
//!
//! Invariants
//! - A directory comes before what is in it, and names come in order. Links are told of, not followed.
//! - A directory is read when the walk has come to it. In memory are the names of the directories that lead to the
//!   place of the walk, which are charged.

use aether_eval::{Ctx, Entry, Permission};
use aether_value::{Charge, Raise, Value};

use crate::arguments::permit;
use crate::files::{allowed, failed, join};
use crate::stream::{self, Source};

/// A walk.
struct Walk {
    /// The directories on the way, with what in them is to come, last first.
    levels: Vec<Level>,
    /// The path that was found last, if it is a directory to go into.
    last: Option<String>,
}

struct Level {
    path: String,
    // Goes before the charge.
    entries: Vec<Entry>,
    _charge: Charge,
}

pub(super) fn walk(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let level = read(ctx, path)?;
    let walk = Walk {
        levels: vec![level],
        last: None,
    };
    stream::value(ctx, walk)
}

/// The names in a directory.
fn read(ctx: &mut Ctx<'_>, path: &str) -> Result<Level, Raise> {
    permit(ctx, Permission::Read, path)?;
    let failed = |error: &std::io::Error| failed("fs.walk", path, error);
    let listed = ctx.host().entries(path);
    let mut charge = Charge::new(ctx.heap(), path.len())?;
    let mut entries = Vec::new();
    for entry in listed.map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        ctx.tick(4)?;
        charge.add(size_of::<Entry>() + entry.name.len())?;
        entries.push(entry);
    }
    entries.sort_unstable_by(|left: &Entry, right| right.name.cmp(&left.name));
    Ok(Level {
        path: path.to_owned(),
        entries,
        _charge: charge,
    })
}

impl Source for Walk {
    /// The next path. A directory that cannot be read is an error, after which the walk goes on behind it.
    fn next(&mut self, ctx: &mut Ctx<'_>) -> Result<Option<Value>, Raise> {
        if let Some(last) = self.last.take() {
            match read(ctx, &last) {
                Ok(level) => self.levels.push(level),
                // Somebody has removed it since its name was read.
                Err(_) if ctx.host().exists(&last).is_ok_and(|exists| !exists) => {}
                Err(raise) => return Err(raise),
            }
        }
        ctx.tick(2)?;
        while let Some(level) = self.levels.last_mut() {
            let Some(Entry { name, is_dir }) = level.entries.pop() else {
                self.levels.pop();
                continue;
            };
            let path = join(&level.path, &name);
            let value = ctx.string(&path)?;
            self.last = is_dir.then_some(path);
            return Ok(Some(value));
        }
        Ok(None)
    }
}
