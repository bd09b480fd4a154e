//! Patterns of paths: `/items/:id`, `/files/*rest`.

use super::request::decoded;

/// A part between two slashes.
#[derive(Debug)]
enum Part {
    /// This text.
    Text(String),
    /// Any text that is not empty, under a name.
    Name(String),
    /// Whatever comes, slashes included, under a name.
    Rest(String),
}

/// A pattern of paths.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    /// The pattern in a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix('/') else {
            return Err("it must begin with /".to_owned());
        };
        let mut parts = Vec::new();
        let mut segments = path.split('/').peekable();
        while let Some(segment) = segments.next() {
            let part = if let Some(name) = segment.strip_prefix(':') {
                Part::Name(name.to_owned())
            } else if let Some(name) = segment.strip_prefix('*') {
                if segments.peek().is_some() {
                    return Err(format!("*{name} must come last"));
                }
                Part::Rest(name.to_owned())
            } else {
                Part::Text(segment.to_owned())
            };
            if let Part::Name(name) | Part::Rest(name) = &part {
                if name.is_empty() {
                    return Err("a parameter has no name".to_owned());
                }
                let is_taken =
                    |part: &Part| matches!(part, Part::Name(other) | Part::Rest(other) if other == name);
                if parts.iter().any(is_taken) {
                    return Err(format!("two parameters are called {name}"));
                }
            }
            parts.push(part);
        }
        Ok(Self(parts))
    }

    /// The parameters of a path, as it was sent, if the pattern is its.
    pub(super) fn matches(&self, path: &str) -> Option<Vec<(&str, String)>> {
        let mut params = Vec::new();
        let mut rest = path.strip_prefix('/');
        for part in &self.0 {
            let left = rest?;
            let (segment, behind) = match left.split_once('/') {
                Some((segment, behind)) => (segment, Some(behind)),
                None => (left, None),
            };
            match part {
                Part::Text(text) => {
                    let is_same =
                        text == segment || segment.contains('%') && *text == decoded(segment, false);
                    if !is_same {
                        return None;
                    }
                }
                Part::Name(_) if segment.is_empty() => return None,
                Part::Name(name) => params.push((name.as_str(), decoded(segment, false))),
                Part::Rest(name) => {
                    params.push((name.as_str(), decoded(left, false)));
                    return Some(params);
                }
            }
            rest = behind;
        }
        rest.is_none().then_some(params)
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) | Part::Name(text) | Part::Rest(text) => text.len(),
        });
        parts.sum::<usize>() + self.0.capacity() * size_of::<Part>()
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn params(pattern: &str, path: &str) -> Option<String> {
        let pattern = Pattern::new(pattern).unwrap();
        let params = pattern.matches(path)?;
        let pairs: Vec<String> = params
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Some(pairs.join(","))
    }

    #[test]
    fn patterns_match_whole_paths() {
        let none = Some(String::new());
        assert_eq!(params("/", "/"), none);
        assert_eq!(params("/", "/a"), None);
        assert_eq!(params("/a", "/a"), none);
        assert_eq!(params("/a", "/a/"), None);
        assert_eq!(params("/a/", "/a/"), none);
        assert_eq!(params("/a/", "/a"), None);
        assert_eq!(params("/ä b", "/%C3%A4%20b"), none);
        assert_eq!(params("/a", "*"), None);
    }

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(params("/a/:id", "/a/x%2Fy").unwrap(), "id=x/y");
        assert_eq!(params("/a/:id", "/a/"), None);
        assert_eq!(params("/a/:id", "/a/b/c"), None);
        assert_eq!(params("/:a/x/:b", "/1/x/2").unwrap(), "a=1,b=2");
        assert_eq!(params("/f/*rest", "/f/a/b%20c").unwrap(), "rest=a/b c");
        assert_eq!(params("/f/*rest", "/f/").unwrap(), "rest=");
        assert_eq!(params("/f/*rest", "/f"), None);
    }

    #[test]
    fn bad_patterns_are_refused() {
        for bad in ["", "a", "/:", "/*", "/*a/b", "/:a/:a", "/:a/*a"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }
}
