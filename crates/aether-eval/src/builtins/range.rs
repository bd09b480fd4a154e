//! Ranges: `a..b`, `a..=b` and what `step` makes of them.
//!
//! A range is an immutable native object. What iterates it makes an iterator of its own ([`Range::state`]); a `for` over
//! a range that is written there counts without one.
//!
//! Source: language reference §19, X3.

use aether_value::{Array, Builtin, Heap, IterState, Native, NativeMessage, Raise, Rc, StrBuilder, Value};
use std::any::Any;

use super::BuiltinDef;
use super::support::{int, wrong_type};
use crate::context::Ctx;

/// `a..b`. Its name is what a loop looks for, which then counts by itself.
pub(crate) static RANGE: BuiltinDef = BuiltinDef::core("range", &["start", "end"], 2, 2, |ctx, args| {
    made(ctx, args, false)
});
/// `a..=b`.
pub(crate) static INCLUSIVE_RANGE: BuiltinDef =
    BuiltinDef::core("range", &["start", "end"], 2, 2, |ctx, args| {
        made(ctx, args, true)
    });

pub(super) static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("contains", 1, 1, contains),
    BuiltinDef::method("to_array", 0, 0, to_array),
    BuiltinDef::method("iterator", 0, 0, iterator),
    BuiltinDef::method("step", 1, 1, step),
];

/// A range.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) inclusive: bool,
    /// Not 0; below 0 it walks down from the start while above the end.
    pub(crate) step: i64,
}

impl Range {
    /// The range that a value is.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Native(native) => native.downcast::<Self>().copied(),
            _ => None,
        }
    }

    /// How many integers it has.
    pub(crate) fn len(self) -> u64 {
        let (start, end) = (i128::from(self.start), i128::from(self.end));
        let width = if self.step > 0 { end - start } else { start - end };
        // The bounds that count lie within `width`, the end among them if it is included.
        let width = width + i128::from(self.inclusive);
        let count = if width <= 0 {
            0
        } else {
            (width - 1) / i128::from(self.step.unsigned_abs()) + 1
        };
        // At most 2^64: a full range from the least to the greatest integer.
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    pub(crate) fn contains(self, value: i64) -> bool {
        let distance = i128::from(value) - i128::from(self.start);
        let step = i128::from(self.step);
        distance % step == 0 && (0..i128::from(self.len())).contains(&(distance / step))
    }

    /// An iteration over it.
    pub(crate) fn state(self) -> IterState {
        IterState::Range {
            next: self.start,
            left: self.len(),
            step: self.step,
        }
    }

    /// Its length as the room that its items take.
    fn room(self) -> usize {
        usize::try_from(self.len()).unwrap_or(usize::MAX)
    }

    /// Its items in an array.
    pub(crate) fn items(self, heap: &Heap) -> Result<Rc<Array>, Raise> {
        let items = heap.array(self.room())?;
        let mut next = self.start;
        for index in 0..self.len() {
            heap.checkpoint(usize::from(index % 4 == 0))?;
            items.push(Value::Int(next))?;
            next = next.wrapping_add(self.step);
        }
        Ok(items)
    }
}

impl Native for Range {
    fn type_name(&self) -> &'static str {
        "range"
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        let stepped = self.step != 1;
        out.push_str(if stepped { "(" } else { "" })?;
        out.push_int(self.start)?;
        out.push_str(if self.inclusive { "..=" } else { ".." })?;
        out.push_int(self.end)?;
        if stepped {
            out.push_str(").step(")?;
            out.push_int(self.step)?;
            out.push_char(')')?;
        }
        Ok(())
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok(match name {
            "start" => Some(Value::Int(self.start)),
            "end" => Some(Value::Int(self.end)),
            "length" => Some(Value::Int(i64::try_from(self.len()).unwrap_or(i64::MAX))),
            _ => None,
        })
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn message(&self) -> Option<Box<dyn NativeMessage>> {
        Some(Box::new(*self))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }
}

fn new(ctx: &Ctx<'_>, range: Range) -> Result<Value, Raise> {
    Ok(Value::Native(ctx.heap().native(Box::new(range))?))
}

fn made(ctx: &mut Ctx<'_>, args: &[Value], inclusive: bool) -> Result<Value, Raise> {
    let (start, end) = (int(&args[0])?, int(&args[1])?);
    new(
        ctx,
        Range {
            start,
            end,
            inclusive,
            step: 1,
        },
    )
}

fn receiver(args: &[Value]) -> Result<Range, Raise> {
    Range::of(&args[0]).ok_or_else(|| wrong_type("range", &args[0]))
}

fn contains(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let range = receiver(args)?;
    Ok(Value::Bool(
        matches!(args[1], Value::Int(value) if range.contains(value)),
    ))
}

fn to_array(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let range = receiver(args)?;
    Ok(Value::Array(range.items(ctx.heap())?))
}

fn iterator(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let state = receiver(args)?.state();
    Ok(Value::Iterator(ctx.heap().iterator(state)?))
}

fn step(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (range, step) = (receiver(args)?, int(&args[1])?);
    if step == 0 {
        return Err(Raise::operation("range step must not be 0"));
    }
    new(ctx, Range { step, ..range })
}

impl NativeMessage for Range {
    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn build(&self, heap: &Heap) -> Result<Value, Raise> {
        Ok(Value::Native(heap.native(Box::new(*self))?))
    }
}
