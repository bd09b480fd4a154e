//! From bytecode to machine code: what is known of each register while a function is translated, where its value is,
//! and how control leaves the code.
//!
//! Machine registers
//! - `r15` the machine, `rbx` the frame's registers, `r14` the fuel. `rax`, `rcx`, `rdx`, `xmm0`, `xmm1` belong to
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

use aether_value::{Code, tag};

use super::effects::{Registers, Successors, clobbers, spends_fuel};
use super::flow::Flow;
use super::offsets;
use super::profile::{Profile, Seen};
use super::x64::{
    Alu, Assembler, Cond, Gpr, Label, Mem, R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI,
    RDX, RSI, RSP, Xmm,
};
use crate::bytecode::Op;
use crate::vm::native::MachineFacts;
use crate::vm::native_calls::{TAKEN, function_for, reads_operation};

/// Homes for payloads, those that calls of the runtime keep first.
const GPR_HOMES: [Gpr; 9] = [RBP, R12, R13, RSI, RDI, R8, R9, R10, R11];
/// How many of them calls keep.
const KEPT: usize = 3;
/// Homes for doubles: `xmm2` to `xmm15`.
const XMM_HOMES: std::ops::Range<u8> = 2..16;
/// Most passes over a function.
const MOST_PASSES: usize = 8;
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
#[derive(Clone, Copy, Debug)]
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
    /// Whether it means that something was taken for granted that is not so.
    counted: bool,
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
    /// Adds a count to the object in `rdx`, which is stuck or watched.
    Retain { keeps_rcx: bool },
    /// Releases the object in `rax`, the last count of which may be given back.
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
    WrongResult { to: usize, next: usize },
    /// The frame of a callee owned it; the result in `rax` and `rdx` is kept.
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
    pub(super) exits: Vec<usize>,
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
}

/// Homes of registers, by number.
#[derive(Clone)]
struct Homes {
    gpr: Vec<Option<Gpr>>,
    xmm: Vec<Option<Xmm>>,
}

pub(super) struct Emitter<'a> {
    pub(super) code: &'a Code,
    pub(super) profile: &'a Profile,
    pub(super) facts: &'a Facts<'a>,
    pub(super) asm: Assembler,
    flow: &'a Flow,
    homes: Homes,
    state: Vec<Known>,
    /// The instruction being translated, and the one after it.
    pub(super) word: usize,
    pub(super) after: usize,
    depth: u32,
    /// What an exit of it has to write.
    start: Vec<Flush>,
    start_exit: Option<Label>,
    labels: Vec<Label>,
    entry_states: Vec<Option<Vec<Known>>>,
    incoming: Vec<Option<Vec<Incoming>>>,
    last_incoming: Vec<Option<Vec<Incoming>>>,
    pass: usize,
    exits: Vec<Exit>,
    slows: Vec<Slow>,
    colds: Vec<(Label, Cold)>,
    gone: Option<Label>,
    pass_on: Option<Label>,
    leave: Label,
    wants_gpr: Vec<u64>,
    wants_xmm: Vec<u64>,
    places: Vec<(usize, usize)>,
    /// Whether control comes to the next instruction.
    pub(super) reachable: bool,
}

/// Compiles a function. None if there is something about it that is not worth it.
pub(super) fn compile(code: &Code, profile: &Profile, facts: &Facts) -> Option<Compiled> {
    let flow = Flow::of(code)?;
    let registers = code.registers as usize + 1;
    let mut homes = Homes {
        gpr: vec![None; registers],
        xmm: vec![None; registers],
    };
    let mut incoming: Vec<Option<Vec<Incoming>>> = vec![None; flow.blocks.len()];
    let interference = interference(code, &flow, registers);
    let mut pass = 0;
    loop {
        let mut emitter = Emitter::new(code, profile, facts, &flow, homes.clone(), incoming, pass);
        emitter.function();
        let is_settled = pass > 1 && emitter.incoming == emitter.last_incoming;
        if emitter.asm.position() > MOST_BYTES {
            return None;
        }
        pass += 1;
        if is_settled || pass == MOST_PASSES {
            return emitter.finish();
        }
        if pass <= 2 {
            homes = emitter.assign_homes(&interference);
        }
        incoming = emitter.incoming;
    }
}

