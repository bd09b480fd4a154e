//! Modules: finding, loading once, members.
//!
//! A module is code that runs once in a scope of its own. While it runs its frame is marked, so that its end, or an
//! error through it, settles whether it counts as loaded.
#![expect(unsafe_code, reason = "makes the frame of a module's top level")]

use aether_parser::ParseOptions;
use aether_source::{Diagnostic, SourceFile};
use aether_value::{Module, Raise, Raw, Rc, Str, Value};

use super::call::take;
use super::{Flow, Vm, flags};
use crate::builtins::{self, Constant, LibraryModule};
use crate::compiler::{self, CompileError, Kind};
use crate::host::Permission;

/// Module ids from here on belong to the embedded library.
const EMBEDDED: u32 = 0x8000_0000;
/// Set beside [`EMBEDDED`] in the ids of extension modules.
const EXTENSION: u32 = 0x4000_0000;
/// The ids of globals such as `Promise`, counted down by their place among [`builtins::NAMESPACES`].
const NAMESPACE: u32 = u32::MAX;

/// A module from a file.
pub(crate) struct ModuleState {
    /// Name it was first imported by.
    name: String,
    /// Where it was found.
    path: String,
    /// Its scope.
    id: u32,
    /// Whether its top level has ended.
    loaded: bool,
}

impl ModuleState {
    /// The name that it was first imported by.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// What is wrong with the text of a module.
pub(crate) struct FailedModule {
    /// The message of the import's error.
    message: String,
    /// The text.
    pub(crate) file: std::rc::Rc<SourceFile>,
    /// Every error in it.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What of the library is written in the language, in parts that are compiled at the first use of any function of them.
/// The names of the second begin with `chunk_`.
pub(super) const PARTS: [&str; 2] = [
    include_str!("../builtins/library.ae"),
    include_str!("../builtins/chunks.ae"),
];

impl Vm {
    /// A function of the part of the library that is written in the language.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn library_function(&mut self, name: &str) -> Result<Value, Raise> {
        let part = usize::from(name.starts_with("chunk_"));
        let module = match self.library[part] {
            Some(module) => module,
            None => self.load_library(part)?,
        };
        self.declared_global(module, name)
            .ok_or_else(|| super::call::internal("a function of the library is missing"))
    }

    /// Compiles a tree of the machine's own, whose memory is the host's.
    pub(crate) fn compile_for_host(
        &mut self,
        ast: &aether_ast::Ast,
        file: std::rc::Rc<SourceFile>,
        module: u32,
        kind: Kind,
    ) -> Result<std::ptr::NonNull<aether_value::Code>, CompileError> {
        let resolution = aether_resolve::resolve(ast, self.tables.optimizations.copy_captures);
        self.compile_resolved(ast, &resolution, file, module, kind)
    }

    /// The same, with its names resolved as this machine would.
    pub(crate) fn compile_resolved(
        &mut self,
        ast: &aether_ast::Ast,
        resolution: &aether_resolve::Resolution,
        file: std::rc::Rc<SourceFile>,
        module: u32,
        kind: Kind,
    ) -> Result<std::ptr::NonNull<aether_value::Code>, CompileError> {
        let heap = self.heap.clone();
        let tables = &mut self.tables;
        let code = heap.for_host(|| compiler::compile(ast, resolution, file, &heap, tables, module, kind));
        self.refresh_tables();
        code
    }

    #[cold]
    fn load_library(&mut self, part: usize) -> Result<u32, Raise> {
        let file = std::rc::Rc::new(SourceFile::new(None, PARTS[part].to_owned()));
        let parse = aether_parser::parse(&file, ParseOptions::default());
        let module = self.tables.add_module();
        let code = self.compile_for_host(&parse.ast, file, module, Kind::Library);
        let code = code.map_err(|error| match error {
            CompileError::Raise(raise) => raise,
            CompileError::Diagnostic(found) => super::call::internal(&found.message),
        })?;
        self.run_code(code)?;
        self.library[part] = Some(module);
        Ok(module)
    }

