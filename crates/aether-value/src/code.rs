//! Compiled functions as plain data. Only the evaluator knows what the words mean.
#![expect(unsafe_code, reason = "follows the pointers to nested functions")]

use ahash::AHashMap;
use std::ptr::NonNull;

use aether_source::{SourceFile, Span};

use crate::{Rc, Str};

/// Where an error in a range of words goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// First word covered.
    pub start: u32,
    /// One past the last word covered.
    pub end: u32,
    /// Where to go on.
    pub target: u32,
    /// The register that gets the error.
    pub register: u16,
    /// The first register to release.
    pub live: u16,
    /// Whether it is a `finally` block's, which an interrupt runs too.
    pub finally: bool,
}

/// Where a closure gets a capture from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// From a register of the function that makes the closure, else from that function's own captures.
    pub from_parent_register: bool,
    /// Which one.
    pub index: u16,
}

/// A named local, for the debugger.
#[derive(Clone, Debug)]
pub struct LocalInfo {
    /// Its name.
    pub name: Rc<Str>,
    /// Its register.
    pub register: u16,
    /// First word where it is in scope.
    pub start: u32,
    /// One past the last word where it is in scope.
    pub end: u32,
    /// Whether the register holds a shared cell.
    pub cell: bool,
    /// Whether the code knows that it may hold something counted.
    pub counted: bool,
}

/// A compiled function.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Code {
    /// The declared name, `Type.method` for methods; none when anonymous.
    pub name: Option<Box<str>>,
    /// Whether traces leave it out: a part of the library that is written in the language.
    pub is_library: bool,
    /// What documents its declaration.
    pub doc: Option<Box<str>>,
    /// Instructions.
    pub words: Box<[u64]>,
    /// Arguments with which a call needs no preparation: as many as are declared, a leading `self` not counted;
    /// [`Self::NEVER`] for a function that collects what is surplus.
    pub params: u16,
    /// Declared parameters, a leading `self` not counted.
    pub declared: u16,
    /// Parameters before the first that has a default or collects: they are null if they are not given.
    pub required: u16,
    /// Whether the first declared parameter is `self`.
    pub has_self: bool,
    /// Registers a frame needs.
    pub registers: u16,
    /// Whether calls give promises.
    pub is_async: bool,
    /// Whether a call of it, which is async, runs it until its parameters are bound, and then makes the promise.
    pub binds_first: bool,
    /// Whether `self` may be assigned, so that the receiver may die before the call ends.
    pub assigns_self: bool,
    /// Names of the parameters.
    pub param_names: Box<[Rc<Str>]>,
    /// Where errors go, innermost first.
    pub handlers: Box<[Handler]>,
    /// The words of `finally` blocks and of calls of what is deferred: from, to.
    pub cleanups: Box<[(u32, u32)]>,
    /// Places of instructions, sorted by word.
    pub places: Box<[(u32, Span)]>,
    /// Where its body is in the file.
    pub span: Span,
    /// The file it was compiled from.
    pub file: std::rc::Rc<SourceFile>,
    /// Functions nested in this one.
    pub children: Box<[NonNull<Code>]>,
    /// What a closure of it captures.
    pub captures: Box<[Capture]>,
    /// The names of these.
    pub capture_names: Box<[Rc<Str>]>,
    /// The module it belongs to.
    pub module: u32,
    /// Named locals.
    pub locals: Box<[LocalInfo]>,
    /// Tables of the matches that go by one.
    pub switches: Box<[Switch]>,
    /// What the evaluator knows of its machine code; null if there is none.
    pub machine: std::cell::Cell<*const ()>,
}

/// Where a match on literals goes, by the value: distances in words from the instruction that looks it up.
#[derive(Debug, Default)]
pub struct Switch {
    ints: AHashMap<i64, u32>,
    texts: AHashMap<Box<str>, u32>,
    /// Bytes of the longest text.
    longest: usize,
}

impl Switch {
    /// An int's target, unless it has one.
    pub fn add_int(&mut self, key: i64, target: u32) {
        self.ints.entry(key).or_insert(target);
    }

    /// A text's target, unless it has one.
    pub fn add_text(&mut self, key: &str, target: u32) {
        self.longest = self.longest.max(key.len());
        self.texts.entry(key.into()).or_insert(target);
    }

    /// The target of an int.
    pub fn int(&self, key: i64) -> Option<u32> {
        self.ints.get(&key).copied()
    }

    /// The target of a text.
    pub fn text(&self, key: &str) -> Option<u32> {
        (key.len() <= self.longest)
            .then(|| self.texts.get(key).copied())
            .flatten()
    }

    /// All targets, in no order.
    pub fn targets(&self) -> impl Iterator<Item = u32> {
        self.ints.values().chain(self.texts.values()).copied()
    }

    /// Bytes this takes.
    fn size(&self) -> usize {
        let texts: usize = self.texts.keys().map(|key| key.len()).sum();
        let per_entry = size_of::<(Box<str>, u32)>() + 1;
        size_of::<Self>() + texts + (self.ints.capacity() + self.texts.capacity()) * per_entry
    }
}

impl Code {
    /// No number of arguments.
    pub const NEVER: u16 = u16::MAX;

    /// Whether the last parameter collects the arguments that are surplus.
    #[inline]
    pub fn has_rest(&self) -> bool {
        self.params == Self::NEVER
    }

    /// Whether a call with so many arguments, and no receiver, has one for each parameter and no other.
    #[inline]
    pub fn takes_exactly(&self, arguments: usize) -> bool {
        !self.has_self && self.params as usize == arguments && self.declared as usize == arguments
    }

    /// The most arguments that a call may have; none for no limit.
    pub fn most_arguments(&self) -> Option<usize> {
        (!self.has_rest()).then_some(self.declared as usize)
    }

    /// The source of the instruction at `word`.
    pub fn place_at(&self, word: usize) -> Span {
        let after = self.places.partition_point(|&(start, _)| start as usize <= word);
        match after.checked_sub(1) {
            Some(index) => self.places[index].1,
            None => Span::at(0),
        }
    }

    /// The line, from 1, of the instruction at `word`.
    pub fn line_at(&self, word: usize) -> u32 {
        self.file.line(self.place_at(word).start)
    }

    /// The functions nested in this one.
    pub fn child_codes(&self) -> impl DoubleEndedIterator<Item = &Self> {
        // SAFETY: the heap owns all code until it dies, children with their parents.
        self.children.iter().map(|child| unsafe { child.as_ref() })
    }

    /// Bytes this takes, what it points to included.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.name.as_ref().map_or(0, |name| name.len())
            + self.doc.as_ref().map_or(0, |doc| doc.len())
            + size_of_val(&*self.words)
            + size_of_val(&*self.param_names)
            + size_of_val(&*self.handlers)
            + size_of_val(&*self.cleanups)
            + size_of_val(&*self.places)
            + size_of_val(&*self.children)
            + size_of_val(&*self.captures)
            + size_of_val(&*self.capture_names)
            + size_of_val(&*self.locals)
            + self.switches.iter().map(Switch::size).sum::<usize>()
    }

    /// Takes the names away, which are heap objects, at the heap's end.
    pub(crate) fn take_names(&mut self) -> Vec<Rc<Str>> {
        let parameters = std::mem::take(&mut self.param_names).into_iter();
        let captures = std::mem::take(&mut self.capture_names).into_iter();
        let locals = std::mem::take(&mut self.locals).into_iter();
        parameters
            .chain(captures)
            .chain(locals.map(|local| local.name))
            .collect()
    }
}
