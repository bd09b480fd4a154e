//! Types of the host as values of scripts.
//!
//! Invariants
//! - An object owns its Rust value. A script never sees a reference into it; a method that borrows it twice, because a
//!   callback leads back to it, is an error of the script.
//! - Objects are counted, charged (`size_of` and what [`TypeBuilder::size`] says), and dropped the moment their last
//!   reference goes, on the thread of the engine. A panic in `drop` is swallowed.
//! - Values that an object holds are its own: the collector sees those that [`TypeBuilder::trace`] names; a cycle
//!   through others is never freed.
//! - The key under which an object is found in dicts and sets is settled when the object is made.

mod builder;

use std::any::Any;
use std::cell::{Ref, RefCell, RefMut};
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aether_eval::{Ctx, HostFunction, guarded};
use aether_value::{Heap, Native, NativeObject, Operator, Raise, Raw, Rc, StrBuilder, Value};

pub use builder::{Tracer, TypeBuilder};

use crate::Error;
use crate::convert::{FromValue, IntoValue};

/// A Rust type whose values scripts can hold. `#[derive(AetherType)]` writes this for a struct; by hand it is:
///
/// ```
/// use aether::{AetherType, Engine, TypeBuilder};
///
/// struct Counter { n: i64 }
///
/// impl AetherType for Counter {
///     const NAME: &'static str = "Counter";
///
///     fn describe(t: &mut TypeBuilder<Self>) {
///         t.constructor(|n: i64| Counter { n })
///             .field("n", |c| c.n, |c, n| c.n = n)
///             .method_mut("add", |c: &mut Counter, by: i64| c.n += by);
///     }
/// }
///
/// let mut engine = Engine::new()?;
/// engine.register_type::<Counter>()?;
/// assert_eq!(engine.eval_to::<i64>("let c = Counter(3)  c.add(4)  c.n")?, 7);
/// # Ok::<(), aether::Error>(())
/// ```
///
/// A value of such a type converts by itself, as argument, as result, as a global: the script gets an object. Back it
/// comes as an [`Object`], or by `Clone`.
pub trait AetherType: Sized + 'static {
    /// What `type(v)` gives, and the name of the type in scripts.
    const NAME: &'static str;

    /// Says what the type can do.
    fn describe(builder: &mut TypeBuilder<Self>);
}

/// An object of a type of the host.
struct Instance<T: 'static> {
    info: std::rc::Rc<TypeBuilder<T>>,
    /// There until the object is dropped.
    value: Option<RefCell<T>>,
    key: Option<Value>,
}

impl<T: AetherType> Instance<T> {
    #[cold]
    fn in_use() -> Raise {
        Raise::operation(&format!("{} is in use by another call", T::NAME))
    }

    fn borrow(&self) -> Result<Ref<'_, T>, Raise> {
        let value = self.value.as_ref();
        value
            .and_then(|value| value.try_borrow().ok())
            .ok_or_else(Self::in_use)
    }

    fn borrow_mut(&self) -> Result<RefMut<'_, T>, Raise> {
        let value = self.value.as_ref();
        value
            .and_then(|value| value.try_borrow_mut().ok())
            .ok_or_else(Self::in_use)
    }
}

impl<T: 'static> Drop for Instance<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        // The engine is in the middle of letting go of values: a panic must not pass through it.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
    }
}

impl<T: AetherType> Native for Instance<T> {
    fn type_name(&self) -> &str {
        T::NAME
    }

