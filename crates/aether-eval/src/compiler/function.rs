//! The state of one function being compiled: words, labels, registers, scopes.
//!
//! Conditional jumps have 14 to 16 bits for their offset. Whoever emits one says how much source text it jumps
//! over; code never takes more than two words a byte, so a jump over a short text is short for certain, and one
//! over a long text goes through an unconditional 32-bit jump beside it.

use aether_ast::{NodeId, Symbol};
use aether_resolve::{BindingId, FunctionIndex, Use};
use aether_source::Span;
use aether_value::{Capture, Code, Handler, LocalInfo, Switch};
use ahash::AHashMap;
use std::ptr::NonNull;

use super::known::Known;
use super::{Compiler, Kind, Result};
use crate::bytecode::{Layout, Op, encode, fields, fused, swaps};

/// Registers a frame can have: 16-bit byte offsets of 16-byte registers.
const MAX_REGISTERS: u16 = 4096;
/// Source bytes a short conditional jump may cross.
const SHORT_SPAN: u32 = 3000;

/// A place in the code that jumps go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(u32);

/// A local in a register, and how its scope's end treats it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local {
    pub(super) register: u16,
    /// Whether it may hold something counted.
    pub(super) counted: bool,
}

#[derive(Debug, Default)]
pub(super) struct ScopeState {
    /// Registers below this one belong to outer scopes.
    pub(super) base: u16,
    pub(super) locals: Vec<Local>,
    /// Registers of the expression around it that may hold counted temporaries: what leaves the scope early releases
    /// them too.
    pub(super) pending: Vec<u16>,
    /// Names and bindings of this scope, for redeclaration.
    pub(super) names: Vec<(Symbol, BindingId, u16)>,
}

#[derive(Debug)]
pub(super) struct LoopState {
    pub(super) label: Option<Symbol>,
    /// Scopes open outside the loop's body.
    pub(super) scopes: usize,
    /// Finally blocks open outside the loop.
    pub(super) finals: usize,
    pub(super) on_break: Label,
    pub(super) on_continue: Label,
}

/// How control leaves a `try` that has a `finally`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Return,
    Break(usize),
    Continue(usize),
}

/// A `finally` around the code being compiled.
#[derive(Debug)]
pub(super) struct FinallyState {
    /// Register of the exit's number; the next one holds a returned value or pending error.
    pub(super) kind: u16,
    pub(super) entry: Label,
    pub(super) exits: Vec<Exit>,
    /// Scopes open where the `try` stands.
    pub(super) scopes: usize,
    /// Set while the finally block itself is compiled: where leaving it goes.
    pub(super) running: Option<Label>,
}

#[derive(Debug)]
enum Patch {
    /// 32-bit offset in fields b and c, shifted left by the flag width.
    Wide { word: usize, shift: u8 },
    /// 14-bit offset above two flags in field c.
    Compare { word: usize },
    /// 16-bit offset in field c.
    Narrow { word: usize },
    /// An entry of a table, which the instruction at a word looks up.
    Table { word: usize, switch: usize, key: Key },
}

/// A literal in a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Int(i64),
    Text(Symbol),
}

#[derive(Debug)]
struct LabelState {
    /// Its word, once it is bound.
    at: Option<usize>,
    /// Jumps to it from before it was bound.
    patches: Vec<Patch>,
    /// What all of those know of registers.
    known: u64,
}

pub(super) struct FunctionState {
    pub(super) index: FunctionIndex,
    pub(super) name: Option<String>,
    pub(super) doc: Option<Symbol>,
    pub(super) words: Vec<u64>,
    places: Vec<(u32, Span)>,
    place: Span,
    pub(super) handlers: Vec<Handler>,
    /// The words of `finally` blocks and of calls of what is deferred.
    pub(super) cleanups: Vec<(u32, u32)>,
    pub(super) next: u16,
    highest: u16,
    pub(super) registers: AHashMap<BindingId, u16>,
    pub(super) scopes: Vec<ScopeState>,
    pub(super) loops: Vec<LoopState>,
    pub(super) finals: Vec<FinallyState>,
    /// The register of what is deferred, in a function that defers something.
    pub(super) deferred: Option<u16>,
    pub(super) children: Vec<NonNull<Code>>,
    pub(super) locals: Vec<LocalInfo>,
    switches: Vec<Switch>,
    labels: Vec<LabelState>,
    /// What is known of registers here.
    pub(super) known: Known,
    /// Where the instructions begin that have been emitted since the last label or entry of a handler.
    starts: Vec<u32>,
    /// Where the last three instructions begin, labels or not; the third place is for the one being emitted.
    last: [u32; 3],
    /// Whether control can reach the next word.
    pub(super) reachable: bool,
    pub(super) overflow: bool,
}

