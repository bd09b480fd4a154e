//! Building a tree and reading it.

use aether_source::Span;
use ahash::AHashMap;
use std::num::NonZeroU32;

use crate::node::{Enum, EnumId, Function, FunctionId, List, Node, NodeId, Struct, StructId, Symbol};

/// A syntax tree: the statements of one source text.
#[derive(Clone, Debug, Default)]
pub struct Ast {
    nodes: Vec<Node>,
    spans: Vec<Span>,
    children: Vec<NodeId>,
    functions: Vec<Function>,
    structs: Vec<Struct>,
    enums: Vec<Enum>,
    texts: Vec<Box<str>>,
    symbols: AHashMap<Box<str>, Symbol>,
    root: List,
    docs: AHashMap<NodeId, Symbol>,
    module_doc: Option<Symbol>,
    annotations: AHashMap<NodeId, NodeId>,
}

impl Ast {
    /// An empty tree with room for about `nodes` nodes.
    pub fn with_capacity(nodes: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(nodes),
            spans: Vec::with_capacity(nodes),
            ..Self::default()
        }
    }

    /// Adds a node.
    ///
    /// # Panics
    /// With more than `u32::MAX - 1` nodes, which the limit on source size excludes.
    pub fn add(&mut self, node: Node, span: Span) -> NodeId {
        self.nodes.push(node);
        self.spans.push(span);
        let id = u32::try_from(self.nodes.len()).ok().and_then(NonZeroU32::new);
        NodeId(id.expect("a tree has fewer than 2^32 nodes"))
    }

    /// Replaces a node, keeping its span.
    pub fn replace(&mut self, id: NodeId, node: Node) {
        self.nodes[id.index()] = node;
    }

    /// Replaces a node's span.
    pub fn set_span(&mut self, id: NodeId, span: Span) {
        self.spans[id.index()] = span;
    }

    /// Adds a list of children.
    pub fn add_list(&mut self, items: &[NodeId]) -> List {
        let start = self.children.len() as u32;
        self.children.extend_from_slice(items);
        List {
            start,
            len: items.len() as u32,
        }
    }

    /// Adds a function's parts.
    pub fn add_function(&mut self, function: Function) -> FunctionId {
        self.functions.push(function);
        FunctionId(self.functions.len() as u32 - 1)
    }

    /// Adds a struct's parts.
    pub fn add_struct(&mut self, definition: Struct) -> StructId {
        self.structs.push(definition);
        StructId(self.structs.len() as u32 - 1)
    }

    /// Adds an enum's parts.
    pub fn add_enum(&mut self, definition: Enum) -> EnumId {
        self.enums.push(definition);
        EnumId(self.enums.len() as u32 - 1)
    }

    /// Interns a name or literal text.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.symbols.get(text) {
            return symbol;
        }
        let symbol = Symbol(self.texts.len() as u32);
        self.texts.push(text.into());
        self.symbols.insert(text.into(), symbol);
        symbol
    }

    /// The symbol of a text that has been interned.
    pub fn symbol(&self, text: &str) -> Option<Symbol> {
        self.symbols.get(text).copied()
    }

    /// Documents the declaration of a name, a [`Node::Ident`].
    pub fn set_doc(&mut self, name: NodeId, text: Symbol) {
        self.docs.insert(name, text);
    }

    /// Annotates a declared name, a [`Node::Ident`], or a function's result, by its body, with a type.
    pub fn annotate(&mut self, declared: NodeId, annotation: NodeId) {
        self.annotations.insert(declared, annotation);
    }

    /// The type that a declared name, or the body of a function for its result, is annotated with.
    pub fn annotation(&self, declared: NodeId) -> Option<NodeId> {
        self.annotations.get(&declared).copied()
    }

    /// A type as it is written.
    pub fn type_text(&self, annotation: NodeId) -> String {
        let mut out = String::new();
        self.write_type(annotation, &mut out);
        out
    }

    fn write_type(&self, annotation: NodeId, out: &mut String) {
        let (list, separator) = match self.node(annotation) {
            Node::TypeName { name, args } => {
                out.push_str(self.text(name));
                if args.is_empty() {
                    return;
                }
                out.push('[');
                (args, ", ")
            }
            Node::OptionalType(inner) => {
                self.write_type(inner, out);
                out.push('?');
                return;
            }
            Node::UnionType(items) => (items, " | "),
            _ => return,
        };
        for (at, &item) in self.list(list).iter().enumerate() {
            out.push_str(if at > 0 { separator } else { "" });
            self.write_type(item, out);
        }
        if separator == ", " {
            out.push(']');
        }
    }

    /// What documents the declaration of a name: the text of the `///` lines before it.
    pub fn doc(&self, name: NodeId) -> Option<Symbol> {
        self.docs.get(&name).copied()
    }

    /// Documents the text as a whole.
    pub fn set_module_doc(&mut self, text: Symbol) {
        self.module_doc = Some(text);
    }

    /// What documents the text as a whole: the `//!` lines at its beginning.
    pub fn module_doc(&self) -> Option<Symbol> {
        self.module_doc
    }

    /// The name that a declaration gives, where that may be documented.
    pub fn declared_name(&self, declaration: NodeId) -> Option<NodeId> {
        match self.node(declaration) {
            Node::FunctionDecl(function) => self.function(function).name,
            Node::Struct(definition) => Some(self.structure(definition).name),
            Node::Enum(definition) => Some(self.enumeration(definition).name),
            Node::Variant { name, .. } => Some(name),
            Node::Let { pattern, .. } | Node::Const { pattern, .. } => {
                matches!(self.node(pattern), Node::Ident(_)).then_some(pattern)
            }
            Node::Ident(_) => Some(declaration),
            Node::DefaultPattern { target, .. } => Some(target),
            _ => None,
        }
    }

    /// Sets the program's statements.
    pub fn set_root(&mut self, statements: &[NodeId]) {
        self.root = self.add_list(statements);
    }

    /// The program's statements.
    pub fn root(&self) -> &[NodeId] {
        self.list(self.root)
    }

    /// A node. Nodes are small and copied.
    #[inline]
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes[id.index()]
    }

    /// Where a node stands.
    #[inline]
    pub fn span(&self, id: NodeId) -> Span {
        self.spans[id.index()]
    }

    /// The children of a list.
    #[inline]
    pub fn list(&self, list: List) -> &[NodeId] {
        &self.children[list.start as usize..][..list.len as usize]
    }

    /// A function's parts.
    #[inline]
    pub fn function(&self, id: FunctionId) -> Function {
        self.functions[id.0 as usize]
    }

    /// A struct's parts.
    #[inline]
    pub fn structure(&self, id: StructId) -> Struct {
        self.structs[id.0 as usize]
    }

    /// An enum's parts.
    #[inline]
    pub fn enumeration(&self, id: EnumId) -> Enum {
        self.enums[id.0 as usize]
    }

    /// The text of a symbol.
    #[inline]
    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol.index()]
    }

    /// The symbol of a declared or used name; `None` for other nodes.
    pub fn name_of(&self, id: NodeId) -> Option<Symbol> {
        match self.node(id) {
            Node::Ident(symbol) | Node::Name(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// Where the name of a [`Node::Member`] stands: the last token of its span.
    pub fn member_name_span(&self, id: NodeId) -> Span {
        let span = self.span(id);
        match self.node(id) {
            Node::Member { name, .. } => Span::new(span.end - self.text(name).len() as u32, span.end),
            _ => span,
        }
    }

    /// Number of nodes; every [`NodeId::index`] is below it.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Number of interned texts; every [`Symbol::index`] is below it.
    pub fn symbol_count(&self) -> usize {
        self.texts.len()
    }

    /// Number of functions.
    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// Every node id, in the order in which the parser made them.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.nodes.len() as u32)
            .filter_map(NonZeroU32::new)
            .map(NodeId)
    }
}
