//! Every built-in that reaches outside asks the host first, and takes no for an answer.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether::{
    BuiltinDef, Engine, Entries, FileHandle, FileInfo, Host, HostMaker, MemoryHost, Names, Observer,
    OpenFile, OpenMode, Permission, SignalObserver, Steps, Waiting, Waker,
    parts::{eval, stdlib},
};
use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// A host that has one file, counts what is done to it, and denies one permission.
struct Watched {
    inner: MemoryHost,
    denied: Permission,
    touched: Rc<RefCell<u32>>,
}

impl Watched {
    fn touch(&mut self) -> &mut MemoryHost {
        *self.touched.borrow_mut() += 1;
        &mut self.inner
    }
}

impl Host for Watched {
    fn write_out(&mut self, text: &str) -> io::Result<()> {
        self.inner.write_out(text)
    }

    fn write_err(&mut self, text: &str) -> io::Result<()> {
        self.inner.write_err(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn read_line(&mut self) -> io::Result<String> {
        self.inner.read_line()
    }

    fn clock(&mut self) -> f64 {
        self.inner.clock()
    }

    fn monotonic(&mut self) -> u64 {
        self.inner.monotonic()
    }

    fn wait(&mut self, waker: &Waker, waiting: Waiting) {
        self.inner.wait(waker, waiting);
    }

    fn entropy(&mut self) -> u64 {
        self.inner.entropy()
    }

    fn open_file(&mut self, path: &str) -> io::Result<OpenFile> {
        self.touch().open_file(path)
    }

    fn is_file(&mut self, path: &str) -> io::Result<bool> {
        self.touch().is_file(path)
    }

    fn worker_host(&mut self, allowed: Option<Vec<Permission>>) -> Option<HostMaker> {
        self.touch().worker_host(allowed)
    }

    /// Looking for a module is no access of the script's.
    fn is_source(&mut self, path: &str) -> bool {
        self.inner.is_source(path)
    }

    fn is_dir(&mut self, path: &str) -> io::Result<bool> {
        self.touch().is_dir(path)
    }

    fn is_link(&mut self, path: &str) -> bool {
        self.touch().is_link(path)
    }

    fn resolve_path(&mut self, path: &str) -> io::Result<String> {
        self.touch().resolve_path(path)
    }

    fn current_dir(&mut self) -> io::Result<String> {
        self.touch().current_dir()
    }

    fn set_current_dir(&mut self, path: &str) -> io::Result<()> {
        self.touch().set_current_dir(path)
    }

    fn temp_dir(&mut self) -> String {
        self.touch().temp_dir()
    }

    /// Settings of Aether are the user's words to the engine, which looks at them for itself.
    fn env(&mut self, name: &str) -> Option<String> {
        if name.starts_with("AETHER_") {
            return self.inner.env(name);
        }
        self.touch().env(name)
    }

    fn env_all(&mut self) -> Vec<(String, String)> {
        self.touch().env_all()
    }

    fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.touch().set_env(name, value);
    }

    fn random_bytes(&mut self, out: &mut [u8]) -> io::Result<()> {
        self.touch().random_bytes(out)
    }

    fn env_changes(&mut self) -> Vec<(String, Option<String>)> {
        self.touch().env_changes()
    }

    fn exists(&mut self, path: &str) -> io::Result<bool> {
        self.touch().exists(path)
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.touch().write_file(path, bytes)
    }

    fn append_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.touch().append_file(path, bytes)
    }

    fn make_dir(&mut self, path: &str) -> io::Result<()> {
        self.touch().make_dir(path)
    }

    fn list_dir(&mut self, path: &str) -> io::Result<Names> {
        self.touch().list_dir(path)
    }

    fn entries(&mut self, path: &str) -> io::Result<Entries> {
        self.touch().entries(path)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.touch().rename(from, to)
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        self.touch().remove_file(path)
    }

