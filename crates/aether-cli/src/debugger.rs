//! Scratch.
pub(crate) fn attach(_: &mut aether::Engine) {}
