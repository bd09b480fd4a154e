//! Machine code for hot functions.
//!
//! The path of a function: the fuel that calls and backward jumps spend runs out every thousand; what runs then is
//! counted. A function that is met a second time is profiled: the stepping loop records for a few thousand
//! instructions what types its values have. Then it is compiled ([`emit`], [`translate`]), and the first words of its
//! entry and of its loops become [`Op::Enter`], which enters the machine code. The fields of such a word stay as they
//! are, and so does everything else that looks at code.
//!
//! Machine code works on the machine's own frames and registers, and leaves to the interpreter wherever something is
//! not as it was taken for granted, or has never run ([`emit`]). A function that leaves so often is compiled again, with
//! what is known then, a few times at most. Compiling goes pass by pass, at looks at the fuel ([`Jit::compile`]).
//!
//! Invariants
//! - Memory that is executable is never writable ([`ExecutableMemory`]).
//! - Nothing here is touched, nor a page of it mapped, before a function is hot.
//! - While the stepping loop runs, no word is an `Enter`.
#![allow(
    clippy::cast_ptr_alignment,
    reason = "frames are byte pointers; registers lie 16 bytes apart in memory that is aligned for them"
)]
#![allow(
    clippy::single_match_else,
    reason = "with a home or without one: neither case is the exception"
)]
#![expect(unsafe_code, reason = "enters code that was made at run time")]

mod assembler;
mod effects;
mod emit;
mod flow;
mod offsets;
mod profile;
mod report;
mod runtime;
mod translate;

use std::cell::Cell;
use std::collections::VecDeque;

use aether_value::{Code, ExecutableMemory, Raw};
use ahash::AHashMap;

use crate::bytecode::Op;
use crate::jit_options::JitOptions;
use crate::vm::native::MachineFacts;
use assembler::{Assembler, Mem, T0, T2, VM, WINDOW};
use emit::{Compilation, Compiled, Facts, Progress, Why};
use profile::Profile;

/// What machine code answers when it was left instead of having returned: no tag.
const LEFT: i64 = 0x100;
/// Samples after which a function is profiled.
const HOT: u32 = 2;
/// Instructions that a profile covers.
const PROFILE: u32 = 4_000;
/// Instructions of a function that have to be in it for the function to be compiled.
const WORTH: u32 = 60;
/// Exits after which a function is compiled again.
const MANY_EXITS: u32 = 16;
/// Exits at one place after which what is found there is known for good.
const SOME_EXITS: u32 = 4;
/// Exits to what was left out after which it is hot.
const MANY_COLD_EXITS: u32 = 40;
/// Words that passes of the compiler go through at a look at the fuel.
const WORDS_AT_ONCE: usize = 1_000;
/// Why some functions never are.
const CANNOT: &str = "it is too large";
/// How often a function is compiled at most.
const MOST_ROUNDS: u32 = 3;
/// How often a function is compiled again for a part of it that was not hot before.
const MOST_ADDITIONS: u32 = 8;
/// What part of the heap's budget code may take beside it: one in so many.
const SHARE_OF_BUDGET: usize = 4;
/// Native stack that machine code may use, in bytes.
const NATIVE_STACK: usize = 128 << 10;

/// Whether this build can make machine code on this processor and system.
pub const IS_AVAILABLE: bool = true;

/// The machine code of one function, or that it has none. Calls from machine code know it by its address.
#[repr(C)]
pub(crate) struct Unit {
    /// Where such calls go.
    direct: Cell<*const u8>,
    /// The first word of the function.
    words: *const u64,
    code: *const Code,
    entries: Vec<(usize, *const u8)>,
    /// Operations that `Enter` stands for, by word.
    patched: Vec<(usize, u16)>,
    /// Words that exits lead to, and why.
    exits: Vec<(usize, Why)>,
    exit_counts: Vec<u32>,
    /// Exits because something was wrong; they fade.
    recent_exits: u32,
    /// Exits to what was left out.
    cold_exits: u32,
    rounds: u32,
    /// How often it was compiled again because another part of it became hot.
    additions: u32,
    is_given_up: bool,
    /// Entries that ended because the interpreter had to go elsewhere, and the fuel spent in them.
    short_stays: u32,
    fuel_spent: u64,
}

