//! From bytecode to machine code: what is known of each register while a function is translated, where its value is,
//! and how control leaves the code.
//!
//! Machine registers
//! - `r15` the machine, `rbx` the frame's registers, `r14` the fuel. `T0`, `T1`, `T2`, `F0`, `xmm1` belong to
//!   whichever instruction is being translated.
//! - All others are *homes*: a register of the frame that is used much may have one for its payload as an int, truth
//!   value or address, and one for its value as a double. Registers that are never live together share homes.
//!
//! State
//! - [`Ty`] is what a register is known to hold: what it was made by or tested for. `Any` says nothing.
//! - `home` says that its home holds the payload, `mem` that the frame's memory holds the value. A value that is
//!   counted is always in memory; one that is not may be in its home alone, and then memory holds something that is not
//!   counted either.
//!
//! Leaving
//! - An *exit* gives the instruction back to the interpreter as if it had not begun: it writes to memory what only homes
//!   hold and is live, and returns to the loop. Every test of an instruction comes before its first effect.
//! - A *slow case* calls a function out of line, and comes back.
//! - The interpreter goes on wherever it likes: nothing of the state is needed by it but memory.
//!
//! A function is translated several times: each pass finds out what the jumps to each block bring, which the next one
//! takes for granted at the block's beginning. Any assumption is safe, since each jump makes true what its target
//! assumes, or exits.

use std::rc::Rc;

use aether_value::{Code, tag};

use super::assembler::{
    ARGUMENT, Alu, Assembler, Cond, FPR_HOMES, FUEL, Fpr, GPR_HOMES, Gpr, KEPT, Label, Mem, T0, T1, T2, VM,
    WINDOW,
};
use super::effects::{Registers, Successors, clobbers, spends_fuel};
use super::flow::Flow;
use super::offsets;
use super::profile::{Profile, Seen};
use crate::bytecode::Op;
use crate::vm::native::MachineFacts;
use crate::vm::native_calls::{TAKEN, function_for, reads_operation};

/// Most passes over a function before the last.
const MOST_TRIALS: usize = 6;
/// Words of a function that are compiled at most: what a pass goes through in two milliseconds.
const MOST_HOT_WORDS: usize = 1_500;
/// Bytes that the code of one function may take.
const MOST_BYTES: usize = 1 << 20;

/// What a register is known to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ty {
    Any,
    Int,
    Float,
    Bool,
    Null,
    Array,
    Text,
    Dict,
    /// The items of an array that a loop goes through.
    Items,
    Instance(u32),
}

impl Ty {
    /// The tag of such values.
    pub(super) fn tag(self) -> Option<u8> {
        Some(match self {
            Self::Any => return None,
            Self::Int => tag::INT,
            Self::Float => tag::FLOAT,
            Self::Bool => tag::BOOL,
            Self::Null => tag::NULL,
            Self::Array => tag::ARRAY,
            Self::Text => tag::STRING,
            Self::Dict => tag::DICT,
            Self::Items => tag::BUFFER,
            Self::Instance(_) => tag::INSTANCE,
        })
    }

    /// Whether such values are not counted.
    pub(super) fn is_plain(self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Bool | Self::Null)
    }

    /// What values are likely to be that were seen so.
    pub(super) fn guess(seen: Seen) -> Self {
        match seen.tag() {
            Some(tag::INT) => Self::Int,
            Some(tag::FLOAT) => Self::Float,
            Some(tag::BOOL) => Self::Bool,
            Some(tag::ARRAY) => Self::Array,
            Some(tag::STRING) => Self::Text,
            Some(tag::DICT) => Self::Dict,
            Some(tag::BUFFER) => Self::Items,
            Some(tag::INSTANCE) => seen.shape().map_or(Self::Any, Self::Instance),
            _ => Self::Any,
        }
    }
}

/// What is known of a register, and where its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) ty: Ty,
    pub(super) home: bool,
    pub(super) mem: bool,
}

const UNKNOWN: Known = Known {
    ty: Ty::Any,
    home: false,
    mem: true,
};

/// Where an int operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Src {
    Reg(Gpr),
    Mem(Mem),
    Imm(i64),
}

/// A value that only a home holds, to be written to memory.
#[derive(Clone, Copy, Debug)]
struct Flush {
    register: usize,
    ty: Ty,
}

struct Exit {
    label: Label,
    word: usize,
    flushes: Vec<Flush>,
    why: Why,
}

/// Why code is left at an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The interpreter does this better. Nobody counts how often.
    Ordinary,
    /// Something was taken for granted that is not so.
    Wrong,
    /// The instruction at this word has made something of another type than was taken for granted.
    WrongResult(usize),
    /// What follows never ran while the profile was recorded, and is left out.
    Cold,
}

/// What a slow case does.
#[derive(Clone, Debug)]
pub(super) enum SlowKind {
    /// The interpreter executes the instruction, and goes on at word `next`; if `result` is told, that register has to
    /// be of the type then.
    Step {
        next: usize,
        result: Option<(usize, Ty)>,
    },
    /// The fuel is used up at a jump to this word.
    Refuel(usize),
    /// Adds a count to the object in `T2`, which is stuck or watched.
    Retain { keeps_t1: bool },
    /// Releases the object in `T0`, the last count of which may be given back.
    Release,
}

/// Code out of line that does not come back by itself.
#[derive(Clone, Copy)]
pub(super) enum Cold {
    /// The interpreter has gone elsewhere.
    Gone,
    /// A callee has left, and its caller with it.
    PassOn,
    /// A callee's result is of another type: it is put where the interpreter looks for it, at the next word.
    WrongResult { to: usize, word: usize, next: usize },
    /// The frame of a callee owned it; the result in `T0` and `T2` is kept.
    ReleaseCallee { window: Mem, join: Label },
}

struct Slow {
    label: Label,
    join: Label,
    word: usize,
    flushes: Vec<Flush>,
    reloads: Vec<(usize, Ty)>,
    kind: SlowKind,
    is_complete: bool,
}

/// What the jumps to a block bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Incoming {
    /// The type that all have that have one.
    ty: Option<Ty>,
    /// Two have different types.
    differs: bool,
    /// All have it in memory.
    mem: bool,
}

