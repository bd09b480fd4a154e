//! Files that stay open: `fs.open` and what it gives.
//!
//! Invariants
//! - What is written goes to the system at once, so that nothing is lost however the program ends.
//! - What is read comes through a buffer. Whatever else is done with the file goes on where reading was, not where the
//!   buffer has come to.
//! - A file is closed by `close`, or when the last reference to it goes.

use aether_eval::{BuiltinDef, Ctx, FileHandle, Held, OpenMode, Permission};
use aether_value::{Builtin, Charge, Heap, Items, Native, Raise, StrBuilder, Value};
use std::any::Any;
use std::cell::RefCell;
use std::io::{self, SeekFrom};

use crate::arguments::{int, permit, receiver, string};
use crate::bytes::{Bytes, NOT_UTF8, read_all, with_content, with_data};
use crate::files::failed;
use crate::files::window::{BUFFER, Failure, Window};

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("read", 0, 1, read),
    BuiltinDef::method("read_line", 0, 0, read_line),
    BuiltinDef::method("write", 1, 1, write),
    BuiltinDef::method("seek", 1, 2, seek),
    BuiltinDef::method("tell", 0, 0, tell),
    BuiltinDef::method("flush", 0, 0, flush),
    BuiltinDef::method("close", 0, 0, close),
];

/// A file as a value.
struct OpenedFile {
    path: Box<str>,
    mode: Box<str>,
    /// Whether it holds bytes to the script, not text.
    is_binary: bool,
    open: RefCell<Option<Open>>,
}

/// An open file.
struct Open {
    handle: Held<Box<dyn FileHandle>>,
    /// What has been read and not handed out, with the charge for it; none before the first reading.
    window: Option<(Window, Charge)>,
}

/// What a mode asks for, and whether it is about bytes.
fn mode_of(mode: &str) -> Option<(OpenMode, bool)> {
    let mut letters = mode.chars();
    let mut wanted = match letters.next()? {
        'r' => OpenMode {
            read: true,
            ..OpenMode::default()
        },
        'w' => OpenMode {
            write: true,
            create: true,
            truncate: true,
            ..OpenMode::default()
        },
        'a' => OpenMode {
            write: true,
            append: true,
            create: true,
            ..OpenMode::default()
        },
        'x' => OpenMode {
            write: true,
            create_new: true,
            ..OpenMode::default()
        },
        _ => return None,
    };
    let (mut is_binary, mut is_both) = (false, false);
    for letter in letters {
        match letter {
            'b' if !is_binary => is_binary = true,
            '+' if !is_both => is_both = true,
            _ => return None,
        }
    }
    wanted.read |= is_both;
    wanted.write |= is_both;
    Some((wanted, is_binary))
}

/// `open(path, [mode])`
pub(super) fn open(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = string(&args[0])?.as_str();
    let mode = match args.get(1) {
        None | Some(Value::Null) => "r",
        Some(mode) => string(mode)?.as_str(),
    };
    let Some((wanted, is_binary)) = mode_of(mode) else {
        let detail = format!(
            "fs.open: unknown mode '{}' (r, w, a or x, then + for both ways, b for bytes)",
            mode.escape_debug()
        );
        return Err(Raise::operation(&detail));
    };
    if wanted.read {
        permit(ctx, Permission::Read, path)?;
    }
    if wanted.write {
        permit(ctx, Permission::Write, path)?;
    }
    let count = ctx.open_handle()?;
    let handle = ctx.host().open_handle(path, wanted);
    let handle = handle.map_err(|error| failed("fs.open", path, &error))?;
    let file = OpenedFile {
        path: path.into(),
        mode: mode.into(),
        is_binary,
        open: RefCell::new(Some(Open {
            handle: count.hold(handle),
            window: None,
        })),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(file))?))
}

impl Open {
    /// The window, and what fills it.
    fn reading(&mut self, heap: &Heap) -> Result<(&mut Window, &mut dyn FileHandle), Raise> {
        let (window, _) = match &mut self.window {
            Some(window) => window,
            none => none.insert((Window::new(), Charge::new(heap, BUFFER)?)),
        };
        Ok((window, &mut **self.handle))
    }