/// How often a function was met when the fuel ran out, and how often it has to be to be profiled.
struct Samples {
    count: u32,
    needed: u32,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            count: 0,
            needed: HOT,
        }
    }
}

/// What was executed last while a profile is recorded.
struct Previous {
    base: *mut u8,
    code: *const Code,
    word: usize,
}

/// The compiler's state in one machine.
pub(crate) struct Jit {
    options: JitOptions,
    samples: AHashMap<*const Code, Samples>,
    /// The function for which the profile under way is made.
    profiled: *const Code,
    profiles: AHashMap<*const Code, Profile>,
    /// The one that was written to last while they are recorded; it is not among the others then.
    recorded: Option<(*const Code, Profile)>,
    units: AHashMap<*const Code, Box<Unit>>,
    /// Functions that wait to be compiled.
    waiting: VecDeque<*const Code>,
    /// The function that is being compiled.
    compilation: Option<Box<Compilation>>,
    /// Instructions that the profile under way still covers.
    profiling: u32,
    previous: Option<Previous>,
    /// Calls under way that the profile has seen.
    calls: Vec<Previous>,
    memory: ExecutableMemory,
    /// Enters machine code.
    trampoline: Option<Trampoline>,
    /// What calls of functions without machine code find.
    stub: *const u8,
    /// Whether the system has refused memory for code.
    is_out: bool,
    /// Instructions to the next exit that tests ask for.
    countdown: Box<Cell<u32>>,
    /// Whether no word is an `Enter`.
    is_hidden: bool,
    /// What is told of it to people; see [`report`].
    notes: Vec<String>,
}

type Trampoline = unsafe extern "C" fn(*mut crate::vm::Vm, *mut u8, *const u8) -> Answer;

/// What machine code returns: a tag and a payload, or [`LEFT`] and the number of an exit above 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) tag: u64,
    pub(crate) payload: u64,
}

impl Answer {
    pub(crate) fn is_left(self) -> bool {
        self.tag >= LEFT as u64
    }

    pub(crate) fn value(self) -> Raw {
        Raw {
            tag: self.tag as u8,
            payload: self.payload,
        }
    }
}

impl Jit {
    pub(crate) fn new(options: JitOptions) -> Self {
        Self {
            options,
            samples: AHashMap::default(),
            profiled: std::ptr::null(),
            profiles: AHashMap::default(),
            recorded: None,
            units: AHashMap::default(),
            waiting: VecDeque::new(),
            compilation: None,
            profiling: 0,
            previous: None,
            calls: Vec::new(),
            memory: ExecutableMemory::new(options.max_code),
            trampoline: None,
            stub: std::ptr::null(),
            is_out: false,
            countdown: Box::new(Cell::new(options.exit_interval)),
            is_hidden: true,
            notes: Vec::new(),
        }
    }

    /// Whether a profile is being recorded.
    #[inline]
    pub(crate) fn is_profiling(&self) -> bool {
        self.profiling > 0
    }

    /// A function was met when the fuel ran out. Answers whether a profile begins.
    pub(crate) fn sample(&mut self, code: &Code, word: usize) -> bool {
        if self.is_out || self.profiling > 0 || self.is_compiling() {
            return false;
        }
        let key = std::ptr::from_ref(code);
        // A function that has code is known to be hot.
        let mut is_hot = self.options.eager;
        if let Some(unit) = self.units.get_mut(&key) {
            // What happens rarely does no harm.
            unit.recent_exits /= 2;
            if unit.is_given_up {
                return false;
            }
            if !unit.entries.is_empty() {
                // A part of which the profile knows nothing has become hot.
                let is_known = |profile: &Profile| profile.sites.get(word).is_none_or(|site| site.count > 0);
                if unit.additions >= MOST_ADDITIONS || self.profiles.get(&key).is_none_or(is_known) {
                    return false;
                }
                self.renew(code, word);
                is_hot = true;
            }
        }
        let samples = self.samples.entry(key).or_default();
        samples.count += 1;
        if samples.count < samples.needed && !is_hot {
            return false;
        }
        samples.count = 0;
        self.profiled = key;
        if flow::leaders(code).is_none() {
            self.give_up(code, CANNOT);
            return false;
        }
        self.profiling = if self.options.eager { 40 } else { PROFILE };
        self.previous = None;
        self.calls.clear();
        self.hide();
        true
    }