    fn open_handle(&mut self, path: &str, mode: OpenMode) -> io::Result<Box<dyn FileHandle>> {
        self.touch().open_handle(path, mode)
    }

    fn file_info(&mut self, path: &str) -> io::Result<FileInfo> {
        self.touch().file_info(path)
    }

    fn copy_file(&mut self, from: &str, to: &str) -> io::Result<Steps> {
        self.touch().copy_file(from, to)
    }

    fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        self.touch().remove_dir(path)
    }

    fn remove_tree(&mut self, path: &str) -> io::Result<Steps> {
        self.touch().remove_tree(path)
    }

    fn make_link(&mut self, target: &str, path: &str) -> io::Result<()> {
        self.touch().make_link(target, path)
    }

    fn read_link(&mut self, path: &str) -> io::Result<String> {
        self.touch().read_link(path)
    }

    fn set_mode(&mut self, path: &str, mode: u32) -> io::Result<()> {
        self.touch().set_mode(path, mode)
    }

    fn make_temp_file(&mut self, suffix: &str) -> io::Result<String> {
        self.touch().make_temp_file(suffix)
    }

    fn watch_signal(&mut self, signal: i32, observer: SignalObserver) -> io::Result<Box<dyn Any>> {
        self.touch().watch_signal(signal, observer)
    }

    fn watch(&mut self, path: &str, observer: Observer) -> io::Result<Box<dyn Any>> {
        self.touch().watch(path, observer)
    }

    fn permit(&mut self, permission: Permission, what: &str) -> Result<(), String> {
        if permission == self.denied {
            Err(format!("{} access to \"{what}\"", permission.as_str()))
        } else {
            Ok(())
        }
    }
}

/// A call with arguments of the types that the built-in wants.
fn call(module: Option<&str>, def: &BuiltinDef) -> String {
    let argument = |name: &&str| match *name {
        "bytes" => "[1]",
        "cmd" => "\"true\"",
        "n" | "a" | "b" | "k" => "1",
        "array" => "[1]",
        "weights" => "null",
        "algorithm" => "\"md5\"",
        "mode" => "0o600",
        "fn" => "x => x",
        "signal" => "\"TERM\"",
        "handler" => "fn() {}",
        _ => "\"file.txt\"",
    };
    let needed = def.info.params.iter().take(def.info.min_args as usize);
    let args: Vec<&str> = needed.map(argument).collect();
    let call = format!("{}({})", def.info.name, args.join(", "));
    match module {
        Some(module) => format!("import {module}\n{module}.{call}"),
        None => call,
    }
}

/// What the call throws when `denied` is denied, and how often it reached out.
fn throws(module: Option<&str>, def: &BuiltinDef, denied: Permission) -> (Option<String>, u32) {
    let inner = MemoryHost::new();
    inner.add_file("file.txt", "text");
    let touched = Rc::new(RefCell::new(0));
    let host = Watched {
        inner,
        denied,
        touched: touched.clone(),
    };
    let mut engine = Engine::builder().host(host).build().unwrap();
    let error = engine
        .eval(call(module, def))
        .err()
        .map(|error| error.to_string());
    let touched = *touched.borrow();
    (error, touched)
}

/// What reaches nothing outside the engine.
const HARMLESS: &[&str] = &[
    "json_parse",
    "json_stringify",
    "csv_parse",
    "csv_stringify",
    "path_join",
    "basename",
    "dirname",
    "stem",
    "ext",
    "join",
    "normalize",
    "is_absolute",
    "split",
    "relative",
    "with_ext",
    "exit",
    "buffer",
    "sha256",
    "sha512",
    "sha1",
    "md5",
    "blake3",
    "crc32",
    "hmac_sha256",
    "hasher",
    "equal",
    "encode",
    "decode",
    "url_encode",
    "url_decode",
    "log2",
    "log10",
    "ln",
    "log1p",
    "expm1",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "cbrt",
    "fmod",
    "divmod",
    "isqrt",
    "is_nan",
    "is_finite",
    "popcount",
    "leading_zeros",
    "trailing_zeros",
    "lerp",
    "mean",
    "median",
    "variance",
    "stdev",
    "quantile",
    "prod",
    "dot",
    "seed",
    "generator",
    "parse",
    "stringify",
    "compile",
    "escape",
    "test",
    "find",
    "match",
    "find_all",
    "iter",
    "replace",
    "replace_first",
    "on_exit",
    "parts",
    "from_parts",
    "format",
    "add",
    "diff",
    "start_of",
    "seconds",
    "minutes",
    "hours",
    "days",
    "human",
    "after",
    "every",
    "client",
    "response",
    "router",
];

