//! The pass itself.
//!
//! Statements are walked recursively (nesting is bounded, and [`ensure_stack`] provides room), expressions with
//! an explicit stack, since operator and call chains may have any length.
//!
//! A name is resolved at once if a visible scope has declared it so far. Otherwise, if the use stands inside a
//! function, it is kept *pending* and offered to every scope of the enclosing functions as that scope ends,
//! innermost first: the first one that has declared the name by then owns it, as a forward binding.

use aether_ast::{Ast, FunctionId, FunctionKind, List, Node, NodeId, Symbol, ensure_stack};
use ahash::{AHashMap, AHashSet};

use crate::tables::{
    Binding, BindingId, BindingKind, FunctionIndex, FunctionInfo, GlobalDeclaration, Resolution, Use,
};

/// Resolves every name of a tree. `copy_captures` says whether a captured variable that no longer changes may be
/// copied into the closure; otherwise all that are captured live in cells.
pub fn resolve(ast: &Ast, copy_captures: bool) -> Resolution {
    let functions = vec![FunctionInfo::default(); ast.function_count() + 1];
    let mut resolver = Resolver {
        ast,
        out: Resolution {
            uses: vec![Use::None; ast.node_count()],
            functions,
            ..Resolution::default()
        },
        scopes: Vec::new(),
        current: vec![FunctionIndex::TOP_LEVEL],
        pending: Vec::new(),
        loop_depth: 0,
        facts: Vec::new(),
        work: Vec::new(),
        step: 0,
        copy_captures,
        assigned: Vec::new(),
    };
    for &statement in ast.root() {
        resolver.statement(statement);
    }
    for pending in std::mem::take(&mut resolver.pending) {
        resolver.global_use(pending.name);
    }
    resolver.finish()
}

struct Scope {
    owner: NodeId,
    function_depth: usize,
    declared: Vec<(Symbol, BindingId)>,
    first_pending: usize,
}

/// A use inside a function that no scope has declared so far.
struct Pending {
    name: NodeId,
    symbol: Symbol,
    /// The functions around the use, outermost first; the last is the one that uses it.
    functions: Vec<FunctionIndex>,
    assignment: bool,
}

/// Facts about a binding that decide between copy and cell.
///
/// Captures and assignments are numbered by [`Resolver::step`]. Outside of loops, and within one round of a loop, the
/// tree is walked in the order of execution (of branches, one is executed), so a capture with a number above all
/// assignments' sees the last value.
#[derive(Clone, Copy, Default)]
struct Facts {
    declared_loop_depth: u32,
    first_capture: Option<u32>,
    /// Assigned in another function, or inside a loop that the binding outlives.
    assigned_apart: bool,
    last_assignment: Option<u32>,
    /// The function this binding names, by `fn` or `let name = fn`.
    names: Option<FunctionIndex>,
}

struct Resolver<'a> {
    ast: &'a Ast,
    out: Resolution,
    scopes: Vec<Scope>,
    current: Vec<FunctionIndex>,
    pending: Vec<Pending>,
    loop_depth: u32,
    facts: Vec<Facts>,
    work: Vec<NodeId>,
    /// Uses of local names met so far.
    step: u32,
    copy_captures: bool,
    /// Names that are assigned somewhere.
    assigned: Vec<NodeId>,
}

