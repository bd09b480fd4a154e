//! `bench`: how long a function takes, and what it allocates.
//!
//! Calls are made in batches of a millisecond and more, after as many as were needed to find how many calls that is. A
//! batch is a sample. There is an end when the middle of the samples is known to 2 %, with a confidence of 95 %, or after
//! five seconds. Where the clock stands still, as it does under `--fixed-time`, that is after a few samples.
//!
//! Source: command-line reference §E7, library reference §E13.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Write as _;

use aether_value::{Dict, Heap, Native, Raise, Value};

use crate::builtins::support::{float, options, take};
use crate::builtins::{Args, Event, Step, console};
use crate::context::Ctx;
use crate::host::Permission;

/// The options of a bench.
pub(super) const OPTIONS: &[&str] = &["setup", "bytes", "items"];
/// Slots: name, function, options, what is measured, what `setup` gave, whether `setup` has been called.
pub(super) const SLOTS: u8 = 6;
const STATE: usize = 3;
const ARGUMENT: usize = 4;
const PREPARED: usize = 5;

/// The variable of the environment that holds a part of the names of what is measured; all else is passed over.
const FILTER: &str = "AETHER_BENCH_FILTER";
/// The variable that asks for lines that programs read.
const MACHINE: &str = "AETHER_BENCH_FIELDS";
/// What such a line begins with; fields follow behind tabs: median and spread in nanoseconds, objects, bytes, peak, what a
/// call handles in bytes and items, the name, and the line for people.
const MARK: &str = "[BENCH]";

/// Nanoseconds of a batch.
const BATCH: u64 = 1_000_000;
/// Calls of a batch without any time in which the clock is taken to stand still.
const STILL: u64 = 64;
/// Nanoseconds after which there is an end.
const LONGEST: u64 = 5_000_000_000;
/// Samples, at least and at most.
const SAMPLES: std::ops::Range<usize> = 16..4096;
/// The part of the median that its interval may be.
const PRECISION: f64 = 0.02;
/// Standard errors of an interval with a confidence of 95 %.
const CONFIDENCE: f64 = 1.96;
/// The standard error of a median, where that of a mean is 1.
const MEDIAN: f64 = 1.2533;

/// What has been measured so far.
#[derive(Default)]
struct Measured {
    /// Whether batches are samples, not the search for their size.
    samples_count: bool,
    batch: u64,
    /// Calls that the batch still lacks.
    left: u64,
    /// When the batch began, and the first sample.
    batch_begun: u64,
    begun: u64,
    /// Nanoseconds of a call, a batch each.
    samples: Vec<f64>,
    /// What there was before the call of which memory is measured, and what that took.
    before: Option<Before>,
    allocations: Option<u64>,
    bytes: u64,
    peak: usize,
}

/// Objects made, bytes alive, and the highest mark of the program.
#[derive(Clone, Copy)]
struct Before {
    objects: u64,
    live: usize,
    peak: usize,
}

/// It as a value, for a slot.
struct State(RefCell<Measured>);

impl Native for State {
    fn type_name(&self) -> &'static str {
        "bench"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + SAMPLES.end * size_of::<f64>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `bench(name, fn, [{setup, bytes, items}])`
pub(super) fn bench(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            if let Some(part) = ctx.host().env(FILTER)
                && !ctx.text(&slots[0])?.as_str().contains(&part)
            {
                return Ok(Step::Done(Value::Null));
            }
            let answer = ctx.host().permit(Permission::Clock, "clock");
            answer.map_err(|detail| Raise::permission(&detail))?;
            let setup = options(&slots[2], OPTIONS)?.and_then(|dict| dict.get_str_value("setup"));
            if let Some(setup) = setup.filter(|setup| !setup.is_null()) {
                slots[PREPARED] = Value::Bool(true);
                return Ok(Step::Call {
                    function: setup,
                    args: Args::None,
                    lenient: false,
                });
            }
            begin(ctx, slots)
        }
        Event::Returned(promise @ Value::Promise(_)) => Ok(Step::Await(promise)),
        Event::Returned(value) if take(&mut slots[PREPARED]).truthy() => {
            slots[ARGUMENT] = value;
            begin(ctx, slots)
        }
        Event::Returned(value) => {
            drop(value);
            after_call(ctx, slots)
        }
        Event::Failed(raise) => Err(raise),
    }
}

/// The first call. It makes what is made once; memory is measured in the second.
fn begin(ctx: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    let state = State(RefCell::new(Measured {
        batch: 1,
        left: 1,
        ..Measured::default()
    }));
    let state = ctx.heap().native(Box::new(state))?;
    slots[STATE] = Value::Native(state);
    Ok(call(slots))
}

fn measured(slots: &[Value]) -> &RefCell<Measured> {
    match &slots[STATE] {
        Value::Native(native) if let Some(State(measured)) = native.downcast() => measured,
        _ => unreachable!("the frame put it there"),
    }
}

fn call(slots: &[Value]) -> Step {
    Step::Call {
        function: slots[1].clone(),
        args: match &slots[ARGUMENT] {
            Value::Null => Args::None,
            argument => Args::One(argument.clone()),
        },
        lenient: true,
    }
}

fn after_call(ctx: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    let mut state = measured(slots).borrow_mut();
    let Some(before) = state.before else {
        state.before = Some(Before {
            objects: ctx.heap().objects_made(),
            live: ctx.heap().live_bytes(),
            peak: ctx.heap().peak_bytes(),
        });
        ctx.heap().reset_peak();
        ctx.heap().count_charges();
        state.batch_begun = ctx.host().stopwatch();
        drop(state);
        return Ok(call(slots));
    };
    if state.allocations.is_none() {
        state.bytes = ctx.heap().end_counting_charges();
        state.allocations = Some(ctx.heap().objects_made() - before.objects);
        state.peak = ctx.heap().peak_bytes() - before.live;
        ctx.heap().raise_peak(before.peak);
    }
    state.left -= 1;
    if state.left == 0 {
        let now = ctx.host().stopwatch();
        if state.end_batch(now) {
            drop(state);
            return finish(ctx, slots);
        }
        state.left = state.batch;
        state.batch_begun = ctx.host().stopwatch();
    }
    drop(state);
    Ok(call(slots))
}