impl FunctionState {
    pub(super) fn new(index: FunctionIndex, name: Option<String>) -> Self {
        Self {
            index,
            name,
            doc: None,
            words: Vec::new(),
            places: Vec::new(),
            place: Span::default(),
            handlers: Vec::new(),
            cleanups: Vec::new(),
            next: 0,
            highest: 0,
            registers: AHashMap::new(),
            scopes: Vec::new(),
            loops: Vec::new(),
            finals: Vec::new(),
            deferred: None,
            children: Vec::new(),
            locals: Vec::new(),
            switches: Vec::new(),
            labels: Vec::new(),
            known: Known::default(),
            starts: Vec::new(),
            last: [0; 3],
            reachable: true,
            overflow: false,
        }
    }
}

impl Compiler<'_> {
    // --- words ---

    /// Names the source of the instructions that follow.
    pub(super) fn at(&mut self, id: NodeId) {
        self.function.place = self.ast.span(id);
    }

    pub(super) fn place(&self) -> Span {
        self.function.place
    }

    pub(super) fn set_place(&mut self, span: Span) {
        self.function.place = span;
    }

    pub(super) fn here(&self) -> usize {
        self.function.words.len()
    }

    fn push(&mut self, word: u64) {
        let function = &mut self.function;
        let at = function.words.len() as u32;
        if function
            .places
            .last()
            .is_none_or(|&(_, span)| span != function.place)
        {
            function.places.push((at, function.place));
        }
        function.words.push(word);
        function.starts.push(at);
        function.last[2] = at;
        // A pair may make the second half of another one.
        self.fuse(1);
        self.fuse(0);
        self.function.last.rotate_left(1);
    }

    /// Fuses the instruction `at` of the last three with the one after it, if they are a pair.
    fn fuse(&mut self, at: usize) {
        if !self.tables.optimizations.fuse {
            return;
        }
        let function = &mut self.function;
        let [first, second] = [function.last[at], function.last[at + 1]].map(|word| word as usize);
        if first >= second {
            return;
        }
        let is_temporary = |field: u16| {
            let mut locals = function.scopes.iter().flat_map(|scope| &scope.locals);
            locals.all(|local| local.register << 4 != field)
        };
        if let Some(op) = fused(function.words[first], function.words[second], is_temporary) {
            let word = &mut function.words[first];
            *word = *word & !0xFFFF | op as u64;
        }
    }

    /// The next instruction must not be the second half of a pair: a temporary that it reads is read again later.
    pub(super) fn forbid_fusion(&mut self) {
        self.function.last = [u32::MAX; 3];
    }

    /// Emits an instruction whose fields are registers as its layout says.
    pub(super) fn emit(&mut self, op: Op, a: u16, b: u16, c: u16) {
        self.function.known.note(op, a, b, c);
        let scaled = |register: u16| register << 4;
        let (a, b, c) = match op.layout() {
            Layout::Abc => (scaled(a), scaled(b), scaled(c)),
            Layout::Ab | Layout::AbN | Layout::JumpAb => (scaled(a), scaled(b), c),
            Layout::A | Layout::Ann | Layout::Aw | Layout::JumpA | Layout::JumpAn | Layout::JumpLoop => {
                (scaled(a), b, c)
            }
            Layout::None | Layout::Jump => (a, b, c),
        };
        self.push(encode(op, a, b, c));
        if matches!(
            op,
            Op::Jump
                | Op::Loop
                | Op::Return
                | Op::Return1
                | Op::Return2
                | Op::ReturnNull
                | Op::Throw
                | Op::Rethrow
                | Op::DuplicateMain
        ) {
            self.function.reachable = false;
        }
    }

    /// Emits an instruction with a register and a 32-bit number.
    pub(super) fn emit_wide(&mut self, op: Op, a: u16, number: u32) {
        self.emit(op, a, number as u16, (number >> 16) as u16);
    }

    /// Emits an extension word.
    pub(super) fn extend(&mut self, word: u64) {
        self.function.words.push(word);
    }

    // --- labels ---

    pub(super) fn label(&mut self) -> Label {
        self.function.labels.push(LabelState {
            at: None,
            patches: Vec::new(),
            known: u64::MAX,
        });
        Label(self.function.labels.len() as u32 - 1)
    }

    /// Puts a label at the next word. A label that is jumped to from below must have no jump from above.
    pub(super) fn bind(&mut self, label: Label) {
        let here = self.here();
        let state = &mut self.function.labels[label.0 as usize];
        state.at = Some(here);
        let (patches, carried) = (std::mem::take(&mut state.patches), state.known);
        let known = if patches.is_empty() {
            0
        } else if self.function.reachable {
            carried & self.function.known.carried()
        } else {
            carried
        };
        self.bind_known(known);
        if !patches.is_empty() {
            self.function.reachable = true;
        }
        for patch in patches {
            self.apply(&patch, here);
        }
    }

    /// The next word is reached from elsewhere too, where this is known of registers.
    pub(super) fn bind_known(&mut self, known: u64) {
        self.function.known.restart(known);
        self.function.starts.clear();
    }

    fn refer(&mut self, label: Label, patch: Patch) {
        let known = self.function.known.carried();
        let state = &mut self.function.labels[label.0 as usize];
        if let Some(at) = state.at {
            debug_assert_eq!(state.known, u64::MAX, "a label jumped to from above and below");
            self.apply(&patch, at);
        } else {
            state.known &= known;
            state.patches.push(patch);
        }
    }

    fn apply(&mut self, patch: &Patch, target: usize) {
        let (Patch::Wide { word, .. }
        | Patch::Compare { word }
        | Patch::Narrow { word }
        | Patch::Table { word, .. }) = *patch;
        let offset = target as i64 - word as i64;
        let words = &mut self.function.words;
        match *patch {
            Patch::Table { switch, key, .. } => {
                let switch = &mut self.function.switches[switch];
                match key {
                    Key::Int(key) => switch.add_int(key, offset as u32),
                    Key::Text(key) => switch.add_text(self.ast.text(key), offset as u32),
                }
            }
            Patch::Wide { shift, .. } => {
                let flags = (words[word] >> 32) & ((1 << shift) - 1);
                words[word] =
                    (words[word] & 0xFFFF_FFFF) | (u64::from((offset << shift) as u32) | flags) << 32;
            }
            Patch::Compare { .. } => {
                self.function.overflow |= !(-8192..8192).contains(&offset);
                let flags = (words[word] >> 48) & 3;
                words[word] =
                    (words[word] & 0xFFFF_FFFF_FFFF) | (u64::from((offset << 2) as u16) | flags) << 48;
            }
            Patch::Narrow { .. } => {
                self.function.overflow |= i16::try_from(offset).is_err();
                words[word] = (words[word] & 0xFFFF_FFFF_FFFF) | u64::from(offset as u16) << 48;
            }
        }
    }

    /// Jumps to a label; backwards, it spends fuel.
    pub(super) fn jump(&mut self, label: Label) {
        if self.function.reachable {
            let word = self.here();
            let op = self.jump_to(label);
            self.emit(op, 0, 0, 0);
            self.refer(label, Patch::Wide { word, shift: 0 });
        }
    }

    /// The jump to a label: the one that spends fuel where the label is behind.
    fn jump_to(&self, label: Label) -> Op {
        match self.function.labels[label.0 as usize].at {
            Some(_) => Op::Loop,
            None => Op::Jump,
        }
    }

    /// Jumps on the truth or nullness of a register; `consumed` says that it is a counted temporary.
    pub(super) fn jump_on(&mut self, op: Op, register: u16, consumed: bool, label: Label) {
        let word = self.here();
        self.emit_wide(op, register, u32::from(consumed));
        self.refer(label, Patch::Wide { word, shift: 1 });
    }

    /// Jumps on a comparison; `over` is the source text that lies between here and the label.
    pub(super) fn jump_compare(&mut self, op: Op, a: u16, b: u16, flags: u16, label: Label, over: u32) {
        self.short_jump(op, a, b, flags, label, over, true);
    }

    /// Goes by a table to the label of the literal that a register holds, or on to the next word.
    pub(super) fn switch(&mut self, register: u16, targets: &[(Key, Label)]) {
        let (word, switch) = (self.here(), self.function.switches.len());
        self.function.switches.push(Switch::default());
        self.emit_wide(Op::Switch, register, switch as u32);
        for &(key, label) in targets {
            self.refer(label, Patch::Table { word, switch, key });
        }
    }

    /// Jumps with a plain 16-bit offset.
    pub(super) fn jump_narrow(&mut self, op: Op, a: u16, b: u16, label: Label, over: u32) {
        self.short_jump(op, a, b, 0, label, over, false);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one instruction")]
    fn short_jump(&mut self, op: Op, a: u16, b: u16, flags: u16, label: Label, over: u32, compare: bool) {
        let word = self.here();
        let patch = if compare {
            Patch::Compare { word }
        } else {
            Patch::Narrow { word }
        };
        if over <= SHORT_SPAN {
            self.emit(op, a, b, flags);
            self.extend_to(op);
            self.refer(label, patch);
            return;
        }
        // The short jump crosses one word to a long one, which the other path crosses.
        let length = op.words();
        self.emit(op, a, b, flags);
        self.extend_to(op);
        self.apply(&patch, word + length + 1);
        self.push(encode(Op::Jump, 0, 2, 0));
        let far = self.here();
        self.push(encode(self.jump_to(label), 0, 0, 0));
        self.refer(label, Patch::Wide { word: far, shift: 0 });
    }

    /// Room for the extension words of a jump; the caller fills them.
    fn extend_to(&mut self, op: Op) {
        for _ in 1..op.words() {
            self.extend(0);
        }
    }

    // --- registers ---

    /// The next free register.
    pub(super) fn allocate(&mut self) -> Result<u16> {
        let register = self.function.next;
        if register >= MAX_REGISTERS - 1 {
            return self.too_large(
                "Too many local variables and temporary values in one function",
                self.place(),
            );
        }
        self.function.next += 1;
        self.function.highest = self.function.highest.max(self.function.next);
        Ok(register)
    }

    /// The next free register, for one instruction and the move after it; it stays free.
    pub(super) fn spare(&mut self) -> u16 {
        self.function.highest = self.function.highest.max(self.function.next + 1);
        self.function.next
    }

    /// Gives back every register from `mark` on.
    pub(super) fn free_to(&mut self, mark: u16) {
        self.function.next = mark;
    }

    // --- scopes ---

    pub(super) fn open_scope(&mut self) {
        let base = self.function.next;
        self.function.scopes.push(ScopeState {
            base,
            ..ScopeState::default()
        });
    }

    /// Opens a scope inside an expression.
    pub(super) fn open_scope_within(&mut self) {
        let base = self.function.scopes.last().map_or(0, |scope| scope.base);
        let locals = self.function.scopes.last().map_or(&[][..], |scope| &scope.locals);
        let is_temporary = |register: &u16| locals.iter().all(|local| local.register != *register);
        let pending = (base..self.function.next).filter(is_temporary).collect();
        self.open_scope();
        if let Some(scope) = self.function.scopes.last_mut() {
            scope.pending = pending;
        }
    }

    /// Opens a scope of the tree: its forward bindings get their cells now.
    pub(super) fn open_scope_of(&mut self, owner: NodeId) -> Result<()> {
        self.open_scope();
        self.forward_cells(owner)
    }

    /// Makes the cells of a scope's forward bindings, in the innermost scope.
    pub(super) fn forward_cells(&mut self, owner: NodeId) -> Result<()> {
        let resolution = self.resolution;
        for &binding in resolution.forward_bindings(owner) {
            let register = self.allocate()?;
            self.emit(Op::NewUnsetCell, register, 0, 0);
            self.function.registers.insert(binding, register);
            self.add_local(register, true);
        }
        Ok(())
    }

    /// Notes a local of the innermost scope.
    pub(super) fn add_local(&mut self, register: u16, counted: bool) {
        if let Some(scope) = self.function.scopes.last_mut() {
            scope.locals.push(Local { register, counted });
        }
    }

    /// Ends the innermost scope: releases its locals in reverse order of declaration.
    pub(super) fn close_scope(&mut self) {
        if self.function.reachable {
            let depth = self.function.scopes.len() - 1;
            let mut registers = self.locals_to_release(depth, None);
            // Only the local that ends first: one that ended before others would die in another order with them.
            if registers
                .first()
                .is_some_and(|&register| self.move_to_store(register))
            {
                registers.remove(0);
            }
            self.release(&registers);
        }
        if let Some(scope) = self.function.scopes.pop() {
            let end = self.here() as u32;
            for local in self.function.locals.iter_mut().rev() {
                if local.register < scope.base {
                    break;
                }
                if local.end == u32::MAX {
                    local.end = end;
                }
            }
            self.free_to(scope.base);
        }
    }

    /// The registers that leaving all scopes from `depth` on must release, in order of release.
    pub(super) fn to_release(&self, depth: usize, except: Option<u16>) -> Vec<u16> {
        let scopes = self.function.scopes[depth..].iter().rev();
        self.counted(
            scopes.flat_map(|scope| {
                let locals = scope.locals.iter().rev().filter(|local| local.counted);
                locals
                    .map(|local| local.register)
                    .chain(scope.pending.iter().rev().copied())
            }),
            except,
        )
    }

    /// The locals alone of the scopes from `depth` on, in order of release.
    fn locals_to_release(&self, depth: usize, except: Option<u16>) -> Vec<u16> {
        let scopes = self.function.scopes[depth..].iter().rev();
        self.counted(
            scopes.flat_map(|scope| {
                let locals = scope.locals.iter().rev().filter(|local| local.counted);
                locals.map(|local| local.register)
            }),
            except,
        )
    }

    /// Those of the registers that may hold something counted, but `except`.
    fn counted(&self, registers: impl Iterator<Item = u16>, except: Option<u16>) -> Vec<u16> {
        registers
            .filter(|&register| Some(register) != except && !self.function.known.is_uncounted(register))
            .collect()
    }

    /// Lets the store that used a dying local last take its value, if nothing but plain arithmetic has run since:
    /// nobody can tell the store from the end of the scope. Answers whether it did.
    fn move_to_store(&mut self, register: u16) -> bool {
        let field = register << 4;
        for at in (0..self.function.starts.len()).rev() {
            let word = self.function.starts[at] as usize;
            let (a, b, c) = fields(self.function.words[word]);
            let op = Op::of(self.function.words[word]);
            let taking = match op {
                Op::SetIndex if c == field && a != field && b != field => Op::SetIndexMove,
                Op::SetIndexC if c == field && a != field && b != field => Op::SetIndexMoveC,
                Op::SetField if b == field && a != field => Op::SetFieldMove,
                Op::AddI | Op::SubtractI | Op::MultiplyI if a != field && b != field => continue,
                Op::LoadInt | Op::LoadNull | Op::LoadBool if a != field => continue,
                _ => return false,
            };
            self.function.words[word] = encode(taking, a, b, c);
            if let Some(row) = at.checked_sub(3)
                && self.function.starts[row] as usize + 3 == word
                && let Some(row) = self.function.words[..=word].last_chunk::<4>()
                && self.tables.optimizations.fuse
                && swaps(row)
            {
                let first = &mut self.function.words[word - 3];
                *first = *first & !0xFFFF | Op::SwapElements as u64;
            }
            return true;
        }
        false
    }

    /// Releases the locals of all scopes from `depth` on, but not `except`; the scopes stay open.
    pub(super) fn release_scopes(&mut self, depth: usize, except: Option<u16>) {
        let registers = self.to_release(depth, except);
        self.release(&registers);
    }

    pub(super) fn release(&mut self, registers: &[u16]) {
        for group in registers.chunks(3) {
            match *group {
                [a] => self.emit(Op::Drop, a, 0, 0),
                [a, b] => self.emit(Op::Drop2, a, b, 0),
                [a, b, c] => self.emit(Op::Drop3, a, b, c),
                _ => {}
            }
        }
    }

    // --- bindings ---

    /// The register of a plain local of this function; `None` for cells, captures and globals.
    pub(super) fn plain_local(&self, id: NodeId) -> Option<(u16, BindingId)> {
        let Use::Local(binding) = self.resolution.use_of(id) else {
            return None;
        };
        if self.resolution.binding(binding).cell {
            return None;
        }
        self.function
            .registers
            .get(&binding)
            .map(|&register| (register, binding))
    }

    /// The index of a captured binding in the running closure.
    pub(super) fn capture_index(&self, binding: BindingId) -> Option<u16> {
        let info = self.resolution.function(self.function.index);
        info.captures
            .iter()
            .position(|&captured| captured == binding)
            .map(|index| index as u16)
    }

    pub(super) fn is_own(&self, binding: BindingId) -> bool {
        self.resolution.function(self.function.index).own == Some(binding)
            && !self.function.registers.contains_key(&binding)
    }

    /// Makes the code of the function that has been compiled.
    pub(super) fn finish_code(
        &mut self,
        template: CodeParts,
        captures: Vec<Capture>,
    ) -> Result<NonNull<Code>> {
        if self.function.overflow {
            return self.too_large("Function too large", template.span);
        }
        let captured = &self.resolution.function(self.function.index).captures;
        let mut capture_names = Vec::with_capacity(captured.len());
        for &binding in captured {
            let name = self.resolution.binding(binding).name;
            capture_names.push(
                self.heap
                    .intern(self.ast.text(name))
                    .map_err(super::CompileError::Raise)?,
            );
        }
        let state = &mut self.function;
        let code = Code {
            name: template.name.map(String::into_boxed_str),
            doc: template.doc,
            is_library: self.kind == Kind::Library,
            words: std::mem::take(&mut state.words).into_boxed_slice(),
            params: if template.has_rest {
                Code::NEVER
            } else {
                template.params
            },
            declared: template.params,
            required: template.required,
            has_self: template.has_self,
            registers: state.highest + 1,
            is_async: template.is_async,
            binds_first: template.binds_first,
            assigns_self: template.assigns_self,
            param_names: template.param_names.into_boxed_slice(),
            handlers: std::mem::take(&mut state.handlers).into_boxed_slice(),
            cleanups: std::mem::take(&mut state.cleanups).into_boxed_slice(),
            places: std::mem::take(&mut state.places).into_boxed_slice(),
            span: template.span,
            file: self.file.clone(),
            children: std::mem::take(&mut state.children).into_boxed_slice(),
            captures: captures.into_boxed_slice(),
            capture_names: capture_names.into_boxed_slice(),
            module: self.module,
            locals: std::mem::take(&mut state.locals).into_boxed_slice(),
            switches: std::mem::take(&mut state.switches).into_boxed_slice(),
            machine: std::cell::Cell::new(std::ptr::null()),
        };
        Ok(self.heap.add_code(Box::new(code)))
    }
}

/// What a function's code says beside its words.
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct CodeParts {
    pub(super) name: Option<String>,
    pub(super) doc: Option<Box<str>>,
    pub(super) params: u16,
    pub(super) required: u16,
    pub(super) has_rest: bool,
    pub(super) has_self: bool,
    pub(super) assigns_self: bool,
    pub(super) is_async: bool,
    pub(super) binds_first: bool,
    pub(super) param_names: Vec<aether_value::Rc<aether_value::Str>>,
    pub(super) span: Span,
}
