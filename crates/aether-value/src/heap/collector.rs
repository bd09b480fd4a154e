//! The cycle collector: finds containers that only each other keep alive, and frees them.
//!
//! Method: synchronous trial deletion over all containers, after Bacon and Rajan, "Concurrent Cycle Collection in
//! Reference Counted Systems" (2001); no roots are needed. Example: `a.next = b; b.next = a`, and a variable holds `a`.
//!
//! 1. *Subtract*: for every container, one count less for each container it holds. Left are the counts from outside:
//!    a 1, b 0.
//! 2. *Restore*: what still has a count is reached from outside, and so is all that it leads to; each edge walked
//!    gets its count back: a 1 + 1, b 0 + 1.
//! 3. What was not reached is garbage. Had the variable gone, both would be left with 0 here; their edges get their
//!    counts back as well, so that teardown finds them as the program left them.
//! 4. *Tear down*: every member gets a count that holds it; weak cells are emptied and finalizers queued; contents
//!    are released; only then the blocks are freed.
//!
//! Invariants
//! - Nothing here runs script code. No object is allocated or freed during steps 1 to 3.
//! - References that the pass does not see (registers above a stack's top, locals of Rust code, stuck counts) count
//!   as outside: they keep things alive, never the reverse.
//! - The work stacks are the collector's own and not charged: a pass must be possible when the budget is used up.
#![expect(unsafe_code, reason = "walks all objects and frees groups")]

use std::ptr::NonNull;

use crate::{Array, Header, tag};

use super::visit::Visitor;
use super::{Heap, Inner, alloc, flag};

/// What a pass freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectStats {
    /// Objects freed, buffers and tables included.
    pub objects: usize,
    /// Bytes freed.
    pub bytes: usize,
}

impl Heap {
    /// Frees every unreachable cycle. Does nothing when called from within a release or another pass.
    pub fn collect(&self) -> CollectStats {
        if self.inner().draining.get() || self.inner().collecting.get() {
            return CollectStats::default();
        }
        // Keeps the record alive whatever the teardown drops.
        let heap = self.clone();
        let inner = heap.inner();
        inner.collecting.set(true);
        let (objects, bytes) = (inner.live_objects.get(), inner.live.get());
        let garbage = inner.find_garbage();
        // SAFETY: the members are unreachable from outside.
        unsafe { inner.tear_down_group(&garbage) };
        let stats = CollectStats {
            objects: objects.saturating_sub(inner.live_objects.get()),
            bytes: bytes.saturating_sub(inner.live.get()),
        };
        inner.counters.pass(stats);
        inner.pass_done();
        inner.collecting.set(false);
        stats
    }
}

/// Counts from here on are stuck and never change.
fn is_stuck(header: &Header) -> bool {
    header.count.get().cast_signed() < 0
}

impl Inner {
    /// A pass because the budget is used up; whether it freed anything.
    pub(super) fn collect_for_budget(&self) -> bool {
        if self.draining.get() || self.collecting.get() {
            return false;
        }
        let heap = std::mem::ManuallyDrop::new(Heap(NonNull::from(self)));
        heap.collect().bytes > 0
    }

    /// Steps 1 to 3: all containers that are not reached from outside, counts as the program left them.
    fn find_garbage(&self) -> Vec<NonNull<Header>> {
        // SAFETY: every object met is alive; counts are only changed by the pass itself, and restored.
        unsafe {
            let mut subtract = Visitor(|child: NonNull<Header>| {
                let header = child.as_ref();
                if !is_stuck(header) {
                    header.count.set(header.count.get() - 1);
                }
            });
            // An array's own length is what counts until it shares its buffer.
            self.each_object(alloc::ARRAYS, |object| {
                if object.as_ref().kind == tag::ARRAY {
                    object.cast::<Array>().as_ref().sync_buffer_length();
                }
            });
            self.each_object(alloc::CONTAINERS, |object| self.visit(object, &mut subtract));

            let mut reached: Vec<NonNull<Header>> = Vec::new();
            self.each_object(alloc::CONTAINERS, |object| {
                let header = object.as_ref();
                if header.count.get() == 0 || header.has(flag::REACHED) {
                    return;
                }
                header.set_flag(flag::REACHED);
                reached.push(object);
                while let Some(object) = reached.pop() {
                    let mut restore = Visitor(|child: NonNull<Header>| {
                        let header = child.as_ref();
                        if !is_stuck(header) {
                            header.count.set(header.count.get() + 1);
                        }
                        if !header.has(flag::REACHED) {
                            header.set_flag(flag::REACHED);
                            reached.push(child);
                        }
                    });
                    self.visit(object, &mut restore);
                }
            });

            let mut garbage = Vec::new();
            self.each_object(alloc::CONTAINERS, |object| {
                let header = object.as_ref();
                if !tag::is_container(header.kind) {
                    return;
                }
                if header.has(flag::REACHED) {
                    header.clear_flag(flag::REACHED);
                } else {
                    garbage.push(object);
                }
            });
            let mut restore = Visitor(|child: NonNull<Header>| {
                let header = child.as_ref();
                if !is_stuck(header) {
                    header.count.set(header.count.get() + 1);
                }
            });
            for object in &garbage {
                self.visit(*object, &mut restore);
            }
            // The stand-ins are in no chunk: their marks are cleared by hand.
            self.empty_buffer.header.clear_flag(flag::REACHED);
            self.empty_table.header.clear_flag(flag::REACHED);
            garbage
        }
    }

    /// Step 4. What dies outside the group goes through the work list as usual.
    unsafe fn tear_down_group(&self, garbage: &[NonNull<Header>]) {
        if garbage.is_empty() {
            return;
        }
        self.draining.set(true);
        // SAFETY: the members are alive until the last loop, held by the count added in the first; nothing outside
        // leads to them.
        unsafe {
            for object in garbage {
                object.as_ref().retain();
            }
            for object in garbage {
                if object.as_ref().has(flag::HAS_SIDE) {
                    self.on_death(*object);
                }
            }
            // Definitions last: instances ask theirs how many slots they have.
            for definitions in [false, true] {
                for object in garbage {
                    let header = object.as_ref();
                    if (header.kind == tag::STRUCT_DEF) == definitions {
                        self.release_contents(*object, header.shape.get());
                    }
                }
            }
            for object in garbage {
                debug_assert!(object.as_ref().count.get() == 1, "a member is still referred to");
                self.free(*object);
            }
            super::release::finish(NonNull::from(self));
        }
    }
}
