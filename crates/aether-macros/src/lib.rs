//! The macros of the crate `aether`, which re-exports them and says how they are used.
#![forbid(unsafe_code)]

mod convert;
mod methods;
mod native;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, ItemImpl};

fn expanded(made: Result<proc_macro2::TokenStream, Error>) -> TokenStream {
    made.unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a struct a dict with its fields, and an enum the name of its variant, or a dict of that one name if the
/// variant holds something. `#[aether(rename = "…")]` names a field or variant otherwise, `#[aether(skip)]` leaves a
/// field out.
#[proc_macro_derive(IntoValue, attributes(aether))]
pub fn into_value(input: TokenStream) -> TokenStream {
    expanded(syn::parse::<DeriveInput>(input).and_then(|input| convert::into_value(&input)))
}

/// The way back from [`IntoValue`]. A field that the dict lacks is converted from null, so that an `Option` may be
/// left out; `#[aether(default)]` takes the type's default instead, and a field with `#[aether(skip)]` always has it.
#[proc_macro_derive(FromValue, attributes(aether))]
pub fn from_value(input: TokenStream) -> TokenStream {
    expanded(syn::parse::<DeriveInput>(input).and_then(|input| convert::from_value(&input)))
}

/// Makes a struct a type of the host whose public fields are properties. On a field, `#[aether(readonly)]` forbids
/// writing, `#[aether(skip)]` hides it, `#[aether(rename = "…")]` names it otherwise. On the struct,
/// `#[aether(methods)]` adds what an `impl` under `#[aether::methods]` has, `name = "…"` names the type otherwise;
/// `display`, `eq` and `ord` use the traits `Display`, `PartialEq` and `PartialOrd`, and `key = "field"` finds objects
/// in dicts and sets by that field.
#[proc_macro_derive(AetherType, attributes(aether))]
pub fn aether_type(input: TokenStream) -> TokenStream {
    expanded(syn::parse::<DeriveInput>(input).and_then(|input| native::aether_type(&input)))
}

/// Makes the `pub fn`s of an `impl` methods of the type: those with `&self` and `&mut self` are called on an object,
/// the others on the type, and `new` makes objects. A method may take `&mut Ctx<'_>` behind `self`. The type has
/// `#[derive(AetherType)]` and `#[aether(methods)]`.
#[proc_macro_attribute]
pub fn methods(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = proc_macro2::TokenStream::from(arguments);
    if !arguments.is_empty() {
        return expanded(Err(Error::new_spanned(arguments, "`methods` takes no arguments")));
    }
    expanded(syn::parse::<ItemImpl>(item).and_then(|item| methods::expand(&item)))
}
