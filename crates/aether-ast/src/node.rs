//! The kinds of node.
//!
//! Lists of children are ranges of one shared vector ([`List`]), so a node has a small fixed size. Names that
//! are *declared* (parameters, `let`, loop variables, labels, aliases, fields…) are nodes of their own,
//! [`Node::Ident`], because their places matter; a name that is *used* is [`Node::Name`].

use std::num::NonZeroU32;

/// A node of one [`Ast`](crate::Ast).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) NonZeroU32);

impl NodeId {
    /// Position in the arena, for tables that run beside it.
    #[inline]
    pub const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// An interned name or literal text of one [`Ast`](crate::Ast).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub(crate) u32);

impl Symbol {
    /// Position in the table of texts, for tables that run beside it.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A run of children in the tree's list vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct List {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl List {
    /// Number of children.
    #[inline]
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// Index of a [`Function`] in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub(crate) u32);

impl FunctionId {
    /// Position among the tree's functions, for tables that run beside them.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a [`Struct`] in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StructId(pub(crate) u32);

/// Index of an [`Enum`] in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnumId(pub(crate) u32);

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `!`
    Not,
    /// `~`
    BitNot,
    /// `await`
    Await,
}

/// Infix operators that evaluate both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `**`
    Power,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `&`
    BitAnd,
    /// `^`
    BitXor,
    /// `|`
    BitOr,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

impl BinaryOp {
    /// Whether the result is a bool, of any operands that it takes.
    pub const fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual
        )
    }
}

/// Infix operators that may skip their right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogicalOp {
    /// `&&`
    And,
    /// `||`
    Or,
    /// `??`
    Coalesce,
}

/// What a function was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    /// `fn name(…) {…}` at declaration position.
    Declaration,
    /// `fn(…) {…}` in an expression.
    Expression,
    /// `x => e` or `(…) => {…}`. The body of the first form is a block that returns the expression.
    Arrow,
    /// A function in a struct's body.
    Method,
    /// What a `defer` puts off, without parameters.
    Deferred,
    /// The default of a struct's field, without parameters: a block that returns the expression.
    FieldDefault,
}

/// A function's parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Function {
    /// What it was written as.
    pub kind: FunctionKind,
    /// Whether `async` precedes it.
    pub is_async: bool,
    /// Its name, [`Node::Ident`]; `None` for an expression.
    pub name: Option<NodeId>,
    /// Parameters, each [`Node::Ident`], or [`Node::DefaultPattern`], or last [`Node::RestPattern`].
    pub params: List,
    /// The body, a [`Node::Block`].
    pub body: NodeId,
}

/// A struct declaration's parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Struct {
    /// Its name, [`Node::Ident`].
    pub name: NodeId,
    /// Declared fields in order, each [`Node::Ident`], or [`Node::DefaultPattern`] whose default is a
    /// [`Node::Function`] that gives it.
    pub fields: List,
    /// Methods in order, each [`Node::FunctionDecl`].
    pub methods: List,
}

/// An enum declaration's parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enum {
    /// Its name, [`Node::Ident`].
    pub name: NodeId,
    /// Variants in order, each [`Node::Variant`].
    pub variants: List,
}

