//! Structures that keep themselves alive: what a leak report would name, told before the program runs.
//!
//! A *store* `a.f = b`, `a[k] = b`, `a.list.push(b)` or `let a = S { f: b }` makes `a` hold `b`. Two names that hold each
//! other in one function, and a name that holds itself or a function that captures it, are cycles whatever else the
//! program does, unless the store is undone in the same function.

use aether_ast::{Node, NodeId, Symbol};
use aether_resolve::{BACKWARD_MEMBERS, BindingId, FunctionIndex, Use};
use aether_source::Diagnostic;
use ahash::{AHashMap, AHashSet};

use crate::Program;
use crate::tree::is_plain_literal;

/// A variable, wherever it lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Variable {
    Local(BindingId),
    Global(Symbol),
}

/// `holder` holds what `node` says.
#[derive(Clone, Copy)]
struct Store {
    holder: Variable,
    value: NodeId,
    /// What is stored to, or the call that stores.
    place: NodeId,
    /// The member's name, if it is one.
    member: Option<Symbol>,
    /// Whether the store is an assignment, whose right side a fix can replace.
    assigned: bool,
    function: Option<NodeId>,
}

fn variable(program: &Program<'_>, id: NodeId) -> Option<Variable> {
    let id = program.ast.without_groups(id);
    let Node::Name(symbol) = program.ast.node(id) else {
        return None;
    };
    match program.resolution.use_of(id) {
        Use::Local(binding) => Some(Variable::Local(binding)),
        Use::Global => Some(Variable::Global(symbol)),
        Use::None => None,
    }
}

/// The variable that a chain of members and elements begins with.
fn base(program: &Program<'_>, mut id: NodeId) -> Option<Variable> {
    loop {
        match program.ast.node(id) {
            Node::Member {
                object,
                optional: false,
                ..
            }
            | Node::Index {
                object,
                optional: false,
                ..
            } => id = object,
            Node::Group(inner) => id = inner,
            _ => return variable(program, id),
        }
    }
}

/// Every store of the program.
fn stores(program: &Program<'_>) -> Vec<Store> {
    let Program { ast, tree, .. } = program;
    let mut found = Vec::new();
    for &id in &tree.nodes {
        let function = || tree.function_of(ast, id);
        match ast.node(id) {
            Node::Assign { target, value } => {
                let (object, member) = match ast.node(target) {
                    Node::Member { object, name, .. } => (object, Some(name)),
                    Node::Index { object, .. } => (object, None),
                    _ => continue,
                };
                if let Some(holder) = base(program, object) {
                    found.push(Store {
                        holder,
                        value,
                        place: target,
                        member,
                        assigned: true,
                        function: function(),
                    });
                }
            }
            Node::Call { callee, args } => {
                let Node::Member { object, name, .. } = ast.node(callee) else {
                    continue;
                };
                if !matches!(ast.text(name), "push" | "unshift" | "add") {
                    continue;
                }
                let [value] = *ast.list(args) else { continue };
                let Some(holder) = base(program, object) else {
                    continue;
                };
                found.push(Store {
                    holder,
                    value,
                    place: id,
                    member: None,
                    assigned: false,
                    function: function(),
                });
            }
            Node::Let { pattern, value } | Node::Const { pattern, value } => {
                let Node::Ident(symbol) = ast.node(pattern) else {
                    continue;
                };
                let holder = match program.resolution.use_of(pattern) {
                    Use::Local(binding) => Variable::Local(binding),
                    Use::Global => Variable::Global(symbol),
                    Use::None => continue,
                };
                let Node::StructLit { fields, .. } = ast.node(value) else {
                    continue;
                };
                for pair in ast.list(fields).chunks_exact(2) {
                    found.push(Store {
                        holder,
                        value: pair[1],
                        place: pair[0],
                        member: ast.name_of(pair[0]),
                        assigned: false,
                        function: function(),
                    });
                }
            }
            _ => {}
        }
    }
    found
}

/// What may undo stores.
struct Undone<'a> {
    /// How often each place is assigned.
    assigned: AHashMap<(Variable, &'a str), usize>,
    /// Variables that something is removed from.
    removed: AHashSet<Variable>,
    /// Module-level names that are assigned.
    globals: AHashSet<Symbol>,
    /// Local names that only ever hold literals without parts.
    data: AHashSet<BindingId>,
}

impl<'a> Undone<'a> {
    fn new(program: &Program<'a>, stores: &[Store]) -> Self {
        let Program {
            ast,
            tree,
            resolution,
            ..
        } = program;
        let mut undone = Self {
            assigned: AHashMap::new(),
            removed: AHashSet::new(),
            globals: resolution
                .assigned_globals()
                .filter_map(|name| ast.name_of(name))
                .collect(),
            data: resolution.values().iter().map(|&(binding, _)| binding).collect(),
        };
        for store in stores.iter().filter(|store| store.assigned) {
            *undone
                .assigned
                .entry((store.holder, place_text(program, store)))
                .or_default() += 1;
        }
        for &id in &tree.nodes {
            if let Node::Call { callee, .. } = ast.node(id)
                && let Node::Member { object, name, .. } = ast.node(callee)
                && matches!(ast.text(name), "remove" | "pop" | "shift" | "clear" | "delete")
                && let Some(holder) = base(program, object)
            {
                undone.removed.insert(holder);
            }
        }
        for &(binding, value) in resolution.values() {
            if !is_plain_literal(ast, value) {
                undone.data.remove(&binding);
            }
        }
        for binding in resolution.opaque() {
            undone.data.remove(binding);
        }
        undone
    }