    /// The `Import` instruction: the module named by a constant, into the register at byte offset `window`.
    ///
    /// # Safety
    /// `vm.ip` is the instruction and `vm.base` its frame.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn import(&mut self, name: u32, window: u16) -> Result<Flow, Raise> {
        let name = self.tables.text(name).clone();
        // SAFETY: the instruction's register.
        let register = |vm: &Self| unsafe { vm.base.add(window as usize).cast::<Raw>() };
        if let Some(module) = self.embedded(name.as_str())? {
            // SAFETY: as above.
            unsafe { *register(self) = Raw::from_rc(module) };
            return Ok(Flow::Next);
        }
        let path = match self.find_module(name.as_str()) {
            Ok(path) => path,
            Err(raise) => {
                let module = self.extension(name.as_str())?.ok_or(raise)?;
                // SAFETY: as above.
                unsafe { *register(self) = Raw::from_rc(module) };
                return Ok(Flow::Next);
            }
        };
        if let Some(&position) = self.loaded.get(&path) {
            let state = &self.modules[position as usize];
            if !state.loaded {
                return Err(Raise::circular_import(name.as_str()));
            }
            let id = state.id;
            let module = self.module_value(id, &name)?;
            // SAFETY: as above.
            unsafe { *register(self) = Raw::from_rc(module) };
            return Ok(Flow::Next);
        }
        let code = self.load_module(&path)?;
        // SAFETY: code lives as long as the heap.
        let (id, registers) = unsafe { (code.as_ref().module, code.as_ref().registers as usize) };
        let closure = self.heap.closure(code, &[], false)?;
        // SAFETY: the callee's window begins at the instruction's register, above every live one.
        unsafe {
            let end = self.base.add(window as usize + 16 + registers * 16);
            self.base = self.reserve_registers(self.base, end)?;
            let first = register(self);
            let (base, return_ip) = (self.base, self.ip.add(1));
            self.begin_uncounted();
            if let Err(raise) = self.push_frame(return_ip, base, flags::MODULE | flags::OWNS_CALLEE) {
                self.end_uncounted();
                return Err(raise);
            }
            *first = Raw::from_rc(closure);
            self.base = first.add(1).cast();
            self.ip = code.as_ref().words.as_ptr().cast_mut();
        }
        let position = self.modules.len() as u32;
        self.loaded.insert(path.clone(), position);
        self.modules.push(ModuleState {
            name: name.as_str().to_owned(),
            path,
            id,
            loaded: false,
        });
        Ok(Flow::Switched)
    }

    /// The module being loaded, which is the last one that has not ended.
    fn loading(&self) -> Option<usize> {
        self.modules.iter().rposition(|module| !module.loaded)
    }

    /// A module's top level has returned into `register`.
    ///
    /// # Safety
    /// `register` is the import's.
    pub(super) unsafe fn module_loaded(&mut self, register: *mut Raw) -> Result<(), Raise> {
        self.end_uncounted();
        // SAFETY: the caller's promise.
        unsafe { take(register).release() };
        // The instruction being executed is the import again, should it raise.
        let next = self.ip;
        // SAFETY: the return address follows the one-word import.
        self.ip = unsafe { next.sub(1) };
        let Some(position) = self.loading() else {
            return Ok(());
        };
        let (id, name) = (self.modules[position].id, self.modules[position].name.clone());
        let main = self.tables.find_slot(id, "main");
        if main.is_some_and(|slot| self.tables.is_declared(slot)) {
            self.forget_module(position);
            return Err(Raise::module_main(&name));
        }
        self.modules[position].loaded = true;
        let name = self.heap.intern(&name)?;
        let module = self.module_value(id, &name)?;
        // SAFETY: as above.
        unsafe { *register = Raw::from_rc(module) };
        self.ip = next;
        Ok(())
    }

    /// An error has left a module's top level: a later import tries again.
    pub(super) fn module_failed(&mut self) {
        self.end_uncounted();
        if let Some(position) = self.loading() {
            self.forget_module(position);
        }
    }

    fn forget_module(&mut self, position: usize) {
        let path = self.modules[position].path.clone();
        self.loaded.remove(&path);
        // The record stays, as loaded under no path: records are found by position.
        self.modules[position].loaded = true;
    }

