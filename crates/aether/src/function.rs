//! Rust functions that scripts call, and functions of scripts that Rust calls.
//!
//! Invariants
//! - Arguments are converted before the function runs; one that does not fit is a type error that names its place.
//! - What a host's function returns as an error, whatever its type, is an error that the script can catch: an
//!   [`Error`] or [`Raise`] keeps its kind and its value, an I/O error is one of kind `io`, any other one of kind
//!   `value` with its text as message.
//! - A panic becomes an error of the script.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use aether_eval::{Ctx, HostFinish, HostFunction};
use aether_value::{ErrorKind, Heap, Raise, Value};

use crate::convert::{Arguments, FromValue, IntoValue, Takes, admitted};
use crate::{Engine, Error};

/// What a function of the host may return: any value that converts, or a `Result` with one and any error that can be
/// shown.
///
/// ```
/// let mut engine = aether::Engine::new()?;
/// engine.register("parse", |text: String| text.parse::<i64>())?;
/// assert_eq!(engine.eval_to::<i64>("parse(\"42\")")?, 42);
/// let error = engine.eval("parse(\"x\")").unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// # Ok::<(), aether::Error>(())
/// ```
pub trait IntoReturn {
    /// The value for the script.
    ///
    /// # Errors
    /// The function's own error, or one of the conversion.
    fn into_return(self, heap: &Heap) -> Result<Value, Raise>;
}

impl<T: IntoValue> IntoReturn for T {
    #[inline]
    fn into_return(self, heap: &Heap) -> Result<Value, Raise> {
        self.into_value(heap).map_err(Raise::from)
    }
}

impl<T: IntoValue, E: fmt::Display + 'static> IntoReturn for Result<T, E> {
    #[inline]
    fn into_return(self, heap: &Heap) -> Result<Value, Raise> {
        match self {
            Ok(value) => value.into_return(heap),
            Err(error) => Err(raise_of(error)),
        }
    }
}

/// An error of a host function as one that a script can catch.
#[cold]
pub(crate) fn raise_of<E: fmt::Display + 'static>(error: E) -> Raise {
    let message = error.to_string();
    let mut error = Some(error);
    let error: &mut dyn Any = &mut error;
    if let Some(raise) = error.downcast_mut::<Option<Raise>>().and_then(Option::take) {
        return raise;
    }
    if let Some(error) = error.downcast_mut::<Option<Error>>().and_then(Option::take) {
        return error.into();
    }
    let is_io = error.is::<Option<std::io::Error>>();
    Raise::new(if is_io { ErrorKind::Io } else { ErrorKind::Value }, message)
}

/// How many arguments parameters with these kinds take: the fewest, and the most.
const fn arity(takes: &[Takes]) -> (usize, Option<usize>) {
    let mut min = takes.len();
    while min > 0 && !matches!(takes[min - 1], Takes::One) {
        min -= 1;
    }
    let has_rest = !takes.is_empty() && matches!(takes[takes.len() - 1], Takes::Rest);
    (min, if has_rest { None } else { Some(takes.len()) })
}

/// An argument that does not fit its parameter.
#[cold]
fn misfit(error: &Error, function: &str, at: usize) -> Raise {
    let place = format!("{error} for argument {} of {function}()", at + 1);
    Raise::new(error.kind().unwrap_or(ErrorKind::Type), place)
}

#[inline]
fn argument<T: FromValue>(function: &str, args: &[Value], at: usize) -> Result<T, Raise> {
    T::from_arguments(args, at).map_err(|error| misfit(&error, function, at))
}

/// The future of an async function of the host, as the engine polls it.
fn future_of<F>(future: F) -> aether_eval::HostFuture
where
    F: Future + 'static,
    F::Output: IntoReturn + 'static,
{
    Box::pin(async move {
        let outcome = future.await;
        let finish: HostFinish = Box::new(move |ctx| outcome.into_return(ctx.heap()));
        finish
    })
}

