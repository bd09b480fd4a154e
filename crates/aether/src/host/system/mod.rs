//! The machine itself: its streams, files, clock and entropy.
//!
//! Invariants
//! - Output is buffered when standard output is no terminal, and written before input is read, before anything goes
//!   to standard error, and by `flush`.
//! - A closed pipe surfaces as [`io::ErrorKind::BrokenPipe`]; what to make of it is the caller's decision.
//! - Everything is permitted unless [`SystemHost::with_permissions`] says otherwise; what is opened is checked by its
//!   path and again by its handle.

mod files;
mod input;
#[cfg(feature = "process")]
mod signals;
#[cfg(feature = "watch")]
mod watch;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aether_eval::{
    AccessCheck, Background, Entries, Entry, FileHandle, FileInfo, Glance, Host, HostMaker, LocalZone,
    Lookout, Names, OpenFile, OpenMode, Permission, Steps, Stream, Waiting, Waker,
};

use self::files::{
    NOT_A_DIRECTORY, Place, check_opened, final_place, metadata, open, overwrite_file, replace_file,
};
use self::input::Input;
use super::{nanos_since, wait_on_clock};
use crate::permissions::{self, Permissions};

/// Bytes that are collected before they are written.
const BUFFER: usize = 64 << 10;

/// What can be asked about the output while an engine owns the host.
///
/// ```
/// use aether::{Engine, SystemHost};
///
/// let host = SystemHost::new();
/// let output = host.output();
/// let mut engine = Engine::builder().host(host).build()?;
/// engine.eval("print(1)")?;
/// if !output.at_line_start() {
///     println!();
/// }
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Output(Rc<Cell<bool>>);

impl Output {
    /// Whether the next output starts a line.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    ///
    /// let host = SystemHost::new();
    /// assert!(host.output().at_line_start());
    /// # let _ = Engine::builder().host(host).build()?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn at_line_start(&self) -> bool {
        self.0.get()
    }
}

/// The operating system as a host.
///
/// ```
/// use aether::{Engine, SystemHost};
///
/// let mut engine = Engine::builder().host(SystemHost::new()).build()?;
/// assert!(engine.eval_to::<bool>("is_dir(\".\")")?);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct SystemHost {
    buffer: Vec<u8>,
    input: Input,
    /// Whether every write goes out at once.
    direct: bool,
    line_start: Rc<Cell<bool>>,
    /// A moment on both clocks.
    begun: Instant,
    begun_at: Duration,
    stop: Option<Arc<AtomicBool>>,
    armed: Option<Arc<AtomicBool>>,
    waker: Option<Box<dyn FnOnce(Waker)>>,
    /// What scripts may reach.
    permissions: Arc<Permissions>,
    /// The seed of randomness, if it is not the system's.
    seed: Option<u64>,
    /// What random bytes are drawn from, if there is a seed.
    #[cfg(feature = "bytes")]
    seeded: Option<aether_eval::Random>,
    /// The time, if it stands still.
    fixed_time: Option<f64>,
    /// The directory that relative paths begin at, if it is not the process's. It is absolute.
    directory: Option<PathBuf>,
    /// Variables of the environment that were set or taken away.
    variables: BTreeMap<String, Option<String>>,
    /// Workers that have been made.
    workers: u64,
    /// Whether there is input: a worker has none.
    reads_input: bool,
    /// Whether what goes to standard output is thrown away.
    discards_output: bool,
}

