//! Finding the next match.
//!
//! A search that is short, for its text and pattern, is one call of the library's best engine. One that may take long
//! is done in steps by engines that make their states as they go, a block of bytes after the other, so that limits and
//! interrupts hold inside it: forwards to the end of the match, then backwards to its beginning. Only where these
//! cannot go on (word boundaries beside text that is not ASCII) does a long search go to the other engine as a whole.

use std::cell::RefCell;

use aether_eval::Ctx;
use aether_value::Raise;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::captures::Captures;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::{Anchored, Input, MatchKind, Span};

use super::pattern::{CACHE, Pattern, Source};

/// Bytes between two looks at limits.
const BLOCK: usize = 256;
/// The bytes of text, times the states of the pattern, up to which a search is one call: some milliseconds.
const SHORT: usize = 1 << 21;
/// Bytes that are searched at once for what a match may begin with.
const WINDOW: usize = 64 << 10;

/// Counts work, and says when the search has to end.
type Tick<'a> = &'a mut dyn FnMut(usize) -> Result<(), Raise>;

/// What is wanted of a match.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Span,
    WithGroups,
}

/// A match: where it is, and its groups if they were wanted.
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) groups: Option<Captures>,
}

/// Goes through the matches of a text. Behind an empty match it goes on with the next character, and an empty match
/// right behind another match is none.
#[derive(Clone, Copy)]
pub(super) struct Positions {
    /// Where the next search begins; none at the end.
    at: Option<usize>,
    /// Where the last match ended.
    last: Option<usize>,
}

impl Positions {
    /// Before the first one.
    pub(super) fn new() -> Self {
        Self {
            at: Some(0),
            last: None,
        }
    }

    /// The next match.
    pub(super) fn next(
        &mut self,
        ctx: &mut Ctx<'_>,
        pattern: &Pattern,
        text: &str,
        wanted: Found,
    ) -> Result<Option<Match>, Raise> {
        while let Some(start) = self.at {
            let found = pattern.find(ctx, text, start, wanted)?;
            let Some(found) = found else {
                self.at = None;
                break;
            };
            self.at = Some(found.end);
            if found.start == found.end {
                let next = text[found.end..].chars().next();
                self.at = next.map(|next| found.end + next.len_utf8());
                if self.last == Some(found.end) {
                    continue;
                }
            }
            self.last = Some(found.end);
            return Ok(Some(found));
        }
        Ok(None)
    }
}

/// The engines that go in steps.
pub(super) struct Stepped {
    forward: DFA,
    reverse: DFA,
    caches: RefCell<(Cache, Cache)>,
    /// Finds what a match may begin with.
    prefilter: Option<Prefilter>,
}

/// An engine cannot go on.
struct GivenUp;

impl Stepped {
    fn new(source: &Source) -> Option<Self> {
        let (hir, most) = source.limited_tree()?;
        let nfa = |reverse: bool| {
            let config = thompson::Config::new()
                .nfa_size_limit(Some(most))
                .reverse(reverse)
                .which_captures(thompson::WhichCaptures::None);
            thompson::Compiler::new()
                .configure(config)
                .build_from_hir(&hir)
                .ok()
        };
        let config = DFA::config()
            .cache_capacity(CACHE)
            .skip_cache_capacity_check(true)
            .unicode_word_boundary(true)
            .specialize_start_states(true);
        let forward = DFA::builder()
            .configure(config.clone())
            .build_from_nfa(nfa(false)?)
            .ok()?;
        let backwards = config.match_kind(MatchKind::All).specialize_start_states(false);
        let reverse = DFA::builder()
            .configure(backwards)
            .build_from_nfa(nfa(true)?)
            .ok()?;
        let caches = RefCell::new((forward.create_cache(), reverse.create_cache()));
        Some(Self {
            forward,
            reverse,
            caches,
            prefilter: Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, &hir).filter(Prefilter::is_fast),
        })
    }

    /// Bytes of the engines and their caches.
    pub(super) fn memory(&self) -> usize {
        let caches = self.caches.borrow();
        self.forward.memory_usage()
            + self.reverse.memory_usage()
            + caches.0.memory_usage()
            + caches.1.memory_usage()
    }
}