/// A node. Child positions name what stands there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    // --- expressions ---
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer literal. `i64::MIN` stands for the magnitude 9223372036854775808, which occurs only
    /// directly below [`UnaryOp::Negate`].
    Int(i64),
    /// A float literal.
    Float(f64),
    /// A string without interpolation: its value, escapes resolved.
    Str(Symbol),
    /// A string with interpolation: [`Node::Str`] pieces (never empty) and expressions, in order, each perhaps a
    /// [`Node::Formatted`].
    Interpolation(List),
    /// `e:spec` in a placeholder.
    Formatted {
        /// What is formatted.
        value: NodeId,
        /// How, as in the template of `format`.
        spec: Symbol,
    },
    /// A name that is used.
    Name(Symbol),
    /// `[a, ...b]`: expressions and [`Node::Spread`].
    Array(List),
    /// `...e` inside an array or among arguments.
    Spread(NodeId),
    /// `name = e` among arguments.
    Keyword {
        /// The parameter's name.
        name: Symbol,
        /// The argument.
        value: NodeId,
    },
    /// `{k: v}`: keys and values in turn.
    Dict(List),
    /// `[e for x in c if t]`: each clause a [`Node::ForClause`] or [`Node::IfClause`], the first a [`Node::ForClause`].
    ArrayComprehension {
        /// What is collected.
        element: NodeId,
        /// The clauses, each nested in those before it.
        clauses: List,
    },
    /// `{k: v for x in c if t}`, as [`Node::ArrayComprehension`].
    DictComprehension {
        /// The key of each entry.
        key: NodeId,
        /// Its value.
        value: NodeId,
        /// The clauses.
        clauses: List,
    },
    /// `for x in c` in a comprehension: the binding is that of a [`Node::For`].
    ForClause {
        /// What each item is bound to.
        binding: NodeId,
        /// What is iterated.
        iterable: NodeId,
    },
    /// `if t` in a comprehension.
    IfClause(NodeId),
    /// `Name { f: v }` or `mod.Name { f: v }`: the target is a [`Node::Name`] or a [`Node::Member`]; fields are
    /// [`Node::Ident`] and value in turn.
    StructLit {
        /// The struct's name.
        target: NodeId,
        /// Field names and values in turn.
        fields: List,
    },
    /// `fn(…) {…}` as a value.
    Function(FunctionId),
    /// `( e )`: transparent but for `(o.m)(x)`, which calls the value, and for the end of a `?.` chain.
    Group(NodeId),
    /// A prefix operator.
    Unary {
        /// Which.
        op: UnaryOp,
        /// Its operand.
        operand: NodeId,
    },
    /// An infix operator that evaluates both sides.
    Binary {
        /// Which.
        op: BinaryOp,
        /// Left operand.
        lhs: NodeId,
        /// Right operand.
        rhs: NodeId,
    },
    /// An infix operator that may skip its right side.
    Logical {
        /// Which.
        op: LogicalOp,
        /// Left operand.
        lhs: NodeId,
        /// Right operand.
        rhs: NodeId,
    },
    /// `c ? a : b`
    Ternary {
        /// What decides.
        condition: NodeId,
        /// Value if truthy.
        then: NodeId,
        /// Value if falsy.
        otherwise: NodeId,
    },
    /// `f(a, b)`; a method call when the callee is a [`Node::Member`].
    Call {
        /// What is called.
        callee: NodeId,
        /// Arguments: expressions and [`Node::Spread`], then [`Node::Keyword`].
        args: List,
    },
    /// `x in c` or `x !in c`
    Membership {
        /// What is looked for.
        item: NodeId,
        /// Where.
        container: NodeId,
        /// Whether `!in` was written.
        negated: bool,
    },
    /// `a..b` or `a..=b`
    Range {
        /// The first integer.
        start: NodeId,
        /// Just past the last one, or the last one.
        end: NodeId,
        /// Whether `..=` was written.
        inclusive: bool,
    },
    /// `o[i]` or `o?.[i]`
    Index {
        /// The collection.
        object: NodeId,
        /// The key or position.
        index: NodeId,
        /// Whether `?.[` was written.
        optional: bool,
    },
    /// `o[s:e]`
    Slice {
        /// The array or string.
        object: NodeId,
        /// First element, if given.
        start: Option<NodeId>,
        /// Just past the last element, if given.
        end: Option<NodeId>,
    },
    /// `o.name` or `o?.name`; the name is the last token of the node's span.
    Member {
        /// The object.
        object: NodeId,
        /// The member's name.
        name: Symbol,
        /// Whether `?.` was written.
        optional: bool,
    },

    // --- declarations and statements ---
    /// An expression as a statement.
    ExprStmt(NodeId),
    /// `let p = e`: the pattern is a [`Node::Ident`], [`Node::ArrayPattern`] or [`Node::DictPattern`].
    Let {
        /// What is bound.
        pattern: NodeId,
        /// The initializer.
        value: NodeId,
    },
    /// `const p = e`: as [`Node::Let`], for names that are not assigned again.
    Const {
        /// What is bound.
        pattern: NodeId,
        /// The initializer.
        value: NodeId,
    },
    /// `fn name(…) {…}` as a declaration, and a method inside a struct.
    FunctionDecl(FunctionId),
    /// `struct Name {…}`
    Struct(StructId),
    /// `enum Name {…}`
    Enum(EnumId),
    /// A variant of an enum: [`Node::Ident`] of each payload field.
    Variant {
        /// Its name, [`Node::Ident`].
        name: NodeId,
        /// Payload field names; empty without payload.
        fields: List,
    },
    /// `import m as n`
    Import {
        /// The module's name, [`Node::Ident`].
        module: NodeId,
        /// The name bound, [`Node::Ident`], if it differs.
        alias: Option<NodeId>,
    },
    /// `from m import a, b as c`: each item an [`Node::ImportItem`].
    FromImport {
        /// The module's name, [`Node::Ident`].
        module: NodeId,
        /// What is imported.
        items: List,
    },
    /// `a as b` in a `from … import`.
    ImportItem {
        /// The member's name, [`Node::Ident`].
        name: NodeId,
        /// The name bound, [`Node::Ident`], if it differs.
        alias: Option<NodeId>,
    },
    /// `t = v`: the target is a [`Node::Name`], [`Node::Index`] or non-optional [`Node::Member`].
    Assign {
        /// What is assigned.
        target: NodeId,
        /// The new value.
        value: NodeId,
    },
    /// `t op= v`, same targets.
    CompoundAssign {
        /// The operator.
        op: BinaryOp,
        /// What is assigned.
        target: NodeId,
        /// The right operand.
        value: NodeId,
    },
    /// `t &&= v`, `t ||= v` or `t ??= v`, same targets: evaluates and assigns the right side only if the operator would
    /// look at it.
    LogicalAssign {
        /// The operator.
        op: LogicalOp,
        /// What is assigned.
        target: NodeId,
        /// The right operand.
        value: NodeId,
    },
    /// `{ … }`
    Block(List),
    /// `if (c) s else s`
    If {
        /// What decides.
        condition: NodeId,
        /// Statement if truthy.
        then: NodeId,
        /// Statement if falsy; another [`Node::If`] for `else if`.
        otherwise: Option<NodeId>,
    },
    /// `while (c) s`
    While {
        /// What decides.
        condition: NodeId,
        /// The body.
        body: NodeId,
    },
    /// `loop {…}`, without an end of its own: the body is a [`Node::Block`].
    Loop(NodeId),
    /// `for x in e s`
    For {
        /// The loop variable, [`Node::Ident`], or a [`Node::PairPattern`], [`Node::ArrayPattern`] or
        /// [`Node::DictPattern`].
        binding: NodeId,
        /// What is iterated.
        iterable: NodeId,
        /// The body.
        body: NodeId,
    },
    /// `label: loop`
    Labelled {
        /// The label, [`Node::Ident`].
        label: NodeId,
        /// A [`Node::While`], [`Node::Loop`] or [`Node::For`].
        body: NodeId,
    },
    /// `try {…} catch(e) {…} finally {…}`; at least one of the two is there.
    Try {
        /// A [`Node::Block`].
        body: NodeId,
        /// A [`Node::Catch`].
        catch: Option<NodeId>,
        /// A [`Node::Block`].
        finally: Option<NodeId>,
    },
    /// The catch part of a `try`.
    Catch {
        /// The error's name, [`Node::Ident`].
        binding: Option<NodeId>,
        /// A [`Node::Block`].
        body: NodeId,
    },
    /// `match e {…}`: each arm a [`Node::Arm`].
    Match {
        /// What is matched.
        subject: NodeId,
        /// The arms, in order.
        arms: List,
    },
    /// `match e {…}` where a value is expected: that of the arm that matches.
    MatchExpr {
        /// What is matched.
        subject: NodeId,
        /// The arms, in order.
        arms: List,
    },
    /// `p => s` or `p if c => s` in a match.
    Arm {
        /// The pattern.
        pattern: NodeId,
        /// The condition behind `if`, which sees the pattern's names.
        guard: Option<NodeId>,
        /// The body: a block or a single statement.
        body: NodeId,
    },
    /// `yield e`
    Yield(Option<NodeId>),
    /// `return e`
    Return(Option<NodeId>),
    /// `throw e`
    Throw(NodeId),
    /// `break label`: the label is a [`Node::Ident`].
    Break(Option<NodeId>),
    /// `continue label`: the label is a [`Node::Ident`].
    Continue(Option<NodeId>),
    /// `defer e` or `defer {…}`: a function of the kind [`FunctionKind::Deferred`].
    Defer(FunctionId),
    /// `debugger`
    Debugger,

    // --- names and patterns ---
    /// A name that is declared; as a match pattern, a binding.
    Ident(Symbol),
    /// `_` in a pattern.
    Wildcard,
    /// A literal in a match pattern: [`Node::Null`], bool, number, string, or [`UnaryOp::Negate`] of a number.
    LiteralPattern(NodeId),
    /// `Enum.Variant` or `Enum.Variant(a, _, c)` in a match pattern.
    VariantPattern {
        /// The enum's name.
        enum_name: Symbol,
        /// The variant's name.
        variant: Symbol,
        /// The pattern of each payload field; empty without parentheses.
        fields: List,
    },
    /// `p | q | r`
    OrPattern(List),
    /// `p as name` in a match pattern.
    AsPattern {
        /// What must match.
        pattern: NodeId,
        /// The name of the whole, [`Node::Ident`] or [`Node::Wildcard`].
        name: NodeId,
    },
    /// `1..5` or `1..=5` in a match pattern: each bound an int literal, perhaps negated.
    RangePattern {
        /// The first integer.
        start: NodeId,
        /// Just past the last one, or the last one.
        end: NodeId,
        /// Whether `..=` was written.
        inclusive: bool,
    },
    /// `Name { field: p, g }` in a match pattern: each a [`Node::EntryPattern`] without default.
    StructPattern {
        /// The struct's name.
        name: Symbol,
        /// The fields.
        fields: List,
    },
    /// `[a, b = 1, ...rest]` in a `let`: [`Node::Ident`], [`Node::Wildcard`], [`Node::DefaultPattern`], and last
    /// perhaps [`Node::RestPattern`]. In a match pattern the elements are any patterns, without defaults.
    ArrayPattern(List),
    /// `a = 1` as an element of an array pattern: an [`Node::Ident`] or [`Node::Wildcard`], and its default.
    DefaultPattern {
        /// What is bound.
        target: NodeId,
        /// Value when missing or null.
        default: NodeId,
    },
    /// `...rest` in an array pattern: an [`Node::Ident`] or [`Node::Wildcard`].
    RestPattern(NodeId),
    /// `k, v` in a `for`: each an [`Node::Ident`] or a [`Node::Wildcard`].
    PairPattern {
        /// The key of a dict's entry, or the first of a pair.
        first: NodeId,
        /// The value of a dict's entry, or the second of a pair.
        second: NodeId,
    },
    /// `{a, b: c = 1}` in a `let`: each a [`Node::EntryPattern`]. In a match pattern `{a, b: p}`.
    DictPattern(List),
    /// `key: alias = default` in a dict pattern.
    EntryPattern {
        /// The key, [`Node::Ident`].
        key: NodeId,
        /// What is bound, [`Node::Ident`] or [`Node::Wildcard`]; the key itself without an alias. In a match pattern
        /// any pattern.
        target: NodeId,
        /// Value when missing or null.
        default: Option<NodeId>,
    },
    // --- types ---
    /// `int`, `Point` or `array[int]` in an annotation.
    TypeName {
        /// The type's name.
        name: Symbol,
        /// What stands in brackets behind it.
        args: List,
    },
    /// `T?`
    OptionalType(NodeId),
    /// `T | U`
    UnionType(List),
    /// What could not be parsed; the parser has reported it.
    Error,
}
