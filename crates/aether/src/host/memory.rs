//! A host for tests: captured output, files in memory over an optional directory, a virtual clock.
//!
//! Invariants
//! - A clone is a handle to the same world, so output can be read after the engine has gone.
//! - Nothing is ever written outside memory: a written file hides the one in the directory.
//! - The clock moves only by [`MemoryHost::advance`] and by waiting, which takes no time: it jumps to the moment that
//!   the engine waits for, unless jobs are out, which are waited for first. The network is real, and so is time while
//!   it is waited for. Entropy is a fixed seed, and the environment begins empty.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead as _};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use aether_eval::{
    FileHandle, FileInfo, Host, HostMaker, Names, OpenFile, OpenMode, Permission, Random, Steps, Waiting,
    Waker,
};

use super::turns::{Place, Resumed, Turns};
use super::{nanos_since, wait_on_clock};

/// Nanoseconds after which nothing is expected from the network any more: the run is interrupted, since a test that
/// hangs tells nothing.
const NETWORK_TIMEOUT: u64 = 20_000_000_000;

/// Nanoseconds of a second.
const NANOS: f64 = 1e9;

/// A world in memory.
///
/// ```
/// use aether::{Engine, MemoryHost};
///
/// let host = MemoryHost::new();
/// host.push_stdin("Ada\n");
/// let mut engine = Engine::builder().host(host.clone()).build()?;
/// engine.eval("println(\"Hello \" + input())")?;
/// assert_eq!(host.stdout(), "Hello Ada\n");
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    world: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    stdout: String,
    stderr: String,
    stdin: VecDeque<u8>,
    files: BTreeMap<String, Vec<u8>>,
    directories: BTreeSet<String>,
    /// What a script has removed and the directory still has.
    removed: BTreeSet<String>,
    base: Option<PathBuf>,
    /// Where relative paths begin, if it is not the base.
    current: String,
    variables: BTreeMap<String, String>,
    /// Nanoseconds.
    clock: u64,
    /// Nothing has come from the network for too long.
    timed_out: bool,
    /// Nanoseconds to wait for the network, if not [`NETWORK_TIMEOUT`].
    network_timeout: Option<u64>,
    seed: u64,
    /// What random bytes are drawn from, once some have been.
    random: Option<Random>,
    /// The engine's place, if engines run in turns.
    place: Option<Rc<Place>>,
}

/// Engines run in turns while this lives; see [`MemoryHost::interleave`].
///
/// ```
/// use aether::{Engine, MemoryHost};
///
/// let host = MemoryHost::new();
/// let interleaving = host.interleave(7);
/// Engine::builder().host(host.clone()).build()?.run_text("a.ae", "println(1)")?;
/// drop(interleaving);
/// assert_eq!(host.stdout(), "1\n");
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Debug)]
pub struct Interleaving(MemoryHost);

impl Drop for Interleaving {
    fn drop(&mut self) {
        self.0.world.borrow_mut().place = None;
    }
}

/// About what the nodes of a tree take, each of which has room for eleven entries and is filled by about two thirds.
fn tree_bytes(entries: usize, entry: usize) -> usize {
    entries.div_ceil(8) * (11 * entry + 16)
}

