//! Files of the machine: opened, replaced as a whole, followed through links.
//!
//! Invariant: a file that is replaced holds the old bytes or the new ones, never a part.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aether_eval::{FileHandle, FileInfo, LocalZone, OpenFile, OpenMode, Permission, Steps};

use crate::permissions::Permissions;

/// The number of the error for a directory that is something else.
pub(super) const NOT_A_DIRECTORY: i32 = 20;
/// The number of the error for reading a directory.
const IS_A_DIRECTORY: i32 = 21;
/// The number of the error for links that lead in a circle.
const TOO_MANY_LINKS: i32 = 40;
/// Links that are followed before a path is taken for a circle.
const MAX_LINKS: usize = 40;
/// Bytes that are copied between two looks at limits.
const STEP: u64 = 4 << 20;

/// Checks the file that was opened under a path: between the check of the path and the opening, a link may have
/// changed. Where the system does not tell what is behind a handle, the path has to do.
pub(super) fn check_opened(
    file: &File,
    path: &Path,
    permission: Permission,
    permissions: &Permissions,
) -> io::Result<()> {
    if permissions.allows_all(permission) {
        return Ok(());
    }
    let Some(real) = opened_path(file) else {
        return Ok(());
    };
    let (path, real) = (path.to_string_lossy(), real.to_string_lossy());
    permissions
        .check_resolved(permission, &path, &real)
        .map_err(|detail| io::Error::new(io::ErrorKind::PermissionDenied, detail))
}

/// The path of an open file, where the system tells it.
#[cfg(target_os = "linux")]
fn opened_path(file: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    // Pipes and sockets have no path.
    path.is_absolute().then_some(path)
}

#[cfg(not(target_os = "linux"))]
fn opened_path(_: &File) -> Option<PathBuf> {
    None
}

/// Opens a file to read it.
pub(super) fn open(path: &str, permissions: &Permissions) -> io::Result<OpenFile> {
    let file = open_source(Path::new(path), permissions)?;
    let size = file.metadata()?.len();
    Ok(OpenFile {
        reader: Box::new(file),
        size,
    })
}

/// Opens what is no directory to read it.
pub(super) fn open_source(path: &Path, permissions: &Permissions) -> io::Result<File> {
    let file = File::open(path)?;
    check_opened(&file, path, Permission::Read, permissions)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from_raw_os_error(IS_A_DIRECTORY));
    }
    Ok(file)
}

/// Opens a file to read, write and move in it.
pub(super) fn open_handle(
    path: &Path,
    mode: OpenMode,
    permissions: &Permissions,
) -> io::Result<Box<dyn FileHandle>> {
    let file = OpenOptions::new()
        .read(mode.read)
        .write(mode.write && !mode.append)
        .append(mode.append)
        .create(mode.create)
        .create_new(mode.create_new)
        .open(path)?;
    if mode.read {
        check_opened(&file, path, Permission::Read, permissions)?;
    }
    if mode.write {
        check_opened(&file, path, Permission::Write, permissions)?;
    }
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(io::Error::from_raw_os_error(IS_A_DIRECTORY));
    }
    // What is no regular file, such as a pipe, has nothing to be taken away.
    if mode.truncate && found.is_file() {
        file.set_len(0)?;
    }
    Ok(Box::new(file))
}

/// A standard stream of this process as a file.
#[cfg(unix)]
pub(super) fn duplicate(stream: &impl std::os::fd::AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// A standard stream of this process as a file.
#[cfg(not(unix))]
pub(super) fn duplicate<T>(_: &T) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What is known of the file at a path.
pub(super) fn info(path: &Path) -> io::Result<FileInfo> {
    let own = fs::symlink_metadata(path)?;
    let is_link = own.is_symlink();
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(_) if is_link => own,
        Err(error) => return Err(error),
    };
    Ok(FileInfo {
        size: found.len(),
        modified: found.modified().ok().and_then(nanos),
        created: found.created().ok().and_then(nanos),
        is_file: found.is_file(),
        is_dir: found.is_dir(),
        is_link,
        mode: mode_of(&found),
    })
}

