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

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Ref, RefCell, RefMut};
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aether_eval::{Class, Ctx, HostFunction, HostItems, guarded};
use aether_value::{Heap, Native, NativeObject, Operator, Raise, Raw, Rc, StrBuilder, Value};
use ahash::AHashMap;

use crate::Error;
use crate::convert::{FromValue, IntoValue};
use crate::function::{HostFn, HostMethod, HostMethodMut, IntoReturn};

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

type Getter<T> = Box<dyn Fn(&T, &Heap) -> Result<Value, Raise>>;
type Setter<T> = Box<dyn Fn(&mut T, &Heap, &Value) -> Result<(), Raise>>;
type ElementSetter<T> = Box<dyn Fn(&mut T, &Heap, &Value, &Value) -> Result<(), Raise>>;
type Operation<T> = Box<dyn Fn(&T, &Heap, &Value, bool) -> Result<Option<Value>, Raise>>;

type Order<T> = Box<dyn Fn(&T, &T) -> Option<Ordering>>;
type Equality<T> = Box<dyn Fn(&T, &T) -> bool>;
type ElementGetter<T> = Box<dyn Fn(&T, &Heap, &Value) -> Result<Value, Raise>>;
type Display<T> = Box<dyn Fn(&T) -> String>;
type Size<T> = Box<dyn Fn(&T) -> usize>;
type Trace<T> = Box<dyn Fn(&T, &mut Tracer<'_>)>;
type Constant = Box<dyn Fn(&Heap) -> Result<Value, Error>>;

/// Says what a type of the host can do, see [`AetherType::describe`].
///
/// ```
/// use aether::{AetherType, Engine, TypeBuilder};
///
/// struct Dice(u8);
///
/// impl AetherType for Dice {
///     const NAME: &'static str = "Dice";
///
///     fn describe(t: &mut TypeBuilder<Self>) {
///         t.constructor(|sides: u8| Dice(sides)).getter("sides", |dice| dice.0);
///     }
/// }
///
/// let mut engine = Engine::new()?;
/// engine.register_type::<Dice>()?;
/// assert_eq!(engine.eval_to::<u8>("Dice(6).sides")?, 6);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct TypeBuilder<T: 'static> {
    class: Class,
    getters: AHashMap<Box<str>, Getter<T>>,
    setters: AHashMap<Box<str>, Setter<T>>,
    operators: Vec<(Operator, Operation<T>)>,
    order: Option<Order<T>>,
    equals: Option<Equality<T>>,
    display: Option<Display<T>>,
    key: Option<Getter<T>>,
    items: Option<Getter<T>>,
    element: Option<ElementGetter<T>>,
    set_element: Option<ElementSetter<T>>,
    size: Option<Size<T>>,
    trace: Option<Trace<T>>,
    constructor: Option<HostFunction>,
    functions: Vec<HostFunction>,
    constants: Vec<(String, Constant)>,
}

/// Tells the collector of the values that an object holds.
///
/// ```
/// use aether::{AetherType, Engine, TypeBuilder, Value};
///
/// struct List(Vec<Value>);
///
/// impl AetherType for List {
///     const NAME: &'static str = "List";
///
///     fn describe(t: &mut TypeBuilder<Self>) {
///         t.constructor(|| List(Vec::new()))
///             .method_mut("add", |list: &mut List, item: Value| list.0.push(item))
///             .trace(|list, tracer| tracer.values(&list.0));
///     }
/// }
///
/// let mut engine = Engine::new()?;
/// engine.register_type::<List>()?;
/// // A list that holds itself is garbage once nothing else holds it.
/// engine.eval("fn f() { let list = List()  list.add(list) }  f()")?;
/// assert_eq!(engine.heap().collect().objects, 1);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct Tracer<'a>(&'a mut dyn FnMut(&Raw));

impl Tracer<'_> {
    /// The object holds this value.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder, Value};
    ///
    /// struct Slot(Option<Value>);
    ///
    /// impl AetherType for Slot {
    ///     const NAME: &'static str = "Slot";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|| Slot(None))
    ///             .method_mut("put", |slot: &mut Slot, value: Value| slot.0 = Some(value))
    ///             .trace(|slot, tracer| {
    ///                 if let Some(value) = &slot.0 {
    ///                     tracer.value(value);
    ///                 }
    ///             });
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Slot>()?;
    /// engine.eval("fn f() { let slot = Slot()  slot.put([slot]) }  f()")?;
    /// assert_eq!(engine.heap().collect().objects, 2);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn value(&mut self, value: &Value) {
        (self.0)(&Raw::of_value(value));
    }

    /// The object holds all these values.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder, Value};
    ///
    /// struct Pair([Value; 2]);
    ///
    /// impl AetherType for Pair {
    ///     const NAME: &'static str = "Pair";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|a: Value, b: Value| Pair([a, b]))
    ///             .trace(|pair, tracer| tracer.values(&pair.0));
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Pair>()?;
    /// engine.eval("fn f() { let a = []  a.push(Pair(a, 1)) }  f()")?;
    /// assert!(engine.heap().collect().bytes > 0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn values<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) {
        for value in values {
            self.value(value);
        }
    }
}