impl Default for SystemHost {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemHost {
    /// The streams of this process.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    ///
    /// let mut engine = Engine::builder().host(SystemHost::new()).build()?;
    /// engine.eval("println(\"on the standard output of this process\")")?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            buffer: Vec::new(),
            input: Input::default(),
            direct: io::stdout().is_terminal(),
            line_start: Rc::new(Cell::new(true)),
            begun: Instant::now(),
            begun_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            stop: None,
            armed: None,
            waker: None,
            permissions: Arc::new(Permissions::everything()),
            seed: None,
            #[cfg(feature = "bytes")]
            seeded: None,
            fixed_time: None,
            directory: None,
            variables: BTreeMap::new(),
            workers: 0,
            reads_input: true,
            discards_output: false,
        }
    }

    /// The same host, which throws away what scripts write to standard output; their workers' too, but not what
    /// processes write that they start. Standard error stays.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    ///
    /// let mut engine = Engine::builder().host(SystemHost::new().discarding_output()).build()?;
    /// engine.eval("println(\"nobody sees this\")")?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn discarding_output(mut self) -> Self {
        self.discards_output = true;
        self
    }

    /// The same host, whose runs end as interrupted soon after the flag is set, `finally` blocks run. The host
    /// clears it when it has seen it.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// let stop = Arc::new(AtomicBool::new(false));
    /// let host = SystemHost::new().interrupted_by(stop.clone());
    /// let mut engine = Engine::builder().host(host).build()?;
    /// std::thread::spawn(move || stop.store(true, Ordering::Relaxed));
    /// let error = engine.eval("while (true) {}").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::Interrupted));
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn interrupted_by(mut self, flag: Arc<AtomicBool>) -> Self {
        self.stop = Some(flag);
        self
    }

    /// The same host, for a process in which nothing else reads standard input: the wish to stop and limits then end a
    /// script's wait for input too.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    ///
    /// let mut engine = Engine::builder().host(SystemHost::new().owning_input()).build()?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn owning_input(mut self) -> Self {
        self.input.own();
        self
    }

    /// The same host, which clears this flag when a wish to stop was meant for servers: whoever ends the process at the
    /// second wish begins to count again.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    /// use std::sync::Arc;
    /// use std::sync::atomic::AtomicBool;
    ///
    /// // Set by a handler of signals, which ends the process when it finds it set.
    /// let armed = Arc::new(AtomicBool::new(false));
    /// let host = SystemHost::new().armed_by(armed);
    /// let engine = Engine::builder().host(host).build()?;
    /// # drop(engine);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn armed_by(mut self, flag: Arc<AtomicBool>) -> Self {
        self.armed = Some(flag);
        self
    }

    /// The same host, which before its first wait gives `waker` the waker that ends waits: to be woken when the flag of
    /// [`SystemHost::interrupted_by`] is set, so that an engine that waits sees it.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// let stop = Arc::new(AtomicBool::new(false));
    /// let flag = stop.clone();
    /// let host = SystemHost::new().interrupted_by(stop).woken_by(move |waker| {
    ///     std::thread::spawn(move || {
    ///         flag.store(true, Ordering::Relaxed);
    ///         waker.wake();
    ///     });
    /// });
    /// let mut engine = Engine::builder().host(host).build()?;
    /// let error = engine.eval("sleep(60)").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::Interrupted));
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn woken_by(mut self, waker: impl FnOnce(Waker) + 'static) -> Self {
        self.waker = Some(Box::new(waker));
        self
    }

    /// The same host with fewer rights; without this, everything is permitted.
    ///
    /// ```
    /// use aether::{Engine, ErrorKind, Permission, Permissions, SystemHost};
    ///
    /// let host = SystemHost::new().with_permissions(Permissions::everything().deny_only(Permission::Read, "/etc"));
    /// let mut engine = Engine::builder().host(host).build()?;
    /// let error = engine.eval("read_file(\"/usr/../etc/passwd\")").unwrap_err();
    /// assert_eq!(error.kind(), Some(ErrorKind::Permission));
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn with_permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = Arc::new(permissions);
        self
    }

    /// The same host, whose randomness begins with this seed.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    ///
    /// let host = || SystemHost::new().with_seed(7);
    /// let mut first = Engine::builder().host(host()).build()?;
    /// let mut second = Engine::builder().host(host()).build()?;
    /// assert_eq!(first.eval_to::<f64>("random()")?, second.eval_to::<f64>("random()")?);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The same host, whose clock stands at a moment, in seconds since the epoch. Waiting goes on.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    ///
    /// let host = SystemHost::new().with_fixed_time(86_400.0);
    /// let mut engine = Engine::builder().host(host).build()?;
    /// assert_eq!(engine.eval_to::<f64>("clock()")?, 86_400.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn with_fixed_time(mut self, seconds: f64) -> Self {
        self.fixed_time = Some(seconds);
        self
    }

    /// A handle that tells about the output.
    ///
    /// ```
    /// use aether::{Engine, SystemHost};
    ///
    /// let host = SystemHost::new();
    /// let output = host.output();
    /// let mut engine = Engine::builder().host(host).build()?;
    /// engine.eval("println(1)")?;
    /// assert!(output.at_line_start());
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn output(&self) -> Output {
        Output(self.line_start.clone())
    }

    /// A path as the process has to write it.
    fn at<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match &self.directory {
            Some(directory) if !path.is_empty() => directory.join(path).to_string_lossy().into_owned().into(),
            _ => path.into(),
        }
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        if self.discards_output {
            self.buffer.clear();
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
        self.buffer.clear();
        written
    }

    /// Writes bytes to standard output, behind everything printed before.
    fn write_through(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_buffer()?;
        if let Some(last) = bytes.last() {
            self.line_start.set(*last == b'\n');
        }
        if self.discards_output {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    }
}

