//! Driving an engine from an event loop or an executor of the host.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aether_value::{PromiseState, Raise, Value};

use crate::convert::{Arguments, FromValue};
use crate::{Engine, Error};

impl Engine {
    /// Goes on with everything that is ready, and waits for nothing: coroutines whose promises have settled, callbacks,
    /// futures of the host that were woken, timers that are due. Answers whether anything is still out. When there is
    /// more to do because of a future, a job or a socket, the waker is woken; when time has passed, see
    /// [`Engine::next_deadline`].
    ///
    /// ```
    /// use aether::Engine;
    /// use std::task::{Context, Waker};
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_async("answer", || async { 42 })?;
    /// engine.eval("let seen = null  async fn ask() { seen = await answer() }")?;
    /// let asked = engine.call("ask", ())?;
    /// engine.start(&asked)?;
    /// while engine.poll(&mut Context::from_waker(Waker::noop()))? {}
    /// assert_eq!(engine.get::<i64>("seen")?, 42);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// What ends a program for good; what a callback throws is reported to the host and forgotten.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Result<bool, Error> {
        self.poll_with(context.waker())
    }

    fn poll_with(&mut self, waker: &Waker) -> Result<bool, Error> {
        let polled = self.machine.poll(waker);
        self.finish(polled.map_err(Error::from))
    }

    /// Begins an async call that has not begun: its body runs when the engine is polled, or when something awaits it.
    ///
    /// ```
    /// use aether::Engine;
    /// use std::task::{Context, Waker};
    ///
    /// let mut engine = Engine::new()?;
    /// engine.eval("let n = 0  async fn count() { n += 1 }")?;
    /// let counting = engine.call("count", ())?;
    /// engine.start(&counting)?;
    /// engine.poll(&mut Context::from_waker(Waker::noop()))?;
    /// assert_eq!(engine.get::<i64>("n")?, 1);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn start(&mut self, promise: &Value) -> Result<(), Error> {
        Ok(self.machine.begin(promise)?)
    }

    /// How long it takes until a timer is due, if there is one: a host that polls sees to it that it polls then.
    ///
    /// ```
    /// use aether::Engine;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    ///
    /// let mut engine = Engine::builder().io_workers(Some(1)).build()?;
    /// engine.eval("async fn later() { await sleep(60) }")?;
    /// assert_eq!(engine.next_deadline(), None);
    /// let waiting = engine.call("later", ())?;
    /// engine.start(&waiting)?;
    /// engine.poll(&mut Context::from_waker(Waker::noop()))?;
    /// assert!(engine.next_deadline().is_some_and(|left| left <= Duration::from_secs(60)));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn next_deadline(&mut self) -> Option<Duration> {
        self.machine.next_due().map(Duration::from_nanos)
    }

    /// What a promise has settled to: pending, its value, or its error.
    ///
    /// ```
    /// use aether::Engine;
    /// use std::task::Poll;
    ///
    /// let mut engine = Engine::new()?;
    /// let promise = engine.eval("async fn answer() { return 42 }  answer()")?;
    /// assert!(matches!(engine.promise_result(&promise), Poll::Pending));
    /// engine.start(&promise)?;
    /// engine.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))?;
    /// let Poll::Ready(Ok(value)) = engine.promise_result(&promise) else { panic!("settled") };
    /// assert_eq!(value.as_int(), Some(42));
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error that it was rejected with.
    pub fn promise_result(&self, promise: &Value) -> Poll<Result<Value, Error>> {
        let Value::Promise(promise) = promise else {
            return Poll::Ready(Ok(promise.clone()));
        };
        match promise.state() {
            PromiseState::Fulfilled(value) => Poll::Ready(Ok(value)),
            PromiseState::Rejected(error) => Poll::Ready(Err(Raise::again(error).into())),
            _ => Poll::Pending,
        }
    }

    /// Calls a function of the module scope and awaits what it gives, as a future of the host's own executor: while the
    /// script waits, the executor does other things. The engine does nothing unless the future is polled.
    ///
    /// ```
    /// use aether::Engine;
    ///
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let mut future = std::pin::pin!(future);
    /// #     loop {
    /// #         let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// #         if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) { return output }
    /// #     }
    /// # }
    /// let mut engine = Engine::new()?;
    /// engine.register_async("fetch", |name: String| async move { name.len() })?;
    /// engine.eval("async fn measure(name) { return await fetch(name) + 1 }")?;
    /// let length: i64 = block_on(engine.call_async("measure", ("abc",)))?;
    /// assert_eq!(length, 4);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the function raises, or its promise is rejected with.
    pub async fn call_async<T: FromValue>(&mut self, name: &str, args: impl Arguments) -> Result<T, Error> {
        let called = self.call(name, args)?;
        let value = self.settled(called).await?;
        T::from_value(&value)
    }

    /// Waits until a promise has settled, driving the engine meanwhile; any other value is there at once.
    ///
    /// ```
    /// use aether::Engine;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut engine = Engine::new()?;
    /// let promise = engine.eval("async fn answer() { return 42 }  answer()")?;
    /// let mut settled = std::pin::pin!(engine.settled(promise));
    /// // An executor would do this; here one look is enough.
    /// let Poll::Ready(value) = settled.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
    ///     panic!("nothing waits");
    /// };
    /// assert_eq!(value?.as_int(), Some(42));
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error that it was rejected with.
    pub fn settled(&mut self, promise: Value) -> impl Future<Output = Result<Value, Error>> + '_ {
        let mut is_started = false;
        let mut alarm: Option<Duration> = None;
        poll_fn(move |context| {
            if !is_started {
                self.start(&promise)?;
                is_started = true;
            }
            loop {
                if let Poll::Ready(outcome) = self.promise_result(&promise) {
                    return Poll::Ready(outcome);
                }
                let is_out = self.poll(context)?;
                if let Poll::Ready(outcome) = self.promise_result(&promise) {
                    return Poll::Ready(outcome);
                }
                if !is_out {
                    let never = Raise::operation("the promise can never settle");
                    return Poll::Ready(Err(never.into()));
                }
                let Some(deadline) = self.next_deadline() else {
                    return Poll::Pending;
                };
                if deadline.is_zero() {
                    continue;
                }
                // An executor has no timers that are known here: a thread wakes it.
                if alarm.is_none_or(|set| set > deadline) {
                    alarm = Some(deadline);
                    wake_after(context.waker().clone(), deadline);
                }
                return Poll::Pending;
            }
        })
    }
}

fn wake_after(waker: Waker, deadline: Duration) {
    let late = waker.clone();
    let started = std::thread::Builder::new()
        .name("aether timer".to_owned())
        .spawn(move || {
            std::thread::sleep(deadline);
            waker.wake();
        });
    if started.is_err() {
        // Without a thread the executor asks again and again.
        late.wake();
    }
}
