//! The one open kind: files, sockets, host types.
#![expect(unsafe_code, reason = "declares the layout")]

use std::any::Any;
use std::cell::Cell;
use std::cmp::Ordering;
use std::pin::Pin;
use std::ptr::NonNull;

use crate::heap::Visitor;
use crate::{Builtin, Header, Heap, Message, Object, Raise, Raw, Rc, StrBuilder, Value, tag};

/// Items that a native object hands out one by one, for `for` and for whatever takes an iterable.
pub trait Items {
    /// The next item; `None` at the end, and from then on.
    ///
    /// # Errors
    /// What stands in the way of the next item.
    fn next(&self, heap: &Heap) -> Result<Option<Value>, Raise>;
}

/// A channel whose values come from outside, as [`Message`]s, for `select`. One thread takes them.
pub trait Inbox {
    /// Takes the next message, if one waits, and makes its value. It waits again if that fails.
    ///
    /// # Errors
    /// What `make` raises.
    fn take(&self, make: &mut dyn FnMut(&Message) -> Result<Value, Raise>) -> Result<Option<Value>, Raise>;

    /// Whether no message waits, and none comes any more.
    fn is_over(&self) -> bool;

    /// Waits until a message waits, or none comes any more.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()>>>;
}

/// An operator that a native object may define.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `+`
    Add,
    /// `-` between two values.
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `**`
    Power,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `&`
    BitAnd,
    /// `^`
    BitXor,
    /// `|`
    BitOr,
    /// `-` before a value.
    Negate,
    /// `~`
    BitNot,
}

/// What a native object can do. Dropping one runs no script.
pub trait Native: 'static {
    /// What `type(v)` gives.
    fn type_name(&self) -> &str;

    /// Bytes it holds beside the box; charged when the object is made, see [`NativeObject::recharge`].
    fn size(&self) -> usize {
        0
    }

    /// Names every value it holds a count of, once each. What is not named is only kept alive. Called in the middle
    /// of a collection: it neither makes nor lets go of values.
    ///
    /// Dropping the object gives all these counts back. Rust code that shares its state may change it while the object
    /// lives; it takes no value out of it once nothing else refers to the object.
    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        let _ = visit;
    }

    /// Its display text.
    ///
    /// # Errors
    /// Out of memory.
    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_char('<')?;
        out.push_str(self.type_name())?;
        out.push_char('>')
    }

    /// What `value.name` gives; `None` if there is no such member.
    ///
    /// # Errors
    /// Out of memory, or whatever reading the member meets.
    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        let _ = (heap, name);
        Ok(None)
    }

    /// The names of the members that are known, for prompts and messages.
    fn member_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The method that `value.name(…)` runs: the evaluator's description of a built-in, whose first argument is the
    /// value. A name without one may still be a member that can be called.
    fn method(&self, name: &str) -> Option<Builtin> {
        let _ = name;
        None
    }

    /// What `value(…)` runs, if the value can be called: a method, whose receiver is the value.
    fn callee(&self) -> Option<Builtin> {
        None
    }

    /// Its items, if it is an iterator: they are handed out once.
    fn items(&self) -> Option<&dyn Items> {
        None
    }

    /// Whether it is a collection, for which [`Native::iterator`] makes what `for` goes through.
    fn is_collection(&self) -> bool {
        false
    }

    /// What `for` goes through, if it is a collection: an array or an iterator.
    ///
    /// # Errors
    /// Out of memory, or whatever beginning meets.
    fn iterator(&self, heap: &Heap) -> Result<Option<Value>, Raise> {
        let _ = heap;
        Ok(None)
    }

    /// `value.name = new`; false if it has no such property that can be written.
    ///
    /// # Errors
    /// Whatever writing meets.
    fn set_member(&self, heap: &Heap, name: &str, new: &Value) -> Result<bool, Raise> {
        let _ = (heap, name, new);
        Ok(false)
    }

    /// `value[index]`; `None` if it cannot be indexed.
    ///
    /// # Errors
    /// Whatever reading meets.
    fn element(&self, heap: &Heap, index: &Value) -> Result<Option<Value>, Raise> {
        let _ = (heap, index);
        Ok(None)
    }

    /// `value[index] = new`; false if elements cannot be written.
    ///
    /// # Errors
    /// Whatever writing meets.
    fn set_element(&self, heap: &Heap, index: &Value, new: &Value) -> Result<bool, Raise> {
        let _ = (heap, index, new);
        Ok(false)
    }

    /// An arithmetic operator on the value and `other`, which is the value itself for operators of one operand; with
    /// `reversed` the other is the left operand. `None` if there is no such operator.
    ///
    /// # Errors
    /// Whatever computing meets.
    fn operate(
        &self,
        heap: &Heap,
        operator: Operator,
        other: &Value,
        reversed: bool,
    ) -> Result<Option<Value>, Raise> {
        let _ = (heap, operator, other, reversed);
        Ok(None)
    }

    /// The order of the value and another; `None` if they have none.
    ///
    /// # Errors
    /// Whatever comparing meets.
    fn order(&self, other: &Value) -> Result<Option<Ordering>, Raise> {
        let _ = other;
        Ok(None)
    }

    /// The int, float, bool, string or null under which the object is a key of dicts and an element of sets. It never
    /// changes. Objects of one type with one key are one key.
    fn key(&self) -> Option<&Value> {
        None
    }

    /// What it sends of itself to another heap; `None` if it cannot be sent.
    fn message(&self) -> Option<Box<dyn crate::NativeMessage>> {
        None
    }

    /// What `select` takes from, if it is a channel.
    fn inbox(&self) -> Option<&dyn Inbox> {
        None
    }

    /// What the evaluator knows of its type: the methods that host code has given it.
    fn class(&self) -> Option<&dyn Any> {
        None
    }

    /// For a built-in that knows the type behind.
    fn as_any(&self) -> &dyn Any;

    /// `==` with another native object that is not the same.
    fn equals(&self, other: &dyn Native) -> bool {
        let _ = other;
        false
    }
}

