//! Buffers: bytes as a value, one byte a byte.
//!
//! A slice shares the bytes of the buffer that it was taken of, from a place and for a length that do not change.
//!
//! Frozen bytes do not change any more: heaps on other threads share them, and each is charged for all of them.
//!
//! Source: library reference §E4.

use aether_eval::{BuiltinDef, Ctx, HostItems, LibraryModule};
use aether_value::{Builtin, Charge, Heap, Native, NativeMessage, Raise, StrBuilder, Value};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crate::arguments::{int, number, receiver, string};
use crate::bytes::with_data;

/// The global `buffer`.
pub(crate) static BUFFER: &[BuiltinDef] = &[BuiltinDef::core("buffer", &["data"], 1, 1, buffer)];

/// What takes the place of the module io's own where there are buffers.
pub(crate) const IO: LibraryModule = LibraryModule {
    name: "io",
    functions: &[BuiltinDef::core("read_bytes", &["n"], 0, 1, read_bytes)],
    constants: &[],
};

/// `io.read_bytes([n])`
fn read_bytes(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let mut bytes = crate::bytes::Bytes::new(ctx.heap());
    ctx.read_input(args, |_, chunk| {
        let needed = bytes.data.len() + chunk.len();
        if needed > bytes.data.capacity() {
            bytes.reserve(needed.max(bytes.data.capacity() * 2))?;
        }
        bytes.data.extend_from_slice(chunk);
        Ok(())
    })?;
    Buffer::value_of(ctx.heap(), &bytes.data)
}

/// The largest buffer.
const MAX_SIZE: usize = i32::MAX as usize;

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("slice", 0, 2, slice),
    BuiltinDef::method("to_string", 0, 0, to_string),
    BuiltinDef::method("to_array", 0, 0, to_array),
    BuiltinDef::method("concat", 0, 255, concat),
    BuiltinDef::method("fill", 1, 1, fill),
    BuiltinDef::method("freeze", 0, 0, |_, args| {
        receiver::<Buffer>(args).freeze();
        Ok(args[0].clone())
    }),
    BuiltinDef::method("read_u8", 1, 1, |_, args| {
        read(args, |bytes: [u8; 1], _| i64::from(bytes[0]))
    }),
    BuiltinDef::method("read_u16", 1, 2, |_, args| {
        read(args, |bytes, is_big| {
            i64::from(if is_big {
                u16::from_be_bytes(bytes)
            } else {
                u16::from_le_bytes(bytes)
            })
        })
    }),
    BuiltinDef::method("read_u32", 1, 2, |_, args| {
        read(args, |bytes, is_big| {
            i64::from(if is_big {
                u32::from_be_bytes(bytes)
            } else {
                u32::from_le_bytes(bytes)
            })
        })
    }),
    BuiltinDef::method("read_i64", 1, 2, |_, args| {
        read(args, |bytes, is_big| {
            if is_big {
                i64::from_be_bytes(bytes)
            } else {
                i64::from_le_bytes(bytes)
            }
        })
    }),
    BuiltinDef::method("read_f64", 1, 2, |_, args| {
        read(args, |bytes, is_big| {
            if is_big {
                f64::from_be_bytes(bytes)
            } else {
                f64::from_le_bytes(bytes)
            }
        })
    }),
    BuiltinDef::method("write_u8", 2, 2, |_, args| write_int(args, 1)),
    BuiltinDef::method("write_u16", 2, 3, |_, args| write_int(args, 2)),
    BuiltinDef::method("write_u32", 2, 3, |_, args| write_int(args, 4)),
    BuiltinDef::method("write_i64", 2, 3, |_, args| write_int(args, 8)),
    BuiltinDef::method("write_f64", 2, 3, write_f64),
];

/// Bytes that slices may share.
struct Shared {
    bytes: RefCell<Content>,
    _charge: Charge,
}

enum Content {
    Own(Box<[u8]>),
    /// Also other heaps', on any thread.
    Frozen(Arc<FrozenBytes>),
}

/// Bytes that do not change.
struct FrozenBytes(Box<[u8]>);

impl Content {
    fn get(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Frozen(frozen) => &frozen.0,
        }
    }
}