impl Measured {
    /// A batch is over; whether that was the last.
    fn end_batch(&mut self, now: u64) -> bool {
        let taken = now.saturating_sub(self.batch_begun);
        if !self.samples_count {
            let stands_still = taken == 0 && self.batch >= STILL;
            if taken >= BATCH || stands_still {
                self.samples_count = true;
                self.begun = now;
                if stands_still {
                    self.batch = 1;
                }
            } else {
                self.batch *= 2;
            }
            return false;
        }
        self.samples.push(taken as f64 / self.batch as f64);
        let count = self.samples.len();
        let is_over = now.saturating_sub(self.begun) >= LONGEST || count >= SAMPLES.end;
        is_over || count >= SAMPLES.start && count.is_power_of_two() && self.is_precise()
    }

    fn is_precise(&self) -> bool {
        let (median, spread) = self.summary();
        spread <= median * PRECISION
    }

    /// The median in nanoseconds, and half of its interval.
    fn summary(&self) -> (f64, f64) {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let median = f64::midpoint(sorted[count / 2], sorted[(count - 1) / 2]);
        let mean = sorted.iter().sum::<f64>() / count as f64;
        let squares: f64 = sorted.iter().map(|sample| (sample - mean).powi(2)).sum();
        let deviation = (squares / (count.max(2) - 1) as f64).sqrt();
        (median, CONFIDENCE * MEDIAN * deviation / (count as f64).sqrt())
    }
}

/// Prints what was measured and gives it as a dict.
fn finish(ctx: &mut Ctx<'_>, slots: &[Value]) -> Result<Step, Raise> {
    let (median, spread, allocations, bytes, peak) = {
        let state = measured(slots).borrow();
        let (median, spread) = state.summary();
        let allocations = state.allocations.unwrap_or(0);
        (median, spread, allocations, state.bytes, state.peak)
    };
    let name = ctx.text(&slots[0])?;
    let mut line = format!(
        "{}  {} ± {}  {allocations} allocs/iter  {bytes} bytes/iter peak {peak} bytes",
        name.as_str(),
        duration(median),
        duration(spread)
    );
    let given = options(&slots[2], OPTIONS)?;
    let mut handled = [f64::NAN; 2];
    for (index, (key, unit, divisor)) in [("bytes", "MB/s", 1e6), ("items", "items/s", 1.0)]
        .into_iter()
        .enumerate()
    {
        let amount = given.and_then(|dict| dict.get_str_value(key));
        if let Some(amount) = amount.filter(|amount| !amount.is_null()) {
            handled[index] = float(&amount)?;
            let rate = handled[index] / (median / 1e9) / divisor;
            // A clock that stands still has no rates.
            if rate.is_finite() {
                let _ = write!(line, "  {rate:.1} {unit}");
            }
        }
    }
    if ctx.host().env(MACHINE).is_some() {
        let [of_bytes, of_items] = handled;
        let name = one_line(name.as_str());
        line = format!(
            "{MARK}\t{median}\t{spread}\t{allocations}\t{bytes}\t{peak}\t{of_bytes}\t{of_items}\t{name}\t{}",
            one_line(&line)
        );
    }
    line.push('\n');
    console::write(ctx, "bench", &line)?;
    let heap = ctx.heap();
    let result = heap.dict()?;
    put(heap, &result, "name", slots[0].clone())?;
    put(heap, &result, "median", Value::Float(median))?;
    put(heap, &result, "spread", Value::Float(spread))?;
    put(heap, &result, "allocs", Value::Int(allocations as i64))?;
    put(heap, &result, "bytes", Value::Int(bytes as i64))?;
    put(heap, &result, "peak", Value::Int(peak as i64))?;
    Ok(Step::Done(Value::Dict(result)))
}

fn put(heap: &Heap, dict: &Dict, key: &str, value: Value) -> Result<(), Raise> {
    dict.insert(Value::String(heap.intern(key)?), value).map(drop)
}

/// A text without control characters.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Nanoseconds with a unit and three digits.
fn duration(nanos: f64) -> String {
    let (value, unit) = match nanos {
        _ if nanos < 1e3 => (nanos, "ns"),
        _ if nanos < 1e6 => (nanos / 1e3, "µs"),
        _ if nanos < 1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let digits = match value {
        _ if value < 10.0 => 2,
        _ if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::{Measured, duration};

    #[test]
    fn times_have_three_digits() {
        assert_eq!(duration(0.0), "0.00ns");
        assert_eq!(duration(12.34), "12.3ns");
        assert_eq!(duration(123_456.0), "123µs");
        assert_eq!(duration(2.5e9), "2.50s");
    }

    #[test]
    fn batches_grow_until_they_take_a_while_and_samples_end_when_they_agree() {
        let mut measured = Measured {
            batch: 1,
            ..Measured::default()
        };
        let mut now = 0;
        let mut batches = 0;
        loop {
            measured.batch_begun = now;
            now += measured.batch * 1000;
            batches += 1;
            if measured.end_batch(now) {
                break;
            }
        }
        assert_eq!((measured.batch, measured.samples.len(), batches), (1024, 16, 27));
        assert_eq!(measured.summary(), (1000.0, 0.0));
    }
}