/// The object in the first argument.
fn receiver<T: AetherType>(args: &[Value]) -> Result<(&NativeObject, &Instance<T>, &[Value]), Raise> {
    if let [Value::Native(native), rest @ ..] = args
        && let Some(instance) = native.downcast::<Instance<T>>()
    {
        return Ok((native, instance, rest));
    }
    Err(Raise::type_error(
        T::NAME,
        &args.first().map_or(Cow::Borrowed("nothing"), Value::type_name),
    ))
}

impl<T: AetherType> TypeBuilder<T> {
    fn new() -> Self {
        Self {
            class: Class::default(),
            getters: AHashMap::new(),
            setters: AHashMap::new(),
            operators: Vec::new(),
            order: None,
            equals: None,
            display: None,
            key: None,
            items: None,
            element: None,
            set_element: None,
            size: None,
            trace: None,
            constructor: None,
            functions: Vec::new(),
            constants: Vec::new(),
        }
    }

    /// What `Name(…)` does in a script: makes an object.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Money { cents: i64 }
    ///
    /// impl AetherType for Money {
    ///     const NAME: &'static str = "Money";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|amount: f64| Money { cents: (amount * 100.0).round() as i64 })
    ///             .getter("cents", |money| money.cents);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Money>()?;
    /// assert_eq!(engine.eval_to::<i64>("Money(12.5).cents")?, 1250);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn constructor<Form>(&mut self, function: impl HostFn<Form>) -> &mut Self {
        self.constructor = Some(function.into_function(T::NAME));
        self
    }

    /// A function of the type, `Name.name(…)` in a script.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Money { cents: i64 }
    ///
    /// impl AetherType for Money {
    ///     const NAME: &'static str = "Money";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.function("of_cents", |cents: i64| Money { cents })
    ///             .getter("cents", |money| money.cents);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Money>()?;
    /// assert_eq!(engine.eval_to::<i64>("Money.of_cents(99).cents")?, 99);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn function<Form>(&mut self, name: &str, function: impl HostFn<Form>) -> &mut Self {
        self.functions.push(function.into_function(name));
        self
    }

    /// A constant of the type, `Name.name` in a script.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Angle(f64);
    ///
    /// impl AetherType for Angle {
    ///     const NAME: &'static str = "Angle";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constant("FULL", 360);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Angle>()?;
    /// assert_eq!(engine.eval_to::<i64>("Angle.FULL")?, 360);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn constant(&mut self, name: &str, value: impl IntoValue + Clone + 'static) -> &mut Self {
        let make = move |heap: &Heap| value.clone().into_value(heap);
        self.constants.push((name.to_owned(), Box::new(make)));
        self
    }

    /// A method that reads, `value.name(…)` in a script. The function's first parameter is `&T`, before which it may
    /// take `&mut Ctx<'_>`.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Text(String);
    ///
    /// impl AetherType for Text {
    ///     const NAME: &'static str = "Text";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Text).method("count", |text: &Text, part: String| text.0.matches(&part).count());
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Text>()?;
    /// assert_eq!(engine.eval_to::<usize>("Text(\"banana\").count(\"an\")")?, 2);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn method<Form>(&mut self, name: &str, function: impl HostMethod<T, Form>) -> &mut Self {
        let (min, max) = arity_of(&function);
        let called = name.to_owned();
        self.class
            .add(HostFunction::new(name, min, max, move |ctx, args| {
                let (_, instance, args) = receiver::<T>(args)?;
                function.invoke(ctx, &called, &*instance.borrow()?, args)
            }));
        self
    }

    /// A method that writes: the function's first parameter is `&mut T`, before which it may take `&mut Ctx<'_>`.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Stack(Vec<i64>);
    ///
    /// impl AetherType for Stack {
    ///     const NAME: &'static str = "Stack";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|| Stack(Vec::new()))
    ///             .method_mut("push", |stack: &mut Stack, item: i64| stack.0.push(item))
    ///             .method_mut("pop", |stack: &mut Stack| stack.0.pop());
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Stack>()?;
    /// assert_eq!(engine.eval_to::<i64>("let s = Stack()  s.push(1)  s.push(2)  s.pop()")?, 2);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn method_mut<Form>(&mut self, name: &str, function: impl HostMethodMut<T, Form>) -> &mut Self {
        let (min, max) = arity_of_mut(&function);
        let called = name.to_owned();
        self.class
            .add(HostFunction::new(name, min, max, move |ctx, args| {
                let (native, instance, args) = receiver::<T>(args)?;
                let result = function.invoke(ctx, &called, &mut *instance.borrow_mut()?, args)?;
                if instance.info.size.is_some() {
                    native.recharge()?;
                }
                Ok(result)
            }));
        self
    }

    /// A property that is read, `value.name` in a script.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Circle { radius: f64 }
    ///
    /// impl AetherType for Circle {
    ///     const NAME: &'static str = "Circle";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|radius: f64| Circle { radius })
    ///             .getter("area", |circle| circle.radius * circle.radius * 3.0);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Circle>()?;
    /// assert_eq!(engine.eval_to::<f64>("Circle(2.0).area")?, 12.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn getter<R: IntoReturn>(&mut self, name: &str, get: impl Fn(&T) -> R + 'static) -> &mut Self {
        let get = move |value: &T, heap: &Heap| get(value).into_return(heap);
        self.getters.insert(name.into(), Box::new(get));
        self
    }

    /// A property that is written, `value.name = new` in a script. A `set` that returns a `Result` may refuse.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Volume(i64);
    ///
    /// impl AetherType for Volume {
    ///     const NAME: &'static str = "Volume";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|| Volume(5)).getter("level", |volume| volume.0).setter("level", |volume, level: i64| {
    ///             if (0..=10).contains(&level) {
    ///                 volume.0 = level;
    ///                 Ok(())
    ///             } else {
    ///                 Err("0 to 10")
    ///             }
    ///         });
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Volume>()?;
    /// assert_eq!(engine.eval_to::<i64>("let v = Volume()  v.level = 7  v.level")?, 7);
    /// assert_eq!(engine.eval("v.level = 11").unwrap_err().to_string(), "0 to 10");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn setter<V: FromValue, R: IntoReturn>(
        &mut self,
        name: &str,
        set: impl Fn(&mut T, V) -> R + 'static,
    ) -> &mut Self {
        let set = move |value: &mut T, heap: &Heap, new: &Value| -> Result<(), Raise> {
            set(value, V::from_value(new)?).into_return(heap).map(drop)
        };
        self.setters.insert(name.into(), Box::new(set));
        self
    }

    /// A property that is read and written.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Point { x: f64, y: f64 }
    ///
    /// impl AetherType for Point {
    ///     const NAME: &'static str = "Point";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|x: f64, y: f64| Point { x, y })
    ///             .field("x", |p| p.x, |p, x| p.x = x)
    ///             .field("y", |p| p.y, |p, y| p.y = y);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Point>()?;
    /// assert_eq!(engine.eval_to::<f64>("let p = Point(1.0, 2.0)  p.x += 4.0  p.x * p.y")?, 10.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn field<V: FromValue + IntoValue>(
        &mut self,
        name: &str,
        get: impl Fn(&T) -> V + 'static,
        set: impl Fn(&mut T, V) + 'static,
    ) -> &mut Self {
        self.getter(name, get).setter(name, set)
    }

    /// An operator of two operands whose left one is an object of the type. The right one is converted to `V`; one that
    /// does not convert is a type error, as with numbers.
    ///
    /// ```
    /// use aether::{AetherType, Engine, Operator, TypeBuilder};
    ///
    /// #[derive(Clone)]
    /// struct Metres(f64);
    ///
    /// impl AetherType for Metres {
    ///     const NAME: &'static str = "Metres";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Metres)
    ///             .operator(Operator::Add, |a, b: Metres| Metres(a.0 + b.0))
    ///             .operator(Operator::Multiply, |a, factor: f64| Metres(a.0 * factor))
    ///             .getter("value", |a| a.0);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Metres>()?;
    /// assert_eq!(engine.eval_to::<f64>("((Metres(1.0) + Metres(2.0)) * 2.0).value")?, 6.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn operator<V: FromValue, R: IntoReturn>(
        &mut self,
        operator: Operator,
        operation: impl Fn(&T, V) -> R + 'static,
    ) -> &mut Self {
        self.operation(operator, false, operation)
    }

    /// An operator whose right operand is an object of the type and whose left one is not.
    ///
    /// ```
    /// use aether::{AetherType, Engine, Operator, TypeBuilder};
    ///
    /// struct Metres(f64);
    ///
    /// impl AetherType for Metres {
    ///     const NAME: &'static str = "Metres";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Metres)
    ///             .operator_reversed(Operator::Multiply, |a, factor: f64| Metres(factor * a.0))
    ///             .getter("value", |a| a.0);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Metres>()?;
    /// assert_eq!(engine.eval_to::<f64>("(3.0 * Metres(2.0)).value")?, 6.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn operator_reversed<V: FromValue, R: IntoReturn>(
        &mut self,
        operator: Operator,
        operation: impl Fn(&T, V) -> R + 'static,
    ) -> &mut Self {
        self.operation(operator, true, operation)
    }

    fn operation<V: FromValue, R: IntoReturn>(
        &mut self,
        operator: Operator,
        when_reversed: bool,
        operation: impl Fn(&T, V) -> R + 'static,
    ) -> &mut Self {
        let operation = move |value: &T, heap: &Heap, other: &Value, reversed: bool| {
            if reversed != when_reversed {
                return Ok(None);
            }
            match V::from_value(other) {
                Ok(other) => operation(value, other).into_return(heap).map(Some),
                Err(_) => Ok(None),
            }
        };
        self.operators.push((operator, Box::new(operation)));
        self
    }

    /// An operator of one operand: [`Operator::Negate`] or [`Operator::BitNot`].
    ///
    /// ```
    /// use aether::{AetherType, Engine, Operator, TypeBuilder};
    ///
    /// struct Metres(f64);
    ///
    /// impl AetherType for Metres {
    ///     const NAME: &'static str = "Metres";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Metres)
    ///             .unary(Operator::Negate, |a| Metres(-a.0))
    ///             .getter("value", |a| a.0);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Metres>()?;
    /// assert_eq!(engine.eval_to::<f64>("(-Metres(2.0)).value")?, -2.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn unary<R: IntoReturn>(
        &mut self,
        operator: Operator,
        operation: impl Fn(&T) -> R + 'static,
    ) -> &mut Self {
        let operation =
            move |value: &T, heap: &Heap, _: &Value, _: bool| operation(value).into_return(heap).map(Some);
        self.operators.push((operator, Box::new(operation)));
        self
    }

    /// `==` of two objects. Without it, an object equals itself alone. Two objects of which one is borrowed mutably at
    /// the moment are not equal.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Id(i64);
    ///
    /// impl AetherType for Id {
    ///     const NAME: &'static str = "Id";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Id).equals(|a, b| a.0 == b.0);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Id>()?;
    /// assert!(engine.eval_to::<bool>("Id(1) == Id(1)")?);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn equals(&mut self, equals: impl Fn(&T, &T) -> bool + 'static) -> &mut Self {
        self.equals = Some(Box::new(equals));
        self
    }

    /// `<`, `<=`, `>`, `>=` of two objects.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Version(i64, i64);
    ///
    /// impl AetherType for Version {
    ///     const NAME: &'static str = "Version";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Version).order(|a, b| Some((a.0, a.1).cmp(&(b.0, b.1))));
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Version>()?;
    /// assert!(engine.eval_to::<bool>("Version(1, 9) < Version(2, 0)")?);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn order(&mut self, order: impl Fn(&T, &T) -> Option<Ordering> + 'static) -> &mut Self {
        self.order = Some(Box::new(order));
        self
    }

    /// The key under which objects are found in dicts and sets: a number, a text, a truth value or null. It is asked
    /// for once, when an object is made. Without it, objects are no keys.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Id(i64);
    ///
    /// impl AetherType for Id {
    ///     const NAME: &'static str = "Id";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Id).key(|id| id.0);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Id>()?;
    /// assert_eq!(engine.eval_to::<usize>("set([Id(1), Id(1), Id(2)]).length")?, 2);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn key<R: IntoReturn>(&mut self, key: impl Fn(&T) -> R + 'static) -> &mut Self {
        self.key = Some(Box::new(move |value, heap| key(value).into_return(heap)));
        self
    }

    /// The text of an object, for `print` and `str`. Without it, that is `<Name>`.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Money(i64);
    ///
    /// impl AetherType for Money {
    ///     const NAME: &'static str = "Money";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Money).display(|m| format!("{}.{:02}", m.0 / 100, m.0 % 100));
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Money>()?;
    /// assert_eq!(engine.eval_to::<String>("str(Money(1205))")?, "12.05");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn display(&mut self, display: impl Fn(&T) -> String + 'static) -> &mut Self {
        self.display = Some(Box::new(display));
        self
    }

    /// What `for` goes through: the iterator is made anew for each loop.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Countdown(i64);
    ///
    /// impl AetherType for Countdown {
    ///     const NAME: &'static str = "Countdown";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Countdown).iterate(|c| (0..=c.0).rev());
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Countdown>()?;
    /// assert_eq!(engine.eval_to::<Vec<i64>>("[x for x in Countdown(2)]")?, [2, 1, 0]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn iterate<I>(&mut self, items: impl Fn(&T) -> I + 'static) -> &mut Self
    where
        I: IntoIterator,
        I::IntoIter: 'static,
        I::Item: IntoReturn,
    {
        let items = move |value: &T, heap: &Heap| {
            let mut items = items(value).into_iter();
            let next = move |heap: &Heap| items.next().map(|item| item.into_return(heap)).transpose();
            Ok(Value::Native(heap.native(Box::new(HostItems::new(next)))?))
        };
        self.items = Some(Box::new(items));
        self
    }

    /// `value[index]`.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Squares;
    ///
    /// impl AetherType for Squares {
    ///     const NAME: &'static str = "Squares";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|| Squares).index(|_, i: i64| i * i);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Squares>()?;
    /// assert_eq!(engine.eval_to::<i64>("Squares()[12]")?, 144);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn index<K: FromValue, R: IntoReturn>(&mut self, get: impl Fn(&T, K) -> R + 'static) -> &mut Self {
        self.element = Some(Box::new(move |value, heap, index| {
            get(value, K::from_value(index)?).into_return(heap)
        }));
        self
    }

    /// `value[index] = new`.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Row(Vec<i64>);
    ///
    /// impl AetherType for Row {
    ///     const NAME: &'static str = "Row";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|n: usize| Row(vec![0; n]))
    ///             .index(|row, i: usize| row.0.get(i).copied().ok_or("no such column"))
    ///             .index_set(|row, i: usize, value: i64| match row.0.get_mut(i) {
    ///                 Some(cell) => Ok(*cell = value),
    ///                 None => Err("no such column"),
    ///             });
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Row>()?;
    /// assert_eq!(engine.eval_to::<i64>("let r = Row(3)  r[1] = 5  r[1]")?, 5);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn index_set<K: FromValue, V: FromValue, R: IntoReturn>(
        &mut self,
        set: impl Fn(&mut T, K, V) -> R + 'static,
    ) -> &mut Self {
        self.set_element = Some(Box::new(move |value, heap, index, new| {
            let (index, new) = (K::from_value(index)?, V::from_value(new)?);
            set(value, index, new).into_return(heap).map(drop)
        }));
        self
    }

    /// Bytes that an object holds beside its own, such as those of a buffer. They are charged when the object is made
    /// and looked at again after each method that writes.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Blob(Vec<u8>);
    ///
    /// impl AetherType for Blob {
    ///     const NAME: &'static str = "Blob";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|n: usize| Blob(vec![0; n])).size(|blob| blob.0.capacity());
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Blob>()?;
    /// let before = engine.heap().live_bytes();
    /// engine.eval("let blob = Blob(10_000)")?;
    /// assert!(engine.heap().live_bytes() - before >= 10_000);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn size(&mut self, size: impl Fn(&T) -> usize + 'static) -> &mut Self {
        self.size = Some(Box::new(size));
        self
    }

    /// Names the script's values that an object holds, so that cycles through it are found. The closure is called in
    /// the middle of a collection: it only reads.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder, Value};
    ///
    /// struct Node { next: Option<Value> }
    ///
    /// impl AetherType for Node {
    ///     const NAME: &'static str = "Node";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(|| Node { next: None })
    ///             .method_mut("link", |node: &mut Node, next: Value| node.next = Some(next))
    ///             .trace(|node, tracer| tracer.values(&node.next));
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Node>()?;
    /// engine.eval("fn f() { let a = Node()  let b = Node()  a.link(b)  b.link(a) }  f()")?;
    /// assert_eq!(engine.heap().collect().objects, 2);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn trace(&mut self, trace: impl Fn(&T, &mut Tracer<'_>) + 'static) -> &mut Self {
        self.trace = Some(Box::new(trace));
        self
    }
}

fn arity_of<T, Form, F: HostMethod<T, Form>>(_: &F) -> (usize, Option<usize>) {
    F::ARITY
}

fn arity_of_mut<T, Form, F: HostMethodMut<T, Form>>(_: &F) -> (usize, Option<usize>) {
    F::ARITY
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