impl Resolver<'_> {
    // --- scopes ---

    fn open(&mut self, owner: NodeId) {
        self.scopes.push(Scope {
            owner,
            function_depth: self.current.len(),
            declared: Vec::new(),
            first_pending: self.pending.len(),
        });
    }

    /// Ends a scope: what it declared may still be what earlier functions inside it referred to.
    fn close(&mut self) {
        let Some(scope) = self.scopes.pop() else { return };
        let mut kept = scope.first_pending;
        for index in scope.first_pending..self.pending.len() {
            let pending = &self.pending[index];
            let owner = (pending.functions.len() > scope.function_depth)
                .then(|| scope.declared.iter().find(|(name, _)| *name == pending.symbol))
                .flatten();
            if let Some(&(_, binding)) = owner {
                if !self.out.bindings[binding.index()].forward {
                    self.out.bindings[binding.index()].forward = true;
                    self.out.forward.entry(scope.owner).or_default().push(binding);
                }
                let functions = pending.functions.clone();
                let (name, assignment) = (pending.name, pending.assignment);
                self.bind(name, binding, &functions, assignment);
            } else {
                self.pending.swap(kept, index);
                kept += 1;
            }
        }
        self.pending.truncate(kept);
    }

    /// Declares `ident` in the innermost scope, or in the module scope at the top level.
    fn declare(&mut self, ident: NodeId, kind: BindingKind) -> Option<BindingId> {
        let Node::Ident(name) = self.ast.node(ident) else {
            return None;
        };
        if self.scopes.is_empty() {
            self.out.uses[ident.index()] = Use::Global;
            self.out.globals.push(GlobalDeclaration { name, ident, kind });
            return None;
        }
        let again = self.scopes.last().and_then(|scope| {
            let mut declared = scope.declared.iter().rev();
            declared.find(|(declared, _)| *declared == name)
        });
        let constant = |kind| kind == BindingKind::Constant;
        if let Some(&(_, before)) = again
            && (constant(kind) || constant(self.out.bindings[before.index()].kind))
        {
            self.out.constant_errors.push(ident);
        }
        let binding = self.add_binding(name, kind, Some(ident));
        self.out.uses[ident.index()] = Use::Local(binding);
        Some(binding)
    }

    fn add_binding(&mut self, name: Symbol, kind: BindingKind, ident: Option<NodeId>) -> BindingId {
        let id = BindingId(self.out.bindings.len() as u32);
        self.out.bindings.push(Binding {
            name,
            kind,
            ident,
            function: self.function(),
            captured: false,
            cell: false,
            forward: false,
            assigned: false,
        });
        self.facts.push(Facts {
            declared_loop_depth: self.loop_depth,
            ..Facts::default()
        });
        if !matches!(kind, BindingKind::Let | BindingKind::Constant) {
            self.out.opaque.push(id);
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.declared.push((name, id));
        }
        id
    }

    fn function(&self) -> FunctionIndex {
        self.current.last().copied().unwrap_or(FunctionIndex::TOP_LEVEL)
    }

    // --- uses ---

    fn use_name(&mut self, name: NodeId, symbol: Symbol, assignment: bool) {
        let found = self.scopes.iter().rev().find_map(|scope| {
            scope
                .declared
                .iter()
                .rev()
                .find(|(declared, _)| *declared == symbol)
        });
        if let Some(&(_, binding)) = found {
            let functions = std::mem::take(&mut self.current);
            self.bind(name, binding, &functions, assignment);
            self.current = functions;
        } else if self.current.len() > 1 {
            self.pending.push(Pending {
                name,
                symbol,
                functions: self.current.clone(),
                assignment,
            });
        } else {
            self.global_use(name);
        }
    }

    fn global_use(&mut self, name: NodeId) {
        self.out.uses[name.index()] = Use::Global;
        self.out.global_uses.push(name);
    }

    /// Records that `name`, used inside `functions` (outermost first), refers to `binding`.
    fn bind(&mut self, name: NodeId, binding: BindingId, functions: &[FunctionIndex], assignment: bool) {
        self.out.uses[name.index()] = Use::Local(binding);
        self.step += 1;
        let step = self.step;
        let declaring = self.out.bindings[binding.index()].function;
        let depth = functions.iter().rposition(|&function| function == declaring);
        let inner = depth.map_or(functions, |depth| &functions[depth + 1..]);
        for &function in inner {
            let captures = &mut self.out.functions[function.index()].captures;
            if !captures.contains(&binding) {
                captures.push(binding);
            }
        }
        let facts = &mut self.facts[binding.index()];
        if assignment {
            self.out.bindings[binding.index()].assigned = true;
            facts.assigned_apart |= !inner.is_empty() || self.loop_depth > facts.declared_loop_depth;
            facts.last_assignment = Some(step);
        }
        if !inner.is_empty() {
            facts.first_capture = Some(facts.first_capture.unwrap_or(step));
        }
    }

    // --- functions ---

    fn function_body(&mut self, id: FunctionId) {
        let function = self.ast.function(id);
        let index = FunctionIndex::of(id);
        self.out.functions[index.index()].parent = Some(self.function());
        self.out.functions[index.index()].id = Some(id);
        self.current.push(index);
        let loop_depth = std::mem::take(&mut self.loop_depth);
        self.open(function.body);
        let params = self.ast.list(function.params);
        if function.kind == FunctionKind::Method {
            let declared = params.first().copied().filter(|&first| self.is_self(first));
            let receiver = if let Some(ident) = declared {
                self.declare(ident, BindingKind::Receiver)
            } else {
                self.ast
                    .symbol("self")
                    .map(|name| self.add_binding(name, BindingKind::Receiver, None))
            };
            self.out.functions[index.index()].receiver = receiver;
            self.parameters(&params[usize::from(declared.is_some())..]);
        } else {
            self.parameters(params);
        }
        if let Node::Block(statements) = self.ast.node(function.body) {
            for &statement in self.ast.list(statements) {
                self.statement(statement);
            }
        }
        self.close();
        self.loop_depth = loop_depth;
        self.current.pop();
    }

    /// Declares parameters from left to right; a default sees those before it.
    fn parameters(&mut self, params: &[NodeId]) {
        for &param in params {
            let name = match self.ast.node(param) {
                Node::DefaultPattern { target, default } => {
                    self.expression(default);
                    target
                }
                Node::RestPattern(target) => target,
                _ => param,
            };
            self.declare(name, BindingKind::Parameter);
        }
    }

    fn is_self(&self, ident: NodeId) -> bool {
        self.ast
            .name_of(ident)
            .is_some_and(|name| self.ast.text(name) == "self")
    }

    // --- expressions ---

    fn expression(&mut self, root: NodeId) {
        let base = self.work.len();
        self.work.push(root);
        while self.work.len() > base {
            let Some(id) = self.work.pop() else { break };
            match self.ast.node(id) {
                Node::Name(symbol) => self.use_name(id, symbol, false),
                Node::Function(function) => ensure_stack(|| self.function_body(function)),
                Node::MatchExpr { subject, arms } => ensure_stack(|| self.match_arms(subject, arms)),
                Node::ArrayComprehension { element, clauses } => {
                    ensure_stack(|| self.comprehension(clauses, &[element]));
                }
                Node::DictComprehension { key, value, clauses } => {
                    ensure_stack(|| self.comprehension(clauses, &[key, value]));
                }
                Node::StructLit { target, fields } => {
                    let ast = self.ast;
                    self.work.extend(ast.list(fields).iter().skip(1).step_by(2).rev());
                    self.work.push(target);
                }
                _ => {
                    let from = self.work.len();
                    let (ast, work) = (self.ast, &mut self.work);
                    ast.for_each_child(id, |child| work.push(child));
                    work[from..].reverse();
                }
            }
        }
    }

    /// Each `for` opens a scope around the clauses after it and what is collected.
    fn comprehension(&mut self, clauses: List, collected: &[NodeId]) {
        let mut loops = 0;
        for &clause in self.ast.list(clauses) {
            match self.ast.node(clause) {
                Node::ForClause { binding, iterable } => {
                    self.expression(iterable);
                    self.loop_depth += 1;
                    self.open(clause);
                    self.loop_binding(binding, iterable);
                    loops += 1;
                }
                Node::IfClause(condition) => self.expression(condition),
                _ => {}
            }
        }
        for &part in collected {
            self.expression(part);
        }
        for _ in 0..loops {
            self.close();
            self.loop_depth -= 1;
        }
    }

    /// Declares what a `for` binds.
    fn loop_binding(&mut self, binding: NodeId, iterable: NodeId) {
        match self.ast.node(binding) {
            Node::Ident(_) => drop(self.declare(binding, BindingKind::Loop)),
            Node::PairPattern { first, second } => {
                for name in [first, second] {
                    self.declare_opaque(name, BindingKind::Let);
                }
            }
            _ => self.let_pattern(binding, iterable, BindingKind::Let),
        }
    }

    // --- statements ---

    fn statements_in_scope(&mut self, owner: NodeId) {
        self.open(owner);
        self.body(owner);
        self.close();
    }

    /// The statements of a block, or a single statement, in the scope that is open.
    fn body(&mut self, body: NodeId) {
        if let Node::Block(statements) = self.ast.node(body) {
            for &statement in self.ast.list(statements) {
                self.statement(statement);
            }
        } else {
            self.statement(body);
        }
    }

    fn statement(&mut self, id: NodeId) {
        ensure_stack(|| self.statement_inner(id));
    }

    fn statement_inner(&mut self, id: NodeId) {
        match self.ast.node(id) {
            Node::ExprStmt(value) | Node::Throw(value) => self.expression(value),
            Node::Return(value) => value.into_iter().for_each(|value| self.expression(value)),
            Node::Let { pattern, value } => self.let_statement(pattern, value, BindingKind::Let),
            Node::Const { pattern, value } => self.let_statement(pattern, value, BindingKind::Constant),
            Node::FunctionDecl(function) => self.function_declaration(function),
            Node::Struct(definition) => {
                let definition = self.ast.structure(definition);
                for &field in self.ast.list(definition.fields) {
                    if let Node::DefaultPattern { default, .. } = self.ast.node(field) {
                        self.expression(default);
                    }
                }
                for &method in self.ast.list(definition.methods) {
                    if let Node::FunctionDecl(function) = self.ast.node(method) {
                        self.function_body(function);
                    }
                }
                self.declare(definition.name, BindingKind::Struct);
            }
            Node::Enum(definition) => {
                self.declare(self.ast.enumeration(definition).name, BindingKind::Enum);
            }
            Node::Import { module, alias } => {
                self.declare(alias.unwrap_or(module), BindingKind::Import);
            }
            Node::FromImport { items, .. } => {
                for &item in self.ast.list(items) {
                    if let Node::ImportItem { name, alias } = self.ast.node(item) {
                        self.declare(alias.unwrap_or(name), BindingKind::Import);
                    }
                }
            }
            Node::Assign { target, value } => {
                self.expression(value);
                self.assign_target(target, Some(value));
            }
            Node::CompoundAssign { target, value, .. } | Node::LogicalAssign { target, value, .. } => {
                self.expression(value);
                self.assign_target(target, Some(id));
            }
            Node::Block(_) => self.statements_in_scope(id),
            Node::If { .. } => self.if_chain(id),
            Node::While { condition, body } => {
                self.expression(condition);
                self.loop_depth += 1;
                self.statements_in_scope(body);
                self.loop_depth -= 1;
            }
            Node::Loop(body) => {
                self.loop_depth += 1;
                self.statements_in_scope(body);
                self.loop_depth -= 1;
            }
            Node::For {
                binding,
                iterable,
                body,
            } => {
                self.expression(iterable);
                self.loop_depth += 1;
                self.open(body);
                self.loop_binding(binding, iterable);
                self.body(body);
                self.close();
                self.loop_depth -= 1;
            }
            Node::Labelled { body, .. } => self.statement(body),
            Node::Try { body, catch, finally } => {
                self.statements_in_scope(body);
                if let Some(Node::Catch { binding, body }) = catch.map(|catch| self.ast.node(catch)) {
                    self.open(body);
                    if let Some(binding) = binding {
                        self.declare(binding, BindingKind::Catch);
                    }
                    self.body(body);
                    self.close();
                }
                if let Some(finally) = finally {
                    self.statements_in_scope(finally);
                }
            }
            Node::Match { subject, arms } => self.match_arms(subject, arms),
            Node::Yield(value) => {
                let around = self.function();
                self.out.functions[around.index()].yields = true;
                if let Some(value) = value {
                    self.expression(value);
                }
            }
            Node::Defer(function) => {
                let around = self.function();
                self.out.functions[around.index()].defers = true;
                self.function_body(function);
            }
            Node::Break(_) | Node::Continue(_) | Node::Debugger | Node::Error => {}
            // An expression where a statement stands is only possible in a damaged tree.
            _ => self.expression(id),
        }
    }

    fn match_arms(&mut self, subject: NodeId, arms: List) {
        self.expression(subject);
        for &arm in self.ast.list(arms) {
            if let Node::Arm { pattern, guard, body } = self.ast.node(arm) {
                self.open(body);
                self.match_pattern(pattern);
                if let Some(guard) = guard {
                    self.expression(guard);
                }
                self.body(body);
                self.close();
            }
        }
    }

    fn if_chain(&mut self, mut id: NodeId) {
        loop {
            let Node::If {
                condition,
                then,
                otherwise,
            } = self.ast.node(id)
            else {
                return self.statements_in_scope(id);
            };
            self.expression(condition);
            self.statements_in_scope(then);
            match otherwise {
                Some(next) => id = next,
                None => return,
            }
        }
    }

    fn let_statement(&mut self, pattern: NodeId, value: NodeId, kind: BindingKind) {
        let named = self
            .function_value(value)
            .filter(|_| matches!(self.ast.node(pattern), Node::Ident(_)));
        if let Some(function) = named {
            // The binding exists before the closure, so that the function can refer to itself by this name.
            let binding = self.declare(pattern, kind);
            self.own_name(binding, function);
            self.expression(value);
            self.note_value(binding, value);
            return;
        }
        self.expression(value);
        self.let_pattern(pattern, value, kind);
    }

    fn function_declaration(&mut self, id: FunctionId) {
        let function = self.ast.function(id);
        let binding = function
            .name
            .and_then(|name| self.declare(name, BindingKind::Function));
        if let (None, Some(name)) = (binding, function.name.and_then(|name| self.ast.name_of(name))) {
            self.out.global_functions.insert(name, id);
        }
        self.own_name(binding, id);
        self.function_body(id);
    }

    fn own_name(&mut self, binding: Option<BindingId>, function: FunctionId) {
        if let Some(binding) = binding {
            self.facts[binding.index()].names = Some(FunctionIndex::of(function));
        }
    }

    /// The function literal that `value` is, through parentheses.
    fn function_value(&self, mut value: NodeId) -> Option<FunctionId> {
        loop {
            match self.ast.node(value) {
                Node::Group(inner) => value = inner,
                Node::Function(function) => return Some(function),
                _ => return None,
            }
        }
    }

    fn note_value(&mut self, binding: Option<BindingId>, value: NodeId) {
        if let Some(binding) = binding {
            self.out.values.push((binding, value));
        }
    }

    fn let_pattern(&mut self, pattern: NodeId, value: NodeId, kind: BindingKind) {
        match self.ast.node(pattern) {
            Node::Ident(_) => {
                let binding = self.declare(pattern, kind);
                self.note_value(binding, value);
            }
            Node::ArrayPattern(items) => {
                for &item in self.ast.list(items) {
                    match self.ast.node(item) {
                        Node::DefaultPattern { target, default } => {
                            self.expression(default);
                            self.declare_opaque(target, kind);
                        }
                        Node::RestPattern(target) => self.declare_opaque(target, kind),
                        _ => self.declare_opaque(item, kind),
                    }
                }
            }
            Node::DictPattern(items) => {
                for &item in self.ast.list(items) {
                    if let Node::EntryPattern { target, default, .. } = self.ast.node(item) {
                        if let Some(default) = default {
                            self.expression(default);
                        }
                        self.declare_opaque(target, kind);
                    }
                }
            }
            _ => {}
        }
    }

    fn declare_opaque(&mut self, ident: NodeId, kind: BindingKind) {
        if let Some(binding) = self.declare(ident, kind) {
            self.out.opaque.push(binding);
        }
    }

    fn assign_target(&mut self, target: NodeId, value: Option<NodeId>) {
        match self.ast.node(target) {
            Node::Name(symbol) => {
                self.use_name(target, symbol, true);
                self.assigned.push(target);
                if let (Use::Local(binding), Some(value)) = (self.out.uses[target.index()], value) {
                    self.out.values.push((binding, value));
                }
            }
            Node::Group(inner) => self.assign_target(inner, value),
            _ => self.expression(target),
        }
    }

    fn match_pattern(&mut self, pattern: NodeId) {
        match self.ast.node(pattern) {
            Node::Ident(name) => {
                // Alternatives of one arm that bind the same name share the binding.
                let shared = self.scopes.last().and_then(|scope| {
                    scope
                        .declared
                        .iter()
                        .find(|(declared, _)| *declared == name)
                        .map(|&(_, binding)| binding)
                });
                if let Some(binding) = shared {
                    self.out.uses[pattern.index()] = Use::Local(binding);
                } else {
                    self.declare(pattern, BindingKind::Pattern);
                }
            }
            Node::EntryPattern { target: inner, .. } | Node::RestPattern(inner) => self.match_pattern(inner),
            Node::AsPattern { pattern, name } => {
                self.match_pattern(pattern);
                self.match_pattern(name);
            }
            Node::OrPattern(items)
            | Node::ArrayPattern(items)
            | Node::DictPattern(items)
            | Node::StructPattern { fields: items, .. }
            | Node::VariantPattern { fields: items, .. } => {
                for &item in self.ast.list(items) {
                    ensure_stack(|| self.match_pattern(item));
                }
            }
            _ => {}
        }
    }

    // --- conclusions ---

    /// The forward bindings that name a function and are captured by a function within it. Their cell must be
    /// handed on, so the function captures it instead of reading itself from the frame.
    fn captured_within_own(&self) -> AHashSet<BindingId> {
        let mut found = AHashSet::new();
        for (index, info) in self.out.functions.iter().enumerate() {
            for &binding in &info.captures {
                let Some(named) = self.facts[binding.index()].names else {
                    continue;
                };
                if named.index() == index || !self.out.bindings[binding.index()].forward {
                    continue;
                }
                let mut around = info.parent;
                while let Some(function) = around.filter(|&function| function != FunctionIndex::TOP_LEVEL) {
                    if function == named {
                        found.insert(binding);
                        break;
                    }
                    around = self.out.functions[function.index()].parent;
                }
            }
        }
        found
    }

    /// Finds what assigns a constant, and what declares a name of the module again that is one.
    fn check_constants(&mut self) {
        let constant = |kind| kind == BindingKind::Constant;
        if !self.out.globals.iter().any(|global| constant(global.kind))
            && !self.out.bindings.iter().any(|binding| constant(binding.kind))
        {
            return;
        }
        let mut globals: AHashMap<Symbol, BindingKind> = AHashMap::new();
        for global in &self.out.globals {
            let before = globals.insert(global.name, global.kind);
            let constant = [before, Some(global.kind)].contains(&Some(BindingKind::Constant));
            if before.is_some() && constant {
                self.out.constant_errors.push(global.ident);
                globals.insert(global.name, BindingKind::Constant);
            }
        }
        for &name in &self.assigned {
            let kind = match self.out.use_of(name) {
                Use::Local(binding) => Some(self.out.bindings[binding.index()].kind),
                Use::Global => self
                    .ast
                    .name_of(name)
                    .and_then(|name| globals.get(&name).copied()),
                Use::None => None,
            };
            if kind == Some(BindingKind::Constant) {
                self.out.constant_errors.push(name);
            }
        }
    }

    /// Forgets the functions of the module whose names may come to stand for something else.
    fn check_global_functions(&mut self) {
        if self.out.global_functions.is_empty() {
            return;
        }
        let mut times: AHashMap<Symbol, usize> = AHashMap::new();
        for global in &self.out.globals {
            *times.entry(global.name).or_default() += 1;
        }
        for &name in &self.assigned {
            if let (Use::Global, Some(name)) = (self.out.use_of(name), self.ast.name_of(name)) {
                times.insert(name, usize::MAX);
            }
        }
        self.out
            .global_functions
            .retain(|name, _| times.get(name) == Some(&1));
    }

    /// Decides own names, then copies and cells.
    fn finish(mut self) -> Resolution {
        self.check_constants();
        self.check_global_functions();
        self.out.assigned = std::mem::take(&mut self.assigned);
        let shared = self.captured_within_own();
        for (index, facts) in self.facts.iter().enumerate() {
            let (binding, id) = (&self.out.bindings[index], BindingId(index as u32));
            if let Some(function) = facts.names.filter(|_| !binding.assigned && !shared.contains(&id)) {
                let info = &mut self.out.functions[function.index()];
                info.own = Some(id);
                if let Some(function) = info.id {
                    self.out.own_functions.insert(id, function);
                }
                info.captures.retain(|&captured| captured != id);
            }
        }
        let mut captured: AHashMap<BindingId, ()> = AHashMap::new();
        for info in &self.out.functions {
            captured.extend(info.captures.iter().map(|&binding| (binding, ())));
        }
        for (index, facts) in self.facts.iter().enumerate() {
            let binding = &mut self.out.bindings[index];
            binding.captured = captured.contains_key(&BindingId(index as u32));
            let reassigned = facts.assigned_apart
                || facts
                    .last_assignment
                    .is_some_and(|at| facts.first_capture.is_none_or(|first| at > first));
            let unset_at_capture = facts.names.is_some() && binding.assigned;
            let own = facts.names.is_some() && !binding.assigned;
            binding.cell = binding.captured
                && (!self.copy_captures && !own || binding.forward || reassigned || unset_at_capture);
        }
        self.out
    }
}
