//! The instruction set.
//!
//! An instruction is one 64-bit word of four 16-bit fields, `op a b c`, and up to two extension words. A register
//! field holds the register's byte offset from the frame's base (index × 16); `R[x]` is that register. `i16(x)`
//! is a field read as a signed number, `w32` the 32-bit number in fields b and c, `K[n]` constant n of the engine.
//! Jump offsets count words from the instruction's own word.
//!
//! Ownership, which the compiler and the machine agree on
//! - A register owns one count of what it holds, or holds something that is not counted.
//! - A destination is dead when it is written: nothing is released by writing, except by [`Op::Assign`].
//! - Operands are borrowed, unless the line says *takes* (the register is null afterwards) or *consumes* (the
//!   value is released and the register null, also when only the slow path finds something to release).
//!
//! Jumps on comparisons keep two flags in the low bits of field c: bit 0, R\[a\] is a temporary and is consumed;
//! bit 1, R\[b\] likewise; the offset is in the other 14 bits. [`Op::JumpIf`] and its like keep one flag in bit 0
//! of `w32`.

use aether_value::{Raw, tag};

macro_rules! ops {
    (
        { $($(#[doc = $doc:literal])+ $name:ident $layout:ident $words:literal;)* }
        { $($(#[doc = $pair_doc:literal])+ $pair:ident = $first:ident, $($second:ident)|+, $joint:ident; $source:literal)* }
    ) => {
        /// Operation codes; the line beside each is its whole contract. The fused ones come last.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Op { $($(#[doc = $doc])+ $name,)* $($(#[doc = $pair_doc])+ $pair,)* }

        /// Every operation and its name.
        pub(crate) const OPS: &[(Op, &str)] = &[
            $((Op::$name, stringify!($name)),)* $((Op::$pair, stringify!($pair)),)*
        ];

        /// Field layout and length in words of each operation that is not fused.
        const FORMATS: &[(Layout, u8)] = &[$((Layout::$layout, $words),)*];
    };
}

/// What the fields of an instruction mean, for the disassembler and the verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// No operand.
    None,
    /// Register a.
    A,
    /// Registers a, b.
    Ab,
    /// Registers a, b, c.
    Abc,
    /// Registers a, b; number c.
    AbN,
    /// Register a; numbers b, c.
    Ann,
    /// Register a; 32-bit number.
    Aw,
    /// 32-bit jump.
    Jump,
    /// Register a; flagged 32-bit jump.
    JumpA,
    /// Registers a, b; flagged jump c.
    JumpAb,
    /// Register a; number b; flagged jump c.
    JumpAn,
    /// Register a; jump c.
    JumpLoop,
}

fused_operations! { ops {
    /// Nothing.
    Nop None 1;
    /// R\[a\] = R\[b\], counted.
    Copy Ab 1;
    /// R\[a\] = R\[b\]; takes R\[b\].
    Move Ab 1;
    /// R\[a\] = R\[b\]; takes R\[b\] and releases what R\[a\] held.
    Assign Ab 1;
    /// R\[a\] = R\[b\], counted; releases what R\[a\] held.
    AssignCopy Ab 1;
    /// R\[a\] = int w32.
    LoadInt Aw 1;
    /// R\[a\] = K\[w32\].
    LoadConst Aw 1;
    /// R\[a\] = null.
    LoadNull A 1;
    /// R\[a\] = unset.
    LoadUnset A 1;
    /// R\[a\] = bool b.
    LoadBool Ann 1;
    /// R\[a\] = the running closure.
    LoadOwn A 1;
    /// Releases R\[a\].
    Drop A 1;
    /// Releases R\[a\], then R\[b\].
    Drop2 Ab 1;
    /// Releases R\[a\], then R\[b\], then R\[c\].
    Drop3 Abc 1;

    /// R\[a\] = global w32, which may be unset.
    GetGlobal Aw 1;
    /// Global w32 = R\[a\], which must be declared or in the prelude; takes R\[a\].
    SetGlobal Aw 1;
    /// Declares global w32 with R\[a\]; takes R\[a\].
    DeclareGlobal Aw 1;
    /// Global w32 = R\[a\] + R\[b of the next word\], where R\[a\] is the global's own value read before; takes both.
    AddGlobal Aw 2;
    /// R\[a\] = capture b of the running closure.
    GetCapture Ann 1;
    /// R\[a\] = value of the cell in capture b, which may be unset.
    GetCaptureCell Ann 1;
    /// Value of the cell in capture b = R\[a\], which must be set; takes R\[a\].
    SetCaptureCell Ann 1;
    /// R\[a\] = a new cell holding R\[b\]; takes R\[b\] (may be R\[a\]).
    NewCell Ab 1;
    /// R\[a\] = a new unset cell.
    NewUnsetCell A 1;
    /// R\[a\] = value of the cell R\[b\], which may be unset.
    GetCell Ab 1;
    /// Value of the cell R\[a\] = R\[b\], which must be set; takes R\[b\].
    SetCell Ab 1;
    /// Value of the cell R\[a\] = R\[b\], its first; takes R\[b\].
    InitCell Ab 1;

    /// Value of the cell R\[b\] = R\[a\] + R\[c\], where R\[a\] is the cell's own value read before; takes both.
    AddCell Abc 1;
    /// The same for the cell in capture b.
    AddCaptureCell Ann 1;

    /// R\[a\] = R\[b\] + R\[c\].
    Add Abc 1;
    /// The same; consumes R\[b\], which may be R\[a\].
    AddB Abc 1;
    /// The same; consumes R\[c\].
    AddC Abc 1;
    /// The same; consumes both; R\[b\] may be R\[a\].
    AddBC Abc 1;
    /// R\[a\] = R\[b\] + K\[c\]; consumes R\[b\] if it is R\[a\].
    AddK AbN 1;
    /// R\[a\] = K\[b\] + R\[c\].
    AddLeftK Ann 1;
    /// The same; consumes R\[c\].
    AddLeftKC Ann 1;
    /// R\[a\] = R\[b\] + i16(c); consumes R\[b\] if it is R\[a\].
    AddI AbN 1;
    /// R\[a\] = R\[b\] - R\[c\].
    Subtract Abc 1;
    /// R\[a\] = R\[b\] - i16(c).
    SubtractI AbN 1;
    /// R\[a\] = R\[b\] - K\[c\].
    SubtractK AbN 1;
    /// R\[a\] = K\[b\] - R\[c\].
    SubtractLeftK Ann 1;
    /// R\[a\] = R\[b\] * R\[c\].
    Multiply Abc 1;
    /// R\[a\] = R\[b\] * i16(c).
    MultiplyI AbN 1;
    /// R\[a\] = R\[b\] * K\[c\].
    MultiplyK AbN 1;
    /// R\[a\] = K\[b\] * R\[c\].
    MultiplyLeftK Ann 1;
    /// R\[a\] = R\[b\] / R\[c\].
    Divide Abc 1;
    /// R\[a\] = R\[b\] / i16(c), c not 0.
    DivideI AbN 1;
    /// R\[a\] = R\[b\] / K\[c\].
    DivideK AbN 1;
    /// R\[a\] = K\[b\] / R\[c\].
    DivideLeftK Ann 1;
    /// R\[a\] = R\[b\] % R\[c\].
    Remainder Abc 1;
    /// R\[a\] = R\[b\] % i16(c), c above 0.
    RemainderI AbN 1;
    /// R\[a\] = R\[b\] % K\[c\].
    RemainderK AbN 1;
    /// R\[a\] = R\[b\] ** R\[c\].
    Power Abc 1;
    /// R\[a\] = R\[b\] << R\[c\].
    ShiftLeft Abc 1;
    /// R\[a\] = R\[b\] >> R\[c\].
    ShiftRight Abc 1;
    /// R\[a\] = R\[b\] & R\[c\].
    BitAnd Abc 1;
    /// R\[a\] = R\[b\] ^ R\[c\].
    BitXor Abc 1;
    /// R\[a\] = R\[b\] | R\[c\].
    BitOr Abc 1;
    /// R\[a\] = -R\[b\].
    Negate Ab 1;
    /// R\[a\] = ~R\[b\].
    BitNot Ab 1;
    /// R\[a\] = !R\[b\]; consumes R\[b\] if it is R\[a\].
    Not Ab 1;
    /// R\[a\] = R\[b\] == R\[c\].
    Equal Abc 1;
    /// R\[a\] = R\[b\] != R\[c\].
    NotEqual Abc 1;
    /// R\[a\] = R\[b\] < R\[c\].
    Less Abc 1;
    /// R\[a\] = R\[b\] <= R\[c\].
    LessEqual Abc 1;
    /// R\[a\] = R\[b\] > R\[c\].
    Greater Abc 1;
    /// R\[a\] = R\[b\] >= R\[c\].
    GreaterEqual Abc 1;

    /// Jumps by w32.
    Jump Jump 1;
    /// Jumps backwards by w32, spending fuel.
    Loop Jump 1;
    /// Jumps if R\[a\] is truthy, spending fuel.
    JumpIf JumpA 1;
    /// Jumps if R\[a\] is falsy.
    JumpIfNot JumpA 1;
    /// Jumps if R\[a\] is null.
    JumpIfNull JumpA 1;
    /// Jumps if R\[a\] is not null.
    JumpIfNotNull JumpA 1;
    /// Jumps if R\[a\] is set.
    JumpIfSet JumpA 1;
    /// Jumps if R\[a\] < R\[b\], spending fuel; the next seven likewise.
    JumpLess JumpAb 1;
    /// Jumps if R\[a\] <= R\[b\].
    JumpLessEqual JumpAb 1;
    /// Jumps if R\[a\] > R\[b\].
    JumpGreater JumpAb 1;
    /// Jumps if R\[a\] >= R\[b\].
    JumpGreaterEqual JumpAb 1;
    /// Jumps unless R\[a\] < R\[b\].
    JumpNotLess JumpAb 1;
    /// Jumps unless R\[a\] <= R\[b\].
    JumpNotLessEqual JumpAb 1;
    /// Jumps unless R\[a\] > R\[b\].
    JumpNotGreater JumpAb 1;
    /// Jumps unless R\[a\] >= R\[b\].
    JumpNotGreaterEqual JumpAb 1;
    /// Jumps if R\[a\] == R\[b\].
    JumpEqual JumpAb 1;
    /// Jumps if R\[a\] != R\[b\].
    JumpNotEqual JumpAb 1;
    /// Jumps if R\[a\] < i16(b), spending fuel; the next nine likewise with a number for R\[b\].
    JumpLessI JumpAn 1;
    /// Jumps if R\[a\] <= i16(b).
    JumpLessEqualI JumpAn 1;
    /// Jumps if R\[a\] > i16(b).
    JumpGreaterI JumpAn 1;
    /// Jumps if R\[a\] >= i16(b).
    JumpGreaterEqualI JumpAn 1;
    /// Jumps unless R\[a\] < i16(b).
    JumpNotLessI JumpAn 1;
    /// Jumps unless R\[a\] <= i16(b).
    JumpNotLessEqualI JumpAn 1;
    /// Jumps unless R\[a\] > i16(b).
    JumpNotGreaterI JumpAn 1;
    /// Jumps unless R\[a\] >= i16(b).
    JumpNotGreaterEqualI JumpAn 1;
    /// Jumps if R\[a\] < K\[b\], a float; spends fuel; the next seven likewise.
    JumpLessK JumpAn 1;
    /// Jumps if R\[a\] <= K\[b\].
    JumpLessEqualK JumpAn 1;
    /// Jumps if R\[a\] > K\[b\].
    JumpGreaterK JumpAn 1;
    /// Jumps if R\[a\] >= K\[b\].
    JumpGreaterEqualK JumpAn 1;
    /// Jumps unless R\[a\] < K\[b\].
    JumpNotLessK JumpAn 1;
    /// Jumps unless R\[a\] <= K\[b\].
    JumpNotLessEqualK JumpAn 1;
    /// Jumps unless R\[a\] > K\[b\].
    JumpNotGreaterK JumpAn 1;
    /// Jumps unless R\[a\] >= K\[b\].
    JumpNotGreaterEqualK JumpAn 1;
    /// Jumps if R\[a\] == i16(b).
    JumpEqualI JumpAn 1;
    /// Jumps if R\[a\] != i16(b).
    JumpNotEqualI JumpAn 1;
    /// Jumps if R\[a\] == K\[b\].
    JumpEqualK JumpAn 1;
    /// Jumps if R\[a\] != K\[b\].
    JumpNotEqualK JumpAn 1;

    /// Jumps if R\[a\]\[R\[b\]\] is truthy, spending fuel; flag 1 as for comparisons, flag 0 unused.
    JumpIfElement JumpAb 1;
    /// Jumps if R\[a\]\[R\[b\]\] is falsy, spending fuel.
    JumpIfNotElement JumpAb 1;

    /// R\[a\] = R\[b\].name: c is the cached slot; word 1 holds the cached shape and, above it, the name's constant, with
    /// `AS_INDEX` for R\[b\]\["name"\] and `OR_NULL` for R\[b\]?.\["name"\].
    GetField AbN 2;
    /// The same with R\[b\] = R\[a\], which is consumed.
    GetFieldT AbN 2;
    /// R\[a\].name = R\[b\], counted; c and word 1 as for `GetField`.
    SetField AbN 2;
    /// R\[a\].name = R\[b\]; takes R\[b\].
    SetFieldMove AbN 2;
    /// R\[a\].name = R\[a\].name + R\[b\]; consumes R\[b\] if bit 0 of word 2 is set.
    AddField AbN 3;
    /// R\[a\].name = R\[a\].name - R\[b\].
    SubtractField AbN 3;
    /// R\[a\] = R\[b\]\[R\[c\]\].
    GetIndex Abc 1;
    /// The same with R\[b\] = R\[a\], which is consumed.
    GetIndexT Abc 1;
    /// R\[a\] = R\[b\]\[R\[c\]\]; consumes R\[c\], which may be R\[a\].
    GetIndexC Abc 1;
    /// The same with R\[b\] = R\[a\], which is consumed too.
    GetIndexTC Abc 1;
    /// R\[a\] = R\[b\]\[c\], c a number; consumes R\[b\] if it is R\[a\].
    GetIndexI AbN 1;
    /// R\[a\]\[R\[b\]\] = R\[c\], counted.
    SetIndex Abc 1;
    /// R\[a\]\[R\[b\]\] = R\[c\]; takes R\[c\].
    SetIndexMove Abc 1;
    /// As `SetIndex`; consumes R\[b\].
    SetIndexC Abc 1;
    /// As `SetIndexMove`; consumes R\[b\].
    SetIndexMoveC Abc 1;
    /// R\[a\]\[R\[b\]\] = the immediate c ([`immediate_of`]); consumes R\[b\] if bit 0 of c is set.
    SetIndexI AbN 1;
    /// R\[a\]\[R\[b\]\] = R\[c\] + R\[b of word 1\], where R\[c\] is the element's own value read before; takes both.
    AddIndex Abc 2;
    /// R\[a\]\[R\[b\]\] = R\[a\]\[R\[b\]\] + R\[c\]; consumes R\[c\] if bit 0 of word 1 is set.
    AddElement Abc 2;
    /// R\[a\] = R\[b\]\[R\[b+1\]:R\[b+2\]\]; takes the three.
    Slice Ab 1;

    /// Calls R\[b\], which stays where it is, with c arguments from R\[a+1\], which it takes; result in R\[a\].
    Call AbN 1;
    /// Calls R\[a\] with c arguments from R\[a+1\]; takes all; result in R\[a\].
    CallTop Ann 1;
    /// Calls global b with c arguments from R\[a+1\], which it takes; result in R\[a\].
    CallGlobal Ann 1;
    /// Calls R\[a\] with b arguments from R\[a+1\] and c by name behind them, whose names are those of site w32 of word 1;
    /// takes all; result in R\[a\].
    CallKeywords Ann 2;
    /// The same for the method K\[upper half of word 1\] of R\[a+1\], with the arguments from R\[a+2\].
    CallMethodKeywords Ann 2;
    /// Calls the running closure with c arguments from R\[a+1\], which it takes; result in R\[a\].
    CallOwn Ann 1;
    /// Calls capture b of the running closure, which keeps it alive, with c arguments from R\[a+1\], which it takes; result
    /// in R\[a\].
    CallCapture Ann 1;
    /// Calls method `name` of R\[a+1\] with b arguments from R\[a+2\]; takes all; result in R\[a\]. c is the name's number
    /// among the built-in methods (0: none); word 1 as for `GetField`, word 2 the cached method. For receivers that are no
    /// instances, word 1 holds their tag below ones and word 2 the built-in's function.
    CallMethod Ann 3;
    /// Calls a method of R\[b\] that some built-in type has with the argument R\[c\]; result in R\[a\]. What stands in
    /// R\[a+1\] or R\[a+2\] is consumed, what stands elsewhere copied there if need be. Words as for `CallMethod`, but that
    /// the upper half of word 1 is a [`name_word`], and the second highest byte of what stands for a shape may say that
    /// the method is a look-up that needs no call.
    CallMethod1 Abc 3;
    /// R\[b\].push(R\[c\]), takes R\[c\]: result null in R\[a\]; anything but an array goes on as `CallMethod` would, with the
    /// words of that instruction.
    Push Abc 3;
    /// R\[a\] = len(R\[b\]) if global c is the built-in `len`; otherwise calls it with R\[b\] moved or copied to R\[a+1\].
    Len AbN 1;
    /// Returns R\[a\], which it takes.
    Return A 1;
    /// Releases R\[b\], then returns R\[a\].
    Return1 Ab 1;
    /// Releases R\[b\], R\[c\], then returns R\[a\].
    Return2 Abc 1;
    /// R\[a\] = a generator that holds the frame's registers, which are null now, and begins behind the next word.
    Generator A 1;
    /// R\[a\] = a promise of what the body gives, on a stack of its own that holds the frame's registers, which are null now;
    /// the body begins behind the next word.
    Promise A 1;
    /// Gives R\[a\], which it takes, to whoever has resumed the generator that runs, which holds the frame's registers
    /// until it is resumed at the next word.
    Yield A 1;
    /// Returns null.
    ReturnNull None 1;

    /// R\[a\] = a closure of child b of the running code.
    Closure Ann 1;
    /// R\[a\] = a struct definition without methods, from template w32.
    Struct Aw 1;
    /// Gives the struct definition R\[a\] its c methods from R\[a+1\], named as in template word 1; takes them.
    Methods Ann 2;
    /// R\[a\] = an enum definition, from template w32.
    Enum Aw 1;
    /// R\[a\] = an instance of R\[a\] with c field values from R\[a+1\], which it takes; word 1 is the literal's site.
    Instance Ann 2;
    /// R\[a\] = an array of c values from R\[b\], which it takes.
    Array AbN 1;
    /// Appends R\[b\] to the array R\[a\]; takes R\[b\].
    Append Ab 1;
    /// Appends the elements of R\[b\] to the array R\[a\]; takes R\[b\].
    Extend Ab 1;
    /// Makes room in the array R\[a\] for the items of the loop whose state is R\[b\], if their number is known.
    Reserve Ab 1;
    /// R\[a\] = a dict of the c values from R\[b\], which it takes, under the keys of site w32 of word 1.
    Record AbN 2;
    /// R\[a\] = an empty dict with room for w32 entries.
    Dict Aw 1;
    /// R\[a\]\[R\[b\]\] = R\[c\] in a dict being built; takes R\[b\] and R\[c\].
    Entry Abc 1;
    /// R\[a\] = display texts of c values from R\[b\], joined; takes them.
    Concat AbN 1;

    /// R\[a\] = iteration state over R\[a\], R\[a+1\] its position; takes R\[a\].
    Iterate A 1;
    /// If R\[a\] is the built-in `range` and the b arguments after it are ints: R\[a\] = first, R\[a+1\] = end, jumps by c.
    IterateRange Ann 1;
    /// R\[a+2\] = next item of the iteration R\[a\], whose old value is released, and jumps by c, spending fuel. At the
    /// end releases R\[a\] and goes on at the next word; for an instance goes on at the word after that.
    Next JumpLoop 1;
    /// The same where R\[a+2\] holds nothing that needs releasing while R\[a\] counts.
    NextInt JumpLoop 1;

    /// Raises unless R\[a\] is what check w32 admits, and makes it what the check makes of it.
    CheckType Aw 1;
    /// Raises unless R\[a\] is an array.
    CheckArray A 1;
    /// Raises unless R\[a\] is a dict or an instance.
    CheckDict A 1;
    /// R\[a\] = element c of the array R\[b\], or null.
    ElementOrNull AbN 1;
    /// R\[a\] = a new array of the elements of R\[b\] from c on.
    Rest AbN 1;
    /// R\[a\] = R\[b\] under a string key, or null; c and word 1 as for `GetField`.
    KeyOrNull AbN 2;
    /// Jumps by c unless R\[a\] is of the same type as K\[b\] and equal to it.
    JumpUnlessLiteral JumpAn 1;
    /// Jumps by c unless R\[a\] is an enum value; word 1: constants of the enum's and the variant's name.
    JumpUnlessVariant JumpAn 2;
    /// Jumps to where table w32 of the running code leads for R\[a\], if it has it.
    Switch Aw 1;
    /// Jumps by c unless R\[a\] is an int from word 1 to word 2, both included.
    JumpUnlessWithin JumpAn 3;
    /// Jumps by c unless R\[a\] is an array of b elements, or of b and more if word 1 is not 0.
    JumpUnlessArray JumpAn 2;
    /// Jumps by c unless R\[a\] is a dict.
    JumpUnlessDict JumpAn 1;
    /// Jumps by c unless R\[a\] is an instance of a struct with the name K\[word 1\].
    JumpUnlessStruct JumpAn 2;
    /// R\[a\] = value under a key, or of a field, of the dict or instance R\[b\], or unset; c and word 1 as for `GetField`.
    MemberOrUnset AbN 2;
    /// Raises the error of a match without an arm for R\[a\].
    NoMatch A 1;
    /// R\[a\] = payload c of the enum value R\[b\], or null.
    Payload AbN 1;

    /// R\[a\] = module K\[w32\].
    Import Aw 1;
    /// R\[a\] = member K\[word 1\] of the module R\[b\].
    ImportMember Ab 2;
    /// R\[a\] = await R\[a\].
    Await A 1;
    /// Adds the function R\[b\] to the list R\[a\] of what is deferred, which is null at first; takes R\[b\].
    Defer Ab 1;
    /// Adds the function R\[a\] to what is deferred to the end of the program; takes it.
    DeferAtEnd A 1;
    /// R\[a\] = the last function of the list R\[b\], which loses it, and jumps by c; goes on if there is none.
    NextDeferred JumpAb 1;
    /// Calls R\[a\], which is deferred code, without arguments as a part of the running activation; takes it; result in R\[a\].
    CallDeferred A 1;
    /// Raises R\[a\]; takes it.
    Throw A 1;
    /// Raises the error R\[a\] again as it was; takes it.
    Rethrow A 1;
    /// Raises `Function 'main' is already defined in this scope`.
    DuplicateMain None 1;
    /// The `debugger` statement.
    Debugger None 1;
    /// The machine code of the running function is entered here; its fields are those of the instruction that it
    /// stands for, which the compiler of machine code knows.
    Enter None 1;
}}

/// The names of all operations, as listings show them.
pub fn operation_names() -> impl Iterator<Item = &'static str> {
    OPS.iter().map(|&(_, name)| name)
}

impl Op {
    /// The operation of a code word.
    ///
    /// # Panics
    /// If the word holds none, which the compiler never makes.
    pub(crate) fn of(word: u64) -> Self {
        OPS[(word & 0xFFFF) as usize].0
    }

    pub(crate) fn name(self) -> &'static str {
        OPS[self as usize].1
    }

    pub(crate) fn layout(self) -> Layout {
        FORMATS[self.first() as usize].0
    }

    /// Words the instruction occupies.
    pub(crate) fn words(self) -> usize {
        FORMATS[self.first() as usize].1 as usize
    }
}

/// Builds an instruction word.
pub(crate) const fn encode(op: Op, a: u16, b: u16, c: u16) -> u64 {
    op as u64 | (a as u64) << 16 | (b as u64) << 32 | (c as u64) << 48
}

/// The field that stands for a small int, a bool or null: bit 0 is the instruction's own, then two bits of the tag and
/// 13 of the payload. None if it does not fit.
pub(crate) fn immediate_field(value: Raw) -> Option<u16> {
    let payload = i16::try_from(value.payload as i64).ok()?;
    let fits = value.tag <= tag::BOOL && value.tag != tag::FLOAT && payload << 3 >> 3 == payload;
    fits.then_some((payload << 3) as u16 | u16::from(value.tag) << 1)
}

/// The value that such a field stands for.
#[inline(always)]
pub(crate) fn immediate_of(field: u16) -> Raw {
    Raw {
        tag: (field >> 1 & 3) as u8,
        payload: i64::from(field as i16 >> 3) as u64,
    }
}

/// A method name's constant and its number among the built-in methods in one; none if they do not fit.
pub(crate) fn name_word(constant: u32, number: u16) -> Option<u32> {
    (constant < 1 << 20 && number < 1 << 12).then_some(constant | u32::from(number) << 20)
}

/// The constant and the number in a [`name_word`].
pub(crate) fn name_parts(word: u32) -> (u32, u16) {
    (word & 0xF_FFFF, (word >> 20) as u16)
}

/// In the name of a member instruction: it stands for an index with a string.
pub(crate) const AS_INDEX: u32 = 1 << 31;
/// In the name of a member instruction, beside [`AS_INDEX`]: what is missing is null.
pub(crate) const OR_NULL: u32 = 1 << 30;

/// The constant of the name in word 1 of a member instruction.
pub(crate) const fn member_name(word: u64) -> u32 {
    (word >> 32) as u32 & !(AS_INDEX | OR_NULL)
}

/// Fields a, b, c of an instruction word.
pub(crate) const fn fields(word: u64) -> (u16, u16, u16) {
    ((word >> 16) as u16, (word >> 32) as u16, (word >> 48) as u16)
}

/// The 32-bit number in fields b and c.
pub(crate) const fn w32(word: u64) -> u32 {
    (word >> 32) as u32
}