    /// A part of a function has become hot that its code leaves out: it is compiled again, with that.
    fn renew(&mut self, code: &Code, word: usize) {
        let stub = self.stub;
        let unit = self.unit(code);
        unit.additions += 1;
        unit.rounds -= 1;
        unit.discard(stub);
        let line = code.line_at(word);
        self.note_exits(code);
        self.note(
            code,
            &format!("discarded: line {line} has become hot, of which nothing was known"),
        );
        let samples = self.samples.entry(code).or_default();
        samples.count = samples.needed;
    }

    fn give_up(&mut self, code: &Code, why: &str) {
        self.unit(code).is_given_up = true;
        self.note(code, &format!("not compiled: {why}"));
    }

    fn unit(&mut self, code: *const Code) -> &mut Unit {
        let stub = self.stub;
        self.units.entry(code).or_insert_with(|| {
            // SAFETY: code lives as long as the heap.
            let words = unsafe { (*code).words.as_ptr() };
            let unit = Box::new(Unit {
                direct: Cell::new(stub),
                words,
                code,
                entries: Vec::new(),
                patched: Vec::new(),
                exits: Vec::new(),
                exit_counts: Vec::new(),
                recent_exits: 0,
                cold_exits: 0,
                rounds: 0,
                additions: 0,
                is_given_up: false,
                short_stays: 0,
                fuel_spent: 0,
            });
            // SAFETY: code lives as long as the heap, which outlives the machine; nobody else writes here.
            unsafe { (*code).machine.set((&raw const *unit).cast()) };
            unit
        })
    }

    /// Records the instruction that is about to run. Answers whether the profile is over.
    ///
    /// # Safety
    /// The frame at `base` of `code`, if there is any, is about to execute `word`.
    pub(crate) unsafe fn record(&mut self, code: Option<&Code>, word: usize, base: *mut u8) -> bool {
        self.profiling -= 1;
        let Some(code) = code else {
            self.previous = None;
            return self.profiling == 0;
        };
        // SAFETY: the caller's promise; results are looked at in the frame that runs.
        unsafe {
            if let Some(previous) = self.previous.take() {
                if previous.base == base && previous.code == std::ptr::from_ref(code) {
                    if let Some(profile) = self.recorded(previous.code) {
                        profile.record_result(code, previous.word, base);
                    }
                } else if base > previous.base {
                    self.calls.push(previous);
                } else {
                    while self.calls.last().is_some_and(|call| call.base > base) {
                        self.calls.pop();
                    }
                    if let Some(call) = self.calls.pop_if(|call| call.base == base)
                        && call.code == std::ptr::from_ref(code)
                        && let Some(profile) = self.recorded(call.code)
                    {
                        profile.record_result(code, call.word, base);
                    }
                }
            }
            let key = std::ptr::from_ref(code);
            if self.recorded(key).is_none() {
                if self.units.get(&key).is_some_and(|unit| unit.is_given_up) {
                    return self.profiling == 0;
                }
                let Some(leaders) = flow::leaders(code) else {
                    self.give_up(code, CANNOT);
                    return self.profiling == 0;
                };
                self.put_recorded_back();
                self.recorded = Some((key, Profile::new(code, &leaders)));
            }
            if let Some(profile) = self.recorded(key) {
                profile.record(code, word, base);
            }
            self.previous = Some(Previous {
                base,
                code: key,
                word,
            });
        }
        self.profiling == 0
    }