impl Incoming {
    const NONE: Self = Self {
        ty: None,
        differs: false,
        mem: true,
    };

    fn add(&mut self, known: Known, keeps_memory: bool) {
        match (known.ty, self.ty) {
            (Ty::Any, _) => {}
            (ty, None) => self.ty = Some(ty),
            (ty, Some(other)) => self.differs |= ty != other,
        }
        self.mem &= known.mem || keeps_memory;
    }

    /// What two sets of jumps bring.
    fn with(self, other: Self) -> Self {
        Self {
            ty: self.ty.or(other.ty),
            differs: self.differs
                || other.differs
                || self.ty.zip(other.ty).is_some_and(|(one, two)| one != two),
            mem: self.mem && other.mem,
        }
    }
}

/// A place where the interpreter enters.
pub(super) struct Entry {
    pub(super) word: usize,
    pub(super) offset: usize,
}

/// Machine code of a function, wherever it is put.
pub(super) struct Compiled {
    pub(super) bytes: Vec<u8>,
    /// Where calls from machine code enter.
    pub(super) direct: usize,
    pub(super) entries: Vec<Entry>,
    /// Words that exits lead to, by number.
    pub(super) exits: Vec<(usize, Why)>,
    /// By instruction: its first byte and its word.
    pub(super) places: Vec<(usize, usize)>,
}

/// What the compiler knows beside the function.
pub(super) struct Facts<'a> {
    pub(super) machine: &'a MachineFacts<'a>,
    /// Where calls of a function find its machine code.
    pub(super) unit_of: &'a dyn Fn(*const Code) -> *const super::Unit,
    /// Whether the code is left at every seventh word, for tests.
    pub(super) exits_everywhere: bool,
    /// Where instructions are counted down to an exit, if they are.
    pub(super) countdown: Option<*const u32>,
}

/// Passes over a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Finds out what jumps bring to blocks; what else it makes is thrown away.
    Trial,
    /// Makes code, of what the trials have found out.
    Last,
}

/// Homes of registers, by number.
struct Homes {
    gpr: Vec<Option<Gpr>>,
    fpr: Vec<Option<Fpr>>,
}

pub(super) struct Emitter<'a> {
    pub(super) code: &'a Code,
    pub(super) profile: &'a Profile,
    pub(super) facts: &'a Facts<'a>,
    pub(super) asm: Assembler,
    flow: &'a Flow,
    homes: &'a Homes,
    state: Vec<Known>,
    /// Registers of which the state says something.
    told: Registers,
    /// Registers whose value is in a home alone.
    unwritten: Registers,
    /// The instruction being translated, and the one after it.
    pub(super) word: usize,
    pub(super) after: usize,
    depth: u32,
    /// What an exit of it has to write.
    start: Registers,
    start_exit: Option<Label>,
    labels: Vec<Label>,
    entry_states: Vec<Option<Rc<[Known]>>>,
    incoming: Vec<Option<Vec<Incoming>>>,
    last_incoming: &'a [Option<Vec<Incoming>>],
    /// By block: whether it is left out.
    left_out: &'a [bool],
    /// Which pass this is; the last one alone keeps what it makes.
    pass: Pass,
    exits: Vec<Exit>,
    slows: Vec<Slow>,
    colds: Vec<(Label, Cold)>,
    gone: Option<Label>,
    pass_on: Option<Label>,
    leave: Label,
    wants_gpr: Vec<u64>,
    wants_fpr: Vec<u64>,
    places: Vec<(usize, usize)>,
    /// Whether control comes to the next instruction.
    pub(super) reachable: bool,
}

/// What has become of a compilation.
pub(super) enum Progress {
    /// There are more passes.
    Continues,
    /// This is the code.
    Over(Compiled),
    /// There is none: there would be too much of it.
    TooLarge,
}

/// A function on its way to machine code. It goes pass by pass, between which the program may run: what the passes share
/// is here.
pub(super) struct Compilation {
    code: *const Code,
    profile: Profile,
    flow: Flow,
    /// By block: whether it is left out.
    left_out: Vec<bool>,
    /// Words that are not.
    words: usize,
    homes: Homes,
    interference: Vec<Registers>,
    incoming: Vec<Option<Vec<Incoming>>>,
    trials: usize,
    is_settled: bool,
}

impl Compilation {
    /// Begins, unless there is something about the function that is not worth it.
    pub(super) fn new(code: &Code, profile: Profile, translates_all: bool) -> Option<Self> {
        let flow = Flow::of(code)?;
        let registers = code.registers as usize + 1;
        let left_out = if translates_all {
            vec![false; flow.blocks.len()]
        } else {
            left_out(&flow, &profile)
        };
        let kept = flow
            .blocks
            .iter()
            .zip(&left_out)
            .filter(|(_, left_out)| !**left_out);
        let words = kept.map(|(block, _)| block.end - block.start).sum();
        let interference = interference(code, &flow, registers);
        Some(Self {
            code,
            profile,
            left_out,
            words,
            homes: Homes {
                gpr: vec![None; registers],
                fpr: vec![None; registers],
            },
            interference,
            incoming: vec![None; flow.blocks.len()],
            flow,
            trials: 0,
            is_settled: false,
        })
    }

    pub(super) fn code(&self) -> *const Code {
        self.code
    }

    /// Words that a pass goes through.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// Bytes this takes, about.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>()
            + self.profile.size()
            + (self.flow.live_in.capacity() + self.flow.live_out.capacity()) * size_of::<Registers>()
    }

    /// What it was compiled by.
    pub(super) fn into_profile(self) -> Profile {
        self.profile
    }

    /// Makes a pass.
    pub(super) fn pass(&mut self, facts: &Facts) -> Progress {
        #[expect(unsafe_code, reason = "reads the code of a function")]
        // SAFETY: code lives as long as the heap.
        let code = unsafe { &*self.code };
        let is_last = self.is_settled || self.trials == MOST_TRIALS;
        let mut emitter = Emitter::new(code, self, facts, is_last);
        emitter.function();
        if is_last {
            let is_small = emitter.asm.position() <= MOST_BYTES;
            let compiled = is_small.then(|| emitter.finish()).flatten();
            return compiled.map_or(Progress::TooLarge, Progress::Over);
        }
        // The first has known no homes, and little of the types that the weights go by.
        let is_settled = self.trials > 1 && emitter.incoming == self.incoming;
        let homes = (self.trials < 2).then(|| emitter.assign_homes(&self.interference));
        let incoming = emitter.incoming;
        if let Some(homes) = homes {
            self.homes = homes;
        }
        self.incoming = incoming;
        self.is_settled = is_settled;
        self.trials += 1;
        Progress::Continues
    }
}