impl Pattern {
    /// Whether a search from `start` on is short.
    fn is_short(&self, text: &str, start: usize) -> bool {
        (text.len() - start).saturating_mul(self.states()) <= SHORT
    }

    /// The engines for long texts.
    fn stepped(&self) -> Option<&Stepped> {
        self.stepped.get_or_init(|| Stepped::new(&self.source)).as_ref()
    }

    /// Makes the engines for long texts, if that may take long, where limits hold meanwhile.
    fn prepare(&self, ctx: &mut Ctx<'_>) -> Result<(), Raise> {
        if self.is_large && self.stepped.get().is_none() {
            let source = self.source.clone();
            let stepped = ctx.on_another_thread(move || Stepped::new(&source))?;
            let _ = self.stepped.set(stepped);
        }
        Ok(())
    }

    /// Whether there is a match anywhere.
    pub(super) fn is_match(&self, ctx: &mut Ctx<'_>, text: &str) -> Result<bool, Raise> {
        if self.is_short(text, 0) {
            ctx.tick(1 + text.len() / 64)?;
            let input = Input::new(text).earliest(true);
            let found = self.regex.search_half_with(&mut self.cache.borrow_mut(), &input);
            self.settle()?;
            return Ok(found.is_some());
        }
        Ok(self.find(ctx, text, 0, Found::Span)?.is_some())
    }

    /// The first match that begins at `start` or behind.
    pub(super) fn find(
        &self,
        ctx: &mut Ctx<'_>,
        text: &str,
        start: usize,
        wanted: Found,
    ) -> Result<Option<Match>, Raise> {
        let is_short = self.is_short(text, start);
        if !is_short {
            self.prepare(ctx)?;
        }
        let tick = &mut |work| ctx.tick(work);
        let found = if is_short {
            self.find_at_once(tick, text, start..text.len(), Anchored::No, wanted)?
        } else {
            self.find_in_steps(tick, text, start, wanted)?
        };
        self.settle()?;
        Ok(found)
    }

    fn find_at_once(
        &self,
        tick: Tick<'_>,
        text: &str,
        range: std::ops::Range<usize>,
        anchored: Anchored,
        wanted: Found,
    ) -> Result<Option<Match>, Raise> {
        let begun = range.start;
        let input = Input::new(text).range(range).anchored(anchored);
        let cache = &mut self.cache.borrow_mut();
        let found = match wanted {
            Found::Span => {
                let found = self.regex.search_with(cache, &input);
                found.map(|found| (found.start(), found.end(), None))
            }
            Found::WithGroups => {
                let mut groups = self.regex.create_captures();
                self.regex.search_captures_with(cache, &input, &mut groups);
                groups
                    .get_match()
                    .map(|found| (found.start(), found.end(), Some(groups)))
            }
        };
        let searched = found.as_ref().map_or(text.len(), |(_, end, _)| *end) - begun;
        tick(1 + searched / 64)?;
        Ok(found.map(|(start, end, groups)| Match { start, end, groups }))
    }

    fn find_in_steps(
        &self,
        tick: Tick<'_>,
        text: &str,
        start: usize,
        wanted: Found,
    ) -> Result<Option<Match>, Raise> {
        let Some(stepped) = self.stepped() else {
            return self.find_at_once(tick, text, start..text.len(), Anchored::No, wanted);
        };
        let mut caches = stepped.caches.borrow_mut();
        let (forward, reverse) = &mut *caches;
        // A block of a large pattern is more work.
        let work = 4 + self.states() / 64;
        let mut begin = start;
        let span = loop {
            let end = match stepped.find_end(tick, forward, text, begin, work)? {
                Ok(Some(end)) => end,
                Ok(None) => return Ok(None),
                Err(GivenUp) => break None,
            };
            let Ok(found) = stepped.find_start(tick, reverse, text, begin..end, work)? else {
                break None;
            };
            // No character is cut through.
            if found < end || text.is_char_boundary(end) {
                break Some(found..end);
            }
            begin = end + 1;
        };
        drop(caches);
        match (span, wanted) {
            (None, _) => self.find_at_once(tick, text, start..text.len(), Anchored::No, wanted),
            (Some(span), Found::Span) => Ok(Some(Match {
                start: span.start,
                end: span.end,
                groups: None,
            })),
            // Which groups there are is decided within the match.
            (Some(span), Found::WithGroups) => self.find_at_once(tick, text, span, Anchored::Yes, wanted),
        }
    }
}