/// What needs a second permission beside the one that it names.
const ALSO: &[(&str, Permission)] = &[("copy", Permission::Read)];

#[test]
fn the_local_zone_is_the_environments() {
    let touched = Rc::new(RefCell::new(0));
    let host = Watched {
        inner: MemoryHost::new(),
        denied: Permission::Env,
        touched: touched.clone(),
    };
    let mut engine = Engine::builder().host(host).build().unwrap();
    let error = engine.eval("import time\ntime.parts(0, \"local\")").unwrap_err();
    assert_eq!(error.to_string(), "Permission denied: env access to \"TZ\"");
    assert_eq!(*touched.borrow(), 0);
}

#[test]
fn each_built_in_is_refused_its_permission() {
    let mut asked = 0;
    // Those of the evaluator reach outside only where they name a permission, or through the host's streams.
    let core: Vec<&BuiltinDef> = eval::core_builtins()
        .filter(|def| def.permission.is_some())
        .collect();
    assert!(core.iter().any(|def| def.info.name == "clock"));
    let global = stdlib::ALL.iter().copied().flatten().chain(core);
    let imported = stdlib::MODULES
        .iter()
        .flat_map(|module| module.functions.iter().map(|def| (Some(module.name), def)));
    for (module, def) in global.map(|def| (None, def)).chain(imported) {
        let name = def.info.name;
        let Some(permission) = def.permission else {
            // Input comes by the host's streams.
            let is_stream = module == Some("io");
            assert!(
                is_stream || HARMLESS.contains(&name),
                "{name} names no permission"
            );
            continue;
        };
        asked += 1;
        let (error, touched) = throws(module, def, permission);
        let error = error.unwrap_or_default();
        let expected = format!("Permission denied: {} access to ", permission.as_str());
        assert!(error.contains(&expected), "{name}: {error}");
        // It has to know the directory to ask for.
        let before = u32::from(name == "temp_file");
        assert_eq!(touched, before, "{name} reaches out before it asks");
        for other in Permission::ALL.into_iter().filter(|other| *other != permission) {
            let (error, _) = throws(module, def, other);
            let error = error.unwrap_or_default();
            let is_refused = ALSO.contains(&(name, other));
            assert_eq!(error.contains("Permission denied"), is_refused, "{name}: {error}");
        }
    }
    assert!(asked > 10);
}

/// What is asked later than at the call that names the permission: an address that a client connects to, and one that
/// a datagram is sent to.
#[test]
fn sockets_ask_for_every_address() {
    let inner = MemoryHost::new();
    let host = Watched {
        inner,
        denied: Permission::Net,
        touched: Rc::default(),
    };
    let mut engine = Engine::builder().host(host).build().unwrap();
    let code = "let text = null\nlet s = udp_bind(\"127.0.0.1:0\")\ns.on_listen(fn() {\n    try { s.send_to(\"x\", s.address) } catch(e) { text = e.message }\n    s.close()\n})\ns.listen()\ntext";
    let text = engine.eval(code).unwrap();
    let text = engine.text(&text).unwrap();
    assert!(
        text.starts_with("Permission denied: net access to \"127.0.0.1:"),
        "{text}"
    );
}