impl Shared {
    /// What it takes beside the bytes.
    const COST: usize = size_of::<Self>() + size_of::<FrozenBytes>() + 2 * size_of::<usize>();
}

/// A buffer as a value.
pub(crate) struct Buffer {
    shared: Rc<Shared>,
    /// From, to; nothing once the bytes have been moved away.
    place: Cell<(usize, usize)>,
}

impl Buffer {
    /// A new buffer of a number of zeros.
    fn zeros(heap: &Heap, length: usize) -> Result<Self, Raise> {
        if length > MAX_SIZE {
            return Err(heap.out_of_memory(length));
        }
        let charge = Charge::new(heap, length + Shared::COST)?;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(length).is_err() {
            return Err(heap.out_of_memory(length));
        }
        bytes.resize(length, 0);
        Ok(Self {
            shared: Rc::new(Shared {
                bytes: RefCell::new(Content::Own(bytes.into_boxed_slice())),
                _charge: charge,
            }),
            place: Cell::new((0, length)),
        })
    }

    /// A value of a buffer with these bytes.
    pub(crate) fn value_of(heap: &Heap, bytes: &[u8]) -> Result<Value, Raise> {
        let buffer = Self::zeros(heap, bytes.len())?;
        buffer.change(|own| own.copy_from_slice(bytes))?;
        Ok(Value::Native(heap.native(Box::new(buffer))?))
    }

    /// Lends the bytes.
    pub(crate) fn with<R>(&self, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
        use_bytes(&self.shared.bytes.borrow().get()[self.range()])
    }

    fn change<R>(&self, change: impl FnOnce(&mut [u8]) -> R) -> Result<R, Raise> {
        match &mut *self.shared.bytes.borrow_mut() {
            Content::Own(bytes) => Ok(change(&mut bytes[self.range()])),
            Content::Frozen(_) => Err(Raise::operation("the buffer is frozen")),
        }
    }

    /// The bytes do not change from now on, here and in all slices of them.
    fn freeze(&self) {
        let mut content = self.shared.bytes.borrow_mut();
        if let Content::Own(bytes) = &mut *content {
            *content = Content::Frozen(Arc::new(FrozenBytes(std::mem::take(bytes))));
        }
    }

    fn is_frozen(&self) -> bool {
        matches!(&*self.shared.bytes.borrow(), Content::Frozen(_))
    }

    fn range(&self) -> Range<usize> {
        let (start, end) = self.place.get();
        start..end
    }

    /// Lets go of the bytes: the buffer has none any more.
    #[cfg(feature = "worker")]
    pub(crate) fn detach(&self) {
        self.place.set((0, 0));
    }

    fn len(&self) -> usize {
        self.range().len()
    }

    /// The place of a number of bytes.
    fn place(&self, offset: &Value, count: usize) -> Result<usize, Raise> {
        let offset = int(offset)?;
        let place = usize::try_from(offset).ok().filter(|place| {
            let end = place.checked_add(count);
            end.is_some_and(|end| end <= self.len())
        });
        place.ok_or_else(|| {
            let length = self.len();
            Raise::new(
                aether_value::ErrorKind::Index,
                format!("Index {offset} out of bounds for buffer of length {length}"),
            )
        })
    }
}

/// `buffer(n | bytes | string)`
fn buffer(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if let Value::Int(length) = &args[0] {
        let Ok(length) = usize::try_from(*length) else {
            let detail = format!("buffer: length must not be negative, got {length}");
            return Err(Raise::operation(&detail));
        };
        ctx.tick(length / 64)?;
        let buffer = Buffer::zeros(ctx.heap(), length)?;
        return Ok(Value::Native(ctx.heap().native(Box::new(buffer))?));
    }
    with_data(ctx, "buffer", &args[0], |ctx, bytes| {
        ctx.tick(bytes.len() / 64)?;
        Buffer::value_of(ctx.heap(), bytes)
    })
}