/// By block: whether it is left out. That is what never ran while the profile was recorded, unless it is in a loop that has
/// hardly come round, and what ran more rarely than what fills a compilation.
fn left_out(flow: &Flow, profile: &Profile) -> Vec<bool> {
    /// Rounds after which a loop has shown what it does.
    const ROUNDS: u32 = 8;
    let count = |index: usize| profile.sites[flow.blocks[index].start].count;
    let mut runs = vec![false; flow.loops.len()];
    for (index, block) in flow.blocks.iter().enumerate() {
        if count(index) > 0 {
            for (runs, around) in runs.iter_mut().zip(&flow.loops) {
                *runs |= block.is_in(*around);
            }
        }
    }
    let is_likely = |index: usize| {
        let innermost = flow.blocks[index].innermost;
        count(index) > 0
            || innermost
                .is_some_and(|number| runs[number] && profile.sites[flow.loops[number].0].count < ROUNDS)
    };
    let mut order: Vec<usize> = (1..flow.blocks.len()).filter(|&index| is_likely(index)).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(count(index)));
    let mut left_out = vec![true; flow.blocks.len()];
    let mut words = 0;
    // A call begins with the first block.
    for index in std::iter::once(0).chain(order) {
        words += flow.blocks[index].end - flow.blocks[index].start;
        if words > MOST_HOT_WORDS && index > 0 {
            break;
        }
        left_out[index] = false;
    }
    left_out
}

/// For each register, those that must not share its home: those that are live when a block begins in which it is live then,
/// and those that are live when it is made. Two that are live at the same time anywhere are among these, since one was
/// made, or the block began, when the other was live.
fn interference(code: &Code, flow: &Flow, registers: usize) -> Vec<Registers> {
    let mut found = vec![Registers::default(); registers];
    let in_frame = |register: &usize| *register < registers;
    for block in &flow.blocks {
        let live = flow.live_in[block.start];
        for register in live.iter().filter(in_frame) {
            found[register].extend(&live);
        }
        let mut word = block.start;
        while word < block.end {
            let (made, after) = (clobbers(code, word), flow.live_out[word]);
            for register in made.iter().filter(in_frame) {
                found[register].extend(&after);
            }
            for register in after.iter().filter(in_frame) {
                found[register].extend(&made);
            }
            word += Op::of(code.words[word]).first().words();
        }
    }
    found
}

impl<'a> Emitter<'a> {
    fn new(code: &'a Code, compilation: &'a Compilation, facts: &'a Facts<'a>, is_last: bool) -> Self {
        let Compilation {
            profile,
            flow,
            left_out,
            homes,
            incoming: last_incoming,
            ..
        } = compilation;
        let mut asm = Assembler::default();
        let labels = flow.blocks.iter().map(|_| asm.label()).collect();
        let leave = asm.label();
        let registers = homes.gpr.len();
        Self {
            code,
            profile,
            facts,
            asm,
            flow,
            homes,
            left_out,
            state: vec![UNKNOWN; registers],
            told: Registers::default(),
            unwritten: Registers::default(),
            word: 0,
            after: 0,
            depth: 0,
            start: Registers::default(),
            start_exit: None,
            labels,
            entry_states: vec![None; flow.blocks.len()],
            incoming: vec![None; flow.blocks.len()],
            last_incoming,
            pass: if is_last { Pass::Last } else { Pass::Trial },
            exits: Vec::new(),
            slows: Vec::new(),
            colds: Vec::new(),
            gone: None,
            pass_on: None,
            leave,
            wants_gpr: vec![0; registers],
            wants_fpr: vec![0; registers],
            places: Vec::new(),
            reachable: false,
        }
    }

    /// Gives the homes to the registers that are used most.
    fn assign_homes(&self, interference: &[Registers]) -> Homes {
        let registers = self.homes.gpr.len();
        let mut homes = Homes {
            gpr: vec![None; registers],
            fpr: vec![None; registers],
        };
        let by_weight = |wants: &[u64]| {
            let mut order: Vec<usize> = (0..registers).filter(|&register| wants[register] > 0).collect();
            order.sort_by_key(|&register| std::cmp::Reverse(wants[register]));
            order
        };
        for register in by_weight(&self.wants_gpr) {
            let is_free = |&&home: &&Gpr| {
                !(0..registers)
                    .any(|other| homes.gpr[other] == Some(home) && interference[register].contains(other))
            };
            homes.gpr[register] = GPR_HOMES.iter().find(is_free).copied();
        }
        for register in by_weight(&self.wants_fpr) {
            let is_free = |&&home: &&Fpr| {
                !(0..registers)
                    .any(|other| homes.fpr[other] == Some(home) && interference[register].contains(other))
            };
            homes.fpr[register] = FPR_HOMES.iter().find(is_free).copied();
        }
        homes
    }

    // --- the whole ---

    fn function(&mut self) {
        for index in 0..self.flow.blocks.len() {
            self.block(index);
        }
    }

    fn finish(mut self) -> Option<Compiled> {
        let mut entries = Vec::new();
        let heads: Vec<usize> = (0..self.flow.blocks.len())
            .filter(|&index| index == 0 || self.flow.blocks[index].is_loop_head)
            .filter(|&index| self.entry_states[index].is_some())
            .collect();
        for index in heads {
            let label = self.asm.label();
            self.asm.bind(label);
            let word = self.flow.blocks[index].start;
            self.asm.enter_function();
            self.word = word;
            self.after = word;
            let registers = self.state.len();
            self.set_all(&vec![UNKNOWN; registers]);
            self.begin_instruction();
            self.edge(word);
            self.asm.jump(self.labels[index]);
            entries.push((word, label));
        }
        self.emit_slows();
        self.emit_colds();
        self.emit_exits();
        let leave = self.leave;
        self.asm.bind(leave);
        self.asm.mov_imm(T0, super::LEFT);
        self.asm.leave_function();
        let exits = self.exits.iter().map(|exit| (exit.word, exit.why)).collect();
        let places = self.places;
        let assembled = self.asm.finish()?;
        let entries: Vec<Entry> = entries
            .into_iter()
            .filter_map(|(word, label)| {
                Some(Entry {
                    word,
                    offset: assembled.place_of(label)?,
                })
            })
            .collect();
        let direct = entries.iter().find(|entry| entry.word == 0)?.offset;
        Some(Compiled {
            bytes: assembled.bytes,
            direct,
            entries,
            exits,
            places,
        })
    }