    fn size(&self) -> usize {
        let beside = match (&self.info.size, self.borrow()) {
            (Some(size), Ok(value)) => guarded("size", || Ok(size(&value))).unwrap_or(0),
            _ => 0,
        };
        size_of::<Self>().saturating_add(beside)
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Some(key) = &self.key {
            visit(&Raw::of_value(key));
        }
        // What is borrowed at the moment is only kept alive.
        if let (Some(trace), Ok(value)) = (&self.info.trace, self.borrow()) {
            let _ = guarded("trace", || {
                trace(&value, &mut Tracer(visit));
                Ok(())
            });
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        let text = match (&self.info.display, self.borrow()) {
            (Some(display), Ok(value)) => guarded("display", || Ok(display(&value)))?,
            _ => format!("<{}>", T::NAME),
        };
        out.push_str(&text)
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        let Some(get) = self.info.getters.get(name) else {
            return Ok(None);
        };
        let value = self.borrow()?;
        guarded(name, || get(&value, heap)).map(Some)
    }

    fn set_member(&self, heap: &Heap, name: &str, new: &Value) -> Result<bool, Raise> {
        let Some(set) = self.info.setters.get(name) else {
            let known = self.info.getters.contains_key(name);
            return Err(if known {
                Raise::operation(&format!("property '{name}' of '{}' is read-only", T::NAME))
            } else {
                Raise::no_property(T::NAME, name)
            });
        };
        let mut value = self.borrow_mut()?;
        guarded(name, || set(&mut value, heap, new)).map(|()| true)
    }

    fn member_names(&self) -> Vec<String> {
        self.info.getters.keys().map(ToString::to_string).collect()
    }

    fn element(&self, heap: &Heap, index: &Value) -> Result<Option<Value>, Raise> {
        let Some(get) = &self.info.element else {
            return Ok(None);
        };
        let value = self.borrow()?;
        guarded("index", || get(&value, heap, index)).map(Some)
    }

    fn set_element(&self, heap: &Heap, index: &Value, new: &Value) -> Result<bool, Raise> {
        let Some(set) = &self.info.set_element else {
            return Ok(false);
        };
        let mut value = self.borrow_mut()?;
        guarded("index", || set(&mut value, heap, index, new)).map(|()| true)
    }

    fn operate(
        &self,
        heap: &Heap,
        operator: Operator,
        other: &Value,
        reversed: bool,
    ) -> Result<Option<Value>, Raise> {
        for (known, operation) in &self.info.operators {
            if *known == operator
                && let Some(value) = guarded(T::NAME, || operation(&*self.borrow()?, heap, other, reversed))?
            {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn order(&self, other: &Value) -> Result<Option<Ordering>, Raise> {
        let (Some(order), Value::Native(other)) = (&self.info.order, other) else {
            return Ok(None);
        };
        let Some(other) = other.downcast::<Self>() else {
            return Ok(None);
        };
        guarded(T::NAME, || Ok(order(&*self.borrow()?, &*other.borrow()?)))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let (Some(equals), Some(other)) = (&self.info.equals, other.as_any().downcast_ref::<Self>()) else {
            return false;
        };
        guarded(T::NAME, || Ok(equals(&*self.borrow()?, &*other.borrow()?))).unwrap_or(false)
    }

    fn key(&self) -> Option<&Value> {
        self.key.as_ref()
    }

    fn is_collection(&self) -> bool {
        self.info.items.is_some()
    }

    fn iterator(&self, heap: &Heap) -> Result<Option<Value>, Raise> {
        let Some(items) = &self.info.items else {
            return Ok(None);
        };
        guarded(T::NAME, || items(&*self.borrow()?, heap)).map(Some)
    }

    fn class(&self) -> Option<&dyn Any> {
        Some(&self.info.class)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What the type can do, as it is described to this heap.
fn description<T: AetherType>(heap: &Heap) -> std::rc::Rc<TypeBuilder<T>> {
    heap.host_type::<T, TypeBuilder<T>>().unwrap_or_else(|| {
        let mut builder = TypeBuilder::new();
        T::describe(&mut builder);
        let info = std::rc::Rc::new(builder);
        heap.set_host_type::<T>(info.clone());
        info
    })
}

/// An object of a type of the host: a counted reference to the value that the script holds too.
///
/// ```
/// use aether::{AetherType, Engine, Object, TypeBuilder};
///
/// struct Counter(i64);
///
/// impl AetherType for Counter {
///     const NAME: &'static str = "Counter";
///     fn describe(t: &mut TypeBuilder<Self>) {
///         t.method_mut("add", |c: &mut Counter, by: i64| c.0 += by);
///     }
/// }
///
/// let mut engine = Engine::new()?;
/// let counter = Object::new(engine.heap(), Counter(1))?;
/// engine.set_global("counter", &counter)?;
/// engine.eval("counter.add(41)")?;
/// assert_eq!(counter.borrow()?.0, 42);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct Object<T> {
    native: Rc<NativeObject>,
    of: PhantomData<T>,
}

impl<T> Clone for Object<T> {
    fn clone(&self) -> Self {
        Self {
            native: self.native.clone(),
            of: PhantomData,
        }
    }
}

impl<T: AetherType> std::fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Object").field(&T::NAME).finish()
    }
}

impl<T: AetherType> Object<T> {
    /// An object that holds `value`.
    ///
    /// ```
    /// # use aether::{AetherType, TypeBuilder};
    /// # struct Player { score: i64 }
    /// # impl AetherType for Player {
    /// #     const NAME: &'static str = "Player";
    /// #     fn describe(t: &mut TypeBuilder<Self>) {
    /// #         t.field("score", |p| p.score, |p, score| p.score = score);
    /// #     }
    /// # }
    /// use aether::{Engine, Object};
    ///
    /// let mut engine = Engine::new()?;
    /// let player = Object::new(engine.heap(), Player { score: 3 })?;
    /// engine.set_global("player", player.clone())?;
    /// assert_eq!(engine.eval_to::<i64>("player.score")?, 3);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget, or a key that cannot be one.
    pub fn new(heap: &Heap, value: T) -> Result<Self, Error> {
        let info = description::<T>(heap);
        let key = match &info.key {
            None => None,
            Some(key) => {
                let key = guarded("key", || key(&value, heap))?;
                if matches!(key, Value::Native(_)) {
                    return Err(Raise::not_hashable(&key.type_name()).into());
                }
                aether_value::hashable_check(&key)?;
                Some(key)
            }
        };
        let instance = Instance {
            info,
            value: Some(RefCell::new(value)),
            key,
        };
        Ok(Self {
            native: heap.native(Box::new(instance))?,
            of: PhantomData,
        })
    }

    fn instance(&self) -> Result<&Instance<T>, Error> {
        let instance = self.native.downcast::<Instance<T>>();
        instance.ok_or_else(|| Error::conversion(T::NAME, &Value::Native(self.native.clone())))
    }

    /// The value, to read.
    ///
    /// ```
    /// # use aether::{AetherType, TypeBuilder};
    /// # struct Player { score: i64 }
    /// # impl AetherType for Player {
    /// #     const NAME: &'static str = "Player";
    /// #     fn describe(t: &mut TypeBuilder<Self>) {
    /// #         t.field("score", |p| p.score, |p, score| p.score = score);
    /// #     }
    /// # }
    /// use aether::{Engine, Object};
    ///
    /// let mut engine = Engine::new()?;
    /// let player = Object::new(engine.heap(), Player { score: 3 })?;
    /// assert_eq!(player.borrow()?.score, 3);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// A call that is under way writes it.
    pub fn borrow(&self) -> Result<Ref<'_, T>, Error> {
        Ok(self.instance()?.borrow()?)
    }

    /// The value, to write.
    ///
    /// ```
    /// # use aether::{AetherType, TypeBuilder};
    /// # struct Player { score: i64 }
    /// # impl AetherType for Player {
    /// #     const NAME: &'static str = "Player";
    /// #     fn describe(t: &mut TypeBuilder<Self>) {
    /// #         t.field("score", |p| p.score, |p, score| p.score = score);
    /// #     }
    /// # }
    /// use aether::{Engine, Object};
    ///
    /// let mut engine = Engine::new()?;
    /// let player = Object::new(engine.heap(), Player { score: 3 })?;
    /// engine.set_global("player", player.clone())?;
    /// player.borrow_mut()?.score += 4;
    /// assert_eq!(engine.eval_to::<i64>("player.score")?, 7);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// A call that is under way reads or writes it.
    pub fn borrow_mut(&self) -> Result<RefMut<'_, T>, Error> {
        Ok(self.instance()?.borrow_mut()?)
    }

    /// Charges anew what the object holds beside its own bytes, see [`TypeBuilder::size`]; for a host that has changed
    /// it through [`Object::borrow_mut`].
    ///
    /// ```
    /// use aether::{AetherType, Engine, Object, TypeBuilder};
    ///
    /// struct Blob(Vec<u8>);
    ///
    /// impl AetherType for Blob {
    ///     const NAME: &'static str = "Blob";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.size(|blob| blob.0.capacity());
    ///     }
    /// }
    ///
    /// let engine = Engine::new()?;
    /// let blob = Object::new(engine.heap(), Blob(Vec::new()))?;
    /// let before = engine.heap().live_bytes();
    /// blob.borrow_mut()?.0.reserve_exact(10_000);
    /// blob.recharge()?;
    /// assert_eq!(engine.heap().live_bytes() - before, 10_000);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn recharge(&self) -> Result<(), Error> {
        Ok(self.native.recharge()?)
    }