    /// The profile of a function, for recording.
    #[inline(always)]
    fn recorded(&mut self, code: *const Code) -> Option<&mut Profile> {
        if self.recorded.as_ref().is_none_or(|&(known, _)| known != code) {
            self.turn_to(code)?;
        }
        self.recorded.as_mut().map(|(_, profile)| profile)
    }

    /// Takes the profile of another function out of the table.
    #[inline(never)]
    fn turn_to(&mut self, code: *const Code) -> Option<()> {
        let profile = self.profiles.remove(&code)?;
        self.put_recorded_back();
        self.recorded = Some((code, profile));
        Some(())
    }

    fn put_recorded_back(&mut self) {
        self.profiles.extend(self.recorded.take());
    }

    /// Compiles what the profile has found to be worth it.
    pub(crate) fn compile_profiled(&mut self, machine: &MachineFacts) {
        let share = machine.limit.map_or(usize::MAX, |limit| limit / SHARE_OF_BUDGET);
        self.memory.set_limit(self.options.max_code.min(share));
        self.put_recorded_back();
        self.profiling = 0;
        self.previous = None;
        self.calls.clear();
        let worth = if self.options.eager { 1 } else { WORTH };
        // Who is met, but hardly runs, calls what does: profiles of it would come to nothing again and again.
        if self
            .profiles
            .get(&self.profiled)
            .is_none_or(|profile| profile.executed < worth)
            && let Some(samples) = self.samples.get_mut(&self.profiled)
        {
            samples.needed = samples.needed.saturating_mul(4);
        }
        let mut found: Vec<*const Code> = self
            .profiles
            .iter()
            .filter(|(_, profile)| profile.executed >= worth)
            .map(|(&code, _)| code)
            .collect();
        // The order of a table of addresses is no order.
        // SAFETY: code lives as long as the heap.
        found.sort_by_key(|&code| unsafe { ((*code).module, (*code).span.start) });
        for code in found {
            // SAFETY: as above.
            self.enqueue(unsafe { &*code });
        }
        // What is known of a function that was never compiled is found out again if that gets hot.
        let units = &self.units;
        let is_compiled = |code: &*const Code| {
            let unit = units.get(code);
            unit.is_some_and(|unit| unit.rounds > 0 && !unit.is_given_up)
        };
        self.profiles.retain(|code, _| is_compiled(code));
        self.profiles.shrink_to_fit();
        self.calls = Vec::new();
        self.compile(machine);
    }

    /// Has a function wait to be compiled.
    fn enqueue(&mut self, code: &Code) {
        if self.trampoline.is_none() && !self.prepare() {
            self.is_out = true;
            self.note(code, "not compiled: no memory for code");
            return;
        }
        let unit = self.unit(code);
        if unit.is_given_up || !unit.entries.is_empty() {
            return;
        }
        if unit.rounds >= MOST_ROUNDS {
            self.give_up(code, "was left too often each time");
            return;
        }
        unit.rounds += 1;
        self.waiting.push_back(code);
    }

    /// Whether functions wait to be compiled, for which [`Self::compile`] has to be called.
    #[inline]
    pub(crate) fn is_compiling(&self) -> bool {
        self.compilation.is_some() || !self.waiting.is_empty()
    }

    /// Compiles for a while, so that the program never waits long.
    pub(crate) fn compile(&mut self, machine: &MachineFacts) {
        let mut words = 0;
        while words < WORDS_AT_ONCE || self.options.eager {
            if let Some(compilation) = self.compilation.take() {
                words += compilation.words();
                self.pass(compilation, machine);
            } else if let Some(code) = self.waiting.pop_front() {
                // SAFETY: code lives as long as the heap.
                let code = unsafe { &*code };
                // A look at the whole function takes half as long for a word as a pass.
                words += code.words.len() / 2;
                let profile = self.profiles.remove(&std::ptr::from_ref(code));
                let begun = profile.map(|profile| Compilation::new(code, profile, self.options.eager));
                match begun.flatten() {
                    Some(compilation) => self.compilation = Some(Box::new(compilation)),
                    None => self.give_up(code, CANNOT),
                }
            } else {
                self.waiting = VecDeque::new();
                break;
            }
        }
    }