/// For each register, those that must not share its home.
fn interference(code: &Code, flow: &Flow, registers: usize) -> Vec<Registers> {
    let mut found = vec![Registers::default(); registers];
    let mut word = 0;
    while word < code.words.len() {
        let live = [flow.live_in[word], flow.live_out[word]];
        let made = clobbers(code, word);
        for register in 0..registers {
            for live in &live {
                if live.contains(register) {
                    found[register].extend(live);
                }
            }
            if made.contains(register) {
                found[register].extend(&live[1]);
                for (other, set) in found.iter_mut().enumerate() {
                    if live[1].contains(other) {
                        set.insert(register);
                    }
                }
            }
        }
        word += Op::of(code.words[word]).first().words();
    }
    found
}

impl<'a> Emitter<'a> {
    fn new(
        code: &'a Code,
        profile: &'a Profile,
        facts: &'a Facts<'a>,
        flow: &'a Flow,
        homes: Homes,
        last_incoming: Vec<Option<Vec<Incoming>>>,
        pass: usize,
    ) -> Self {
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
            state: vec![UNKNOWN; registers],
            word: 0,
            after: 0,
            depth: 0,
            start: Vec::new(),
            start_exit: None,
            labels,
            entry_states: vec![None; flow.blocks.len()],
            incoming: vec![None; flow.blocks.len()],
            last_incoming,
            pass,
            exits: Vec::new(),
            slows: Vec::new(),
            colds: Vec::new(),
            gone: None,
            pass_on: None,
            leave,
            wants_gpr: vec![0; registers],
            wants_xmm: vec![0; registers],
            places: Vec::new(),
            reachable: false,
        }
    }

    /// Gives the homes to the registers that are used most.
    fn assign_homes(&self, interference: &[Registers]) -> Homes {
        let registers = self.homes.gpr.len();
        let mut homes = Homes {
            gpr: vec![None; registers],
            xmm: vec![None; registers],
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
        for register in by_weight(&self.wants_xmm) {
            let is_free = |&home: &u8| {
                !(0..registers).any(|other| {
                    homes.xmm[other] == Some(Xmm(home)) && interference[register].contains(other)
                })
            };
            homes.xmm[register] = XMM_HOMES.clone().find(is_free).map(Xmm);
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
            self.asm.alu_imm(Alu::Sub, RSP, 8);
            self.word = word;
            self.after = word;
            self.begin_instruction();
            self.state.fill(UNKNOWN);
            self.start.clear();
            self.start_exit = None;
            self.edge(word);
            self.asm.jump(self.labels[index]);
            entries.push((word, label));
        }
        self.emit_slows();
        self.emit_colds();
        self.emit_exits();
        let labels = self.labels.clone();
        for (index, &label) in labels.iter().enumerate() {
            if self.asm.offset_of(label).is_none() {
                // A block that only this pass has found a way to is left to the interpreter.
                self.asm.bind(label);
                if let Some(state) = self.entry_states[index].take() {
                    self.state = state;
                    let word = self.flow.blocks[index].start;
                    let flushes = self.dirty(&self.flow.live_in[word]);
                    self.write(&flushes);
                    let exit = self.exit_at(word, false);
                    self.asm.jump(exit);
                }
            }
        }
        self.emit_exits();
        let leave = self.leave;
        self.asm.bind(leave);
        self.asm.mov_imm(RAX, super::LEFT);
        self.asm.alu_imm(Alu::Add, RSP, 8);
        self.asm.ret();
        let exits = self.exits.iter().map(|exit| exit.word).collect();
        let places = self.places;
        let (bytes, labels) = self.asm.finish()?;
        let entries: Vec<Entry> = entries
            .into_iter()
            .filter_map(|(word, label)| {
                Some(Entry {
                    word,
                    offset: Assembler::resolved(&labels, label)?,
                })
            })
            .collect();
        let direct = entries.iter().find(|entry| entry.word == 0)?.offset;
        Some(Compiled {
            bytes,
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
        let is_head = index == 0 || self.flow.blocks[index].is_loop_head;
        let is_jumped_to = match &self.last_incoming[index] {
            Some(_) => true,
            None => self.pass == 0 && self.handler_begins(start).is_none(),
        };
        let is_known = self.entry_states[index].is_some() || is_head || is_jumped_to;
        if !self.reachable && !is_known {
            return;
        }
        if self.reachable {
            // Control comes from the block before.
            self.word = start;
            self.after = start;
            self.begin_instruction();
            self.edge(start);
        }
        self.state = self.entry_state(index);
        let label = self.labels[index];
        self.asm.bind(label);
        self.reachable = true;
        let mut word = start;
        while word < end && self.reachable {
            let op = Op::of(self.code.words[word]).first();
            self.word = word;
            self.after = word + op.words();
            self.places.push((self.asm.position(), word));
            self.begin_instruction();
            if self.facts.exits_everywhere && self.takes_turn() {
                let exit = self.exit();
                self.asm.jump(exit);
                self.reachable = false;
                break;
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

    fn handler_begins(&self, word: usize) -> Option<usize> {
        self.code
            .handlers
            .iter()
            .position(|handler| handler.target as usize == word)
    }

    fn begin_instruction(&mut self) {
        let live = self.flow.live_in[self.word];
        self.start = self.dirty(&live);
        self.start_exit = None;
    }

    /// Forgets what nobody reads any more, and completes the slow cases of the instruction.
    fn end_instruction(&mut self) {
        // The last of several instructions that were translated at once.
        let live = self.live_after();
        for register in 0..self.state.len() {
            if !live.contains(register) {
                self.state[register] = UNKNOWN;
            }
        }
        self.complete_slows();
    }

    /// Slow cases come back with the homes as they are now.
    pub(super) fn complete_slows(&mut self) {
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
        let known = self.state.iter().enumerate();
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
        Mem(RBX, register as i32 * 16)
    }

    pub(super) fn payload(register: usize) -> Mem {
        Mem(RBX, register as i32 * 16 + 8)
    }

    fn weight(&self) -> u64 {
        8_u64.pow(self.depth.min(6))
    }

    pub(super) fn gpr(&mut self, register: usize) -> Option<Gpr> {
        self.wants_gpr[register] += self.weight();
        self.homes.gpr[register]
    }

    pub(super) fn xmm(&mut self, register: usize) -> Option<Xmm> {
        self.wants_xmm[register] += self.weight();
        self.homes.xmm[register]
    }

    /// Registers of a set whose value is in a home alone.
    fn dirty(&self, live: &Registers) -> Vec<Flush> {
        let known = self.state.iter().enumerate();
        known
            .filter(|(register, known)| !known.mem && live.contains(*register))
            .map(|(register, known)| Flush {
                register,
                ty: known.ty,
            })
            .collect()
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
                    if let Some(home) = self.homes.xmm[register] {
                        self.asm.store_double(place.offset(8), home);
                    }
                }
                _ => {}
            }
        }
    }

    fn read_home(&mut self, register: usize, ty: Ty) {
        if ty == Ty::Float {
            if let Some(home) = self.homes.xmm[register] {
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
            Ty::Float => self.homes.xmm[register].is_some(),
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
            self.state[flush.register].mem = true;
        }
    }

    /// Homes after a call of the runtime.
    pub(super) fn forget_homes(&mut self, all: bool) {
        for register in 0..self.state.len() {
            let known = &mut self.state[register];
            if !known.home {
                continue;
            }
            let is_kept = !all
                && known.ty != Ty::Float
                && self.homes.gpr[register].is_some_and(|home| GPR_HOMES[..KEPT].contains(&home));
            if !is_kept {
                debug_assert!(known.mem, "homes are forgotten behind a flush");
                known.home = false;
            }
        }
    }

    /// Registers that something else has written.
    pub(super) fn forget(&mut self, registers: &Registers) {
        for register in 0..self.state.len() {
            if registers.contains(register) {
                self.state[register] = UNKNOWN;
            }
        }
    }

    pub(super) fn known_all(&self) -> Vec<Known> {
        self.state.clone()
    }

    pub(super) fn restore(&mut self, state: Vec<Known>) {
        self.state = state;
    }

    pub(super) fn set(&mut self, register: usize, known: Known) {
        self.state[register] = known;
    }

    /// The register holds a value that is in memory, and nowhere else.
    pub(super) fn set_in_memory(&mut self, register: usize, ty: Ty) {
        self.state[register] = Known {
            ty,
            home: false,
            mem: true,
        };
    }

    /// The register holds null, which is not in memory yet.
    pub(super) fn set_null(&mut self, register: usize) {
        self.state[register] = Known {
            ty: Ty::Null,
            home: false,
            mem: false,
        };
    }

    // --- tests ---

    /// The exit of the instruction being translated, for a test of what was taken for granted.
    pub(super) fn exit(&mut self) -> Label {
        if let Some(label) = self.start_exit {
            return label;
        }
        let label = self.new_exit(self.word, self.start.clone(), true);
        self.start_exit = Some(label);
        label
    }

    fn new_exit(&mut self, word: usize, flushes: Vec<Flush>, counted: bool) -> Label {
        let label = self.asm.label();
        self.exits.push(Exit {
            label,
            word,
            flushes,
            counted,
        });
        label
    }

    /// An exit at a word to which the present state leads, with everything of interest in memory.
    pub(super) fn exit_at(&mut self, word: usize, counted: bool) -> Label {
        self.new_exit(word, Vec::new(), counted)
    }

    /// An exit of this instruction that says nothing about what was taken for granted.
    pub(super) fn plain_exit(&mut self) -> Label {
        self.new_exit(self.word, self.start.clone(), false)
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
            self.asm.load(RAX, Self::payload(register));
            self.asm
                .alu32_mem_imm(Alu::Cmp, Mem(RAX, offsets::SHAPE), shape as i32);
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
                    self.state[register].home = true;
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
                    self.asm.mov_imm(RDX, value);
                    self.asm.alu(op, to, RDX);
                }
            },
        }
    }

    /// The double in a register of type float: its home, or the register given.
    pub(super) fn double(&mut self, register: usize, scratch: Xmm) -> Xmm {
        let home = self.xmm(register);
        let known = self.state[register];
        match home {
            Some(home) => {
                if !known.home {
                    self.read_home(register, known.ty);
                    self.state[register].home = true;
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
        let to = self.homes.gpr[register].unwrap_or(RAX);
        self.asm.mov_imm(to, value);
        self.define(register, Ty::Int, to);
    }

    pub(super) fn define_double(&mut self, register: usize, from: Xmm) {
        match self.xmm(register) {
            Some(home) => {
                self.asm.movsd(home, from);
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
        self.state[register] = Known {
            ty,
            home: true,
            mem: !ty.is_plain(),
        };
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
        self.asm.store(Mem(R15, offsets::fuel()), R14);
        self.asm.mov_imm(RAX, self.address_of(word));
        self.asm.store(Mem(R15, offsets::ip()), RAX);
        self.asm.store(Mem(R15, offsets::base()), RBX);
    }

    pub(super) fn address_of(&self, word: usize) -> i64 {
        self.code.words.as_ptr().wrapping_add(word) as i64
    }

    /// Calls a function of the runtime with the machine as its first argument.
    pub(super) fn call_runtime(&mut self, function: usize) {
        self.asm.mov(RDI, R15);
        self.asm.mov_imm(RAX, function as i64);
        self.asm.call(RAX);
        self.asm.load(R14, Mem(R15, offsets::fuel()));
    }

    fn emit_exits(&mut self) {
        for number in 0..self.exits.len() {
            let exit = &self.exits[number];
            if self.asm.offset_of(exit.label).is_some() {
                continue;
            }
            let (label, word, counted) = (exit.label, exit.word, exit.counted);
            let flushes = exit.flushes.clone();
            self.asm.bind(label);
            self.write(&flushes);
            self.asm.mov_imm(RAX, self.address_of(word));
            self.asm.store(Mem(R15, offsets::ip()), RAX);
            self.asm.store(Mem(R15, offsets::base()), RBX);
            self.asm.mov_imm(RDX, if counted { number as i64 + 1 } else { 0 });
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
                    self.asm.alu_imm(Alu::Cmp, RAX, distance as i32);
                    let gone = self.gone();
                    self.asm.jump_if(Cond::NotEqual, gone);
                    if let Some((register, ty)) = result
                        && ty != Ty::Any
                    {
                        let exit = self.exit_at(next, true);
                        self.test_memory(register, ty, exit);
                    }
                }
                SlowKind::Refuel(target) => {
                    self.say_where(slow.word);
                    self.asm.mov_imm(RSI, self.address_of(target));
                    self.call_runtime(runtime.refuel);
                    self.asm.test(RAX, RAX);
                    let gone = self.gone();
                    self.asm.jump_if(Cond::NotEqual, gone);
                }
                SlowKind::Retain { keeps_rcx } => {
                    self.asm.alu32_mem_imm(Alu::Sub, Mem(RDX, offsets::COUNT), 1);
                    self.asm.store(Mem(R15, offsets::fuel()), R14);
                    self.asm.mov(RSI, RDX);
                    if keeps_rcx {
                        // Twice, for the stack's alignment.
                        self.asm.push(RCX);
                        self.asm.push(RCX);
                    }
                    self.call_runtime(runtime.retain);
                    if keeps_rcx {
                        self.asm.pop(RCX);
                        self.asm.pop(RCX);
                    }
                }
                SlowKind::Release => {
                    self.asm.alu32_mem_imm(Alu::Add, Mem(RAX, offsets::COUNT), 1);
                    self.asm.store(Mem(R15, offsets::fuel()), R14);
                    self.asm.mov(RSI, RAX);
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
        self.colds.push((label, cold));
        label
    }

    fn emit_colds(&mut self) {
        for (label, cold) in std::mem::take(&mut self.colds) {
            self.asm.bind(label);
            match cold {
                Cold::Gone => {
                    self.asm.mov_imm(RDX, crate::vm::GONE as i64);
                    let leave = self.leave;
                    self.asm.jump(leave);
                }
                Cold::PassOn => {
                    self.asm.alu_imm(Alu::Add, RSP, 8);
                    self.asm.ret();
                }
                Cold::WrongResult { to, next } => {
                    self.asm.store8(Self::memory(to), RAX);
                    self.asm.store(Self::payload(to), RDX);
                    let exit = self.exit_at(next, true);
                    self.asm.jump(exit);
                }
                Cold::ReleaseCallee { window, join } => {
                    self.asm.push(RAX);
                    self.asm.push(RDX);
                    self.asm.store(Mem(R15, offsets::fuel()), R14);
                    self.asm.lea(RSI, window);
                    self.call_runtime(super::runtime::table().release_callee);
                    self.asm.pop(RDX);
                    self.asm.pop(RAX);
                    self.asm.jump(join);
                }
            }
        }
    }

    // --- jumps ---

    fn entry_state(&mut self, index: usize) -> Vec<Known> {
        if let Some(state) = &self.entry_states[index] {
            return state.clone();
        }
        let start = self.flow.blocks[index].start;
        let live = self.flow.live_in[start];
        let seen = self.profile.at_leader(start).map(<[Seen]>::to_vec);
        let mut state = vec![UNKNOWN; self.state.len()];
        for (register, known) in state.iter_mut().enumerate() {
            if !live.contains(register) {
                continue;
            }
            let seen = seen
                .as_ref()
                .and_then(|seen| seen.get(register).copied())
                .unwrap_or_default();
            let guess = Ty::guess(seen);
            let mut mem = true;
            let ty = match &self.last_incoming[index] {
                None => guess,
                Some(incoming) => {
                    let incoming = incoming[register];
                    mem = incoming.mem;
                    match incoming.ty {
                        _ if incoming.differs => Ty::Any,
                        None => guess,
                        Some(ty) if seen.is_empty() || guess == ty => ty,
                        Some(_) => Ty::Any,
                    }
                }
            };
            if ty == Ty::Any || ty == Ty::Null {
                continue;
            }
            let home = self.has_home(register, ty);
            *known = Known {
                ty,
                home,
                mem: mem || !home || !ty.is_plain(),
            };
        }
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
        let is_known = self.entry_states[index].is_some();
        let live = self.flow.live_in[target];
        let is_head = self.flow.blocks[index].is_loop_head;
        let is_backward = target <= self.word && self.after > self.word;
        let registers = self.state.len();
        let state = self.state.clone();
        {
            let incoming = self.incoming[index].get_or_insert_with(|| vec![Incoming::NONE; registers]);
            for register in 0..registers {
                if live.contains(register) {
                    incoming[register].add(state[register], is_head && !is_backward);
                }
            }
        }
        let wanted = if !is_known
            && self.pass == 0
            && self
                .profile
                .at_leader(target)
                .is_none_or(|seen| seen.iter().all(|seen| seen.is_empty()))
            && !is_head
        {
            // Nothing is known but what comes here first.
            let mut state = state.clone();
            for (register, known) in state.iter_mut().enumerate() {
                if !live.contains(register) || known.ty == Ty::Null {
                    *known = UNKNOWN;
                } else {
                    known.home = self.has_home(register, known.ty);
                }
            }
            self.entry_states[index] = Some(state.clone());
            state
        } else {
            self.entry_state(index)
        };
        let flushes: Vec<Flush> = self
            .dirty(&live)
            .into_iter()
            .filter(|flush| {
                let known = wanted[flush.register];
                known.mem || known.ty != flush.ty
            })
            .collect();
        self.write(&flushes);
        let mut tests = Vec::new();
        let mut never = false;
        for register in 0..registers {
            if !live.contains(register) || wanted[register].ty == Ty::Any {
                continue;
            }
            match state[register].ty {
                ty if ty == wanted[register].ty => {}
                Ty::Any => tests.push((register, wanted[register].ty)),
                _ => never = true,
            }
        }
        if never || !tests.is_empty() {
            let written = |register: usize| flushes.iter().any(|flush| flush.register == register);
            let rest = self
                .dirty(&live)
                .into_iter()
                .filter(|flush| !written(flush.register))
                .collect();
            let label = self.new_exit(target, rest, true);
            if never {
                self.asm.jump(label);
            }
            for (register, ty) in tests {
                self.test_memory(register, ty, label);
            }
        }
        for register in 0..registers {
            let (now, then) = (state[register], wanted[register]);
            if live.contains(register) && then.home && !(now.home && now.ty == then.ty) {
                self.read_home(register, then.ty);
            }
        }
    }

    /// Jumps to a block.
    pub(super) fn jump_to(&mut self, target: usize) {
        self.edge(target);
        match self.flow.block_at(target) {
            Some(index) => {
                let label = self.labels[index];
                self.asm.jump(label);
            }
            None => self.exit_always(),
        }
        self.reachable = false;
    }

    /// The part of a jump that is taken: spends fuel, and goes on at a word.
    pub(super) fn spend_and_jump(&mut self, target: usize) {
        self.asm.alu_imm(Alu::Sub, R14, 1);
        let (label, join) = {
            // What is live at the target is what counts.
            let (label, join) = (self.asm.label(), self.asm.label());
            let live = self.flow.live_out[self.word];
            let flushes = self.dirty(&live);
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
            (label, join)
        };
        self.asm.jump_if(Cond::Sign, label);
        self.asm.bind(join);
        self.jump_to(target);
    }

    /// Goes to `target` on a condition, spending fuel, or on at the next instruction.
    pub(super) fn branch(&mut self, cond: Cond, target: usize, spends: bool) {
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
                .alu_imm(Alu::Cmp, RAX, (target as i64 - word as i64) as i32);
            self.asm.jump_if(Cond::NotEqual, past);
            self.jump_to(target);
            self.asm.bind(past);
            self.reachable = true;
        }
        self.asm
            .alu_imm(Alu::Cmp, RAX, (self.after as i64 - word as i64) as i32);
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
            self.asm.alu_imm(Alu::Cmp, RAX, TAKEN as i32);
            self.asm.jump_if(Cond::NotEqual, past);
            if spends_fuel(Op::of(self.code.words[word]).first()) {
                self.spend_and_jump(targets[0]);
            } else {
                self.jump_to(targets[0]);
            }
            self.asm.bind(past);
            self.reachable = true;
        }
        self.asm.test(RAX, RAX);
        let gone = self.gone();
        self.asm.jump_if(Cond::NotEqual, gone);
    }

    /// Whether a jump leads to a word.
    pub(super) fn is_leader(&self, word: usize) -> bool {
        self.flow.block_at(word).is_some()
    }
}
