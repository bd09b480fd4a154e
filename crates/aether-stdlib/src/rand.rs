//! The module `rand`: numbers, choices and orders at random.
//!
//! Everything is drawn from [`Random`], PCG-64, whose stream is the same on every platform. The module's functions draw
//! from the engine's generator, which `random()` and `rand_int` draw from too; `rand.generator(seed)` makes another
//! one, which has the functions as methods.
//!
//! Source: library reference §E6.

use aether_eval::{BuiltinDef, Ctx, LibraryModule, Permission, Random};
use aether_value::{Builtin, Charge, Heap, Native, Raise, Value};
use std::any::Any;
use std::cell::RefCell;

use crate::arguments::{array, int, number, permit, receiver};

/// The module.
pub(crate) const RAND: LibraryModule = LibraryModule {
    name: "rand",
    functions: &[
        BuiltinDef::core("seed", &["n"], 1, 1, seed),
        BuiltinDef::core("generator", &["seed"], 1, 1, generator),
        BuiltinDef::core("range", &["a", "b"], 2, 2, |ctx, args| draw(ctx, args, range))
            .needing(Permission::Random),
        BuiltinDef::core("float", &["a", "b"], 0, 2, |ctx, args| draw(ctx, args, float))
            .needing(Permission::Random),
        BuiltinDef::core("bool", &["p"], 0, 1, |ctx, args| draw(ctx, args, truth))
            .needing(Permission::Random),
        BuiltinDef::core("choice", &["array"], 1, 1, |ctx, args| draw(ctx, args, choice))
            .iterables(1)
            .needing(Permission::Random),
        BuiltinDef::core("choices", &["array", "weights", "k"], 3, 3, |ctx, args| {
            draw(ctx, args, choices)
        })
        .iterables(1)
        .needing(Permission::Random),
        BuiltinDef::core("sample", &["array", "k"], 2, 2, |ctx, args| {
            draw(ctx, args, sample)
        })
        .iterables(1)
        .needing(Permission::Random),
        BuiltinDef::core("shuffle", &["array"], 1, 1, |ctx, args| draw(ctx, args, shuffle))
            .needing(Permission::Random),
        BuiltinDef::core("normal", &["mean", "sd"], 0, 2, |ctx, args| {
            draw(ctx, args, normal)
        })
        .needing(Permission::Random),
    ],
    constants: &[],
};

/// The methods of a generator.
static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("range", 2, 2, |ctx, args| draw_own(ctx, args, range)),
    BuiltinDef::method("float", 0, 2, |ctx, args| draw_own(ctx, args, float)),
    BuiltinDef::method("bool", 0, 1, |ctx, args| draw_own(ctx, args, truth)),
    BuiltinDef::method("choice", 1, 1, |ctx, args| draw_own(ctx, args, choice)),
    BuiltinDef::method("choices", 3, 3, |ctx, args| draw_own(ctx, args, choices)),
    BuiltinDef::method("sample", 2, 2, |ctx, args| draw_own(ctx, args, sample)),
    BuiltinDef::method("shuffle", 1, 1, |ctx, args| draw_own(ctx, args, shuffle)),
    BuiltinDef::method("normal", 0, 2, |ctx, args| draw_own(ctx, args, normal)),
];

/// What draws, from a generator.
type Draw = fn(&Heap, &mut Random, &[Value]) -> Result<Value, Raise>;

/// Draws from the engine's generator.
fn draw(ctx: &mut Ctx<'_>, args: &[Value], draw: Draw) -> Result<Value, Raise> {
    permit(ctx, Permission::Random, "random")?;
    let heap = ctx.heap().clone();
    draw(&heap, ctx.random(), args)
}

/// Draws from the generator in the first argument.
fn draw_own(ctx: &mut Ctx<'_>, args: &[Value], draw: Draw) -> Result<Value, Raise> {
    let Generator(random) = receiver(args);
    draw(ctx.heap(), &mut random.borrow_mut(), &args[1..])
}

/// Counts a fourth of the items that are gone through, and half of those that are drawn.
fn pass(heap: &Heap, index: usize, per_unit: usize) -> Result<(), Raise> {
    heap.checkpoint(usize::from(index.is_multiple_of(per_unit)))
}

/// The seed in an argument.
fn seed_of(value: &Value) -> Result<u64, Raise> {
    Ok(int(value)? as u64)
}

/// `seed(n)`
fn seed(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let seed = seed_of(&args[0])?;
    *ctx.random() = Random::new(seed);
    Ok(Value::Null)
}

/// `generator(seed)`
fn generator(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let generator = Generator(RefCell::new(Random::new(seed_of(&args[0])?)));
    Ok(Value::Native(ctx.heap().native(Box::new(generator))?))
}