impl MemoryHost {
    /// An empty world.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let mut engine = Engine::builder().host(MemoryHost::new()).build()?;
    /// assert!(!engine.eval_to::<bool>("file_exists(\"/etc\")")?);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The same world in which relative paths that memory does not have are read below `directory`, and absolute
    /// ones as they are.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new().over_directory(env!("CARGO_MANIFEST_DIR"));
    /// let mut engine = Engine::builder().host(host).build()?;
    /// assert!(engine.eval_to::<String>("read_file(\"Cargo.toml\")")?.contains("[package]"));
    /// // Written files stay in memory.
    /// engine.eval("write_file(\"Cargo.toml\", 1)")?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn over_directory(self, directory: impl Into<PathBuf>) -> Self {
        self.world.borrow_mut().base = Some(directory.into());
        self
    }

    /// What was written to standard output.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// Engine::builder().host(host.clone()).build()?.eval("print(1, 2)")?;
    /// assert_eq!(host.stdout(), "1 2");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn stdout(&self) -> String {
        self.world.borrow().stdout.clone()
    }

    /// What was written to standard error.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// Engine::builder().host(host.clone()).build()?.eval("eprintln(1)")?;
    /// assert_eq!(host.stderr(), "1\n");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn stderr(&self) -> String {
        self.world.borrow().stderr.clone()
    }

    /// Whether the next output starts a line.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// assert!(host.at_line_start());
    /// Engine::builder().host(host.clone()).build()?.eval("print(1)")?;
    /// assert!(!host.at_line_start());
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn at_line_start(&self) -> bool {
        let world = self.world.borrow();
        world.stdout.is_empty() || world.stdout.ends_with('\n')
    }

    /// Appends to standard input.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// host.push_stdin("one\ntwo\n");
    /// let mut engine = Engine::builder().host(host).build()?;
    /// assert_eq!(engine.eval_to::<[String; 2]>("[input(), input()]")?, ["one", "two"]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn push_stdin(&self, text: &str) {
        self.world.borrow_mut().stdin.extend(text.bytes());
    }

    /// Puts a file into memory.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// host.add_file("data/a.txt", "one\ntwo");
    /// let mut engine = Engine::builder().host(host).build()?;
    /// assert_eq!(engine.eval_to::<usize>("read_lines(\"data/a.txt\").length")?, 2);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn add_file(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let mut world = self.world.borrow_mut();
        let path = world.base_path(path);
        world.files.insert(path, bytes.into());
    }

    /// A file in memory: one that was added or that a script has written.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// Engine::builder().host(host.clone()).build()?.eval("write_file(\"out.txt\", 42)")?;
    /// assert_eq!(host.file("out.txt").as_deref(), Some(&b"42"[..]));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        let world = self.world.borrow();
        world.files.get(&world.base_path(path)).cloned()
    }

    /// About how many bytes the captured output, the input that waits and the files and directories in memory take.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// host.add_file("a.bin", vec![0; 1000]);
    /// assert!(host.held_bytes() >= 1000);
    /// # let _ = Engine::new()?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn held_bytes(&self) -> usize {
        let world = self.world.borrow();
        let files: usize = world
            .files
            .iter()
            .map(|(name, bytes)| name.capacity() + bytes.capacity())
            .sum();
        let names = world.directories.iter().chain(&world.removed);
        let names: usize = names.map(String::capacity).sum();
        let nodes = tree_bytes(world.files.len(), size_of::<(String, Vec<u8>)>())
            + tree_bytes(world.directories.len(), size_of::<String>())
            + tree_bytes(world.removed.len(), size_of::<String>());
        let files = files + names + nodes;
        world.stdout.capacity() + world.stderr.capacity() + world.stdin.capacity() + files
    }

    /// Moves the clock on by `seconds`.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// let mut engine = Engine::builder().host(host.clone()).build()?;
    /// assert_eq!(engine.eval_to::<f64>("clock()")?, 0.0);
    /// host.advance(1.5);
    /// assert_eq!(engine.eval_to::<f64>("clock()")?, 1.5);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn advance(&self, seconds: f64) {
        self.world.borrow_mut().clock += (seconds * NANOS) as u64;
    }

    /// How long a program may wait for the network before it is interrupted.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let host = MemoryHost::new();
    /// host.set_network_timeout(std::time::Duration::from_secs(1));
    /// let mut engine = Engine::builder().host(host).build()?;
    /// // Nobody ever connects, which is found out after a second.
    /// let connection = engine.eval("tcp_listen(\"127.0.0.1:0\").accept()")?;
    /// assert!(connection.is_null());
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn set_network_timeout(&self, network_timeout: Duration) {
        self.world.borrow_mut().network_timeout = u64::try_from(network_timeout.as_nanos()).ok();
    }

    /// Has the program and its workers run one at a time, in an order that `seed` chooses, and by one clock, as long as
    /// the result lives: it has to outlive the engine. Each engine hands its turn on when it looks at its limits, when
    /// it leaves a message, when it waits, and at its end. Time passes when all of them wait, without regard for files
    /// and sockets that the system works on meanwhile.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// for seed in 0..20 {
    ///     let host = MemoryHost::new();
    ///     let interleaving = host.interleave(seed);
    ///     let mut engine = Engine::builder().host(host).build()?;
    ///     let text = "import worker\nawait worker.spawn(fn() { return 6 * 7 }).join()";
    ///     # if cfg!(feature = "worker") {
    ///     assert_eq!(engine.eval_to::<i64>(text)?, 42);
    ///     # }
    ///     drop(engine);
    ///     drop(interleaving);
    /// }
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn interleave(&self, seed: u64) -> Interleaving {
        let mut world = self.world.borrow_mut();
        let patience = world.network_timeout.unwrap_or(NETWORK_TIMEOUT);
        let place = Turns::begin(seed, world.clock, Duration::from_nanos(patience));
        world.place = Some(Rc::new(place));
        drop(world);
        Interleaving(self.clone())
    }

    /// The engine's place, if engines run in turns.
    fn place(&self) -> Option<Rc<Place>> {
        self.world.borrow().place.clone()
    }

    /// Takes note of what time it is after a turn of others.
    fn resume(&self, resumed: &Resumed) {
        let mut world = self.world.borrow_mut();
        world.clock = world.clock.max(resumed.clock);
        world.timed_out |= resumed.timed_out;
    }

    /// Sets the seed of `random()`.
    ///
    /// ```
    /// use aether::{Engine, MemoryHost};
    ///
    /// let draw = |seed| {
    ///     let host = MemoryHost::new();
    ///     host.set_seed(seed);
    ///     Engine::builder().host(host).build()?.eval_to::<i64>("rand_int(1_000_000)")
    /// };
    /// assert_eq!(draw(7)?, draw(7)?);
    /// assert_ne!(draw(7)?, draw(8)?);
    /// # Ok::<(), aether::Error>(())
    /// ```
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
const BAD_DESCRIPTOR: i32 = 9;
const EXISTS: i32 = 17;
const NOT_A_DIRECTORY: i32 = 20;
const IS_A_DIRECTORY: i32 = 21;
const INVALID: i32 = 22;
const TOO_LARGE: i32 = 27;
const NOT_EMPTY: i32 = 39;

