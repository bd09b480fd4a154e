//! Programs run with machine code and without: nothing that a program does may differ but its time.
//!
//! Invariants
//! - What is compared is all that can be seen: output, errors with their traces, steps, what the heap holds at the end,
//!   and what is left of it after the engine has gone.
//! - Runs that are compared differ in nothing but what makes machine code.

mod program;

use std::fmt::Write as _;

use aether::parts::eval::JitOptions;
use aether::{Engine, Error, MemoryHost};

pub use program::hot_program;

/// Steps after which a program is stopped. Few get there.
const MAX_STEPS: u64 = 2_000_000;
/// Activations that a program may have at a time.
const DEPTH: usize = 400;
/// Bytes that a program may have.
const MEMORY: usize = 64 << 20;
/// Characters that a program may write.
const OUTPUT: usize = 1 << 20;
/// Objects that a forced collection may walk for every charge.
const WALK: u64 = 100;

/// How machine code comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// There is none.
    Interpreter,
    /// There is none, and the machine looks at its limits as often as where everything is compiled.
    Watchful,
    /// Of what is hot.
    Ordinary,
    /// Of everything that is executed.
    Eager,
    /// Of everything, and left in many places.
    Exits,
    /// Of everything, and left whenever it has executed so many instructions: [`Conditions::interval`].
    Intervals,
}

impl Tier {
    /// All that have machine code.
    pub const NATIVE: [Self; 4] = [Self::Ordinary, Self::Eager, Self::Exits, Self::Intervals];

    /// The tier without machine code that it is compared with.
    #[must_use]
    pub fn plain(self) -> Self {
        match self {
            Self::Interpreter | Self::Ordinary => Self::Interpreter,
            Self::Watchful | Self::Eager | Self::Exits | Self::Intervals => Self::Watchful,
        }
    }

    fn options(self, interval: u32) -> JitOptions {
        JitOptions {
            enabled: !matches!(self, Self::Interpreter | Self::Watchful),
            eager: !matches!(self, Self::Interpreter | Self::Ordinary),
            exits_everywhere: self == Self::Exits,
            exit_interval: if self == Self::Intervals { interval } else { 0 },
            ..JitOptions::default()
        }
    }
}

/// How a program is run beyond its machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Steps that it may take.
    pub max_steps: u64,
    /// Whether the heap is collected at many charges.
    pub collecting: bool,
    /// Objects of a slice of a collection at every safepoint; none if 0.
    pub slices: usize,
    /// Instructions after which machine code is left.
    pub interval: u32,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            max_steps: MAX_STEPS,
            collecting: false,
            slices: 0,
            interval: 7,
        }
    }
}

/// All that can be seen of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What it wrote, finalizers included.
    pub output: String,
    /// The error that ended it, with its trace.
    pub error: Vec<String>,
    /// Steps that it took.
    pub steps: u64,
    /// Objects and bytes that the heap held at its end.
    pub held: (u64, u64),
    /// Objects and bytes that are left after the engine has gone.
    pub left: (u64, u64),
}

impl Seen {
    /// What differs, for people; empty if nothing does.
    pub fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        if self.output != other.output {
            let _ = write!(
                text,
                "output differs (- interpreter, + machine code):\n{}",
                crate::diff(&self.output, &other.output)
            );
        }
        if self.error != other.error {
            let _ = writeln!(text, "error {:?} instead of {:?}", other.error, self.error);
        }
        for (what, mine, its) in [
            ("objects held", self.held.0, other.held.0),
            ("bytes held", self.held.1, other.held.1),
            ("objects left", self.left.0, other.left.0),
            ("bytes left", self.left.1, other.left.1),
            ("steps", self.steps, other.steps),
        ] {
            if mine != its {
                let _ = writeln!(text, "{its} {what} instead of {mine}");
            }
        }
        text
    }
}

/// Runs a program.
///
/// # Errors
/// The engine cannot be made.
pub fn see(text: &str, tier: Tier, conditions: Conditions) -> Result<Seen, Error> {
    let host = MemoryHost::new();
    let mut engine = Engine::builder()
        .host(host.clone())
        .max_memory(Some(MEMORY))
        .max_steps(Some(conditions.max_steps))
        .max_output(Some(OUTPUT))
        .max_depth(DEPTH)
        .jit_options(tier.options(conditions.interval))
        .build()?;
    if conditions.collecting {
        engine.heap().set_stress(1, None);
        engine.heap().thin_stress(WALK);
    }
    engine.heap().force_slices(conditions.slices);
    let result = engine.run_text("hot.ae", text);
    engine.heap().set_stress(0, None);
    engine.heap().force_slices(0);
    let mut error = result
        .err()
        .map(|error| engine.error_lines(&error, true))
        .unwrap_or_default();
    for rejection in engine.take_unhandled_rejections() {
        error.push(rejection.to_string());
    }
    let steps = engine.total_steps();
    let held = (
        engine.heap().live_objects() as u64,
        engine.heap().live_bytes() as u64,
    );
    let report = engine.shut_down();
    Ok(Seen {
        output: host.stdout() + &host.stderr(),
        error,
        steps,
        held,
        left: (report.live_objects as u64, report.live_bytes as u64),
    })
}
