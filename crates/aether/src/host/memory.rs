//! A host for tests: captured output, files in memory over an optional directory, a virtual clock.
//!
//! Invariants
//! - A clone is a handle to the same world, so output can be read after the engine has gone.
//! - Nothing is ever written outside memory: a written file hides the one in the directory.
//! - The clock moves only by [`MemoryHost::advance`]; entropy is a fixed seed.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use aether_eval::{Host, Permission};

/// A world in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    world: Rc<RefCell<World>>,
}

#[derive(Debug, Default)]
struct World {
    stdout: String,
    stderr: String,
    stdin: VecDeque<String>,
    files: BTreeMap<String, Vec<u8>>,
    base: Option<PathBuf>,
    clock: f64,
    seed: u64,
}

impl MemoryHost {
    /// An empty world.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same world in which relative paths that memory does not have are read below `directory`, and absolute
    /// ones as they are.
    #[must_use]
    pub fn over_directory(self, directory: impl Into<PathBuf>) -> Self {
        self.world.borrow_mut().base = Some(directory.into());
        self
    }

    /// What was written to standard output.
    pub fn stdout(&self) -> String {
        self.world.borrow().stdout.clone()
    }

    /// What was written to standard error.
    pub fn stderr(&self) -> String {
        self.world.borrow().stderr.clone()
    }

    /// Whether the next output starts a line.
    pub fn at_line_start(&self) -> bool {
        let world = self.world.borrow();
        world.stdout.is_empty() || world.stdout.ends_with('\n')
    }

    /// Appends to standard input.
    pub fn push_stdin(&self, text: &str) {
        self.world
            .borrow_mut()
            .stdin
            .extend(text.split_inclusive('\n').map(str::to_owned));
    }

    /// Puts a file into memory.
    pub fn add_file(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.world.borrow_mut().files.insert(plain(path), bytes.into());
    }

    /// A file in memory: one that was added or that a script has written.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.world.borrow().files.get(&plain(path)).cloned()
    }

    /// Moves the clock on by `seconds`.
    pub fn advance(&self, seconds: f64) {
        self.world.borrow_mut().clock += seconds;
    }

    /// Sets the seed of `random()`.
    pub fn set_seed(&self, seed: u64) {
        self.world.borrow_mut().seed = seed;
    }
}

/// A path without `.`, `..` and doubled separators, as far as that can be said without a file system.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The error of Linux with this number, so that messages read as on the system.
fn os_error(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

const NOT_FOUND: i32 = 2;
const IS_A_DIRECTORY: i32 = 21;

impl World {
    fn below_base(&self, path: &str) -> Option<PathBuf> {
        self.base.as_ref().map(|base| base.join(path))
    }

    fn has_directory(&self, path: &str) -> bool {
        if path.is_empty() {
            return true;
        }
        let inside = format!("{path}/");
        self.files
            .range(inside.clone()..)
            .next()
            .is_some_and(|(name, _)| name.starts_with(&inside))
    }

    fn is_dir(&self, path: &str) -> bool {
        self.has_directory(path) || self.below_base(path).is_some_and(|path| path.is_dir())
    }
}

impl Host for MemoryHost {
    fn write_out(&mut self, text: &str) -> io::Result<()> {
        self.world.borrow_mut().stdout.push_str(text);
        Ok(())
    }

    fn write_err(&mut self, text: &str) -> io::Result<()> {
        self.world.borrow_mut().stderr.push_str(text);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_line(&mut self) -> io::Result<String> {
        Ok(self.world.borrow_mut().stdin.pop_front().unwrap_or_default())
    }

    fn clock(&mut self) -> f64 {
        self.world.borrow().clock
    }

    fn entropy(&mut self) -> u64 {
        self.world.borrow().seed
    }

    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let path = plain(path);
        let world = self.world.borrow();
        match (world.files.get(&path), world.below_base(&path)) {
            (Some(bytes), _) => Ok(bytes.clone()),
            (None, _) if world.has_directory(&path) => Err(os_error(IS_A_DIRECTORY)),
            (None, Some(real)) => std::fs::read(real),
            (None, None) => Err(os_error(NOT_FOUND)),
        }
    }

    fn is_file(&mut self, path: &str) -> io::Result<bool> {
        let path = plain(path);
        let world = self.world.borrow();
        Ok(world.files.contains_key(&path) || world.below_base(&path).is_some_and(|path| path.is_file()))
    }

    fn is_dir(&mut self, path: &str) -> io::Result<bool> {
        Ok(self.world.borrow().is_dir(&plain(path)))
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = plain(path);
        let mut world = self.world.borrow_mut();
        if world.is_dir(&path) {
            return Err(os_error(IS_A_DIRECTORY));
        }
        let parent = path.rfind('/').map_or("", |at| &path[..at]);
        if world.base.is_some() && !world.is_dir(parent) {
            return Err(os_error(NOT_FOUND));
        }
        world.files.insert(path, bytes.to_vec());
        Ok(())
    }

    fn permit(&mut self, _: Permission, _: &str) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        assert_eq!(plain("./a//b/../c.txt"), "a/c.txt");
        assert_eq!(plain("/a/../b"), "/b");
        assert_eq!(plain("../x"), "../x");
    }

    #[test]
    fn written_files_can_be_read_and_listed_as_directories() {
        let mut host = MemoryHost::new();
        host.write_file("out/a.txt", b"1").unwrap();
        assert_eq!(host.read_file("out/./a.txt").unwrap(), b"1");
        assert!(host.is_dir("out").unwrap());
        assert!(!host.is_file("out").unwrap());
        assert_eq!(
            host.read_file("b").unwrap_err().to_string(),
            "No such file or directory (os error 2)"
        );
        assert_eq!(
            host.write_file("out", b"").unwrap_err().to_string(),
            "Is a directory (os error 21)"
        );
    }
}