/// `slice([start], [end])`: negative places count from the end, as for arrays.
fn slice(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let buffer = receiver::<Buffer>(args);
    let length = buffer.len() as i64;
    let place = |arg: Option<&Value>, default: i64| match arg {
        None | Some(Value::Null) => Ok(default),
        Some(arg) => {
            let place = int(arg)?;
            let place = if place < 0 {
                place.saturating_add(length)
            } else {
                place
            };
            Ok::<i64, Raise>(place.clamp(0, length))
        }
    };
    let start = place(args.get(1), 0)?;
    let end = place(args.get(2), length)?.max(start);
    let begin = buffer.range().start;
    let slice = Buffer {
        shared: buffer.shared.clone(),
        place: Cell::new((begin + start as usize, begin + end as usize)),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(slice))?))
}

fn to_string(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let buffer = receiver::<Buffer>(args);
    buffer.with(|bytes| match ctx.text_of_bytes(bytes)? {
        Ok(text) => Ok(Value::String(text)),
        Err(at) => Err(Raise::operation(&format!(
            "buffer.to_string: the bytes are not UTF-8 at {at}"
        ))),
    })
}

fn to_array(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let buffer = receiver::<Buffer>(args);
    buffer.with(|bytes| Ok(Value::Array(ctx.array_of_bytes(bytes)?)))
}

/// A new buffer of the bytes and those of the arguments.
fn concat(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let mut joined = crate::bytes::Bytes::new(ctx.heap());
    for arg in args {
        with_data(ctx, "buffer.concat", arg, |ctx, bytes| {
            ctx.tick(bytes.len() / 64)?;
            joined.reserve(joined.data.len() + bytes.len())?;
            joined.data.extend_from_slice(bytes);
            Ok(())
        })?;
    }
    Buffer::value_of(ctx.heap(), &joined.data)
}

/// The byte in an argument.
fn byte(value: &Value) -> Result<u8, Raise> {
    let number = int(value)?;
    u8::try_from(number).map_err(|_| Raise::operation(&format!("buffer: byte is {number} (must be 0–255)")))
}

fn fill(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let buffer = receiver::<Buffer>(args);
    let byte = byte(&args[1])?;
    ctx.tick(buffer.len() / 64)?;
    buffer.change(|bytes| bytes.fill(byte))?;
    Ok(Value::Null)
}

/// Whether an argument asks for the most significant byte first.
fn is_big(order: Option<&Value>) -> Result<bool, Raise> {
    match order {
        None | Some(Value::Null) => Ok(false),
        Some(order) => match string(order)?.as_str() {
            "little" => Ok(false),
            "big" => Ok(true),
            other => {
                let shown = other.escape_debug();
                let detail = format!("buffer: unknown byte order '{shown}' (little or big)");
                Err(Raise::operation(&detail))
            }
        },
    }
}

fn read<const N: usize, T: Into<Value>>(
    args: &[Value],
    make: impl FnOnce([u8; N], bool) -> T,
) -> Result<Value, Raise> {
    let buffer = receiver::<Buffer>(args);
    let is_big = is_big(args.get(2))?;
    let place = buffer.place(&args[1], N)?;
    let mut own = [0; N];
    buffer.with(|bytes| own.copy_from_slice(&bytes[place..place + N]));
    Ok(make(own, is_big).into())
}

/// Writes the lowest bytes of an int, which has to fit into them.
fn write_int(args: &[Value], count: usize) -> Result<Value, Raise> {
    let buffer = receiver::<Buffer>(args);
    let number = int(&args[2])?;
    let is_big = is_big(args.get(3))?;
    let place = buffer.place(&args[1], count)?;
    let most = if count < 8 {
        (1_i64 << (8 * count)) - 1
    } else {
        i64::MAX
    };
    if count < 8 && !(0..=most).contains(&number) {
        let detail = format!("buffer: {number} is not between 0 and {most}");
        return Err(Raise::operation(&detail));
    }
    let mut bytes = number.to_le_bytes();
    let bytes = &mut bytes[..count];
    if is_big {
        bytes.reverse();
    }
    buffer.change(|own| own[place..place + count].copy_from_slice(bytes))?;
    Ok(Value::Null)
}