    fn load_module(&mut self, path: &str) -> Result<std::ptr::NonNull<aether_value::Code>, Raise> {
        let failed = |reason: &str| Raise::module_failed(path, reason);
        let bytes = self
            .host
            .read_source(path)
            .map_err(|error| failed(&error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| failed("stream did not contain valid UTF-8"))?;
        let file = std::rc::Rc::new(SourceFile::new(Some(path.to_owned()), text));
        let parse = aether_parser::parse(
            &file,
            ParseOptions {
                max_nesting: self.max_nesting,
            },
        );
        if let Some(first) = parse.diagnostics.first() {
            let raise = failed(&first.message);
            self.note_failed_module(&raise, file, parse.diagnostics);
            return Err(raise);
        }
        let resolution = aether_resolve::resolve(&parse.ast, self.tables.optimizations.copy_captures);
        let module = self.tables.add_module();
        let code = compiler::compile(
            &parse.ast,
            &resolution,
            file.clone(),
            &self.heap,
            &mut self.tables,
            module,
            Kind::Program,
        );
        self.refresh_tables();
        match code {
            Ok(code) => Ok(code),
            Err(CompileError::Diagnostic(diagnostic)) => {
                let raise = failed(&diagnostic.message);
                self.note_failed_module(&raise, file, vec![*diagnostic]);
                Err(raise)
            }
            Err(CompileError::Raise(raise)) => Err(raise),
        }
    }

    /// Keeps what is wrong with a module, for whoever shows the error if nothing catches it.
    fn note_failed_module(
        &mut self,
        raise: &Raise,
        file: std::rc::Rc<SourceFile>,
        diagnostics: Vec<Diagnostic>,
    ) {
        self.failed_module = Some(FailedModule {
            message: raise.message().to_owned(),
            file,
            diagnostics,
        });
    }

    /// What is wrong with the module whose import failed with this message.
    pub(crate) fn failed_module(&mut self, message: &str) -> Option<FailedModule> {
        self.failed_module
            .take()
            .filter(|failed| failed.message == message)
    }

    /// The file of a module: beside the importing file, then in the working directory, then below `modules` of both, then
    /// in the further directories of the module path.
    fn find_module(&mut self, name: &str) -> Result<String, Raise> {
        let importer = super::unwind::file_here(self);
        let beside = match importer.as_deref() {
            Some(path) => path.rfind('/').map_or(String::new(), |at| path[..=at].to_owned()),
            None => self.directory.clone(),
        };
        let near = [
            format!("{beside}{name}.ae"),
            format!("{name}.ae"),
            format!("{beside}modules/{name}.ae"),
            format!("modules/{name}.ae"),
        ];
        let far = self.module_path.iter().map(|directory| {
            let slash = if directory.ends_with('/') { "" } else { "/" };
            format!("{directory}{slash}{name}.ae")
        });
        let candidates: Vec<String> = near.into_iter().chain(far).collect();
        for path in candidates {
            if self.host.is_source(&path) {
                self.permit_module(&path)?;
                let plain = path.strip_prefix("./").unwrap_or(&path);
                return Ok(plain.to_owned());
            }
        }
        Err(Raise::module_not_found(name))
    }

    /// Refuses a module outside of the script's own directory that the host does not permit to read.
    fn permit_module(&mut self, path: &str) -> Result<(), Raise> {
        if self.host.permits_everything(Permission::Read) {
            return Ok(());
        }
        let own = match &self.script_directory {
            Some(directory) => directory.clone(),
            None => self.directory.clone(),
        };
        let own = self.host.real_path(if own.is_empty() { "." } else { &own });
        let real = self.host.real_path(path);
        let is_own = real
            .strip_prefix(&own)
            .is_some_and(|rest| rest.starts_with('/') || own.ends_with('/'));
        if is_own {
            return Ok(());
        }
        let answer = self.host.permit_resolved(Permission::Read, path, &real);
        answer.map_err(|detail| Raise::permission(&detail))
    }

    // --- values and members ---

    /// The module value of a scope, one for each.
    fn module_value(&mut self, id: u32, name: &Rc<Str>) -> Result<Rc<Module>, Raise> {
        if let Some(module) = self.module_values.get(&id) {
            return Ok(module.clone());
        }
        let module = self.heap.module(id, name)?;
        self.module_values.insert(id, module.clone());
        Ok(module)
    }

    /// A module of the host or of the embedded library, if there is one of this name.
    fn embedded(&mut self, name: &str) -> Result<Option<Rc<Module>>, Raise> {
        if let Some(&id) = self.host_modules.get(name) {
            let name = self.heap.intern(name)?;
            return self.module_value(id, &name).map(Some);
        }
        let Some(index) = builtins::LIBRARY.iter().position(|module| module.name == name) else {
            return Ok(None);
        };
        let name = self.heap.intern(name)?;
        self.module_value(EMBEDDED | index as u32, &name).map(Some)
    }

    /// An extension module, if there is one of this name; asked for when no file serves it.
    fn extension(&mut self, name: &str) -> Result<Option<Rc<Module>>, Raise> {
        let mut modules = builtins::EXTENSIONS.iter().chain(self.extensions);
        let Some(index) = modules.position(|module| module.name == name) else {
            return Ok(None);
        };
        let name = self.heap.intern(name)?;
        self.module_value(EMBEDDED | EXTENSION | index as u32, &name)
            .map(Some)
    }

    /// The globals that have members and are nothing else, `Promise` for one.
    pub(crate) fn namespaces(&mut self) -> Result<Vec<(&'static str, Rc<Module>)>, Raise> {
        let mut found = Vec::new();
        for (index, &(text, _)) in builtins::NAMESPACES.iter().enumerate() {
            let name = self.heap.intern(text)?;
            found.push((text, self.module_value(NAMESPACE - index as u32, &name)?));
        }
        Ok(found)
    }

    /// A member of a module: its binding as it is now.
    pub(super) fn module_member(&mut self, module: &Rc<Module>, name: &Rc<Str>) -> Result<Value, Raise> {
        let text = name.as_str();
        let missing = || Raise::no_module_property(module.name().as_str(), text);
        self.member_of_module(module.id(), text).ok_or_else(missing)
    }

    /// A member of a module by the module's id.
    pub(crate) fn member_of_module(&self, id: u32, name: &str) -> Option<Value> {
        match self.members_of(id) {
            Members::Namespace(members) => members
                .iter()
                .find(|def| def.info.name == name)
                .map(builtins::BuiltinDef::value),
            Members::Library(module) => self.library_member(module, name),
            Members::Declared => self.declared_global(id, name),
        }
    }

    /// The names of a module's members.
    pub(crate) fn names_of_module(&self, id: u32) -> Vec<String> {
        match self.members_of(id) {
            Members::Namespace(members) => members.iter().map(|def| def.info.name.to_owned()).collect(),
            Members::Library(module) => self
                .parts_of(module)
                .flat_map(LibraryModule::names)
                .map(str::to_owned)
                .collect(),
            Members::Declared => {
                let slots = self.tables.declared_slots(id);
                slots
                    .map(|slot| self.tables.slot_name(slot).as_str().to_owned())
                    .collect()
            }
        }
    }

    /// Where the members of a module are.
    fn members_of(&self, id: u32) -> Members {
        if let Some(&(_, members)) = builtins::NAMESPACES.get((NAMESPACE - id) as usize) {
            return Members::Namespace(members);
        }
        if id & EMBEDDED == 0 {
            return Members::Declared;
        }
        let index = (id & !(EMBEDDED | EXTENSION)) as usize;
        Members::Library(if id & EXTENSION == 0 {
            &builtins::LIBRARY[index]
        } else {
            let added = || &self.extensions[index - builtins::EXTENSIONS.len()];
            builtins::EXTENSIONS.get(index).unwrap_or_else(added)
        })
    }

    /// What extensions of a module's name add to it, for those who import it, or put in the place of its own, and it.
    fn parts_of(
        &self,
        module: &'static LibraryModule,
    ) -> impl Iterator<Item = &'static LibraryModule> + use<> {
        let added = builtins::EXTENSIONS
            .iter()
            .chain(self.extensions)
            .filter(move |added| added.name == module.name && !std::ptr::eq(*added, module));
        added.chain(std::iter::once(module))
    }

