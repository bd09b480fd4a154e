//! The shape of a function before it is compiled: blocks, loops, and which registers are live where.

use aether_value::Code;

use super::effects::{MOST_REGISTERS, Registers, Successors, kills, reads, successors};
use crate::bytecode::Op;

/// A stretch of instructions that is entered at its beginning alone.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) start: usize,
    /// One past its last word.
    pub(super) end: usize,
    pub(super) next: Successors,
    /// Whether a jump from behind leads here: a place where the interpreter enters.
    pub(super) is_loop_head: bool,
    /// How many loops it is in.
    pub(super) depth: u32,
    /// The innermost of them, by its place in [`Flow::loops`].
    pub(super) innermost: Option<usize>,
    /// The word of its last instruction.
    last: usize,
}

impl Block {
    /// Whether it is in a loop, given as in [`Flow::loops`].
    pub(super) fn is_in(&self, (head, end): (usize, usize)) -> bool {
        head <= self.start && self.start < end
    }
}

/// The blocks of a function.
pub(super) struct Flow {
    pub(super) blocks: Vec<Block>,
    /// Loops: the word of the head, and one past the last word.
    pub(super) loops: Vec<(usize, usize)>,
    /// By word: registers live before the instruction there.
    pub(super) live_in: Vec<Registers>,
    /// By word: registers live after it.
    pub(super) live_out: Vec<Registers>,
}

/// Words of the largest function that is compiled: what is looked through in two milliseconds.
const MOST_WORDS: usize = 4_000;
/// Registers at the beginnings of blocks, in all: something is known of each.
const MOST_PLACES: usize = 20_000;

/// Words at which blocks begin; none if the function cannot be compiled.
pub(super) fn leaders(code: &Code) -> Option<Vec<usize>> {
    let words = code.words.len();
    if code.registers as usize >= MOST_REGISTERS || words > MOST_WORDS {
        return None;
    }
    let mut leaders = vec![0];
    let mut word = 0;
    while word < words {
        let op = Op::of(code.words[word]).first();
        let length = op.words();
        match successors(code, word) {
            Successors::Next => {}
            Successors::Jump(target) => leaders.extend([target, word + length]),
            Successors::Branch(targets) => {
                leaders.extend(targets);
                leaders.push(word + length);
            }
            Successors::None => leaders.push(word + length),
        }
        word += length;
    }
    leaders.extend(code.handlers.iter().map(|handler| handler.target as usize));
    leaders.retain(|&word| word < words);
    leaders.sort_unstable();
    leaders.dedup();
    let is_small = leaders.len() * (code.registers as usize + 1) <= MOST_PLACES;
    is_small.then_some(leaders)
}

impl Flow {
    /// Analyses a function. None if it cannot be compiled.
    pub(super) fn of(code: &Code) -> Option<Self> {
        let leaders = leaders(code)?;
        let mut blocks = Vec::with_capacity(leaders.len());
        let mut heads = Vec::new();
        for (index, &start) in leaders.iter().enumerate() {
            let end = leaders.get(index + 1).copied().unwrap_or(code.words.len());
            let mut word = start;
            let mut last = start;
            while word < end {
                last = word;
                word += Op::of(code.words[word]).first().words();
            }
            let next = successors(code, last);
            match &next {
                Successors::Jump(target) if *target <= last => heads.push((*target, end)),
                Successors::Branch(targets) => {
                    heads.extend(
                        targets
                            .iter()
                            .filter(|&&target| target <= last)
                            .map(|&target| (target, end)),
                    );
                }
                _ => {}
            }
            blocks.push(Block {
                start,
                end,
                next,
                is_loop_head: false,
                depth: 0,
                innermost: None,
                last,
            });
        }
        for block in &mut blocks {
            block.is_loop_head = heads.iter().any(|&(head, _)| head == block.start);
        }
        heads.sort_unstable();
        // A loop reaches to the last jump to its head.
        let mut loops: Vec<(usize, usize)> = Vec::new();
        for (head, end) in heads {
            match loops.last_mut() {
                Some(last) if last.0 == head => last.1 = last.1.max(end),
                _ => loops.push((head, end)),
            }
        }
        for block in &mut blocks {
            block.depth = loops.iter().filter(|&&around| block.is_in(around)).count() as u32;
            // Loops are in the order of their heads.
            block.innermost = loops.iter().rposition(|&around| block.is_in(around));
        }
        let words = code.words.len();
        let mut flow = Self {
            blocks,
            loops,
            live_in: vec![Registers::default(); words],
            live_out: vec![Registers::default(); words],
        };
        flow.find_live(code);
        Some(flow)
    }

    /// The block that begins at a word.
    pub(super) fn block_at(&self, word: usize) -> Option<usize> {
        self.blocks.binary_search_by_key(&word, |block| block.start).ok()
    }

    fn find_live(&mut self, code: &Code) {
        let (mut changed, mut is_first) = (true, true);
        while changed {
            changed = false;
            for index in (0..self.blocks.len()).rev() {
                changed |= self.find_live_in_block(code, index, is_first);
            }
            is_first = false;
        }
    }

    /// Answers whether more is live before the block than was known.
    fn find_live_in_block(&mut self, code: &Code, index: usize, is_first: bool) -> bool {
        let block = &self.blocks[index];
        let (start, end, last) = (block.start, block.end, block.last);
        let mut live = Registers::default();
        let falls_through = end < code.words.len();
        match &block.next {
            Successors::Next if falls_through => live = self.live_in[end],
            Successors::Jump(target) => live = self.live_in[*target],
            Successors::Branch(targets) => {
                for &target in targets {
                    if target < code.words.len() {
                        live.extend(&self.live_in[target]);
                    }
                }
                if falls_through {
                    live.extend(&self.live_in[end]);
                }
            }
            _ => {}
        }
        // Nothing has changed behind it; what handlers read may have.
        if !is_first && live == self.live_out[last] && code.handlers.is_empty() {
            return false;
        }
        let mut starts = Vec::new();
        let mut word = start;
        while word <= last {
            starts.push(word);
            word += Op::of(code.words[word]).first().words();
        }
        let before = self.live_in[start];
        for &word in starts.iter().rev() {
            for handler in &code.handlers {
                if (handler.start..handler.end).contains(&(word as u32)) {
                    live.extend(&self.live_in[handler.target as usize]);
                }
            }
            self.live_out[word] = live;
            live.subtract(&kills(code, word));
            live.extend(&reads(code, word));
            // What a handler finds has to be there before the instruction that fails.
            for handler in &code.handlers {
                if (handler.start..handler.end).contains(&(word as u32)) {
                    let mut found = self.live_in[handler.target as usize];
                    found.remove(handler.register as usize);
                    live.extend(&found);
                }
            }
            self.live_in[word] = live;
        }
        self.live_in[start] != before
    }
}
