//! The trait through which the world enters: streams, clock, entropy, files, and what is allowed.
//!
//! The evaluator never prints, opens, sleeps or reads a clock by itself; it asks its [`Host`].

use std::any::Any;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use crate::task::{Waiting, Waker};

/// What a built-in needs to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Reading files.
    Read,
    /// Writing files.
    Write,
    /// Reading clocks.
    Clock,
    /// Randomness.
    Random,
    /// The environment.
    Env,
    /// Foreign code in this process.
    Plugin,
    /// Connecting, and sending.
    Net,
    /// Being connected to, and receiving.
    Listen,
    /// Running other programs.
    Run,
    /// Engines on threads of their own.
    Worker,
}

impl Permission {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Write,
        Self::Clock,
        Self::Random,
        Self::Env,
        Self::Plugin,
        Self::Net,
        Self::Listen,
        Self::Run,
        Self::Worker,
    ];

    /// Whether it can be given for some paths, hosts or names alone.
    pub const fn is_divisible(self) -> bool {
        !matches!(self, Self::Clock | Self::Random | Self::Worker)
    }

    /// The word in messages and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Env => "env",
            Self::Plugin => "plugin",
            Self::Net => "net",
            Self::Listen => "listen",
            Self::Run => "run",
            Self::Worker => "worker",
        }
    }
}

/// Work on the world that any thread can do.
pub type Background<T> = Box<dyn FnOnce() -> io::Result<T> + Send>;

/// A file that is being read.
pub struct OpenFile {
    /// Its bytes from the beginning. It may go to another thread.
    pub reader: Box<dyn Read + Send>,
    /// How many bytes it had when it was opened; 0 if that cannot be said.
    pub size: u64,
}

/// A file that is read, written and moved in.
pub trait FileHandle: Read + Write + Seek {}

impl<T: Read + Write + Seek> FileHandle for T {}

/// How a file is opened, see [`Host::open_handle`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct OpenMode {
    /// It can be read.
    pub read: bool,
    /// It can be written.
    pub write: bool,
    /// Everything that is written goes to its end.
    pub append: bool,
    /// It is made if there is none.
    pub create: bool,
    /// There must be none.
    pub create_new: bool,
    /// It is emptied.
    pub truncate: bool,
}

/// What is known of a file, see [`Host::file_info`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// Bytes.
    pub size: u64,
    /// When it was last written, in nanoseconds since the epoch, if that is known.
    pub modified: Option<i64>,
    /// When it was made, in nanoseconds since the epoch, if that is known.
    pub created: Option<i64>,
    /// Whether it is a file, links followed.
    pub is_file: bool,
    /// Whether it is a directory, links followed.
    pub is_dir: bool,
    /// Whether the path itself is a link.
    pub is_link: bool,
    /// Its permission bits, where there are such.
    pub mode: Option<u32>,
}

/// Long work in steps of some milliseconds at most: each call does one and tells how many bytes or files it was; none
/// when the work is complete. Dropped before that, it leaves no half of a file behind.
pub type Steps = Box<dyn FnMut() -> io::Result<Option<usize>> + Send>;

/// Asks whether an access is allowed, from any thread: the permission, what was asked for, and the address that this
/// leads to once that is known. The error is the text behind `Permission denied: `.
pub type AccessCheck = Arc<dyn Fn(Permission, &str, Option<&str>) -> Result<(), String> + Send + Sync>;

/// What stands in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a directory, and no link to one.
    pub is_dir: bool,
}

/// The entries of a directory.
pub type Entries = Box<dyn Iterator<Item = io::Result<Entry>>>;

/// The names in a directory.
pub type Names = Box<dyn Iterator<Item = io::Result<String>>>;

/// What has become of something that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is there now.
    Created,
    /// Its content or its attributes are others.
    Modified,
    /// It is gone.
    Removed,
    /// It had this name in the same directory.
    Renamed(String),
}

/// A change that [`Host::watch`] tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What has happened.
    pub kind: ChangeKind,
    /// The name in the directory that is watched; none for what is watched itself.
    pub name: Option<String>,
}

