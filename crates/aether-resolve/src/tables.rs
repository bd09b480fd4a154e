//! What the resolver finds out, as tables beside the tree.

use aether_ast::{FunctionId, NodeId, Symbol};
use ahash::AHashMap;

/// A local binding: a variable of a function or block scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingId(pub(crate) u32);

impl BindingId {
    /// Position in [`Resolution::bindings`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A function of the tree, or the module's top level (the first one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionIndex(pub(crate) u32);

impl FunctionIndex {
    /// The module's top level.
    pub const TOP_LEVEL: Self = Self(0);

    /// The index of a function of the tree.
    #[inline]
    pub const fn of(function: FunctionId) -> Self {
        Self(function.index() as u32 + 1)
    }

    /// Position in [`Resolution::functions`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What declared a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindingKind {
    /// A parameter.
    Parameter,
    /// The receiver of a method, declared or not.
    Receiver,
    /// `let`, also through a pattern.
    Let,
    /// `const`, also through a pattern.
    Constant,
    /// `fn`
    Function,
    /// `struct`
    Struct,
    /// `enum`
    Enum,
    /// `import`, `from … import`
    Import,
    /// The variable of a `for` loop.
    Loop,
    /// The error of a `catch`.
    Catch,
    /// A name in a match pattern.
    Pattern,
}

/// A binding and what is known about its uses.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its name.
    pub name: Symbol,
    /// What declared it.
    pub kind: BindingKind,
    /// The declaring `Ident`; `None` for an undeclared `self`.
    pub ident: Option<NodeId>,
    /// The function whose frame holds it.
    pub function: FunctionIndex,
    /// Whether a nested function captures it.
    pub captured: bool,
    /// Whether it is captured and must be shared, so that it lives in a cell.
    pub cell: bool,
    /// Whether a function declared before it refers to it: its cell exists from the start of its scope.
    pub forward: bool,
    /// Whether it is assigned after its declaration.
    pub assigned: bool,
}

/// What a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The node is no name.
    None,
    /// A binding of this or an enclosing function.
    Local(BindingId),
    /// The module scope, then the prelude.
    Global,
}

/// What a function needs from around it.
#[derive(Clone, Debug, Default)]
pub struct FunctionInfo {
    /// The function that encloses it; its own index for the top level.
    pub parent: Option<FunctionIndex>,
    /// Bindings of enclosing functions that it captures, in order of first use.
    pub captures: Vec<BindingId>,
    /// The binding that names this function, if it is never reassigned: read from the running frame.
    pub own: Option<BindingId>,
    /// The receiver, if the function is a method.
    pub receiver: Option<BindingId>,
    /// The function of the tree; none for the top level.
    pub id: Option<FunctionId>,
    /// Whether it contains a `defer`.
    pub defers: bool,
    /// Whether it contains a `yield`, which makes it a generator.
    pub yields: bool,
}

/// A name declared at the top level of the module.
#[derive(Clone, Copy, Debug)]
pub struct GlobalDeclaration {
    /// The name.
    pub name: Symbol,
    /// The declaring `Ident`.
    pub ident: NodeId,
    /// What declared it.
    pub kind: BindingKind,
}

/// Everything the resolver found.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    pub(crate) uses: Vec<Use>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) functions: Vec<FunctionInfo>,
    pub(crate) forward: AHashMap<NodeId, Vec<BindingId>>,
    pub(crate) globals: Vec<GlobalDeclaration>,
    pub(crate) global_uses: Vec<NodeId>,
    pub(crate) values: Vec<(BindingId, NodeId)>,
    pub(crate) opaque: Vec<BindingId>,
    pub(crate) constant_errors: Vec<NodeId>,
    pub(crate) assigned: Vec<NodeId>,
    pub(crate) global_functions: AHashMap<Symbol, FunctionId>,
    pub(crate) own_functions: AHashMap<BindingId, FunctionId>,
}

impl Resolution {
    /// The function that a used name certainly stands for, once it is declared: the name is declared as a function's
    /// alone and never assigned.
    pub fn function_of(&self, name: NodeId, symbol: Symbol) -> Option<FunctionId> {
        match self.use_of(name) {
            Use::Local(binding) => self.own_functions.get(&binding).copied(),
            Use::Global => self.global_functions.get(&symbol).copied(),
            Use::None => None,
        }
    }

    /// What a `Name` or a declared `Ident` refers to.
    #[inline]
    pub fn use_of(&self, name: NodeId) -> Use {
        self.uses.get(name.index()).copied().unwrap_or(Use::None)
    }

    /// Names, in no order, that assign or declare again what is constant.
    pub fn constant_errors(&self) -> &[NodeId] {
        &self.constant_errors
    }

    /// Names of the module's or the prelude's, in no order, that are assigned.
    pub fn assigned_globals(&self) -> impl Iterator<Item = NodeId> + '_ {
        let assigned = self.assigned.iter().copied();
        assigned.filter(|&name| self.use_of(name) == Use::Global)
    }

    /// A binding.
    #[inline]
    pub fn binding(&self, id: BindingId) -> &Binding {
        &self.bindings[id.index()]
    }

    /// All bindings, in order of declaration.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// What a function needs.
    #[inline]
    pub fn function(&self, function: FunctionIndex) -> &FunctionInfo {
        &self.functions[function.index()]
    }

    /// The forward bindings of the scope that `owner` opens (a block, loop, function body, catch or arm).
    pub fn forward_bindings(&self, owner: NodeId) -> &[BindingId] {
        self.forward.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// Names declared at the top level, in order; one declared twice appears twice.
    pub fn globals(&self) -> &[GlobalDeclaration] {
        &self.globals
    }

    /// Every use of a module-level or prelude name.
    pub fn global_uses(&self) -> &[NodeId] {
        &self.global_uses
    }

    /// Every expression that becomes a binding's value by `let` or `=`. A binding in [`Self::opaque`] has
    /// other values as well.
    pub fn values(&self) -> &[(BindingId, NodeId)] {
        &self.values
    }

    /// Bindings with values that no expression of the tree shows: parameters, loop variables, patterns…
    pub fn opaque(&self) -> &[BindingId] {
        &self.opaque
    }
}