/// While it lives, what is typed on the terminal that standard input is does not show.
#[cfg(unix)]
struct HiddenInput(rustix::termios::Termios);

#[cfg(unix)]
impl HiddenInput {
    /// None where standard input is no terminal.
    fn begin() -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).ok()?;
        Some(Self(before))
    }
}

#[cfg(unix)]
impl Drop for HiddenInput {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Where terminals are not known, input shows.
#[cfg(not(unix))]
struct HiddenInput;

#[cfg(not(unix))]
impl HiddenInput {
    fn begin() -> Option<Self> {
        None
    }
}

#[cfg(unix)]
fn terminal_size() -> Option<(u16, u16)> {
    use rustix::termios::tcgetwinsize;
    let size = tcgetwinsize(io::stdout())
        .or_else(|_| tcgetwinsize(io::stderr()))
        .ok()?;
    Some((size.ws_col, size.ws_row)).filter(|&(columns, rows)| columns > 0 && rows > 0)
}

#[cfg(not(unix))]
fn terminal_size() -> Option<(u16, u16)> {
    None
}

impl Host for SystemHost {
    fn worker_host(&mut self, allowed: Option<Vec<Permission>>) -> Option<HostMaker> {
        let mut permissions = (*self.permissions).clone();
        if let Some(allowed) = allowed {
            let taken = Permission::ALL
                .into_iter()
                .filter(|known| !allowed.contains(known));
            permissions = taken.fold(permissions, Permissions::deny);
        }
        // Workers draw other numbers than the program, and than each other.
        self.workers += 1;
        let seed = self.seed.map(|seed| seed.wrapping_add(self.workers));
        let (fixed_time, begun, begun_at) = (self.fixed_time, self.begun, self.begun_at);
        let discards_output = self.discards_output;
        let (directory, variables) = (self.directory.clone(), self.variables.clone());
        Some(Box::new(move || {
            let host = Self {
                permissions: Arc::new(permissions),
                seed,
                fixed_time,
                begun,
                begun_at,
                directory,
                variables,
                reads_input: false,
                discards_output,
                ..Self::new()
            };
            Box::new(host)
        }))
    }

    fn interrupted(&mut self) -> bool {
        let is_set = self
            .stop
            .as_ref()
            .is_some_and(|flag| flag.swap(false, Ordering::Relaxed));
        #[cfg(feature = "process")]
        if is_set && signals::takes_interrupts() {
            self.interrupt_taken();
            return false;
        }
        is_set
    }

    fn lookout(&mut self) -> Option<Lookout> {
        let (begun, stop) = (self.begun, self.stop.clone());
        Some(Box::new(move || {
            let is_set = stop.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
            #[cfg(feature = "process")]
            let is_set = is_set && !signals::takes_interrupts();
            Glance {
                now: nanos_since(begun),
                stop: is_set,
            }
        }))
    }

    fn interrupt_taken(&mut self) {
        if let Some(armed) = &self.armed {
            armed.store(false, Ordering::Relaxed);
        }
    }

    fn write_out(&mut self, text: &str) -> io::Result<()> {
        if let Some(last) = text.as_bytes().last() {
            self.line_start.set(*last == b'\n');
        }
        if self.buffer.len() + text.len() > BUFFER {
            self.write_buffer()?;
        }
        self.buffer.extend_from_slice(text.as_bytes());
        if self.direct || self.buffer.len() >= BUFFER {
            self.write_buffer()
        } else {
            Ok(())
        }
    }