/// What [`Host::watch`] tells its changes, from a thread of its own.
pub type Observer = Box<dyn FnMut(Change) + Send>;

/// What [`Host::watch_signal`] tells that a signal has come, from a thread of its own.
pub type SignalObserver = Box<dyn FnMut() + Send>;
/// Tells the time and the user's wish to stop from within one long operation; see [`Host::lookout`].
pub type Lookout = Box<dyn Fn() -> Glance>;

/// What a [`Lookout`] sees.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    /// Nanoseconds, as [`Host::monotonic`] counts them.
    pub now: u64,
    /// Whether [`Host::interrupted`] would say that the user has asked to stop; it still will.
    pub stop: bool,
}

/// What a host that has no such ability says.
fn refused() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

/// The time zone at a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalZone {
    /// What the variable `TZ` may hold: the name of a zone, or a rule of POSIX.
    Named(String),
    /// A file of zone information, as RFC 8536 describes it.
    Data(Vec<u8>),
}

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard input.
    Input,
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Makes a host on another thread.
pub type HostMaker = Box<dyn FnOnce() -> Box<dyn Host> + Send>;

/// The world outside an engine. Abilities that a host does not provide are refused.
pub trait Host {
    /// Writes to standard output.
    ///
    /// # Errors
    /// What the system says. A closed pipe ends the program quietly.
    fn write_out(&mut self, text: &str) -> io::Result<()>;

    /// Writes to standard error, after flushing standard output.
    ///
    /// # Errors
    /// What the system says.
    fn write_err(&mut self, text: &str) -> io::Result<()>;

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// What the system says.
    fn flush(&mut self) -> io::Result<()>;

    /// Reads a line from standard input, its end included; empty at the end of input. Flushes output first.
    ///
    /// # Errors
    /// What the system says, or invalid UTF-8.
    fn read_line(&mut self) -> io::Result<String>;

    /// Up to `most` bytes of standard input; none at its end. Flushes output first.
    ///
    /// # Errors
    /// What the system says.
    fn read_input(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let _ = most;
        Err(refused())
    }

    /// Work that ends when [`Host::read_line`] does not block, or [`Host::read_input`] if it is not `of_line`, or earlier;
    /// none if they do not block now, or if that is not known. It takes nothing of the input: the engine has another
    /// thread do it, so that the user or a time limit can end the wait.
    fn input_wait(&mut self, of_line: bool) -> Option<Background<()>> {
        let _ = of_line;
        None
    }

    /// Reads a line as [`Host::read_line`] does, without showing on a terminal what is typed.
    ///
    /// # Errors
    /// What the system says, or invalid UTF-8.
    fn read_password(&mut self) -> io::Result<String> {
        self.read_line()
    }

    /// Whether a standard stream is a terminal.
    fn is_terminal(&mut self, stream: Stream) -> bool {
        let _ = stream;
        false
    }

    /// Columns and rows of the terminal, if output goes to one.
    fn terminal_size(&mut self) -> Option<(u16, u16)> {
        None
    }

    /// Whether output may hold colours.
    fn shows_colours(&mut self) -> bool {
        false
    }

    /// Seconds since the epoch, never decreasing.
    fn clock(&mut self) -> f64;

    /// Nanoseconds since the epoch, never decreasing: [`Host::clock`] to the full.
    fn clock_nanos(&mut self) -> i64 {
        // Saturates.
        (self.clock() * 1e9).round() as i64
    }

    /// Nanoseconds since some moment, never decreasing, whatever happens to the clock that people see.
    fn monotonic(&mut self) -> u64;

    /// What scripts see of [`Host::monotonic`]: another number only where clocks stand still for scripts.
    fn stopwatch(&mut self) -> u64 {
        self.monotonic()
    }

    /// The time zone at the host, if it is known.
    fn time_zone(&mut self) -> Option<LocalZone> {
        self.env("TZ").map(LocalZone::Named)
    }