/// A Rust function or closure that scripts can call, see [`Engine::register`]. Its parameters are of types that
/// implement [`FromValue`], up to eight; the first may be `&mut Ctx<'_>` besides. `Option` parameters at the end may
/// be left out, and a last [`Rest`](crate::Rest) takes all further arguments.
///
/// The type parameter only tells the forms apart and is always inferred.
///
/// ```
/// use aether::{Ctx, Engine, Rest, Value};
///
/// let mut engine = Engine::new()?;
/// engine.register("area", |w: f64, h: f64| w * h)?;
/// engine.register("greet", |name: Option<String>| format!("Hello {}", name.unwrap_or("you".into())))?;
/// engine.register("count", |values: Rest<Value>| values.0.len())?;
/// engine.register("live", |ctx: &mut Ctx<'_>| ctx.heap().live_bytes())?;
/// assert_eq!(engine.eval_to::<String>("greet()")?, "Hello you");
/// assert_eq!(engine.eval_to::<usize>("count(1, 2, 3)")?, 3);
/// # Ok::<(), aether::Error>(())
/// ```
pub trait HostFn<Form>: 'static {
    /// The function as scripts see it.
    #[doc(hidden)]
    fn into_function(self, name: &str) -> HostFunction;
}

/// An async Rust function that scripts can call, see [`Engine::register_async`].
///
/// The type parameter only tells the forms apart and is always inferred.
///
/// ```
/// let mut engine = aether::Engine::new()?;
/// engine.register_async("fetch", |key: String| async move { key.len() })?;
/// assert_eq!(engine.eval_to::<usize>("await fetch(\"abc\")")?, 3);
/// # Ok::<(), aether::Error>(())
/// ```
pub trait HostAsyncFn<Form>: 'static {
    /// The function as scripts see it.
    #[doc(hidden)]
    fn into_function(self, name: &str) -> HostFunction;
}

/// A Rust function whose first parameter is `&T`, see [`TypeBuilder::method`](crate::TypeBuilder::method).
///
/// ```
/// use aether::{AetherType, Engine, TypeBuilder};
///
/// struct Names(Vec<String>);
///
/// impl AetherType for Names {
///     const NAME: &'static str = "Names";
///
///     fn describe(t: &mut TypeBuilder<Self>) {
///         t.constructor(|| Names(Vec::new()))
///             .method("starting", |names: &Names, prefix: String| names.0.iter().filter(|name| name.starts_with(&prefix)).count());
///     }
/// }
///
/// let mut engine = Engine::new()?;
/// engine.register_type::<Names>()?;
/// assert_eq!(engine.eval_to::<usize>("Names().starting(\"a\")")?, 0);
/// # Ok::<(), aether::Error>(())
/// ```
pub trait HostMethod<T, Form>: 'static {
    /// Fewest and most arguments, without the receiver.
    #[doc(hidden)]
    const ARITY: (usize, Option<usize>);

    /// Calls it.
    #[doc(hidden)]
    fn invoke(&self, ctx: &mut Ctx<'_>, name: &str, receiver: &T, args: &[Value]) -> Result<Value, Raise>;
}

/// A Rust function whose first parameter is `&mut T`, see [`TypeBuilder::method_mut`](crate::TypeBuilder::method_mut).
///
/// ```
/// use aether::{AetherType, Engine, TypeBuilder};
///
/// struct Names(Vec<String>);
///
/// impl AetherType for Names {
///     const NAME: &'static str = "Names";
///
///     fn describe(t: &mut TypeBuilder<Self>) {
///         t.constructor(|| Names(Vec::new()))
///             .method_mut("add", |names: &mut Names, name: String| names.0.push(name));
///     }
/// }
///
/// let mut engine = Engine::new()?;
/// engine.register_type::<Names>()?;
/// engine.eval("Names().add(\"ada\")")?;
/// # Ok::<(), aether::Error>(())
/// ```
pub trait HostMethodMut<T, Form>: 'static {
    /// Fewest and most arguments, without the receiver.
    #[doc(hidden)]
    const ARITY: (usize, Option<usize>);

    /// Calls it.
    #[doc(hidden)]
    fn invoke(&self, ctx: &mut Ctx<'_>, name: &str, receiver: &mut T, args: &[Value])
    -> Result<Value, Raise>;
}

/// Marks forms whose first parameter is the context.
#[doc(hidden)]
#[derive(Debug)]
pub struct WithCtx;