impl Stepped {
    /// Where the first match that begins at `start` or behind ends.
    fn find_end(
        &self,
        tick: Tick<'_>,
        cache: &mut Cache,
        text: &str,
        start: usize,
        work: usize,
    ) -> Result<Result<Option<usize>, GivenUp>, Raise> {
        let bytes = text.as_bytes();
        let dfa = &self.forward;
        let begin = |cache: &mut Cache, at: usize| {
            let input = Input::new(text).range(at..);
            dfa.start_state_forward(cache, &input).map_err(|_| GivenUp)
        };
        let mut state = match begin(cache, start) {
            Ok(state) => state,
            Err(error) => return Ok(Err(error)),
        };
        let mut end = None;
        let mut at = start;
        let mut look_at = start;
        while at < bytes.len() {
            if at >= look_at {
                tick(work)?;
                look_at = at + BLOCK;
            }
            if state.is_start()
                && let Some(prefilter) = &self.prefilter
            {
                let Some(candidate) = skip(tick, prefilter, bytes, at)? else {
                    return Ok(Ok(None));
                };
                if candidate > at {
                    at = candidate;
                    state = match begin(cache, at) {
                        Ok(state) => state,
                        Err(error) => return Ok(Err(error)),
                    };
                }
            }
            let Ok(next) = dfa.next_state(cache, state, bytes[at]) else {
                return Ok(Err(GivenUp));
            };
            state = next;
            if state.is_tagged() {
                if state.is_match() {
                    // It is told of a byte late.
                    end = Some(at);
                } else if state.is_dead() {
                    return Ok(Ok(end));
                } else if state.is_quit() {
                    return Ok(Err(GivenUp));
                }
            }
            at += 1;
        }
        match dfa.next_eoi_state(cache, state) {
            Ok(state) if state.is_match() => Ok(Ok(Some(bytes.len()))),
            Ok(state) if !state.is_quit() => Ok(Ok(end)),
            _ => Ok(Err(GivenUp)),
        }
    }

    /// Where the match that ends at the end of a range begins.
    fn find_start(
        &self,
        tick: Tick<'_>,
        cache: &mut Cache,
        text: &str,
        range: std::ops::Range<usize>,
        work: usize,
    ) -> Result<Result<usize, GivenUp>, Raise> {
        let bytes = text.as_bytes();
        let dfa = &self.reverse;
        let input = Input::new(text).range(range.clone()).anchored(Anchored::Yes);
        let Ok(mut state) = dfa.start_state_reverse(cache, &input) else {
            return Ok(Err(GivenUp));
        };
        let mut start = None;
        let mut is_dead = false;
        for at in range.clone().rev() {
            if (range.end - at).is_multiple_of(BLOCK) {
                tick(work)?;
            }
            let Ok(next) = dfa.next_state(cache, state, bytes[at]) else {
                return Ok(Err(GivenUp));
            };
            state = next;
            if state.is_tagged() {
                if state.is_match() {
                    start = Some(at + 1);
                } else if state.is_dead() {
                    is_dead = true;
                    break;
                } else if state.is_quit() {
                    return Ok(Err(GivenUp));
                }
            }
        }
        if !is_dead {
            let last = match range.start.checked_sub(1) {
                Some(before) => dfa.next_state(cache, state, bytes[before]),
                None => dfa.next_eoi_state(cache, state),
            };
            match last {
                Ok(state) if state.is_match() => start = Some(range.start),
                Ok(state) if !state.is_quit() => {}
                _ => return Ok(Err(GivenUp)),
            }
        }
        Ok(start.ok_or(GivenUp))
    }
}