    /// Blocks until what the engine waits for may have happened: the waker is woken, its moment has come, there is a
    /// message. May return early; the engine looks and waits again. Someone who wants the wait to end, such as a
    /// handler of signals, wakes the waker.
    fn wait(&mut self, waker: &Waker, waiting: Waiting);

    /// A seed from the system.
    fn entropy(&mut self) -> u64;

    /// Fills a buffer with bytes that nobody can foresee, unless the host's randomness begins with a seed.
    ///
    /// # Errors
    /// The system has none.
    fn random_bytes(&mut self, out: &mut [u8]) -> io::Result<()> {
        let _ = out;
        Err(refused())
    }

    /// Opens a file to read it from its beginning.
    ///
    /// # Errors
    /// What the system says; a directory cannot be read.
    fn open_file(&mut self, path: &str) -> io::Result<OpenFile> {
        let _ = path;
        Err(refused())
    }

    /// The bytes of a file that is known to be small enough, such as a source.
    ///
    /// # Errors
    /// What the system says.
    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(path)?.reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of a script or module, which is read because the host or an import that is allowed asks for it.
    ///
    /// # Errors
    /// What the system says.
    fn read_source(&mut self, path: &str) -> io::Result<Vec<u8>> {
        self.read_file(path)
    }

    /// Whether there is the file of a script or module. Scripts that change the working directory move none of them.
    fn is_source(&mut self, path: &str) -> bool {
        self.is_file(path).unwrap_or(false)
    }

    /// [`Host::open_file`] as work for another thread. A host whose files cannot be reached from there does it now.
    fn opener(&mut self, path: &str) -> Background<OpenFile> {
        let opened = self.open_file(path);
        Box::new(move || opened)
    }

    /// Whether a path names a file, following links; `false` if there is nothing.
    ///
    /// # Errors
    /// Whatever is not merely a missing path.
    fn is_file(&mut self, path: &str) -> io::Result<bool> {
        let _ = path;
        Err(refused())
    }

    /// Whether a path names a directory, following links; `false` if there is nothing.
    ///
    /// # Errors
    /// Whatever is not merely a missing path.
    fn is_dir(&mut self, path: &str) -> io::Result<bool> {
        let _ = path;
        Err(refused())
    }

    /// Whether there is anything at a path, following links.
    ///
    /// # Errors
    /// Whatever is not merely a missing path.
    fn exists(&mut self, path: &str) -> io::Result<bool> {
        let _ = path;
        Err(refused())
    }