/// The function of the host that calls `self` with `given`, then with the arguments, and hands the result to `finish`.
macro_rules! host_function {
    ($self:ident, $called_name:ident, $ctx:ident, [$($given:tt)*], $finish:expr, $($name:ident $at:tt),*) => {{
        let (min, max) = const { arity(&[$($name::TAKES),*]) };
        let called = $called_name.to_owned();
        HostFunction::new($called_name, min, max, move |$ctx, _args| {
            let _ = &called;
            let result = $self($($given)* $(argument::<$name>(&called, _args, $at)?),*);
            $finish(result, $ctx)
        })
    }};
}

/// A method with these parameters, whose receiver is given in one way, behind the parameters in `$given`.
macro_rules! method {
    (
        $trait:ident, $form:ty, $ctx:ident, [$($given:ident: $given_type:ty)?], [$($receiver:tt)+],
        $($name:ident $at:tt),*
    ) => {
        impl<Recv, Fun, Out, $($name),*> $trait<Recv, $form> for Fun
        where
            Fun: Fn($($given_type,)? $($receiver)+, $($name),*) -> Out + 'static,
            Out: IntoReturn,
            $($name: FromValue,)*
        {
            const ARITY: (usize, Option<usize>) = arity(&[$($name::TAKES),*]);

            fn invoke(
                &self,
                $ctx: &mut Ctx<'_>,
                _name: &str,
                receiver: $($receiver)+,
                _args: &[Value],
            ) -> Result<Value, Raise> {
                let result = self($($given,)? receiver, $(argument::<$name>(_name, _args, $at)?),*);
                result.into_return($ctx.heap())
            }
        }
    };
}

/// Both forms of a method.
macro_rules! methods {
    ($trait:ident, $receiver:tt, $($name:ident $at:tt),*) => {
        method!($trait, fn($($name),*) -> Out, ctx, [], $receiver, $($name $at),*);
        method!(
            $trait, (WithCtx, fn($($name),*) -> Out), ctx, [ctx: &mut Ctx<'_>], $receiver,
            $($name $at),*
        );
    };
}

macro_rules! functions {
    ($(($($name:ident $at:tt),*)),* $(,)?) => {
        $(
            impl<Fun, Out, $($name),*> HostFn<fn($($name),*) -> Out> for Fun
            where
                Fun: Fn($($name),*) -> Out + 'static,
                Out: IntoReturn,
                $($name: FromValue,)*
            {
                fn into_function(self, name: &str) -> HostFunction {
                    host_function!(self, name, ctx, [], returned, $($name $at),*)
                }
            }

            impl<Fun, Out, $($name),*> HostFn<(WithCtx, fn($($name),*) -> Out)> for Fun
            where
                Fun: Fn(&mut Ctx<'_>, $($name),*) -> Out + 'static,
                Out: IntoReturn,
                $($name: FromValue,)*
            {
                fn into_function(self, name: &str) -> HostFunction {
                    host_function!(self, name, ctx, [ctx,], returned, $($name $at),*)
                }
            }

            impl<Fun, Fut, $($name),*> HostAsyncFn<fn($($name),*) -> Fut> for Fun
            where
                Fun: Fn($($name),*) -> Fut + 'static,
                Fut: Future + 'static,
                Fut::Output: IntoReturn + 'static,
                $($name: FromValue,)*
            {
                fn into_function(self, name: &str) -> HostFunction {
                    host_function!(self, name, ctx, [], awaited, $($name $at),*)
                }
            }

            methods!(HostMethod, [&Recv], $($name $at),*);
            methods!(HostMethodMut, [&mut Recv], $($name $at),*);
        )*
    };
}

/// What a function gave, as a value.
fn returned(result: impl IntoReturn, ctx: &mut Ctx<'_>) -> Result<Value, Raise> {
    result.into_return(ctx.heap())
}

/// The promise of what a future gives.
fn awaited<F: Future<Output: IntoReturn + 'static> + 'static>(
    future: F,
    ctx: &mut Ctx<'_>,
) -> Result<Value, Raise> {
    ctx.await_future(future_of(future))
}

functions!(
    (),
    (A 0),
    (A 0, B 1),
    (A 0, B 1, C 2),
    (A 0, B 1, C 2, D 3),
    (A 0, B 1, C 2, D 3, E 4),
    (A 0, B 1, C 2, D 3, E 4, F 5),
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6),
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7),
);