fn range(_: &Heap, random: &mut Random, args: &[Value]) -> Result<Value, Raise> {
    let (start, end) = (int(&args[0])?, int(&args[1])?);
    if end <= start {
        let detail = format!("rand.range: there is no int from {start} to before {end}");
        return Err(Raise::operation(&detail));
    }
    let offset = random.below(end.wrapping_sub(start) as u64);
    Ok(Value::Int(start.wrapping_add(offset as i64)))
}

fn float(_: &Heap, random: &mut Random, args: &[Value]) -> Result<Value, Raise> {
    let start = args.first().map_or(Ok(0.0), number)?;
    let end = args.get(1).map_or(Ok(1.0), number)?;
    Ok(Value::Float(start + (end - start) * random.float()))
}

fn truth(_: &Heap, random: &mut Random, args: &[Value]) -> Result<Value, Raise> {
    let part = args.first().map_or(Ok(0.5), number)?;
    if !(0.0..=1.0).contains(&part) {
        let detail = format!("rand.bool: p must be between 0 and 1, got {part}");
        return Err(Raise::operation(&detail));
    }
    Ok(Value::Bool(random.float() < part))
}

#[cold]
fn empty(operation: &str) -> Raise {
    Raise::operation(&format!("{operation}: the array is empty"))
}

fn choice(_: &Heap, random: &mut Random, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?;
    if items.is_empty() {
        return Err(empty("rand.choice"));
    }
    let at = random.below(items.len() as u64) as usize;
    Ok(items.get_value(at).unwrap_or(Value::Null))
}

/// How many are to be drawn.
fn amount(operation: &str, value: &Value) -> Result<usize, Raise> {
    let amount = int(value)?;
    usize::try_from(amount)
        .map_err(|_| Raise::operation(&format!("{operation}: k must not be negative, got {amount}")))
}

fn choices(heap: &Heap, random: &mut Random, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?;
    let count = amount("rand.choices", &args[2])?;
    if items.is_empty() && count > 0 {
        return Err(empty("rand.choices"));
    }
    let _charge = Charge::new(heap, items.len() * size_of::<f64>())?;
    let mut sums = Vec::new();
    if !args[1].is_null() {
        let weights = array(&args[1])?.snapshot()?;
        if weights.len() != items.len() {
            let detail = format!(
                "rand.choices: there are {} weights for {} items",
                weights.len(),
                items.len()
            );
            return Err(Raise::operation(&detail));
        }
        let mut sum = 0.0;
        for (index, weight) in weights.iter().enumerate() {
            pass(heap, index, 4)?;
            let weight = number(weight)?;
            if !(weight >= 0.0 && weight.is_finite()) {
                let detail = format!("rand.choices: a weight is {weight}");
                return Err(Raise::operation(&detail));
            }
            sum += weight;
            sums.push(sum);
        }
        if count > 0 && sum <= 0.0 {
            return Err(Raise::operation("rand.choices: all weights are 0"));
        }
    }
    let drawn = heap.array(count)?;
    for index in 0..count {
        pass(heap, index, 2)?;
        let at = match sums.last() {
            None => random.below(items.len() as u64) as usize,
            Some(total) => {
                let place = random.float() * total;
                sums.partition_point(|sum| *sum <= place).min(sums.len() - 1)
            }
        };
        drawn.push(items.get_value(at).unwrap_or(Value::Null))?;
    }
    Ok(Value::Array(drawn))
}

fn sample(heap: &Heap, random: &mut Random, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?;
    let count = amount("rand.sample", &args[1])?;
    if count > items.len() {
        let detail = format!("rand.sample: k is {count}, the array has {} items", items.len());
        return Err(Raise::operation(&detail));
    }
    let _charge = Charge::new(heap, items.len() * size_of::<Value>())?;
    let mut left = items.snapshot()?.as_slice().to_vec();
    let drawn = heap.array(count)?;
    for index in 0..count {
        pass(heap, index, 2)?;
        let at = random.below(left.len() as u64) as usize;
        drawn.push(left.swap_remove(at))?;
    }
    Ok(Value::Array(drawn))
}

/// Brings an array into a random order, and gives it.
fn shuffle(heap: &Heap, random: &mut Random, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?;
    for at in (1..items.len()).rev() {
        pass(heap, at, 4)?;
        let other = random.below(at as u64 + 1) as usize;
        items.swap(at, other)?;
    }
    Ok(args[0].clone())
}

/// A number of a normal distribution, by the polar method.
fn normal(_: &Heap, random: &mut Random, args: &[Value]) -> Result<Value, Raise> {
    let mean = args.first().map_or(Ok(0.0), number)?;
    let deviation = args.get(1).map_or(Ok(1.0), number)?;
    loop {
        let (x, y) = (2.0 * random.float() - 1.0, 2.0 * random.float() - 1.0);
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            let factor = (-2.0 * square.ln() / square).sqrt();
            return Ok(Value::Float(mean + deviation * x * factor));
        }
    }
}

/// A generator as a value.
struct Generator(RefCell<Random>);

impl Native for Generator {
    fn type_name(&self) -> &'static str {
        "random_generator"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