/// Bytes of the largest file.
const MAX_SIZE: usize = 1 << 30;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

impl State {
    /// A path without detours, from the base on where it leads there.
    fn at(&self, path: &str) -> String {
        if self.current.is_empty() || path.is_empty() || path.starts_with('/') {
            return self.base_path(path);
        }
        self.base_path(&format!("{}/{path}", self.current))
    }

    /// [`State::at`] for what scripts that change the working directory do not move.
    fn base_path(&self, path: &str) -> String {
        let path = plain(path);
        let Some(absolute) = path.strip_prefix('/') else {
            return path;
        };
        // Without a base, memory begins at the root.
        let inside = match &self.base {
            None => Some(absolute),
            Some(base) => path.strip_prefix(&*base.to_string_lossy()),
        };
        match inside {
            Some(inside) if self.base.is_none() || inside.is_empty() || inside.starts_with('/') => {
                inside.trim_start_matches('/').to_owned()
            }
            _ => path,
        }
    }

    /// The path in the directory below, unless a script has removed what was there.
    fn below_base(&self, path: &str) -> Option<PathBuf> {
        let base = self.base.as_ref()?;
        (!self.removed.contains(path)).then(|| base.join(path))
    }

    /// A path without detours, with where the base is.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let base = self
            .base
            .as_deref()
            .map_or("".into(), std::path::Path::to_string_lossy);
        plain(&format!("/{base}/{path}"))
    }

    /// Whether memory has files or directories below a path.
    fn holds_some_below(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        let below = |name: Option<&String>| name.is_some_and(|name| name.starts_with(&inside));
        below(self.files.range(inside.clone()..).next().map(|(name, _)| name))
            || below(self.directories.range(inside.clone()..).next())
    }

    /// What is at a path without detours. A file in the middle of it is an error, as on the system.
    fn find(&self, path: &str) -> io::Result<Option<Kind>> {
        if path.is_empty() || path == "/" || self.directories.contains(path) {
            return Ok(Some(Kind::Directory));
        }
        if self.files.contains_key(path) {
            return Ok(Some(Kind::File));
        }
        if self.holds_some_below(path) {
            return Ok(Some(Kind::Directory));
        }
        let mut above = parent(path);
        while !above.is_empty() {
            if self.files.contains_key(above) {
                return Err(os_error(NOT_A_DIRECTORY));
            }
            above = parent(above);
        }
        let Some(real) = self.below_base(path) else {
            return Ok(None);
        };
        match std::fs::metadata(real) {
            Ok(found) if found.is_dir() => Ok(Some(Kind::Directory)),
            Ok(_) => Ok(Some(Kind::File)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.find(path)? {
            None => Err(os_error(NOT_FOUND)),
            Some(Kind::Directory) => Err(os_error(IS_A_DIRECTORY)),
            Some(Kind::File) => match (self.files.get(path), self.below_base(path)) {
                (Some(bytes), _) => Ok(bytes.clone()),
                (None, Some(real)) => std::fs::read(real),
                (None, None) => Err(os_error(NOT_FOUND)),
            },
        }
    }

    /// Whether a file may be made at a path: it is no directory, and its directory exists. An empty world has every
    /// directory.
    fn check_writable(&self, path: &str) -> io::Result<()> {
        match self.find(path)? {
            Some(Kind::Directory) => Err(os_error(IS_A_DIRECTORY)),
            Some(Kind::File) => Ok(()),
            None if self.base.is_some() && self.find(parent(path))?.is_none() => Err(os_error(NOT_FOUND)),
            None => Ok(()),
        }
    }

    /// The names in a directory.
    fn names(&self, path: &str) -> io::Result<BTreeSet<String>> {
        match self.find(path)? {
            None => return Err(os_error(NOT_FOUND)),
            Some(Kind::File) => return Err(os_error(NOT_A_DIRECTORY)),
            Some(Kind::Directory) => {}
        }
        let inside = if path.is_empty() || path == "/" {
            path.to_owned()
        } else {
            format!("{path}/")
        };
        let mut names = BTreeSet::new();
        for known in self.files.keys().chain(&self.directories) {
            if let Some(rest) = known.strip_prefix(&inside)
                && !(inside.is_empty() && rest.starts_with('/'))
            {
                names.extend(rest.split('/').next().map(str::to_owned));
            }
        }
        if let Some(real) = self.below_base(path).filter(|real| real.is_dir()) {
            for entry in std::fs::read_dir(real)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if !self.removed.contains(&format!("{inside}{name}")) {
                    names.insert(name);
                }
            }
        }
        Ok(names)
    }

    /// Takes a file away, in memory and from sight.
    fn hide(&mut self, path: &str) {
        self.files.remove(path);
        self.removed.insert(path.to_owned());
    }

    fn put(&mut self, path: String, bytes: Vec<u8>) {
        self.removed.remove(&path);
        self.files.insert(path, bytes);
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        match (self.find(from)?, self.find(to)?) {
            (None, _) => return Err(os_error(NOT_FOUND)),
            (Some(Kind::File), Some(Kind::Directory)) => return Err(os_error(IS_A_DIRECTORY)),
            (Some(Kind::Directory), Some(Kind::File)) => return Err(os_error(NOT_A_DIRECTORY)),
            (Some(Kind::Directory), Some(Kind::Directory)) if !self.names(to)?.is_empty() => {
                return Err(os_error(NOT_EMPTY));
            }
            (Some(Kind::File), _) => {
                self.check_writable(to)?;
                let bytes = self.read(from)?;
                if from != to {
                    self.hide(from);
                    self.put(to.to_owned(), bytes);
                }
                return Ok(());
            }
            (Some(Kind::Directory), _) => {}
        }
        self.removed.remove(to);
        self.directories.insert(to.to_owned());
        for name in self.names(from)? {
            self.rename(&format!("{from}/{name}"), &format!("{to}/{name}"))?;
        }
        self.directories.remove(from);
        self.removed.insert(from.to_owned());
        Ok(())
    }
}