    fn block(&mut self, index: usize) {
        let (start, end, depth) = {
            let block = &self.flow.blocks[index];
            (block.start, block.end, block.depth)
        };
        self.depth = depth;
        if self.reachable {
            // Control comes from the block before.
            self.word = start;
            self.after = start;
            self.begin_instruction();
            self.edge(start);
        }
        if self.left_out[index] {
            self.reachable = false;
            return;
        }
        // Jumps from behind lead to loop heads alone: whatever else leads here stands before it.
        let is_head = index == 0 || self.flow.blocks[index].is_loop_head;
        if !is_head && self.incoming[index].is_none() {
            // An error's handler, or what follows one: the interpreter's.
            return;
        }
        let state = self.entry_state(index);
        self.set_all(&state);
        let label = self.labels[index];
        self.asm.bind(label);
        self.reachable = true;
        let mut word = start;
        while word < end && self.reachable {
            let op = Op::of(self.code.words[word]).first();
            self.word = word;
            self.after = word + op.words();
            if self.pass == Pass::Last {
                self.places.push((self.asm.position(), word));
            }
            self.begin_instruction();
            if self.facts.exits_everywhere && self.takes_turn() {
                let exit = self.exit();
                self.asm.jump(exit);
                self.reachable = false;
                break;
            }
            if let Some(countdown) = self.facts.countdown {
                let exit = self.plain_exit();
                self.asm.mov_imm(T0, countdown as i64);
                self.asm.alu32_mem_imm(Alu::Sub, Mem(T0, 0), 1);
                self.asm.jump_if(Cond::Equal, exit);
            }
            self.translate(op);
            let last = self.after;
            self.end_instruction();
            word = last;
        }
    }

    /// Whether an instruction is the one of several at which tests leave the code.
    fn takes_turn(&self) -> bool {
        self.word % 7 == 5
    }

    fn begin_instruction(&mut self) {
        self.start = self.unwritten.intersection(&self.flow.live_in[self.word]);
        self.start_exit = None;
    }

    /// Forgets what nobody reads any more, and completes the slow cases of the instruction.
    fn end_instruction(&mut self) {
        // The last of several instructions that were translated at once.
        let mut dead = self.told;
        dead.subtract(&self.live_after());
        self.forget(&dead);
        self.complete_slows();
    }

    /// Slow cases come back with the homes as they are now.
    pub(super) fn complete_slows(&mut self) {
        if self.slows.last().is_none_or(|slow| slow.is_complete) {
            return;
        }
        let reloads = self.in_homes();
        for slow in self.slows.iter_mut().rev() {
            if slow.is_complete {
                break;
            }
            slow.reloads.clone_from(&reloads);
            slow.is_complete = true;
        }
    }

    /// Registers live behind the instruction, or the last of those translated at once.
    pub(super) fn live_after(&self) -> Registers {
        let mut word = self.word;
        loop {
            let next = word + Op::of(self.code.words[word]).first().words();
            if next >= self.after {
                return self.flow.live_out[word];
            }
            word = next;
        }
    }

    fn in_homes(&self) -> Vec<(usize, Ty)> {
        let known = self.told.iter().map(|register| (register, self.state[register]));
        known
            .filter(|(_, known)| known.home)
            .map(|(register, known)| (register, known.ty))
            .collect()
    }

    // --- state ---

    pub(super) fn known(&self, register: usize) -> Known {
        self.state[register]
    }

    pub(super) fn ty(&self, register: usize) -> Ty {
        self.state[register].ty
    }

    /// The type of a register, or what it was seen with, which a test makes sure of.
    pub(super) fn expected(&self, register: usize, seen: Seen) -> Ty {
        match self.state[register].ty {
            Ty::Any => Ty::guess(seen),
            ty => ty,
        }
    }

    pub(super) fn memory(register: usize) -> Mem {
        Mem(WINDOW, register as i32 * 16)
    }

    pub(super) fn payload(register: usize) -> Mem {
        Mem(WINDOW, register as i32 * 16 + 8)
    }

    fn weight(&self) -> u64 {
        8_u64.pow(self.depth.min(6))
    }

    pub(super) fn gpr(&mut self, register: usize) -> Option<Gpr> {
        self.wants_gpr[register] += self.weight();
        self.homes.gpr[register]
    }

    pub(super) fn fpr(&mut self, register: usize) -> Option<Fpr> {
        self.wants_fpr[register] += self.weight();
        self.homes.fpr[register]
    }

    /// Registers of a set whose value is in a home alone.
    fn dirty(&self, live: &Registers) -> Vec<Flush> {
        let flush = |register: usize| Flush {
            register,
            ty: self.state[register].ty,
        };
        self.unwritten.intersection(live).iter().map(flush).collect()
    }

    fn write(&mut self, flushes: &[Flush]) {
        for &Flush { register, ty } in flushes {
            let place = Self::memory(register);
            if let Some(tag) = ty.tag() {
                self.asm.store8_imm(place, tag);
            }
            match ty {
                Ty::Int | Ty::Bool => {
                    if let Some(home) = self.homes.gpr[register] {
                        self.asm.store(place.offset(8), home);
                    }
                }
                Ty::Float => {
                    if let Some(home) = self.homes.fpr[register] {
                        self.asm.store_double(place.offset(8), home);
                    }
                }
                _ => {}
            }
        }
    }

