//! Random trees that print as programs, for properties.

use aether_ast::{
    Ast, BinaryOp, Enum, Function, FunctionKind, List, LogicalOp, Node, NodeId, Struct, UnaryOp,
};
use aether_source::Span;

/// The tree that choices lead to.
pub(crate) fn tree(choices: &[u8]) -> Ast {
    let mut grower = Grower {
        ast: Ast::default(),
        choices,
        loops: 0,
        in_function: false,
    };
    let mut statements = Vec::new();
    while !grower.choices.is_empty() {
        statements.push(grower.statement(4));
    }
    let mut ast = grower.ast;
    ast.set_root(&statements);
    ast
}

/// Builds a tree from choices, the way a program would be written.
struct Grower<'a> {
    ast: Ast,
    choices: &'a [u8],
    loops: u32,
    /// Whether `yield` may stand here.
    in_function: bool,
}

impl Grower<'_> {
    fn pick(&mut self, of: u8) -> u8 {
        match self.choices.split_first() {
            Some((&first, rest)) => {
                self.choices = rest;
                first % of
            }
            None => 0,
        }
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.ast.add(node, Span::at(0))
    }

    fn name(&mut self) -> &'static str {
        ["a", "b", "count", "self", "größe", "_x"][self.pick(6) as usize]
    }

    fn ident(&mut self) -> NodeId {
        let name = self.name();
        let symbol = self.ast.intern(name);
        self.add(Node::Ident(symbol))
    }

    fn used(&mut self) -> NodeId {
        let name = self.name();
        let symbol = self.ast.intern(name);
        self.add(Node::Name(symbol))
    }

    fn some(&mut self, most: u8, mut make: impl FnMut(&mut Self) -> NodeId) -> List {
        let items: Vec<NodeId> = (0..self.pick(most + 1)).map(|_| make(self)).collect();
        self.ast.add_list(&items)
    }

    /// Some that declare names, without those that declare one again.
    fn distinct(&mut self, most: u8, make: impl FnMut(&mut Self) -> NodeId) -> List {
        let list = self.some(most, make);
        let mut seen = Vec::new();
        let items = self.ast.list(list).iter().copied().filter(|&item| {
            let name = self
                .ast
                .declared_name(item)
                .and_then(|name| self.ast.name_of(name));
            let is_new = !seen.contains(&name);
            seen.push(name);
            is_new
        });
        let items: Vec<NodeId> = items.collect();
        self.ast.add_list(&items)
    }

    fn string(&mut self) -> NodeId {
        let text = ["", "plain", "q\"'\\", "${x}", "a\nb\tc\r", "é\u{1}\u{7f}", "{}$"][self.pick(7) as usize];
        let symbol = self.ast.intern(text);
        self.add(Node::Str(symbol))
    }

    fn literal(&mut self) -> NodeId {
        let node = match self.pick(6) {
            0 => Node::Null,
            1 => Node::Bool(true),
            2 => Node::Int(i64::from(self.pick(255))),
            3 => Node::Int(i64::MAX),
            4 => Node::Float([0.5, 1.0, 1e300, 2.5e-7, 123_456_789.125][self.pick(5) as usize]),
            _ => return self.string(),
        };
        self.add(node)
    }

    /// A type, sometimes, for a declared name or a body.
    fn annotate(&mut self, declared: NodeId) {
        if self.pick(5) == 1 {
            let annotation = self.annotation(2);
            self.ast.annotate(declared, annotation);
        }
    }

    fn annotation(&mut self, depth: u8) -> NodeId {
        let most = if depth == 0 { 3 } else { 6 };
        let (text, count) = match self.pick(most) {
            3 => ("array", 1),
            4 => ("dict", 2),
            5 => {
                let types = [self.single_annotation(), self.single_annotation()];
                let types = self.ast.add_list(&types);
                return self.add(Node::UnionType(types));
            }
            chosen => (["int", "fn", "Größe"][chosen as usize], 0),
        };
        let args: Vec<NodeId> = (0..count).map(|_| self.annotation(depth - 1)).collect();
        let (name, args) = (self.ast.intern(text), self.ast.add_list(&args));
        self.add(Node::TypeName { name, args })
    }

    fn single_annotation(&mut self) -> NodeId {
        let name = self.ast.intern("null");
        let single = self.add(Node::TypeName {
            name,
            args: List::default(),
        });
        if self.pick(2) == 0 {
            self.add(Node::OptionalType(single))
        } else {
            single
        }
    }

    /// Distinct parameters.
    fn params(&mut self) -> List {
        let names = ["p", "q", "r"];
        let count = self.pick(4) as usize;
        let mut items: Vec<NodeId> = names[..count]
            .iter()
            .map(|name| {
                let symbol = self.ast.intern(name);
                let ident = self.add(Node::Ident(symbol));
                self.annotate(ident);
                ident
            })
            .collect();
        // Defaults from some parameter on, and a rest as the last.
        let plain = self.pick(5) as usize;
        for item in items.iter_mut().skip(plain) {
            let default = self.literal();
            *item = self.add(Node::DefaultPattern {
                target: *item,
                default,
            });
        }
        if self.pick(4) == 1 {
            let symbol = self.ast.intern("others");
            let name = self.add(Node::Ident(symbol));
            items.push(self.add(Node::RestPattern(name)));
        }
        self.ast.add_list(&items)
    }

    fn function(&mut self, depth: u8, kind: FunctionKind) -> NodeId {
        let is_value = matches!(kind, FunctionKind::Expression | FunctionKind::Arrow);
        let name = (!is_value).then(|| self.ident());
        let params = self.params();
        let is_async = self.pick(4) == 1;
        let loops = std::mem::replace(&mut self.loops, 0);
        let around = std::mem::replace(&mut self.in_function, !is_async);
        let body = if kind == FunctionKind::Arrow && self.pick(2) == 1 {
            let value = self.expression(depth);
            let result = self.add(Node::Return(Some(value)));
            let list = self.ast.add_list(&[result]);
            self.add(Node::Block(list))
        } else {
            self.block(depth)
        };
        if kind != FunctionKind::Arrow {
            self.annotate(body);
        }
        self.loops = loops;
        self.in_function = around;
        let function = self.ast.add_function(Function {
            kind,
            is_async,
            name,
            params,
            body,
        });
        self.add(match kind {
            FunctionKind::Expression | FunctionKind::Arrow => Node::Function(function),
            _ => Node::FunctionDecl(function),
        })
    }

    fn expression(&mut self, depth: u8) -> NodeId {
        if depth == 0 {
            return if self.pick(2) == 0 {
                self.used()
            } else {
                self.literal()
            };
        }
        let below = depth - 1;
        let node = match self.pick(26) {
            0 | 1 => return self.used(),
            24 | 25 => {
                let subject = self.expression(below);
                let arms = self.arms(below);
                Node::MatchExpr { subject, arms }
            }
            22 | 23 => return self.comprehension(below),
            2 => return self.literal(),
            3 => {
                let mut pieces = Vec::new();
                if self.pick(2) == 0 {
                    let symbol = self.ast.intern("text $ \" ");
                    pieces.push(self.add(Node::Str(symbol)));
                }
                let value = self.used();
                pieces.push(self.add(Node::Unary {
                    op: UnaryOp::Not,
                    operand: value,
                }));
                let call = self.expression(below);
                // A text directly in a placeholder would be taken for a piece.
                let mut call = self.add(Node::Group(call));
                if self.pick(3) == 1 {
                    let text = [">5,.2f", "", "é^3"][self.pick(3) as usize];
                    let spec = self.ast.intern(text);
                    call = self.add(Node::Formatted { value: call, spec });
                }
                pieces.push(call);
                Node::Interpolation(self.ast.add_list(&pieces))
            }
            4 => Node::Array(self.some(3, |this| {
                let value = this.expression(below);
                if this.pick(4) == 1 {
                    this.add(Node::Spread(value))
                } else {
                    value
                }
            })),
            5 => {
                let items: Vec<NodeId> = (0..self.pick(3) * 2).map(|_| self.expression(below)).collect();
                Node::Dict(self.ast.add_list(&items))
            }
            6 => {
                let mut target = self.used();
                if self.pick(2) == 0 {
                    let name = self.ast.intern("Type");
                    target = self.add(Node::Member {
                        object: target,
                        name,
                        optional: false,
                    });
                }
                let mut fields = Vec::new();
                for _ in 0..self.pick(3) {
                    fields.push(self.ident());
                    fields.push(self.expression(below));
                }
                let fields = self.ast.add_list(&fields);
                Node::StructLit { target, fields }
            }
            7 if self.pick(2) == 1 => return self.function(below, FunctionKind::Arrow),
            7 => return self.function(below, FunctionKind::Expression),
            8 => Node::Group(self.expression(below)),
            9 => Node::Unary {
                op: [UnaryOp::Negate, UnaryOp::Not, UnaryOp::BitNot, UnaryOp::Await][self.pick(4) as usize],
                operand: self.expression(below),
            },
            10 => {
                let operand = self.add(Node::Int(i64::MIN));
                Node::Unary {
                    op: UnaryOp::Negate,
                    operand,
                }
            }
            11..=13 => {
                use BinaryOp as B;
                let all = [
                    B::Add,
                    B::Subtract,
                    B::Multiply,
                    B::Divide,
                    B::Remainder,
                    B::Power,
                    B::ShiftLeft,
                    B::ShiftRight,
                    B::BitAnd,
                    B::BitXor,
                    B::BitOr,
                    B::Equal,
                    B::NotEqual,
                    B::Less,
                    B::LessEqual,
                    B::Greater,
                    B::GreaterEqual,
                ];
                Node::Binary {
                    op: all[self.pick(17) as usize],
                    lhs: self.expression(below),
                    rhs: self.expression(below),
                }
            }
            14 => Node::Logical {
                op: [LogicalOp::And, LogicalOp::Or, LogicalOp::Coalesce][self.pick(3) as usize],
                lhs: self.expression(below),
                rhs: self.expression(below),
            },
            15 => Node::Ternary {
                condition: self.expression(below),
                then: self.expression(below),
                otherwise: self.expression(below),
            },
            16 | 17 => Node::Call {
                callee: self.expression(below),
                args: {
                    let mut args = Vec::new();
                    for _ in 0..self.pick(4) {
                        let argument = self.expression(below);
                        args.push(if self.pick(6) == 1 {
                            self.add(Node::Spread(argument))
                        } else {
                            argument
                        });
                    }
                    if self.pick(5) == 1 {
                        let value = self.expression(below);
                        let text = self.name();
                        let name = self.ast.intern(text);
                        args.push(self.add(Node::Keyword { name, value }));
                    }
                    self.ast.add_list(&args)
                },
            },
            18 if self.pick(5) == 1 => Node::Range {
                start: self.expression(below),
                end: self.expression(below),
                inclusive: self.pick(2) == 1,
            },
            18 if self.pick(3) == 1 => Node::Membership {
                item: self.expression(below),
                container: self.expression(below),
                negated: self.pick(2) == 1,
            },
            18 => Node::Index {
                object: self.expression(below),
                index: self.expression(below),
                optional: self.pick(3) == 1,
            },
            19 => Node::Slice {
                object: self.expression(below),
                start: (self.pick(2) == 0).then(|| self.expression(below)),
                end: (self.pick(2) == 0).then(|| self.expression(below)),
            },
            _ => {
                let object = self.expression(below);
                let text = ["name", "if", "größe"][self.pick(3) as usize];
                let name = self.ast.intern(text);
                Node::Member {
                    object,
                    name,
                    optional: self.pick(3) == 1,
                }
            }
        };
        self.add(node)
    }

    /// Statements without `return`.
    fn deferred_body(&mut self) -> NodeId {
        let list = self.some(3, |this| {
            let value = this.expression(1);
            this.add(Node::ExprStmt(value))
        });
        self.add(Node::Block(list))
    }

    fn comprehension(&mut self, depth: u8) -> NodeId {
        let mut clauses = Vec::new();
        for at in 0..=self.pick(3) {
            let node = if at > 0 && self.pick(2) == 0 {
                Node::IfClause(self.expression(depth))
            } else {
                Node::ForClause {
                    binding: self.loop_binding(depth),
                    iterable: self.expression(depth),
                }
            };
            clauses.push(self.add(node));
        }
        let clauses = self.ast.add_list(&clauses);
        let element = self.expression(depth);
        let node = if self.pick(2) == 0 {
            Node::ArrayComprehension { element, clauses }
        } else {
            let value = self.expression(depth);
            Node::DictComprehension {
                key: element,
                value,
                clauses,
            }
        };
        self.add(node)
    }

    fn loop_binding(&mut self, depth: u8) -> NodeId {
        match self.pick(4) {
            0 => {
                let (first, second) = (self.ident(), self.ident());
                self.add(Node::PairPattern { first, second })
            }
            1 => self.binding(depth),
            _ => self.ident(),
        }
    }

    /// A field of a struct, perhaps with a default.
    fn field(&mut self) -> NodeId {
        let target = self.ident();
        self.annotate(target);
        if self.pick(3) != 1 {
            return target;
        }
        let value = self.expression(1);
        let result = self.add(Node::Return(Some(value)));
        let list = self.ast.add_list(&[result]);
        let body = self.add(Node::Block(list));
        let function = self.ast.add_function(Function {
            kind: FunctionKind::FieldDefault,
            is_async: false,
            name: None,
            params: List::default(),
            body,
        });
        let default = self.add(Node::Function(function));
        self.add(Node::DefaultPattern { target, default })
    }

    fn block(&mut self, depth: u8) -> NodeId {
        let list = self.some(3, |this| this.statement(depth));
        self.add(Node::Block(list))
    }

    fn target(&mut self, depth: u8) -> NodeId {
        let node = match self.pick(3) {
            0 => return self.used(),
            1 => {
                let object = self.used();
                Node::Index {
                    object,
                    index: self.expression(depth),
                    optional: false,
                }
            }
            _ => {
                let object = self.used();
                let name = self.ast.intern("field");
                Node::Member {
                    object,
                    name,
                    optional: false,
                }
            }
        };
        self.add(node)
    }

    fn binding(&mut self, depth: u8) -> NodeId {
        match self.pick(3) {
            0 => self.ident(),
            1 => {
                let mut items: Vec<NodeId> = Vec::new();
                for _ in 0..self.pick(3) {
                    let target = if self.pick(3) == 0 {
                        self.add(Node::Wildcard)
                    } else {
                        self.ident()
                    };
                    items.push(if self.pick(3) == 0 {
                        let default = self.expression(depth);
                        self.add(Node::DefaultPattern { target, default })
                    } else {
                        target
                    });
                }
                if self.pick(2) == 0 {
                    let rest = self.ident();
                    items.push(self.add(Node::RestPattern(rest)));
                }
                let items = self.ast.add_list(&items);
                self.add(Node::ArrayPattern(items))
            }
            _ => {
                let items = self.some(3, |this| {
                    let key = this.ident();
                    let target = if this.pick(2) == 0 { key } else { this.ident() };
                    let default = (this.pick(2) == 0).then(|| this.expression(depth));
                    this.add(Node::EntryPattern { key, target, default })
                });
                self.add(Node::DictPattern(items))
            }
        }
    }

    fn arms(&mut self, depth: u8) -> List {
        self.some(3, |this| {
            let pattern = this.alternatives(depth);
            let guard = (this.pick(3) == 0).then(|| this.expression(depth));
            let body = if this.pick(2) == 0 {
                this.block(depth)
            } else {
                let value = this.expression(depth);
                this.add(Node::Throw(value))
            };
            this.add(Node::Arm { pattern, guard, body })
        })
    }

    fn alternatives(&mut self, depth: u8) -> NodeId {
        let mut pattern = self.pattern(depth);
        if self.pick(3) == 0 {
            let second = self.pattern(depth);
            let both = self.ast.add_list(&[pattern, second]);
            pattern = self.add(Node::OrPattern(both));
        }
        if self.pick(5) == 1 {
            let name = self.ident();
            pattern = self.add(Node::AsPattern { pattern, name });
        }
        pattern
    }

    fn entry(&mut self, depth: u8) -> NodeId {
        let key = self.ident();
        let target = if self.pick(2) == 0 {
            key
        } else {
            self.alternatives(depth)
        };
        self.add(Node::EntryPattern {
            key,
            target,
            default: None,
        })
    }

    fn pattern(&mut self, depth: u8) -> NodeId {
        let most = if depth == 0 { 6 } else { 9 };
        match self.pick(most) {
            5 => {
                let operand = self.add(Node::Int(3));
                let start = self.add(Node::Unary {
                    op: UnaryOp::Negate,
                    operand,
                });
                let end = self.add(Node::Int(i64::MAX));
                let inclusive = self.pick(2) == 0;
                self.add(Node::RangePattern {
                    start,
                    end,
                    inclusive,
                })
            }
            6 => {
                let mut items: Vec<NodeId> =
                    (0..self.pick(3)).map(|_| self.alternatives(depth - 1)).collect();
                if self.pick(2) == 0 {
                    let rest = self.ident();
                    items.push(self.add(Node::RestPattern(rest)));
                }
                let items = self.ast.add_list(&items);
                self.add(Node::ArrayPattern(items))
            }
            7 => {
                let items = self.some(2, |this| this.entry(depth - 1));
                self.add(Node::DictPattern(items))
            }
            8 => {
                let fields = self.some(2, |this| this.entry(depth - 1));
                let name = self.ast.intern("Type");
                self.add(Node::StructPattern { name, fields })
            }
            0 => self.add(Node::Wildcard),
            1 => self.ident(),
            2 => {
                let operand = self.add(Node::Int(i64::MIN));
                let negative = self.add(Node::Unary {
                    op: UnaryOp::Negate,
                    operand,
                });
                self.add(Node::LiteralPattern(negative))
            }
            3 => {
                let value = self.literal();
                self.add(Node::LiteralPattern(value))
            }
            _ => {
                let enum_name = self.ast.intern("Enum");
                let variant = self.ast.intern("Variant");
                let fields = self.some(2, |this| {
                    if depth == 0 {
                        this.ident()
                    } else {
                        this.alternatives(depth - 1)
                    }
                });
                self.add(Node::VariantPattern {
                    enum_name,
                    variant,
                    fields,
                })
            }
        }
    }

    fn loop_body(&mut self, depth: u8) -> NodeId {
        self.loops += 1;
        let body = self.block(depth);
        self.loops -= 1;
        body
    }

    fn statement(&mut self, depth: u8) -> NodeId {
        if depth == 0 {
            let value = self.expression(1);
            return self.add(Node::ExprStmt(value));
        }
        let below = depth - 1;
        let node = match self.pick(21) {
            20 => {
                let loops = std::mem::replace(&mut self.loops, 0);
                let body = self.deferred_body();
                self.loops = loops;
                Node::Defer(self.ast.add_function(Function {
                    kind: FunctionKind::Deferred,
                    is_async: false,
                    name: None,
                    params: List::default(),
                    body,
                }))
            }
            0..=1 => Node::ExprStmt(self.expression(below)),
            2 => Node::Const {
                pattern: self.binding(below),
                value: self.expression(below),
            },
            3 => Node::Let {
                pattern: self.binding(below),
                value: self.expression(below),
            },
            4 => return self.function(below, FunctionKind::Declaration),
            5 => {
                let name = self.ident();
                let fields = self.distinct(3, Self::field);
                let methods = self.distinct(2, |this| this.function(below, FunctionKind::Method));
                Node::Struct(self.ast.add_struct(Struct {
                    name,
                    fields,
                    methods,
                }))
            }
            6 => {
                let name = self.ident();
                let variants = self.distinct(3, |this| {
                    let name = this.ident();
                    let fields = this.distinct(2, Self::ident);
                    this.add(Node::Variant { name, fields })
                });
                Node::Enum(self.ast.add_enum(Enum { name, variants }))
            }
            7 => Node::Import {
                module: self.ident(),
                alias: (self.pick(2) == 0).then(|| self.ident()),
            },
            8 => {
                let module = self.ident();
                let items: Vec<NodeId> = (0..=self.pick(2))
                    .map(|_| {
                        let name = self.ident();
                        let alias = (self.pick(2) == 0).then(|| self.ident());
                        self.add(Node::ImportItem { name, alias })
                    })
                    .collect();
                let items = self.ast.add_list(&items);
                Node::FromImport { module, items }
            }
            9 => Node::Assign {
                target: self.target(below),
                value: self.expression(below),
            },
            10 => Node::CompoundAssign {
                op: [
                    BinaryOp::Add,
                    BinaryOp::Subtract,
                    BinaryOp::Multiply,
                    BinaryOp::Divide,
                    BinaryOp::Remainder,
                    BinaryOp::Power,
                    BinaryOp::BitAnd,
                    BinaryOp::BitOr,
                    BinaryOp::BitXor,
                    BinaryOp::ShiftLeft,
                    BinaryOp::ShiftRight,
                ][self.pick(11) as usize],
                target: self.target(below),
                value: self.expression(below),
            },
            11 => return self.block(below),
            12 => {
                let condition = self.expression(below);
                let then = self.block(below);
                let otherwise = match self.pick(3) {
                    0 => None,
                    1 => Some(self.block(below)),
                    _ => {
                        let condition = self.expression(below);
                        let then = self.block(below);
                        Some(self.add(Node::If {
                            condition,
                            then,
                            otherwise: None,
                        }))
                    }
                };
                Node::If {
                    condition,
                    then,
                    otherwise,
                }
            }
            13 if self.pick(3) == 1 => Node::Loop(self.loop_body(below)),
            13 if self.pick(3) == 1 => Node::LogicalAssign {
                op: [LogicalOp::And, LogicalOp::Or, LogicalOp::Coalesce][self.pick(3) as usize],
                target: self.target(below),
                value: self.expression(below),
            },
            13 => Node::While {
                condition: self.expression(below),
                body: self.loop_body(below),
            },
            14 => {
                let binding = self.loop_binding(below);
                let iterable = self.expression(below);
                let body = self.loop_body(below);
                let node = Node::For {
                    binding,
                    iterable,
                    body,
                };
                if self.pick(2) == 0 {
                    let body = self.add(node);
                    let label = self.ident();
                    Node::Labelled { label, body }
                } else {
                    node
                }
            }
            15 => {
                let body = self.block(below);
                let catch = (self.pick(2) == 0).then(|| {
                    let binding = (self.pick(2) == 0).then(|| self.ident());
                    let body = self.block(below);
                    self.add(Node::Catch { binding, body })
                });
                let finally = (catch.is_none() || self.pick(2) == 0).then(|| self.block(below));
                Node::Try { body, catch, finally }
            }
            16 => {
                let subject = self.expression(below);
                let arms = self.arms(below);
                Node::Match { subject, arms }
            }
            17 if self.in_function && self.pick(3) == 1 => {
                Node::Yield((self.pick(2) == 0).then(|| self.expression(below)))
            }
            17 => Node::Return((self.pick(2) == 0).then(|| self.expression(below))),
            18 if self.loops > 0 => Node::Break(None),
            18 => Node::Debugger,
            _ if self.loops > 0 => Node::Continue(None),
            _ => Node::Throw(self.expression(below)),
        };
        let id = self.add(node);
        if let Node::Let { pattern, .. } | Node::Const { pattern, .. } = node
            && let Node::Ident(_) = self.ast.node(pattern)
        {
            self.annotate(pattern);
        }
        self.document(id);
        id
    }

    /// Documents some declarations.
    fn document(&mut self, declaration: NodeId) {
        if let Some(name) = self.ast.declared_name(declaration)
            && self.pick(4) == 1
        {
            let text = ["One line.", "Two\n\n  lines: {é}"][self.pick(2) as usize];
            let text = self.ast.intern(text);
            self.ast.set_doc(name, text);
        }
    }
}
