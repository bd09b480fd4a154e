//! What types the values of a function have had: recorded by the stepping loop for a short while, once a function is
//! found to be hot. What is recorded is a hint alone: compiled code tests what it relies on.

use aether_value::{Closure, Code, Header, Raw, tag};

use super::effects::{Successors, successors};
use crate::bytecode::{Op, fields};

/// Executions of a leader at each of which the registers are looked at; later on it is one in [`LEADER_INTERVAL`].
const FIRST_AT_LEADER: u32 = 32;
/// See [`FIRST_AT_LEADER`]. No multiple of a small number, so that no pattern of a loop is met at the same place always.
const LEADER_INTERVAL: u32 = 7;

/// Types that one place has been seen with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// A bit for each tag.
    tags: u32,
    /// The shapes of the instances seen, 0 for none.
    shapes: [u32; MOST_SHAPES],
    /// There were more.
    has_more_shapes: bool,
}

/// Shapes that are told apart at one place.
const MOST_SHAPES: usize = 6;

impl Seen {
    fn add(&mut self, value: Raw) {
        if matches!(value.tag, tag::INSTANCE) {
            // SAFETY: a register of a live frame holds a value; see `Profile::record`.
            #[expect(unsafe_code, reason = "reads the shape of a live object")]
            let shape = unsafe { (*value.pointer::<Header>()).shape.get() };
            match self
                .shapes
                .iter_mut()
                .find(|known| **known == 0 || **known == shape)
            {
                Some(known) => *known = shape,
                None => self.has_more_shapes = true,
            }
        }
        self.tags |= 1 << value.tag;
    }

    /// A value that is there now.
    pub(super) fn of(value: Raw) -> Self {
        let mut seen = Self::default();
        seen.add(value);
        seen
    }

    /// Whether nothing was seen.
    pub(super) fn is_empty(self) -> bool {
        self.tags == 0
    }

    /// The tag, if it was always the same.
    pub(super) fn tag(self) -> Option<u8> {
        self.tags
            .is_power_of_two()
            .then(|| self.tags.trailing_zeros() as u8)
    }

    /// The shape of the instances, if it was always the same and nothing else was seen.
    pub(super) fn shape(self) -> Option<u32> {
        let is_single = self.shapes[0] != 0 && self.shapes[1] == 0;
        (self.tag() == Some(tag::INSTANCE) && is_single).then_some(self.shapes[0])
    }

    /// The shapes of the instances, if nothing else was seen and all are known.
    pub(super) fn shapes(&self) -> Option<impl Iterator<Item = u32>> {
        let known = self.tag() == Some(tag::INSTANCE) && !self.has_more_shapes;
        known.then(|| self.shapes.iter().copied().filter(|&shape| shape != 0))
    }

    /// Whether ints and floats were seen, and nothing else.
    pub(super) fn is_number(self) -> bool {
        self.tags != 0 && self.tags & !(1 << tag::INT | 1 << tag::FLOAT) == 0
    }
}

/// What was seen at one instruction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Site {
    /// Executions.
    pub(super) count: u32,
    /// What it made.
    pub(super) result: Seen,
    /// What its register fields held before it.
    pub(super) operands: [Seen; 3],
    /// What the receiver of a method call was that stands in its window.
    pub(super) receiver: Seen,
    /// The code that a call ran, if it was always the same.
    pub(super) callee: Callee,
    /// Whether a call of a value ran functions alone.
    pub(super) only_functions: bool,
    /// Which of the profile's leaders this is, from 1 on; 0 for none.
    leader: u32,
}

/// What a call ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Callee {
    #[default]
    None,
    Code(*const Code),
    Many,
}

impl Callee {
    fn add(&mut self, code: *const Code) {
        *self = match *self {
            Self::None => Self::Code(code),
            Self::Code(known) if known == code => return,
            _ => Self::Many,
        };
    }
}

/// What was seen in one function.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) sites: Vec<Site>,
    /// What the registers held at instructions that jumps lead to, and at the entry.
    leaders: Vec<(usize, Vec<Seen>)>,
    /// Instructions executed while it was recorded.
    pub(super) executed: u32,
}

impl Profile {
    pub(super) fn new(code: &Code, leaders: &[usize]) -> Self {
        let registers = code.registers as usize;
        let mut sites = vec![Site::default(); code.words.len()];
        for (number, &word) in (1..).zip(leaders) {
            if let Some(site) = sites.get_mut(word) {
                site.leader = number;
            }
        }
        Self {
            sites,
            leaders: leaders
                .iter()
                .map(|&word| (word, vec![Seen::default(); registers]))
                .collect(),
            executed: 0,
        }
    }