    /// Makes a pass. The compilation goes on, or is over.
    fn pass(&mut self, mut compilation: Box<Compilation>, machine: &MachineFacts) {
        let exits_everywhere = self.options.exits_everywhere;
        let countdown = (self.options.exit_interval > 0).then(|| self.countdown.as_ptr().cast_const());
        let answer = {
            let this = std::cell::RefCell::new(&mut *self);
            let unit_of = |code: *const Code| std::ptr::from_ref(this.borrow_mut().unit(code));
            compilation.pass(&Facts {
                machine,
                unit_of: &unit_of,
                exits_everywhere,
                countdown,
            })
        };
        // SAFETY: code lives as long as the heap.
        let code = unsafe { &*compilation.code() };
        match answer {
            Progress::Continues => self.compilation = Some(compilation),
            Progress::Over(compiled) => {
                self.profiles.insert(code, compilation.into_profile());
                self.install(code, &compiled);
            }
            Progress::TooLarge => self.give_up(code, "its code would be too large"),
        }
    }

    fn install(&mut self, code: &Code, compiled: &Compiled) {
        let Some(start) = self.memory.add(&compiled.bytes) else {
            self.is_out = true;
            self.note(code, "not compiled: no memory for code");
            return;
        };
        let at = |offset: usize| start.as_ptr().wrapping_add(offset).cast_const();
        let unit = self.unit(code);
        unit.entries = compiled
            .entries
            .iter()
            .map(|entry| (entry.word, at(entry.offset)))
            .collect();
        unit.exits.clone_from(&compiled.exits);
        unit.exit_counts = vec![0; compiled.exits.len()];
        unit.recent_exits = 0;
        unit.cold_exits = 0;
        unit.direct.set(at(compiled.direct));
        let (bytes, round) = (compiled.bytes.len(), unit.rounds);
        if !self.is_hidden
            && let Some(unit) = self.units.get_mut(&std::ptr::from_ref(code))
        {
            unit.show();
        }
        self.note(code, &format!("compiled, {bytes} bytes, round {round}"));
        self.list(code, compiled, round);
    }

    /// Makes the code that enters machine code, and the one for calls of functions that have none.
    fn prepare(&mut self) -> bool {
        let mut asm = Assembler::default();
        asm.trampoline(offsets::fuel());
        let stub = asm.position();
        asm.load(T0, Mem(T2, std::mem::offset_of!(Unit, words) as i32));
        asm.store(Mem(VM, offsets::ip()), T0);
        asm.store(Mem(VM, offsets::base()), WINDOW);
        asm.mov_imm(T2, crate::vm::GONE as i64);
        asm.mov_imm(T0, LEFT);
        asm.ret();
        let Some(assembled) = asm.finish() else {
            return false;
        };
        let Some(start) = self.memory.add(&assembled.bytes) else {
            return false;
        };
        // SAFETY: the code was made for this signature.
        self.trampoline = Some(unsafe { std::mem::transmute::<*mut u8, Trampoline>(start.as_ptr()) });
        self.stub = start.as_ptr().wrapping_add(stub);
        for unit in self.units.values() {
            unit.direct.set(self.stub);
        }
        true
    }