    /// Whether something in the program may undo a store.
    fn may_undo(&self, program: &Program<'a>, store: &Store) -> bool {
        let times = self.assigned.get(&(store.holder, place_text(program, store)));
        let reassigned = match store.holder {
            Variable::Local(binding) => program.resolution.binding(binding).assigned,
            Variable::Global(name) => self.globals.contains(&name),
        };
        let own = usize::from(store.assigned);
        reassigned || self.removed.contains(&store.holder) || times.is_some_and(|&times| times > own)
    }

    /// Whether a variable certainly holds no object.
    fn is_data(&self, variable: Variable) -> bool {
        matches!(variable, Variable::Local(binding) if self.data.contains(&binding))
    }
}

/// The member that a store goes to, or where there is none its place as it is written.
fn place_text<'a>(program: &Program<'a>, store: &Store) -> &'a str {
    match store.member {
        Some(member) => program.ast.text(member),
        None => program.file.slice(program.ast.span(store.place)),
    }
}

/// Names that hold themselves or each other, and functions that are stored on what they capture.
pub(crate) fn cycles(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let stores = stores(program);
    let undone = Undone::new(program, &stores);
    names(program, &stores, &undone, found);
    closures(program, &stores, &undone, found);
}

/// Names that hold themselves or each other.
fn names<'a>(program: &Program<'a>, stores: &[Store], undone: &Undone<'a>, found: &mut Vec<Diagnostic>) {
    let ast = program.ast;
    let mut by_pair: AHashMap<(Variable, Variable, Option<NodeId>), usize> = AHashMap::new();
    for (index, store) in stores.iter().enumerate() {
        let Some(value) = variable(program, store.value) else {
            continue;
        };
        if undone.is_data(value) || undone.may_undo(program, store) {
            continue;
        }
        if value == store.holder {
            found.push(cycle(program, store, None));
            continue;
        }
        let back = by_pair.get(&(value, store.holder, store.function)).copied();
        by_pair
            .entry((store.holder, value, store.function))
            .or_insert(index);
        let Some(back) = back else { continue };
        let before = &stores[back];
        let leads_back = |store: &Store| {
            store
                .member
                .is_some_and(|member| BACKWARD_MEMBERS.contains(&ast.text(member)))
        };
        let (weak, other) =
            if leads_back(before) || (before.assigned && !leads_back(store) && !store.assigned) {
                (before, store)
            } else {
                (store, before)
            };
        found.push(cycle(program, weak, Some(other)));
    }
}

fn cycle(program: &Program<'_>, store: &Store, other: Option<&Store>) -> Diagnostic {
    let Program { ast, file, .. } = program;
    let text = |id| file.slice(ast.span(id));
    let value = text(store.value);
    let message = match other {
        None => format!("'{value}' holds itself, so it is never freed by counting"),
        Some(_) => format!("this makes a cycle: '{value}' already holds what it is stored in"),
    };
    let place = text(store.place);
    let help = if store.assigned {
        format!("write {place} = make_weak({value}), and upgrade_weak({place}) where it is read")
    } else {
        format!("store make_weak({value}) instead, and use upgrade_weak where it is read")
    };
    let warning = Diagnostic::warning("W0111", message, ast.span(store.place)).with_help(help);
    match other {
        Some(other) => warning.with_label(ast.span(other.place), "the other reference"),
        None => warning,
    }
}

/// Functions that are stored on what they capture.
fn closures<'a>(program: &Program<'a>, stores: &[Store], undone: &Undone<'a>, found: &mut Vec<Diagnostic>) {
    let Program { ast, resolution, .. } = program;
    for store in stores {
        let Node::Function(function) = ast.node(ast.without_groups(store.value)) else {
            continue;
        };
        let Variable::Local(holder) = store.holder else {
            continue;
        };
        let info = resolution.function(FunctionIndex::of(function));
        if !info.captures.contains(&holder) || undone.may_undo(program, store) {
            continue;
        }
        let name = ast.text(resolution.binding(holder).name);
        let used = uses_within(program, store.value, holder);
        let mut warning = Diagnostic::warning(
            "W0112",
            format!("the function is stored on '{name}' and captures it: a cycle"),
            ast.span(store.place),
        )
        .with_help(format!(
            "capture a weak reference: let weak = make_weak({name}) before, and upgrade_weak(weak) in the function"
        ));
        if let Some(used) = used {
            warning = warning.with_label(ast.span(used), "captured here");
        }
        found.push(warning);
    }
}

/// The first use of a binding within a node.
fn uses_within(program: &Program<'_>, id: NodeId, binding: BindingId) -> Option<NodeId> {
    let ast = program.ast;
    let mut work = vec![id];
    while let Some(node) = work.pop() {
        if matches!(ast.node(node), Node::Name(_)) && program.resolution.use_of(node) == Use::Local(binding) {
            return Some(node);
        }
        let from = work.len();
        ast.for_each_child(node, |child| work.push(child));
        work[from..].reverse();
    }
    None
}