    /// A function or constant of a library module. Texts are the host's.
    fn library_member(&self, module: &'static LibraryModule, name: &str) -> Option<Value> {
        let function = self
            .parts_of(module)
            .flat_map(|part| part.functions)
            .find(|def| def.info.name == name);
        if let Some(function) = function {
            return Some(function.value());
        }
        let mut constants = self.parts_of(module).flat_map(|part| part.constants);
        let (_, constant) = constants.find(|(known, _)| *known == name)?;
        Some(match constant {
            Constant::Float(number) => Value::Float(*number),
            Constant::Int(number) => Value::Int(number()),
            Constant::Held(key, other) => self.held.get(key).cloned().unwrap_or_else(other),
            Constant::Text(text) => {
                let text = self.heap.for_host(|| self.heap.intern(text));
                Value::String(text.ok()?)
            }
        })
    }

    /// `from m import name`.
    #[cold]
    #[inline(never)]
    pub(super) fn import_member(&mut self, module: Raw, name: u32) -> Result<Raw, Raise> {
        let name = self.tables.text(name).clone();
        // SAFETY: the register holds what `Import` put there.
        let Value::Module(module) = (unsafe { module.clone_value() }) else {
            return Err(super::call::internal("an import gave no module"));
        };
        self.module_member(&module, &name).map(Raw::from_value)
    }
}

/// Where a module's members are, which its id says.
enum Members {
    /// In a table of built-ins, as those of `Promise` are.
    Namespace(&'static [builtins::BuiltinDef]),
    /// In the embedded library or an extension.
    Library(&'static LibraryModule),
    /// In the slots of a module from a file.
    Declared,
}