/// A native object.
#[repr(C)]
pub struct NativeObject {
    header: Header,
    charged: Cell<usize>,
    native: Box<dyn Native>,
}

// SAFETY: repr(C), header first, made by `Heap::native` only.
unsafe impl Object for NativeObject {}

impl NativeObject {
    /// What `for` goes through instead of the object, if it is a collection.
    ///
    /// # Errors
    /// Out of memory, or whatever beginning meets; what it gives is itself a collection of the host.
    pub fn iterator(&self) -> Result<Option<Value>, Raise> {
        if !self.get().is_collection() {
            return Ok(None);
        }
        let items = self.get().iterator(&Heap::of(self))?;
        match &items {
            // One step, so that no host can lead in a circle.
            Some(Value::Native(native)) if native.get().is_collection() => {
                Err(Raise::not_iterable(native.get().type_name()))
            }
            _ => Ok(items),
        }
    }

    /// Bytes that it holds beside itself, as charged.
    pub(crate) fn charged(&self) -> usize {
        self.charged.get()
    }

    /// The object behind.
    #[inline]
    pub fn get(&self) -> &dyn Native {
        // Whoever gets at it may take values out of it.
        self.header.touch();
        &*self.native
    }

    /// The object behind, if it is a `T`.
    pub fn downcast<T: Native>(&self) -> Option<&T> {
        self.get().as_any().downcast_ref()
    }

    /// Charges the present [`Native::size`] in place of the earlier one.
    ///
    /// # Errors
    /// Out of memory; the earlier charge stays.
    pub fn recharge(&self) -> Result<(), Raise> {
        let size = self.native.size();
        let before = self.charged.get();
        let heap = Heap::of(self);
        if size > before {
            heap.charge(size - before)?;
        } else {
            heap.discharge(before - size);
        }
        self.charged.set(size);
        Ok(())
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        self.native.trace(&mut |raw| visitor.raw(*raw));
    }
}

impl Drop for NativeObject {
    fn drop(&mut self) {
        Heap::of(self).discharge(self.charged.get());
    }
}

impl Heap {
    /// A value for a native object.
    ///
    /// # Errors
    /// Out of memory.
    pub fn native(&self, native: Box<dyn Native>) -> Result<Rc<NativeObject>, Raise> {
        let size = native.size();
        self.charge(size)?;
        let made = self.object(tag::NATIVE, |header| NativeObject {
            header,
            charged: Cell::new(size),
            native,
        });
        if made.is_err() {
            self.discharge(size);
        }
        made
    }
}