    fn read_home(&mut self, register: usize, ty: Ty) {
        if ty == Ty::Float {
            if let Some(home) = self.homes.fpr[register] {
                self.asm.load_double(home, Self::payload(register));
            }
        } else if let Some(home) = self.homes.gpr[register] {
            if ty == Ty::Bool {
                self.asm.load8(home, Self::payload(register));
            } else {
                self.asm.load(home, Self::payload(register));
            }
        }
    }

    fn has_home(&self, register: usize, ty: Ty) -> bool {
        match ty {
            Ty::Any | Ty::Null => false,
            Ty::Float => self.homes.fpr[register].is_some(),
            _ => self.homes.gpr[register].is_some(),
        }
    }

    /// Writes to memory whatever only homes hold and something may look at.
    pub(super) fn flush_all(&mut self) {
        let mut live = self.flow.live_in[self.word];
        live.extend(&self.live_after());
        let flushes = self.dirty(&live);
        self.write(&flushes);
        for flush in flushes {
            let mut known = self.state[flush.register];
            known.mem = true;
            self.set(flush.register, known);
        }
    }

    /// Homes after a call of the runtime.
    pub(super) fn forget_homes(&mut self, all: bool) {
        for register in self.told.iter() {
            let mut known = self.state[register];
            if !known.home {
                continue;
            }
            let is_kept = !all
                && known.ty != Ty::Float
                && self.homes.gpr[register].is_some_and(|home| GPR_HOMES[..KEPT].contains(&home));
            if !is_kept {
                debug_assert!(known.mem, "homes are forgotten behind a flush");
                known.home = false;
                self.set(register, known);
            }
        }
    }

    /// Registers that something else has written.
    pub(super) fn forget(&mut self, registers: &Registers) {
        for register in self.told.intersection(registers).iter() {
            self.set(register, UNKNOWN);
        }
    }

    pub(super) fn known_all(&self) -> Vec<Known> {
        self.state.clone()
    }

    pub(super) fn set_all(&mut self, state: &[Known]) {
        for (register, &known) in state.iter().enumerate() {
            self.set(register, known);
        }
    }

    pub(super) fn set(&mut self, register: usize, known: Known) {
        self.state[register] = known;
        if known == UNKNOWN {
            self.told.remove(register);
        } else {
            self.told.insert(register);
        }
        if known.mem {
            self.unwritten.remove(register);
        } else {
            self.unwritten.insert(register);
        }
    }

    /// The register holds a value that is in memory, and nowhere else.
    pub(super) fn set_in_memory(&mut self, register: usize, ty: Ty) {
        let known = Known {
            ty,
            home: false,
            mem: true,
        };
        self.set(register, known);
    }

    /// The register holds null, which is not in memory yet.
    pub(super) fn set_null(&mut self, register: usize) {
        let known = Known {
            ty: Ty::Null,
            home: false,
            mem: false,
        };
        self.set(register, known);
    }

    // --- tests ---

    /// The exit of the instruction being translated, for a test of what was taken for granted.
    pub(super) fn exit(&mut self) -> Label {
        if let Some(label) = self.start_exit {
            return label;
        }
        let label = self.exit_from_start(Why::Wrong);
        self.start_exit = Some(label);
        label
    }

    /// What an exit writes is what only homes hold when the instruction begins; nothing of that changes before the last
    /// test.
    fn exit_from_start(&mut self, why: Why) -> Label {
        debug_assert!(
            self.start.intersection(&self.unwritten) == self.start,
            "an exit is asked for before the first effect"
        );
        self.new_exit(self.word, self.start, why)
    }

    /// An exit at a word, which writes those of some registers whose values are in homes alone.
    fn new_exit(&mut self, word: usize, registers: Registers, why: Why) -> Label {
        let label = self.asm.label();
        if self.pass == Pass::Last {
            let flushes = self.dirty(&registers);
            self.exits.push(Exit {
                label,
                word,
                flushes,
                why,
            });
        }
        label
    }

    /// An exit at a word to which the present state leads, with everything of interest in memory.
    pub(super) fn exit_at(&mut self, word: usize, why: Why) -> Label {
        self.new_exit(word, Registers::default(), why)
    }

    /// An exit of this instruction that says nothing about what was taken for granted.
    pub(super) fn plain_exit(&mut self) -> Label {
        self.exit_from_start(Why::Ordinary)
    }

    /// Control never goes on: what was taken for granted cannot be.
    pub(super) fn exit_always(&mut self) {
        let exit = self.exit();
        self.asm.jump(exit);
        self.reachable = false;
    }

    /// Makes sure that a register holds a value of a type, and says so. False if it cannot.
    pub(super) fn need(&mut self, register: usize, ty: Ty) -> bool {
        let known = self.state[register];
        if known.ty == ty {
            return true;
        }
        if known.ty != Ty::Any {
            self.exit_always();
            return false;
        }
        let exit = self.exit();
        self.test_memory(register, ty, exit);
        self.set_in_memory(register, ty);
        true
    }

    /// Jumps unless the value in memory is of a type.
    fn test_memory(&mut self, register: usize, ty: Ty, otherwise: Label) {
        let Some(tag) = ty.tag() else { return };
        self.asm.cmp8_imm(Self::memory(register), tag);
        self.asm.jump_if(Cond::NotEqual, otherwise);
        if let Ty::Instance(shape) = ty {
            self.asm.load(T0, Self::payload(register));
            self.asm
                .alu32_mem_imm(Alu::Cmp, Mem(T0, offsets::SHAPE), shape as i32);
            self.asm.jump_if(Cond::NotEqual, otherwise);
        }
    }

    /// The payload of a register that is known to be an int or a truth value.
    pub(super) fn int(&mut self, register: usize) -> Src {
        let home = self.gpr(register);
        let known = self.state[register];
        match home {
            Some(home) => {
                if !known.home {
                    self.read_home(register, known.ty);
                    self.set(register, Known { home: true, ..known });
                }
                Src::Reg(home)
            }
            None => Src::Mem(Self::payload(register)),
        }
    }

    /// The address in a register of a known type: its home, or the register given.
    pub(super) fn pointer(&mut self, register: usize, scratch: Gpr) -> Gpr {
        match self.int(register) {
            Src::Reg(home) => home,
            _ => {
                self.asm.load(scratch, Self::payload(register));
                scratch
            }
        }
    }