    /// Whether both are the same object.
    ///
    /// ```
    /// # use aether::{AetherType, TypeBuilder};
    /// # struct Player { score: i64 }
    /// # impl AetherType for Player {
    /// #     const NAME: &'static str = "Player";
    /// #     fn describe(t: &mut TypeBuilder<Self>) {
    /// #         t.field("score", |p| p.score, |p, score| p.score = score);
    /// #     }
    /// # }
    /// use aether::{Engine, Object};
    ///
    /// let mut engine = Engine::new()?;
    /// let player = Object::new(engine.heap(), Player { score: 3 })?;
    /// engine.set_global("player", player.clone())?;
    /// assert!(engine.get::<Object<Player>>("player")?.is_same(&player));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.native, &other.native)
    }

    /// The object as a value.
    ///
    /// ```
    /// # use aether::{AetherType, TypeBuilder};
    /// # struct Player { score: i64 }
    /// # impl AetherType for Player {
    /// #     const NAME: &'static str = "Player";
    /// #     fn describe(t: &mut TypeBuilder<Self>) {
    /// #         t.field("score", |p| p.score, |p, score| p.score = score);
    /// #     }
    /// # }
    /// use aether::{Engine, Object};
    ///
    /// let mut engine = Engine::new()?;
    /// let player = Object::new(engine.heap(), Player { score: 3 })?;
    /// assert_eq!(player.value().type_name(), "Player");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn value(&self) -> Value {
        Value::Native(self.native.clone())
    }

    /// A reference that does not keep the object alive.
    ///
    /// ```
    /// # use aether::{AetherType, TypeBuilder};
    /// # struct Player { score: i64 }
    /// # impl AetherType for Player {
    /// #     const NAME: &'static str = "Player";
    /// #     fn describe(t: &mut TypeBuilder<Self>) {
    /// #         t.field("score", |p| p.score, |p, score| p.score = score);
    /// #     }
    /// # }
    /// use aether::{Engine, Object};
    ///
    /// let mut engine = Engine::new()?;
    /// let player = Object::new(engine.heap(), Player { score: 3 })?;
    /// let weak = player.downgrade()?;
    /// assert!(weak.upgrade().is_some());
    /// drop(player);
    /// assert!(weak.upgrade().is_none());
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn downgrade(&self) -> Result<WeakObject<T>, Error> {
        let heap = Heap::of(&*self.native);
        let weak = heap.weak_to(&self.value())?;
        Ok(WeakObject {
            weak,
            of: PhantomData,
        })
    }
}

