//! A module's namespace as a value. Its slots belong to the evaluator.
#![expect(unsafe_code, reason = "declares the layout")]

use crate::{Header, Heap, Object, Raise, Rc, Str, tag};

/// A module's namespace.
#[repr(C)]
pub struct Module {
    header: Header,
    name: Rc<Str>,
    id: u32,
}

// SAFETY: repr(C), header first, made by `Heap::module` only.
unsafe impl Object for Module {}

impl Module {
    /// The module's number in the evaluator.
    #[inline]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &Rc<Str> {
        &self.name
    }
}

impl Heap {
    /// A new namespace value.
    ///
    /// # Errors
    /// Out of memory.
    pub fn module(&self, id: u32, name: &Rc<Str>) -> Result<Rc<Module>, Raise> {
        self.object(tag::MODULE, |header| Module {
            header,
            name: name.clone(),
            id,
        })
    }
}