    /// Brings an int operand into a machine register.
    pub(super) fn bring(&mut self, to: Gpr, from: Src) {
        match from {
            Src::Reg(from) => self.asm.mov(to, from),
            Src::Mem(from) => self.asm.load(to, from),
            Src::Imm(value) => self.asm.mov_imm(to, value),
        }
    }

    pub(super) fn alu(&mut self, op: Alu, to: Gpr, from: Src) {
        match from {
            Src::Reg(from) => self.asm.alu(op, to, from),
            Src::Mem(from) => self.asm.alu_mem(op, to, from),
            Src::Imm(value) => match i32::try_from(value) {
                Ok(value) => self.asm.alu_imm(op, to, value),
                Err(_) => {
                    self.asm.mov_imm(T2, value);
                    self.asm.alu(op, to, T2);
                }
            },
        }
    }

    /// The double in a register of type float: its home, or the register given.
    pub(super) fn double(&mut self, register: usize, scratch: Fpr) -> Fpr {
        let home = self.fpr(register);
        let known = self.state[register];
        match home {
            Some(home) => {
                if !known.home {
                    self.read_home(register, known.ty);
                    self.set(register, Known { home: true, ..known });
                }
                home
            }
            None => {
                self.asm.load_double(scratch, Self::payload(register));
                scratch
            }
        }
    }

    // --- results ---

    /// A register gets the int, truth value or address in a machine register. For an address, memory has it already.
    pub(super) fn define(&mut self, register: usize, ty: Ty, from: Gpr) {
        match self.gpr(register) {
            Some(home) => {
                self.asm.mov(home, from);
                self.set_at_home(register, ty);
            }
            None => {
                if ty.is_plain() {
                    self.asm.store(Self::payload(register), from);
                }
                self.define_in_memory(register, ty);
            }
        }
    }

    pub(super) fn define_int(&mut self, register: usize, value: i64) {
        let to = self.homes.gpr[register].unwrap_or(T0);
        self.asm.mov_imm(to, value);
        self.define(register, Ty::Int, to);
    }

    pub(super) fn define_double(&mut self, register: usize, from: Fpr) {
        match self.fpr(register) {
            Some(home) => {
                self.asm.move_double(home, from);
                self.set_at_home(register, Ty::Float);
            }
            None => {
                self.asm.store_double(Self::payload(register), from);
                self.define_in_memory(register, Ty::Float);
            }
        }
    }

    /// The register's home has its value; of one that is counted, memory has it too.
    pub(super) fn set_at_home(&mut self, register: usize, ty: Ty) {
        let known = Known {
            ty,
            home: true,
            mem: !ty.is_plain(),
        };
        self.set(register, known);
    }

    /// The register's payload has been written to memory; of one that is counted, the tag too.
    fn define_in_memory(&mut self, register: usize, ty: Ty) {
        if let (true, Some(tag)) = (ty.is_plain(), ty.tag()) {
            self.asm.store8_imm(Self::memory(register), tag);
        }
        self.set_in_memory(register, ty);
    }

    // --- slow cases ---

    /// Where a case out of line begins; it comes back to the second label.
    pub(super) fn slow(&mut self, kind: SlowKind) -> (Label, Label) {
        let (label, join) = (self.asm.label(), self.asm.label());
        if self.pass != Pass::Last {
            return (label, join);
        }
        let mut live = self.live_after();
        live.extend(&self.flow.live_in[self.word]);
        let flushes = self.dirty(&live);
        self.slows.push(Slow {
            label,
            join,
            word: self.word,
            flushes,
            reloads: Vec::new(),
            kind,
            is_complete: false,
        });
        (label, join)
    }

    /// The same where the interpreter executes the instruction instead; see [`SlowKind::Step`].
    pub(super) fn slow_step(&mut self, result: Option<(usize, Ty)>) -> (Label, Label) {
        let next = self.after;
        self.slow(SlowKind::Step { next, result })
    }

    /// Before a call of the runtime: the machine knows where it is.
    pub(super) fn say_where(&mut self, word: usize) {
        self.asm.store(Mem(VM, offsets::fuel()), FUEL);
        self.asm.mov_imm(T0, self.address_of(word));
        self.asm.store(Mem(VM, offsets::ip()), T0);
        self.asm.store(Mem(VM, offsets::base()), WINDOW);
    }

    pub(super) fn address_of(&self, word: usize) -> i64 {
        self.code.words.as_ptr().wrapping_add(word) as i64
    }

    /// Calls a function of the runtime with the machine as its first argument.
    pub(super) fn call_runtime(&mut self, function: usize) {
        self.asm.call_function(function as i64);
        self.asm.load(FUEL, Mem(VM, offsets::fuel()));
    }

    fn emit_exits(&mut self) {
        for number in 0..self.exits.len() {
            let exit = &self.exits[number];
            if self.asm.is_bound(exit.label) {
                continue;
            }
            let (label, word, why) = (exit.label, exit.word, exit.why);
            let flushes = exit.flushes.clone();
            self.asm.bind(label);
            self.write(&flushes);
            self.asm.mov_imm(T0, self.address_of(word));
            self.asm.store(Mem(VM, offsets::ip()), T0);
            self.asm.store(Mem(VM, offsets::base()), WINDOW);
            let payload = if why == Why::Ordinary {
                0
            } else {
                number as i64 + 1
            };
            self.asm.mov_imm(T2, payload);
            let leave = self.leave;
            self.asm.jump(leave);
        }
    }