/// An open file in memory. One that has been removed meanwhile is empty.
struct MemoryFile {
    world: Rc<RefCell<State>>,
    path: String,
    position: usize,
    mode: OpenMode,
}

impl MemoryFile {
    fn refuse_unless(allowed: bool) -> io::Result<()> {
        if allowed {
            Ok(())
        } else {
            Err(os_error(BAD_DESCRIPTOR))
        }
    }
}

impl io::Read for MemoryFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Self::refuse_unless(self.mode.read)?;
        let world = self.world.borrow();
        let bytes = world.files.get(&self.path).map_or(&[][..], Vec::as_slice);
        let rest = bytes.get(self.position..).unwrap_or_default();
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}

impl io::Write for MemoryFile {
    fn write(&mut self, new: &[u8]) -> io::Result<usize> {
        Self::refuse_unless(self.mode.write)?;
        let mut world = self.world.borrow_mut();
        let Some(bytes) = world.files.get_mut(&self.path) else {
            return Ok(new.len());
        };
        if self.mode.append {
            self.position = bytes.len();
        }
        let end = self.position.saturating_add(new.len());
        if end > MAX_SIZE {
            return Err(os_error(TOO_LARGE));
        }
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[self.position..end].copy_from_slice(new);
        self.position = end;
        Ok(new.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for MemoryFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let length = self.world.borrow().files.get(&self.path).map_or(0, Vec::len);
        let target = match to {
            io::SeekFrom::Start(at) => i64::try_from(at).ok(),
            io::SeekFrom::End(by) => (length as i64).checked_add(by),
            io::SeekFrom::Current(by) => (self.position as i64).checked_add(by),
        };
        let Some(target) = target.and_then(|at| usize::try_from(at).ok()) else {
            return Err(os_error(INVALID));
        };
        self.position = target;
        Ok(target as u64)
    }
}

impl Host for MemoryHost {
    /// Workers have memory hosts of their own, with other seeds and without files; nobody sees what they print.
    fn worker_host(&mut self, _: Option<Vec<Permission>>) -> Option<HostMaker> {
        let mut world = self.world.borrow_mut();
        world.seed = world.seed.wrapping_add(1);
        let seed = world.seed;
        let place = world.place.as_ref().map(|place| place.add());
        Some(Box::new(move || {
            let host = Self::new();
            host.set_seed(seed);
            if let Some(place) = place {
                host.resume(&place.arrive());
                host.world.borrow_mut().place = Some(Rc::new(place));
            }
            Box::new(host)
        }))
    }

