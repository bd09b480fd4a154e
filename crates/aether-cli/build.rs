//! Exports the C functions that plugins call back.
#![forbid(unsafe_code)]

fn main() {
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family.contains("unix")) {
        println!("cargo::rustc-link-arg-bins=-rdynamic");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
