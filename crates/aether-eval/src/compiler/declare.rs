//! Declarations: functions and their code, `let`, structs, enums, imports.

use aether_ast::{EnumId, FunctionId, FunctionKind, List, Node, NodeId, StructId};
use aether_resolve::{BindingId, BindingKind, FunctionIndex, Use};
use aether_value::{Capture, Code, LocalInfo};
use std::ptr::NonNull;

use super::function::{CodeParts, FunctionState};
use super::{Compiler, Kind, Result};
use crate::bytecode::Op;
use crate::tables::{EnumTemplate, StructTemplate};

/// In [`Capture::index`]: the enclosing function's own closure, rather than one of its captures.
pub(crate) const OWN_CLOSURE: u16 = u16::MAX;

/// Whether a statement declares a function or a type, or imports.
pub(crate) fn is_declaration(statement: Node) -> bool {
    matches!(
        statement,
        Node::FunctionDecl(_)
            | Node::Struct(_)
            | Node::Enum(_)
            | Node::Import { .. }
            | Node::FromImport { .. }
    )
}

impl Compiler<'_> {
    // --- code ---

    pub(super) fn top_level(&mut self) -> Result<NonNull<Code>> {
        let ast = self.ast;
        let statements = ast.root();
        let last_value = match (self.kind, statements.last().map(|&last| ast.node(last))) {
            (Kind::Fragment, Some(Node::ExprStmt(value))) => Some(value),
            _ => None,
        };
        self.open_scope();
        let count = statements.len() - usize::from(last_value.is_some());
        for &statement in &statements[..count] {
            if self.kind == Kind::Declarations && !is_declaration(ast.node(statement)) {
                // Its code is there for the functions in it.
                let after = self.label();
                self.jump(after);
                self.function.reachable = true;
                self.statement(statement)?;
                self.bind(after);
                self.function.reachable = true;
            } else {
                self.statement(statement)?;
            }
        }
        if let Some(value) = last_value {
            let register = self.allocate()?;
            self.expr(value, register)?;
            self.emit(Op::Return, register, 0, 0);
        }
        self.function.reachable = true;
        self.emit(Op::ReturnNull, 0, 0, 0);
        let parts = CodeParts {
            // An empty name marks a top level.
            name: Some(String::new()),
            doc: None,
            params: 0,
            required: 0,
            has_rest: false,
            has_self: false,
            assigns_self: false,
            is_async: false,
            binds_first: false,
            param_names: Vec::new(),
            span: aether_source::Span::default(),
        };
        self.finish_code(parts, Vec::new())
    }

    /// What documents a declared name, as a string.
    fn doc_text(&mut self, name: NodeId) -> Result<Option<aether_value::Rc<aether_value::Str>>> {
        match self.ast.doc(name) {
            Some(doc) => Ok(Some(self.interned(self.ast.text(doc))?)),
            None => Ok(None),
        }
    }

    /// Compiles a function of the tree, named as it was declared, by what has this declared name.
    pub(super) fn function_code(
        &mut self,
        id: FunctionId,
        name: Option<String>,
        ident: Option<NodeId>,
    ) -> Result<NonNull<Code>> {
        let function = self.ast.function(id);
        let index = FunctionIndex::of(id);
        let captures = self.capture_list(index);
        let outer = std::mem::replace(&mut self.function, FunctionState::new(index, name.clone()));
        self.function.doc = ident.and_then(|ident| self.ast.doc(ident));
        let made = self.function_body(id, function, name, captures);
        self.function = outer;
        made
    }

    fn function_body(
        &mut self,
        id: FunctionId,
        function: aether_ast::Function,
        name: Option<String>,
        captures: Vec<Capture>,
    ) -> Result<NonNull<Code>> {
        let ast = self.ast;
        let span = ast.span(function.body);
        self.set_place(span);
        self.open_scope();
        let is_method = function.kind == FunctionKind::Method;
        let mut params = ast.list(function.params);
        let mut assigns_self = false;
        if is_method {
            let receiver = self.resolution.function(Self::function_index(id)).receiver;
            if params.first().is_some_and(|&first| self.text(first) == "self") {
                params = &params[1..];
            }
            assigns_self = receiver.is_some_and(|binding| self.resolution.binding(binding).assigned);
            let register = self.allocate()?;
            match receiver {
                Some(binding) => self.bind_parameter(binding, register),
                None => self.add_local(register, true),
            }
        }
        let mut param_names = Vec::with_capacity(params.len());
        // All registers first: a default may use those of temporaries behind them.
        let mut registers = Vec::with_capacity(params.len());
        for _ in params {
            registers.push(self.allocate()?);
        }
        let (mut required, mut has_rest) = (params.len(), false);
        let mut computes = false;
        for (at, (&param, &register)) in params.iter().zip(&registers).enumerate() {
            let name = match ast.node(param) {
                Node::DefaultPattern { target, default } => {
                    required = required.min(at);
                    computes = true;
                    self.default_argument(register, default)?;
                    target
                }
                Node::RestPattern(target) => {
                    required = required.min(at);
                    has_rest = true;
                    target
                }
                _ => param,
            };
            param_names.push(self.interned(self.text(name))?);
            self.at(name);
            computes |= ast.annotation(name).is_some();
            self.check_declared(name, register, None);
            if let Use::Local(binding) = self.resolution.use_of(name) {
                self.bind_parameter(binding, register);
            }
        }
        let yields = self.resolution.function(self.function.index).yields;
        let binds_first = function.is_async && computes && !yields;
        if yields || binds_first {
            let made = self.allocate()?;
            self.emit(if yields { Op::Generator } else { Op::Promise }, made, 0, 0);
            self.emit(Op::Return, made, 0, 0);
            // Here the first resumption begins.
            self.function.reachable = true;
            self.bind_known(0);
            self.free_to(made);
        }
        if self.resolution.function(self.function.index).defers {
            self.body_with_deferred(function.body)?;
        } else {
            self.forward_cells(function.body)?;
            self.body(function.body)?;
        }
        if self.function.reachable
            && let Some((annotation, what)) = self.result_annotation()
        {
            let register = self.allocate()?;
            self.emit(Op::LoadNull, register, 0, 0);
            self.check(annotation, what, register, None);
        }
        if self.function.reachable {
            self.release_scopes(0, None);
        }
        self.function.reachable = true;
        self.emit(Op::ReturnNull, 0, 0, 0);
        let doc = self.function.doc.map(|doc| ast.text(doc).into());
        let parts = CodeParts {
            name,
            doc,
            params: params.len() as u16,
            required: required as u16,
            has_rest,
            has_self: is_method,
            assigns_self,
            is_async: function.is_async,
            binds_first,
            param_names,
            span,
        };
        self.finish_code(parts, captures)
    }

    /// Puts the value of a default into a parameter's register, if no argument is there.
    fn default_argument(&mut self, register: u16, default: NodeId) -> Result<()> {
        let given = self.label();
        self.at(default);
        self.jump_on(Op::JumpIfSet, register, false, given);
        self.expr(default, register)?;
        self.bind(given);
        Ok(())
    }

    fn bind_parameter(&mut self, binding: BindingId, register: u16) {
        let info = self.resolution.binding(binding);
        if info.cell {
            self.emit(Op::NewCell, register, register, 0);
        }
        self.function.registers.insert(binding, register);
        self.add_local(register, true);
        self.note_local(binding, register);
    }

    /// Where a new closure of `index` finds what it captures, seen from the function being compiled.
    fn capture_list(&self, index: FunctionIndex) -> Vec<Capture> {
        let find = |&binding: &BindingId| {
            if let Some(&register) = self.function.registers.get(&binding) {
                Capture {
                    from_parent_register: true,
                    index: register,
                }
            } else if self.is_own(binding) {
                Capture {
                    from_parent_register: false,
                    index: OWN_CLOSURE,
                }
            } else {
                let index = self.capture_index(binding).unwrap_or(0);
                Capture {
                    from_parent_register: false,
                    index,
                }
            }
        };
        self.resolution
            .function(index)
            .captures
            .iter()
            .map(find)
            .collect()
    }

    // --- bindings ---

    fn note_local(&mut self, binding: BindingId, register: u16) {
        let info = self.resolution.binding(binding);
        let ast = self.ast;
        if let Ok(name) = self.heap.intern(ast.text(info.name)) {
            let start = self.here() as u32;
            self.function.locals.push(LocalInfo {
                name,
                register,
                start,
                end: u32::MAX,
                cell: info.cell,
                counted: info.cell || !self.scalars[binding.index()],
            });
        }
    }

    /// Declares `ident` with the value in `register`, the last one allocated, which becomes the local's own or is
    /// free again afterwards.
    pub(super) fn declare(&mut self, ident: NodeId, register: u16) -> Result<()> {
        match self.resolution.use_of(ident) {
            Use::Local(binding) => {
                let info = self.resolution.binding(binding);
                self.end_previous(ident, binding, register);
                if info.forward {
                    let cell = self.function.registers[&binding];
                    self.emit(Op::InitCell, cell, register, 0);
                    self.free_to(register);
                } else {
                    if info.cell {
                        self.emit(Op::NewCell, register, register, 0);
                    }
                    self.function.registers.insert(binding, register);
                    self.add_local(register, info.cell || !self.scalars[binding.index()]);
                }
                let register = self.function.registers[&binding];
                self.note_local(binding, register);
            }
            Use::Global | Use::None => {
                if let Node::Ident(name) = self.ast.node(ident) {
                    let slot = self.slot(name)?;
                    self.emit_wide(Op::DeclareGlobal, register, slot);
                }
                self.free_to(register);
            }
        }
        Ok(())
    }

    /// A redeclaration in the same scope ends the binding it replaces.
    fn end_previous(&mut self, ident: NodeId, binding: BindingId, register: u16) {
        let Node::Ident(name) = self.ast.node(ident) else {
            return;
        };
        let Some(scope) = self.function.scopes.last_mut() else {
            return;
        };
        let previous = scope.names.iter().position(|&(known, _, _)| known == name);
        scope.names.push((name, binding, register));
        let Some(position) = previous else { return };
        let (_, old, old_register) = scope.names.remove(position);
        if self.resolution.binding(old).forward {
            return;
        }
        if let Some(local) = scope
            .locals
            .iter_mut()
            .find(|local| local.register == old_register && local.counted)
        {
            local.counted = false;
            self.emit(Op::Drop, old_register, 0, 0);
        }
    }

    // --- let ---

    pub(super) fn let_statement(&mut self, id: NodeId, pattern: NodeId, value: NodeId) -> Result<()> {
        match self.ast.node(pattern) {
            Node::Ident(_) => {
                let inner = self.ungroup(value);
                if let Node::Function(function) = self.ast.node(inner)
                    && self.takes_function(pattern, value)
                {
                    return self.named_function(pattern, function, inner);
                }
                let register = self.allocate()?;
                self.expr(value, register)?;
                self.at(id);
                self.check_declared(pattern, register, Some(value));
                self.declare(pattern, register)
            }
            Node::ArrayPattern(items) => self.array_pattern(value, items),
            Node::DictPattern(items) => self.dict_pattern(value, items),
            _ => Ok(()),
        }
    }

    /// `fn name` and `let name = fn`: the binding exists before the closure.
    pub(super) fn named_function(
        &mut self,
        ident: NodeId,
        function: FunctionId,
        place: NodeId,
    ) -> Result<()> {
        let name = Some(self.text(ident).to_owned());
        self.at(place);
        let binding = match self.resolution.use_of(ident) {
            Use::Local(binding) => Some((binding, self.resolution.binding(binding))),
            Use::Global | Use::None => None,
        };
        let register = self.allocate()?;
        let early = binding.filter(|(_, info)| info.cell && !info.forward && info.assigned);
        if let Some((binding, _)) = early {
            // The function captures its own cell.
            self.end_previous(ident, binding, register);
            self.emit(Op::NewUnsetCell, register, 0, 0);
            self.function.registers.insert(binding, register);
            self.add_local(register, true);
            self.note_local(binding, register);
            let child = self.child(function, name, Some(ident))?;
            let closure = self.allocate()?;
            self.emit(Op::Closure, closure, child, 0);
            self.emit(Op::InitCell, register, closure, 0);
            self.free_to(closure);
            return Ok(());
        }
        let child = self.child(function, name, Some(ident))?;
        self.at(place);
        self.emit(Op::Closure, register, child, 0);
        self.declare(ident, register)
    }

    pub(super) fn function_declaration(&mut self, id: NodeId, function: FunctionId) -> Result<()> {
        let Some(ident) = self.ast.function(function).name else {
            return Ok(());
        };
        if self.text(ident) == "main" && self.is_second_main(ident) {
            self.at(id);
            self.emit(Op::DuplicateMain, 0, 0, 0);
            self.function.reachable = true;
        }
        self.named_function(ident, function, id)
    }

    /// Whether the scope being compiled has declared a function `main` already.
    fn is_second_main(&mut self, ident: NodeId) -> bool {
        match self.resolution.use_of(ident) {
            Use::Local(_) => {
                let Node::Ident(name) = self.ast.node(ident) else {
                    return false;
                };
                let resolution = self.resolution;
                self.function.scopes.last().is_some_and(|scope| {
                    scope.names.iter().any(|&(known, binding, _)| {
                        known == name && resolution.binding(binding).kind == BindingKind::Function
                    })
                })
            }
            Use::Global | Use::None => {
                self.mains += 1;
                self.mains > 1
            }
        }
    }

    // --- structs, enums, imports ---

    pub(super) fn struct_declaration(&mut self, id: NodeId, definition: StructId) -> Result<()> {
        let ast = self.ast;
        let definition = ast.structure(definition);
        let struct_name = self.text(definition.name).to_owned();
        let name = self.interned(&struct_name)?;
        let mut fields = Vec::new();
        let mut types = Vec::new();
        let mut methods = Vec::new();
        for &field in ast.list(definition.fields) {
            let ident = ast.declared_name(field).unwrap_or(field);
            let name = self.text(ident).to_owned();
            fields.push(self.interned(&name)?);
            types.push(
                ast.annotation(ident)
                    .map(|annotation| self.type_check(annotation)),
            );
            if let Some(default) = self.field_default(field) {
                methods.push((self.interned(&format!("={name}"))?, default, field));
            }
        }
        let is_typed = types.iter().any(Option::is_some);
        for &method in ast.list(definition.methods) {
            if let Node::FunctionDecl(function) = ast.node(method)
                && let Some(ident) = ast.function(function).name
            {
                methods.push((self.interned(self.text(ident))?, function, method));
            }
        }
        let names = methods.iter().map(|(name, ..)| name.clone()).collect();
        let doc = self.doc_text(definition.name)?;
        self.tables.structs.push(StructTemplate {
            name,
            fields,
            methods: names,
            doc,
            types: is_typed.then(|| types.into()),
        });
        let template = self.tables.structs.len() as u32 - 1;
        self.at(id);
        let register = self.allocate()?;
        self.emit_wide(Op::Struct, register, template);
        let count = methods.len() as u16;
        for (method_name, function, node) in methods {
            let ident = ast.function(function).name;
            let full = format!("{struct_name}.{}", method_name.as_str().trim_start_matches('='));
            let child = self.child(function, Some(full), ident)?;
            let closure = self.allocate()?;
            self.at(node);
            self.emit(Op::Closure, closure, child, 0);
        }
        if count > 0 {
            self.emit(Op::Methods, register, 0, count);
            self.extend(u64::from(template));
        }
        self.free_to(register + 1);
        self.declare(definition.name, register)
    }

    pub(super) fn enum_declaration(&mut self, id: NodeId, definition: EnumId) -> Result<()> {
        let ast = self.ast;
        let definition = ast.enumeration(definition);
        let name = self.interned(self.text(definition.name))?;
        let mut variants = Vec::new();
        for &variant in ast.list(definition.variants) {
            if let Node::Variant { name, fields } = ast.node(variant) {
                let mut payload = Vec::new();
                for &field in ast.list(fields) {
                    payload.push(self.interned(self.text(field))?);
                }
                variants.push((self.interned(self.text(name))?, payload));
            }
        }
        let doc = self.doc_text(definition.name)?;
        self.tables.enums.push(EnumTemplate { name, variants, doc });
        let template = self.tables.enums.len() as u32 - 1;
        self.at(id);
        let register = self.allocate()?;
        self.emit_wide(Op::Enum, register, template);
        self.declare(definition.name, register)
    }

    pub(super) fn import(&mut self, id: NodeId, module: NodeId, alias: Option<NodeId>) -> Result<()> {
        let name = self.text(module).to_owned();
        let constant = self.string(&name)?;
        self.at(id);
        let register = self.allocate()?;
        self.emit_wide(Op::Import, register, constant);
        self.declare(alias.unwrap_or(module), register)
    }

    pub(super) fn import_members(&mut self, id: NodeId, module: NodeId, items: List) -> Result<()> {
        let ast = self.ast;
        let name = self.text(module).to_owned();
        let constant = self.string(&name)?;
        self.at(id);
        let module = self.allocate()?;
        self.emit_wide(Op::Import, module, constant);
        // A hidden local, so that what the items declare has its registers above it.
        self.add_local(module, false);
        for &item in ast.list(items) {
            if let Node::ImportItem { name, alias } = ast.node(item) {
                let member = self.text(name).to_owned();
                let constant = self.string(&member)?;
                self.at(id);
                let register = self.allocate()?;
                self.emit(Op::ImportMember, register, module, 0);
                self.extend(u64::from(constant));
                self.declare(alias.unwrap_or(name), register)?;
            }
        }
        self.emit(Op::Drop, module, 0, 0);
        Ok(())
    }
}