    fn emit_slows(&mut self) {
        let slows = std::mem::take(&mut self.slows);
        for slow in &slows {
            debug_assert!(slow.is_complete);
            self.asm.bind(slow.label);
            self.write(&slow.flushes);
            let runtime = super::runtime::table();
            match slow.kind {
                SlowKind::Step { next, result } => {
                    self.say_where(slow.word);
                    self.call_runtime(runtime.step);
                    let distance = next as i64 - slow.word as i64;
                    self.asm.alu_imm(Alu::Cmp, T0, distance as i32);
                    let gone = self.gone();
                    self.asm.jump_if(Cond::NotEqual, gone);
                    if let Some((register, ty)) = result
                        && ty != Ty::Any
                    {
                        let exit = self.exit_at(next, Why::WrongResult(slow.word));
                        self.test_memory(register, ty, exit);
                    }
                }
                SlowKind::Refuel(target) => {
                    self.say_where(slow.word);
                    self.asm.mov_imm(ARGUMENT, self.address_of(target));
                    self.call_runtime(runtime.refuel);
                    self.asm.test(T0, T0);
                    let gone = self.gone();
                    self.asm.jump_if(Cond::NotEqual, gone);
                }
                SlowKind::Retain { keeps_t1 } => {
                    self.asm.alu32_mem_imm(Alu::Sub, Mem(T2, offsets::COUNT), 1);
                    self.asm.store(Mem(VM, offsets::fuel()), FUEL);
                    self.asm.mov(ARGUMENT, T2);
                    if keeps_t1 {
                        self.asm.push_pair(T1, T1);
                    }
                    self.call_runtime(runtime.retain);
                    if keeps_t1 {
                        self.asm.pop_pair(T1, T1);
                    }
                }
                SlowKind::Release => {
                    self.asm.alu32_mem_imm(Alu::Add, Mem(T0, offsets::COUNT), 1);
                    self.asm.store(Mem(VM, offsets::fuel()), FUEL);
                    self.asm.mov(ARGUMENT, T0);
                    self.call_runtime(runtime.release);
                }
            }
            for &(register, ty) in &slow.reloads {
                self.read_home(register, ty);
            }
            self.asm.jump(slow.join);
        }
    }

    /// Where control leaves after the interpreter has gone elsewhere: it has said where.
    pub(super) fn gone(&mut self) -> Label {
        let label = self.gone.unwrap_or_else(|| self.cold(Cold::Gone));
        self.gone = Some(label);
        label
    }

    /// Where control leaves that a callee has left already: its answer is passed on.
    pub(super) fn pass_on(&mut self) -> Label {
        let label = self.pass_on.unwrap_or_else(|| self.cold(Cold::PassOn));
        self.pass_on = Some(label);
        label
    }

    /// Code out of line, at a label.
    pub(super) fn cold(&mut self, cold: Cold) -> Label {
        let label = self.asm.label();
        if self.pass == Pass::Last {
            self.colds.push((label, cold));
        }
        label
    }

    fn emit_colds(&mut self) {
        for (label, cold) in std::mem::take(&mut self.colds) {
            self.asm.bind(label);
            match cold {
                Cold::Gone => {
                    self.asm.mov_imm(T2, crate::vm::GONE as i64);
                    let leave = self.leave;
                    self.asm.jump(leave);
                }
                Cold::PassOn => {
                    self.asm.leave_function();
                }
                Cold::WrongResult { to, word, next } => {
                    self.asm.store8(Self::memory(to), T0);
                    self.asm.store(Self::payload(to), T2);
                    let exit = self.exit_at(next, Why::WrongResult(word));
                    self.asm.jump(exit);
                }
                Cold::ReleaseCallee { window, join } => {
                    self.asm.push_pair(T0, T2);
                    self.asm.store(Mem(VM, offsets::fuel()), FUEL);
                    self.asm.lea(ARGUMENT, window);
                    self.call_runtime(super::runtime::table().release_callee);
                    self.asm.pop_pair(T0, T2);
                    self.asm.jump(join);
                }
            }
        }
    }

    // --- jumps ---

    /// What the block takes for granted.
    fn entry_state(&mut self, index: usize) -> Rc<[Known]> {
        if let Some(state) = &self.entry_states[index] {
            return state.clone();
        }
        let start = self.flow.blocks[index].start;
        let is_head = self.flow.blocks[index].is_loop_head;
        let seen = self.profile.at_leader(start);
        let registers = self.state.len();
        let mut state = vec![UNKNOWN; registers];
        let live = self.flow.live_in[start];
        for register in live.iter().filter(|&register| register < registers) {
            let seen = seen
                .and_then(|seen| seen.get(register).copied())
                .unwrap_or_default();
            let guess = Ty::guess(seen);
            let brought = |incoming: &Option<Vec<Incoming>>| incoming.as_ref().map(|all| all[register]);
            let (last, now) = (&self.last_incoming[index], &self.incoming[index]);
            let incoming = match self.pass {
                Pass::Last => brought(last),
                // Of jumps from behind, the last pass knows.
                Pass::Trial if is_head => match (brought(last), brought(now)) {
                    (Some(last), Some(now)) => Some(last.with(now)),
                    (last, now) => last.or(now),
                },
                Pass::Trial => brought(now),
            };
            let ty = match incoming.and_then(|incoming| incoming.ty) {
                _ if incoming.is_some_and(|incoming| incoming.differs) => Ty::Any,
                None => guess,
                Some(ty) if seen.is_empty() || guess == ty => ty,
                Some(_) => Ty::Any,
            };
            if ty == Ty::Any || ty == Ty::Null {
                continue;
            }
            let home = self.has_home(register, ty);
            let mem = incoming.is_none_or(|incoming| incoming.mem);
            state[register] = Known {
                ty,
                home,
                mem: mem || !home || !ty.is_plain(),
            };
        }
        let state: Rc<[Known]> = state.into();
        self.entry_states[index] = Some(state.clone());
        state
    }

