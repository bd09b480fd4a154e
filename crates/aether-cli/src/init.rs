//! `aether init`: a project that runs, with a test that passes.

use std::fs;
use std::path::Path;

use clap::Args;

use crate::project::FILE;
use crate::status::FAILED;
use crate::streams;

/// What `init` is asked.
#[derive(Debug, Args)]
pub(crate) struct Words {
    /// The directory, which is made if it is not there.
    #[arg(default_value = ".")]
    directory: String,
}

const MAIN: &str = "\
import greeting

fn main() {
    let name = args.length > 0 ? args[0] : \"world\"
    println(greeting.greet(name))
}
";

const GREETING: &str = "\
/// The words that greet someone.
fn greet(name) {
    return \"Hello, ${name}!\"
}
";

const TEST: &str = "\
import greeting

test(\"greets by name\", fn() {
    assert_eq(greeting.greet(\"Ada\"), \"Hello, Ada!\")
})
";

/// Makes the files and gives the exit status. Nothing that is there is changed.
#[cold]
#[inline(never)]
pub(crate) fn run(words: &Words) -> u8 {
    match make(Path::new(&words.directory)) {
        Ok(made) => {
            let place = &words.directory;
            let list: String = made.iter().map(|name| format!("  {name}\n")).collect();
            streams::write_out(&format!(
                "made in '{place}':\n{list}try: cd {place} && aether run && aether test\n"
            ));
            0
        }
        Err(message) => {
            streams::write_err(&format!("init: {message}\n"));
            FAILED
        }
    }
}

fn make(directory: &Path) -> Result<Vec<&'static str>, String> {
    let shown = directory.display();
    fs::create_dir_all(directory).map_err(|error| format!("cannot make '{shown}': {error}"))?;
    if directory.join(FILE).exists() {
        return Err(format!("'{}' is there already", directory.join(FILE).display()));
    }
    let absolute = std::path::absolute(directory).map_err(|error| format!("'{shown}': {error}"))?;
    let name = absolute
        .file_name()
        .map_or_else(|| "project".into(), |name| name.to_string_lossy().into_owned());
    let settings = format!(
        "[package]\nname = {}\nversion = \"0.1.0\"\nentry = \"main.ae\"\n",
        toml::Value::String(name)
    );
    let files = [
        (FILE, settings.as_str()),
        ("main.ae", MAIN),
        ("greeting.ae", GREETING),
        ("greeting_test.ae", TEST),
    ];
    let mut made = Vec::new();
    for (name, text) in files {
        let path = directory.join(name);
        if path.exists() {
            continue;
        }
        fs::write(&path, text).map_err(|error| format!("cannot write '{}': {error}", path.display()))?;
        made.push(name);
    }
    Ok(made)
}