    /// Nobody sends signals.
    fn watch_signal(&mut self, _: i32, _: aether_eval::SignalObserver) -> io::Result<Box<dyn std::any::Any>> {
        Ok(Box::new(()))
    }

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
        let stdin = &mut self.world.borrow_mut().stdin;
        let mut line = String::new();
        stdin.read_line(&mut line)?;
        Ok(line)
    }

    fn read_input(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let stdin = &mut self.world.borrow_mut().stdin;
        let count = stdin.len().min(most);
        Ok(stdin.drain(..count).collect())
    }

    fn clock(&mut self) -> f64 {
        self.world.borrow().clock as f64 / NANOS
    }

    fn clock_nanos(&mut self) -> i64 {
        i64::try_from(self.world.borrow().clock).unwrap_or(i64::MAX)
    }

    fn monotonic(&mut self) -> u64 {
        self.world.borrow().clock
    }

    fn wait(&mut self, waker: &Waker, waiting: Waiting) {
        if let Some(place) = self.place() {
            let now = self.monotonic();
            self.resume(&place.wait(waker, waiting, now));
            return;
        }
        match waiting.until {
            until if waiting.network => {
                let (begun, now) = (Instant::now(), self.monotonic());
                let network_timeout =
                    now.saturating_add(self.world.borrow().network_timeout.unwrap_or(NETWORK_TIMEOUT));
                let until = until.map_or(network_timeout, |until| until.min(network_timeout));
                let waiting = Waiting {
                    until: Some(until),
                    ..waiting
                };
                wait_on_clock(waker, waiting, now);
                let passed = now.saturating_add(nanos_since(begun)).min(until);
                let mut world = self.world.borrow_mut();
                world.clock = world.clock.max(passed);
                world.timed_out = passed >= network_timeout;
            }
            Some(until) if !waiting.jobs => {
                let mut world = self.world.borrow_mut();
                world.clock = world.clock.max(until);
            }
            _ => waker.wait(None, waiting.messages),
        }
    }