    /// Makes a file of these bytes; one that is there is truncated first.
    ///
    /// # Errors
    /// What the system says.
    fn write_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let _ = (path, bytes);
        Err(refused())
    }

    /// Puts a file of these bytes in the place of one: whatever happens, the path names the old content or the new.
    ///
    /// # Errors
    /// What the system says.
    fn replace_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.write_file(path, bytes)
    }

    /// Adds bytes to the end of a file, which is made if there is none.
    ///
    /// # Errors
    /// What the system says.
    fn append_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let _ = (path, bytes);
        Err(refused())
    }

    /// Makes a directory and those above it; one that exists is fine.
    ///
    /// # Errors
    /// What the system says.
    fn make_dir(&mut self, path: &str) -> io::Result<()> {
        let _ = path;
        Err(refused())
    }

    /// The names in a directory, in no order, without `.` and `..`.
    ///
    /// # Errors
    /// What the system says, about the directory or about an entry.
    fn list_dir(&mut self, path: &str) -> io::Result<Names> {
        let _ = path;
        Err(refused())
    }

    /// The entries of a directory, in no order, without `.` and `..`.
    ///
    /// # Errors
    /// What the system says, about the directory or about an entry.
    fn entries(&mut self, path: &str) -> io::Result<Entries> {
        let slash = if path.is_empty() || path.ends_with('/') {
            ""
        } else {
            "/"
        };
        let mut entries = Vec::new();
        for name in self.list_dir(path)? {
            let name = name?;
            let inner = format!("{path}{slash}{name}");
            let is_dir = self.is_dir(&inner).unwrap_or(false) && !self.is_link(&inner);
            entries.push(Ok(Entry { name, is_dir }));
        }
        Ok(Box::new(entries.into_iter()))
    }

    /// Gives a file or directory another name, replacing a file that has it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let _ = (from, to);
        Err(refused())
    }

    /// Removes a file; a directory is an error.
    ///
    /// # Errors
    /// What the system says.
    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let _ = path;
        Err(refused())
    }

    /// Opens a file to read, write and move in it.
    ///
    /// # Errors
    /// What the system says.
    fn open_handle(&mut self, path: &str, mode: OpenMode) -> io::Result<Box<dyn FileHandle>> {
        let _ = (path, mode);
        Err(refused())
    }

    /// What is at a path, following links; a link that leads nowhere tells of itself.
    ///
    /// # Errors
    /// What the system says; there is nothing.
    fn file_info(&mut self, path: &str) -> io::Result<FileInfo> {
        let _ = path;
        Err(refused())
    }

    /// Replaces a file with the bytes and permission bits of another, in steps: afterwards it holds the old content or
    /// the new.
    ///
    /// # Errors
    /// What the system says; a directory cannot be copied.
    fn copy_file(&mut self, from: &str, to: &str) -> io::Result<Steps> {
        let _ = (from, to);
        Err(refused())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// What the system says.
    fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        let _ = path;
        Err(refused())
    }

    /// Removes a directory with everything in it, in steps; links are removed, not followed.
    ///
    /// # Errors
    /// What the system says. Part of it may be gone then.
    fn remove_tree(&mut self, path: &str) -> io::Result<Steps> {
        let _ = path;
        Err(refused())
    }

    /// Makes a symbolic link at `path` that leads to `target`, a path from the link's own directory.
    ///
    /// # Errors
    /// What the system says.
    fn make_link(&mut self, target: &str, path: &str) -> io::Result<()> {
        let _ = (target, path);
        Err(refused())
    }

    /// Where a symbolic link leads, as it says.
    ///
    /// # Errors
    /// What the system says; there is no link.
    fn read_link(&mut self, path: &str) -> io::Result<String> {
        let _ = path;
        Err(refused())
    }

    /// Sets the permission bits of a file.
    ///
    /// # Errors
    /// What the system says.
    fn set_mode(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let _ = (path, mode);
        Err(refused())
    }

    /// Makes an empty file for the owner alone, with a name of its own that ends with `suffix`, in the directory for
    /// temporary files; gives its path.
    ///
    /// # Errors
    /// What the system says.
    fn make_temp_file(&mut self, suffix: &str) -> io::Result<String> {
        let _ = suffix;
        Err(refused())
    }

    /// Tells `observer` of the changes of a file, or of a directory and of the entries in it, until what this gives is
    /// dropped. Changes that are too many to be told come as one of what is watched itself.
    ///
    /// # Errors
    /// What the system says; there is nothing at the path.
    fn watch(&mut self, path: &str, observer: Observer) -> io::Result<Box<dyn Any>> {
        let _ = (path, observer);
        Err(refused())
    }

    /// Tells `observer` of each of these signals of the system, which then do nothing else, until what this gives is
    /// dropped; from then on the signal is ignored, unless the process has another use for it.
    ///
    /// # Errors
    /// What the system says; the signal cannot be caught.
    fn watch_signal(&mut self, signal: i32, observer: SignalObserver) -> io::Result<Box<dyn Any>> {
        let _ = (signal, observer);
        Err(refused())
    }

    /// [`Host::write_file`] as work for another thread. A host whose files cannot be reached from there does it now.
    fn writer(&mut self, path: &str, bytes: Vec<u8>) -> Background<()> {
        let written = self.write_file(path, &bytes);
        Box::new(move || written)
    }

    /// Whether an access is allowed; `what` is a path or name.
    ///
    /// # Errors
    /// The text behind `Permission denied: ` when it is not.
    fn permit(&mut self, permission: Permission, what: &str) -> Result<(), String>;

    /// Whether an access is allowed to a path and to everything below it, as for moving or removing a directory.
    ///
    /// # Errors
    /// See [`Host::permit`].
    fn permit_tree(&mut self, permission: Permission, path: &str) -> Result<(), String> {
        self.permit(permission, path)
    }

    /// Whether every access of a kind is allowed, whatever it goes to. Work in the background that cannot ask on its
    /// way, such as following redirects, stays where [`Host::permit`] has let it go unless this is so.
    fn permits_everything(&mut self, permission: Permission) -> bool {
        let _ = permission;
        false
    }

    /// Whether an access that was permitted by name may go to `resolved`, an address that the name leads to.
    ///
    /// # Errors
    /// See [`Host::permit`].
    fn permit_resolved(&mut self, permission: Permission, what: &str, resolved: &str) -> Result<(), String> {
        let _ = what;
        self.permit(permission, resolved)
    }

    /// [`Host::permit`] and [`Host::permit_resolved`] for work in the background, if the host can be asked from there.
    fn access_check(&mut self) -> Option<AccessCheck> {
        None
    }

    /// The path of a script or module behind every link and `..`, for comparisons; the path itself where the host has
    /// no links.
    fn real_path(&mut self, path: &str) -> String {
        path.to_owned()
    }

    /// The path behind every link and `..`.
    ///
    /// # Errors
    /// What the system says; there is nothing at the path.
    fn resolve_path(&mut self, path: &str) -> io::Result<String> {
        let _ = path;
        Err(refused())
    }

    /// Whether there is a link at a path.
    fn is_link(&mut self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// The directory that relative paths begin at.
    ///
    /// # Errors
    /// What the system says.
    fn current_dir(&mut self) -> io::Result<String> {
        Err(refused())
    }

    /// Changes the directory that relative paths begin at, for this engine and the programs that it starts.
    ///
    /// # Errors
    /// What the system says; there is no directory at the path.
    fn set_current_dir(&mut self, path: &str) -> io::Result<()> {
        let _ = path;
        Err(refused())
    }

    /// The directory for temporary files.
    fn temp_dir(&mut self) -> String {
        "/tmp".to_owned()
    }

    /// A variable of the environment.
    fn env(&mut self, name: &str) -> Option<String> {
        let _ = name;
        None
    }

    /// All variables of the environment with their values, in no order.
    fn env_all(&mut self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The variables that have been set, or taken away, for this engine alone: what programs that it starts see beside
    /// the environment of the process.
    fn env_changes(&mut self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }

    /// Sets a variable for this engine and the programs that it starts, or takes it away.
    fn set_env(&mut self, name: &str, value: Option<&str>) {
        let _ = (name, value);
    }

    /// What makes the host of a worker, on the worker's thread: with the permissions of this one, of those in `allowed`
    /// alone if that is given, and without input. None if there are to be no workers.
    fn worker_host(&mut self, allowed: Option<Vec<Permission>>) -> Option<HostMaker> {
        let _ = allowed;
        None
    }

    /// What the thread of a worker keeps until it has told of the worker's end whoever waits for it; asked before the
    /// host goes. For hosts that run their engines in turns.
    fn presence(&mut self) -> Option<Box<dyn Any>> {
        None
    }

    /// The engine has told another one something, which may let that go on: a host that runs its engines in turns can
    /// do so at once.
    fn yield_now(&mut self) {}

    /// Whether the user has asked to stop; asked now and then while code runs.
    fn interrupted(&mut self) -> bool {
        false
    }

    /// What tells the time and the user's wish to stop while one operation takes long. Asked for once, when the engine
    /// is made. Without it, such an operation ends early for the limit of steps only.
    fn lookout(&mut self) -> Option<Lookout> {
        None
    }

    /// The engine has taken the user's wish to stop for the wish that its servers come to an end. A host that ends the
    /// process when asked twice begins to count again.
    fn interrupt_taken(&mut self) {}
}