    fn write_err(&mut self, text: &str) -> io::Result<()> {
        self.write_buffer()?;
        io::stderr().lock().write_all(text.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_buffer()
    }

    fn read_line(&mut self) -> io::Result<String> {
        self.write_buffer()?;
        if !self.reads_input {
            return Ok(String::new());
        }
        self.input.read_line()
    }

    fn read_input(&mut self, most: usize) -> io::Result<Vec<u8>> {
        self.write_buffer()?;
        if !self.reads_input {
            return Ok(Vec::new());
        }
        self.input.read(most)
    }

    fn input_wait(&mut self, of_line: bool) -> Option<Background<()>> {
        let is_ready = !self.reads_input || self.input.is_ready(of_line);
        let work: Background<()> = Box::new(|| {
            input::wait(true);
            Ok(())
        });
        (!is_ready).then_some(work)
    }

    fn read_password(&mut self) -> io::Result<String> {
        self.write_buffer()?;
        let hidden = HiddenInput::begin();
        let line = self.read_line();
        if hidden.is_some() {
            // The line end that was typed has not been shown.
            io::stderr().lock().write_all(b"\n")?;
        }
        line
    }

    fn is_terminal(&mut self, stream: Stream) -> bool {
        match stream {
            Stream::Input => io::stdin().is_terminal(),
            Stream::Output => io::stdout().is_terminal(),
            Stream::Error => io::stderr().is_terminal(),
        }
    }

    fn terminal_size(&mut self) -> Option<(u16, u16)> {
        terminal_size()
    }

    fn shows_colours(&mut self) -> bool {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_set("NO_COLOR") {
            return false;
        }
        let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        forced || io::stdout().is_terminal()
    }

    fn clock(&mut self) -> f64 {
        if let Some(time) = self.fixed_time {
            return time;
        }
        // Set once and counted on: it never goes back.
        (self.begun_at + self.begun.elapsed()).as_secs_f64()
    }

    fn clock_nanos(&mut self) -> i64 {
        if let Some(time) = self.fixed_time {
            // Saturates.
            return (time * 1e9).round() as i64;
        }
        i64::try_from((self.begun_at + self.begun.elapsed()).as_nanos()).unwrap_or(i64::MAX)
    }

    fn stopwatch(&mut self) -> u64 {
        if self.fixed_time.is_some() {
            0
        } else {
            self.monotonic()
        }
    }

    fn time_zone(&mut self) -> Option<LocalZone> {
        match self.env("TZ") {
            Some(name) => Some(LocalZone::Named(name)),
            None => files::system_zone(),
        }
    }

    fn monotonic(&mut self) -> u64 {
        nanos_since(self.begun)
    }

    fn wait(&mut self, waker: &Waker, waiting: Waiting) {
        if let Some(forward) = self.waker.take() {
            forward(waker.clone());
            if self
                .stop
                .as_ref()
                .is_some_and(|flag| flag.load(Ordering::Relaxed))
            {
                return;
            }
        }
        let now = self.monotonic();
        wait_on_clock(waker, waiting, now);
    }

    fn entropy(&mut self) -> u64 {
        // The standard library seeds its hashers from the system.
        self.seed.unwrap_or_else(|| RandomState::new().hash_one(0_u8))
    }

    #[cfg(feature = "bytes")]
    fn random_bytes(&mut self, out: &mut [u8]) -> io::Result<()> {
        let Some(seed) = self.seed else {
            return getrandom::fill(out).map_err(io::Error::other);
        };
        let random = self.seeded.get_or_insert_with(|| aether_eval::Random::new(seed));
        random.fill(out);
        Ok(())
    }

    fn open_file(&mut self, path: &str) -> io::Result<OpenFile> {
        open(&self.at(path), &self.permissions)
    }

    fn is_source(&mut self, path: &str) -> bool {
        Path::new(path).is_file()
    }

    fn read_source(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = open(path, &Permissions::everything())?;
        file.reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn opener(&mut self, path: &str) -> Background<OpenFile> {
        let (path, permissions) = (self.at(path).into_owned(), self.permissions.clone());
        Box::new(move || open(&path, &permissions))
    }

    fn writer(&mut self, path: &str, bytes: Vec<u8>) -> Background<()> {
        let written = match final_place(Path::new(&*self.at(path))) {
            Ok(Place::File(path)) => {
                let permissions = self.permissions.clone();
                return Box::new(move || overwrite_file(&path, &bytes, &permissions));
            }
            // The streams are the interpreter's thread's, and in order with what is printed.
            Ok(Place::Output | Place::Errors) => self.write_file(path, &bytes),
            Err(error) => Err(error),
        };
        Box::new(move || written)
    }

    fn is_file(&mut self, path: &str) -> io::Result<bool> {
        metadata(&self.at(path)).map(|found| found.is_some_and(|found| found.is_file()))
    }

    fn is_dir(&mut self, path: &str) -> io::Result<bool> {
        metadata(&self.at(path)).map(|found| found.is_some_and(|found| found.is_dir()))
    }

    fn exists(&mut self, path: &str) -> io::Result<bool> {
        metadata(&self.at(path)).map(|found| found.is_some())
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        match final_place(Path::new(&*self.at(path)))? {
            Place::Output => self.write_through(bytes),
            Place::Errors => self
                .write_buffer()
                .and_then(|()| io::stderr().lock().write_all(bytes)),
            Place::File(path) => overwrite_file(&path, bytes, &self.permissions),
        }
    }

    fn replace_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        match final_place(Path::new(&*self.at(path)))? {
            Place::File(path) => replace_file(&path, bytes, &self.permissions),
            Place::Output | Place::Errors => self.write_file(path, bytes),
        }
    }

    fn append_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        match final_place(Path::new(&*self.at(path)))? {
            Place::Output => self.write_through(bytes),
            Place::Errors => self
                .write_buffer()
                .and_then(|()| io::stderr().lock().write_all(bytes)),
            Place::File(path) => {
                let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
                check_opened(&file, &path, Permission::Write, &self.permissions)?;
                file.write_all(bytes)
            }
        }
    }

