//! Shared helpers: a heap, a struct, code to make closures of.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses some of these, and a failure here is the test's"
)]

use std::ptr::NonNull;

use aether_source::SourceFile;
use aether_value::{
    Code, Heap, HeapConfig, Instance, Raise, Raw, Rc, Str, StrBuilder, StructDef, Value, display,
};

/// A small generator of our own, so that a failure repeats.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

pub(crate) fn heap() -> Heap {
    Heap::new(HeapConfig {
        auto_collect: false,
        ..HeapConfig::default()
    })
}

pub(crate) fn limited(limit: usize) -> Heap {
    Heap::new(HeapConfig {
        limit: Some(limit),
        seed: Some(1),
        auto_collect: false,
        ..HeapConfig::default()
    })
}

pub(crate) fn name(heap: &Heap, text: &str) -> Rc<Str> {
    heap.intern(text).unwrap()
}

pub(crate) fn text(heap: &Heap, text: &str) -> Value {
    heap.string(text).unwrap().into()
}

pub(crate) fn node(heap: &Heap, fields: &[&str]) -> Rc<StructDef> {
    let fields: Vec<_> = fields.iter().map(|field| name(heap, field)).collect();
    heap.struct_def(&name(heap, "Node"), &fields, Vec::new()).unwrap()
}

pub(crate) fn get(instance: &Instance, slot: usize) -> &Value {
    // SAFETY: slots hold values.
    #[expect(unsafe_code, reason = "reads a slot")]
    unsafe {
        instance.slots()[slot].as_value()
    }
}

pub(crate) fn value(raw: &Raw) -> Value {
    // SAFETY: collections hold values.
    #[expect(unsafe_code, reason = "reads an item")]
    unsafe {
        raw.clone_value()
    }
}

pub(crate) fn show(heap: &Heap, value: &Value) -> String {
    let mut out = StrBuilder::new(heap);
    display(heap, value, &mut out).unwrap();
    out.as_str().to_owned()
}

pub(crate) fn code(heap: &Heap, params: u16) -> NonNull<Code> {
    heap.add_code(Box::new(Code {
        name: Some("f".into()),
        doc: None,
        is_library: false,
        words: vec![1, 2, 3].into(),
        params,
        declared: params,
        required: params,
        has_self: false,
        registers: 4,
        is_async: false,
        binds_first: false,
        assigns_self: false,
        param_names: vec![name(heap, "p")].into(),
        handlers: Box::default(),
        cleanups: Box::default(),
        span: aether_source::Span::default(),
        places: vec![
            (0, aether_source::Span::new(0, 1)),
            (2, aether_source::Span::new(2, 3)),
        ]
        .into(),
        file: std::rc::Rc::new(SourceFile::new(None, "a\nb".into())),
        children: Box::default(),
        captures: Box::default(),
        capture_names: Box::default(),
        module: 0,
        locals: Box::default(),
        switches: Box::default(),
        machine: std::cell::Cell::new(std::ptr::null()),
    }))
}

/// Runs `f` on a thread with 256 KiB of stack.
pub(crate) fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(f)
        .unwrap();
    thread.join().unwrap();
}

/// Pushes arrays until one is refused.
pub(crate) fn fill(heap: &Heap, into: &mut Vec<Value>) -> Raise {
    loop {
        match heap.array(8) {
            Ok(array) => into.push(array.into()),
            Err(raise) => return raise,
        }
    }
}