    fn entropy(&mut self) -> u64 {
        self.world.borrow().seed
    }

    fn random_bytes(&mut self, out: &mut [u8]) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let seed = world.seed;
        world.random.get_or_insert_with(|| Random::new(seed)).fill(out);
        Ok(())
    }

    fn open_file(&mut self, path: &str) -> io::Result<OpenFile> {
        let world = self.world.borrow();
        let bytes = world.read(&world.at(path))?;
        let size = bytes.len() as u64;
        Ok(OpenFile {
            reader: Box::new(io::Cursor::new(bytes)),
            size,
        })
    }

    fn is_file(&mut self, path: &str) -> io::Result<bool> {
        let world = self.world.borrow();
        Ok(world.find(&world.at(path))? == Some(Kind::File))
    }

    fn is_dir(&mut self, path: &str) -> io::Result<bool> {
        let world = self.world.borrow();
        Ok(world.find(&world.at(path))? == Some(Kind::Directory))
    }

    fn exists(&mut self, path: &str) -> io::Result<bool> {
        let world = self.world.borrow();
        Ok(world.find(&world.at(path))?.is_some())
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let path = world.at(path);
        world.check_writable(&path)?;
        world.put(path, bytes.to_vec());
        Ok(())
    }

    fn append_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let path = world.at(path);
        world.check_writable(&path)?;
        let mut content = match world.find(&path)? {
            Some(_) => world.read(&path)?,
            None => Vec::new(),
        };
        content.extend_from_slice(bytes);
        world.put(path, content);
        Ok(())
    }

    fn make_dir(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() {
            return Err(os_error(NOT_FOUND));
        }
        let mut world = self.world.borrow_mut();
        let path = world.at(path);
        match world.find(&path)? {
            Some(Kind::Directory) => Ok(()),
            Some(Kind::File) => Err(os_error(EXISTS)),
            None => {
                world.directories.insert(path);
                Ok(())
            }
        }
    }

    fn list_dir(&mut self, path: &str) -> io::Result<Names> {
        let world = self.world.borrow();
        let names = world.names(&world.at(path))?;
        Ok(Box::new(names.into_iter().map(Ok)))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let (from, to) = (world.at(from), world.at(to));
        world.rename(&from, &to)
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let path = world.at(path);
        match world.find(&path)? {
            None => Err(os_error(NOT_FOUND)),
            Some(Kind::Directory) => Err(os_error(IS_A_DIRECTORY)),
            Some(Kind::File) => {
                world.hide(&path);
                Ok(())
            }
        }
    }

    fn open_handle(&mut self, path: &str, mode: OpenMode) -> io::Result<Box<dyn FileHandle>> {
        let mut world = self.world.borrow_mut();
        let path = world.at(path);
        let found = world.find(&path)?;
        match found {
            Some(_) if mode.create_new => return Err(os_error(EXISTS)),
            Some(Kind::Directory) => return Err(os_error(IS_A_DIRECTORY)),
            None if !mode.create && !mode.create_new => return Err(os_error(NOT_FOUND)),
            _ => world.check_writable(&path)?,
        }
        let bytes = match found {
            Some(_) if !mode.truncate => world.read(&path)?,
            _ => Vec::new(),
        };
        world.put(path.clone(), bytes);
        Ok(Box::new(MemoryFile {
            world: self.world.clone(),
            path,
            position: 0,
            mode,
        }))
    }

    fn file_info(&mut self, path: &str) -> io::Result<FileInfo> {
        let world = self.world.borrow();
        let path = world.at(path);
        let Some(kind) = world.find(&path)? else {
            return Err(os_error(NOT_FOUND));
        };
        let size = match kind {
            Kind::File => world.read(&path)?.len() as u64,
            Kind::Directory => 0,
        };
        Ok(FileInfo {
            size,
            is_file: kind == Kind::File,
            is_dir: kind == Kind::Directory,
            ..FileInfo::default()
        })
    }

    fn copy_file(&mut self, from: &str, to: &str) -> io::Result<Steps> {
        let bytes = self.read_file(from)?;
        self.write_file(to, &bytes)?;
        Ok(Box::new(|| Ok(None)))
    }

    fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let path = world.at(path);
        match world.find(&path)? {
            None => Err(os_error(NOT_FOUND)),
            Some(Kind::File) => Err(os_error(NOT_A_DIRECTORY)),
            Some(Kind::Directory) if !world.names(&path)?.is_empty() => Err(os_error(NOT_EMPTY)),
            Some(Kind::Directory) => {
                world.directories.remove(&path);
                world.removed.insert(path);
                Ok(())
            }
        }
    }

    fn remove_tree(&mut self, path: &str) -> io::Result<Steps> {
        for name in self.list_dir(path)? {
            let inner = format!("{path}/{}", name?);
            if self.is_dir(&inner)? {
                drop(self.remove_tree(&inner)?);
            } else {
                self.remove_file(&inner)?;
            }
        }
        match self.remove_dir(path) {
            // A directory that only its files made is gone with them.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Box::new(|| Ok(None))),
        }
    }

    fn make_link(&mut self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_link(&mut self, path: &str) -> io::Result<String> {
        Err(os_error(if self.exists(path)? { INVALID } else { NOT_FOUND }))
    }

    fn set_mode(&mut self, path: &str, _: u32) -> io::Result<()> {
        if self.exists(path)? {
            Ok(())
        } else {
            Err(os_error(NOT_FOUND))
        }
    }

    fn make_temp_file(&mut self, suffix: &str) -> io::Result<String> {
        let mut number = 0;
        loop {
            let path = format!("{}/aether-{number:016x}{suffix}", self.temp_dir());
            if !self.exists(&path)? {
                self.write_file(&path, b"")?;
                return Ok(path);
            }
            number += 1;
        }
    }

    fn read_source(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let world = self.world.borrow();
        world.read(&world.base_path(path))
    }

    fn is_source(&mut self, path: &str) -> bool {
        let world = self.world.borrow();
        matches!(world.find(&world.base_path(path)), Ok(Some(Kind::File)))
    }

    fn resolve_path(&mut self, path: &str) -> io::Result<String> {
        let world = self.world.borrow();
        let path = world.at(path);
        match world.find(&path)? {
            Some(_) => Ok(world.absolute(&path)),
            None => Err(os_error(NOT_FOUND)),
        }
    }

    fn current_dir(&mut self) -> io::Result<String> {
        let world = self.world.borrow();
        Ok(world.absolute(&world.current))
    }

    fn set_current_dir(&mut self, path: &str) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let path = world.at(path);
        match world.find(&path)? {
            None => return Err(os_error(NOT_FOUND)),
            Some(Kind::File) => return Err(os_error(NOT_A_DIRECTORY)),
            Some(Kind::Directory) => world.current = path,
        }
        Ok(())
    }

    fn env(&mut self, name: &str) -> Option<String> {
        self.world.borrow().variables.get(name).cloned()
    }

    fn env_all(&mut self) -> Vec<(String, String)> {
        let world = self.world.borrow();
        let variables = world.variables.iter();
        variables
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn env_changes(&mut self) -> Vec<(String, Option<String>)> {
        let all = self.env_all();
        all.into_iter().map(|(name, value)| (name, Some(value))).collect()
    }

    fn set_env(&mut self, name: &str, value: Option<&str>) {
        let variables = &mut self.world.borrow_mut().variables;
        match value {
            Some(value) => drop(variables.insert(name.to_owned(), value.to_owned())),
            None => drop(variables.remove(name)),
        }
    }

    fn presence(&mut self) -> Option<Box<dyn std::any::Any>> {
        self.place()
            .map(|place| -> Box<dyn std::any::Any> { Box::new(place) })
    }

    fn yield_now(&mut self) {
        if let Some(place) = self.place() {
            self.resume(&place.pass());
        }
    }

    fn interrupted(&mut self) -> bool {
        self.yield_now();
        std::mem::take(&mut self.world.borrow_mut().timed_out)
    }

    fn permits_everything(&mut self, _: Permission) -> bool {
        true
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
    fn absolute_paths_lead_to_what_relative_ones_name() {
        for base in [None, Some("/no/such/place")] {
            let mut host = MemoryHost::new();
            if let Some(base) = base {
                host = host.over_directory(base);
            }
            host.make_dir("a/b").unwrap();
            host.write_file("a/b/c.txt", b"1").unwrap();
            host.set_current_dir("a").unwrap();
            let here = host.current_dir().unwrap();
            assert_eq!(here, format!("{}/a", base.unwrap_or_default()));
            let path = host.resolve_path("b/c.txt").unwrap();
            assert_eq!(path, format!("{here}/b/c.txt"));
            host.set_current_dir("/").unwrap();
            assert_eq!(host.read_file(&path).unwrap(), b"1");
            host.set_current_dir(&here).unwrap();
            assert_eq!(host.read_file("../a/./b/c.txt").unwrap(), b"1");
            // Modules stay where they are.
            assert!(host.is_source("a/b/c.txt") && !host.is_source("b/c.txt"));
        }
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
        assert_eq!(
            host.is_file("out/a.txt/b").unwrap_err().to_string(),
            "Not a directory (os error 20)"
        );
    }

    #[test]
    fn what_is_below_can_be_hidden_but_not_changed() {
        let directory = std::env::temp_dir().join(format!("aether-memory-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("real.txt"), "real").unwrap();
        let mut host = MemoryHost::new().over_directory(&directory);
        let names = |host: &mut MemoryHost| -> Vec<String> {
            let names = host.list_dir(".").unwrap();
            names.collect::<io::Result<_>>().unwrap()
        };
        host.append_file("real.txt", b"+").unwrap();
        assert_eq!(host.read_file("real.txt").unwrap(), b"real+");
        host.make_dir("a/b").unwrap();
        assert_eq!(names(&mut host), ["a", "real.txt"]);
        host.rename("real.txt", "a/moved.txt").unwrap();
        host.rename("a", "c").unwrap();
        assert_eq!(names(&mut host), ["c"]);
        assert!(host.is_dir("c/b").unwrap());
        host.remove_file("c/moved.txt").unwrap();
        assert!(!host.exists("real.txt").unwrap());
        assert_eq!(std::fs::read(directory.join("real.txt")).unwrap(), b"real");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