    fn make_dir(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() {
            // Making all directories of no path would succeed.
            return fs::create_dir(path);
        }
        fs::create_dir_all(&*self.at(path))
    }

    fn list_dir(&mut self, path: &str) -> io::Result<Names> {
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        Ok(Box::new(
            fs::read_dir(&*self.at(path))?.map(move |entry| entry.map(name)),
        ))
    }

    fn entries(&mut self, path: &str) -> io::Result<Entries> {
        let entry = |found: io::Result<fs::DirEntry>| {
            let found = found?;
            Ok(Entry {
                name: found.file_name().to_string_lossy().into_owned(),
                is_dir: found.file_type()?.is_dir(),
            })
        };
        Ok(Box::new(fs::read_dir(&*self.at(path))?.map(entry)))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(&*self.at(from), &*self.at(to))
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        fs::remove_file(&*self.at(path))
    }

    fn open_handle(&mut self, path: &str, mode: OpenMode) -> io::Result<Box<dyn FileHandle>> {
        let path = self.at(path).into_owned();
        if mode.write {
            // Opened anew, a file that output goes to would be written over.
            let stream = match final_place(Path::new(&path))? {
                Place::File(_) => None,
                Place::Output => Some(files::duplicate(&io::stdout())?),
                Place::Errors => Some(files::duplicate(&io::stderr())?),
            };
            if let Some(stream) = stream {
                // What is printed from now on comes in order with what is written.
                self.write_buffer()?;
                self.direct = true;
                return Ok(Box::new(stream));
            }
        }
        files::open_handle(Path::new(&path), mode, &self.permissions)
    }

    fn file_info(&mut self, path: &str) -> io::Result<FileInfo> {
        files::info(Path::new(&*self.at(path)))
    }

    fn copy_file(&mut self, from: &str, to: &str) -> io::Result<Steps> {
        let mut source = files::open_source(Path::new(&*self.at(from)), &self.permissions)?;
        let mut sink = match final_place(Path::new(&*self.at(to)))? {
            Place::File(path) => return files::copy(source, &path, &self.permissions),
            Place::Output => files::duplicate(&io::stdout())?,
            Place::Errors => files::duplicate(&io::stderr())?,
        };
        self.write_buffer()?;
        Ok(Box::new(move || files::copy_some(&mut source, &mut sink)))
    }

    fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        fs::remove_dir(&*self.at(path))
    }

    fn remove_tree(&mut self, path: &str) -> io::Result<Steps> {
        files::remove_tree(Path::new(&*self.at(path)), &self.permissions)
    }

    fn make_link(&mut self, target: &str, path: &str) -> io::Result<()> {
        files::make_link(target, Path::new(&*self.at(path)))
    }

    fn read_link(&mut self, path: &str) -> io::Result<String> {
        let target = fs::read_link(&*self.at(path))?;
        Ok(target.to_string_lossy().into_owned())
    }

    fn set_mode(&mut self, path: &str, mode: u32) -> io::Result<()> {
        files::set_mode(Path::new(&*self.at(path)), mode, &self.permissions)
    }

    fn make_temp_file(&mut self, suffix: &str) -> io::Result<String> {
        let directory = self.temp_dir();
        let path = files::make_temporary(Path::new(&*self.at(&directory)), suffix)?;
        Ok(path.to_string_lossy().into_owned())
    }