/// A reference to an object that does not keep it alive.
///
/// ```
/// # use aether::{AetherType, TypeBuilder};
/// # struct Player { score: i64 }
/// # impl AetherType for Player {
/// #     const NAME: &'static str = "Player";
/// #     fn describe(t: &mut TypeBuilder<Self>) {
/// #         t.field("score", |p| p.score, |p, score| p.score = score);
/// #     }
/// # }
/// use aether::{Engine, Object, WeakObject};
///
/// let mut engine = Engine::new()?;
/// let player = Object::new(engine.heap(), Player { score: 3 })?;
/// let weak: WeakObject<Player> = player.downgrade()?;
/// engine.set_global("player", player)?;
/// assert!(weak.upgrade().is_some());
/// engine.eval("player = null")?;
/// assert!(weak.upgrade().is_none());
/// # Ok::<(), aether::Error>(())
/// ```
pub struct WeakObject<T> {
    weak: Option<Rc<aether_value::WeakCell>>,
    of: PhantomData<T>,
}

impl<T: AetherType> WeakObject<T> {
    /// The object, if it is still alive.
    ///
    /// ```
    /// # use aether::{AetherType, TypeBuilder};
    /// # struct Player { score: i64 }
    /// # impl AetherType for Player {
    /// #     const NAME: &'static str = "Player";
    /// #     fn describe(t: &mut TypeBuilder<Self>) {
    /// #         t.field("score", |p| p.score, |p, score| p.score = score);
    /// #     }
    /// # }
    /// use aether::{Engine, Object};
    ///
    /// let mut engine = Engine::new()?;
    /// let player = Object::new(engine.heap(), Player { score: 3 })?;
    /// let weak = player.downgrade()?;
    /// assert_eq!(weak.upgrade().map(|player| player.is_same(&player)), Some(true));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn upgrade(&self) -> Option<Object<T>> {
        Object::from_value(&self.weak.as_ref()?.upgrade()?).ok()
    }
}

