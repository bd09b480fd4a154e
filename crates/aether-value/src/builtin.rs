//! Built-in functions as values: an immediate that points to a static record.

/// Where a built-in belongs, which decides its type name and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinKind {
    /// Exists in every engine: type `builtin_function`, text `<builtin NAME>`.
    Core,
    /// Library chapter 10: type `function`, text `<fn(N)>`, missing arguments are null.
    Library,
}

/// The static description of a built-in.
#[repr(C)]
#[derive(Debug)]
pub struct BuiltinInfo {
    /// The name it is first bound to.
    pub name: &'static str,
    /// Where it belongs.
    pub kind: BuiltinKind,
    /// Parameter names.
    pub params: &'static [&'static str],
    /// Fewest arguments.
    pub min_args: u8,
    /// Most arguments; 255 for any number.
    pub max_args: u8,
    /// Index in the evaluator's table of functions.
    pub id: u16,
}

/// A built-in as a value.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Builtin(pub &'static BuiltinInfo);

impl Builtin {
    /// Whether both are the same built-in.
    #[inline]
    pub fn same(self, other: Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl std::ops::Deref for Builtin {
    type Target = BuiltinInfo;

    #[inline]
    fn deref(&self) -> &BuiltinInfo {
        self.0
    }
}
