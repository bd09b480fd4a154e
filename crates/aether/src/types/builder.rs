//! What a type of the host can do: the description that an [`AetherType`] gives of itself.

use std::borrow::Cow;
use std::cmp::Ordering;

use aether_eval::{Class, HostFunction, HostItems};
use aether_value::{Heap, NativeObject, Operator, Raise, Raw, Value};
use ahash::AHashMap;

use super::{AetherType, Instance};
use crate::Error;
use crate::convert::{FromValue, IntoValue};
use crate::function::{HostFn, HostMethod, HostMethodMut, IntoReturn};

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
    pub(super) class: Class,
    pub(super) getters: AHashMap<Box<str>, Getter<T>>,
    pub(super) setters: AHashMap<Box<str>, Setter<T>>,
    pub(super) operators: Vec<(Operator, Operation<T>)>,
    pub(super) order: Option<Order<T>>,
    pub(super) equals: Option<Equality<T>>,
    pub(super) display: Option<Display<T>>,
    pub(super) key: Option<Getter<T>>,
    pub(super) items: Option<Getter<T>>,
    pub(super) element: Option<ElementGetter<T>>,
    pub(super) set_element: Option<ElementSetter<T>>,
    pub(super) size: Option<Size<T>>,
    pub(super) trace: Option<Trace<T>>,
    pub(super) constructor: Option<HostFunction>,
    pub(super) functions: Vec<HostFunction>,
    pub(super) constants: Vec<(String, Constant)>,
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
pub struct Tracer<'a>(pub(super) &'a mut dyn FnMut(&Raw));

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
    pub(super) fn new() -> Self {
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