    /// Bytes of the process's memory that the compiler holds, machine code aside.
    pub(crate) fn held_bytes(&self) -> usize {
        /// Of a table's entry, beside key and value.
        const CONTROL: usize = 1;
        let pointer = size_of::<*const Code>();
        let units: usize = self.units.values().map(|unit| unit.size()).sum();
        let recorded = self.recorded.iter().map(|(_, profile)| profile);
        let profiles: usize = self.profiles.values().chain(recorded).map(Profile::size).sum();
        // A table has room for eight entries where seven are told.
        let room = |capacity: usize| capacity + capacity / 7;
        size_of::<Self>()
            + units
            + profiles
            + self
                .compilation
                .as_ref()
                .map_or(0, |compilation| compilation.size())
            + self.waiting.capacity() * pointer
            + room(self.units.capacity()) * (2 * pointer + CONTROL)
            + room(self.profiles.capacity()) * (pointer + size_of::<Profile>() + CONTROL)
            + room(self.samples.capacity()) * (pointer + size_of::<Samples>() + CONTROL)
            + self.calls.capacity() * size_of::<Previous>()
            + self.memory.held_bytes()
    }

    /// Gives every word its own operation back.
    pub(crate) fn hide(&mut self) {
        if !std::mem::replace(&mut self.is_hidden, true) {
            for unit in self.units.values_mut() {
                unit.hide();
            }
        }
    }

    /// Makes entries of the words of entries.
    pub(crate) fn show(&mut self) {
        if std::mem::replace(&mut self.is_hidden, false) {
            for unit in self.units.values_mut() {
                unit.show();
            }
        }
    }

    /// Where the code of a function is entered at a word.
    #[inline]
    pub(crate) fn entry(&self, code: &Code, word: usize) -> Option<(Trampoline, *const u8)> {
        let unit = code.machine.get().cast::<Unit>();
        // SAFETY: the machine code that code knows of is this machine's, and lives as long.
        let unit = unsafe { unit.as_ref() }?;
        let entry = unit.entries.iter().find(|&&(at, _)| at == word)?;
        if self.countdown.get() == 0 {
            self.countdown.set(self.options.exit_interval);
        }
        Some((self.trampoline?, entry.1))
    }

    /// Code was left at one of the exits that are counted.
    ///
    /// # Safety
    /// The frame at `base` of `code` goes on where the exit has led.
    pub(crate) unsafe fn count_exit(&mut self, code: &Code, exit: u64, base: *mut u8) {
        let key = std::ptr::from_ref(code);
        let Some(unit) = self.units.get_mut(&key) else {
            return;
        };
        let number = exit as usize - 1;
        let (Some(&(word, why)), Some(count)) = (unit.exits.get(number), unit.exit_counts.get_mut(number))
        else {
            return;
        };
        *count = count.saturating_add(1);
        // The next code is made with what is known now; what is met once in a while is better left to exits.
        if *count >= SOME_EXITS
            && let Some(profile) = self.profiles.get_mut(&key)
        {
            match why {
                // SAFETY: the caller's promise.
                Why::Wrong => unsafe { profile.record(code, word, base) },
                // SAFETY: the same.
                Why::WrongResult(made) => unsafe { profile.record_result(code, made, base) },
                Why::Ordinary | Why::Cold => {}
            }
        }
        if why == Why::Cold {
            unit.cold_exits += 1;
            if unit.cold_exits >= MANY_COLD_EXITS
                && unit.additions < MOST_ADDITIONS
                && !unit.entries.is_empty()
            {
                if let Some(profile) = self.profiles.get_mut(&key) {
                    profile.admit(code, word);
                }
                self.renew(code, word);
            }
            return;
        }
        unit.recent_exits = unit.recent_exits.saturating_add(1);
        if unit.recent_exits < MANY_EXITS || unit.entries.is_empty() || self.options.exits_everywhere {
            return;
        }
        unit.discard(self.stub);
        let most = unit
            .exit_counts
            .iter()
            .enumerate()
            .max_by_key(|&(_, count)| count)
            .and_then(|(exit, _)| unit.exits.get(exit).map(|&(word, _)| word));
        let line = most.map_or(0, |word| code.line_at(word));
        self.note_exits(code);
        self.note(code, &format!("discarded: left too often, mostly at line {line}"));
    }

