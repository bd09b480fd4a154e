//! Functions of the host as values, and the methods that it gives to types of its own.
//!
//! A [`HostFunction`] is a closure; a script calls it as it calls a built-in. A [`Class`] holds the methods of a native
//! type: a call `value.name(…)` looks the name up here.
//!
//! Invariants
//! - A panic of a host's function becomes an error at the place of the call.
//! - What a host's function captures belongs to the host: the collector sees no value in it.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aether_value::{Builtin, Heap, Native, Raise, Raw, StrBuilder, Value};
use ahash::AHashMap;

use crate::builtins::BuiltinDef;
use crate::context::Ctx;

/// What a host's function does.
pub type Callable = dyn Fn(&mut Ctx<'_>, &[Value]) -> Result<Value, Raise>;

/// A closure of the host that scripts can call.
pub struct HostFunction {
    name: Box<str>,
    /// Fewest arguments, and most; none for any number.
    arity: (usize, Option<usize>),
    function: Box<Callable>,
}

impl HostFunction {
    /// A function that takes at least `min` and at most `max` arguments; any number from `min` on without `max`.
    pub fn new(
        name: &str,
        min: usize,
        max: Option<usize>,
        function: impl Fn(&mut Ctx<'_>, &[Value]) -> Result<Value, Raise> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            arity: (min, max),
            function: Box::new(function),
        }
    }

    /// The name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls it with these arguments, of which the first `receivers` are not counted.
    ///
    /// # Errors
    /// A wrong number of arguments, or what the function raises.
    pub fn call(&self, ctx: &mut Ctx<'_>, args: &[Value], receivers: usize) -> Result<Value, Raise> {
        let given = args.len() - receivers;
        let (min, max) = self.arity;
        if given < min || max.is_some_and(|max| given > max) {
            let expected = if given < min { min } else { max.unwrap_or(min) };
            return Err(Raise::arity(expected, given));
        }
        // A call is no jump: it counts as work.
        ctx.tick(1)?;
        guarded(&self.name, || (self.function)(ctx, args))
    }
}

/// Runs code of the host; a panic becomes an error.
///
/// # Errors
/// What the code gives, or that it panicked.
pub fn guarded<T>(name: &str, code: impl FnOnce() -> Result<T, Raise>) -> Result<T, Raise> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(Raise::operation(&format!(
            "host function '{name}' panicked: {message}"
        )))
    })
}

impl Native for HostFunction {
    fn type_name(&self) -> &'static str {
        "builtin_function"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.name.len() + size_of_val(&*self.function)
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<builtin ")?;
        out.push_str(&self.name)?;
        out.push_char('>')
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&CALL.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

static CALL: BuiltinDef = BuiltinDef::method("call", 0, 255, call_function);
static CALL_BOUND: BuiltinDef = BuiltinDef::method("call", 0, 255, call_bound);

fn call_function(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match args {
        [Value::Native(native), args @ ..] if let Some(function) = native.downcast::<HostFunction>() => {
            function.call(ctx, args, 0)
        }
        _ => unreachable!("only functions of the host are called through this"),
    }
}

/// The methods that a host has given to a native type. An object of the type gives it as its
/// [class](Native::class).
#[derive(Default)]
pub struct Class {
    methods: AHashMap<Box<str>, std::rc::Rc<HostFunction>>,
}

impl Class {
    /// Adds a method, whose first argument is the object and does not count. It replaces one of the same name.
    pub fn add(&mut self, method: HostFunction) {
        self.methods.insert(method.name.clone(), std::rc::Rc::new(method));
    }

    /// The names of the methods, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(AsRef::as_ref)
    }

    /// The methods of a native object, if the host has given it some.
    pub(crate) fn of(native: &dyn Native) -> Option<&Self> {
        native.class()?.downcast_ref()
    }

    pub(crate) fn method(&self, name: &str) -> Option<&std::rc::Rc<HostFunction>> {
        self.methods.get(name)
    }
}

/// A method that has been read without being called.
struct Bound {
    receiver: Value,
    method: std::rc::Rc<HostFunction>,
}

/// `object.name` where that is a method of the host.
pub(crate) fn bound_method(heap: &Heap, receiver: &Value, name: &str) -> Result<Option<Value>, Raise> {
    let Value::Native(native) = receiver else {
        return Ok(None);
    };
    let Some(method) = Class::of(native.get()).and_then(|class| class.method(name)) else {
        return Ok(None);
    };
    let bound = Bound {
        receiver: receiver.clone(),
        method: method.clone(),
    };
    Ok(Some(Value::Native(heap.native(Box::new(bound))?)))
}

impl Native for Bound {
    fn type_name(&self) -> &'static str {
        "builtin_function"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_value(&self.receiver));
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<builtin ")?;
        out.push_str(&self.method.name)?;
        out.push_char('>')
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&CALL_BOUND.info))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| {
            std::rc::Rc::ptr_eq(&self.method, &other.method)
                && Raw::of_value(&self.receiver).same(Raw::of_value(&other.receiver))
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn call_bound(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Some((Value::Native(native), rest)) = args.split_first() else {
        unreachable!("only bound methods are called through this")
    };
    let Some(bound) = native.downcast::<Bound>() else {
        unreachable!("only bound methods are called through this")
    };
    let mut all = Vec::with_capacity(args.len());
    all.push(bound.receiver.clone());
    all.extend_from_slice(rest);
    bound.method.call(ctx, &all, 1)
}

/// Gives the items of an iterator one by one.
type NextItem = dyn FnMut(&Heap) -> Result<Option<Value>, Raise>;

/// An iterator of the host.
pub struct HostItems {
    items: RefCell<Box<NextItem>>,
}

impl HostItems {
    /// Items that a closure gives one by one, `None` at the end.
    pub fn new(next: impl FnMut(&Heap) -> Result<Option<Value>, Raise> + 'static) -> Self {
        Self {
            items: RefCell::new(Box::new(next)),
        }
    }
}

impl aether_value::Items for HostItems {
    fn next(&self, heap: &Heap) -> Result<Option<Value>, Raise> {
        let Ok(mut next) = self.items.try_borrow_mut() else {
            return Err(Raise::operation("the iterator is in use"));
        };
        guarded("iterator", || next(heap))
    }
}

impl Native for HostItems {
    fn type_name(&self) -> &'static str {
        "iterator"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<iterator>")
    }

    fn items(&self) -> Option<&dyn aether_value::Items> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
