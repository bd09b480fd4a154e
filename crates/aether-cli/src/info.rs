//! `aether info`: what this version is, and what it would use here.

use clap::Args;
use serde_json::json;

use aether::DEFAULT_MAX_NESTING;

use crate::project::{FILE, Project};
use crate::status::FAILED;
use crate::streams;

/// What `info` is asked.
#[derive(Debug, Args)]
pub(crate) struct Words {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Parts that a build may leave out.
const FEATURES: &[&str] = &["json", "csv", "files", "net", "http", "plugins"];

/// Settings that come from the environment.
const VARIABLES: &[&str] = &[
    "AETHER_IO_WORKERS",
    "AETHER_HTTP_TIMEOUT",
    "AETHER_HTTP_USER_AGENT",
    "AETHER_EVENT_LOOP_TIMEOUT",
    "AETHER_QUEUE_LIMIT",
    "AETHER_CALL_DEPTH",
    "AETHER_GRACEFUL_SHUTDOWN_TIMEOUT_SECS",
    "AETHER_PATH",
    "AETHER_LOG",
    "AETHER_BACKTRACE",
    "AETHER_MAX_MEMORY",
    "AETHER_JIT",
    "NO_COLOR",
];

/// Prints and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn run(words: &Words) -> u8 {
    let project = match Project::around(".") {
        Ok(project) => project,
        Err(message) => {
            streams::write_err(&format!("info: {message}\n"));
            return FAILED;
        }
    };
    let file = project
        .as_ref()
        .map(|project| project.directory.join(FILE).to_string_lossy().into_owned());
    let modules = project.map_or(Ok(Vec::new()), |project| project.modules());
    let modules = match modules {
        Ok(modules) => modules,
        Err(message) => {
            streams::write_err(&format!("info: {message}\n"));
            return FAILED;
        }
    };
    let executable =
        std::env::current_exe().map_or_else(|_| String::new(), |path| path.display().to_string());
    let history = crate::repl::history_path().map(|path| path.display().to_string());
    let system = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let set: Vec<(&str, String)> = VARIABLES
        .iter()
        .filter_map(|&name| Some((name, std::env::var(name).ok()?)))
        .collect();
    if words.json {
        let environment: serde_json::Map<String, serde_json::Value> = set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let object = json!({
            "version": aether::VERSION,
            "system": system,
            "features": FEATURES,
            "machine_code": aether::MACHINE_CODE,
            "limits": {
                "call_depth": aether::DEFAULT_MAX_DEPTH,
                "nesting": DEFAULT_MAX_NESTING,
                "arguments": aether::MAX_ARGS,
            },
            "paths": {"executable": executable, "project": file, "modules": modules, "history": history},
            "environment": environment,
        });
        streams::write_out(&format!("{object:#}\n"));
        return 0;
    }
    let none = || "none".to_owned();
    let mut text = format!(
        "aether {}\n\nsystem      {system}\nfeatures    {}\njit         {}\ncall depth  {}\nnesting     {DEFAULT_MAX_NESTING}\n\
         arguments   {}\nexecutable  {executable}\nproject     {}\nmodules     {}\nhistory     {}\n",
        aether::VERSION,
        FEATURES.join(" "),
        if aether::MACHINE_CODE { "available" } else { "not available" },
        aether::DEFAULT_MAX_DEPTH,
        aether::MAX_ARGS,
        file.unwrap_or_else(none),
        if modules.is_empty() {
            none()
        } else {
            modules.join(":")
        },
        history.unwrap_or_else(none),
    );
    text.extend(set.iter().map(|(name, value)| format!("{name}={value}\n")));
    streams::write_out(&text);
    0
}