/// Nanoseconds since the epoch.
fn nanos(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos())
            .ok()
            .map(|nanos| -nanos),
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "there are systems without")]
fn mode_of(found: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(found.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode_of(_: &fs::Metadata) -> Option<u32> {
    None
}

/// Sets the permission bits of a file.
#[cfg(unix)]
pub(super) fn set_mode(path: &Path, mode: u32, permissions: &Permissions) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::Permissions::from_mode(mode);
    if permissions.allows_all(Permission::Write) {
        return fs::set_permissions(path, mode);
    }
    let file = File::open(path)?;
    check_opened(&file, path, Permission::Write, permissions)?;
    file.set_permissions(mode)
}

#[cfg(not(unix))]
pub(super) fn set_mode(_: &Path, _: u32, _: &Permissions) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(super) fn make_link(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
pub(super) fn make_link(_: &str, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes an empty file that its owner alone may read.
pub(super) fn make_temporary(directory: &Path, suffix: &str) -> io::Result<PathBuf> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    loop {
        let path = directory.join(format!("aether-{:016x}{suffix}", unique()));
        match options.open(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// A number for names of temporary files.
fn unique() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Copies a piece of what is left of a file; tells how many bytes, none at the end.
pub(super) fn copy_some(source: &mut File, sink: &mut File) -> io::Result<Option<usize>> {
    let copied = io::copy(&mut Read::by_ref(source).take(STEP), sink)?;
    Ok((copied > 0).then_some(copied as usize))
}

/// Replaces a file, which is no link, with the bytes and permission bits of another.
pub(super) fn copy(mut source: File, to: &Path, permissions: &Permissions) -> io::Result<Steps> {
    let mode = source.metadata()?.permissions();
    let mut replacement = Some(Replacement::begin(to, permissions)?);
    Ok(Box::new(move || {
        let Some(new) = &mut replacement else {
            return Ok(None);
        };
        let copied = copy_some(&mut source, &mut new.file)?;
        if copied.is_none()
            && let Some(new) = replacement.take()
        {
            if new.replaces_file() {
                new.file.set_permissions(mode.clone())?;
            }
            new.commit()?;
        }
        Ok(copied)
    }))
}

/// Removes a directory and everything in it. What is removed is found from the directory that was opened, so that
/// nobody can lead it elsewhere by exchanging a directory for a link.
#[cfg(unix)]
pub(super) fn remove_tree(path: &Path, permissions: &Permissions) -> io::Result<Steps> {
    use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, unlinkat};
    use rustix::io::Errno;
    use std::ffi::CString;

    /// Entries between two looks at limits.
    const ENTRIES: usize = 64;

    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = File::from(openat(CWD, path, flags, Mode::empty())?);
    check_opened(&top, path, Permission::Write, permissions)?;
    let mut open: Vec<(Dir, CString)> = vec![(Dir::new(top)?, CString::default())];
    let path = path.to_owned();
    Ok(Box::new(move || {
        for _ in 0..ENTRIES {
            let Some((directory, _)) = open.last_mut() else {
                return Ok(None);
            };
            let Some(entry) = directory.read().transpose()? else {
                let name = open.pop().map(|(_, name)| name).unwrap_or_default();
                match open.last() {
                    Some((parent, _)) => unlinkat(parent.fd()?, &name, AtFlags::REMOVEDIR)?,
                    None => fs::remove_dir(&path)?,
                }
                continue;
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let parent = directory.fd()?;
            let inner = match entry.file_type() {
                FileType::Directory | FileType::Unknown => openat(parent, name, flags, Mode::empty()),
                _ => Err(Errno::NOTDIR),
            };
            match inner {
                Ok(inner) => open.push((Dir::new(inner)?, name.to_owned())),
                Err(Errno::NOTDIR | Errno::LOOP) => match unlinkat(parent, name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                },
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(ENTRIES))
    }))
}

#[cfg(not(unix))]
pub(super) fn remove_tree(path: &Path, _: &Permissions) -> io::Result<Steps> {
    fs::remove_dir_all(path)?;
    Ok(Box::new(|| Ok(None)))
}

/// What is at a path, following links; `None` for nothing.
pub(super) fn metadata(path: &str) -> io::Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a path that is written to leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The standard output of this process. Opening it anew would write over what was printed if it is a file.
    Output,
    /// The standard error of this process.
    Errors,
    /// A file, behind all links; it need not exist.
    File(PathBuf),
}

pub(super) fn final_place(path: &Path) -> io::Result<Place> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match path.to_str() {
            Some("/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => return Ok(Place::Output),
            Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => return Ok(Place::Errors),
            _ => {}
        }
        // A missing file is one to be made; whatever else is wrong shows when it is opened.
        let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
        if !is_link {
            return Ok(Place::File(path));
        }
        let target = fs::read_link(&path)?;
        path = path
            .parent()
            .map_or_else(|| target.clone(), |parent| parent.join(&target));
    }
    Err(io::Error::from_raw_os_error(TOO_MANY_LINKS))
}

/// Writes these bytes into a file, which is made or truncated.
pub(super) fn overwrite_file(path: &Path, bytes: &[u8], permissions: &Permissions) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    check_opened(&file, path, Permission::Write, permissions)?;
    // Pipes and devices have no length.
    if file.metadata()?.len() > 0 {
        file.set_len(0)?;
    }
    file.write_all(bytes)
}

/// Replaces a file, which is no link, with these bytes. Its permission bits are kept.
pub(super) fn replace_file(path: &Path, bytes: &[u8], permissions: &Permissions) -> io::Result<()> {
    let mut new = Replacement::begin(path, permissions)?;
    new.file.write_all(bytes)?;
    if let Some(old) = &new.old {
        // After the owner, whose change takes away some bits.
        new.file.set_permissions(old.permissions())?;
    }
    new.commit()
}

/// A file that is written beside its final place and renamed when it is complete; dropped before that, it is removed.
/// The owner of what it replaces is kept. What is no regular file, such as a pipe or `/dev/null`, is written directly.
struct Replacement {
    file: File,
    path: PathBuf,
    /// Where it is until it is complete; `None` for what is written directly.
    temporary: Option<PathBuf>,
    /// The regular file that it replaces.
    old: Option<fs::Metadata>,
}

impl Replacement {
    /// Begins. The path is no link.
    fn begin(path: &Path, permissions: &Permissions) -> io::Result<Self> {
        let existing = match OpenOptions::new().write(true).open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(file) = &existing {
            check_opened(file, path, Permission::Write, permissions)?;
        }
        let found = existing.as_ref().map(File::metadata).transpose()?;
        if let (Some(file), Some(found)) = (existing, &found)
            && (!found.is_file() || path.starts_with("/proc") || path.starts_with("/sys"))
        {
            return Ok(Self {
                file,
                path: path.to_owned(),
                temporary: None,
                old: None,
            });
        }
        let (temporary, file) = temporary_beside(path)?;
        let new = Self {
            file,
            path: path.to_owned(),
            temporary: Some(temporary),
            old: found,
        };
        check_opened(&new.file, path, Permission::Write, permissions)?;
        if let Some(old) = &new.old {
            keep_owner(&new.file, old)?;
        }
        Ok(new)
    }

    /// Whether what is written becomes a file of its own.
    fn replaces_file(&self) -> bool {
        self.temporary.is_some()
    }

    /// Puts it in its place.
    fn commit(mut self) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            self.file.sync_all()?;
            fs::rename(temporary, &self.path)?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // What went wrong before is what there is to tell.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Gives a file the owner and group of another; only where they differ, which takes a privileged user.
#[cfg(unix)]
fn keep_owner(file: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    match fchown(file, Some(old.uid()), Some(old.gid())) {
        // Whoever may write a file may replace it, as its own owner.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        changed => changed,
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// A new, empty file in the directory of `target`.
fn temporary_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    // Something like `..` is a directory that does not exist.
    if target.file_name().is_none() {
        return Err(io::Error::from_raw_os_error(IS_A_DIRECTORY));
    }
    loop {
        let temporary = target.with_file_name(format!(".aether-{:016x}.tmp", unique()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// The time zone that is set for the whole system: what the link names, or the file itself.
#[cfg(unix)]
pub(super) fn system_zone() -> Option<LocalZone> {
    /// The longest file of zone information that is believed, in bytes.
    const LONGEST: u64 = 1 << 20;
    const PATH: &str = "/etc/localtime";
    if let Ok(target) = fs::read_link(PATH)
        && let Some((_, name)) = target.to_string_lossy().split_once("zoneinfo/")
    {
        return Some(LocalZone::Named(name.to_owned()));
    }
    let mut data = Vec::new();
    File::open(PATH).ok()?.take(LONGEST).read_to_end(&mut data).ok()?;
    Some(LocalZone::Data(data))
}

#[cfg(not(unix))]
pub(super) fn system_zone() -> Option<LocalZone> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::SystemHost;
    use super::*;
    use aether_eval::Host as _;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("aether-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions_and_leaves_nothing_behind() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = scratch("replace");
        let path = directory.join("file.txt");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace_file(&path, b"new", &Permissions::everything()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_written_stays_the_same_file() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let directory = scratch("overwrite");
        let path = directory.join("file.txt");
        let other = directory.join("other.txt");
        fs::write(&path, "a longer text").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(&path, &other).unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        let mut host = SystemHost::new();
        host.write_file(path.to_str().unwrap(), b"new").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "new");
        let after = fs::metadata(&path).unwrap();
        assert_eq!((after.ino(), after.permissions().mode() & 0o777), (before, 0o640));
        host.replace_file(path.to_str().unwrap(), b"newer").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "new");
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn links_and_devices_are_written_through() {
        let directory = scratch("links");
        let path = directory.join("file.txt");
        let link = directory.join("link.txt");
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("file.txt", &link).unwrap();
        let mut host = SystemHost::new();
        let mut write = |path: &Path, text: &str| host.write_file(path.to_str().unwrap(), text.as_bytes());
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let dangling = directory.join("dangling.txt");
        std::os::unix::fs::symlink("made.txt", &dangling).unwrap();
        write(&dangling, "made").unwrap();
        assert_eq!(fs::read_to_string(directory.join("made.txt")).unwrap(), "made");
        assert!(fs::symlink_metadata(&dangling).unwrap().is_symlink());
        let circle = directory.join("circle.txt");
        std::os::unix::fs::symlink("circle.txt", &circle).unwrap();
        assert_eq!(
            write(&circle, "x").unwrap_err().to_string(),
            "Too many levels of symbolic links (os error 40)"
        );
        write(Path::new("/dev/null"), "gone").unwrap();
        assert_eq!(
            write(Path::new("/dev/full"), "x").unwrap_err().to_string(),
            "No space left on device (os error 28)"
        );
        assert_eq!(
            write(&directory, "x").unwrap_err().to_string(),
            "Is a directory (os error 21)"
        );
        assert_eq!(final_place(Path::new("/dev/stdout")).unwrap(), Place::Output);
        fs::remove_dir_all(directory).unwrap();
    }
}