    /// Forgets what has been read ahead, so that the system's position is the script's.
    fn settle(&mut self) -> io::Result<()> {
        let ahead = self.window.as_mut().map_or(0, |(window, _)| window.discard());
        if ahead > 0 {
            self.handle.seek(SeekFrom::Current(-(ahead as i64)))?;
        }
        Ok(())
    }

    /// The next text of `characters` characters, or what there is until the end.
    fn read_text(&mut self, heap: &Heap, mut characters: usize) -> Result<Value, Failure> {
        let mut text = StrBuilder::new(heap);
        let (window, handle) = self.reading(heap)?;
        while characters > 0 {
            let bytes = window.bytes();
            let valid = match std::str::from_utf8(bytes) {
                Ok(valid) => valid,
                Err(error) if error.valid_up_to() > 0 => {
                    std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
                }
                Err(error) if error.error_len().is_some() => return Err(invalid().into()),
                Err(_) => "",
            };
            if valid.is_empty() {
                let before = bytes.len();
                if !window.fill(handle)? {
                    if before > 0 {
                        return Err(invalid().into());
                    }
                    break;
                }
                continue;
            }
            let end = valid
                .char_indices()
                .nth(characters)
                .map_or(valid.len(), |(end, _)| end);
            characters -= valid[..end].chars().count();
            text.push_str(&valid[..end])?;
            window.consume(end);
        }
        Ok(Value::String(text.finish()?))
    }

    /// The next `count` bytes, or what there is until the end.
    fn read_bytes(&mut self, heap: &Heap, bytes: &mut Bytes, count: usize) -> Result<(), Failure> {
        let (window, handle) = self.reading(heap)?;
        while bytes.data.len() < count {
            if window.bytes().is_empty() && !window.fill(handle)? {
                break;
            }
            let piece = window.bytes().len().min(count - bytes.data.len());
            let needed = bytes.data.len() + piece;
            if needed > bytes.data.capacity() {
                bytes.reserve((needed * 2).min(count))?;
            }
            bytes.data.extend_from_slice(&window.bytes()[..piece]);
            window.consume(piece);
        }
        Ok(())
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, NOT_UTF8)
}

impl OpenedFile {
    /// Does something with the open file.
    fn with<R>(
        &self,
        operation: &str,
        work: impl FnOnce(&mut Open) -> Result<R, Failure>,
    ) -> Result<R, Raise> {
        let mut open = self.open.borrow_mut();
        let Some(open) = &mut *open else {
            return Err(Raise::operation(&format!("{operation}: the file is closed")));
        };
        work(open).map_err(|failure| match failure {
            Failure::System(error) => failed(operation, &self.path, &error),
            Failure::Raised(raise) => raise,
        })
    }

    fn next_line(&self, operation: &str, heap: &Heap) -> Result<Option<Value>, Raise> {
        if self.is_binary {
            let detail = format!("{operation}: the file was opened for bytes, which have no lines");
            return Err(Raise::operation(&detail));
        }
        self.with(operation, |open| {
            let (window, mut handle) = open.reading(heap)?;
            Ok(window.read_line(&mut handle, heap)?.map(Value::String))
        })
    }
}