/// What can call a function of a script: an [`Engine`], or the [`Ctx`] within a function of the host.
///
/// ```
/// use aether::{Caller, Engine, Error, Function};
///
/// fn twice(caller: &mut impl Caller, f: &Function<(i64,), i64>, x: i64) -> Result<i64, Error> {
///     let once = f.call(caller, (x,))?;
///     f.call(caller, (once,))
/// }
///
/// let mut engine = Engine::new()?;
/// engine.eval("fn triple(x) { return x * 3 }")?;
/// let triple = engine.function("triple")?;
/// assert_eq!(twice(&mut engine, &triple, 2)?, 18);
/// # Ok::<(), aether::Error>(())
/// ```
pub trait Caller {
    /// Calls a function value.
    ///
    /// # Errors
    /// What the function raises.
    fn call_with(&mut self, function: &Value, args: &[Value]) -> Result<Value, Error>;

    /// The heap that values belong to.
    fn caller_heap(&self) -> &Heap;
}

impl Caller for Ctx<'_> {
    fn call_with(&mut self, function: &Value, args: &[Value]) -> Result<Value, Error> {
        Ok(self.call(function, args)?)
    }

    fn caller_heap(&self) -> &Heap {
        self.heap()
    }
}

impl Caller for Engine {
    fn call_with(&mut self, function: &Value, args: &[Value]) -> Result<Value, Error> {
        self.call_plain(function, args)
    }

    fn caller_heap(&self) -> &Heap {
        self.heap()
    }
}

/// A function of a script that the host keeps: the types of its arguments and its result are settled once.
///
/// ```
/// use aether::{Engine, Function};
///
/// let mut engine = Engine::new()?;
/// engine.eval("fn add(a, b) { return a + b }")?;
/// let add: Function<(i64, i64), i64> = engine.function("add")?;
/// assert_eq!(add.call(&mut engine, (40, 2))?, 42);
///
/// // A host function takes one as a callback.
/// engine.register("twice", |ctx: &mut aether::Ctx<'_>, f: Function<(i64,), i64>, x: i64| {
///     let once = f.call(ctx, (x,))?;
///     f.call(ctx, (once,))
/// })?;
/// assert_eq!(engine.eval_to::<i64>("twice(x => x * 3, 2)")?, 18);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct Function<A = Vec<Value>, R = Value> {
    value: Value,
    types: PhantomData<fn(A) -> R>,
}

impl<A, R> Clone for Function<A, R> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            types: PhantomData,
        }
    }
}

impl<A, R> fmt::Debug for Function<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.value.type_name()).finish()
    }
}

impl<A, R> FromValue for Function<A, R> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        if !value.is_callable() {
            return Err(Error::conversion("function", value));
        }
        Ok(Self {
            value: value.clone(),
            types: PhantomData,
        })
    }
}

impl<A, R> IntoValue for Function<A, R> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.value.into_value(heap)
    }
}

impl<A: Arguments, R: FromValue> Function<A, R> {
    /// Calls it, by the engine that it belongs to or from within one of its host functions.
    ///
    /// ```
    /// use aether::{Engine, Function};
    ///
    /// let mut engine = Engine::new()?;
    /// engine.eval("fn greet(name) { return \"Hello \" + name }")?;
    /// let greet: Function<(&str,), String> = engine.function("greet")?;
    /// assert_eq!(greet.call(&mut engine, ("Ada",))?, "Hello Ada");
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the function raises, or that its result is of another type.
    #[inline]
    pub fn call(&self, caller: &mut impl Caller, args: A) -> Result<R, Error> {
        let heap = caller.caller_heap();
        admitted(heap, &self.value)?;
        let args = heap.for_host(|| args.into_arguments(heap))?;
        let result = caller.call_with(&self.value, args.as_ref())?;
        R::from_value(&result)
    }
}

impl<A, R> Function<A, R> {
    /// The function as a value.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("fn f() { return 1 }")?;
    /// let f = engine.function::<(), i64>("f")?;
    /// assert!(f.value().is_callable());
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn value(&self) -> &Value {
        &self.value
    }
}