    /// The code of a function was entered, and the interpreter had to go elsewhere after so much fuel. Where that is all
    /// that ever happens, as in a loop that resumes a generator, entering costs more than it gains.
    pub(crate) fn count_stay(&mut self, code: &Code, fuel: u64) {
        /// Entries after which it is judged.
        const MANY: u32 = 1000;
        /// Calls and jumps that make an entry worth it.
        const WORTH_ENTERING: u64 = 4;
        let key = std::ptr::from_ref(code);
        let Some(unit) = self.units.get_mut(&key) else {
            return;
        };
        unit.short_stays += 1;
        unit.fuel_spent += fuel;
        if unit.short_stays < MANY {
            return;
        }
        let is_worth_it = unit.fuel_spent >= u64::from(MANY) * WORTH_ENTERING;
        unit.short_stays = 0;
        unit.fuel_spent = 0;
        if is_worth_it || unit.entries.is_empty() || self.options.eager {
            return;
        }
        unit.discard(self.stub);
        self.give_up(code, "it leaves for the interpreter at every turn");
    }
}

impl Drop for Jit {
    fn drop(&mut self) {
        self.hide();
        for &code in self.units.keys() {
            // SAFETY: code lives as long as the heap, which outlives the machine.
            unsafe { (*code).machine.set(std::ptr::null()) };
        }
    }
}

impl Unit {
    /// Bytes this takes.
    fn size(&self) -> usize {
        size_of::<Self>()
            + self.entries.capacity() * size_of::<(usize, *const u8)>()
            + self.patched.capacity() * size_of::<(usize, u16)>()
            + self.exits.capacity() * size_of::<(usize, Why)>()
            + self.exit_counts.capacity() * size_of::<u32>()
    }

    fn code(&self) -> &Code {
        // SAFETY: code lives as long as the heap, and the heap longer than this.
        unsafe { &*self.code }
    }

    /// The operation at a word, whether an `Enter` hides it or not.
    fn op_at(&self, word: usize) -> Op {
        let hidden = self.patched.iter().find(|&&(at, _)| at == word);
        hidden
            .map_or_else(
                || Op::of(self.code().words[word]),
                |&(_, op)| Op::of(u64::from(op)),
            )
            .first()
    }

    fn hide(&mut self) {
        for (word, op) in std::mem::take(&mut self.patched) {
            self.write_op(word, op);
        }
    }

    /// The code is not entered any more.
    fn discard(&mut self, stub: *const u8) {
        self.hide();
        self.entries.clear();
        self.direct.set(stub);
    }

    fn show(&mut self) {
        if !self.patched.is_empty() {
            return;
        }
        for &(word, _) in &self.entries {
            // SAFETY: a word of the function.
            let op = unsafe { *self.words.add(word) } as u16;
            self.patched.push((word, op));
            self.write_op(word, Op::Enter as u16);
        }
    }

    /// Writes the operation of a word; its fields stay.
    fn write_op(&self, word: usize, op: u16) {
        // SAFETY: code is written to by whoever executes it; see the inline caches.
        unsafe {
            let place = self.words.add(word).cast_mut();
            *place = *place & !0xFFFF | u64::from(op);
        }
    }
}

/// The operation at a word of code, also where that is an `Enter` now.
pub(crate) fn operation_at(code: &Code, word: usize) -> Op {
    let op = Op::of(code.words[word]);
    if op == Op::Enter {
        original(code, word).map_or(op, |op| Op::of(u64::from(op)))
    } else {
        op
    }
}

/// The operation for which the `Enter` at a word stands, if it is one.
pub(crate) fn original(code: &Code, word: usize) -> Option<u16> {
    let unit = code.machine.get().cast::<Unit>();
    // SAFETY: the machine code that code knows of lives as long as the machine, which runs.
    let unit = unsafe { unit.as_ref() }?;
    let patched = unit.patched.iter().find(|&&(at, _)| at == word)?;
    Some(patched.1)
}

/// Bytes of native stack below the caller that machine code may use.
pub(crate) const fn native_stack() -> usize {
    NATIVE_STACK
}
