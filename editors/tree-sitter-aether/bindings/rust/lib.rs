//! The tree-sitter grammar of Aether, for editors and tools that have trees of their own.
//!
//! The grammar is `grammar.js`, from which `tree-sitter generate` (version 0.25) makes `src/parser.c`; what depends on
//! lines and context is in `src/scanner.c`. Nothing of Aether itself uses it.
#![expect(unsafe_code, reason = "the parser is a C function")]

use tree_sitter_language::LanguageFn;

unsafe extern "C" {
    fn tree_sitter_aether() -> *const ();
}

/// The language, for `tree_sitter::Parser::set_language`.
// SAFETY: the function is the generated parser's, and gives its table.
pub const LANGUAGE: LanguageFn = unsafe { LanguageFn::from_raw(tree_sitter_aether) };

/// Which nodes are coloured how.
pub const HIGHLIGHTS_QUERY: &str = include_str!("../../queries/highlights.scm");
