//! `aether.toml`: the settings of a project, found in the directory of a file or one above it.
//!
//! Invariant: what the command line says wins over what stands here; what cannot be understood is an error with the
//! file's name, never ignored.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The name of the file.
pub(crate) const FILE: &str = "aether.toml";

/// Sections, and what they may hold.
const KEYS: &[(&str, &[&str])] = &[
    ("package", &["name", "version", "entry"]),
    ("paths", &["modules"]),
    ("check", &["allow", "deny"]),
    ("fmt", &["width"]),
    ("test", &["jobs", "timeout", "max_memory", "leak_check"]),
    // Read by whoever enforces them.
    ("permissions", &[]),
];

/// A project.
#[derive(Clone, Debug, Default)]
pub(crate) struct Project {
    /// Where the file is.
    pub(crate) directory: PathBuf,
    settings: Table,
}

impl Project {
    /// The project that a file or directory belongs to.
    pub(crate) fn around(path: &str) -> Result<Option<Self>, String> {
        let path = Path::new(path);
        let absolute = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let start = if absolute.is_dir() {
            Some(absolute.as_path())
        } else {
            absolute.parent()
        };
        let mut directory = start;
        while let Some(here) = directory {
            let file = here.join(FILE);
            if file.is_file() {
                return Self::read(&file).map(Some);
            }
            directory = here.parent();
        }
        Ok(None)
    }

    /// The same, with the settings of no project where there is none.
    pub(crate) fn of(path: &str) -> Result<Self, String> {
        Ok(Self::around(path)?.unwrap_or_default())
    }

    fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let text = fs::read_to_string(file).map_err(|error| format!("cannot read '{shown}': {error}"))?;
        let settings: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| {
                text.get(..span.start)
                    .map_or(1, |before| before.matches('\n').count() + 1)
            });
            format!("{shown}:{line}: {}", error.message())
        })?;
        for (section, value) in &settings {
            let Some((_, keys)) = KEYS.iter().find(|(name, _)| name == section) else {
                let known: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "{shown}: no section [{section}]; there are {}",
                    known.join(", ")
                ));
            };
            let Value::Table(entries) = value else {
                return Err(format!("{shown}: {section} must be a section: [{section}]"));
            };
            if let Some(unknown) = entries
                .keys()
                .find(|key| !keys.is_empty() && !keys.contains(&key.as_str()))
            {
                return Err(format!(
                    "{shown}: [{section}] has no '{unknown}'; it has {}",
                    keys.join(", ")
                ));
            }
        }
        let directory = file.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { directory, settings })
    }

    fn value(&self, section: &str, key: &str) -> Option<&Value> {
        self.settings.get(section)?.get(key)
    }

    fn wrong(&self, section: &str, key: &str, wanted: &str) -> String {
        format!(
            "{}: {section}.{key} must be {wanted}",
            self.directory.join(FILE).display()
        )
    }

    /// A text.
    pub(crate) fn text(&self, section: &str, key: &str) -> Result<Option<&str>, String> {
        match self.value(section, key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(section, key, "a text")),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&self, section: &str, key: &str) -> Result<Option<usize>, String> {
        let wrong = || self.wrong(section, key, "a whole number");
        match self.value(section, key) {
            None => Ok(None),
            Some(Value::Integer(number)) => usize::try_from(*number).map(Some).map_err(|_| wrong()),
            Some(_) => Err(wrong()),
        }
    }

    /// A truth value.
    pub(crate) fn flag(&self, section: &str, key: &str) -> Result<bool, String> {
        match self.value(section, key) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(section, key, "true or false")),
        }
    }

    /// A list of texts.
    pub(crate) fn list(&self, section: &str, key: &str) -> Result<Vec<String>, String> {
        let wrong = || self.wrong(section, key, "a list of texts");
        match self.value(section, key) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// The directories that modules are searched in, besides those of the language.
    pub(crate) fn modules(&self) -> Result<Vec<String>, String> {
        let directories = self.list("paths", "modules")?;
        let within = |path: &String| self.directory.join(path).to_string_lossy().into_owned();
        Ok(directories.iter().map(within).collect())
    }

    /// The script that `aether run` runs when none is named.
    pub(crate) fn entry(&self) -> Result<Option<String>, String> {
        let entry = self.text("package", "entry")?;
        Ok(entry.map(|entry| self.directory.join(entry).to_string_lossy().into_owned()))
    }
}