fn read(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let file = receiver::<OpenedFile>(args);
    let count = match args.get(1) {
        None | Some(Value::Null) => None,
        Some(count) => Some(int(count)?),
    };
    if let Some(negative) = count.filter(|count| *count < 0) {
        let detail = format!("fs.read: count must not be negative, got {negative}");
        return Err(Raise::operation(&detail));
    }
    let Some(count) = count else {
        return read_rest(ctx, file);
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let heap = ctx.heap().clone();
    if file.is_binary {
        let mut bytes = Bytes::new(&heap);
        file.with("fs.read", |open| open.read_bytes(&heap, &mut bytes, count))?;
        return Ok(Value::Array(ctx.array_of_bytes(&bytes.data)?));
    }
    let text = file.with("fs.read", |open| open.read_text(&heap, count))?;
    if let Value::String(text) = &text {
        ctx.tick(text.len_bytes() / 64)?;
    }
    Ok(text)
}

/// Everything up to the end.
fn read_rest(ctx: &mut Ctx<'_>, file: &OpenedFile) -> Result<Value, Raise> {
    file.with("fs.read", |open| Ok(open.settle()?))?;
    let mut open = file.open.borrow_mut();
    let Some(open) = &mut *open else {
        return Ok(Value::Null);
    };
    let failed = |error: &io::Error| failed("fs.read", &file.path, error);
    let bytes = read_all(ctx, &mut **open.handle, 0, failed)?;
    if file.is_binary {
        return Ok(Value::Array(ctx.array_of_bytes(&bytes.data)?));
    }
    let text = ctx.text_of_bytes(&bytes.data)?;
    text.map(Value::String).map_err(|_| failed(&invalid()))
}

fn read_line(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let line = receiver::<OpenedFile>(args).next_line("fs.read_line", ctx.heap())?;
    if let Some(Value::String(line)) = &line {
        ctx.tick(line.len_bytes() / 64)?;
    }
    Ok(line.unwrap_or(Value::Null))
}

fn write(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let file = receiver::<OpenedFile>(args);
    let put = |bytes: &[u8]| {
        file.with("fs.write", |open| {
            open.settle()?;
            Ok(open.handle.write_all(bytes)?)
        })
    };
    match &args[1] {
        Value::String(text) => {
            ctx.tick(text.len_bytes() / 64)?;
            put(text.as_str().as_bytes())?;
        }
        data if file.is_binary => with_data(ctx, "fs.write", data, |_, bytes| put(bytes))?,
        other => with_content(ctx, other, |_, bytes| put(bytes))?,
    }
    Ok(Value::Null)
}

fn seek(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let by = int(&args[1])?;
    let from = match args.get(2) {
        None | Some(Value::Null) => "start",
        Some(from) => string(from)?.as_str(),
    };
    let target =
        match from {
            "start" => SeekFrom::Start(u64::try_from(by).map_err(|_| {
                Raise::operation(&format!("fs.seek: position must not be negative, got {by}"))
            })?),
            "current" => SeekFrom::Current(by),
            "end" => SeekFrom::End(by),
            other => {
                let detail = format!(
                    "fs.seek: unknown origin '{}' (start, current or end)",
                    other.escape_debug()
                );
                return Err(Raise::operation(&detail));
            }
        };
    let at = receiver::<OpenedFile>(args).with("fs.seek", |open| {
        open.settle()?;
        Ok(open.handle.seek(target)?)
    })?;
    Ok(Value::Int(at as i64))
}

fn tell(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let at = receiver::<OpenedFile>(args).with("fs.tell", |open| {
        let ahead = open.window.as_ref().map_or(0, |(window, _)| window.bytes().len());
        Ok(open.handle.stream_position()? - ahead as u64)
    })?;
    Ok(Value::Int(at as i64))
}

fn flush(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    receiver::<OpenedFile>(args).with("fs.flush", |open| Ok(open.handle.flush()?))?;
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let open = receiver::<OpenedFile>(args).open.borrow_mut().take();
    drop(open);
    Ok(Value::Null)
}

impl Native for OpenedFile {
    fn type_name(&self) -> &'static str {
        "file"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.path.len() + self.mode.len()
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<file:")?;
        out.push_str(&self.path)?;
        out.push_str(">")
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok(match name {
            "path" => Some(Value::String(heap.string(&self.path)?)),
            "mode" => Some(Value::String(heap.string(&self.mode)?)),
            "closed" => Some(Value::Bool(self.open.borrow().is_none())),
            _ => None,
        })
    }

    fn member_names(&self) -> Vec<String> {
        ["path", "mode", "closed"].map(str::to_owned).into()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn items(&self) -> Option<&dyn Items> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Items for OpenedFile {
    fn next(&self, heap: &Heap) -> Result<Option<Value>, Raise> {
        self.next_line("fs.read_line", heap)
    }
}