impl<T: AetherType> FromValue for Object<T> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Native(native) if native.downcast::<Instance<T>>().is_some() => Ok(Self {
                native: native.clone(),
                of: PhantomData,
            }),
            _ => Err(Error::conversion(T::NAME, value)),
        }
    }
}

impl<T: AetherType> IntoValue for Object<T> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.value().into_value(heap)
    }
}

impl<T: AetherType> IntoValue for &Object<T> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.value().into_value(heap)
    }
}

impl<T: AetherType> IntoValue for T {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        Object::new(heap, self).map(|object| object.value())
    }
}

impl<T: AetherType + Clone> FromValue for T {
    fn from_value(value: &Value) -> Result<Self, Error> {
        Ok(Object::<T>::from_value(value)?.borrow()?.clone())
    }
}

/// A type of the host in scripts: it makes objects when it is called, and has functions and constants.
struct TypeObject {
    name: &'static str,
    constructor: Option<Value>,
    members: Vec<(String, Value)>,
}

/// Calls the constructor of the type in the first argument.
static CONSTRUCT: aether_eval::BuiltinDef = aether_eval::BuiltinDef::method("call", 0, 255, construct);

fn construct(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if let [Value::Native(native), args @ ..] = args
        && let Some(TypeObject {
            constructor: Some(Value::Native(constructor)),
            ..
        }) = native.downcast::<TypeObject>()
        && let Some(function) = constructor.downcast::<HostFunction>()
    {
        return function.call(ctx, args, 0);
    }
    Err(Raise::operation("this type has no constructor"))
}

impl Native for TypeObject {
    fn type_name(&self) -> &'static str {
        "type"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.members.capacity() * size_of::<(String, Value)>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        for value in self
            .constructor
            .iter()
            .chain(self.members.iter().map(|(_, value)| value))
        {
            visit(&Raw::of_value(value));
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<type ")?;
        out.push_str(self.name)?;
        out.push_char('>')
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        let found = self.members.iter().find(|(known, _)| known == name);
        Ok(found.map(|(_, value)| value.clone()))
    }

    fn member_names(&self) -> Vec<String> {
        self.members.iter().map(|(name, _)| name.clone()).collect()
    }

    fn callee(&self) -> Option<aether_value::Builtin> {
        self.constructor
            .as_ref()
            .map(|_| aether_value::Builtin(&CONSTRUCT.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The value that stands for a type in scripts, and whether the type has arithmetic operators.
pub(crate) fn type_value<T: AetherType>(heap: &Heap) -> Result<(Value, bool), Error> {
    let mut builder = TypeBuilder::<T>::new();
    T::describe(&mut builder);
    let mut members = Vec::new();
    for function in std::mem::take(&mut builder.functions) {
        let name = function.name().to_owned();
        members.push((name, Value::Native(heap.native(Box::new(function))?)));
    }
    for (name, make) in std::mem::take(&mut builder.constants) {
        members.push((name, make(heap)?));
    }
    let constructor = match builder.constructor.take() {
        Some(function) => Some(Value::Native(heap.native(Box::new(function))?)),
        None => None,
    };
    let has_operators = !builder.operators.is_empty();
    heap.set_host_type::<T>(std::rc::Rc::new(builder));
    let object = TypeObject {
        name: T::NAME,
        constructor,
        members,
    };
    Ok((Value::Native(heap.native(Box::new(object))?), has_operators))
}