    #[cfg(feature = "watch")]
    fn watch(&mut self, path: &str, observer: aether_eval::Observer) -> io::Result<Box<dyn std::any::Any>> {
        watch::watch(Path::new(&*self.at(path)), &self.permissions, observer)
    }

    #[cfg(all(unix, feature = "process"))]
    fn watch_signal(
        &mut self,
        signal: i32,
        observer: aether_eval::SignalObserver,
    ) -> io::Result<Box<dyn std::any::Any>> {
        signals::watch(signal, observer)
    }

    fn permit_tree(&mut self, permission: Permission, path: &str) -> Result<(), String> {
        self.permit(permission, path)?;
        self.permissions.check_below(permission, path, &self.at(path))
    }

    fn permits_everything(&mut self, permission: Permission) -> bool {
        self.permissions.allows_all(permission)
    }

    fn resolve_path(&mut self, path: &str) -> io::Result<String> {
        let path = fs::canonicalize(&*self.at(path))?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn is_link(&mut self, path: &str) -> bool {
        Path::new(&*self.at(path)).is_symlink()
    }

    fn current_dir(&mut self) -> io::Result<String> {
        let directory = match &self.directory {
            Some(directory) => directory.clone(),
            None => std::env::current_dir()?,
        };
        Ok(directory.to_string_lossy().into_owned())
    }

    fn set_current_dir(&mut self, path: &str) -> io::Result<()> {
        let directory = fs::canonicalize(&*self.at(path))?;
        if !directory.is_dir() {
            return Err(io::Error::from_raw_os_error(NOT_A_DIRECTORY));
        }
        self.directory = Some(directory);
        Ok(())
    }

    fn temp_dir(&mut self) -> String {
        match self.variables.get("TMPDIR") {
            Some(Some(directory)) => directory.clone(),
            Some(None) => "/tmp".to_owned(),
            None => std::env::temp_dir().to_string_lossy().into_owned(),
        }
    }

    fn env(&mut self, name: &str) -> Option<String> {
        match self.variables.get(name) {
            Some(changed) => changed.clone(),
            None => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
        }
    }

    fn env_all(&mut self) -> Vec<(String, String)> {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let mut all: BTreeMap<String, String> = std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        for (name, value) in &self.variables {
            match value {
                Some(value) => drop(all.insert(name.clone(), value.clone())),
                None => drop(all.remove(name)),
            }
        }
        all.into_iter().collect()
    }

    fn env_changes(&mut self) -> Vec<(String, Option<String>)> {
        let changes = self.variables.iter();
        changes
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.variables.insert(name.to_owned(), value.map(str::to_owned));
    }

    fn permit(&mut self, permission: Permission, what: &str) -> Result<(), String> {
        let is_path = matches!(
            permission,
            Permission::Read | Permission::Write | Permission::Plugin
        );
        if is_path && self.directory.is_some() {
            return self.permissions.check_resolved(permission, what, &self.at(what));
        }
        self.permissions.check(permission, what)
    }

    fn permit_resolved(&mut self, permission: Permission, what: &str, resolved: &str) -> Result<(), String> {
        self.permissions.check_resolved(permission, what, resolved)
    }

    fn access_check(&mut self) -> Option<AccessCheck> {
        let permissions = self.permissions.clone();
        Some(Arc::new(move |permission, what, resolved| match resolved {
            Some(resolved) => permissions.check_resolved(permission, what, resolved),
            None => permissions.check(permission, what),
        }))
    }

    fn real_path(&mut self, path: &str) -> String {
        permissions::resolve(Path::new(path))
            .to_string_lossy()
            .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_never_go_back() {
        let mut host = SystemHost::new();
        let (mut clock, mut moment) = (host.clock(), host.monotonic());
        for _ in 0..1000 {
            let (later_clock, later) = (host.clock(), host.monotonic());
            assert!(later_clock >= clock && later >= moment);
            (clock, moment) = (later_clock, later);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!((clock - since.as_secs_f64()).abs() < 5.0);
        assert!((host.clock_nanos() as f64 / 1e9 - clock).abs() < 5.0);
    }

    #[test]
    fn a_fixed_time_holds_for_every_clock_that_scripts_see() {
        let mut host = SystemHost::new().with_fixed_time(1.5);
        assert_eq!(
            (host.clock(), host.clock_nanos(), host.stopwatch()),
            (1.5, 1_500_000_000, 0)
        );
    }
}