fn write_f64(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let buffer = receiver::<Buffer>(args);
    let number = number(&args[2])?;
    let is_big = is_big(args.get(3))?;
    let place = buffer.place(&args[1], 8)?;
    let bytes = if is_big {
        number.to_be_bytes()
    } else {
        number.to_le_bytes()
    };
    buffer.change(|own| own[place..place + 8].copy_from_slice(&bytes))?;
    Ok(Value::Null)
}

/// Bytes that are shown.
const SHOWN: usize = 16;

impl Native for Buffer {
    fn type_name(&self) -> &'static str {
        "buffer"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<buffer ")?;
        out.push_int(self.len() as i64)?;
        out.push_char(':')?;
        self.with(|bytes| {
            for byte in bytes.iter().take(SHOWN) {
                out.push_str(&format!(" {byte:02x}"))?;
            }
            out.push_str(if bytes.len() > SHOWN { " …>" } else { ">" })
        })
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok(match name {
            "length" | "size" => Some(Value::Int(self.len() as i64)),
            "frozen" => Some(Value::Bool(self.is_frozen())),
            _ => None,
        })
    }

    fn member_names(&self) -> Vec<String> {
        ["length", "frozen"].map(str::to_owned).to_vec()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn element(&self, _: &Heap, index: &Value) -> Result<Option<Value>, Raise> {
        let place = self.place(index, 1)?;
        Ok(Some(Value::Int(self.with(|bytes| bytes[place]).into())))
    }

    fn set_element(&self, _: &Heap, index: &Value, new: &Value) -> Result<bool, Raise> {
        let place = self.place(index, 1)?;
        let byte = byte(new)?;
        self.change(|bytes| bytes[place] = byte)?;
        Ok(true)
    }

    fn is_collection(&self) -> bool {
        true
    }

    fn iterator(&self, heap: &Heap) -> Result<Option<Value>, Raise> {
        // The bytes as they are when their turn comes.
        let (shared, mut places) = (self.shared.clone(), self.range());
        let next = move |_: &Heap| {
            let byte = places.next().map(|place| shared.bytes.borrow().get()[place]);
            Ok(byte.map(|byte| Value::Int(byte.into())))
        };
        Ok(Some(Value::Native(heap.native(Box::new(HostItems::new(next)))?)))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.with(|own| other.with(|other| own == other)))
    }

    fn message(&self) -> Option<Box<dyn NativeMessage>> {
        let place = self.place.get();
        Some(match &*self.shared.bytes.borrow() {
            Content::Own(bytes) => Box::new(Sent {
                bytes: bytes[self.range()].into(),
                frozen: false,
            }),
            // A small part is not to hold a large whole.
            Content::Frozen(whole) if self.len() < whole.0.len() / 2 => Box::new(Sent {
                bytes: whole.0[self.range()].into(),
                frozen: true,
            }),
            Content::Frozen(bytes) => Box::new(SentFrozen {
                bytes: bytes.clone(),
                place,
            }),
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The bytes of a buffer on their way to another heap.
struct Sent {
    bytes: Box<[u8]>,
    frozen: bool,
}

impl NativeMessage for Sent {
    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn build(&self, heap: &Heap) -> Result<Value, Raise> {
        let value = Buffer::value_of(heap, &self.bytes)?;
        if self.frozen
            && let Value::Native(native) = &value
            && let Some(buffer) = native.downcast::<Buffer>()
        {
            buffer.freeze();
        }
        Ok(value)
    }
}

/// A frozen buffer on its way to another heap, which will share its bytes.
struct SentFrozen {
    bytes: Arc<FrozenBytes>,
    place: (usize, usize),
}

impl NativeMessage for SentFrozen {
    fn size(&self) -> usize {
        self.bytes.0.len()
    }

    fn build(&self, heap: &Heap) -> Result<Value, Raise> {
        let charge = Charge::new(heap, self.bytes.0.len() + Shared::COST)?;
        let buffer = Buffer {
            shared: Rc::new(Shared {
                bytes: RefCell::new(Content::Frozen(self.bytes.clone())),
                _charge: charge,
            }),
            place: Cell::new(self.place),
        };
        Ok(Value::Native(heap.native(Box::new(buffer))?))
    }
}