/// Where, from `at` on, something stands that a match may begin with.
fn skip(tick: Tick<'_>, prefilter: &Prefilter, bytes: &[u8], mut at: usize) -> Result<Option<usize>, Raise> {
    loop {
        let end = (at + WINDOW + prefilter.max_needle_len()).min(bytes.len());
        if let Some(found) = prefilter.find(bytes, Span { start: at, end }) {
            return Ok(Some(found.start));
        }
        if end == bytes.len() {
            return Ok(None);
        }
        at += WINDOW;
        tick(WINDOW / 1024)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;
    use aether_value::{Heap, HeapConfig};
    use proptest::prelude::*;

    fn pattern(text: &str) -> Option<Pattern> {
        Pattern::for_test(&Heap::new(HeapConfig::default()), text)
    }

    fn span(found: Option<Match>) -> Option<(usize, usize)> {
        found.map(|found| (found.start, found.end))
    }

    /// The steps find what the one call finds, groups included.
    fn check(pattern: &Pattern, text: &str, start: usize) {
        let tick: Tick<'_> = &mut |_| Ok(());
        let find = |wanted: Found, tick: Tick<'_>| {
            pattern
                .find_at_once(tick, text, start..text.len(), Anchored::No, wanted)
                .unwrap()
        };
        let expected = find(Found::WithGroups, tick);
        let found = pattern
            .find_in_steps(tick, text, start, Found::WithGroups)
            .unwrap();
        let groups = |found: &Option<Match>| {
            let groups = found.as_ref().and_then(|found| found.groups.clone());
            groups.map(|groups| groups.iter().collect::<Vec<_>>())
        };
        assert_eq!(
            groups(&expected),
            groups(&found),
            "{:?} in {text:?} from {start}",
            pattern.source.text
        );
        assert_eq!(
            span(expected),
            span(found),
            "{:?} in {text:?} from {start}",
            pattern.source.text
        );
        let found = pattern.find_in_steps(tick, text, start, Found::Span).unwrap();
        assert_eq!(span(find(Found::Span, tick)), span(found));
    }

    #[test]
    fn steps_find_what_one_call_finds() {
        let texts = [
            "",
            "a",
            "é",
            "aab\nab",
            "xxabcabc",
            "\u{1f600}a\u{301}",
            "ab ab  b",
        ];
        for text_of_pattern in [
            "",
            "a",
            "ab|a",
            "a*",
            "a*?",
            "(a)|(b)",
            "^a",
            "a$",
            "(?m)^a|b$",
            "\\b",
            "\\bab\\b",
            "\\B",
            "(?-u:\\b)a",
            "é?",
            ".",
            "(?s).*",
            "[^a]",
            "(a(b)?)+",
            "abc",
            "(?i)AB",
            "\\A",
            "\\z",
            "a{2}",
            "\\w+",
            "(x|xx)(a|ab)(c|bcd)?",
            "$",
            "()",
        ] {
            let pattern = pattern(text_of_pattern).unwrap();
            for text in texts {
                for (start, _) in text.char_indices().chain([(text.len(), ' ')]) {
                    check(&pattern, text, start);
                }
            }
        }
    }

    /// A beginning that is far away, at every place around the ends of windows.
    #[test]
    fn what_a_match_begins_with_is_found_across_windows() {
        let pattern = pattern("needle\\d").unwrap();
        for gap in WINDOW - 10..WINDOW + 10 {
            let text = ".".repeat(gap) + "needle needle7 needle8";
            check(&pattern, &text, 0);
            check(&pattern, &text, 5);
        }
    }

    #[test]
    fn a_long_search_ends_when_it_has_to() {
        let pattern = pattern("(a?){1000}a{1000}").unwrap();
        let text = "a".repeat(100_000) + "b";
        let mut work = 0;
        let mut tick = |more| {
            work += more;
            if work > 1_000_000 {
                Err(Raise::operation("enough"))
            } else {
                Ok(())
            }
        };
        let ended = pattern.find_in_steps(&mut tick, &text, 0, Found::Span);
        // It either is quick or ends.
        assert!(ended.is_err() || ended.is_ok_and(|found| found.is_some()));
    }

    proptest! {
        #[test]
        fn steps_find_what_one_call_finds_for_any_pattern(
            text_of_pattern in r"(\(a\)|\[ab\]|a|b|é|\.|\||\*|\?|\+|\^|\$|\\b|\{2\}){0,8}",
            text in r"[abcé\n ]{0,40}",
            from in 0_usize..40,
        ) {
            let start = text.char_indices().map(|(at, _)| at).nth(from).unwrap_or(text.len());
            if let Some(pattern) = pattern(&text_of_pattern) {
                check(&pattern, &text, start);
            }
        }
    }
}