    /// Makes true what the block at a word takes for granted. The state stays as it is for whoever does not jump.
    pub(super) fn edge(&mut self, target: usize) {
        let Some(index) = self.flow.block_at(target) else {
            // Behind the last instruction, where nothing goes.
            let exit = self.exit();
            self.asm.jump(exit);
            return;
        };
        if let Some(exit) = self.cold_exit(index) {
            self.asm.jump(exit);
            return;
        }
        let live = self.flow.live_in[target];
        let is_backward = target <= self.word && self.after > self.word;
        let keeps_memory = self.flow.blocks[index].is_loop_head && !is_backward;
        let registers = self.state.len();
        let in_frame = |register: &usize| *register < registers;
        let incoming = self.incoming[index].get_or_insert_with(|| vec![Incoming::NONE; registers]);
        for register in live.iter().filter(in_frame) {
            incoming[register].add(self.state[register], keeps_memory);
        }
        if self.pass == Pass::Trial {
            return;
        }
        let wanted = self.entry_state(index);
        // What the block looks for in memory, and what it takes to be of another type.
        let unwritten = self.unwritten.intersection(&live);
        let mut rest = Registers::default();
        let mut flushes = Vec::new();
        for register in unwritten.iter() {
            let (ty, then) = (self.state[register].ty, wanted[register]);
            if then.mem || then.ty != ty {
                flushes.push(Flush { register, ty });
            } else {
                rest.insert(register);
            }
        }
        self.write(&flushes);
        let mut exit = None;
        for register in live.iter().filter(in_frame) {
            let (now, then) = (self.state[register].ty, wanted[register].ty);
            if then == Ty::Any || now == then {
                continue;
            }
            let label = exit.unwrap_or_else(|| self.new_exit(target, rest, Why::Wrong));
            exit = Some(label);
            if now == Ty::Any {
                self.test_memory(register, then, label);
            } else {
                // Never what the block takes it for.
                self.asm.jump(label);
            }
        }
        for register in live.iter().filter(in_frame) {
            let (now, then) = (self.state[register], wanted[register]);
            if then.home && !(now.home && now.ty == then.ty) {
                self.read_home(register, then.ty);
            }
        }
    }

    /// Jumps to a block.
    pub(super) fn jump_to(&mut self, target: usize) {
        self.edge(target);
        match self.flow.block_at(target) {
            Some(index) if self.left_out[index] => {}
            Some(index) => {
                let label = self.labels[index];
                self.asm.jump(label);
            }
            None => self.exit_always(),
        }
        self.reachable = false;
    }

    /// Where code is left for a block, in the present state, if the block is left out.
    fn cold_exit(&mut self, index: usize) -> Option<Label> {
        if !self.left_out[index] {
            return None;
        }
        let start = self.flow.blocks[index].start;
        let why = if self.profile.sites[start].count == 0 {
            Why::Cold
        } else {
            Why::Ordinary
        };
        Some(self.new_exit(start, self.flow.live_in[start], why))
    }

    /// The part of a jump that is taken: spends fuel, and goes on at a word.
    pub(super) fn spend_and_jump(&mut self, target: usize) {
        self.asm.alu_imm(Alu::Sub, FUEL, 1);
        let (label, join) = (self.asm.label(), self.asm.label());
        if self.pass == Pass::Last {
            // What is live at the target is what counts.
            let flushes = self.dirty(&self.flow.live_out[self.word]);
            let reloads = self.in_homes();
            self.slows.push(Slow {
                label,
                join,
                word: self.word,
                flushes,
                reloads,
                kind: SlowKind::Refuel(target),
                is_complete: true,
            });
        }
        self.asm.jump_if(Cond::Negative, label);
        self.asm.bind(join);
        self.jump_to(target);
    }

    /// Goes to `target` on a condition, spending fuel, or on at the next instruction.
    pub(super) fn branch(&mut self, cond: Cond, target: usize, spends: bool) {
        if !spends
            && let Some(index) = self.flow.block_at(target)
            && let Some(exit) = self.cold_exit(index)
        {
            self.asm.jump_if(cond, exit);
            return;
        }
        let past = self.asm.label();
        self.asm.jump_if(cond.negated(), past);
        if spends {
            self.spend_and_jump(target);
        } else {
            self.jump_to(target);
        }
        self.asm.bind(past);
        self.reachable = true;
    }

    /// The interpreter executes the instruction; control goes on wherever it does.
    pub(super) fn step(&mut self) {
        let word = self.word;
        let op = Op::of(self.code.words[word]).first();
        if let Some(function) = function_for(op)
            && !(self.is_entry(word) && reads_operation(op))
        {
            self.call_for(function);
            return;
        }
        self.call_instruction(super::runtime::table().step);
        let mut targets = match super::effects::successors(self.code, word) {
            Successors::Next => Vec::new(),
            Successors::Jump(target) => vec![target],
            Successors::Branch(targets) => targets,
            Successors::None => {
                let gone = self.gone();
                self.asm.jump(gone);
                self.reachable = false;
                return;
            }
        };
        targets.retain(|&target| self.flow.block_at(target).is_some());
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            if target == self.after {
                continue;
            }
            let past = self.asm.label();
            self.asm
                .alu_imm(Alu::Cmp, T0, (target as i64 - word as i64) as i32);
            self.asm.jump_if(Cond::NotEqual, past);
            self.jump_to(target);
            self.asm.bind(past);
            self.reachable = true;
        }
        self.asm
            .alu_imm(Alu::Cmp, T0, (self.after as i64 - word as i64) as i32);
        let gone = self.gone();
        self.asm.jump_if(Cond::NotEqual, gone);
    }

    /// Calls a function that executes the instruction.
    fn call_instruction(&mut self, function: usize) {
        self.flush_all();
        self.say_where(self.word);
        self.call_runtime(function);
        self.forget_homes(false);
        let clobbered = clobbers(self.code, self.word);
        self.forget(&clobbered);
    }

    /// Whether the word at which an instruction stands is another one's while the code can be entered.
    fn is_entry(&self, word: usize) -> bool {
        word == 0
            || self
                .flow
                .block_at(word)
                .is_some_and(|index| self.flow.blocks[index].is_loop_head)
    }

    /// A function executes the instruction.
    fn call_for(&mut self, function: usize) {
        let word = self.word;
        self.call_instruction(function);
        if let Successors::Branch(targets) = super::effects::successors(self.code, word) {
            let past = self.asm.label();
            self.asm.alu_imm(Alu::Cmp, T0, TAKEN as i32);
            self.asm.jump_if(Cond::NotEqual, past);
            if spends_fuel(Op::of(self.code.words[word]).first()) {
                self.spend_and_jump(targets[0]);
            } else {
                self.jump_to(targets[0]);
            }
            self.asm.bind(past);
            self.reachable = true;
        }
        self.asm.test(T0, T0);
        let gone = self.gone();
        self.asm.jump_if(Cond::NotEqual, gone);
    }

    /// Whether a jump leads to a word.
    pub(super) fn is_leader(&self, word: usize) -> bool {
        self.flow.block_at(word).is_some()
    }
}
