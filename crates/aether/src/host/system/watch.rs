//! Changes of files and directories, as the system tells of them.
//!
//! The crate `notify` brings them to a thread of the watch, which puts the two halves of a renaming together and tells
//! what is left. A file is watched through its directory, so that one that is replaced, as editors and `fs.write_atomic` do
//! it, stays watched.
//!
//! Invariants
//! - What is told lies directly in the directory that is watched.
//! - The thread ends when the watch is dropped.

use std::any::Any;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use aether_eval::{Change, ChangeKind, Observer, Permission};
use notify::event::{ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::permissions::Permissions;

/// How long the old name of something that has been renamed waits for the new one. Where there is none in the same
/// directory, none comes.
const OTHER_HALF: Duration = Duration::from_millis(20);
/// Stack of the thread.
const STACK: usize = 128 << 10;

/// Tells of changes until what this gives is dropped.
pub(super) fn watch(path: &Path, permissions: &Permissions, observer: Observer) -> io::Result<Box<dyn Any>> {
    let real = fs::canonicalize(path)?;
    permissions
        .check_resolved(Permission::Read, &path.to_string_lossy(), &real.to_string_lossy())
        .map_err(|detail| io::Error::new(io::ErrorKind::PermissionDenied, detail))?;
    let (directory, only) = match (real.is_dir(), real.parent(), real.file_name()) {
        (false, Some(parent), Some(name)) => (parent.to_owned(), Some(name.to_owned())),
        _ => (real, None),
    };
    let (sender, receiver) = channel();
    let mut watcher = RecommendedWatcher::new(sender, notify::Config::default()).map_err(system_error)?;
    watcher
        .watch(&directory, RecursiveMode::NonRecursive)
        .map_err(system_error)?;
    let mut teller = Teller {
        directory,
        only,
        observer,
        moved: None,
    };
    std::thread::Builder::new()
        .name("aether-watch".to_owned())
        .stack_size(STACK)
        .spawn(move || teller.run(&receiver))?;
    Ok(Box::new(watcher))
}

/// What the system said.
fn system_error(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        // The text of the system's own number for it, which the crate replaces.
        notify::ErrorKind::MaxFilesWatch => io::Error::other("too many watches"),
        _ => io::Error::other(error.to_string()),
    }
}

/// What is told, and to whom.
struct Teller {
    directory: PathBuf,
    /// The one entry that is watched; none for all of them.
    only: Option<OsString>,
    observer: Observer,
    /// The old name of something that is being renamed, and the number that both halves have.
    moved: Option<(OsString, Option<usize>)>,
}

impl Teller {
    fn run(&mut self, events: &Receiver<notify::Result<Event>>) {
        loop {
            let event = if self.moved.is_some() {
                match events.recv_timeout(OTHER_HALF) {
                    Ok(event) => event,
                    Err(RecvTimeoutError::Timeout) => {
                        self.tell_moved();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                match events.recv() {
                    Ok(event) => event,
                    Err(_) => return,
                }
            };
            match event {
                Ok(event) => self.take(&event),
                Err(_) => self.tell(ChangeKind::Modified, None),
            }
        }
    }

    /// Something went away and has not come back under another name.
    fn tell_moved(&mut self) {
        if let Some((name, _)) = self.moved.take() {
            self.tell_entry(ChangeKind::Removed, &name);
        }
    }

    fn take(&mut self, event: &Event) {
        if event.need_rescan() {
            self.tell_moved();
            return self.tell(ChangeKind::Modified, None);
        }
        if let EventKind::Modify(ModifyKind::Name(mode)) = event.kind {
            return self.take_name(event, mode);
        }
        let kind = match event.kind {
            EventKind::Create(_) => ChangeKind::Created,
            EventKind::Modify(_) => ChangeKind::Modified,
            EventKind::Remove(_) => ChangeKind::Removed,
            EventKind::Access(_) | EventKind::Any | EventKind::Other => return,
        };
        self.tell_moved();
        for path in &event.paths {
            self.tell_path(kind.clone(), path);
        }
    }

    /// A half of a renaming, or both.
    fn take_name(&mut self, event: &Event, mode: RenameMode) {
        match (mode, &*event.paths) {
            (RenameMode::From, [path]) => {
                self.tell_moved();
                if *path == self.directory {
                    self.tell_path(ChangeKind::Removed, path);
                } else {
                    let name = path.file_name().map(OsStr::to_owned);
                    self.moved = name.map(|name| (name, event.tracker()));
                }
            }
            (RenameMode::To, [path]) => match (self.moved.take(), path.file_name()) {
                (Some((from, tracker)), Some(to)) if tracker == event.tracker() => {
                    self.tell_renamed(&from, to);
                }
                (moved, _) => {
                    self.moved = moved;
                    self.tell_moved();
                    self.tell_path(ChangeKind::Created, path);
                }
            },
            // Where both halves have been told, there is nothing new.
            (RenameMode::Both, _) if event.tracker().is_some() => {}
            (RenameMode::Both, [from, to]) => {
                if let (Some(from), Some(to)) = (from.file_name(), to.file_name()) {
                    self.tell_renamed(from, to);
                }
            }
            // One of the two, the system does not say which.
            (_, paths) => {
                for path in paths {
                    let is_there = path.symlink_metadata().is_ok();
                    let kind = if is_there {
                        ChangeKind::Created
                    } else {
                        ChangeKind::Removed
                    };
                    self.tell_path(kind, path);
                }
            }
        }
    }

    fn tell_renamed(&mut self, from: &OsStr, to: &OsStr) {
        match &self.only {
            None => {
                let from = from.to_string_lossy().into_owned();
                self.tell_entry(ChangeKind::Renamed(from), to);
            }
            // Another file has come in its place, or it has another name now.
            Some(only) if only == to => self.tell(ChangeKind::Modified, None),
            Some(_) => self.tell_entry(ChangeKind::Removed, from),
        }
    }

    fn tell_path(&mut self, kind: ChangeKind, path: &Path) {
        if *path == self.directory {
            if self.only.is_none() {
                self.tell(kind, None);
            }
        } else if let (Some(name), true) = (path.file_name(), path.parent() == Some(&self.directory)) {
            let name = name.to_owned();
            self.tell_entry(kind, &name);
        }
    }

    fn tell_entry(&mut self, kind: ChangeKind, name: &OsStr) {
        match &self.only {
            None => self.tell(kind, Some(name.to_string_lossy().into_owned())),
            Some(only) if only == name => self.tell(kind, None),
            Some(_) => {}
        }
    }

    fn tell(&mut self, kind: ChangeKind, name: Option<String>) {
        (self.observer)(Change { kind, name });
    }
}