    /// Code was left for a word where nothing has been recorded, again and again: what runs from there counts as having run.
    pub(super) fn admit(&mut self, code: &Code, word: usize) {
        let mut places = vec![word];
        while let Some(mut word) = places.pop() {
            while let Some(site) = self.sites.get_mut(word)
                && site.count == 0
            {
                site.count = 1;
                let after = word + Op::of(code.words[word]).first().words();
                match successors(code, word) {
                    Successors::Next => {}
                    Successors::Branch(targets) => places.extend(targets),
                    Successors::Jump(target) => {
                        places.push(target);
                        break;
                    }
                    Successors::None => break,
                }
                word = after;
            }
        }
    }

    /// Bytes this takes.
    pub(super) fn size(&self) -> usize {
        let leaders: usize = self.leaders.iter().map(|(_, seen)| seen.capacity()).sum();
        self.sites.capacity() * size_of::<Site>()
            + self.leaders.capacity() * size_of::<(usize, Vec<Seen>)>()
            + leaders * size_of::<Seen>()
    }

    /// What the registers held at an instruction that jumps lead to.
    pub(super) fn at_leader(&self, word: usize) -> Option<&[Seen]> {
        let found = self.leaders.binary_search_by_key(&word, |&(word, _)| word).ok()?;
        Some(&self.leaders[found].1)
    }

    /// Records what an instruction is about to work on.
    ///
    /// # Safety
    /// `word` is the instruction that the frame at `base` of this code is about to execute.
    #[expect(unsafe_code, reason = "reads the registers of a live frame")]
    pub(super) unsafe fn record(&mut self, code: &Code, word: usize, base: *mut u8) {
        self.executed += 1;
        let Some(&instruction) = code.words.get(word) else {
            return;
        };
        // SAFETY: the registers of the frame are values or have tags that are not counted.
        unsafe {
            let registers = code.registers as usize;
            let register = |field: u16| {
                let index = field as usize / 16;
                (field.is_multiple_of(16) && index < registers).then(|| *base.cast::<Raw>().add(index))
            };
            let site = &mut self.sites[word];
            site.count += 1;
            let (a, b, c) = fields(instruction);
            for (seen, field) in site.operands.iter_mut().zip([a, b, c]) {
                if let Some(value) = register(field) {
                    seen.add(value);
                }
            }
            let called = match Op::of(instruction).first() {
                Op::Call => register(b),
                Op::CallTop => register(a),
                Op::CallCapture => Some(*crate::vm::capture_of(base, b)),
                _ => None,
            };
            if let Some(called) = called {
                site.only_functions =
                    called.tag == tag::FUNCTION && (site.only_functions || site.callee == Callee::None);
                if called.tag == tag::FUNCTION {
                    site.callee
                        .add((*called.pointer::<Closure>()).code_ptr().as_ptr());
                } else {
                    site.callee = Callee::Many;
                }
            }
            if Op::of(instruction).first() == Op::CallMethod
                && let Some(receiver) = register(a + 16)
            {
                site.receiver.add(receiver);
            }
            if site.leader != 0
                && (site.count <= FIRST_AT_LEADER || site.count.is_multiple_of(LEADER_INTERVAL))
                && let Some((_, registers)) = self.leaders.get_mut(site.leader as usize - 1)
            {
                for (index, seen) in registers.iter_mut().enumerate() {
                    seen.add(*base.cast::<Raw>().add(index));
                }
            }
        }
    }

    /// Records what the instruction at `word` has made.
    ///
    /// # Safety
    /// As [`Profile::record`], behind the instruction.
    #[expect(unsafe_code, reason = "reads the registers of a live frame")]
    pub(super) unsafe fn record_result(&mut self, code: &Code, word: usize, base: *mut u8) {
        let Some(&instruction) = code.words.get(word) else {
            return;
        };
        let index = result_register(instruction);
        if index < code.registers as usize {
            // SAFETY: the caller's promise.
            let value = unsafe { *base.cast::<Raw>().add(index) };
            self.sites[word].result.add(value);
        }
    }
}

/// The register in which an instruction leaves what it makes.
pub(super) fn result_register(instruction: u64) -> usize {
    let index = fields(instruction).0 as usize / 16;
    match Op::of(instruction).first() {
        Op::Next | Op::NextInt => index + 2,
        _ => index,
    }
}
